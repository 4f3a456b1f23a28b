from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.errors import (
    AuthError,
    BudgetError,
    ExitCode,
    RefusedError,
    StoppedError,
    StorageError,
    UnavailableError,
    UnknownError,
    UsageError,
)
from mai_cli.models.batch import Action, BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.models.catalogue import find
from mai_cli.models.manifest import AssetOutput
from mai_cli.models.outcome import Outcome
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Export, Master, Record
from mai_cli.models.request import ImageRequest

REFUSED = RefusedError("Declined.", code="content_filter")
BLOCKED = RefusedError("Blocked.", code="resource_blocked")
LOST = UnknownError("Lost.", code="lost_answer")
DEAR = BudgetError("Too dear.", code="over_budget")
FULL = StorageError("Full.", code="export_failed", hint="Make room.")
DENIED = AuthError("No.", code="bad_credential")
DOWN = UnavailableError("Down.", code="no_connection")


def step(state: State = State.NEW, action: Action = Action.DRAW, **facts) -> Step:
    return Step("hero", state, action, **facts)


def test_a_state_and_a_result_can_be_read_by_people():
    assert (State.UP_TO_DATE.text, State.LEFT_OVER.text, State.NEW.text) == (
        *("up to date", "left over", "new"),
    )
    assert (Result.NOT_SENT.text, Result.MADE.text) == ("not sent", "made")


def test_a_step_is_the_documented_object():
    outputs = (AssetOutput("hero.png", Recipe("png")), AssetOutput("a/b.webp", Recipe("webp")))

    assert step(reason="it is new", outputs=outputs, cost_usd=0.04).to_json() == {
        "name": "hero",
        "state": "new",
        "action": "draw",
        "reason": "it is new",
        "outputs": ["hero.png", "a/b.webp"],
        "cost_usd": 0.04,
    }
    assert step(State.UP_TO_DATE, Action.NONE).to_json() == {
        "name": "hero",
        "state": "up_to_date",
        "action": "none",
        "reason": None,
        "outputs": [],
        "cost_usd": 0.0,
    }


def test_a_plan_is_the_documented_object():
    steps = [
        step(cost_usd=0.1),
        step(State.CHANGED, cost_usd=0.2),
        step(State.LEFT_OVER, Action.PRUNE),
        step(State.RESTORABLE, Action.EXPORT, cost_usd=None),
    ]

    assert BatchPlan("assets.toml", steps, 61.5).to_json() == {
        "schema": "mai/plan/1",
        "manifest": "assets.toml",
        "items": [one.to_json() for one in steps],
        "counts": {
            "new": 1,
            "changed": 1,
            "missing": 0,
            "modified": 0,
            "restorable": 1,
            "up_to_date": 0,
            "left_over": 1,
        },
        "cost_usd": 0.3,
        "seconds": 61.5,
    }


@pytest.mark.parametrize(
    ("costs", "total"),
    [([], 0.0), ([0.1, 0.2], 0.3), ([0.1, None], None), ([None], None), ([0.0], 0.0)],
)
def test_a_cost_that_is_not_known_is_never_counted_as_nothing(costs, total):
    plan = BatchPlan("assets.toml", [step(cost_usd=cost) for cost in costs])

    assert (plan.cost_usd, plan.draws) == (total, len(costs))


@pytest.mark.parametrize("state", list(State))
def test_everything_must_be_up_to_date_also_what_is_left_over(state):
    plan = BatchPlan("assets.toml", [step(State.UP_TO_DATE, Action.NONE), step(state, Action.NONE)])

    assert plan.is_up_to_date is (state is State.UP_TO_DATE)
    assert plan.count(state) == (2 if state is State.UP_TO_DATE else 1)
    assert BatchPlan("assets.toml", []).is_up_to_date


def record(request_, **facts) -> Record:
    sent = Record.sent(
        request_, id="b7c4", created_at=datetime(2026, 11, 22, tzinfo=UTC), endpoint=None
    )
    return Record(**(vars(sent) | facts))


