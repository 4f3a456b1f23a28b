import json
from dataclasses import replace
from pathlib import Path

import pytest

from mai_cli.errors import (
    AuthError,
    BudgetError,
    ExitCode,
    RefusedError,
    StorageError,
    UnknownError,
)
from mai_cli.models.batch import Action, BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.models.manifest import AssetOutput
from mai_cli.models.recipe import Recipe
from mai_cli.terminal.batch_showing import BatchLines, duration, show_batch_plan, show_summary
from mai_cli.terminal.output import Output

RECORD = {"schema": "mai/record/1", "status": "ok", "offline": False, "seconds": 31.4}
MADE = Ended("hero", Result.MADE, RECORD, (Path("/site/hero.avif"),), 0.0868)
RESTORED = Ended("logo", Result.RESTORED, RECORD, (Path("/site/logo.png"),))
UP_TO_DATE = Ended("icon", Result.UP_TO_DATE)
STOPPED = Ended("late", Result.NOT_SENT)
DECLINED = RefusedError("The filter declined it.", code="content_filter", hint="Change the prompt.")
REFUSED = Ended("fox", Result.REFUSED, {**RECORD, "status": "refused"}, error=DECLINED)
LOST = Ended(
    "owl",
    Result.UNKNOWN,
    cost_usd=None,
    error=UnknownError("The answer was lost.", code="lost_answer", hint="Look first."),
)
NO_KEY = AuthError("The key was not accepted.", code="bad_credential", hint="Set another one.")
NO_ROOM = StorageError(
    "Two outputs cannot be written.",
    code="export_failed",
    hint="It is safe.",
    details=["a.png: no room", "b.png: no room"],
)

NEW = Step("hero", State.NEW, Action.DRAW, cost_usd=0.0868)
CHANGED = Step("fox", State.CHANGED, Action.DRAW, "the request has changed", cost_usd=0.0042)
RESTORABLE = Step("owl", State.RESTORABLE, Action.EXPORT, "owl.png is missing", cost_usd=0.0)
LEFT = Step(
    "old",
    State.LEFT_OVER,
    Action.NONE,
    "no longer in the manifest",
    outputs=(AssetOutput("old.png", Recipe("png")), AssetOutput("old.webp", Recipe("webp"))),
)
FINE = [Step(f"icon-{number}", State.UP_TO_DATE, Action.NONE) for number in range(12)]


def plan(*steps: Step, seconds: float | None = None) -> BatchPlan:
    return BatchPlan("assets.toml", steps, seconds)


def summary(*endings: Ended, **facts) -> Summary:
    summary = Summary("assets.toml", seconds=83.4, **facts)
    for ended in endings:
        summary.add(ended)
    return summary


def lines(capfdbinary) -> tuple[list[str], list[str]]:
    out, err = capfdbinary.readouterr()
    return out.decode().splitlines(), err.decode().splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (31.4, "31 s"),
        (59.49, "59 s"),
        (59.5, "1 min"),
        (60, "1 min"),
        (250, "4 min"),
        (3569, "59 min"),
        (3570, "1 h"),
        (4800, "1 h 20 min"),
        (7200, "2 h"),
        (360_000, "100 h"),
    ],
)
def test_a_span_of_time_is_told_in_the_units_that_matter(seconds, text):
    assert duration(seconds) == text


def test_a_plan_tells_what_is_to_be_done_and_what_it_costs(capfdbinary):
    steps = (NEW, CHANGED, RESTORABLE, *FINE, LEFT)
    counts = "2 to draw, 1 to restore, 12 up to date, 1 left over."
    show_batch_plan(Output(), plan(*steps, seconds=125), details=True)
    assert lines(capfdbinary) == (
        [
            "new         hero: about $0.09",
            "changed     fox: the request has changed, under $0.01",
            "restorable  owl: owl.png is missing",
            "left over   old: no longer in the manifest",
            "            file: old.png",
            "            file: old.webp",
            f"{counts} About $0.09, 2 min. Nothing was sent.",
        ],
        [],
    )


def test_a_check_tells_what_is_not_up_to_date_without_money_and_time(capfdbinary):
    show_batch_plan(Output(), plan(NEW, CHANGED, *FINE, LEFT, seconds=125), details=False)
    assert lines(capfdbinary) == (
        [
            "new         hero",
            "changed     fox: the request has changed",
            "left over   old: no longer in the manifest",
            "            file: old.png",
            "            file: old.webp",
            "1 new, 1 changed, 12 up to date, 1 left over.",
        ],
        [],
    )


@pytest.mark.parametrize("details", [True, False])
@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (FINE, "All 12 assets are up to date."),
        (FINE[:1], "The asset is up to date."),
        ([], "No assets to make in assets.toml."),
    ],
)
def test_a_plan_with_nothing_to_do_is_one_sentence(capfdbinary, details, steps, text):
    show_batch_plan(Output(), plan(*steps), details=details)
    assert lines(capfdbinary) == ([text], [])


