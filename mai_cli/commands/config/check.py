"""``mai config check``: a doctor that names the cause."""

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import Help, Json, NoColor, Profile, Verbose
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)


@app.command(cls=HelpCommand, add_help_option=False)
def check(
    context: typer.Context,
    profile: Profile = None,
    json: Json = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
    _help: Help = False,
) -> None:
    """Find out what is wrong, from settings to disk. Free.

    mai config check
    mai config check -p work -v
    """
    from mai_cli.services.checks import worst
    from mai_cli.terminal.showing import check_lines

    parts: Parts = context.obj
    parts.configure({"profile": profile}, json=json, verbose=verbose, no_color=no_color)
    found = []
    with parts.stops.listening():
        for result in parts.watch(parts.checks.run(), 0, doing="Checking"):
            found.append(result)
            if json:
                parts.output.object(result.to_json())
            else:
                parts.output.lines("\n".join(check_lines(result)))
    raise typer.Exit(worst(found))
