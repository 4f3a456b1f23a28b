"""Ctrl-C and SIGTERM: they stop a run at once, but not between a picture and its record."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mai_cli.errors import ExitCode


class Stops:
    """Turns both signals into exceptions, later while :meth:`held`."""

    def __init__(self) -> None:
        self._is_held = False
        self._waiting: int | None = None

    def listen(self) -> None:
        """Take over the signals; one that is ignored, as in a background job, stays ignored."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: self._stop(number))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside finish before a stop takes effect; for milliseconds only."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._waiting is not None:
                self._stop(self._waiting)

    def _stop(self, number: int) -> None:
        if self._is_held:
            self._waiting = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(ExitCode.TERMINATED)
