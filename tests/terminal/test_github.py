import errno
import os
import re
from contextlib import suppress
from dataclasses import replace

import pytest

from mai_cli.errors import AuthError, BudgetError, RefusedError, StorageError, UnknownError
from mai_cli.models.batch import Action, BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.terminal.github import (
    annotations,
    append_step_summary,
    check_annotations,
    plan_summary,
    step_summary,
    unheard,
)
from mai_cli.terminal.output import Output

DECLINED = RefusedError("The filter declined it.", code="content_filter", hint="Change it.")
REFUSED = Ended("fox", Result.REFUSED, error=DECLINED)
LOST = Ended(
    "owl", Result.UNKNOWN, cost_usd=None, error=UnknownError("It was lost.", code="lost_answer")
)
FAILED = Ended("ox", Result.FAILED, error=StorageError("No room.", code="export_failed"))
MADE = Ended("hero", Result.MADE, cost_usd=0.0868)
NO_KEY = AuthError("The key was not accepted.", code="bad_credential", hint="Set another one.")
TOO_DEAR = BudgetError("It costs too much.", code="over_budget")
EVIL = "a,\r\n::add-mask::x%0A | `b` <img src=x> [c](http://d) @e #1 *f* _g_ $h$ ##[error]\x1b[2J"

NEW = Step("hero", State.NEW, Action.DRAW, cost_usd=0.0868)
CHANGED = Step("fox", State.CHANGED, Action.DRAW, "the request has changed", cost_usd=0.1)
LEFT = Step("old", State.LEFT_OVER, Action.NONE, "no longer in the manifest")
FINE = Step("icon", State.UP_TO_DATE, Action.NONE)


def summary(*endings: Ended, manifest: str = "assets.toml") -> Summary:
    summary = Summary(manifest, seconds=250)
    for ended in endings:
        summary.add(ended)
    return summary


def plan(*steps: Step, manifest: str = "assets.toml") -> BatchPlan:
    return BatchPlan(manifest, steps, 125)


def obeyed(line: str) -> tuple[str, str, str]:
    """The command, title and message that the runner of GitHub Actions reads in ``line``."""
    command, title, message = re.fullmatch(r"::(\w+) title=([^:,]*)::(.*)", line).groups()
    for token, text in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
        title = title.replace(token, text)
    for token, text in {"%0D": "\r", "%0A": "\n", "%25": "%"}.items():
        message = message.replace(token, text)
    return command, title, message


def test_each_failure_is_marked():
    assert annotations(summary(MADE, REFUSED, LOST, FAILED)) == [
        "::error title=fox%3A refused::The filter declined it. Change it.",
        "::error title=owl%3A unknown::It was lost.",
        "::error title=ox%3A failed::No room.",
    ]


def test_what_was_not_sent_for_one_reason_is_marked_once():
    endings = [
        *[Ended(name, Result.NOT_SENT, error=NO_KEY) for name in ("a", "b", "c")],
        Ended("d", Result.NOT_SENT, error=TOO_DEAR),
        Ended("e", Result.NOT_SENT),
    ]
    assert annotations(summary(*endings)) == [
        "::error title=a and 2 more%3A not sent::The key was not accepted. Set another one.",
        "::error title=d%3A not sent::It costs too much.",
    ]


def test_nothing_is_marked_where_nothing_failed():
    assert annotations(summary(MADE)) == []
    assert check_annotations(plan(FINE)) == []


def test_what_is_marked_cannot_command():
    error = RefusedError(EVIL, code="content_filter")
    (line,) = annotations(summary(Ended(EVIL, Result.REFUSED, error=error)))
    assert line.splitlines() == [line]
    assert obeyed(line) == ("error", f"{EVIL}: refused", EVIL)


def test_what_is_not_up_to_date_is_marked():
    assert check_annotations(plan(NEW, FINE, CHANGED, LEFT)) == [
        "::error title=assets.toml::hero is new",
        "::error title=assets.toml::fox is changed: the request has changed",
        "::error title=assets.toml::old is left over: no longer in the manifest",
    ]


def test_a_plan_that_is_marked_cannot_command():
    step = replace(CHANGED, name=EVIL, reason=EVIL)
    (line,) = check_annotations(plan(step, manifest=EVIL))
    assert obeyed(line) == ("error", EVIL, f"{EVIL} is changed: {EVIL}")


@pytest.mark.parametrize(
    ("count", "more"), [(50, []), (51, ["And 1 more."]), (70, ["And 20 more."])]
)
def test_fifty_are_marked_and_the_rest_counted(count, more):
    last = [f"::error title=assets.toml::{text}" for text in more]
    marks = annotations(summary(*[REFUSED] * count))
    assert (len(marks), marks[50:]) == (50 + len(more), last)
    assert check_annotations(plan(*[NEW] * count))[50:] == last


