from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.services.filtering import Filter
from tests.services.records import ODD_STATES, state

DAY = datetime(2026, 11, 22, tzinfo=UTC)
BATCH = {"manifest": "/work/site/assets.toml", "asset": "hero", "request": "ab" * 32}


def at(moment: datetime, **more: object) -> dict:
    return state(created_at=moment.isoformat(), **more)


def test_a_filter_that_asks_for_nothing_lets_everything_through():
    states = [state("a" * 12), {"id": "x"}, state("b" * 12, status="refused")]
    assert list(Filter().of(states)) == states


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({"statuses": ("ok",)}, True),
        ({"statuses": ("refused", "ok")}, True),
        ({"statuses": ("refused",)}, False),
        ({"models": ("MAI-Image-2.6",)}, True),
        ({"models": ("image-26",)}, True),
        ({"models": ("IMAGE",)}, True),
        ({"models": ("flux", "2.6")}, True),
        ({"models": ("flux",)}, False),
        ({"tags": ("hero",)}, True),
        ({"tags": ("hero", "draft")}, True),
        ({"tags": ("hero", "favorite")}, False),
        ({"tags": ("her",)}, False),
        ({"words": ("LIGHTHOUSE",)}, True),
        ({"words": ("dawn", "light")}, True),
        ({"words": ("dawn", "dusk")}, False),
        ({"words": ("mai-image-26",)}, False),
        ({"batch": ("hero",)}, True),
        ({"batch": ("assets.toml",)}, True),
        ({"batch": ("site/assets.toml", "/work/site/assets.toml")}, True),
        ({"batch": ("site/assets.toml",)}, False),
        ({"batch": ("assets",)}, False),
        ({"batch": ("ab" * 32,)}, False),
        ({"statuses": ("ok",), "models": ("2.6",), "tags": ("hero",), "words": ("dawn",)}, True),
        ({"statuses": ("ok",), "models": ("2.6",), "tags": ("hero",), "words": ("dusk",)}, False),
    ],
)
def test_a_record_is_meant_if_it_is_all_that_is_asked_for(wanted, has):
    assert Filter(**wanted).has(state(tags=["hero", "draft"], batch=BATCH)) is has


@pytest.mark.parametrize("tags", [None, 7, "hero", {"hero": 1}])
def test_tags_of_another_shape_are_none(tags):
    assert not Filter(tags=("hero",)).has(state(tags=tags))


def test_words_are_found_in_any_case_of_any_script():
    assert Filter(words=("ÉTÉ",)).has(state(prompt="un été"))
    assert Filter(words=("été",)).has(state(prompt="UN ÉTÉ"))
    assert Filter(words=("狐",)).has(state(prompt="雪の中の狐"))


@pytest.mark.parametrize("prompt", [None, "", 7])
def test_a_private_record_has_no_words(prompt):
    assert not Filter(words=("lighthouse",)).has(state(prompt=prompt))


def test_the_start_is_within_and_the_end_is_not():
    wanted = Filter(since=DAY, until=DAY + timedelta(days=1))
    assert [
        wanted.has(at(DAY + timedelta(**after)))
        for after in ({"microseconds": -1}, {}, {"hours": 23}, {"days": 1})
    ] == [False, True, True, False]


@pytest.mark.parametrize("when", [None, "soon", "2026-11-22", 7])
def test_a_record_that_does_not_say_when_is_in_no_span_of_time(when):
    odd = state(created_at=when)
    assert not Filter(since=DAY).has(odd)
    assert not Filter(until=DAY).has(odd)
    assert Filter(statuses=("ok",)).has(odd)


def test_what_is_older_than_the_start_is_not_looked_at():
    def states():
        yield at(DAY)
        yield from [at(DAY - timedelta(days=2))] * 1_001
        raise AssertionError

    assert list(Filter(since=DAY).of(states())) == [at(DAY)]


@pytest.mark.parametrize("ago", [timedelta(hours=23), timedelta(days=2), timedelta(days=9_000)])
@pytest.mark.parametrize("count", [1, 2, 1_000])
def test_clocks_that_were_wrong_for_a_while_hide_nothing(ago, count):
    wrong, right = at(DAY - ago), at(DAY + timedelta(hours=1))
    states = [at(DAY), *[wrong] * count, right, *[wrong] * count, right]
    assert list(Filter(since=DAY).of(states)) == [at(DAY), right, right]


def test_a_record_that_does_not_say_when_ends_no_search():
    states = [*[at(DAY - timedelta(days=2))] * 1_000, state(created_at=None)] * 2
    assert list(Filter(since=DAY).of([*states, at(DAY)])) == [at(DAY)]


@pytest.mark.parametrize("since", [datetime.min.replace(tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)])
def test_the_beginning_of_time_is_a_start_like_any(since):
    assert list(Filter(since=since).of([state()])) == [state()]


@pytest.mark.parametrize(
    ("words", "needle"), [((), ""), (("a", "lighthouse", "at"), "lighthouse"), (("x",), "x")]
)
def test_the_longest_word_is_looked_for_first(words, needle):
    assert Filter(words=words).needle == needle


@given(
    odd=ODD_STATES,
    wanted=st.builds(
        Filter,
        since=st.none() | st.just(DAY),
        until=st.none() | st.just(DAY),
        statuses=st.sampled_from([(), ("ok",)]),
        models=st.sampled_from([(), ("mai",)]),
        tags=st.sampled_from([(), ("x",)]),
        batch=st.sampled_from([(), ("hero",), ("", "x")]),
        words=st.sampled_from([(), ("dawn",)]),
    ),
)
def test_a_record_that_lacks_anything_or_has_it_in_another_shape_stops_nothing(odd, wanted):
    assert list(wanted.of([odd])) in ([], [odd])
    assert wanted.has(odd) in (True, False)


@given(field=st.sampled_from(["tags", "batch", "master", "prompt"]), odd=ODD_STATES)
def test_a_batch_of_another_shape_is_none(field, odd):
    shaped = state(batch={"manifest": odd.get(field), "asset": odd.get(field)})
    assert Filter(batch=("no such",)).has(shaped) is False
