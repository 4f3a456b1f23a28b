"""``mai config list``, ``profiles`` and ``path``: what is set, and where."""

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import Help, Json, Profile
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)


@app.command("list", cls=HelpCommand, add_help_option=False)
def list_(
    context: typer.Context,
    profile: Profile = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Show every setting, its value and its origin.

    mai config list
    mai config list -p work --json
    """
    from mai_cli.services.configuring import listing
    from mai_cli.terminal.showing import show_settings

    parts: Parts = context.obj
    parts.configure({"profile": profile}, json=json)
    show_settings(parts.output, list(listing(parts.settings, lambda: parts.access.key_origin)))


@app.command(cls=HelpCommand, add_help_option=False)
def profiles(context: typer.Context, json: Json = False, _help: Help = False) -> None:
    """List the profiles; '*' marks the one in use.

    mai config profiles
    mai config set endpoint https://contoso.services.ai.azure.com -p work
    """
    from mai_cli.services.configuring import profiles_in
    from mai_cli.terminal.showing import show_profile

    parts: Parts = context.obj
    parts.configure({}, json=json)
    found = profiles_in(parts.files, parts.settings)
    for profile in found:
        show_profile(parts.output, profile)
    if not found:
        parts.output.note("There are none. 'mai config init -p NAME' makes one.")


@app.command(cls=HelpCommand, add_help_option=False)
def path(context: typer.Context, json: Json = False, _help: Help = False) -> None:
    """Print the path of your file; with --json of all.

    mai config path
    mai config path --json
    """
    parts: Parts = context.obj
    parts.configure({}, json=json)
    if json:
        parts.output.object({"schema": "mai/paths/1", **parts.places})
    else:
        parts.output.path(parts.paths.config)
