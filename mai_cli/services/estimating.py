"""How long a batch takes, as far as the paces of its deployments tell."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol


class Pace(Protocol):
    """What is known of a deployment."""

    @property
    def rate(self) -> float | None:
        """Starts a minute; ``None`` where no quota is known."""

    @property
    def latency_seconds(self) -> float | None:
        """How long a picture usually takes; ``None`` where none was seen."""


def estimate(
    draws: Sequence[Sequence[str]], paces: Sequence[Callable[[str], Pace]], concurrency: int
) -> float | None:
    """About how many seconds it takes to draw; ``None`` where nothing is known yet.

    Each of ``draws`` names the deployments that could draw a picture, one for each of ``paces``.
    """
    longest = 0.0
    busy = 0.0
    for deployments, count in Counter(map(tuple, draws)).items():
        known = [pace(deployment) for pace, deployment in zip(paces, deployments, strict=True)]
        rates = [pace.rate for pace in known]
        latency = max((pace.latency_seconds or 0.0 for pace in known), default=0.0)
        if not latency and None in rates:
            return None
        if None not in rates:
            longest = max(longest, 60 * (count - 1) / sum(rate for rate in rates if rate) + latency)
        busy += count * latency / concurrency
        longest = max(longest, latency)
    return max(longest, busy)
