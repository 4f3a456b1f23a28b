"""How a batch is shown: its plan, each asset as it ends, and what became of all."""

from collections.abc import Iterator, Mapping
from typing import Any

from mai_cli.errors import MaiError
from mai_cli.models.batch import Action, BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.terminal.output import ERROR_SCHEMA, Output
from mai_cli.terminal.wording import dollars

_HALF_A_CENT = 0.005
_STATE_WIDTH = 12
_MINUTE = 60


def show_batch_plan(output: Output, plan: BatchPlan, *, details: bool) -> None:
    """Show what a run would do; ``details`` adds what it would cost and how long it would take."""
    if output.json:
        output.object(plan.to_json())
        return
    for step in plan.steps:
        if step.state is not State.UP_TO_DATE:
            for line in _step_lines(step, details=details):
                output.text(line)
    if details and not plan.is_up_to_date:
        output.text(f"{_to_do(plan)} {estimate(plan)}Nothing was sent.")
    else:
        output.text(plan_counts(plan))


def _step_lines(step: Step, *, details: bool) -> Iterator[str]:
    about = [step.reason]
    if details and step.action is Action.DRAW:
        about.append(_about(step.cost_usd))
    text = ", ".join(filter(None, about))
    yield f"{step.state.text:<{_STATE_WIDTH}}{step.name}{text and ': '}{text}"
    # A word comes first: GitHub Actions obeys what stands at the start of a line.
    for path in step.in_the_way:
        yield f"{'':<{_STATE_WIDTH}}in the way: {path}"
    if step.state is State.LEFT_OVER:
        for file in step.outputs:
            yield f"{'':<{_STATE_WIDTH}}file: {file.path}"


def plan_counts(plan: BatchPlan) -> str:
    """How many assets are in which state, as a sentence."""
    counts = {state: plan.count(state) for state in State}
    total = len(plan.steps) - counts[State.LEFT_OVER]
    if plan.steps and plan.is_up_to_date:
        return "The asset is up to date." if total == 1 else f"All {total} assets are up to date."
    parts = [f"{count} {state.text}" for state, count in counts.items() if count]
    nothing = "" if total else f"No assets to make in {plan.manifest}. "
    return f"{nothing}{_sentence(parts)}".strip()


def _to_do(plan: BatchPlan) -> str:
    """What a run would do, as a sentence."""
    acts = [step.action for step in plan.steps]
    alone = sum(
        step.action is Action.NONE and step.state not in (State.UP_TO_DATE, State.LEFT_OVER)
        for step in plan.steps
    )
    left_over = plan.count(State.LEFT_OVER) - acts.count(Action.PRUNE)
    told = {
        "to draw": acts.count(Action.DRAW),
        "to restore": acts.count(Action.EXPORT),
        "sent before and never answered": acts.count(Action.HOLD),
        "left alone": alone,
        "up to date": plan.count(State.UP_TO_DATE),
        "left over": left_over,
        "to remove": acts.count(Action.PRUNE),
    }
    parts = [f"{count} {what}" for what, count in told.items() if count]
    return _sentence(parts) or f"No assets to make in {plan.manifest}."


def _sentence(parts: list[str]) -> str:
    return f"{', '.join(parts)}." if parts else ""


def estimate(plan: BatchPlan) -> str:
    """What the pictures of ``plan`` would cost and take, as a sentence with a space after it."""
    costs = [step.cost_usd for step in plan.steps if step.action is Action.DRAW]
    known = [cost for cost in costs if cost is not None]
    unknown = len(costs) - len(known)
    parts = []
    if known and unknown:
        parts = [f"{_about(sum(known))} for {len(known)} of them, unknown for {unknown}"]
    elif costs:
        parts = [_about(None if unknown else sum(known))]
    if plan.seconds and costs:
        parts.append(duration(plan.seconds))
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _about(cost_usd: float | None) -> str:
    """An estimate for people."""
    text = dollars(cost_usd)
    if cost_usd == 0:
        return "free"
    return f"about {text}" if text.startswith("$") else text


