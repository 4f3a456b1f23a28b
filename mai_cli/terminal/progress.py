"""The elapsed time while something slow happens, on a terminal only (Rich)."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")


def watch(items: Iterable[T], total: int, *, doing: str, color: bool) -> Iterator[T]:
    """Yield ``items``, showing which of ``total`` it is, and the time, while each is awaited.

    The line is gone before an item is handed out, so nothing that the caller prints meets it.
    """
    # Rich would follow FORCE_COLOR and the like; whether this is a terminal is known already.
    console = Console(stderr=True, force_interactive=True, no_color=not color, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    iterator = iter(items)
    for number in count(1):
        text = f"{doing} {min(number, total)} of {total}" if total > 1 else doing
        # stdout is for results; Rich would take it over and send them to stderr.
        with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
            progress.add_task(text, total=None)
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
