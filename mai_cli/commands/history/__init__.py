"""``mai history``: find what was made, look at it, repeat it, account for it, clean up."""

from typing import ClassVar

import typer

from mai_cli.commands.help import LazyGroup
from mai_cli.commands.options import Help

_PLACES = {
    "looking": {
        "list": "List records, the newest first.",
        "search": "Find records by words of their prompt, the newest first.",
        "show": "Show records in full.",
        "open": "Open pictures in the system's viewer.",
        "preview": "Show pictures in the terminal.",
        "stats": "Add up pictures, cost, refusals and time.",
    },
    "rerun": {"rerun": "Make the picture of a record again, with changes."},
    "sharing": {
        "gallery": "Make a web page of the pictures.",
        "export": "Hand records or pictures to others.",
    },
    "upkeep": {
        "tag": "Add tags to a record, or take them off.",
        "verify": "See that every picture is there as it was.",
        "recover": "Look into requests that were never answered.",
        "remove": "Remove pictures from the gallery.",
        "prune": "Remove old pictures, and their records with them.",
    },
}


class Commands(LazyGroup):
    """The commands, by the module that each stands in."""

    places: ClassVar = {
        name: (f"mai_cli.commands.history.{module}", about)
        for module, commands in _PLACES.items()
        for name, about in commands.items()
    }


app = typer.Typer(cls=Commands, rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True, add_help_option=False)
def history(context: typer.Context, _help: Help = False) -> None:
    """What was made, and from what.

    mai history list
    mai history search lighthouse
    mai history show last
    mai history rerun b7c4 -s 16:9
    mai history stats --by model
    """
    if context.invoked_subcommand is None:
        context.obj.output.lines(context.get_help())
