"""Ctrl-C and its kin: they stop a run at once, but not between a picture and its record."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAME_WISH_SECONDS = 0.15
"""A terminal and a wrapper may both pass one Ctrl-C on; people take longer to insist."""


class Stops:
    """Turns the signals that ask for an end into exceptions, later while :meth:`held`.

    The first one leaves time to record what was in flight. Whoever insists ends the process on
    the spot; a line that says ``sent`` is then all that the history knows, and means unknown.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_held = False
        self._waiting: int | None = None
        self._first: float | None = None
        self.number: int | None = None
        self._numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP"):  # not on Windows
            self._numbers.append(signal.SIGHUP)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over while requests are made.

        One that is ignored, as in a background job, stays ignored. Before, a signal ends the
        process, which has sent nothing; and Python loses exceptions that come while it loads
        modules. After, all are ignored: they would only hide how the run ended.
        """
        with self._handled(lambda number, _frame: self._stop(number)):
            yield

    @contextmanager
    def counted(self, *steps: Callable[[], None]) -> Iterator[None]:
        """Take the first step at the first signal, the next at the next; then end on the spot.

        ``number`` tells afterwards which signal came first.
        """
        left = list(steps)

        def step(number: int, _frame: FrameType | None) -> None:
            now = self._clock()
            if self._first is not None and now - self._first <= SAME_WISH_SECONDS:
                return
            self.number = self.number or number
            self._first = now
            if left:
                left.pop(0)()
            else:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

        with self._handled(step):
            yield

    @contextmanager
    def _handled(self, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
        for number in self._numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)
        try:
            yield
        finally:
            for number in self._numbers:
                signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside finish before a stop takes effect; for milliseconds only."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._waiting is not None:
                _raise(self._waiting)

    def _stop(self, number: int) -> None:
        if self._first is None:
            self._first = self._clock()
            if not self._is_held:
                _raise(number)
            self._waiting = number
        elif self._clock() - self._first > SAME_WISH_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)  # as a shell counts it
