"""What a batch tells GitHub Actions: annotations, and the summary of a step.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mai_cli.models.batch import BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.terminal.batch_showing import (
    advice,
    duration,
    estimate,
    plan_counts,
    spent,
    summary_counts,
)
from mai_cli.terminal.output import Output, visible

MAX_ANNOTATIONS = 50
"""Of a run; a job shows no more, however many its steps make."""

MAX_ROWS = 100
"""Of a table; a summary larger than 1 MiB is refused whole."""

_MAX_CELL = 300  # characters of untrusted text
_FAILED = (Result.REFUSED, Result.FAILED, Result.UNKNOWN)
# What Markdown, its tables, mentions and formulas on GitHub, or HTML give a meaning to.
_MEANINGFUL = re.compile(r"[\\`*_{}\[\]()<>#|~&!@$]")


@contextmanager
def unheard(output: Output) -> Iterator[list[str]]:
    """Let no command be obeyed that is said meanwhile; those put into the list are, after it.

    What servers and manifests say must not command the runner, which reads it all.
    """
    token = os.urandom(16).hex()
    output.commands([f"::stop-commands::{token}"])
    lines: list[str] = []
    try:
        yield lines
    finally:
        output.commands([f"::{token}::", *lines])


def annotations(summary: Summary) -> list[str]:
    """The workflow commands that mark what failed; each is a line of its own.

    What was not sent for one reason is marked once.
    """
    failed = [ended for ended in summary.failures if ended.result in _FAILED]
    marks = [(f"{ended.name}: {ended.result.text}", _told(ended)) for ended in failed]
    return _errors([*marks, *_not_sent(summary)], summary.manifest)


def _not_sent(summary: Summary) -> list[tuple[str, str]]:
    """A title and a message for each reason why assets were not sent."""
    stopped = [ended for ended in summary.failures if ended.result is Result.NOT_SENT]
    counts = Counter(map(_told, stopped))
    first = {_told(ended): ended.name for ended in reversed(stopped)}
    return [
        (f"{first[told]}{f' and {count - 1} more' if count > 1 else ''}: not sent", told)
        for told, count in counts.items()
    ]


def check_annotations(plan: BatchPlan) -> list[str]:
    """The workflow commands that mark what is not up to date; each is a line of its own."""
    return _errors([(plan.manifest, _stale(step)) for step in _changed(plan)], plan.manifest)


def _errors(marks: Sequence[tuple[str, str]], manifest: str) -> list[str]:
    more = len(marks) - MAX_ANNOTATIONS
    shown = [*marks[:MAX_ANNOTATIONS], *([(manifest, f"And {more} more.")] if more > 0 else [])]
    return [f"::error title={_property(title)}::{_data(message)}" for title, message in shown]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _told(ended: Ended) -> str:
    """What went wrong, and what to do."""
    return f"{ended.error.message} {ended.error.hint}".strip() if ended.error else ""


def _stale(step: Step) -> str:
    reason = f": {step.reason}" if step.reason else ""
    return f"{step.name} is {step.state.text}{reason}"


def _changed(plan: BatchPlan) -> list[Step]:
    return [step for step in plan.steps if step.state is not State.UP_TO_DATE]


def step_summary(summary: Summary) -> str:
    """What became of a run, as Markdown."""
    facts: dict[str, object] = {
        **summary_counts(summary),
        "cost": spent(summary),
        "time": duration(summary.seconds),
    }
    rows = [(ended.name, ended.result.text, _told(ended)) for ended in summary.failures]
    return _page(
        summary.manifest,
        _counts("Result", facts),
        _table(("Asset", "Result", "What happened"), rows),
        *advice(summary),
    )


def plan_summary(plan: BatchPlan) -> str:
    """What a run would do, as Markdown."""
    counts = {state.text: plan.count(state) for state in State}
    rows = [(step.name, step.state.text, step.reason) for step in _changed(plan)]
    if not rows:
        return _page(plan.manifest, _cell(plan_counts(plan)))
    return _page(
        plan.manifest,
        _counts("State", {name: count for name, count in counts.items() if count}),
        _cell(estimate(plan)),
        _table(("Asset", "State", "Reason"), rows),
    )


def append_step_summary(path: Path, text: str) -> str | None:
    """Add ``text`` to the summary of a step; why that failed, if it did, which is no failure."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")
    except OSError as error:
        return error.strerror or str(error)
    return None


def _page(manifest: str, *paragraphs: str) -> str:
    heading = f"## mai batch {_cell(manifest)}"
    return "".join(f"{paragraph}\n\n" for paragraph in (heading, *filter(None, paragraphs)))


def _counts(name: str, counts: Mapping[str, object]) -> str:
    rows = [f"| {what} | {_cell(str(count))} |" for what, count in counts.items()]
    return "\n".join([f"| {name} | |", "| :--- | ---: |", *rows])


def _table(names: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of what is not trusted; empty without rows."""
    if not rows:
        return ""
    cells = [[_cell(text) for text in row] for row in rows[:MAX_ROWS]]
    lines = [list(names), [":---"] * len(rows[0]), *cells]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = len(rows) - MAX_ROWS
    return f"{table}\n\nAnd {more} more." if more > 0 else table


def _cell(text: str) -> str:
    """``text`` as it is, on one line, whatever it means in Markdown or HTML."""
    line = " ".join(text.split())
    short = line if len(line) <= _MAX_CELL else f"{line[:_MAX_CELL]}\u2026"
    return _MEANINGFUL.sub(lambda match: f"&#{ord(match[0])};", visible(short))
