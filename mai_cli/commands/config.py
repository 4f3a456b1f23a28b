"""``mai config``: look at the settings, change them, find out what is wrong."""

from contextlib import suppress
from typing import Annotated, Literal

import typer

from mai_cli.commands.config_init import init
from mai_cli.commands.help import HelpCommand, HelpGroup
from mai_cli.commands.options import Help, Json, NoColor, Profile, Quiet, Verbose
from mai_cli.errors import MaiError
from mai_cli.parts import Parts

app = typer.Typer(cls=HelpGroup, rich_markup_mode=None, add_completion=False)
app.command(cls=HelpCommand, add_help_option=False)(init)

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="A setting, such as size or profiles.work.size.")
]
Value = Annotated[
    str | None,
    typer.Argument(
        metavar="[VALUE]",
        help="Its value. For api_key: '-' reads standard input.",
        show_default=False,
    ),
]
SchemaName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="What it is of, such as record.", show_default=False),
]
Shell = Annotated[
    Literal["bash", "zsh", "fish", "powershell"],
    typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell."),
]


@app.callback(invoke_without_command=True, add_help_option=False)
def config(context: typer.Context, _help: Help = False) -> None:
    """Settings, signing in, and a doctor.

    mai config init
    mai config check
    mai config set size 16:9
    """
    if context.invoked_subcommand is None:
        context.obj.output.lines(context.get_help())


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
def get(
    context: typer.Context,
    key: Key,
    profile: Profile = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Print the value of one setting.

    mai config get endpoint
    mai config get deployments.my-pics.model
    """
    from mai_cli.models.setting import Name
    from mai_cli.services.configuring import find, printable

    parts: Parts = context.obj
    name = Name.parse(key, profile)
    parts.configure({"profile": name.profile}, json=json)
    setting = find(parts.settings, name, lambda: parts.access.key_origin)
    if json:
        parts.output.object(setting.to_json())
    else:
        for text in printable(setting):
            parts.output.text(text)


@app.command("set", cls=HelpCommand, add_help_option=False)
def set_(
    context: typer.Context,
    key: Key,
    value: Value = None,
    profile: Profile = None,
    quiet: Quiet = False,
    _help: Help = False,
) -> None:
    """Change a setting in your file, or store the key.

    mai config set size 16:9
    mai config set endpoint https://contoso.services.ai.azure.com -p work
    mai config set deployments.my-pics.model MAI-Image-2.6
    mai config set api_key
    """
    from mai_cli.models.setting import Name
    from mai_cli.services.configuring import winner
    from mai_cli.services.setup import refuse_argument

    parts: Parts = context.obj
    name = Name.parse(key, parts.profile(profile))
    parts.configure({"profile": name.profile}, quiet=quiet)
    if name.key.is_secret:
        refuse_argument(value)
        endpoint = parts.access.needed_endpoint
        with parts.stops.listening():  # so that a stop gives the terminal its echo back
            secret = parts.secret(value)
        origin = parts.access.keys.store(endpoint, secret)
        parts.output.note(f"The key is stored in {origin}, for {endpoint} only.")
    else:
        setting = parts.configuration.set(name, value)
        parts.output.note(f"{name} is {', '.join(setting.texts)} in {setting.origin}.")
    with suppress(MaiError):  # a mistake elsewhere is told when it matters
        if hiding := winner(parts.settings, name):
            parts.output.note(f"It has no effect here: {hiding} wins.")


@app.command(cls=HelpCommand, add_help_option=False)
def unset(
    context: typer.Context,
    key: Key,
    profile: Profile = None,
    quiet: Quiet = False,
    _help: Help = False,
) -> None:
    """Remove a setting from your file, or forget the key.

    mai config unset size
    mai config unset api_key
    """
    from mai_cli.models.setting import Name

    parts: Parts = context.obj
    name = Name.parse(key, parts.profile(profile))
    parts.configure({"profile": name.profile}, quiet=quiet)
    if name.key.is_secret:
        endpoint = parts.access.needed_endpoint
        was_there, where = parts.access.keys.forget(endpoint), f"for {endpoint}"
    else:
        was_there, where = parts.configuration.unset(name), f"in {parts.paths.config}"
    parts.output.note(f"{name} {'is removed' if was_there else 'was not set'} {where}.")


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


@app.command(cls=HelpCommand, add_help_option=False)
def edit(context: typer.Context, quiet: Quiet = False, _help: Help = False) -> None:
    """Open your file in your editor, then check it.

    mai config edit
    EDITOR="code --wait" mai config edit
    """
    parts: Parts = context.obj
    parts.configure({}, quiet=quiet)
    has_file = parts.edit_configuration()
    state = "is in order" if has_file else "is not there: nothing was set"
    parts.output.note(f"{parts.paths.config} {state}.")


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


@app.command(cls=HelpCommand, add_help_option=False)
def schema(context: typer.Context, name: SchemaName = None, _help: Help = False) -> None:
    """Print a JSON Schema; without NAME what there is.

    mai config schema
    mai config schema record
    mai config schema config > config.schema.json
    """
    from mai_cli.stores.schemas import names, read

    output = context.obj.output
    if name is None:
        output.lines("\n".join(names()))
    else:
        output.data(read(name))


@app.command(cls=HelpCommand, add_help_option=False)
def completion(context: typer.Context, shell: Shell, _help: Help = False) -> None:
    """Print the completion script of a shell.

    Its first lines say how to install it.

    mai config completion bash
    mai config completion zsh > "${fpath[1]}/_mai"
    """
    from mai_cli.terminal.completion import script

    parts: Parts = context.obj
    parts.output.data(script(shell, context.find_root().command).encode())
