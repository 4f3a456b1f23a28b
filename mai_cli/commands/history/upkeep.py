"""The commands of ``mai history`` that look after it: tags, checks, recovery, cleaning up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import FILTER, Help, Json
from mai_cli.errors import ExitCode, UsageError
from mai_cli.parts import Parts

if TYPE_CHECKING:
    from mai_cli.models.upkeep import Gone

app = typer.Typer(add_completion=False)

Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="As for 'mai history show'."),
]
SomeIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Only these.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]


@app.command(
    cls=HelpCommand,
    add_help_option=False,
    context_settings={"allow_interspersed_args": False},  # a tag may start with a minus
)
def tag(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="As for 'mai history show'.")],
    changes: Annotated[list[str], typer.Argument(metavar="+TAG|-TAG...", help="Add, or take off.")],
    json: Json = False,
    _help: Help = False,
) -> None:
    """Add tags to a record, or take them off.

    A record with the tag 'favorite' is not pruned.

    mai history tag last +favorite
    mai history tag b7c4 +hero -draft
    """
    from mai_cli.services.tagging import parse_tags
    from mai_cli.terminal.showing import show_record

    parts: Parts = context.obj
    if {"-h", "--help"} & {*changes}:
        parts.output.lines(context.get_help())
        return
    json = json or "--json" in changes  # the last word, as people write it
    parts.configure({}, json=json)
    change = parse_tags([text for text in changes if text != "--json"])
    state = parts.upkeep.finding.find(id_)
    changed = parts.upkeep.history.change(state["id"], change)
    if json:
        show_record(parts.output, changed)
    else:
        parts.output.note(f"{changed['id']}: {', '.join(changed['tags']) or 'no tags'}")


@app.command(cls=HelpCommand, add_help_option=False)
def verify(context: typer.Context, json: Json = False, _help: Help = False) -> None:
    """See that every picture is there as it was.

    And that every line of the history can be read, and no picture is without a record. Exits with
    7 if anything is wrong; changes nothing.

    mai history verify
    """
    from mai_cli.models.upkeep import Seen
    from mai_cli.terminal.history_showing import show_problem
    from mai_cli.terminal.wording import counted

    parts: Parts = context.obj
    parts.configure({}, json=json)
    seen, found = Seen(), 0
    for problem in parts.upkeep.verify(seen):
        found += 1
        show_problem(parts.output, problem)
    looked = f"{counted(seen.records, 'record')}, {counted(seen.pictures, 'picture')}"
    parts.output.note(f"{looked}: {counted(found, 'problem') if found else 'all is well'}.")
    raise typer.Exit(ExitCode.STORAGE if found else ExitCode.OK)


@app.command(cls=HelpCommand, add_help_option=False)
def recover(
    context: typer.Context,
    ids: SomeIds = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Settle what no picture is found of.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Look into requests that were never answered.

    A picture that is found on disk becomes that of its record. What is settled is not asked about
    again, and a batch may draw it anew.

    mai history recover
    mai history recover b7c4 --forget
    """
    from mai_cli.services.recovering import unsettled
    from mai_cli.terminal.history_showing import show_found

    parts: Parts = context.obj
    parts.configure({}, json=json)
    work = parts.upkeep
    states = unsettled(work.find_all(ids) if ids else work.history.newest())
    open_ = 0
    for found in work.recovering(dry_run=dry_run).recover(states, forget=forget):
        show_found(parts.output, found, work.columns, dry_run=dry_run)
        open_ += found.result == "unknown"
    if not states:
        parts.output.note("Every request was answered.")
    elif open_ and not forget:
        parts.output.note("--forget settles what no picture is found of.")


@app.command(cls=HelpCommand, add_help_option=False)
def remove(
    context: typer.Context,
    ids: Ids,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Remove pictures from the gallery.

    Their records stay, and so does what they cost.

    mai history remove last
    mai history remove b7c4 41d0 --yes
    """
    from mai_cli.models.upkeep import Gone
    from mai_cli.terminal.history_showing import show_gone
    from mai_cli.terminal.wording import counted, megabytes

    parts: Parts = context.obj
    parts.configure({}, json=json)
    work = parts.upkeep
    states = work.find_all(ids)
    gone = work.removing.would_remove(states)
    if gone.records and not dry_run:
        what = f"Remove {counted(len(gone.pictures), 'picture')}, {megabytes(gone.bytes)}"
        if not work.confirm(f"{what}?", yes=yes):
            return
        gone = Gone()
        with _told(parts, gone):
            work.removing.remove(states, gone)
    else:
        show_gone(parts.output, gone, dry_run=dry_run)
    raise typer.Exit(ExitCode.STORAGE if gone.left and not dry_run else ExitCode.OK)


@contextmanager
def _told(parts: Parts, gone: "Gone") -> Iterator[None]:
    """Tell of what went, also if it is not all."""
    from mai_cli.terminal.history_showing import show_gone

    try:
        yield
    finally:
        show_gone(parts.output, gone, dry_run=False)


@app.command(cls=HelpCommand, add_help_option=False)
def prune(
    context: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="DATE",
            help="Sent before: 90d, 2026-01.",
            rich_help_panel=FILTER,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", metavar="N", min=0, help="All but the newest N.", rich_help_panel=FILTER
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Remove old pictures, and their records with them.

    Favorites stay, and so does what was sent and is not settled, or what a newer version of mai
    has written in another way. Exports are yours, and stay.

    mai history prune --older-than 90d --dry-run
    mai history prune --keep 1000
    """
    from datetime import datetime

    from mai_cli.models.moment import parse_moment
    from mai_cli.models.upkeep import Gone
    from mai_cli.services.removing import Wear
    from mai_cli.terminal.history_showing import show_gone
    from mai_cli.terminal.wording import counted, megabytes

    parts: Parts = context.obj
    parts.configure({}, json=json)
    if older_than is None and keep is None:
        raise UsageError(
            "It is not said what is to be pruned.",
            code="bad_option",
            hint="Add --older-than 90d or --keep 1000, or both.",
        )
    now = datetime.now().astimezone()
    before = parse_moment("--older-than", older_than, now) if older_than is not None else None
    wear, work = Wear(before, keep), parts.upkeep
    gone = work.removing.would_prune(wear.chosen(work.history.newest()))
    if gone.records and not dry_run:
        what = f"{counted(gone.records, 'record')} and {counted(len(gone.pictures), 'picture')}"
        if not work.confirm(f"Prune {what}, {megabytes(gone.bytes)}?", yes=yes):
            return
        gone = Gone()
        with _told(parts, gone):
            work.removing.prune(wear, gone)
    else:
        show_gone(parts.output, gone, dry_run=dry_run)
    raise typer.Exit(ExitCode.STORAGE if gone.left and not dry_run else ExitCode.OK)
