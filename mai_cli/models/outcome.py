"""What became of one picture of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.record import Record


@dataclass(frozen=True)
class Outcome:
    """The record, where the picture is if there is one, what went wrong, and what to know.

    ``asked_again`` tells of an answer that was lost, and after which the same was asked for again.
    """

    record: Record
    path: Path | None = None
    error: MaiError | None = None
    notes: tuple[str, ...] = ()
    asked_again: bool = False

    @property
    def results(self) -> list[Path]:
        """The files to name: the exports if any were asked for, else the master."""
        exports = [Path(export.path) for export in self.record.exports]
        if exports or self.path is None or (self.error and self.error.code == "export_failed"):
            return exports
        return [self.path]

    @property
    def cost_usd(self) -> float | None:
        """What it cost; ``None`` where that is unknown, also where nobody knows whether it did."""
        if self.path:
            return self.record.cost_usd
        return None if self.exit_code is ExitCode.UNKNOWN else 0.0

    @property
    def exit_code(self) -> ExitCode:
        """What this picture alone would make of the run."""
        return self.error.exit_code if self.error else ExitCode.OK


def standing(outcomes: Sequence[Outcome]) -> Outcome:
    """The one of all ``outcomes`` of a picture that counts.

    Only a picture makes up for an answer that was lost, which may be billed.
    """
    return outcomes[-1] if outcomes[-1].path else outcomes[0]
