import io
import json
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.stores.history_lines import (
    BLOCK_BYTES,
    lines_from_the_end,
    needles_of,
    newest_first,
    of_id,
    state_of,
    to_line,
    with_word,
)

START = datetime(2026, 11, 22, tzinfo=UTC)


def state(id_: str, minute: int, status: str = "sent", **more: object) -> dict[str, object]:
    sent_at = (START + timedelta(minutes=minute)).isoformat()
    return {"id": id_, "status": status, "attempts": 1, "created_at": sent_at, **more}


def newest(*states: dict[str, object] | bytes) -> list[str]:
    """The ids that come of lines of ``states``, in the order of the file."""
    lines = [one if isinstance(one, bytes) else to_line(one) for one in states]
    return [f"{one['id']} {one['status']}" for one in newest_first(reversed(lines))]


def test_the_one_that_was_sent_last_comes_first_whenever_it_ended():
    assert newest(
        state("a", 1), state("b", 2), state("c", 3), state("b", 2, "ok"), state("a", 1, "refused")
    ) == ["c sent", "b ok", "a refused"]


def test_a_further_attempt_is_no_new_record():
    again = state("a", 1) | {"attempts": 2}
    assert newest(state("a", 1), state("b", 2), state("a", 1, "failed"), again) == [
        "b sent",
        "a sent",
    ]


@pytest.mark.parametrize("damage", [b"{\n", b'{"id":"b","sta\n', b"\n"])
def test_a_record_whose_first_line_is_damaged_comes_at_its_place(damage):
    assert newest(
        state("a", 1), damage, state("c", 3), state("b", 2, "ok"), state("c", 3, "ok")
    ) == ["c ok", "b ok", "a sent"]


def test_records_without_any_first_line_come_by_when_they_were_sent():
    ended = [state("c", 3, "ok"), state("a", 1, "ok"), state("d", 4, "ok"), state("b", 2, "ok")]
    assert newest(*ended) == ["d ok", "c ok", "b ok", "a ok"]
    assert newest(state("x", 2.5), *ended) == ["d ok", "c ok", "x sent", "b ok", "a ok"]


def test_records_of_one_moment_come_from_the_end_of_the_file():
    assert newest(state("a", 1, "ok"), state("b", 1, "ok"), state("c", 1, "ok")) == [
        "c ok",
        "b ok",
        "a ok",
    ]


@pytest.mark.parametrize(
    "when", [None, 7, "", "soon", "2026-13-01", [], "0001-01-01T00:00:00", "9999-12-31T23:59:59"]
)
def test_a_record_that_does_not_say_when_comes_all_the_same(when):
    lost = {"id": "x", "status": "ok", "created_at": when}
    assert sorted(newest(state("a", 1), lost, state("b", 2))) == ["a sent", "b sent", "x ok"]
    assert newest({"id": "x", "status": "ok"}, state("b", 2)) == ["b sent", "x ok"]


def test_a_clock_that_was_set_back_loses_and_repeats_nothing():
    lines = [state("a", 9), state("b", 1), state("c", 5), state("a", 9, "ok"), state("b", 1, "ok")]
    assert sorted(newest(*lines)) == ["a ok", "b ok", "c sent"]


@given(
    events=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from(["first", "ok", "x"]))
    )
)
@settings(deadline=None)
def test_every_record_comes_once_in_its_last_state(events):
    lines, last, begun = [], {}, set()
    for id_, minute, kind in events:
        if kind == "x":
            lines.append(b"torn\n")
        elif kind == "first" and id_ not in begun:  # even if a line before it is there
            last[id_] = "sent"
            lines.append(state(id_, minute))
        else:
            last[id_] = "ok"
            lines.append(state(id_, minute, "ok"))
        begun.add(id_)

    assert sorted(newest(*lines)) == sorted(f"{id_} {status}" for id_, status in last.items())


