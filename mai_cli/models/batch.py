"""What a batch would do, and what became of it: values that planning makes and others use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.outcome import Outcome

PLAN_SCHEMA = "mai/plan/1"
SUMMARY_SCHEMA = "mai/summary/1"


class State(StrEnum):
    """How an asset stands to its lock and to the disk."""

    NEW = "new"
    CHANGED = "changed"
    MISSING = "missing"
    MODIFIED = "modified"
    RESTORABLE = "restorable"
    UP_TO_DATE = "up_to_date"
    LEFT_OVER = "left_over"

    @property
    def text(self) -> str:
        """For people."""
        return self.replace("_", " ")


class Action(StrEnum):
    """What a run does about an asset.

    ``hold``: it was sent before and never answered; it is not sent again unless told to.
    """

    DRAW = "draw"
    EXPORT = "export"
    HOLD = "hold"
    PRUNE = "prune"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that was paid for before: its record, as the history has it, and its master.

    ``request`` is the digest of the request that it answers.
    """

    record: Mapping[str, Any]
    master: Path
    request: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan.

    ``reason`` says what is not up to date, in half a sentence. ``outputs`` are the files to make,
    or those that are left over; ``replaces`` are the paths of those that are there and may be
    replaced, ``in_the_way`` of those that are there and may not. ``asset`` is ``None`` for what
    left the manifest. ``deployments`` could draw it, one for each profile. ``cost_usd`` is an
    estimate, ``None`` where unknown.
    """

    name: str
    state: State
    action: Action
    reason: str = ""
    asset: Asset | None = None
    outputs: tuple[AssetOutput, ...] = ()
    replaces: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    drawn: Drawn | None = None
    deployments: tuple[str, ...] = ()
    cost_usd: float | None = 0.0

    def to_json(self) -> dict[str, object]:
        """The object of this step in a ``mai/plan/1``."""
        return {
            "name": self.name,
            "state": str(self.state),
            "action": str(self.action),
            "reason": self.reason or None,
            "outputs": [output.path for output in self.outputs],
            "cost_usd": self.cost_usd,
        }


@dataclass(frozen=True)
class BatchPlan:
    """What a run would do, an asset at a time, in the order of the manifest.

    ``seconds`` is about how long it takes, ``None`` where that cannot be told.
    """

    manifest: str
    steps: Sequence[Step]
    seconds: float | None = None

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing at all is to be done."""
        return all(step.state is State.UP_TO_DATE for step in self.steps)

    @property
    def draws(self) -> int:
        """How many pictures would be asked for."""
        return sum(step.action is Action.DRAW for step in self.steps)

    @property
    def cost_usd(self) -> float | None:
        """The estimate for all, ``None`` if that of any is unknown."""
        costs = [step.cost_usd for step in self.steps if step.action is Action.DRAW]
        known = [cost for cost in costs if cost is not None]
        return round(sum(known), 6) if len(known) == len(costs) else None

    def count(self, state: State) -> int:
        """How many assets are in ``state``."""
        return sum(step.state is state for step in self.steps)

    def to_json(self) -> dict[str, object]:
        """The JSON object of this plan."""
        return {
            "schema": PLAN_SCHEMA,
            "manifest": self.manifest,
            "items": [step.to_json() for step in self.steps],
            "counts": {str(state): self.count(state) for state in State},
            "cost_usd": self.cost_usd,
            "seconds": self.seconds,
        }


class Result(StrEnum):
    """What became of an asset in a run.

    ``failed``: surely not drawn, or drawn but not written where asked. ``unknown``: possibly
    billed. ``not_sent``: stopped, or beyond a limit.
    """

    MADE = "made"
    RESTORED = "restored"
    UP_TO_DATE = "up_to_date"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"

    @property
    def text(self) -> str:
        """For people."""
        return self.replace("_", " ")


_RESULT_OF = {
    ExitCode.REFUSED: Result.REFUSED,
    ExitCode.UNKNOWN: Result.UNKNOWN,
    ExitCode.BUDGET: Result.NOT_SENT,
    ExitCode.INTERRUPTED: Result.NOT_SENT,
}


