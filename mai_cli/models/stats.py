"""What a history adds up to: pictures, money, refusals and time, by month, model and so on."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeGuard

from mai_cli.models.moment import moment_of

SCHEMA = "mai/stats/1"

_LARGEST = 1e9  # dollars or seconds; a record that says more is not ours

By = Literal["day", "month", "model", "profile", "tag"]
State = Mapping[str, Any]


@dataclass
class Tally:
    """A group of records. Placeholders cost nothing and are counted apart.

    ``cost_usd`` is what is known of the cost; of ``unpriced`` pictures it is not. ``seconds`` is
    that of the ``timed`` pictures together.
    """

    pictures: int = 0
    placeholders: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0
    timed: int = 0

    def add(self, state: State) -> None:
        """Count a record; one whose picture was removed has been paid for all the same."""
        status, has_master = state.get("status"), isinstance(state.get("master"), dict)
        if has_master and status in ("ok", "removed"):
            self._add_picture(state)
        elif status in ("refused", "failed"):
            setattr(self, status, getattr(self, status) + 1)
        else:
            self.unknown += 1

    def _add_picture(self, state: State) -> None:
        if state.get("offline"):
            self.placeholders += 1
            return
        self.pictures += 1
        cost, seconds = state.get("cost_usd"), state.get("seconds")
        if _is_amount(cost):
            self.cost_usd += cost
        else:
            self.unpriced += 1
        if _is_amount(seconds):
            self.seconds += seconds
            self.timed += 1

    @property
    def seconds_each(self) -> float | None:
        """How long a picture took, on average."""
        return self.seconds / self.timed if self.timed else None

    def to_json(self) -> dict[str, object]:
        """The JSON object of this group."""
        each = self.seconds_each
        return {
            "pictures": self.pictures,
            "placeholders": self.placeholders,
            "refused": self.refused,
            "failed": self.failed,
            "unknown": self.unknown,
            "cost_usd": round(self.cost_usd, 6),
            "cost_is_whole": not (self.unpriced or self.unknown),
            "seconds_per_picture": None if each is None else round(each, 3),
        }


@dataclass
class Stats:
    """Groups of records by ``by``, and all of them together."""

    by: By
    groups: dict[str, Tally] = field(default_factory=dict)
    total: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, states: Iterable[State], by: By) -> Self:
        """What ``states`` add up to."""
        stats = cls(by)
        for state in states:
            stats.add(state)
        return stats

    def add(self, state: State) -> None:
        """Count a record; one with several tags is in several groups."""
        self.total.add(state)
        for key in _KEYS[self.by](state):
            self.groups.setdefault(key, Tally()).add(state)

    def to_json(self) -> dict[str, object]:
        """The JSON object of these figures."""
        return {
            "schema": SCHEMA,
            "by": self.by,
            "groups": [{"key": key, **tally.to_json()} for key, tally in self.sorted()],
            "total": self.total.to_json(),
        }

    def sorted(self) -> list[tuple[str, Tally]]:
        """Times in their order, else the largest group first."""
        if self.by in ("day", "month"):
            return sorted(self.groups.items())
        return sorted(self.groups.items(), key=lambda group: (-group[1].pictures, group[0]))


def _is_amount(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 <= value <= _LARGEST


def _time(form: str) -> Callable[[State], list[str]]:
    """By the local time, in which people think."""

    def key(state: State) -> list[str]:
        moment = moment_of(state)
        with suppress(OverflowError, OSError, ValueError):  # at the ends of the calendar
            return [moment.astimezone().strftime(form) if moment else "unknown"]
        return ["unknown"]

    return key


def _tags(state: State) -> list[str]:
    tags = state.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) and tags else ["(none)"]


_KEYS: Mapping[str, Callable[[State], list[str]]] = {
    "day": _time("%Y-%m-%d"),
    "month": _time("%Y-%m"),
    "model": lambda state: [str(state.get("model") or state.get("deployment") or "unknown")],
    "profile": lambda state: [str(state.get("profile") or "(none)")],
    "tag": _tags,
}
