"""What is asked again, and when: only what surely drew nothing, so that no picture is paid twice.

Whether a failed request may be sent again is decided where its cause is known, in the adapter,
and carried by the error; this loop only obeys. It adds limits and waits.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

from mai_cli.errors import ExitCode, MaiError, Retry
from mai_cli.models.answer import Answer


@dataclass(frozen=True)
class Patience:
    """How often and how long a request is asked again; seconds.

    A quota recovers within minutes, so it is worth more attempts than a service that fails.
    """

    attempts_for_quota: int = 8
    attempts: int = 5
    max_wait: float = 300.0
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def is_over(self, error: MaiError, attempts: int) -> bool:
        """Whether ``error`` ends it, after the given number of attempts."""
        most = {Retry.LATER: self.attempts_for_quota, Retry.SOON: self.attempts}
        return attempts >= most.get(error.retry, 0)

    def wait(self, error: MaiError, attempts: int, jitter: Callable[[], float]) -> float:
        """How long to wait after the given number of attempts.

        As long as the service says, else twice as long each time, between half and all of it.
        """
        if error.wait_seconds is not None:
            return error.wait_seconds
        longest: float = min(self.longest_wait, self.first_wait * 2 ** (attempts - 1))
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


def ask(
    send: Callable[[], Answer],
    attempts: Attempts,
    *,
    patience: Patience,
    tell: Callable[[str], None],
    sleep: Callable[[float], object],
    clock: Callable[[], float],
    jitter: Callable[[], float] = lambda: os.urandom(1)[0] / 255,
) -> Answer:
    """Call ``send`` until it answers or fails for good, keeping ``attempts`` up to date.

    Raises:
        MaiError: The last failure, once another try is useless, unsafe or out of bounds.
    """
    waited = 0.0
    renewed = False
    while True:
        try:
            return _attempt(send, attempts, clock)
        except MaiError as error:
            if error.retry is Retry.WITH_FRESH_TOKEN and not renewed:
                renewed = True
                tell("The sign-in was not accepted. Trying once more with a fresh token.")
                continue
            if patience.is_over(error, attempts.count):
                raise
            wait = patience.wait(error, attempts.count, jitter)
            if waited + wait > patience.max_wait:
                raise
            waited += wait
            tell(f"{error.message} Trying again in {math.ceil(wait)} s.")
            sleep(wait)


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
