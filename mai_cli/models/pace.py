"""When the next request to a deployment may start, as values: what is known of its quota.

A :class:`Gate` knows nothing of clocks, files and threads. Each method takes the moment, in
seconds of the wall clock, and returns the gate as it is afterwards; whoever keeps it sees to it
that one change follows the other. All processes that call one deployment share one gate:

* A start is *reserved* (:meth:`Gate.reserve`), one spacing after the one before, and *made* when
  it is due (:meth:`Gate.start`). So those who wait are served in the order in which they came.
* A request that the service refuses (429) *closes* the gate. That begins a new *episode*: what
  was reserved before is void, and those who wait come again. Refusals of requests that started
  before it only keep it closed for longer.
* The first start after it has opened again shows the rate: the service took so many starts since
  the last opening, in the time from then until it would take more.
* Requests that had to wait for their slot and were accepted raise the rate again: slowly near the
  one that was refused, faster beyond, where the quota must have grown.
* Before anything is known, and where the service does not say how long to wait, what is in
  flight is bounded as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

VERSION = 1
"""Of the JSON form; what has another is not read."""

MARGIN = 0.98
"""Of an ``rpm`` that the user has set; requests do not arrive exactly as far apart as they left."""

MAX_LATE_SECONDS = 60 / MARGIN - 60
"""A start that comes later than this after its slot is void; else a minute could hold too many."""

MAX_WAIT_SECONDS = 86_400.0
"""No gate is closed for longer, whatever the service or the file says."""

FIRST_BURST = 6
"""In flight while nothing is known; each request that is accepted makes room for another."""

_SLOWEST = 1 / 60  # starts a second: what is learned never holds up a request for longer
_STEP_DOWN = (0.5, 0.9)  # a refusal lowers the rate to between these parts of it
_GROWTH, _FAST_GROWTH = 1.003, 1.1  # for the accepted requests of ten seconds at that rate
_GROWTH_SECONDS = 10.0
_NEAR = 1.1  # times the rate that was refused: up to there growth is slow
_ROOM_GROWTH = 0.1  # in flight, for each accepted request
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # where the service does not say how long
_MEMORY_SECONDS = 60.0  # before an opening, which still count when the next rate is found
_IDLE_SECONDS = 60.0  # what was before such a pause says nothing about the rate
_CLOCK_SLACK_SECONDS = 1.0
_LATENCY_WEIGHT = 0.2  # of the newest request in the average
_LARGEST = 1e12  # of any number in the JSON form


@dataclass(frozen=True)
class Ticket:
    """A slot: its request may start ``at`` this moment, the next one ``until`` that later.

    It is void once the gate has left ``episode``. ``was_held`` tells that it had to be waited for.
    """

    at: float
    until: float
    episode: int
    was_held: bool


@dataclass(frozen=True)
class Gate:
    """What is known of the quota of one deployment.

    ``rate`` is in starts a second, zero where nothing was ever refused; ``limit`` is what it was
    when the gate opened last. There were ``starts`` since ``opened_at``, which is up to a minute
    earlier, as if the rate had held then. ``is_shut`` holds from a refusal to the first start
    after it. ``room`` bounds what each process has in flight; zero does not.
    ``backoff_seconds`` is the last wait that the service did not name.
    """

    next_at: float = 0.0
    closed_until: float = 0.0
    opened_at: float = 0.0
    started_at: float = 0.0
    changed_at: float = 0.0
    episode: int = 0
    starts: float = 0.0
    is_new: bool = True
    is_shut: bool = False
    rate: float = 0.0
    limit: float = 0.0
    room: float = float(FIRST_BURST)
    backoff_seconds: float = 0.0
    latency_seconds: float = 0.0

    def spacing(self, rpm: float | None) -> float:
        """Seconds from one start to the next; ``rpm`` is what the user has set, if anything."""
        rate = _shown_rate(self) if self.is_shut else self.rate
        return max(1 / rate if rate else 0.0, 60 / (rpm * MARGIN) if rpm else 0.0)

    def room_for(self, rpm: float | None) -> int | None:
        """How many requests a process may have in flight; ``None`` for any number."""
        return None if not self.room or (rpm and self.is_new) else int(self.room)

    def closed_for(self, now: float) -> float:
        """Seconds until it opens; zero while it is open."""
        return max(0.0, self._at(now).closed_until - now)

    def reserve(self, now: float, rpm: float | None) -> tuple[Self, Ticket]:
        """Take the next free slot."""
        gate = self._at(now)
        at = max(now, gate.next_at)
        until = at + gate.spacing(rpm)
        return replace(gate, next_at=until), Ticket(at, until, gate.episode, was_held=at > now)

    def start(self, ticket: Ticket, now: float) -> Self | None:
        """Let the request with ``ticket``, which is due, start; ``None`` if it must come again."""
        gate = self._at(now)
        if ticket.episode != gate.episode or now > ticket.at + MAX_LATE_SECONDS:
            return None
        is_idle = now > gate.started_at + (ticket.until - ticket.at) + _IDLE_SECONDS
        if gate.is_shut:
            rate = _shown_rate(gate)
            before = min(_MEMORY_SECONDS, gate.closed_until - gate.opened_at)
            gate = replace(
                gate,
                rate=rate,
                limit=rate,
                is_shut=False,
                starts=before * rate,
                opened_at=now - before,
            )
        elif is_idle or not gate.starts:
            gate = replace(gate, starts=0, opened_at=now)
        return replace(gate, starts=gate.starts + 1, started_at=now)

    def give_back(self, ticket: Ticket, *, was_started: bool) -> Self:
        """Free a slot in which nothing was sent, unless another one after it is taken already."""
        if ticket.episode != self.episode:
            return self
        is_last = self.next_at == ticket.until
        return replace(
            self,
            next_at=ticket.at if is_last else self.next_at,
            starts=max(0, self.starts - 1) if was_started else self.starts,
        )

    def accept(self, ticket: Ticket, now: float, seconds: float, rpm: float | None) -> Self:
        """Learn from a request that was accepted, and took ``seconds``."""
        gate = self._at(now)
        weight = _LATENCY_WEIGHT if gate.latency_seconds else 1.0
        latency = gate.latency_seconds + weight * (seconds - gate.latency_seconds)
        gate = replace(gate, latency_seconds=latency)
        if ticket.episode != gate.episode:
            return gate
        more_room = 1.0 if gate.is_new else _ROOM_GROWTH
        return replace(
            gate,
            rate=_grown_rate(gate, rpm) if ticket.was_held else gate.rate,
            room=gate.room + more_room if gate.room else 0.0,
            backoff_seconds=0.0,
        )

    def refuse(self, ticket: Ticket, now: float, retry_after: float | None, in_flight: int) -> Self:
        """Close the gate for ``retry_after`` seconds; twice as long as last time if that is unsaid.

        ``in_flight`` is how many other requests the process has in flight.
        """
        gate = self._at(now)
        is_late = ticket.episode != gate.episode
        if is_late and not gate.is_shut:
            return gate
        gate = replace(gate, starts=max(0, gate.starts - 1), is_new=False)
        if retry_after is not None:
            gate = replace(gate, room=0.0)
            wait = min(max(0.0, retry_after), MAX_WAIT_SECONDS)
        else:
            if not is_late:
                wait = min(max(_FIRST_WAIT, 2 * gate.backoff_seconds), _LONGEST_WAIT)
                gate = replace(gate, backoff_seconds=wait, room=float(max(1, in_flight)))
            wait = gate.backoff_seconds
        until = now + wait
        if is_late and until <= gate.closed_until:
            return gate
        return replace(
            gate, closed_until=until, next_at=until, is_shut=True, episode=gate.episode + 1
        )

    def to_json(self) -> dict[str, object]:
        """The form that :meth:`from_json` reads."""
        return {"version": VERSION, **vars(self)}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The gate that ``data`` describes; a new one where that makes no sense."""
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            return cls()
        values: dict[str, Any] = {field.name: data.get(field.name) for field in fields(cls)}
        if not all(_is_like(values[field.name], field.default) for field in fields(cls)):
            return cls()
        gate = cls(**values)
        latest = gate.changed_at + MAX_WAIT_SECONDS
        is_sane = max(gate.closed_until, gate.next_at) <= latest
        return gate if is_sane and (not gate.rate or gate.rate >= _SLOWEST) else cls()

    def _at(self, now: float) -> Self:
        """The gate at a moment; a clock that was set back takes the gate's moments along."""
        back = self.changed_at - now
        if back <= _CLOCK_SLACK_SECONDS:
            return replace(self, changed_at=max(now, self.changed_at))
        return replace(
            self,
            next_at=max(0.0, self.next_at - back),
            closed_until=max(0.0, self.closed_until - back),
            opened_at=max(0.0, self.opened_at - back),
            started_at=max(0.0, self.started_at - back),
            changed_at=now,
            episode=self.episode + 1,
        )


def _shown_rate(gate: Gate) -> float:
    """Starts a second from the last opening to the next one, within bounds."""
    lasted = max(1.0, gate.closed_until - gate.opened_at)
    rate = max(1.0, gate.starts) / lasted
    if gate.rate:
        lowest, highest = (part * gate.rate for part in _STEP_DOWN)
        rate = min(max(gate.starts / lasted, lowest), highest)
    return max(rate, _SLOWEST)


def _grown_rate(gate: Gate, rpm: float | None) -> float:
    """The rate after one more accepted request, at most what the user has set."""
    growth = _FAST_GROWTH if rpm or gate.rate > _NEAR * gate.limit else _GROWTH
    grown: float = gate.rate * growth ** (1 / max(1.0, _GROWTH_SECONDS * gate.rate))
    return max(gate.rate, min(grown, rpm * MARGIN / 60)) if rpm else grown


def _is_like(value: object, default: object) -> bool:
    """Whether ``value`` can stand where ``default`` does."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and 0 <= value <= _LARGEST
    return isinstance(value, int | float) and 0 <= value <= _LARGEST
