import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.moment import moment_of, parse_moment

NOW = datetime(2026, 11, 22, 9, 14, 3, 120_000, timezone(timedelta(hours=1)))


def parsed(text: str, *, is_end: bool = False, now: datetime = NOW) -> str:
    moment = parse_moment("--since", text, now, is_end=is_end)
    assert moment.tzinfo is not None
    return moment.isoformat()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00"),
        ("2026-12-31", "2026-12-31T00:00:00+01:00", "2027-01-01T00:00:00+01:00"),
        ("2028-02-29", "2028-02-29T00:00:00+01:00", "2028-03-01T00:00:00+01:00"),
        ("20261101", "2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00"),
        ("2026-11", "2026-11-01T00:00:00+01:00", "2026-12-01T00:00:00+01:00"),
        ("2026-12", "2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00"),
        ("2026-02", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"),
        ("2026-W47", "2026-11-16T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("2026W47", "2026-11-16T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("2026-W53", "2026-12-28T00:00:00+01:00", "2027-01-04T00:00:00+01:00"),
        ("2026-W47-3", "2026-11-18T00:00:00+01:00", "2026-11-19T00:00:00+01:00"),
        ("2026W473", "2026-11-18T00:00:00+01:00", "2026-11-19T00:00:00+01:00"),
        ("today", "2026-11-22T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        (" Yesterday ", "2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
    ],
)
def test_a_day_a_week_or_a_month_has_a_start_and_an_end(text, start, end):
    assert parsed(text) == start
    assert parsed(text, is_end=True) == end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12h", "2026-11-21T21:14:03.120000+01:00"),
        ("7d", "2026-11-15T09:14:03.120000+01:00"),
        ("7 D", "2026-11-15T09:14:03.120000+01:00"),
        ("2w", "2026-11-08T09:14:03.120000+01:00"),
        ("1m", "2026-10-23T09:14:03.120000+01:00"),
        ("1y", "2025-11-22T09:14:03.120000+01:00"),
        ("0d", "2026-11-22T09:14:03.120000+01:00"),
        ("2026-11-01T10:30", "2026-11-01T10:30:00+01:00"),
        ("2026-11-01 10:30:05", "2026-11-01T10:30:05+01:00"),
        ("2026-11-01T10:30Z", "2026-11-01T10:30:00+00:00"),
        ("2026-11-01T10:30-08:00", "2026-11-01T10:30:00-08:00"),
    ],
)
def test_a_moment_is_meant_as_it_is_be_it_start_or_end(text, expected):
    assert parsed(text) == parsed(text, is_end=True) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "d",
        "7",
        "7x",
        "-7d",
        "7.5d",
        "\u0667d",
        "99999y",
        "100000d",
        "2026-13",
        "2026-W54",
        "2026-W",
        "2026-W47-8",
        "2026-02-30",
        "2026-11-01T25:00",
        "01.11.2026",
        "11/01/2026",
        "7d ago",
        "0000-01",
        "\x00",
    ],
)
@pytest.mark.parametrize("is_end", [False, True])
def test_what_is_no_date_is_told(text, is_end):
    with pytest.raises(UsageError) as caught:
        parse_moment("--until", text, NOW, is_end=is_end)

    assert caught.value.code == "bad_option"
    assert caught.value.message == f"--until: '{text}' is no date."
    assert "2026-11-01, 2026-11, yesterday" in caught.value.hint


@given(
    text=st.one_of(
        st.text(),
        st.from_regex(
            r"\d{1,5} ?[hdwmy]|\d{4}-\d\d(-\d\d)?|\d{4}-?[Ww]\d\d(-?\d)?", fullmatch=True
        ),
        st.dates().map(str),
        st.datetimes().map(str),
    ),
    is_end=st.booleans(),
)
@example(text="9999-12-31", is_end=True)
@example(text="9999-W52", is_end=True)
@example(text="0001-01-01", is_end=True)
def test_whatever_is_written_is_a_moment_or_told(text, is_end):
    with suppress(UsageError):
        parsed(text, is_end=is_end)


def test_a_day_is_that_of_the_clock_on_the_wall_in_summer_and_in_winter():
    berlin = ZoneInfo("Europe/Berlin")
    now = NOW.astimezone(berlin)
    assert parsed("2026-07-01", now=now) == "2026-07-01T00:00:00+02:00"
    assert parsed("2026-10-25", now=now) == "2026-10-25T00:00:00+02:00"
    assert parsed("2026-10-25", now=now, is_end=True) == "2026-10-26T00:00:00+01:00"


def test_a_day_of_summer_that_is_asked_for_in_winter_starts_where_it_did(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 11, 22, tzinfo=UTC).astimezone()  # as the commands ask
        start = parse_moment("--since", "2026-07-01", now)
        assert start == datetime(2026, 6, 30, 22, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-22T09:14:03.120Z", datetime(2026, 11, 22, 9, 14, 3, 120_000, UTC)),
        ("2026-11-22T09:14:03+01:00", datetime(2026, 11, 22, 8, 14, 3, 0, UTC)),
        ("2026-11-22T09:14:03", None),
        ("2026-11-22", None),
        ("soon", None),
        ("", None),
        (7, None),
        (None, None),
        ([], None),
    ],
)
def test_a_record_tells_when_it_was_sent_if_it_can(written, moment):
    assert moment_of({"created_at": written}) == moment
    assert moment_of({}) is None
