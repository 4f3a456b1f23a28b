"""How far a batch is: a bar that stays below what is said on a terminal (Rich)."""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import redirect_stderr, suppress
from queue import Empty, SimpleQueue
from typing import Self

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.text import Text

from mai_cli.models.batch import Ended, Result
from mai_cli.terminal.batch_tally import Tally

_REFRESH_SECONDS = 0.25
_SHORTEST_BAR, _LONGEST_BAR = 8, 40
_MARGIN = 3  # columns at the end, where a terminal writes ^C
_DISPENSABLE = ("elapsed", "bar", "rate", "not sent", "cost", "time left", "failed")


def watch_batch(
    endings: Iterable[Ended],
    total: int,
    *,
    color: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Ended, None, None]:
    """Yield ``endings``, with a bar below what is said on stderr meanwhile.

    The bar is not there while an asset is handed out, so nothing that the caller prints to
    stdout, which may be the same terminal, meets it. Close the generator if it is left early.
    """
    tally = Tally(total, clock)
    bar = _Bar(tally, color=color)
    with redirect_stderr(bar.above), bar:
        for ended in endings:
            tally.add(ended)
            if ended.result is Result.UP_TO_DATE:  # of which nothing is said
                yield ended
                continue
            bar.hide()
            yield ended
            bar.show()


class _Above(FileProxy):
    """Stands in for stderr: what is written there appears above the bar, a line at a time."""

    def __init__(self, console: Console, guard: threading.RLock) -> None:
        super().__init__(console, console.file)
        self._guard = guard

    def write(self, text: str) -> int:
        with self._guard:
            return super().write(text)


class _Bar:
    """The bar, drawn by a thread of its own.

    Only one at a time writes to the terminal: a lock sees to it. The main thread does not take it
    to draw: a signal could interrupt it there, and its handler wait for ever for another thread
    that speaks up and itself waits for the lock.
    """

    def __init__(self, tally: Tally, *, color: bool) -> None:
        # Whether this is a terminal is known; Rich would ask FORCE_COLOR and the like. What
        # others say is not wrapped, since paths are to be copied.
        self._console = Console(
            stderr=True,
            force_terminal=True,
            force_interactive=True,
            no_color=not color,
            highlight=False,
            soft_wrap=True,
        )
        self._tally = tally
        self._is_shown = True
        self._guard = threading.RLock()
        self._asked: SimpleQueue[threading.Event | None] = SimpleQueue()
        self.above = _Above(self._console, self._guard)
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_shown = False
        self._asked.put(None)
        self._thread.join()

    def hide(self) -> None:
        """Leave an empty line where the bar was; it is empty when this returns."""
        self._is_shown = False
        self._ask().wait()

    def show(self) -> None:
        """Let the bar be seen again, soon."""
        self._is_shown = True
        self._ask()

    def _ask(self) -> threading.Event:
        """Have the bar drawn; what is given is set once it is."""
        is_drawn = threading.Event()
        self._asked.put(is_drawn)
        return is_drawn

    def _draw(self) -> None:
        # stdout is for results; what goes to stderr comes through `above`.
        live = Live(
            console=self._console,
            get_renderable=self._line,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        is_drawn: threading.Event | None = threading.Event()
        self._carefully(live.start)
        while is_drawn:
            self._carefully(live.refresh)
            is_drawn.set()
            is_drawn = self._next()
        self._carefully(live.stop)

    def _next(self) -> threading.Event | None:
        """What to set once the bar is drawn again; ``None`` at the end."""
        try:
            return self._asked.get(timeout=_REFRESH_SECONDS)
        except Empty:
            return threading.Event()

    def _carefully(self, draw: Callable[[], None]) -> None:
        """Draw alone; a bar that cannot be drawn must not keep a batch waiting."""
        with self._guard, suppress(Exception):
            draw()

    def _line(self) -> Text:
        if not self._is_shown:
            return Text()
        is_plain = not self._console.encoding.startswith("utf")
        return bar_line(self._tally, self._console.width - _MARGIN, is_plain=is_plain)


def bar_line(tally: Tally, width: int, *, is_plain: bool) -> Text:
    """The bar and what it tells, in ``width`` columns: where they are few, what matters most."""
    parts = {"elapsed": _watch_time(tally.elapsed), **tally.parts()}
    room = _SHORTEST_BAR + 1
    for name in _DISPENSABLE:
        if room + len(", ".join(parts.values())) <= width:
            break
        if name == "bar":
            room = 0
        parts.pop(name, None)
    words = ", ".join(parts.values())[: max(0, width)]
    if not room:
        return Text(words)
    length = min(_LONGEST_BAR, width - len(words) - 1)
    return Text.assemble(*_pieces(tally, length, is_plain=is_plain), " ", words)


def _pieces(tally: Tally, length: int, *, is_plain: bool) -> list[tuple[str, str]]:
    """The bar itself: done, failed, and the rest."""
    full, rest = ("=", "-") if is_plain else ("\u2501", "\u2500")
    total = max(1, tally.total)
    done = min(length, length * tally.done // total)
    failed = min(length - done, -(-length * tally.failed // total))
    return [
        (full * done, "green"),
        (full * failed, "red"),
        (rest * (length - done - failed), "dim"),
    ]


def _watch_time(seconds: float) -> str:
    """A span of time that is seen to run: ``4:07``, ``1:04:07``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
