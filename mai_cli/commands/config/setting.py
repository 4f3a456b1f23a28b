"""``mai config get``, ``set``, ``unset`` and ``edit``: one setting, or the file they stand in."""

from contextlib import suppress
from typing import Annotated

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import Help, Json, Profile, Quiet
from mai_cli.errors import MaiError
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)

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
