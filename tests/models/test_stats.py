import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.models.stats import Stats, Tally

FIGURES = {
    "pictures": 0,
    "placeholders": 0,
    "refused": 0,
    "failed": 0,
    "unknown": 0,
    "cost_usd": 0.0,
    "cost_is_whole": True,
    "seconds_per_picture": None,
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@pytest.fixture(autouse=True)
def _in_london(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def picture(**more: object) -> dict[str, object]:
    usual = {"status": "ok", "master": {"path": "a.png"}, "cost_usd": 0.04, "seconds": 30.0}
    return usual | {"created_at": "2026-11-22T09:14:03.120Z", "model": "MAI-Image-2.6"} | more


def ended(status: str, **more: object) -> dict[str, object]:
    return picture(status=status, master=None, cost_usd=None, **more)


def total(*states: dict[str, object]) -> dict[str, object]:
    figures = Stats.of(states, "month").to_json()["total"]
    assert figures.keys() == FIGURES.keys()
    return {key: value for key, value in figures.items() if value != FIGURES[key]}


def keys(by: str, *states: dict[str, object]) -> list[str]:
    return [group["key"] for group in Stats.of(states, by).to_json()["groups"]]


def test_nothing_adds_up_to_nothing():
    assert Stats.of([], "day").to_json() == {
        "schema": "mai/stats/1",
        "by": "day",
        "groups": [],
        "total": FIGURES,
    }


def test_pictures_money_and_time_add_up():
    assert total(
        picture(), picture(cost_usd=0.1, seconds=10.5), ended("refused"), ended("failed")
    ) == {
        "pictures": 2,
        "refused": 1,
        "failed": 1,
        "cost_usd": 0.14,
        "seconds_per_picture": 20.25,
    }


def test_many_small_sums_are_rounded_once():
    assert total(*[picture(cost_usd=0.1)] * 10)["cost_usd"] == 1.0


def test_a_picture_that_was_removed_was_paid_for():
    assert total(picture(status="removed")) == total(picture())


@pytest.mark.parametrize("status", ["sent", "unknown", "removed", "later", None, 7, ["ok"]])
def test_what_nobody_knows_leaves_the_cost_open(status):
    assert total(ended(status)) == {"unknown": 1, "cost_is_whole": False}


def test_a_record_without_its_picture_is_none():
    assert total(ended("ok")) == {"unknown": 1, "cost_is_whole": False}


def test_a_placeholder_costs_nothing_and_is_counted_apart():
    assert total(picture(offline=True, cost_usd=None)) == {"placeholders": 1}


def test_a_picture_without_a_price_leaves_the_cost_open():
    assert total(picture(), picture(cost_usd=None, seconds=None)) == {
        "pictures": 2,
        "cost_usd": 0.04,
        "cost_is_whole": False,
        "seconds_per_picture": 30.0,
    }


def test_days_and_months_are_those_of_the_clock_on_the_wall():
    summer = picture(created_at="2026-07-31T23:30:00Z")
    winter = picture(created_at="2026-12-31T23:30:00Z")
    assert keys("day", winter, summer) == ["2026-08-01", "2026-12-31"]
    assert keys("month", winter, summer) == ["2026-08", "2026-12"]
    assert keys("month", picture(created_at="soon"), ended("ok", created_at=None)) == ["unknown"]


def test_groups_of_other_kinds_come_the_largest_first_then_by_name():
    states = [picture(model="b"), picture(model="c"), picture(model="a"), picture(model="c")]
    assert keys("model", *states) == ["c", "a", "b"]


def test_a_model_that_is_not_known_goes_by_its_deployment():
    unnamed = picture(model=None, deployment="pics")
    assert keys("model", unnamed, picture(model=None)) == ["pics", "unknown"]


def test_records_without_a_profile_or_a_tag_are_a_group():
    assert keys("profile", picture(profile="work"), picture()) == ["(none)", "work"]
    assert keys("tag", picture(tags=["x", "y"]), picture(tags=[]), picture()) == [
        "(none)",
        "x",
        "y",
    ]


def test_a_picture_with_several_tags_is_in_several_groups_and_counts_once():
    stats = Stats.of([picture(tags=["x", "y"])], "tag").to_json()
    assert [group["pictures"] for group in stats["groups"]] == [1, 1]
    assert stats["total"]["pictures"] == 1


@given(
    state=st.dictionaries(
        st.sampled_from(
            [
                "status",
                "master",
                "offline",
                "cost_usd",
                "seconds",
                "created_at",
                "model",
                "deployment",
                "profile",
                "tags",
            ]
        ),
        st.sampled_from(["ok", "removed", {}, "2026-11-22T09:14:03Z"]) | ANYTHING,
    ),
    by=st.sampled_from(["day", "month", "model", "profile", "tag"]),
)
@example(state=picture(cost_usd=10**400), by="day")
@example(state=picture(seconds=float("inf")), by="day")
@example(state=picture(created_at="0001-01-01T00:00:00+14:00"), by="day")
@example(state=picture(created_at="9999-12-31T23:59:59-14:00"), by="month")
def test_whatever_a_record_says_it_adds_up_to_json(state, by):
    figures = Stats.of([state], by).to_json()
    json.dumps(figures, allow_nan=False)
    assert len(figures["groups"]) >= 1


def test_without_a_time_there_is_no_average():
    assert Tally().seconds_each is None
