"""What is found and done when a history is looked after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

    def to_json(self, *, dry_run: bool) -> dict[str, object]:
        """The JSON object of this finding; nothing was changed where ``dry_run``."""
        return {
            "schema": RECOVERY_SCHEMA,
            "dry_run": dry_run,
            "id": self.state["id"],
            "result": self.result,
            "path": self.path,
            "record": dict(self.state),
        }


@dataclass
class Gone:
    """What went: how many records, the pictures and their bytes; and what was left alone, and why.

    ``notes`` tell of what could not have gone.
    """

    records: int = 0
    pictures: list[str] = field(default_factory=list)
    bytes: int = 0
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
