"""How results are shown: as lines to people, as JSON to programs."""

import json
from collections.abc import Sequence
from pathlib import Path

from mai_cli.models.check import Check
from mai_cli.models.outcome import Outcome
from mai_cli.models.plan import Plan
from mai_cli.models.record import Record
from mai_cli.models.setting import Profile, Setting, to_text
from mai_cli.terminal.output import Output


def show_outcome(output: Output, outcome: Outcome, *, to_stdout: bool) -> None:
    """Show what became of one picture; ``to_stdout`` writes the picture itself."""
    record = outcome.record
    if output.json:
        output.object(record.to_json())
    elif outcome.path and to_stdout:
        output.file(outcome.path)
    elif outcome.path:
        for path in _results(outcome, outcome.path):
            output.path(path)
    for note in outcome.notes:
        output.note(note)
    if outcome.error:
        output.error(outcome.error, with_json=False)
        output.note(f"Recorded as {record.status}, id {record.id}")
    else:
        output.note(_summary(record))


def show_plan(output: Output, plan: Plan) -> None:
    """Show what a run would do."""
    if output.json:
        output.object(plan.to_json())
        return
    for item in plan.items:
        output.text(f"POST {item.url or 'to this machine (offline)'}")
        output.text(json.dumps(item.body, ensure_ascii=False))
        for image in item.images:
            output.text(f"Reference: {image}")
        for path in item.outputs:
            output.text(f"Output: {path}")
    count = len(plan.items)
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    cost = dollars(plan.cost_usd)
    about = "about " if cost.startswith("$") else ""
    output.text(f"{pictures}, {about}{cost}. Nothing was sent.")


def show_settings(output: Output, settings: Sequence[Setting]) -> None:
    """Show settings with their values and where those come from."""
    width = max(len(setting.key) for setting in settings) + 2
    for setting in settings:
        if output.json:
            output.object(setting.to_json())
        elif not setting.texts:
            output.text(f"{setting.key:<{width}}(not set)")
        else:
            output.text(f"{setting.key:<{width}}{', '.join(setting.texts)}  ({setting.origin})")


def show_profile(output: Output, profile: Profile) -> None:
    """Show one profile; a star marks the one in use."""
    if output.json:
        output.object(profile.to_json())
        return
    mark = "*" if profile.is_in_use else " "
    words = ", ".join(f"{key} = {to_text(value)}" for key, value in profile.values.items())
    output.text(f"{mark} {profile.name:<10}  {words}".rstrip())


def check_lines(check: Check) -> list[str]:
    """What a check found, for people."""
    seconds = f" ({check.seconds:.1f} s)" if check.seconds >= 0.1 else ""  # noqa: PLR2004 - felt
    lines = [f"{check.result:<9}{check.name:<12}{check.message}{seconds}"]
    if check.hint:
        lines.append(f"{'':<21}{check.hint}")
    return lines


def _results(outcome: Outcome, master: Path) -> list[str]:
    """The files to name: the exports if any were asked for, else the master."""
    exported = [export.path for export in outcome.record.exports]
    if exported or (outcome.error and outcome.error.code == "export_failed"):
        return exported
    return [str(master)]


def _summary(record: Record) -> str:
    """One line about a picture that was made."""
    size = f"{record.master.width}x{record.master.height}" if record.master else ""
    cost = "free" if record.offline else dollars(record.cost_usd)
    return f"{size}, {cost}, {record.seconds or 0:.0f} s, id {record.id}"


def dollars(amount: float | None) -> str:
    """An amount of money for people; what is not known is called that, never nothing."""
    if amount is None:
        return "cost unknown"
    if 0 < amount < 0.005:  # noqa: PLR2004 - half a cent would be shown as nothing
        return "under $0.01"
    return f"${amount:.2f}"
