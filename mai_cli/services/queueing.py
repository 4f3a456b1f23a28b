"""What is still to be done in a batch, handed out to whoever can start first."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mai_cli.models.batch import Action, Step


class Route(NamedTuple):
    """A way to draw: the number of a profile, and a deployment there."""

    lane: int
    deployment: str


class Queue:
    """The steps of a plan that are not begun; may be used by several threads.

    A picture goes by whichever of its routes is free first, so several deployments share the work
    by their pace.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._guard = threading.Lock()
        self._closed: set[Route] = set()
        self._exports = deque(step for step in steps if step.action is Action.EXPORT)
        self._draws: dict[tuple[Route, ...], deque[Step]] = {}
        for step in steps:
            if step.action is Action.DRAW:
                self._draws.setdefault(_routes(step), deque()).append(step)

    def routes(self) -> dict[Route, int]:
        """Every route, with the number of pictures that may go by it."""
        found: dict[Route, int] = {}
        for routes, steps in self._draws.items():
            for route in routes:
                found[route] = found.get(route, 0) + len(steps)
        return found

    def has(self, route: Route) -> bool:
        """Whether a picture is left that may go by ``route``."""
        with self._guard:
            return any(self._open_to(route))

    def draw(self, route: Route) -> Step | None:
        """The next picture that may go by ``route``, which is taken out."""
        with self._guard:
            return next((steps.popleft() for steps in self._open_to(route)), None)

    def exports(self) -> int:
        """How many pictures are there already, and only to be exported."""
        return len(self._exports)

    def export(self) -> Step | None:
        """The next picture to be exported, which is taken out."""
        with self._guard:
            return self._exports.popleft() if self._exports else None

    def close(self, lane: int, deployment: str | None = None) -> list[Step]:
        """Let nothing go by ``lane``, or that deployment there; the steps without a route left."""
        with self._guard:
            every = {route for routes in self._draws for route in routes if route.lane == lane}
            self._closed |= {route for route in every if deployment in (None, route.deployment)}
            stranded: list[Step] = []
            for routes, steps in self._draws.items():
                if self._closed.issuperset(routes):
                    stranded += steps
                    steps.clear()
            return stranded

    def is_only(self, route: Route, step: Step) -> bool:
        """Whether ``step`` could be drawn by no other route."""
        with self._guard:
            return {other for other in _routes(step) if other not in self._closed} <= {route}

    def put_back(self, step: Step) -> list[Route]:
        """It was surely not drawn; the routes that are left for it, if any, else it stays out."""
        with self._guard:
            left = [route for route in _routes(step) if route not in self._closed]
            if left:
                self._draws[_routes(step)].appendleft(step)
            return left

    def drop(self) -> list[Step]:
        """Everything that is left, which is taken out."""
        with self._guard:
            left = [*self._exports, *(step for steps in self._draws.values() for step in steps)]
            self._exports.clear()
            for steps in self._draws.values():
                steps.clear()
            return left

    def _open_to(self, route: Route) -> Iterator[deque[Step]]:
        if route not in self._closed:
            yield from (steps for routes, steps in self._draws.items() if route in routes and steps)


def _routes(step: Step) -> tuple[Route, ...]:
    return tuple(Route(lane, deployment) for lane, deployment in enumerate(step.deployments))
