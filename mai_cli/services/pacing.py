"""When the next request may start: one pace for all that call a deployment from this machine.

What is known of the quota is a :class:`~mai_cli.models.pace.Gate`, which processes share through
a ledger. Here is what waits for it.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from mai_cli.errors import Retry, UnavailableError
from mai_cli.models.pace import Gate, Ticket
from mai_cli.models.stop import stopped_before

_WORTH_TELLING_SECONDS = 5.0
_SLICE_SECONDS = 0.1  # how long a stop may go unnoticed while a request of this process has to end

LONGEST_ROOM_WAIT_SECONDS = 30.0
"""For a request of this process to end, where what may be in flight is bounded."""

_T = TypeVar("_T")


class Ledger(Protocol):
    """A small JSON value that processes change one after the other."""

    def read(self) -> object:
        """The value; ``None`` where there is none."""

    def change(self, step: Callable[[object], tuple[object, _T]], /) -> _T:
        """Replace the value by what ``step`` makes of it; return what it returns beside."""


class Slot:
    """A request that may be sent now. One of its methods is called when it has ended."""

    def __init__(
        self, ticket: Ticket, rpm: float | None, keeper: "_Keeper", flight: "_Flight"
    ) -> None:
        self._ticket = ticket
        self._rpm = rpm
        self._keeper = keeper
        self._flight = flight
        self._is_open = True

    def accepted(self, seconds: float) -> None:
        """It was answered with a picture, after ``seconds``."""
        self._keeper.change(
            lambda gate, now: (gate.accept(self._ticket, now, seconds, self._rpm), None)
        )
        self.ended()

    def refused(self, retry_after: float | None) -> float:
        """The quota was used up (429); returns the seconds until another request may start.

        ``retry_after`` is how long the service asks to wait, if it does.
        """
        others = self._flight.count - self._is_open

        def close(gate: Gate, now: float) -> tuple[Gate, float]:
            closed = gate.refuse(self._ticket, now, retry_after, others)
            return closed, closed.closed_for(now)

        seconds = self._keeper.change(close)
        self.ended()
        return seconds

    def give_back(self) -> None:
        """Nothing was sent; the slot is free again, unless the one after it is taken already."""
        self._keeper.change(lambda gate, _: (gate.give_back(self._ticket, was_started=True), None))
        self.ended()

    def ended(self) -> None:
        """It is over; that says nothing about the quota. Later calls change nothing."""
        if self._is_open:
            self._is_open = False
            self._flight.leave()


class Pace:
    """The pace of one deployment, for all threads of a process.

    One thread at a time waits at the gate and the others behind it, so that a process has at most
    one slot reserved: a single picture waits for one of a large batch, not for all of them.

    ``wait`` sleeps for so many seconds, or less if the run is stopped, and tells whether it is.
    """

    def __init__(
        self,
        ledger: Ledger,
        deployment: str,
        *,
        rpm: float | None,
        tell: Callable[[str], None],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deployment = deployment
        self._rpm = rpm
        self._tell = tell
        self._wait = wait
        self._clock = clock
        self._keeper = _Keeper(ledger, tell, clock)
        self._flight = _Flight()
        self._front = threading.Lock()

    @property
    def spacing_seconds(self) -> float:
        """Seconds between two starts; zero where no quota is known."""
        return self._keeper.read().spacing(self._rpm)

    @property
    def rate(self) -> float | None:
        """Starts a minute; ``None`` where no quota is known."""
        spacing = self.spacing_seconds
        return 60 / spacing if spacing else None

    @property
    def latency_seconds(self) -> float | None:
        """How long an accepted request usually takes; ``None`` where none was seen."""
        return self._keeper.read().latency_seconds or None

    def turn(self, patience_seconds: float) -> Slot:
        """Wait until a request may be sent.

        Raises:
            UnavailableError: The quota is used up for longer than ``patience_seconds``.
            StoppedError: The run is being stopped.
        """
        with self._front:
            self._raise_if_stopped(0)
            self._wait_for_room()
            while True:
                ticket = self._reserve(patience_seconds)
                self._wait_for(ticket)
                if self._keeper.change(lambda gate, now: _start(gate, ticket, now)):  # noqa: B023 - called at once
                    self._flight.enter()
                    return Slot(ticket, self._rpm, self._keeper, self._flight)

    def _wait_for_room(self) -> None:
        """Wait until this process has less in flight than the gate allows, but not without end.

        Those in flight may wait for what the one that waits here has set aside of a budget.
        """
        deadline = time.monotonic() + LONGEST_ROOM_WAIT_SECONDS
        while not self._flight.has_room(self._keeper.gate.room_for(self._rpm), _SLICE_SECONDS):
            self._raise_if_stopped(0)
            if time.monotonic() > deadline:
                return

    def _reserve(self, patience_seconds: float) -> Ticket:
        def reserve(gate: Gate, now: float) -> tuple[Gate, Ticket | float]:
            closed = gate.closed_for(now)
            return (gate, closed) if closed > patience_seconds else gate.reserve(now, self._rpm)

        reserved = self._keeper.change(reserve)
        if isinstance(reserved, Ticket):
            return reserved
        raise UnavailableError(
            f"The quota of the deployment is used up; it opens again in {math.ceil(reserved)} s.",
            code="quota",
            hint="Try again then.",
            retry=Retry.LATER,
            wait_seconds=reserved,
        )

    def _wait_for(self, ticket: Ticket) -> None:
        """Sleep until ``ticket`` is due."""
        remaining = ticket.at - self._clock()
        if remaining > _WORTH_TELLING_SECONDS:
            self._tell(f"Waiting {math.ceil(remaining)} s for the quota of {self._deployment}.")
        try:
            while remaining > 0:
                self._raise_if_stopped(remaining)
                before, remaining = remaining, ticket.at - self._clock()
                if remaining >= before:  # the clock was set back; the gate knows what to do
                    break
        except BaseException:
            self._keeper.change(lambda gate, _: (gate.give_back(ticket, was_started=False), None))
            raise

    def _raise_if_stopped(self, seconds: float) -> None:
        if self._wait(seconds):
            raise stopped_before()


class NoPace:
    """For what has no quota, as this machine: every request may start at once."""

    rate = None
    latency_seconds = None

    def __init__(self, wait: Callable[[float], bool]) -> None:
        self._wait = wait

    def turn(self, patience_seconds: float) -> "NoPace":  # noqa: ARG002 - nothing takes long
        """It may start; this is its slot too.

        Raises:
            StoppedError: The run is being stopped.
        """
        if self._wait(0):
            raise stopped_before()
        return self

    def accepted(self, seconds: float) -> None:
        """Learn nothing from it."""

    def refused(self, retry_after: float | None) -> float:  # noqa: ARG002 - nobody refuses here
        """Let whoever asks again do so at once."""
        return 0.0

    def ended(self) -> None:
        """Learn nothing from it."""

    def give_back(self) -> None:
        """There are enough of them."""


class _Keeper:
    """Keeps the gate in the ledger, or in memory where that cannot be written."""

    def __init__(
        self, ledger: Ledger, tell: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._ledger: Ledger | None = ledger
        self._tell = tell
        self._clock = clock
        self._changing = threading.Lock()
        self.gate = Gate()
        """As this process saw it last."""

    def read(self) -> Gate:
        """The gate as it is now."""
        if self._ledger:
            try:
                self.gate = Gate.from_json(self._ledger.read())
            except OSError as error:
                self._do_without(error)
        return self.gate

    def change(self, step: Callable[[Gate, float], tuple[Gate, _T]]) -> _T:
        """Replace the gate by what ``step`` makes of it at this moment; return the rest."""

        def on_file(data: object) -> tuple[object, tuple[Gate, _T]]:
            gate, result = step(Gate.from_json(data), self._clock())
            return gate.to_json(), (gate, result)

        if self._ledger:
            try:
                self.gate, result = self._ledger.change(on_file)
            except OSError as error:
                self._do_without(error)
            else:
                return result
        with self._changing:
            self.gate, result = step(self.gate, self._clock())
        return result

    def _do_without(self, error: OSError) -> None:
        with self._changing:
            is_first, self._ledger = self._ledger is not None, None
        if is_first:
            self._tell(f"The pace is not shared with other runs: {error.strerror}.")


class _Flight:
    """How many requests of this process have started and not ended."""

    def __init__(self) -> None:
        self._ended = threading.Condition()
        self.count = 0

    def enter(self) -> None:
        with self._ended:
            self.count += 1

    def leave(self) -> None:
        with self._ended:
            self.count -= 1
            self._ended.notify_all()

    def has_room(self, room: int | None, seconds: float) -> bool:
        """Whether there are fewer than ``room``; if not, one has ended or ``seconds`` are over."""
        with self._ended:
            if room is None or self.count < room:
                return True
            self._ended.wait(seconds)
            return False


def _start(gate: Gate, ticket: Ticket, now: float) -> tuple[Gate, bool]:
    started = gate.start(ticket, now)
    return started or gate, started is not None