def test_no_more_lines_are_read_than_are_asked_for():
    def lines():
        yield to_line(state("b", 2, "ok"))
        yield to_line(state("b", 2))
        raise AssertionError

    assert [one["status"] for one in islice(newest_first(lines()), 1)] == ["ok"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"id"',
        b"{}",
        b'{"id":7}',
        b'{"id":null}',
        b"\xff\xfe",
        b'\xff\xfe{\x00"\x00',
        b"[" * 100000,
        b'{"id":"x"} x',
        b"9" * 5000,
    ],
)
def test_what_is_no_record_is_none(line):
    assert state_of(line) is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-2.5E+400"])
def test_a_number_that_json_does_not_have_is_not_known(number):
    line = f'{{"id":"x","cost_usd":{number},"a":[{number},1]}}'.encode()
    assert state_of(line) == {"id": "x", "cost_usd": None, "a": [None, 1]}


def test_a_mark_before_the_first_line_does_no_harm():
    assert state_of(b'\xef\xbb\xbf{"id":"x"}') == {"id": "x"}
    assert state_of(b'\xef\xbb\xbf\xef\xbb\xbf{"id":"x"}') is None


def test_a_record_may_be_written_with_spaces():
    assert state_of(b' { "id" : "x" , "n" : 1 }\r\n') == {"id": "x", "n": 1}


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" ")), max_size=9),
    sizes=st.lists(st.sampled_from([0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 1 << 20]), max_size=2),
)
@example(lines=[b"x"], sizes=[])
@settings(deadline=None, max_examples=60)
def test_lines_come_in_reverse_and_whole(lines, sizes):
    lines = [*lines, *[b"y" * size for size in sizes]]
    data = b"\n".join(lines)

    assert list(lines_from_the_end(io.BytesIO(data))) == (
        data.split(b"\n")[::-1] if data else [b""]
    )
    wanted = [line for line in reversed(data.split(b"\n")) if b"y" in line.lower()]
    assert list(lines_from_the_end(io.BytesIO(data), lambda text: b"y" in text.lower())) == wanted


@pytest.mark.parametrize(
    ("word", "needles"),
    [
        ("", []),
        ("Red Fox", [b"red fox"]),
        ("雪", ["雪".encode(), b"\\u96ea"]),
        ("été", [b"t"]),
        ("É", []),
        ('"', [b'\\"']),
        ("\n", [b"\\n"]),
        ("\\", [b"\\\\"]),
        ("\x1f", [b"\\u001f"]),
        ("aÉlonger", [b"longer"]),
    ],
)
def test_a_needle_is_what_the_line_has_in_any_case(word, needles):
    assert needles_of(word) == needles


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_a_line_contains_a_needle_of_its_text(text, is_escaped):
    line = json.dumps({"id": "x", "prompt": text}).encode() if is_escaped else to_line([text])
    needles = needles_of(text)
    assert not needles or any(needle in line.lower() for needle in needles)


def test_a_line_with_any_of_the_needles_is_meant():
    snow = [b"SNOW", "a 雪".encode(), b"\\u96EA", b"\\u96EB"]
    file = io.BytesIO(b"\n".join(snow))
    assert list(lines_from_the_end(file, with_word("雪"))) == snow[2:0:-1]


def test_no_word_means_every_line():
    assert with_word("") is None


@pytest.mark.parametrize(
    ("line", "is_meant"),
    [
        (b'{"id":"b7c4","status":"ok"}', True),
        (b'{"status":"ok", "id" :\t"b7c41d"}', True),
        (b'{"id":"ab7c4"}', False),
        (b'{"id":"B7C4"}', False),
        (b'{"rerun_of":"b7c4"}', False),
        (b'{"id":7,"x":"b7c4"}', False),
        (b'{"id":"a"}\n{"id":"b7c4"}\n{"id":"c"}', True),  # many at once
    ],
)
def test_a_line_with_the_start_of_an_id_is_meant(line, is_meant):
    assert bool(of_id("b7c4")(line)) is is_meant


def test_an_id_is_no_pattern():
    assert of_id('a.c"\\')(to_line({"id": 'a.c"\\'}))
    assert not of_id("a.c")(to_line({"id": "abc"}))