@pytest.fixture(scope="module")
def request_():
    return ImageRequest("a red fox", "mai-image-26", find("mai-image-26"))


MASTER = Master("m.png", "/gallery", "ab" * 32, 1, 1, 1, content_credentials=False)
EXPORT = Export("/site/hero.png", "png", 1, 1, 1, "cd" * 32, content_credentials=False)


def test_a_picture_that_was_made_ends_its_asset(request_):
    made = record(request_, status="ok", master=MASTER, exports=[EXPORT], cost_usd=0.04)
    outcome = Outcome(made, Path("/gallery/m.png"), notes=("It is smaller.",))

    assert Ended.of("hero", outcome, "A fox.") == Ended(
        "hero",
        Result.MADE,
        record=made.to_json(),
        paths=(Path("/site/hero.png"),),
        cost_usd=0.04,
        notes=("It is smaller.",),
        alt="A fox.",
    )
    assert Ended.of("hero", outcome).exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("error", "result", "cost_usd"),
    [
        (REFUSED, Result.REFUSED, 0.0),
        (BLOCKED, Result.REFUSED, 0.0),
        (LOST, Result.UNKNOWN, None),
        (DEAR, Result.NOT_SENT, 0.0),
        (StoppedError("Stopped.", code="stopped"), Result.NOT_SENT, 0.0),
        (DOWN, Result.FAILED, 0.0),
        (DENIED, Result.FAILED, 0.0),
        (UsageError("No.", code="bad_image"), Result.FAILED, 0.0),
    ],
)
def test_a_failure_says_what_became_of_the_asset(request_, error, result, cost_usd):
    failed = record(request_, status="failed")
    ended = Ended.of("hero", Outcome(failed, error=error))

    assert ended == Ended("hero", result, record=failed.to_json(), cost_usd=cost_usd, error=error)
    assert ended.exit_code is error.exit_code


def test_a_picture_that_could_not_be_exported_failed_but_is_paid(request_):
    made = record(request_, status="ok", master=MASTER, exports=[EXPORT], cost_usd=0.04)
    ended = Ended.of("hero", Outcome(made, Path("/gallery/m.png"), FULL))

    assert (ended.result, ended.paths, ended.cost_usd) == (
        *(Result.FAILED, (Path("/site/hero.png"),), 0.04),
    )


def summary_of(*ended: Ended) -> Summary:
    summary = Summary("assets.toml")
    for one in ended:
        summary.add(one)
    return summary


MADE = Ended("made", Result.MADE, cost_usd=0.1)
RESTORED = Ended("restored", Result.RESTORED)
UP_TO_DATE = Ended("good", Result.UP_TO_DATE)
DECLINED = Ended("declined", Result.REFUSED, error=REFUSED)
BROKEN = Ended("broken", Result.FAILED, error=DOWN)
VANISHED = Ended("vanished", Result.UNKNOWN, cost_usd=None, error=LOST)
LEFT = Ended("left", Result.NOT_SENT)
NOT_PAID = Ended("dear", Result.NOT_SENT, error=DEAR)


def test_a_summary_begins_with_the_plan_and_counts_what_stays_left_over():
    left_over = (Action.NONE, Action.PRUNE)
    plan = BatchPlan(
        "assets.toml", [step(), *(step(State.LEFT_OVER, action) for action in left_over)]
    )

    assert Summary.of(plan) == Summary("assets.toml", left_over=1)
    assert Summary.of(plan, is_full=False) == Summary("assets.toml", is_full=False, left_over=1)


def test_a_summary_adds_up_without_what_would_make_it_large():
    ended = Ended("hero", Result.MADE, {"id": "b7c4"}, (Path("/x.png"),), 0.2, alt="A fox.")
    summary = summary_of(MADE, ended, UP_TO_DATE, UP_TO_DATE, DECLINED)

    assert summary.counts == {
        Result.MADE: 2,
        Result.RESTORED: 0,
        Result.UP_TO_DATE: 2,
        Result.REFUSED: 1,
        Result.FAILED: 0,
        Result.UNKNOWN: 0,
        Result.NOT_SENT: 0,
    }
    assert summary.ended == [
        MADE,
        Ended("hero", Result.MADE, None, (Path("/x.png"),), 0.2, alt="A fox."),
        DECLINED,
    ]
    assert (summary.cost_usd, summary.cost_is_whole) == (0.3, True)
    assert summary.failures == [DECLINED]