class BatchLines:
    """Shows each asset as it ends; what hundreds have in common is said once."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._reasons: set[tuple[str, str]] = set()
        self._hints: set[str] = set()

    def show(self, ended: Ended) -> None:
        """Show what became of one asset."""
        output = self._output
        if output.json:
            _show_object(output, ended)
        else:
            for path in ended.paths:
                output.path(path)
        for note in ended.notes:
            output.note(note if note.startswith(f"{ended.name}: ") else f"{ended.name}: {note}")
        if ended.error:
            self._complain(ended, ended.error)
        elif ended.result in (Result.MADE, Result.RESTORED):
            output.note(_line(ended))

    def _complain(self, ended: Ended, error: MaiError) -> None:
        what = f"{ended.name}: {ended.result.text}"
        reason = (error.code, error.message)
        if reason in self._reasons:
            self._output.note(f"{what}, for the same reason")
            return
        self._reasons.add(reason)
        hint = "" if error.hint in self._hints else error.hint
        self._hints.add(error.hint)
        if self._output.quiet:  # which still lets errors through
            self._output.error(_named(error, f"{what}: {error.message}", hint), with_json=False)
            return
        self._output.note(f"{what}: {error.message}")
        for detail in error.details:
            self._output.note(f"{ended.name}: {detail}")
        if hint:
            self._output.note(hint)


def _show_object(output: Output, ended: Ended) -> None:
    if ended.record:
        output.object(ended.record)
    elif ended.error:
        told = ended.error.to_json()
        output.object({"schema": ERROR_SCHEMA, "asset": ended.name, "error": told})


def _named(error: MaiError, message: str, hint: str) -> MaiError:
    """The same error with another ``message`` and ``hint``."""
    return type(error)(message, code=error.code, hint=hint, details=error.details)


def _line(ended: Ended) -> str:
    """One line about an asset that is as it should be."""
    if ended.result is Result.RESTORED:
        return f"{ended.name}: restored"
    record: Mapping[str, Any] = ended.record or {}
    cost = "free" if record.get("offline") else dollars(ended.cost_usd)
    return f"{ended.name}: made, {cost}, {record.get('seconds') or 0:.0f} s"


def show_summary(output: Output, summary: Summary) -> None:
    """Show what became of the whole run."""
    if output.json:
        output.object(summary.to_json())
        return
    width = max(len(str(count)) for count in summary.counts.values())
    for result, count in summary_counts(summary).items():
        output.note(f"{result:<{_STATE_WIDTH}}{count:>{width}}")
    output.note(f"{'cost':<{_STATE_WIDTH}}{spent(summary)}")
    output.note(f"{'time':<{_STATE_WIDTH}}{duration(summary.seconds)}")
    if summary.left_over:
        output.note(f"{'left over':<{_STATE_WIDTH}}{summary.left_over}, which --prune removes")
    output.notes(advice(summary))


def summary_counts(summary: Summary) -> dict[str, int]:
    """How many assets had which result, for people; what never occurred is left out."""
    return {
        result.text: count
        for result, count in summary.counts.items()
        if count or result is Result.MADE
    }


def spent(summary: Summary) -> str:
    """What a run cost, for people."""
    if summary.cost_is_whole:
        return _about(summary.cost_usd) if summary.cost_usd else "nothing"
    known = at_least(summary.cost_usd)
    return f"{known}, some of it unknown" if known else "unknown"


def at_least(cost_usd: float) -> str:
    """What is known of a cost that is not known whole; empty if that is next to nothing."""
    return f"at least {dollars(cost_usd)}" if cost_usd >= _HALF_A_CENT else ""


def advice(summary: Summary) -> list[str]:
    """What to do about the assets that are not as they should be, a line each."""
    counts = summary.counts
    lines = []
    if counts[Result.REFUSED]:
        lines.append("Change what was refused: the same request would be refused again.")
    if counts[Result.UNKNOWN]:
        lines.append("What is unknown may be billed: only --retry-lost or --force sends it again.")
    if lines or counts[Result.FAILED] or counts[Result.NOT_SENT]:
        lines.append("Run it again to go on: what was made is not paid for again.")
    return lines


def duration(seconds: float) -> str:
    """A span of time for people: ``31 s``, ``4 min``, ``1 h 20 min``."""
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    hours, rest = divmod(minutes, _MINUTE)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