@pytest.mark.parametrize(
    ("steps", "seconds", "text"),
    [
        ([replace(NEW, cost_usd=None)], None, "1 to draw. Cost unknown. Nothing was sent."),
        (
            [NEW, NEW, replace(NEW, cost_usd=None)],
            90.0,
            "3 to draw. About $0.17 for 2 of them, unknown for 1, 2 min. Nothing was sent.",
        ),
        ([replace(NEW, cost_usd=0.0)], None, "1 to draw. Free. Nothing was sent."),
        ([replace(NEW, cost_usd=0.001)], None, "1 to draw. Under $0.01. Nothing was sent."),
        ([RESTORABLE], 125.0, "1 to restore. Nothing was sent."),
        (
            [replace(NEW, action=Action.HOLD), replace(CHANGED, action=Action.NONE)],
            None,
            "1 sent before and never answered, 1 left alone. Nothing was sent.",
        ),
        ([replace(LEFT, action=Action.PRUNE)], None, "1 to remove. Nothing was sent."),
    ],
)
def test_what_is_not_known_of_the_cost_is_not_told_as_nothing(capfdbinary, steps, seconds, text):
    show_batch_plan(Output(), plan(*steps, seconds=seconds), details=True)
    assert lines(capfdbinary)[0][-1] == text


def test_what_is_left_of_a_manifest_without_assets_is_told(capfdbinary):
    show_batch_plan(Output(), plan(LEFT), details=False)
    assert lines(capfdbinary)[0][-1] == "No assets to make in assets.toml. 1 left over."


def test_what_is_in_the_way_is_named(capfdbinary):
    step = replace(NEW, in_the_way=("public/hero.png", "public/a\x1b[31m.webp"))
    show_batch_plan(Output(), plan(step), details=False)
    assert lines(capfdbinary)[0] == [
        "new         hero",
        "            in the way: public/hero.png",
        "            in the way: public/a\\x1b[31m.webp",
        "1 new.",
    ]


def test_as_json_a_plan_is_one_object(capfdbinary):
    shown = plan(NEW, LEFT)
    show_batch_plan(Output(json=True), shown, details=True)
    (line,), err = lines(capfdbinary)
    assert (json.loads(line), err) == (shown.to_json(), [])


@pytest.mark.parametrize(
    ("ended", "out", "err"),
    [
        (MADE, ["/site/hero.avif"], ["hero: made, $0.09, 31 s"]),
        (replace(MADE, cost_usd=None), ["/site/hero.avif"], ["hero: made, cost unknown, 31 s"]),
        (
            replace(MADE, record={**RECORD, "offline": True, "seconds": None}, cost_usd=0.0),
            ["/site/hero.avif"],
            ["hero: made, free, 0 s"],
        ),
        (RESTORED, ["/site/logo.png"], ["logo: restored"]),
        (UP_TO_DATE, [], []),
        (STOPPED, [], []),
        (replace(STOPPED, notes=("late: left alone.",)), [], ["late: left alone."]),
        (
            replace(MADE, notes=("The copy is not signed.",)),
            ["/site/hero.avif"],
            ["hero: The copy is not signed.", "hero: made, $0.09, 31 s"],
        ),
        (REFUSED, [], ["fox: refused: The filter declined it.", "Change the prompt."]),
        (LOST, [], ["owl: unknown: The answer was lost.", "Look first."]),
        (
            replace(MADE, result=Result.FAILED, error=NO_ROOM),
            ["/site/hero.avif"],
            [
                "hero: failed: Two outputs cannot be written.",
                "hero: a.png: no room",
                "hero: b.png: no room",
                "It is safe.",
            ],
        ),
        (
            replace(STOPPED, error=BudgetError("It costs too much.", code="over_budget")),
            [],
            ["late: not sent: It costs too much."],
        ),
        (
            replace(RESTORED, name="a\x1b[2J", paths=()),
            [],
            ["a\\x1b[2J: restored"],
        ),
    ],
)
def test_each_asset_that_ends_is_a_line_and_its_files(capfdbinary, ended, out, err):
    BatchLines(Output()).show(ended)
    assert lines(capfdbinary) == (out, err)


def test_what_many_assets_have_in_common_is_said_once(capfdbinary):
    shown = BatchLines(Output())
    for name in ("a", "b", "c"):
        shown.show(Ended(name, Result.NOT_SENT, error=NO_KEY))
    shown.show(REFUSED)
    shown.show(replace(REFUSED, error=replace_message(DECLINED, "It shows a brand.")))
    shown.show(replace(REFUSED, name="cub"))
    assert lines(capfdbinary)[1] == [
        "a: not sent: The key was not accepted.",
        "Set another one.",
        "b: not sent, for the same reason",
        "c: not sent, for the same reason",
        "fox: refused: The filter declined it.",
        "Change the prompt.",
        "fox: refused: It shows a brand.",
        "cub: refused, for the same reason",
    ]


