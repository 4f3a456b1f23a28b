"""The commands of ``mai history`` that look: list, search, show, open, preview, stats."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import (
    FILTER,
    Batch,
    Help,
    Json,
    Model,
    Search,
    Since,
    Status,
    Tagged,
    Until,
)
from mai_cli.errors import ExitCode
from mai_cli.parts import Parts

if TYPE_CHECKING:
    from mai_cli.services.filtering import Filter

USUAL_RECORDS = 20

app = typer.Typer(add_completion=False)

Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        help="An id or its first 4 characters or more; 'last', 'last~2'; or a picture's path.",
    ),
]
Number = Annotated[
    int,
    typer.Option(
        "--number",
        "-n",
        metavar="N",
        min=0,
        help="At most so many records.",
        rich_help_panel=FILTER,
    ),
]
All = Annotated[
    bool, typer.Option("--all", help="Every record, not only the newest.", rich_help_panel=FILTER)
]
By = Annotated[
    Literal["day", "month", "model", "profile", "tag"],
    typer.Option("--by", help="What the groups are.", rich_help_panel=FILTER),
]


@app.command("list", cls=HelpCommand, add_help_option=False)
def list_(
    context: typer.Context,
    number: Number = USUAL_RECORDS,
    all_: All = False,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    model: Model = None,
    tag: Tagged = None,
    batch: Batch = None,
    search: Search = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """List records, the newest first.

    In a pipe: id, time, status, model, cost, picture and prompt, with tabs between them.

    mai history list
    mai history list --since 7d --status refused
    mai history list --tag hero --json
    """
    parts: Parts = context.obj
    parts.configure({}, json=json)
    wanted = parts.upkeep.filter(since, until, status, model, tag, batch, search)
    _list(parts, wanted, None if all_ else number)


@app.command(cls=HelpCommand, add_help_option=False)
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words of the prompt.")],
    number: Number = USUAL_RECORDS,
    all_: All = False,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    model: Model = None,
    tag: Tagged = None,
    batch: Batch = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Find records by words of their prompt, the newest first.

    mai history search "red fox"
    mai history search lighthouse --since 2026-11-01
    """
    parts: Parts = context.obj
    parts.configure({}, json=json)
    wanted = parts.upkeep.filter(since, until, status, model, tag, batch, text)
    _list(parts, wanted, None if all_ else number)


def _list(parts: Parts, wanted: "Filter", number: int | None) -> None:
    from mai_cli.terminal.history_showing import show_records
    from mai_cli.terminal.wording import counted

    work = parts.upkeep
    states = work.states(wanted)
    shown = show_records(parts.output, islice(states, number), work.columns)
    if next(states, None) is not None and work.columns:
        parts.output.note(f"The newest {counted(shown, 'record')}; --all shows every one.")
    elif not shown and number != 0:
        parts.output.note("No record.")


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
    for state in [parts.upkeep.finding.find(text) for text in ids]:
        show_record(parts.output, state)


@app.command("open", cls=HelpCommand, add_help_option=False)
def open_(context: typer.Context, ids: Ids, json: Json = False, _help: Help = False) -> None:
    """Open pictures in the system's viewer.

    mai history open last
    """
    parts: Parts = context.obj
    parts.configure({}, json=json)
    code = ExitCode.OK
    for state in parts.upkeep.find_all(ids):
        path = parts.upkeep.master(state)
        if not parts.open_file(path):
            code = ExitCode.CONFIG
        parts.output.object(state) if json else parts.output.path(path)
    raise typer.Exit(code)


@app.command(cls=HelpCommand, add_help_option=False)
def preview(context: typer.Context, ids: Ids, _help: Help = False) -> None:
    """Show pictures in the terminal.

    mai history preview last
    mai history preview b7c4 41d0
    """
    from mai_cli.terminal.showing import show_picture

    parts: Parts = context.obj
    parts.configure({"preview": True})
    paths = [parts.upkeep.master(state) for state in parts.upkeep.find_all(ids)]
    screen = parts.preview()
    for path in paths:
        parts.output.path(path)
        if screen:
            show_picture(parts.output, screen, path)
    if screen is None:
        parts.output.note("This terminal cannot show pictures; try mai history open.")


@app.command(cls=HelpCommand, add_help_option=False)
def stats(
    context: typer.Context,
    by: By = "month",
    since: Since = None,
    until: Until = None,
    status: Status = None,
    model: Model = None,
    tag: Tagged = None,
    batch: Batch = None,
    search: Search = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Add up pictures, cost, refusals and time.

    mai history stats
    mai history stats --by model --since 30d
    mai history stats --by tag --json
    """
    from mai_cli.models.stats import Stats
    from mai_cli.terminal.history_showing import show_stats

    parts: Parts = context.obj
    parts.configure({}, json=json)
    work = parts.upkeep
    wanted = work.filter(since, until, status, model, tag, batch, search)
    figures = Stats.of(work.states(wanted), by)
    show_stats(parts.output, figures, work.columns)
