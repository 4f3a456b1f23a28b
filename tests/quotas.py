"""Quotas in the three ways in which services count, with windows short enough for tests.

Each knows how many requests a window holds and how long it is; ``take`` is asked once for each
request that comes, and says how long to wait where the quota is used up.
"""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque


class Quota(ABC):
    """``requests`` in each ``seconds``; ``says_when`` sends ``Retry-After``."""

    def __init__(self, requests: int, seconds: float, *, says_when: bool = True) -> None:
        self.requests = requests
        self.seconds = seconds
        self.says_when = says_when
        self.accepted = 0
        self.rejected = 0
        self._guard = threading.Lock()

    def take(self) -> float | None:
        """``None`` if the request may pass, else the seconds until one might."""
        with self._guard:
            wait = self._wait(time.monotonic())
            if wait is None:
                self.accepted += 1
            else:
                self.rejected += 1
            return wait

    def retry_after(self, wait: float) -> str | None:
        """The header, in whole seconds, rounded up as services do."""
        return str(math.ceil(wait)) if self.says_when else None

    @abstractmethod
    def _wait(self, now: float) -> float | None: ...


class TokenBucket(Quota):
    """Fills evenly, holds a window's worth."""

    def __init__(self, requests: int, seconds: float, *, says_when: bool = True) -> None:
        super().__init__(requests, seconds, says_when=says_when)
        self._tokens = float(requests)
        self._at = time.monotonic()

    def _wait(self, now: float) -> float | None:
        rate = self.requests / self.seconds
        self._tokens = min(self.requests, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return (1 - self._tokens) / rate


class FixedWindow(Quota):
    """Starts anew at each multiple of its length."""

    def __init__(self, requests: int, seconds: float, *, says_when: bool = True) -> None:
        super().__init__(requests, seconds, says_when=says_when)
        self._window = 0
        self._taken = 0

    def _wait(self, now: float) -> float | None:
        window = int(now // self.seconds)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken < self.requests:
            self._taken += 1
            return None
        return (window + 1) * self.seconds - now


class SlidingWindow(Quota):
    """Looks back from each request, and counts those that it has rejected too."""

    def __init__(self, requests: int, seconds: float, *, says_when: bool = True) -> None:
        super().__init__(requests, seconds, says_when=says_when)
        self._seen: deque[float] = deque()

    def _wait(self, now: float) -> float | None:
        while self._seen and self._seen[0] <= now - self.seconds:
            self._seen.popleft()
        is_full = len(self._seen) >= self.requests
        self._seen.append(now)
        return self._seen[-self.requests] + self.seconds - now if is_full else None
