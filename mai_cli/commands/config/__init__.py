"""``mai config``: look at the settings, change them, find out what is wrong."""

from typing import ClassVar

import typer

from mai_cli.commands.help import LazyGroup
from mai_cli.commands.options import Help

_COMMANDS = {
    "init": ("init", "Set up endpoint, deployment and sign-in."),
    "list": ("listing", "Show every setting, its value and its origin."),
    "get": ("setting", "Print the value of one setting."),
    "set": ("setting", "Change a setting in your file, or store the key."),
    "unset": ("setting", "Remove a setting from your file, or forget the key."),
    "path": ("listing", "Print the path of your file; with --json of all."),
    "edit": ("setting", "Open your file in your editor, then check it."),
    "profiles": ("listing", "List the profiles; '*' marks the one in use."),
    "check": ("check", "Find out what is wrong, from settings to disk. Free."),
    "schema": ("printing", "Print a JSON Schema; without NAME what there is."),
    "completion": ("printing", "Print the completion script of a shell."),
    "man": ("printing", "Print the manual page."),
}
"""Each with its module, and the first line of its help."""


class Commands(LazyGroup):
    """The commands, each loaded when it is called."""

    places: ClassVar = {
        name: (f"mai_cli.commands.config.{module}", about)
        for name, (module, about) in _COMMANDS.items()
    }


app = typer.Typer(cls=Commands, rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True, add_help_option=False)
def config(context: typer.Context, _help: Help = False) -> None:
    """Settings, signing in, and a doctor.

    mai config init
    mai config check
    mai config set size 16:9
    """
    if context.invoked_subcommand is None:
        context.obj.output.lines(context.get_help())
