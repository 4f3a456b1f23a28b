"""One picture, end to end: request, master, history, exports, in the order that loses nothing."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mai_cli.errors import (
    ExitCode,
    MaiError,
    Retry,
    StorageError,
)
from mai_cli.models.answer import Answer, Kept
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.outcome import Outcome
from mai_cli.models.record import Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.stop import stopped_before, stopped_in_flight
from mai_cli.services.announcing import Announcing, History
from mai_cli.services.exporting import Exported, Exporting, export_error
from mai_cli.services.outputs import Targets
from mai_cli.services.retrying import Attempts, Pace, Patience, ask

MAX_LOST = 3
"""How often a picture whose answer was lost is asked for with ``--retry-lost``."""

MAX_REFUSALS = 5
"""In a row; more can make the service block the whole resource."""


class Incoming(Protocol):
    """A picture on its way to disk."""

    @property
    def path(self) -> Path:
        """Where the bytes are until they are kept."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def write(self, data: bytes, /) -> None:
        """Add ``data``."""

    def keep(self) -> Kept:
        """Give the picture its final name."""


class Gallery(Protocol):
    """Keeps masters."""

    @property
    def folder(self) -> Path:
        """Where they are."""

    def receive(self, record: Record, /) -> AbstractContextManager[Incoming]:
        """Open the file that a picture will go into."""


class Painter(Protocol):
    """Draws one picture for one request."""

    def sign_in(self) -> None:
        """See that there is a credential."""

    def paint(self, request: ImageRequest, sink: Incoming, /) -> Answer:
        """Ask once; the bytes go to ``sink`` as they come."""


class Reservation(Protocol):
    """Money that is set aside for one request."""

    def settle(self, cost_usd: float | None, /) -> None:
        """It cost that; ``None``: possibly all of it."""


class Budget(Protocol):
    """Sees that no limit is crossed."""

    def reserve(self, worst_cost: float | None, /) -> Reservation:
        """Set aside what a request costs at most; ``None`` where that is not known.

        Raises:
            BudgetError: It is more than what a limit leaves.
        """


@dataclass(frozen=True)
class Order:
    """What is to be made, and where it goes. ``endpoint`` is ``None`` offline."""

    requests: Sequence[ImageRequest]
    outputs: Targets
    endpoint: Endpoint | None
    profile: str | None = None
    overwrite: bool = False
    metadata: bool = True
    private: bool = False
    tags: Sequence[str] = ()
    batch: dict[str, str] | None = None
    alt: str | None = None
    rerun_of: str | None = None
    retry_lost: bool = False
    patience: Patience = field(default_factory=Patience)

    @property
    def numbers(self) -> list[int | None]:
        """What tells the files of several pictures apart; nothing for a single one."""
        count = len(self.requests)
        return [None] if count == 1 else list(range(1, count + 1))


