"""Carrying out a plan: several pictures at once, each at the pace of its deployment.

Threads draw; whoever iterates over :meth:`Batch.run` keeps the lock. A stop is asked for with
:meth:`Batch.drain`, then :meth:`Batch.abort`; a signal may call both at any moment.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from mai_cli.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    MaiError,
    StoppedError,
    UnknownError,
)
from mai_cli.models.batch import Action, Ended, Result, State, Step
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.lock import Lock
from mai_cli.models.manifest import Asset
from mai_cli.models.outcome import standing
from mai_cli.models.request import ImageRequest
from mai_cli.models.stop import stopped_in_flight
from mai_cli.services.finishing import Finished, Finishing
from mai_cli.services.generation import MAX_REFUSALS, Generation, Order
from mai_cli.services.lining import Line, Prepaid, Seat
from mai_cli.services.queueing import Queue, Route
from mai_cli.services.retrying import Pace, Patience

PATIENCE = Patience(attempts_for_quota=20, attempts=5, max_wait=1800.0)
"""With one picture of a batch; a quota that all wait for is no failure."""

ABORT_SECONDS = 0.7
"""For what is in flight to be recorded as unknown, once the connections are cut."""

_HALTING = ("rescued", "history_failed", "not_stored")
"""Codes of failures after which going on would lose pictures."""


class LockFile(Protocol):
    """Keeps the lock on disk."""

    def change(self, changed: Lock, /) -> None:
        """Put it there with what is changed, whole or not at all."""


@dataclass(frozen=True)
class Lane:
    """A profile that pictures are drawn with; ``pace`` is that of one of its deployments."""

    generation: Generation
    pace: Callable[[str], Pace]
    endpoint: Endpoint | None
    profile: str | None
    hang_up: Callable[[], None]


@dataclass(frozen=True)
class Terms:
    """What holds for every picture of a run. ``manifest`` is its absolute path."""

    manifest: str
    concurrency: int
    exporters: int
    metadata: bool = True
    private: bool = False
    retry_lost: bool = False
    fail_fast: bool = False


@dataclass(frozen=True)
class _Crash:
    """What nobody has foreseen, and the asset that was at work, if there was one."""

    error: BaseException
    name: str | None


class Batch:
    """Carries out a plan, once.

    ``request`` makes the request for an asset by the lane of a number. ``stopping`` is what the
    paces of the lanes watch too.
    """

    def __init__(
        self,
        *,
        lanes: Sequence[Lane],
        request: Callable[[Asset, int], ImageRequest],
        finishing: Finishing,
        lock_file: LockFile,
        terms: Terms,
        tell: Callable[[str], None],
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = lanes
        self._request = request
        self._finishing = finishing
        self._lock_file = lock_file
        self._terms = terms
        self._tell = tell
        self._stopping = stopping
        self._clock = clock
        self._events: SimpleQueue[list[Finished] | _Crash] = SimpleQueue()
        self._deadline: float | None = None
        self._guard = threading.Lock()
        self._lines: dict[Route, Line] = {}
        self._told: set[str] = set()
        self._refusals = 0
        self._problem: BaseException | None = None

    def drain(self) -> None:
        """Send nothing new; what is in flight is waited for."""
        self._stopping.set()
        self._events.put([])

    def abort(self) -> None:
        """Give up what is in flight; it is recorded as unknown."""
        self._deadline = self._clock() + ABORT_SECONDS
        self.drain()
        for lane in self._lanes:
            lane.hang_up()

    def run(self, steps: Sequence[Step]) -> Generator[Ended]:
        """Do what ``steps`` say, yielding each asset as soon as the lock on disk knows of it.

        Raises:
            UsageError: An output cannot be written; nothing was sent.
            StorageError: The lock could not be written; nothing was sent after that, and every
                picture is safe.
            BaseException: What nobody has foreseen; nothing was sent after that, and what was in
                flight has been waited for.
        """
        to_do = [step for step in steps if step.action in (Action.DRAW, Action.EXPORT)]
        self._finishing.prepare(to_do)
        work = {step.name: step for step in to_do}
        for step in steps:
            if step.name not in work and step.state is not State.LEFT_OVER:
                yield _idle(step)
        queue = Queue(to_do)
        self._start(queue)
        try:
            while work and (finished := self._next(work)) is not None:
                yield from self._taken(finished, queue, work)
        except GeneratorExit:  # nobody listens any more; what is in flight is kept all the same
            self.drain()
            while work and (finished := self._next(work)) is not None:
                self._taken(finished, queue, work)
            raise
        yield from (_cut_off(step) for step in work.values())
        if self._problem:
            raise self._problem

    def _taken(
        self, finished: Sequence[Finished], queue: Queue, work: dict[str, Step]
    ) -> list[Ended]:
        """Take what is finished into the lock, out of ``work``; what has ended with that."""
        changed = {one.ended.name: one.locked for one in finished if one.locked}
        try:
            if changed:
                self._lock_file.change(changed)
        except Exception as error:  # noqa: BLE001 - raised again once nothing is in flight
            self._problem = self._problem or error
            self.drain()
        ended = [one.ended for one in finished]
        if self._stopping.is_set():
            ended += [Ended(step.name, Result.NOT_SENT) for step in queue.drop()]
        for one in ended:
            work.pop(one.name, None)
        return ended

    def _next(self, work: dict[str, Step]) -> list[Finished] | None:
        """What has ended since the last time, once there is something; ``None`` if time is up.

        Of what has crashed there is nothing but the error; it is taken out of ``work``.
        """
        wait = None if self._deadline is None else max(0.0, self._deadline - self._clock())
        finished: list[Finished] = []
        while not finished or not self._events.empty():
            try:
                event = self._events.get(timeout=wait)
            except Empty:
                return None
            if isinstance(event, _Crash):
                self._problem = self._problem or event.error
                work.pop(event.name or "", None)
                break
            finished += event
            if not event:  # a stop
                break
        return finished

    def _start(self, queue: Queue) -> None:
        """Start the threads; they end with the process, whatever they wait for."""
        room = threading.Semaphore(self._terms.concurrency)
        works = [partial(self._export_all, queue)] * min(queue.exports(), self._terms.exporters)
        for route, count in queue.routes().items():
            line = Line(self._lanes[route.lane].pace(route.deployment), room, self._came)
            self._lines[route] = line
            work = partial(self._draw_all, queue, route, line)
            # While some write what they have got, others may have as many requests in flight.
            works += [work] * min(count, self._terms.concurrency + self._terms.exporters)
        for work in works:
            self._begin(work)

    def _begin(self, work: Callable[[], None]) -> None:
        threading.Thread(target=self._watched, args=(work,), daemon=True).start()

    def _watched(self, work: Callable[[], None]) -> None:
        with self._at_work(None):
            work()

    @contextmanager
    def _at_work(self, name: str | None) -> Iterator[None]:
        """Stop at what nobody has foreseen, which whoever iterates gets; ``name`` is at work."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised again there
            self._stopping.set()
            self._events.put(_Crash(error, name))

    def _export_all(self, queue: Queue) -> None:
        while not self._stopping.is_set() and (step := queue.export()):
            with self._at_work(step.name):
                finished = self._finishing.export(step)
                self._judge(finished.ended.error)
                self._events.put([finished])

    def _draw_all(self, queue: Queue, route: Route, line: Line) -> None:
        """Draw what may go by ``route``; a picture is chosen only once it may start."""
        while True:
            with line.turnstile:
                slot = self._slot(queue, route, line)
                step = queue.draw(route) if slot else None
            if slot is None:
                return
            pace = Prepaid(line, slot, self._stopping, self._clock)
            try:
                if step is None:
                    return
                with self._at_work(step.name):
                    self._draw(queue, route, step, pace)
            finally:
                pace.close()

    def _slot(self, queue: Queue, route: Route, line: Line) -> Seat | None:
        """Leave to start one; ``None`` if there is nothing to do any more."""
        if self._stopping.is_set() or not queue.has(route):
            return None
        try:
            return line.turn(PATIENCE.max_wait)
        except StoppedError:
            return None
        except MaiError as error:
            self._strand(queue.close(route.lane, route.deployment), error)
            return None

    def _draw(self, queue: Queue, route: Route, step: Step, pace: Prepaid) -> None:
        """Draw one picture, and say what became of it."""
        answer = None
        try:
            finished, answer = self._drawn(route, step, pace)
        except StoppedError:
            finished = Finished(Ended(step.name, Result.NOT_SENT))
        except BudgetError as error:
            finished = Finished(Ended(step.name, Result.NOT_SENT, error=error))
        except MaiError as error:
            finished = Finished(Ended(step.name, Result.FAILED, error=error))
        failure = finished.ended.error
        is_free = finished.ended.cost_usd is not None  # else an earlier answer was lost
        if failure and is_free and self._is_left_to_others(queue, route, step, failure):
            return
        self._count(answer)
        self._judge(answer or failure)
        self._events.put([finished])

    def _is_left_to_others(self, queue: Queue, route: Route, step: Step, failure: MaiError) -> bool:
        """Send no more that way where all would fail like this; whether others may draw ``step``.

        A quota may recover for the next picture, if there is no other way to draw it.
        """
        if failure.code == "quota" and queue.is_only(route, step):
            return False
        if failure.code != "quota" and not isinstance(failure, (AuthError, ConfigError)):
            return False
        deployment = route.deployment if failure.code == "quota" else None
        self._strand(queue.close(route.lane, deployment), failure)
        others = queue.put_back(step)
        for other in others:
            self._tell_once(f"{failure.message} The other profiles take over.")
            self._begin(partial(self._draw_all, queue, other, self._lines[other]))
        if self._stopping.is_set():  # perhaps after the queue was emptied
            self._events.put([])
        return bool(others)

    def _drawn(self, route: Route, step: Step, pace: Pace) -> tuple[Finished, MaiError | None]:
        """What became of ``step``, and what was wrong with the last answer."""
        lane, asset, terms = self._lanes[route.lane], step.asset, self._terms
        if asset is None:
            raise ValueError("what left the manifest is not drawn")
        request = self._request(asset, route.lane)
        digest = request.digest
        order = Order(
            [request],
            self._finishing.targets(step),
            lane.endpoint,
            profile=lane.profile,
            metadata=terms.metadata,
            private=terms.private,
            tags=asset.tags,
            batch={"manifest": terms.manifest, "asset": step.name, "request": digest},
            alt=asset.alt,
            retry_lost=terms.retry_lost,
            patience=PATIENCE,
        )
        outcomes = []
        try:
            for outcome in lane.generation.one(order, request, None, pace):
                outcomes.append(outcome)  # noqa: PERF402 - the first may be there before a failure
        except MaiError:
            if not outcomes:
                raise
        finished = self._finishing.drawn(step, digest, standing(outcomes))
        if len(outcomes) > 1:  # those whose answers were lost may be billed too
            finished = replace(finished, ended=replace(finished.ended, cost_usd=None))
        return finished, outcomes[-1].error

    def _strand(self, steps: Sequence[Step], error: MaiError) -> None:
        """Nothing can be drawn there any more, because of ``error``."""
        ended = [Ended(step.name, Result.NOT_SENT, error=error) for step in steps]
        self._events.put([Finished(one) for one in ended])

    def _tell_once(self, text: str) -> None:
        with self._guard:
            is_new = text not in self._told
            self._told.add(text)
        if is_new:
            self._tell(text)

    def _came(self) -> None:
        """A picture has come, so the service does not refuse everything."""
        with self._guard:
            self._refusals = 0

    def _count(self, answer: MaiError | None) -> None:
        """Count refusals in a row; what was never sent is no answer."""
        if answer:
            with self._guard:
                self._refusals = self._refusals + 1 if answer.code == "content_filter" else 0

    def _judge(self, failure: MaiError | None) -> None:
        """Stop where going on would do harm, or where the first failure ends it."""
        if failure is None or self._stopping.is_set():
            return
        if self._refusals >= MAX_REFUSALS or failure.code == "resource_blocked":
            self._tell("Nothing more is sent: going on could lock the resource for days.")
        elif failure.code in _HALTING:
            self._tell("Nothing more is sent, since what comes could not be kept.")
        elif self._terms.fail_fast:
            self._tell("Nothing more is sent, as --fail-fast says.")
        else:
            return
        self.drain()


def _idle(step: Step) -> Ended:
    """What became of an asset that nothing is done about."""
    if step.action is Action.HOLD:
        error = UnknownError(
            f"{step.reason[:1].upper()}{step.reason[1:]}; it may have been billed.",
            code="lost_answer",
            hint="Look before you ask again, or add --retry-lost to ask again by itself.",
        )
        return Ended(step.name, Result.UNKNOWN, error=error)
    if step.state is State.UP_TO_DATE:
        return Ended(step.name, Result.UP_TO_DATE)
    return Ended(step.name, Result.NOT_SENT, notes=(f"{step.name}: {step.reason}.",))


def _cut_off(step: Step) -> Ended:
    """What became of an asset that was at work when time was up."""
    if step.action is Action.EXPORT:
        return Ended(step.name, Result.NOT_SENT)
    return Ended(step.name, Result.UNKNOWN, cost_usd=None, error=stopped_in_flight())
