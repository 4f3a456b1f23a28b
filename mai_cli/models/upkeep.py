"""What is found and done when a history is looked after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PROBLEM_SCHEMA = "mai/problem/1"
RECOVERY_SCHEMA = "mai/recovery/1"


@dataclass(frozen=True)
class Problem:
    """What is wrong: ``damaged_line``, ``missing``, ``changed`` or ``unknown_picture``."""

    kind: str
    message: str
    id: str | None = None
    path: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON object of this problem."""
        return {"schema": PROBLEM_SCHEMA, **{key: getattr(self, key) for key in _KEYS}}


_KEYS = ("kind", "id", "path", "line", "message")


@dataclass
class Seen:
    """What was looked at."""

    records: int = 0
    pictures: int = 0


@dataclass(frozen=True)
class Found:
    """What is known of one such request.

    ``result`` is ``recovered`` (its picture was there), ``forgotten``, ``in_flight`` (perhaps
    still waited for) or ``unknown``. ``path`` is that of the picture, or of what came of it.
    """

    state: Mapping[str, Any]
    result: str
    path: str | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON object of this finding."""
        return {
            "schema": RECOVERY_SCHEMA,
            "id": self.state["id"],
            "result": self.result,
            "path": self.path,
            "record": dict(self.state),
        }


@dataclass
class Gone:
    """What went: how many records, and the pictures; and what was left alone, with why."""

    records: int = 0
    pictures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, states: Sequence[Mapping[str, Any]]) -> Self:
        """What would go with ``states``."""
        masters = [state.get("master") for state in states if state.get("status") == "ok"]
        paths = [
            str(Path(str(master.get("gallery")), str(master.get("path"))))
            for master in masters
            if isinstance(master, dict)
        ]
        return cls(len(states), paths)