def test_the_summary_of_a_run_is_a_page():
    assert step_summary(summary(MADE, REFUSED, LOST)) == (
        "## mai batch assets.toml\n\n"
        "| Result | |\n"
        "| :--- | ---: |\n"
        "| made | 1 |\n"
        "| refused | 1 |\n"
        "| unknown | 1 |\n"
        "| cost | at least &#36;0.09, some of it unknown |\n"
        "| time | 4 min |\n\n"
        "| Asset | Result | What happened |\n"
        "| :--- | :--- | :--- |\n"
        "| fox | refused | The filter declined it. Change it. |\n"
        "| owl | unknown | It was lost. |\n\n"
        "Change what was refused: the same request would be refused again.\n\n"
        "What is unknown may be billed: only --retry-lost or --force sends it again.\n\n"
        "Run it again to go on: what was made is not paid for again.\n\n"
    )


def test_a_run_without_failures_has_one_table():
    assert step_summary(summary(MADE)) == (
        "## mai batch assets.toml\n\n"
        "| Result | |\n"
        "| :--- | ---: |\n"
        "| made | 1 |\n"
        "| cost | about &#36;0.09 |\n"
        "| time | 4 min |\n\n"
    )


def test_the_summary_of_a_plan_is_a_page():
    assert plan_summary(plan(NEW, FINE, CHANGED, LEFT)) == (
        "## mai batch assets.toml\n\n"
        "| State | |\n"
        "| :--- | ---: |\n"
        "| new | 1 |\n"
        "| changed | 1 |\n"
        "| up to date | 1 |\n"
        "| left over | 1 |\n\n"
        "About &#36;0.19, 2 min.\n\n"
        "| Asset | State | Reason |\n"
        "| :--- | :--- | :--- |\n"
        "| hero | new |  |\n"
        "| fox | changed | the request has changed |\n"
        "| old | left over | no longer in the manifest |\n\n"
    )


def test_a_plan_that_is_up_to_date_is_one_sentence():
    assert plan_summary(plan(FINE, FINE)) == (
        "## mai batch assets.toml\n\nAll 2 assets are up to date.\n\n"
    )


def test_untrusted_text_means_nothing_on_a_page():
    error = RefusedError(EVIL, code="content_filter")
    text = (
        "a, ::add-mask::x%0A &#124; &#96;b&#96; &#60;img src=x&#62; &#91;c&#93;&#40;http://d&#41; "
        "&#64;e &#35;1 &#42;f&#42; &#95;g&#95; &#36;h&#36; &#35;&#35;&#91;error&#93;&#92;x1b&#91;2J"
    )
    page = step_summary(summary(Ended(EVIL, Result.REFUSED, error=error), manifest=EVIL))
    assert page.splitlines()[0] == f"## mai batch {text}"
    assert f"| {text} | refused | {text} |" in page.splitlines()
    step = replace(CHANGED, name=EVIL, reason=EVIL)
    assert f"| {text} | changed | {text} |" in plan_summary(plan(step)).splitlines()


def test_the_page_of_a_large_run_is_small():
    error = RefusedError("<" * 10_000, code="content_filter")
    endings = [replace(REFUSED, name="\u2028" * 10_000, error=error)] * 10_000
    page = step_summary(summary(*endings))
    assert len(page.encode()) < 500_000
    assert "And 9900 more." in page.splitlines()
    assert f"| refused | {'&#60;' * 300}\u2026 |" in page
    steps = [replace(CHANGED, reason="\u2028|" * 10_000)] * 10_000
    assert "And 9900 more." in plan_summary(plan(*steps)).splitlines()


def test_a_page_is_added_to_what_other_steps_have_written(tmp_path):
    file = tmp_path / "summary.md"
    file.write_bytes(b"Before.")
    for page in ("## é\n\n", "## Two\n\n"):
        assert append_step_summary(file, page) is None
    assert file.read_text("utf-8") == "Before.\n## é\n\n\n## Two\n\n"


def test_a_page_that_cannot_be_added_is_no_failure(tmp_path):
    reason = append_step_summary(tmp_path / "no" / "summary.md", "## One\n\n")
    assert reason == os.strerror(errno.ENOENT)


@pytest.mark.parametrize("error", [None, SystemExit(141), DECLINED])
def test_what_is_said_meanwhile_is_not_obeyed_and_what_comes_last_is(capsys, error):
    output = Output(quiet=True)
    with suppress(SystemExit, RefusedError), unheard(output) as lines:
        output.commands(["::add-mask::x"])
        lines.append("::error::no")
        if error:
            raise error

    silence, *said = capsys.readouterr().err.splitlines()
    token = silence.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert said == ["::add-mask::x", f"::{token}::", "::error::no"]


def test_nobody_can_guess_what_lets_commands_be_obeyed_again(capsys):
    for _ in range(2):
        with unheard(Output()):
            pass

    assert len(set(capsys.readouterr().err.splitlines())) == 4