def replace_message(error, message):
    return type(error)(message, code=error.code, hint=error.hint)


def test_quiet_keeps_the_files_and_each_failure_once(capfdbinary):
    shown = BatchLines(Output(quiet=True))
    for ended in (replace(MADE, notes=("A note.",)), RESTORED, REFUSED, replace(REFUSED, name="b")):
        shown.show(ended)
    assert lines(capfdbinary) == (
        ["/site/hero.avif", "/site/logo.png"],
        ["Error: fox: refused: The filter declined it.", "Change the prompt."],
    )


@pytest.mark.parametrize(
    ("ended", "objects"),
    [
        (MADE, [RECORD]),
        (RESTORED, [RECORD]),
        (REFUSED, [{**RECORD, "status": "refused"}]),
        (UP_TO_DATE, []),
        (STOPPED, []),
        (
            LOST,
            [
                {
                    "schema": "mai/error/1",
                    "asset": "owl",
                    "error": {
                        "code": "lost_answer",
                        "message": "The answer was lost.",
                        "hint": "Look first.",
                        "exit_code": 8,
                    },
                }
            ],
        ),
    ],
)
def test_as_json_an_asset_is_its_record_or_its_error(capfdbinary, ended, objects):
    BatchLines(Output(json=True)).show(ended)
    assert [json.loads(line) for line in lines(capfdbinary)[0]] == objects


def test_as_json_quiet_says_a_failure_once_on_each_stream(capfdbinary):
    BatchLines(Output(json=True, quiet=True)).show(LOST)
    out, err = lines(capfdbinary)
    assert (len(out), err) == (1, ["Error: owl: unknown: The answer was lost.", "Look first."])


def test_the_end_is_a_table_of_what_became_of_all(capfdbinary):
    endings = [MADE] * 2 + [RESTORED] + [UP_TO_DATE] * 10
    show_summary(Output(), summary(*endings, left_over=2))
    assert lines(capfdbinary) == (
        [],
        [
            "made         2",
            "restored     1",
            "up to date  10",
            "cost        about $0.17",
            "time        1 min",
            "left over   2, which --prune removes",
        ],
    )


def test_the_end_says_what_to_do_about_what_failed(capfdbinary):
    failed = replace(MADE, result=Result.FAILED, error=NO_ROOM)
    show_summary(Output(), summary(MADE, REFUSED, failed, LOST, STOPPED))
    assert lines(capfdbinary)[1] == [
        "made        1",
        "refused     1",
        "failed      1",
        "unknown     1",
        "not sent    1",
        "cost        at least $0.17, some of it unknown",
        "time        1 min",
        "Change what was refused: the same request would be refused again.",
        "What is unknown may be billed: only --retry-lost or --force sends it again.",
        "Run it again to go on: what was made is not paid for again.",
    ]


@pytest.mark.parametrize(
    ("ended", "rows"),
    [
        (RESTORED, ["made        0", "restored    1", "cost        nothing"]),
        (replace(MADE, cost_usd=0.001), ["made        1", "cost        under $0.01"]),
        (replace(MADE, cost_usd=None), ["made        1", "cost        unknown"]),
    ],
)
def test_a_cost_that_is_not_known_is_not_called_nothing(capfdbinary, ended, rows):
    show_summary(Output(), summary(ended))
    assert lines(capfdbinary)[1] == [*rows, "time        1 min"]


@pytest.mark.parametrize("ended", [replace(MADE, result=Result.FAILED), STOPPED])
def test_any_asset_that_is_missing_is_a_reason_to_run_it_again(capfdbinary, ended):
    show_summary(Output(), summary(ended))
    again = "Run it again to go on: what was made is not paid for again."
    assert lines(capfdbinary)[1][-1] == again


def test_quiet_leaves_the_table_out(capfdbinary):
    show_summary(Output(quiet=True), summary(MADE, REFUSED))
    assert lines(capfdbinary) == ([], [])


def test_as_json_the_end_is_one_object(capfdbinary):
    shown = summary(MADE, REFUSED, exit_code=ExitCode.PARTIAL)
    show_summary(Output(json=True), shown)
    (line,), err = lines(capfdbinary)
    assert (json.loads(line), err) == (shown.to_json(), [])


def test_every_line_of_the_end_fits_into_80_columns(capfdbinary):
    endings = [ended for ended in (MADE, REFUSED, LOST, STOPPED) for _ in range(12_345)]
    show_summary(Output(), summary(*endings, left_over=12_345))
    assert max(map(len, lines(capfdbinary)[1])) <= 80
