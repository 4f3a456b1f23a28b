"""Answers that are far larger than they look, or than any picture: little memory, a clear end."""

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from mai_cli.adapters import answer_body
from mai_cli.adapters.unpacking import unpacked
from mai_cli.errors import MaiError, RefusedError, Retry, UnknownError
from tests.adapters.servers import length_of, read_head
from tests.emulator import REQUEST_ID, Answer, picture, png

PICTURE = png(1024, 1024)
LITTLE = 4 << 20
BLOCK = 1 << 20
START = b'{"data":[{"b64_json":"'


class Counting:
    """Takes the bytes of a picture and counts them."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)


@cache
def bomb(start: bytes, filling: bytes, megabytes: int, window: int) -> bytes:
    """``start`` and then so much of ``filling``, packed to a thousandth."""
    packer = zlib.compressobj(1, wbits=window)
    packed = packer.compress(start)
    block = filling * BLOCK
    packed += b"".join(packer.compress(block) for _ in range(megabytes))
    return packed + packer.flush()


GZIP, DEFLATE, RAW = 31, 15, -15


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory that was in use so far."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def assert_unusable(failure: MaiError, code: str, words: str) -> None:
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == (code, Retry.IF_TOLD)
    assert failure.request_id == REQUEST_ID
    assert words in failure.message
    assert "it may have been billed" in failure.message


@pytest.mark.parametrize(
    ("start", "filling", "code", "words"),
    [
        (b"", b" ", "no_picture", "it is larger than any answer"),
        (START, b"A", "bad_picture", "the picture in it is larger than any model draws"),
        (START, b" ", "bad_picture", "it is larger than any answer"),
    ],
    ids=["envelope", "picture", "white space in a picture"],
)
@pytest.mark.parametrize(
    ("encoding", "window"), [("gzip", GZIP), ("deflate", DEFLATE), ("deflate", RAW)]
)
def test_an_answer_that_unpacks_to_a_giant_takes_little_memory(
    client, foundry, peak, monkeypatch, start, filling, code, words, encoding, window
):
    monkeypatch.setattr(answer_body, "MAX_BYTES", 24 << 20)
    monkeypatch.setattr(answer_body, "MAX_PICTURE_BYTES", 16 << 20)
    body = bomb(start, filling, 64, window)
    foundry.will(Answer(body=body, headers={"Content-Encoding": encoding}))
    before = peak()
    client.write = Counting().write
    failure = client.fail()

    assert peak() - before < LITTLE
    assert_unusable(failure, code, words)


def test_an_answer_that_is_packed_twice_takes_little_memory(client, foundry, peak):
    body = gzip.compress(bomb(b"", b" ", 256, GZIP))
    foundry.will(Answer(body=body, headers={"Content-Encoding": "gzip, gzip"}))
    before = peak()
    failure = client.fail()

    assert peak() - before < LITTLE
    assert_unusable(failure, "no_picture", "it is larger than any answer")


def test_an_answer_that_is_packed_over_and_over_is_not_unpacked(client, foundry):
    headers = {"Content-Encoding": ", ".join(["gzip"] * 3)}
    foundry.will(Answer(body=picture(PICTURE).body, headers=headers))
    assert_unusable(client.fail(), "no_picture", "it is packed more than twice")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip", "br, gzip"])
def test_an_answer_that_is_not_packed_as_it_says_may_be_billed(client, foundry, encoding):
    headers = {"Content-Encoding": encoding}
    foundry.will(Answer(body=b"x" * 100, headers=headers), Answer(200, b"", headers))
    assert_unusable(client.fail(), "no_picture", "it cannot be unpacked")
    assert_unusable(client.fail(), "no_picture", "it is not whole JSON")


@pytest.mark.parametrize("encoding", ["", "identity", "br", "zstd", "utf-8", ", ,", "\x85"])
def test_an_answer_whose_packing_nobody_knows_is_taken_as_it_is(client, foundry, encoding):
    whole = picture(PICTURE).body
    foundry.will(Answer(body=whole, headers={"Content-Encoding": encoding}))
    assert client.paint().picture.bytes == len(PICTURE)


def test_an_answer_that_is_packed_twice_is_read(client, foundry):
    packed = zlib.compress(gzip.compress(picture(PICTURE).body))
    foundry.will(Answer(body=packed, headers={"Content-Encoding": "x-gzip, Deflate"}))
    client.paint()
    assert client.bytes == PICTURE


@pytest.mark.parametrize("cut", [1, 100, 1000])
@pytest.mark.parametrize("after", [b"", b"junk", b"\x1f"])
def test_an_answer_of_several_members_is_read(client, foundry, cut, after):
    body = picture(PICTURE).body
    packed = gzip.compress(body[:cut]) + gzip.compress(body[cut:]) + after
    foundry.will(Answer(body=packed, headers={"Content-Encoding": "gzip"}))
    client.paint()
    assert client.bytes == PICTURE


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_members_are_found_in_any_cutting(size):
    packed = gzip.compress(b"one, ") + gzip.compress(b"two")
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(unpacked(pieces, "gzip")) == b"one, two"


def test_an_answer_of_deflate_without_its_head_is_read(client, foundry):
    packer = zlib.compressobj(wbits=RAW)
    packed = packer.compress(picture(PICTURE).body) + packer.flush()
    foundry.will(Answer(body=packed, headers={"Content-Encoding": "deflate"}))
    client.paint()
    assert client.bytes == PICTURE


def test_a_refusal_that_unpacks_to_a_giant_is_read_in_part(client, foundry, peak):
    body = bomb(b'{"error":{"message":"', b"x", 64, GZIP)
    foundry.will(Answer(400, body, {"Content-Encoding": "gzip"}))
    before = peak()
    failure = client.fail()

    assert peak() - before < LITTLE
    assert isinstance(failure, RefusedError)


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize(
    ("start", "filling", "code", "words"),
    [
        (b"", b" ", "no_picture", "it is larger than any answer"),
        (START, b"A", "bad_picture", "the picture in it is larger than any model draws"),
        (START, b"\t", "bad_picture", "it is larger than any answer"),
    ],
    ids=["envelope", "picture", "white space in a picture"],
)
def test_an_answer_of_200_megabytes_is_refused_at_the_limit(
    connect, serve, peak, start, filling, code, words, with_length
):
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(length_of(read_head(connection)))
        length = f"Content-Length: {200 << 20}\r\n" if with_length else "Connection: close\r\n"
        head = f"HTTP/1.1 200 OK\r\napim-request-id: {REQUEST_ID}\r\n{length}\r\n"
        connection.sendall(head.encode() + start)
        for _ in range(200):
            connection.sendall(filling * BLOCK)
            sent += 1

    client = connect(f"http://127.0.0.1:{serve(talk)}")
    taken = Counting()
    client.write = taken.write
    before = peak()
    failure = client.fail()

    assert peak() - before < LITTLE + BLOCK
    assert_unusable(failure, code, words)
    assert taken.size <= answer_body.MAX_PICTURE_BYTES
    assert sent < 140
