"""What one check of ``config check`` found."""

from dataclasses import dataclass, field
from typing import Literal

from mai_cli.errors import ExitCode

SCHEMA = "mai/check/1"

Result = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """A check with its result, what it saw, what to do about it, and how long it took."""

    name: str
    result: Result
    message: str
    hint: str = ""
    seconds: float = 0.0
    exit_code: ExitCode = field(default=ExitCode.OK)

    def to_json(self) -> dict[str, object]:
        """The JSON object of this check."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "result": self.result,
            "message": self.message,
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
            "exit_code": int(self.exit_code),
        }
