from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.services.estimating import estimate


@dataclass(frozen=True)
class Pace:
    rate: float | None = None
    latency_seconds: float | None = None


def seconds(count: int, *paces: Pace, concurrency: int = 16) -> float | None:
    """For so many pictures that any of ``paces`` may draw."""
    calls = [lambda _, pace=pace: pace for pace in paces]
    return estimate([("one",) * len(paces)] * count, calls, concurrency)


def test_nothing_takes_no_time():
    assert estimate([], [lambda _: Pace()], 16) == 0.0


@pytest.mark.parametrize(
    ("count", "paces", "concurrency", "expected"),
    [
        (1, [Pace(6, 20)], 16, 20),
        (7, [Pace(6, 20)], 16, 60 + 20),
        (7, [Pace(6, None)], 16, 60),
        (7, [Pace(None, 20)], 1, 7 * 20),
        (7, [Pace(None, 20)], 7, 20),
        (8, [Pace(None, 20)], 16, 20),
        (32, [Pace(None, 20)], 16, 40),
        (7, [Pace(60, 20)], 2, 70),
        (13, [Pace(6, 20), Pace(6, 30)], 16, 60 + 30),
        (12, [Pace(6, 20), Pace(None, 30)], 16, 30),
        (3, [Pace(6, 20), Pace(None, None)], 1, 60),
    ],
)
def test_the_slower_of_pace_and_concurrency_says_how_long_it_takes(
    count, paces, concurrency, expected
):
    assert seconds(count, *paces, concurrency=concurrency) == pytest.approx(expected)


@pytest.mark.parametrize("paces", [[Pace()], [Pace(6, None), Pace()], [Pace(), Pace()]])
def test_where_nothing_is_known_nothing_is_said(paces):
    assert seconds(3, *paces) is None


def test_deployments_that_draw_side_by_side_take_as_long_as_the_longest_and_share_the_threads():
    known = {"slow": Pace(6, 20), "fast": Pace(60, 10), "free": Pace(None, 16)}
    draws = [("slow",)] * 7 + [("fast",)] * 11 + [("free",)]

    assert estimate(draws, [known.__getitem__], 100) == pytest.approx(80)
    assert estimate(draws, [known.__getitem__], 1) == pytest.approx(7 * 20 + 11 * 10 + 16)
    assert estimate([*draws, ("new",)], [{**known, "new": Pace()}.__getitem__], 1) is None


def test_each_profile_is_asked_for_the_deployment_that_it_calls():
    first, second = {"a": Pace(6, 20)}, {"b": Pace(12, 20)}

    assert estimate([("a", "b")] * 4, [first.__getitem__, second.__getitem__], 16) == (
        pytest.approx(60 * 3 / 18 + 20)
    )


rates = st.none() | st.floats(0.5, 1000)
latencies = st.none() | st.floats(0.5, 300)
paces = st.lists(st.builds(Pace, rates, latencies), min_size=1, max_size=3)


@given(paces, st.integers(1, 50), st.integers(1, 32))
def test_more_pictures_take_no_less_and_more_threads_no_more(some, count, concurrency):
    now = seconds(count, *some, concurrency=concurrency)
    if now is None:
        return
    assert seconds(count + 1, *some, concurrency=concurrency) >= now
    assert seconds(count, *some, concurrency=concurrency + 1) <= now
    assert now >= max(pace.latency_seconds or 0 for pace in some)
