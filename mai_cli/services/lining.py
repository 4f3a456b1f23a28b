"""Those who wait for a deployment in one batch: one after the other, and only so many at once."""

import threading
from collections.abc import Callable

from mai_cli.models.stop import stopped_before
from mai_cli.services.retrying import Pace, Slot

FRESH_SECONDS = 0.5
"""A slot that is used later than this would come too close to the next one."""


class Line:
    """The pace of one deployment, for no more requests in flight than there is ``room``.

    Whoever passes the ``turnstile`` is the next to wait. ``came`` is told of each picture.
    """

    def __init__(self, pace: Pace, room: threading.Semaphore, came: Callable[[], None]) -> None:
        self._pace = pace
        self._room = room
        self._came = came
        self.turnstile = threading.Lock()

    def turn(self, patience_seconds: float) -> "Seat":
        """Wait until there is room, and until a request may start.

        Who waits for a quota takes no room from others, whose quota is another.
        """
        while True:
            with self._room:  # there is some
                pass
            slot = self._pace.turn(patience_seconds)
            if self._room.acquire(blocking=False):
                return Seat(slot, self._room, self._came)
            slot.give_back()

    def again(self, seat: "Seat", patience_seconds: float) -> "Seat":
        """Wait for another attempt of whoever has ``seat``, and keeps its room if it is there."""
        if not seat.has_room:
            return self.turn(patience_seconds)
        seat.slot = self._pace.turn(patience_seconds)
        return seat


class Seat:
    """A slot, and the room for its request.

    There is room for another as soon as a picture has come; after a failure only once it is
    :meth:`freed <free>`, so that whoever judges failures can stop the others first.
    """

    def __init__(self, slot: Slot, room: threading.Semaphore, came: Callable[[], None]) -> None:
        self.slot = slot
        self._room: threading.Semaphore | None = room
        self._came = came

    @property
    def has_room(self) -> bool:
        """Whether it was not freed."""
        return self._room is not None

    def free(self) -> None:
        """Make room for another; a second time changes nothing."""
        room, self._room = self._room, None
        if room:
            room.release()

    def accepted(self, seconds: float) -> None:
        """The service took it."""
        self._came()
        self.free()
        self.slot.accepted(seconds)

    def refused(self, retry_after: float | None) -> float:
        """The quota was used up."""
        self.free()
        return self.slot.refused(retry_after)

    def ended(self) -> None:
        """It says nothing about the quota."""
        self.slot.ended()

    def give_back(self) -> None:
        """Nothing was sent."""
        self.free()
        self.slot.give_back()


class Prepaid:
    """A line whose first slot is there already; at most one is held at a time."""

    def __init__(
        self, line: Line, seat: Seat, stopping: threading.Event, clock: Callable[[], float]
    ) -> None:
        self._line = line
        self._seat = seat
        self._is_unused = True
        self._stopping = stopping
        self._clock = clock
        self._best_before = clock() + FRESH_SECONDS

    def turn(self, patience_seconds: float) -> Slot:
        """That slot, the first time; a new one if it is too late for it.

        Raises:
            StoppedError: The run is being stopped.
        """
        if self._is_unused and self._clock() <= self._best_before and not self._stopping.is_set():
            self._is_unused = False
            return self._seat
        if self._is_unused or self._stopping.is_set():
            self.close()
        if self._stopping.is_set():
            raise stopped_before()
        self._seat = self._line.again(self._seat, patience_seconds)
        return self._seat

    def close(self) -> None:
        """Give the slot back if nobody took it, and make room for another."""
        if self._is_unused:
            self._is_unused = False
            self._seat.give_back()
        self._seat.free()