class Generation:
    """Makes pictures with the parts it is given; time and chance are parts too.

    ``pace`` is that of a deployment. ``hold`` keeps a stop from coming between a picture that has
    come and its record.
    """

    def __init__(
        self,
        *,
        painter: Painter,
        gallery: Gallery,
        history: History,
        exporter: Exporting,
        pace: Callable[[str], Pace],
        budget: Budget,
        tell: Callable[[str], None],
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: os.urandom(6).hex(),
    ) -> None:
        self._painter = painter
        self._gallery = gallery
        self._history = history
        self._exporter = exporter
        self._pace = pace
        self._budget = budget
        self._tell = tell
        self._hold = hold
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._new_id = new_id

    def run(self, order: Order) -> Iterator[Outcome]:
        """Make the pictures of ``order`` one after the other, yielding each as soon as it is safe.

        A picture that is refused does not keep the others from their chance, unless the filter
        refuses too many in a row or the resource is blocked; after any other failure nothing more
        is sent.

        Raises:
            UsageError: An output cannot be written; nothing was sent.
            AuthError: There is nothing to sign in with; the request was not sent.
            ConfigError: The gallery or the history cannot be written; the request was not sent.
        """
        self._exporter.prepare(order.outputs.files)
        refusals, left = 0, len(order.requests)
        for request, number in zip(order.requests, order.numbers, strict=True):
            for outcome in self.one(order, request, number, self._pace(request.deployment)):
                yield outcome
            left -= 1
            code = outcome.error.code if outcome.error else ""
            refusals = refusals + 1 if code == "content_filter" else 0
            if left == 0:
                return
            if code == "resource_blocked" or refusals == MAX_REFUSALS:
                self._tell("Nothing more is sent: going on could lock the resource for days.")
                return
            if outcome.exit_code not in (ExitCode.OK, ExitCode.REFUSED):
                self._tell(f"{left} more {'was' if left == 1 else 'were'} not asked for.")
                return

    def one(
        self, order: Order, request: ImageRequest, number: int | None, pace: Pace
    ) -> Iterator[Outcome]:
        """One picture; with ``--retry-lost`` each answer that was lost is an outcome of its own.

        Raises:
            MaiError: Why the request was not sent.
        """
        previous = order.rerun_of
        for remaining in reversed(range(MAX_LOST)):
            record = Record.sent(
                request,
                id=self._new_id(),
                created_at=self._now(),
                endpoint=str(order.endpoint) if order.endpoint else None,
                profile=order.profile,
                private=order.private,
                batch=order.batch,
                alt=order.alt,
                tags=list(order.tags),
                rerun_of=previous,
            )
            again = False
            for outcome in self._draw(order, request, record, pace):
                lost = outcome.error is not None and outcome.error.retry is Retry.IF_TOLD
                again = lost and order.retry_lost and remaining > 0
                yield from self._exported(order, replace(outcome, asked_again=again), number)
            if not again:
                return
            self._tell("The answer was lost; asking again, as --retry-lost says.")
            previous = record.id

    def _draw(
        self, order: Order, request: ImageRequest, record: Record, pace: Pace
    ) -> Iterator[Outcome]:
        """Send ``record``'s request; its bytes are on disk before its line in the history is."""
        reservation = self._budget.reserve(0.0 if record.offline else request.worst_cost)
        attempts = Attempts()
        announcing = Announcing(record, attempts, self._history, self._hold)
        outcome: Outcome | None = None
        try:
            self._painter.sign_in()
            with self._gallery.receive(record) as incoming:
                try:
                    answer = ask(
                        lambda: self._painter.paint(request, incoming),
                        attempts,
                        pace=pace,
                        steps=announcing,
                        patience=order.patience,
                        tell=self._tell,
                        sleep=self._sleep,
                        clock=self._clock,
                    )
                    with self._hold():
                        outcome = self._made(request, record, answer, incoming.keep(), attempts)
                except MaiError as error:
                    if not announcing.is_announced:
                        raise
                    outcome = self._failed(record, error, incoming, attempts)
                except BaseException:  # Ctrl-C, SIGTERM, or a bug: whatever it is, it is recorded
                    if announcing.is_announced:
                        stopped = _stopped(attempts)
                        if outcome is None:
                            outcome = self._failed(record, stopped, incoming, attempts)
                        yield outcome
                    raise
        finally:
            if outcome is not None:
                reservation.settle(outcome.cost_usd)
            else:
                reservation.settle(None if attempts.maybe_drawn else 0.0)
        yield outcome

    def _made(
        self,
        request: ImageRequest,
        record: Record,
        answer: Answer,
        kept: Kept,
        attempts: Attempts,
    ) -> Outcome:
        """The end of a request whose picture is on disk."""
        master = Master.of(answer.picture, kept.name, str(self._gallery.folder))
        cost = _cost(request, answer, offline=record.offline)
        made = record.made(
            answer, master, cost_usd=cost, seconds=attempts.seconds, attempts=attempts.count
        )
        outcome = Outcome(made, kept.path, notes=_notes(request, answer))
        return self._remember(outcome, kept.problem)

    def _remember(
        self, outcome: Outcome, error: MaiError | None, *, is_detail: bool = False
    ) -> Outcome:
        """Put ``outcome``, which ``error`` did not keep from a picture, into the history."""
        record = replace(outcome.record, error=error.to_json() if error else None)
        try:
            self._history.append(record, is_detail=is_detail)
        except StorageError as problem:
            if error:
                self._tell(error.message)
            problem.hint = f"The picture is safe at {outcome.path}. {problem.hint}"
            record, error = replace(record, error=problem.to_json()), problem
        return replace(outcome, record=record, error=error)

    def _failed(
        self, record: Record, error: MaiError, incoming: Incoming, attempts: Attempts
    ) -> Outcome:
        """The end of a request without a picture."""
        if incoming.size:
            error.hint = f"What came of it is at {incoming.path}. {error.hint}"
        ended = record.failed(error, seconds=attempts.seconds, attempts=attempts.count)
        try:
            self._history.append(ended)
        except StorageError as problem:  # the line that says 'sent' stays, and means unknown
            self._tell(problem.message)
        return Outcome(ended, error=error)

    def _exported(self, order: Order, outcome: Outcome, number: int | None) -> Iterator[Outcome]:
        """``outcome`` with its outputs; with those that are there if a stop comes in between."""
        if outcome.path is None or not order.outputs.files:
            yield outcome
            return
        done = Exported()
        exported = None
        try:
            self._exporter.export(
                done,
                outcome.path,
                outcome.record,
                order.outputs.files,
                number,
                overwrite=order.overwrite,
                metadata=order.metadata,
            )
            with self._hold():
                exported = self._with_exports(outcome, outcome.path, done)
        except BaseException:
            if exported is None and done.exports:
                exported = self._with_exports(outcome, outcome.path, done)
            yield exported or outcome
            raise
        yield exported

    def _with_exports(self, outcome: Outcome, master: Path, done: Exported) -> Outcome:
        """``outcome`` with what was made of ``master``, in the history too."""
        if outcome.error:  # it weighs more, and is told by whoever takes the outcome
            for failure in done.failures:
                self._tell(f"{failure}.")
        exported = replace(outcome, record=replace(outcome.record, exports=done.exports))
        error = outcome.error or export_error(done.failures, f"The picture is safe at {master}")
        return self._remember(exported, error, is_detail=True)


def _stopped(attempts: Attempts) -> MaiError:
    """The error of a request that was cut short from this side."""
    return stopped_in_flight() if attempts.maybe_drawn else stopped_before()


def _cost(request: ImageRequest, answer: Answer, *, offline: bool) -> float | None:
    """US dollars by the tokens that the service counted; ``None`` where that cannot be told."""
    if offline:
        return 0.0
    usage, price = answer.usage, request.model.price
    if usage is None or price is None or usage.output_tokens is None:
        return None
    return price.cost(
        text_tokens=usage.input_text_tokens or 0,
        image_tokens=usage.input_image_tokens or 0,
        output_tokens=usage.output_tokens,
    )


def _notes(request: ImageRequest, answer: Answer) -> tuple[str, ...]:
    """What is not as asked for."""
    size, picture = request.size, answer.picture
    if size and (size.width, size.height) != (picture.width, picture.height):
        return (f"The service drew {picture.width}x{picture.height} instead of {size}.",)
    return ()
