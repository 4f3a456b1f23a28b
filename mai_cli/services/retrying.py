"""What is asked again, and when: only what surely drew nothing, so that no picture is paid twice.

Whether a failed request may be sent again is decided where its cause is known, in the adapter,
and carried by the error; this loop only obeys. It adds limits and waits.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mai_cli.errors import ExitCode, MaiError, Retry
from mai_cli.models.answer import Answer


@dataclass(frozen=True)
class Patience:
    """How often and how long a request is asked again; seconds.

    A quota recovers within minutes, so it is worth more attempts than a service that fails; each
    is counted by itself.
    """

    attempts_for_quota: int = 8
    attempts: int = 5
    max_wait: float = 300.0
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def is_over(self, error: MaiError, failed: int) -> bool:
        """Whether ``error`` ends it, after so many attempts that failed for a reason like it."""
        most = {Retry.LATER: self.attempts_for_quota, Retry.SOON: self.attempts}
        return failed >= most.get(error.retry, 0)

    def wait(self, error: MaiError, failed: int, jitter: Callable[[], float]) -> float:
        """How long to wait after so many of them.

        As long as the service says, else twice as long each time, between half and all of it.
        """
        if error.wait_seconds is not None:
            return error.wait_seconds
        longest: float = min(self.longest_wait, self.first_wait * 2 ** (failed - 1))
        return longest * (0.5 + jitter() / 2)


@dataclass
class Attempts:
    """What has been sent for one picture so far; ``seconds`` is the length of the last attempt.

    ``maybe_drawn`` is true from the moment a request leaves until an answer says that nothing
    was drawn, so also after a picture has come.
    """

    count: int = 0
    seconds: float = 0.0
    maybe_drawn: bool = False


class Slot(Protocol):
    """Leave to send one request, which ends in one of these ways."""

    def accepted(self, seconds: float, /) -> None:
        """The service took it; it answered after ``seconds``."""

    def refused(self, retry_after: float | None, /) -> float:
        """The quota was used up; the seconds until another may be sent."""

    def ended(self) -> None:
        """It says nothing about the quota."""

    def give_back(self) -> None:
        """Nothing was sent."""


class Pace(Protocol):
    """Says when a request may start."""

    def turn(self, patience_seconds: float, /) -> Slot:
        """Wait for it.

        Raises:
            StoppedError: The run is stopped.
            UnavailableError: It would take longer than that.
        """


class Steps(Protocol):
    """What is done around each attempt."""

    def begin(self) -> None:
        """It is about to be sent."""

    def pause(self, error: MaiError, /) -> None:
        """It surely drew nothing, and will be sent again."""


def ask(
    send: Callable[[], Answer],
    attempts: Attempts,
    *,
    pace: Pace,
    steps: Steps,
    patience: Patience,
    tell: Callable[[str], None],
    sleep: Callable[[float], object],
    clock: Callable[[], float],
    jitter: Callable[[], float] = lambda: os.urandom(1)[0] / 255,
) -> Answer:
    """Call ``send`` at ``pace`` until it answers or fails for good, counting in ``attempts``.

    Raises:
        MaiError: The last failure, once another try is useless, unsafe or out of bounds; or why
            it was not sent.
    """
    waited = closed = 0.0
    failed = dict.fromkeys(Retry, 0)
    while True:
        slot = pace.turn(patience.max_wait - waited + closed)
        try:
            steps.begin()
        except BaseException:
            slot.give_back()
            raise
        try:
            answer = _attempt(send, attempts, clock)
        except MaiError as error:
            told = _end(slot, error)
            closed = told or 0.0
            failed[error.retry] += 1
            if error.retry is Retry.WITH_FRESH_TOKEN and failed[error.retry] == 1:
                steps.pause(error)
                tell("The sign-in was not accepted. Trying once more with a fresh token.")
                continue
            wait = patience.wait(error, failed[error.retry], jitter) if told is None else told
            if patience.is_over(error, failed[error.retry]) or waited + wait > patience.max_wait:
                raise
            waited += wait
            steps.pause(error)
            tell(f"{error.message} Trying again in {math.ceil(wait)} s.")
            if told is None:  # else the gate keeps that wait, for all
                sleep(wait)
        except BaseException:
            slot.ended()
            raise
        else:
            slot.accepted(attempts.seconds)
            return answer


def _end(slot: Slot, error: MaiError) -> float | None:
    """Tell the pace how a request failed; the seconds that its gate is closed, if it is."""
    if error.retry is Retry.LATER:
        return slot.refused(error.wait_seconds)
    slot.ended()
    return None


def _attempt(send: Callable[[], Answer], attempts: Attempts, clock: Callable[[], float]) -> Answer:
    attempts.count += 1
    attempts.maybe_drawn = True
    started = clock()
    try:
        return send()
    except MaiError as error:
        attempts.maybe_drawn = error.exit_code is ExitCode.UNKNOWN
        raise
    finally:
        attempts.seconds = clock() - started
