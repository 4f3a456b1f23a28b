"""What ``mai history`` says: a line for each record, tables, what was found and what went."""

import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai_cli.errors import StorageError
from mai_cli.models.moment import moment_of
from mai_cli.terminal.output import Output, visible
from mai_cli.terminal.wording import counted, dollars

if TYPE_CHECKING:
    from mai_cli.models.stats import Stats, Tally
    from mai_cli.models.upkeep import Found, Gone, Problem

PAGE_SCHEMA = "mai/page/1"
REMOVAL_SCHEMA = "mai/removal/1"

State = Mapping[str, Any]

_BAR = 20  # characters of the longest bar
_CUT = "..."
_CELL, _LONGEST = 10, 32  # of figures, and of names


def show_records(output: Output, states: Iterable[State], columns: int | None) -> int:
    """A line for each record; cut to ``columns`` for people, else whole, with tabs.

    Returns how many there were.
    """
    number = 0
    for state in states:
        number += 1
        if output.json:
            output.object(state)
        elif columns is None:
            output.row(_facts(state))
        else:
            output.text(record_line(state, columns))
    return number


def record_line(state: State, columns: int) -> str:
    """One line about a record that is not wider than ``columns``."""
    moment, when = moment_of(state), "?"
    with suppress(OverflowError, OSError, ValueError):  # at the ends of the calendar
        when = f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else "?"
    head = f"{state.get('id')!s:<12}  {when:<16}  {state.get('status')!s:<8}"
    line = f"{head}{_cost(state):>10}  {_prompt(state)}"
    return _cut(visible(line), columns)


def _facts(state: State) -> list[str]:
    """What a program may cut at tabs: id, time, status, model, cost, picture, prompt."""
    master = state.get("master")
    path = ""
    if isinstance(master, dict):
        path = str(Path(str(master.get("gallery")), str(master.get("path"))))
    cost = state.get("cost_usd")
    facts = [
        state.get("id"),
        state.get("created_at"),
        state.get("status"),
        state.get("model") or state.get("deployment"),
        "" if cost is None else cost,
        path,
        _prompt(state),
    ]
    return [" ".join(str(fact).split()) for fact in facts]


def _prompt(state: State) -> str:
    prompt = state.get("prompt")
    return "(private)" if prompt is None else " ".join(str(prompt).split())


def _cost(state: State) -> str:
    if not isinstance(state.get("master"), dict):
        return "-"
    if state.get("offline"):
        return "free"
    cost = state.get("cost_usd")
    return dollars(cost) if isinstance(cost, int | float) else "?"


def _cut(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` cells of a terminal."""
    if text.isascii() and len(text) <= columns:
        return text
    room, kept = columns - len(_CUT), 0
    width = 0
    for number, char in enumerate(text, 1):
        width += _cells(char)
        if width <= room:
            kept = number
        if width > columns:
            return f"{text[:kept].rstrip()}{_CUT}"
    return text


def _cells(char: str) -> int:
    """How wide a terminal shows ``char``. Source: https://www.unicode.org/reports/tr11/."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def show_stats(output: Output, stats: "Stats", columns: int | None) -> None:
    """A table of groups, with bars where there is room for them."""
    if output.json:
        output.object(stats.to_json())
        return
    groups = stats.sorted()
    head = ["pictures", "cost", "refused", "failed", "unknown", "seconds"]
    room = max(len("2026-11-22"), (columns or 10**6) - _CELL * len(head))
    names = [_cut(visible(key), min(room, _LONGEST)) for key, _ in groups]
    width = max(_width(name) for name in [*names, "total", stats.by])
    output.text(_padded(stats.by, width) + "".join(f"{name:>{_CELL}}" for name in head))
    most = max((tally.pictures for _, tally in groups), default=0)
    for name, (_, tally) in zip(names, groups, strict=True):
        line = _tally_line(name, width, tally)
        bar = "#" * round(_BAR * tally.pictures / most) if most else ""
        is_room = columns is not None and len(line) + 2 + _BAR <= columns
        output.text(f"{line}  {bar}".rstrip() if is_room else line)
    output.text(_tally_line("total", width, stats.total))
    placeholders = counted(stats.total.placeholders, "placeholder")
    unpriced = counted(stats.total.unpriced, "picture")
    if stats.total.placeholders:
        output.note(f"Besides, {placeholders}, drawn on this machine.")
    if stats.total.unpriced:
        output.note(f"The cost of {unpriced} is not known, and not in here.")


def _tally_line(name: str, width: int, tally: "Tally") -> str:
    each = tally.seconds_each
    cells = [
        f"{tally.pictures:,}",
        dollars(tally.cost_usd) if tally.cost_usd else "-",
        f"{tally.refused:,}",
        f"{tally.failed:,}",
        f"{tally.unknown:,}",
        "-" if each is None else f"{each:.1f}",
    ]
    return _padded(name, width) + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_cells, text))


def show_problem(output: Output, problem: "Problem") -> None:
    """One thing that is wrong."""
    if output.json:
        output.object(problem.to_json())
    else:
        output.text(f"{f'{problem.id}: ' if problem.id else ''}{problem.message}")


def show_found(output: Output, found: "Found", columns: int | None, *, dry_run: bool) -> None:
    """What is known of a request that was sent and not answered."""
    if output.json:
        output.object(found.to_json(dry_run=dry_run))
        return
    output.text(record_line(found.state, columns or len(_prompt(found.state)) + 80))
    kept = "" if dry_run else ", and is kept now"
    text = {
        "recovered": f"its picture {'is' if dry_run else 'was'} there{kept}: {found.path}",
        "forgotten": "settled: nobody asks about it any more; it may have been billed",
        "in_flight": "sent less than an hour ago; another run may still wait for it",
        "unknown": "no picture came of it; it may have been billed",
    }[found.result]
    output.text(f"{'':<14}{text}")
    if found.path and found.result != "recovered":
        output.text(f"{'':<14}what came is at {found.path}")


def show_gone(output: Output, gone: "Gone", *, dry_run: bool) -> None:
    """What went, or would go."""
    output.notes([*gone.notes, *gone.left])
    if output.json:
        output.object(
            {
                "schema": REMOVAL_SCHEMA,
                "dry_run": dry_run,
                "records": gone.records,
                "pictures": gone.pictures,
                "left": gone.left,
            }
        )
        return
    for path in gone.pictures:
        output.path(path)
    what = f"{counted(gone.records, 'record')}, {counted(len(gone.pictures), 'picture')}"
    output.note(f"{what} would go." if dry_run else f"{what} removed.")


def show_copied(output: Output, state: State, path: Path | None, problem: str | None) -> None:
    """A file that was made of the picture of a record, or why there is none."""
    if path and output.json:
        output.object(state)
    elif path:
        output.path(path)
    if problem:
        output.error(
            StorageError(
                f"{problem[0].upper()}{problem[1:]}.",
                code="export_failed",
                hint="'mai history verify' tells which pictures are missing or changed.",
            )
        )


def show_pieces(output: Output, pieces: Iterable[bytes], *, is_screen: bool) -> None:
    """Text for programs, as it is; on a screen with control characters written out."""
    for piece in pieces:
        if is_screen:
            output.lines(piece.decode())
        else:
            output.data(piece)


def show_page(output: Output, path: Path, count: int | None) -> None:
    """Where the page is; ``count`` pictures, ``None`` where it was there already."""
    if output.json:
        output.object({"schema": PAGE_SCHEMA, "path": str(path), "pictures": count})
        return
    output.path(path)
    output.note("Nothing has changed." if count is None else counted(count, "picture"))
