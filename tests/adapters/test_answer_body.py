import base64
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, cycle, repeat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.adapters import answer_body
from mai_cli.adapters.answer_body import AnswerBody, BodyError

PICTURE = bytes(range(256)) * 3 + b"\xfb\xef\xbe\xff"  # its Base64 has every character there is
HOLE = "@here@"

TEXT = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: HOLE not in text)
KEY = TEXT.filter(lambda text: "b64_json" not in text and text not in ("data", "end"))
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(KEY, values, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(KEY, VALUE, max_size=3)

Style = Callable[[str], str]
STYLES: dict[str, Style] = {
    "plain": lambda text: text,
    "slashes": lambda text: text.replace("/", r"\/"),
    "dotnet": lambda text: text.replace("+", r"\u002B").replace("/", r"\u002F"),
    "lower": lambda text: text.replace("+", r"\u002b").replace("=", r"\u003d"),
    "everything": lambda text: "".join(rf"\u{ord(character):04x}" for character in text),
    "unpadded": lambda text: text.rstrip("="),
    "lines": lambda text: r"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
    "spaced": lambda text: " ".join(text[at : at + 7] for at in range(0, len(text), 7)) + r"\t",
}


def cut(body: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for length in lengths:
        if at >= len(body):
            return
        yield body[at : at + length]
        at += length


def read(body: bytes, lengths: Iterable[int] = ()) -> tuple[bytes, dict[str, object]]:
    came = bytearray()
    taken = AnswerBody(came.extend)
    for piece in cut(body, chain(lengths, [len(body)])):
        taken.feed(piece)
    assert taken.picture_bytes == len(came)
    return bytes(came), taken.envelope()


def body_of(picture: bytes = PICTURE, style: str = "plain", **fields: object) -> bytes:
    text = STYLES[style](base64.b64encode(picture).decode())
    return json.dumps({"data": [{"b64_json": HOLE}], **fields}).replace(HOLE, text).encode()


@given(
    picture=st.binary(max_size=400),
    style=st.sampled_from(sorted(STYLES)),
    fields=st.tuples(FIELDS, FIELDS, FIELDS, FIELDS),
    indent=st.sampled_from([None, 0, 2]),
    separators=st.sampled_from([(",", ":"), (" ,", " : "), (",\n", ":\r\n\t")]),
    ascii_only=st.booleans(),
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_any_envelope_in_any_cutting_gives_the_same_picture_and_envelope(
    *, picture, style, fields, indent, separators, ascii_only, lengths
):
    before, inner_before, inner_after, after = fields
    inner = {**inner_before, "b64_json": HOLE, **inner_after}
    value = {**before, "data": [inner], **after, "end": None}
    shape = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii_only)
    text = STYLES[style](base64.b64encode(picture).decode())
    body = shape.replace(HOLE, text).encode()

    came, envelope = read(body, cycle(lengths))

    assert came == picture
    assert envelope == value | {"data": [inner | {"b64_json": ""}]}


@pytest.mark.parametrize("style", STYLES)
def test_every_single_place_of_a_cut_is_harmless(style):
    body = body_of(PICTURE[-40:], style, size="1x1")
    whole = read(body)
    assert whole == (PICTURE[-40:], {"data": [{"b64_json": ""}], "size": "1x1"})
    for at in range(len(body)):
        assert read(body, [at] if at else []) == whole


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("style", STYLES)
def test_a_body_that_drips_is_read(style, length):
    assert read(body_of(style=style), repeat(length))[0] == PICTURE


@pytest.mark.parametrize("size", range(7))
def test_padding_may_be_left_out(size):
    assert read(body_of(PICTURE[:size], "unpadded"))[0] == PICTURE[:size]


def test_bytes_go_to_the_sink_as_they_come():
    came = bytearray()
    taken = AnswerBody(came.extend)
    taken.feed(b'{"data":[{"b64_json":"' + base64.b64encode(b"x" * 300))
    assert came == b"x" * 300


def test_an_empty_text_is_no_picture():
    assert read(body_of(b"")) == (b"", {"data": [{"b64_json": ""}]})


def test_a_picture_that_is_null_stays_in_the_envelope():
    assert read(b'{"data":[{"b64_json":null}]}') == (b"", {"data": [{"b64_json": None}]})


def test_only_the_first_picture_is_taken():
    assert read(b'{"data":[{"b64_json":"QQ=="},{"b64_json":"Qg=="}]}') == (
        b"A",
        {"data": [{"b64_json": ""}, {"b64_json": "Qg=="}]},
    )


@pytest.mark.parametrize("text", ['"b64_json":"QUJD"', '{"b64_json": "', "b64_json", '\\"b64_json'])
def test_a_text_that_looks_like_a_picture_is_a_text(text):
    value = {"revised_prompt": text, "list": ["b64_json", text], "data": [{"b64_json": HOLE}]}
    body = json.dumps(value).replace(HOLE, "QUJD").encode()
    for length in (1, 3, len(body)):
        assert read(body, repeat(length)) == (b"ABC", value | {"data": [{"b64_json": ""}]})


def test_a_key_that_ends_like_that_of_the_picture_is_not_the_picture():
    value = {'a"b64_json': "a text!", "data": [{"b64_json": HOLE}]}
    body = json.dumps(value).replace(HOLE, "QUJD").encode()
    assert read(body) == (b"ABC", value | {"data": [{"b64_json": ""}]})


@pytest.mark.parametrize("length", [1, 12, 1000])
def test_raw_line_breaks_beside_escapes_are_read_in_any_cutting(length):
    body = b'{"data":[{"b64_json":"QUJD\r\nQUJD\\/\\/\\/\\/\r\nQUJD"}]}'
    assert read(body, repeat(length))[0] == b"ABCABC\xff\xff\xffABC"


@pytest.mark.parametrize("length", [1, 100])
def test_nothing_may_follow_the_padding(length):
    with pytest.raises(BodyError, match="not Base64"):
        read(b'{"data":[{"b64_json":"QQ==QQ=="}]}', repeat(length))


@pytest.mark.parametrize("length", [1, 4, 1000])
@pytest.mark.parametrize(
    "text",
    ["abc!", "A", "====", "QQ=a", "Q-_Q", r"\x41", r"\u00e9", r"\ud800", r"QU\"D", "\\", "é"],
)
def test_what_is_not_base64_is_told(text, length):
    with pytest.raises(BodyError, match="the picture in it is not Base64"):
        read(f'{{"data":[{{"b64_json":"{text}"}}]}}'.encode(), repeat(length))


def test_a_torn_body_is_never_whole():
    body = body_of(b"a picture", created=1)
    for end in range(len(body)):
        with pytest.raises(BodyError, match="not whole JSON"):
            read(body[:end])


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true"])
def test_what_is_not_an_object_is_told(body):
    with pytest.raises(BodyError, match="not a JSON object"):
        read(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{'a': 1}", b"{} {}", b'{"a":"\xff"}', b"[" * 100_000, b"9" * 5000]
)
def test_what_is_not_json_is_told(body):
    with pytest.raises(BodyError, match="not whole JSON"):
        read(body)


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_envelope_has_a_limit(monkeypatch, where):
    monkeypatch.setattr(answer_body, "MAX_ENVELOPE_BYTES", 1000)
    filling = json.dumps({"x": "y" * 1000})[:-1].encode()
    picture = b'"data":[{"b64_json":"' + b"QUJD" * 1000 + b'"}]'
    order = [filling, picture] if where == "before" else [b"{" + picture, filling[1:]]
    with pytest.raises(BodyError, match="larger than any answer"):
        read(b",".join(order) + b"}", repeat(100))


def test_a_picture_has_a_limit(monkeypatch):
    monkeypatch.setattr(answer_body, "MAX_PICTURE_BYTES", 1000)
    assert read(body_of(bytes(1000)), repeat(50))[0] == bytes(1000)
    came = bytearray()
    taken = AnswerBody(came.extend)
    pieces = cut(body_of(bytes(1001)), repeat(50))
    with pytest.raises(BodyError, match="larger than any model draws"):
        list(map(taken.feed, pieces))
    assert len(came) <= 1000


def test_white_space_within_a_picture_has_a_limit_too(monkeypatch):
    monkeypatch.setattr(answer_body, "MAX_BYTES", 1000)
    taken = AnswerBody(len)
    taken.feed(b'{"data":[{"b64_json":"QUJD')
    with pytest.raises(BodyError, match="larger than any answer"):
        for _ in range(100):
            taken.feed(b"\r\n" * 10)


@given(
    head=st.sampled_from([b"", b"{", b'{"b64_json":"', b'{"data":[{"b64_json":"QUJD']),
    middle=st.binary(max_size=60) | st.text(r'{}[]":,\/u0041b= ', max_size=60).map(str.encode),
    tail=st.sampled_from([b"", b'"}', b'"}]}', b"\\", b"\\u00"]),
    lengths=st.lists(st.integers(1, 20), min_size=1),
)
@example(head=b'{"b64_json":"', middle=b"\0\0", tail=b'"}', lengths=[100])
@settings(max_examples=300, deadline=None)
def test_no_bytes_do_worse_than_a_body_error(head, middle, tail, lengths):
    with suppress(BodyError):
        _, envelope = read(head + middle + tail, cycle(lengths))
        assert isinstance(envelope, dict)


def test_twenty_megabytes_pass_through_little_memory():
    block = base64.b64encode(bytes(48 << 10))
    taken = AnswerBody(len)
    tracemalloc.start()
    try:
        taken.feed(b'{"data":[{"b64_json":"')
        for _ in range((20 << 20) // (48 << 10)):
            taken.feed(block)
        taken.feed(b'"}],"size":"2048x2048"}')
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken.envelope()["size"] == "2048x2048"
    assert taken.picture_bytes > 20_000_000
    assert peak < 3_000_000
