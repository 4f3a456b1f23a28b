"""``mai config init``: from nothing to settings that work."""

import shlex
from contextlib import suppress
from typing import Annotated, Literal

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import FOUNDRY, Help, Json, NoColor, Profile, Verbose
from mai_cli.errors import ExitCode, MaiError
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="The resource: any address of it that you see.",
        rich_help_panel=FOUNDRY,
    ),
]
Deployment = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        "-d",
        metavar="NAME",
        help="The deployment to call.",
        rich_help_panel=FOUNDRY,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="The model behind it, where its name does not tell.",
        rich_help_panel=FOUNDRY,
    ),
]
Auth = Annotated[
    Literal["auto", "key", "entra"] | None,
    typer.Option(
        "--auth",
        help="How to sign in; auto: with a key if there is one.",
        rich_help_panel=FOUNDRY,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="-",
        help="'-' reads the key from standard input.",
        rich_help_panel=FOUNDRY,
    ),
]
NoInput = Annotated[
    bool, typer.Option("--no-input", help="Ask nothing; what is missing is an error.")
]
Test = Annotated[
    bool | None,
    typer.Option("--test/--no-test", help="Test the answers before they are written; free."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace settings that the file has.")]


@app.command(cls=HelpCommand, add_help_option=False)
def init(
    context: typer.Context,
    endpoint: Endpoint = None,
    deployment: Deployment = None,
    model: ModelName = None,
    auth: Auth = None,
    api_key: ApiKey = None,
    test: Test = None,
    no_input: NoInput = False,
    overwrite: Overwrite = False,
    profile: Profile = None,
    json: Json = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
    _help: Help = False,
) -> None:
    """Set up endpoint, deployment and sign-in.

    mai config init
    mai config init -p work
    mai config init --no-input --endpoint URL -d mai-image-26 --auth entra
    mai config init --no-input --endpoint URL -d pics --api-key - < key.txt
    """
    from mai_cli.services.checks import worst
    from mai_cli.services.setup import Answers, refuse_argument
    from mai_cli.terminal.showing import check_lines

    parts: Parts = context.obj
    profile = parts.profile(profile)
    display = {"json": json, "verbose": verbose, "no_color": no_color}
    parts.configure({}, **display)
    refuse_argument(api_key)
    with parts.stops.listening():
        setup = parts.setup(profile, may_ask=not no_input)
        key = parts.secret(api_key) if api_key else None
        answers = setup.ask(Answers(endpoint, deployment, model, auth, key))
        if not setup.may_write(answers, overwrite=overwrite):
            parts.output.note("Nothing was changed.")
            raise typer.Exit(ExitCode.OK)
        parts.configure({"profile": profile, "api_key": answers.api_key}, **display)
        parts.pretended = setup.pretended(answers)
        if setup.wants_test(test=test):
            found = []
            for result in parts.watch(parts.checks.run(), 0, doing="Checking"):
                found.append(result)
                if json:
                    parts.output.object(result.to_json())
                else:
                    parts.output.notes(check_lines(result))
            failure = worst(found)
            if failure and not setup.insists():
                parts.output.note("Nothing was written.")
                raise typer.Exit(failure)
        if answers.api_key:
            origin = parts.access.keys.store(setup.endpoint(answers), answers.api_key)
            parts.output.note(f"The key is stored in {origin}.")
        setup.write(answers)
        parts.configure({"profile": profile}, **display)  # as it is from here on
    with suppress(MaiError):  # a mistake elsewhere is told when it matters
        for name, origin in setup.hidden(answers, parts.settings).items():
            parts.output.note(f"The {name} has no effect here: {origin} wins.")
    option = f" -p {shlex.quote(profile)}" if profile else ""
    parts.output.note(f'Written. Try: mai generate "a lighthouse at dawn"{option}')
    if json:
        parts.output.object({"schema": "mai/paths/1", **parts.places})
    else:
        parts.output.path(parts.paths.config)