def test_a_summary_that_need_not_be_full_keeps_failures_only():
    summary = Summary("assets.toml", is_full=False)
    for one in (MADE, UP_TO_DATE, DECLINED, LEFT):
        summary.add(one)

    assert summary.ended == summary.failures == [DECLINED]
    assert [summary.counts[one.result] for one in (MADE, UP_TO_DATE, DECLINED, LEFT)] == [1] * 4
    assert summary.cost_usd == 0.1


def test_a_cost_that_nobody_knows_makes_the_sum_a_part_of_it():
    summary = summary_of(MADE, VANISHED, MADE)

    assert (summary.cost_usd, summary.cost_is_whole) == (0.2, False)


@pytest.mark.parametrize(
    ("ended", "failure", "signal", "code"),
    [
        ([], None, None, ExitCode.OK),
        ([UP_TO_DATE], None, None, ExitCode.OK),
        ([MADE, RESTORED], None, None, ExitCode.OK),
        ([DECLINED, DECLINED], None, None, ExitCode.REFUSED),
        ([DECLINED, UP_TO_DATE], None, None, ExitCode.REFUSED),
        ([DECLINED, MADE], None, None, ExitCode.PARTIAL),
        ([DECLINED, RESTORED], None, None, ExitCode.PARTIAL),
        ([DECLINED, BROKEN], None, None, ExitCode.PARTIAL),
        ([VANISHED], None, None, ExitCode.UNKNOWN),
        ([NOT_PAID], None, None, ExitCode.BUDGET),
        ([NOT_PAID, MADE], None, None, ExitCode.PARTIAL),
        ([], ExitCode.STORAGE, None, ExitCode.STORAGE),
        ([MADE], ExitCode.STORAGE, None, ExitCode.STORAGE),
        ([MADE, LEFT], None, 2, ExitCode.INTERRUPTED),
        ([VANISHED], None, 15, ExitCode.TERMINATED),
        ([LEFT], None, 1, ExitCode.HUNG_UP),
        ([MADE, UP_TO_DATE], None, 2, ExitCode.OK),
        ([DECLINED], None, 2, ExitCode.REFUSED),
        ([LEFT, DECLINED], None, 2, ExitCode.INTERRUPTED),
    ],
)
def test_a_run_exits_with_the_cause_of_all_its_failures(ended, failure, signal, code):
    summary = summary_of(*ended)
    summary.end(failure, signal, 1.5)

    assert (summary.exit_code, summary.seconds) == (code, 1.5)


def test_a_summary_is_the_documented_object():
    hero = Ended("hero", Result.MADE, {"id": "b7c4"}, (Path("/x.png"),), 0.2, alt="A fox.")
    summary = summary_of(hero, UP_TO_DATE, VANISHED)
    summary.left_over = 3
    summary.end(None, None, 61.23456)

    assert summary.to_json() == {
        "schema": "mai/summary/1",
        "manifest": "assets.toml",
        "counts": {
            "made": 1,
            "restored": 0,
            "up_to_date": 1,
            "refused": 0,
            "failed": 0,
            "unknown": 1,
            "not_sent": 0,
        },
        "left_over": 3,
        "cost_usd": 0.2,
        "cost_is_whole": False,
        "seconds": 61.235,
        "exit_code": 11,
        "assets": [
            {
                "name": "hero",
                "result": "made",
                "outputs": ["/x.png"],
                "alt": "A fox.",
                "error": None,
            },
            {
                "name": "vanished",
                "result": "unknown",
                "outputs": [],
                "alt": None,
                "error": LOST.to_json(),
            },
        ],
    }
