"""``mai emulator``: the MAI image API on this machine, to try things out."""

from typing import Annotated

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import Help
from mai_cli.errors import UsageError
from mai_cli.parts import Parts

USUAL_PORT = 8765
DEPLOYMENT = "mai-image-27"

app = typer.Typer(add_completion=False)

MAX_LATENCY_SECONDS = 3600


@app.command(cls=HelpCommand, add_help_option=False)
def emulator(
    context: typer.Context,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="N", help="Of loopback; 0: a free one."),
    ] = USUAL_PORT,
    latency: Annotated[
        float,
        typer.Option("--latency", min=0, metavar="SECONDS", help="Until a picture is there."),
    ] = 0.0,
    rpm: Annotated[
        int | None,
        typer.Option("--rpm", min=1, metavar="N", help="The quota: pictures a minute."),
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            "--fail",
            metavar="PATTERN",
            help="A fault, and after a colon when: 429:20% (by chance), lost:3 (the third), "
            "filter:fox (prompts with that). A status, or filter, blocked, lost, reset, torn, "
            "hang, no-json, no-picture, no-png. May be repeated; the first that fits holds.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Another one, other chances.")
    ] = 0,
    _help: Help = False,
) -> None:
    """Serve the MAI image API on this machine, to try things out.

    It checks requests as the service does, and answers with placeholders; nothing leaves the
    machine or costs anything. Set what it prints in another terminal. Ctrl-C ends it.

    mai emulator
    mai emulator --latency 5 --rpm 10
    mai emulator --fail 429:20% --fail filter:fox --fail lost:3
    """
    from mai_cli.models.fault import parse_fault

    if not latency <= MAX_LATENCY_SECONDS:
        raise UsageError(
            f"--latency must be at most {MAX_LATENCY_SECONDS} seconds.",
            code="bad_option",
            hint="Write --latency 5.",
        )
    parts: Parts = context.obj
    faults = [parse_fault(text) for text in fail or []]

    from threading import Event

    from mai_cli.adapters.emulator import Emulator, Served
    from mai_cli.models.variables import assignment

    def tell(served: Served) -> None:
        facts = [
            served.status or "---",
            f"{served.method} {served.path}",
            f"{served.seconds:.1f} s",
        ]
        parts.output.note("  ".join(map(str, [*facts, served.fault or ""])).rstrip())

    try:
        serving = Emulator(port, tell, latency=latency, rpm=rpm, faults=faults, seed=seed)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be had: {error.strerror}.",
            code="bad_option",
            hint="Choose another with --port, or 0 for a free one.",
        ) from None
    ended = Event()
    with parts.stops.counted(ended.set), serving:
        for name, value in {
            "MAI_ENDPOINT": serving.url,
            "MAI_API_KEY": "emulator",
            "MAI_DEPLOYMENT": DEPLOYMENT,
        }.items():
            parts.output.text(assignment(name, value))
        parts.output.note("Ctrl-C ends it.")
        ended.wait()
