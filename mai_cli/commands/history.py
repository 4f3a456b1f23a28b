"""``mai history``: what was made, and from what."""

from typing import Annotated

import typer

from mai_cli.commands.help import HelpCommand, HelpGroup
from mai_cli.commands.options import Help, Json
from mai_cli.parts import Parts

app = typer.Typer(cls=HelpGroup, rich_markup_mode=None)

Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        help="An id or its first 4 characters or more; 'last', 'last~2'; or a picture's path.",
    ),
]


@app.callback(invoke_without_command=True, add_help_option=False)
def history(context: typer.Context, _help: Help = False) -> None:
    """What was made, and from what.

    mai history show last
    mai history show hero.webp
    """
    if context.invoked_subcommand is None:
        context.obj.output.lines(context.get_help())


@app.command(cls=HelpCommand, add_help_option=False)
def show(context: typer.Context, ids: Ids, json: Json = False, _help: Help = False) -> None:
    """Show records in full.

    mai history show last
    mai history show b7c4 --json
    mai history show ~/Downloads/renamed.webp
    """
    from mai_cli.terminal.showing import show_record

    parts: Parts = context.obj
    parts.configure({}, json=json)
    for state in [parts.finding.find(text) for text in ids]:
        show_record(parts.output, state)