@dataclass(frozen=True, slots=True)
class Ended:
    """An asset whose turn is over.

    ``record`` is that of its picture, ``paths`` are the files that were written. ``cost_usd`` is
    what it cost in this run, ``None`` where unknown.
    """

    name: str
    result: Result
    record: Mapping[str, Any] | None = None
    paths: tuple[Path, ...] = ()
    cost_usd: float | None = 0.0
    error: MaiError | None = None
    notes: tuple[str, ...] = ()
    alt: str | None = None

    @classmethod
    def of(cls, name: str, outcome: Outcome, alt: str | None = None) -> "Ended":
        """What ``outcome`` means for the asset ``name``."""
        error = outcome.error
        result = _RESULT_OF.get(error.exit_code, Result.FAILED) if error else Result.MADE
        return cls(
            name=name,
            result=result,
            record=outcome.record.to_json(),
            paths=tuple(outcome.results),
            cost_usd=outcome.cost_usd,
            error=error,
            notes=outcome.notes,
            alt=alt,
        )

    @property
    def exit_code(self) -> ExitCode:
        """What this asset alone would make of the run."""
        return self.error.exit_code if self.error else ExitCode.OK


@dataclass
class Summary:
    """What became of a whole run; adds up as assets end.

    ``ended`` is without records and without what was up to date; unless ``is_full`` also without
    what was made, so that a large run stays small.
    ``exit_code`` and ``seconds`` are known at the end. ``cost_usd`` is what is known of the cost;
    ``cost_is_whole`` says whether that is all.
    """

    manifest: str
    is_full: bool = True
    left_over: int = 0
    counts: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(Result, 0))
    ended: list[Ended] = field(default_factory=list)
    cost_usd: float = 0.0
    cost_is_whole: bool = True
    exit_code: ExitCode = ExitCode.OK
    seconds: float = 0.0

    def add(self, ended: Ended) -> None:
        """Count an asset whose turn is over."""
        self.counts[ended.result] += 1
        if ended.error or (self.is_full and ended.result is not Result.UP_TO_DATE):
            self.ended.append(replace(ended, record=None))
        if ended.cost_usd is None:
            self.cost_is_whole = False
        else:
            self.cost_usd = round(self.cost_usd + ended.cost_usd, 6)

    @classmethod
    def of(cls, plan: BatchPlan, *, is_full: bool = True) -> "Summary":
        """Of a run that carries out ``plan``, before it begins."""
        left_over = [step for step in plan.steps if step.state is State.LEFT_OVER]
        kept = sum(step.action is not Action.PRUNE for step in left_over)
        return cls(plan.manifest, is_full, kept)

    def end(self, failure: ExitCode | None, signal: int | None, seconds: float) -> None:
        """The run is over; ``failure`` is what ended it, ``signal`` who.

        It exits with the cause of all failures, if there is one and nothing was made.
        """
        codes = {ended.error.exit_code for ended in self.ended if ended.error}
        if failure is not None:
            codes.add(failure)
        if self.counts[Result.MADE] or self.counts[Result.RESTORED]:
            codes.add(ExitCode.OK)
        self.exit_code = ExitCode.of_all(codes)
        self.seconds = seconds
        was_cut = self.counts[Result.NOT_SENT] or self.counts[Result.UNKNOWN]
        if signal is not None and was_cut:
            self.exit_code = ExitCode(128 + signal)  # as a shell counts it

    @property
    def failures(self) -> Sequence[Ended]:
        """The assets that are not as they should be."""
        return [ended for ended in self.ended if ended.error]

    def to_json(self) -> dict[str, object]:
        """The JSON object of this summary."""
        assets = [
            {
                "name": ended.name,
                "result": str(ended.result),
                "outputs": [str(path) for path in ended.paths],
                "alt": ended.alt,
                "error": ended.error.to_json() if ended.error else None,
            }
            for ended in self.ended
        ]
        return {
            "schema": SUMMARY_SCHEMA,
            "manifest": self.manifest,
            "counts": {str(result): count for result, count in self.counts.items()},
            "left_over": self.left_over,
            "cost_usd": self.cost_usd,
            "cost_is_whole": self.cost_is_whole,
            "seconds": round(self.seconds, 3),
            "exit_code": int(self.exit_code),
            "assets": assets,
        }
