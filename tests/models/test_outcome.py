from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.errors import (
    AuthError,
    ExitCode,
    MaiError,
    RefusedError,
    StoppedError,
    StorageError,
    UnknownError,
)
from mai_cli.models.catalogue import find
from mai_cli.models.outcome import Outcome, standing
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size

RECORD = Record.sent(
    ImageRequest("a fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024)),
    id="0123456789ab",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    endpoint=None,
)


def test_an_outcome_has_the_exit_code_of_its_error_even_where_there_is_a_picture():
    lost = UnknownError("m", code="lost_answer")
    rescued = StorageError("m", code="rescued")

    assert Outcome(RECORD, Path("a.png")).exit_code is ExitCode.OK
    assert Outcome(RECORD, error=lost).exit_code is ExitCode.UNKNOWN
    assert Outcome(RECORD, Path("a.png"), rescued).exit_code is ExitCode.STORAGE


@pytest.mark.parametrize("cost", [0.038962, 0.0, None])
@pytest.mark.parametrize("error", [None, StorageError("m", code="rescued")])
def test_a_picture_costs_what_its_record_says(cost, error):
    made = replace(RECORD, status="ok", cost_usd=cost)

    assert Outcome(made, Path("a.png"), error).cost_usd == cost


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (RefusedError("m", code="content_filter"), 0.0),
        (AuthError("m", code="bad_credential"), 0.0),
        (StoppedError("m", code="stopped"), 0.0),
        (UnknownError("m", code="lost_answer"), None),
        (UnknownError("m", code="interrupted"), None),
    ],
)
def test_without_a_picture_only_what_may_have_been_drawn_may_have_cost_something(
    error: MaiError, cost
):
    assert Outcome(RECORD, error=error).cost_usd == cost


LOST = Outcome(RECORD, error=UnknownError("m", code="lost_answer"), asked_again=True)
MADE = Outcome(replace(RECORD, status="ok"), Path("a.png"))
REFUSED = Outcome(RECORD, error=RefusedError("m", code="content_filter"))


@pytest.mark.parametrize(
    ("outcomes", "number"),
    [([MADE], 0), ([REFUSED], 0), ([LOST, MADE], 1), ([LOST, REFUSED], 0), ([LOST, LOST], 0)],
)
def test_of_all_outcomes_of_a_picture_it_stands_or_else_what_was_lost_first(outcomes, number):
    assert standing(outcomes) is outcomes[number]
