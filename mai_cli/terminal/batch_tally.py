"""How far a batch is: what has ended, at which rate, and lines about it where there is no bar."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable

from mai_cli.models.batch import Ended, Result
from mai_cli.terminal.batch_showing import at_least, duration
from mai_cli.terminal.wording import dollars

WINDOW_SECONDS = 300.0
"""The rate is that of this last while: long enough for a pause that the quota asks for."""

FEWEST = 3
"""Pictures that a rate is told from."""

SPEAK_SECONDS = 30.0
_SLOW = 9.95  # pictures a minute; below, one digit more matters

_FAILED = (Result.REFUSED, Result.FAILED, Result.UNKNOWN)
_PACED = (Result.MADE, Result.REFUSED, Result.FAILED)  # the others need no turn at the service


class Tally:
    """Adds up what has ended; one thread may add while others ask."""

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self.total = total
        self.done = self.failed = self.not_sent = 0
        self._cost_usd = 0.0
        self._is_whole = True
        self._clock = clock
        self._began = clock()
        self._moments: deque[float] = deque()
        # A signal may print, and so ask, in the middle of an addition by the same thread.
        self._guard = threading.RLock()

    def add(self, ended: Ended) -> None:
        """Count an asset whose turn is over."""
        with self._guard:
            if ended.result in _FAILED:
                self.failed += 1
            elif ended.result is Result.NOT_SENT:
                self.not_sent += 1
            else:
                self.done += 1
            if ended.result in _PACED:
                self._moments.append(self._clock())
            self._cost_usd += ended.cost_usd or 0.0
            self._is_whole = self._is_whole and ended.cost_usd is not None

    @property
    def left(self) -> int:
        """How many are still to end."""
        return max(0, self.total - self.done - self.failed - self.not_sent)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def rate(self) -> float | None:
        """Pictures a minute over the last minutes; ``None`` while too few are known."""
        with self._guard:
            now = self._clock()
            while self._moments and self._moments[0] < now - WINDOW_SECONDS:
                self._moments.popleft()
            seconds = min(WINDOW_SECONDS, now - self._began)
            if len(self._moments) < FEWEST or seconds <= 0:
                return None
            return len(self._moments) * 60 / seconds

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes; ``None`` while that cannot be told."""
        rate = self.rate
        return self.left * 60 / rate if rate and self.left else None

    @property
    def cost(self) -> str:
        """What is known of the cost so far, for people."""
        if self._is_whole:
            return dollars(round(self._cost_usd, 6))
        return at_least(self._cost_usd) or dollars(None)

    def parts(self) -> dict[str, str]:
        """What the bar tells, in its order."""
        rate, seconds = self.rate, self.seconds_left
        told = {
            "done": f"{self.done} done",
            "failed": f"{self.failed} failed" if self.failed else "",
            "not sent": f"{self.not_sent} not sent" if self.not_sent else "",
            "left": f"{self.left} left",
            "rate": f"{rate:.{1 if rate < _SLOW else 0}f}/min" if rate else "",
            "cost": self.cost,
            "time left": f"{duration(seconds)} to go" if seconds else "",
        }
        return {name: text for name, text in told.items() if text}

    def sentence(self) -> str:
        """The same as a line of its own."""
        seconds = self.seconds_left
        told = [
            f"{self.done} of {self.total} done",
            f"{self.failed} failed" if self.failed else "",
            f"{self.not_sent} not sent" if self.not_sent else "",
            f"{self.cost} so far",
            f"about {duration(seconds)} left" if seconds else "",
        ]
        return ", ".join(filter(None, told))


def plain_batch(
    endings: Iterable[Ended],
    total: int,
    say: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    interval: float = SPEAK_SECONDS,
) -> Generator[Ended, None, None]:
    """Yield ``endings``, and ``say`` every ``interval`` seconds how far it is, ended or not."""
    tally = Tally(total, clock)
    is_over = threading.Event()

    def speak() -> None:
        while not is_over.wait(interval):
            say(tally.sentence())

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        for ended in endings:
            tally.add(ended)
            yield ended
    finally:
        is_over.set()
        thread.join()
