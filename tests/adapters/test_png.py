import hashlib
import io
import itertools
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from itertools import chain, cycle, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters.png import SIGNATURE, PngScan
from mai_cli.models.answer import Picture
from tests.emulator import chunk, png

SMALL = png(3, 2)
HEADER = struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0)
IHDR, IDAT, IEND = chunk(b"IHDR", HEADER), chunk(b"IDAT", zlib.compress(b"\0gry" * 2)), SMALL[-12:]


def scan(data: bytes, lengths: Iterable[int] = ()) -> tuple[Picture | None, str]:
    looked = PngScan()
    at = 0
    for length in chain(lengths, [len(data)]):
        looked.feed(data[at : at + length])
        at += length
        if at >= len(data):
            break
    return looked.finish(), looked.problem


def problem(*parts: bytes) -> str:
    found = {scan(b"".join(parts), repeat(length)) for length in (1, 2, 7, 1000)}
    assert len(found) == 1
    picture, why = found.pop()
    assert picture is None
    return why


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">II", width, height) + HEADER[8:])


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    lengths=st.lists(st.integers(1, 30), min_size=1),
)
@settings(deadline=None)
def test_a_whole_picture_is_whole_in_any_cutting(*, width, height, lengths):
    data = png(width, height)
    picture, why = scan(data, cycle(lengths))
    assert picture == Picture(
        width=width,
        height=height,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_credentials=False,
    )
    assert not why


@pytest.mark.parametrize("at", range(1, len(SMALL)))
def test_every_single_place_of_a_cut_is_harmless(at):
    assert scan(SMALL, [at]) == scan(SMALL)


def test_a_picture_that_is_cut_off_anywhere_is_not_whole():
    whys = [scan(SMALL[:end])[1] for end in range(len(SMALL))]
    assert whys == ["it is empty"] + ["it ends before it is complete"] * (len(SMALL) - 1)
    assert scan(SMALL)[0]


def test_a_change_of_any_byte_is_noticed():
    for at in range(len(SMALL)):
        for change in range(1, 256):
            damaged = bytearray(SMALL)
            damaged[at] ^= change
            assert scan(bytes(damaged))[0] is None, (at, change)


def test_a_byte_too_many_or_too_few_is_noticed():
    for at in range(len(SMALL) + 1):
        assert scan(SMALL[:at] + b"\0" + SMALL[at:])[0] is None, at
        assert scan(SMALL[:at] + SMALL[at + 1 :])[0] is None or at == len(SMALL), at


DAMAGE: dict[str, tuple[list[bytes], str]] = {
    "another format": ([b"GIF89a", SMALL], "it is not a PNG"),
    "JPEG": ([b"\xff\xd8\xff\xe0" * 10], "it is not a PNG"),
    "line ends converted": ([SMALL.replace(b"\r\n", b"\n")], "it is not a PNG"),
    "something before": ([b"\0", SMALL], "it is not a PNG"),
    "wrong checksum": ([SIGNATURE, IHDR, IDAT[:-1], b"\0", IEND], "a checksum in it is wrong"),
    "wrong checksum at its end": ([SMALL[:-1], b"\0"], "a checksum in it is wrong"),
    "no end": ([SIGNATURE, IHDR, IDAT], "it ends before it is complete"),
    "no pixels": ([SIGNATURE, IHDR, IEND], "it has no pixels"),
    "nothing but an end": ([SIGNATURE, IEND], "its chunks are in the wrong order"),
    "pixels first": ([SIGNATURE, IDAT, IHDR, IEND], "its chunks are in the wrong order"),
    "text first": (
        [SIGNATURE, chunk(b"tEXt", b"a\0b"), IHDR, IDAT, IEND],
        "its chunks are in the wrong order",
    ),
    "two headers": ([SIGNATURE, IHDR, IHDR, IDAT, IEND], "its chunks are in the wrong order"),
    "a header at last": ([SIGNATURE, IHDR, IDAT, IHDR, IEND], "its chunks are in the wrong order"),
    "a byte after its end": ([SMALL, b"\0"], "something follows its end"),
    "a second picture after its end": ([SMALL, SMALL], "something follows its end"),
    "odd depth": (
        [SIGNATURE, chunk(b"IHDR", HEADER[:8] + b"\3\2\0\0\0"), IDAT, IEND],
        "its header is damaged",
    ),
    "no such colours": (
        [SIGNATURE, chunk(b"IHDR", HEADER[:8] + b"\x08\5\0\0\0"), IDAT, IEND],
        "its header is damaged",
    ),
    "no width": ([SIGNATURE, header(0, 2), IDAT, IEND], "its header is damaged"),
    "no height": ([SIGNATURE, header(3, 0), IDAT, IEND], "its header is damaged"),
    "huge width": ([SIGNATURE, header(32769, 2), IDAT, IEND], "its header is damaged"),
    "huge height": ([SIGNATURE, header(3, 2**32 - 1), IDAT, IEND], "its header is damaged"),
    "short header": ([SIGNATURE, chunk(b"IHDR", HEADER[:12]), IDAT, IEND], "its header is damaged"),
    "long header": ([SIGNATURE, chunk(b"IHDR", HEADER + b"\0"), IDAT], "its header is damaged"),
    "huge chunk": ([SIGNATURE, IHDR, b"\xff\xff\xff\xffIDAT"], "it ends before it is complete"),
    "only a signature": ([SIGNATURE], "it ends before it is complete"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed_and_named_in_any_cutting(damage):
    parts, why = DAMAGE[damage]
    assert problem(*parts) == why


def test_nothing_at_all_is_named():
    assert scan(b"") == (None, "it is empty")


def test_the_largest_side_is_taken():
    picture, _ = scan(SIGNATURE + header(32768, 1) + IDAT + IEND)
    assert picture
    assert (picture.width, picture.height) == (32768, 1)


@pytest.mark.parametrize("place", ["before", "after"])
def test_content_credentials_are_noticed(place):
    signed = chunk(b"caBX", b"jumb")
    middle = signed + IDAT if place == "before" else IDAT + signed
    picture, _ = scan(SIGNATURE + IHDR + middle + IEND, repeat(1))
    assert picture
    assert picture.content_credentials


@pytest.mark.parametrize("extra", [chunk(b"tEXt", b"a\0caBX"), chunk(b"cabx", b""), b""])
def test_what_only_looks_like_content_credentials_is_none(extra):
    picture, _ = scan(png(3, 2, extra=extra))
    assert picture
    assert not picture.content_credentials


def test_empty_chunks_and_unknown_ones_are_taken():
    extra = chunk(b"teSt", b"") + chunk(b"IDAT", b"") + chunk(b"teSt", bytes(300))
    assert scan(png(3, 2, extra=extra), repeat(1))[0]


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    chance = random.Random(7)
    bands = len(Image.new(mode, (1, 1)).tobytes())
    return Image.frombytes(mode, size, chance.randbytes(size[0] * size[1] * bands))


PILLOW: dict[str, Callable[[], Image.Image]] = {
    "RGB": lambda: noise("RGB", (31, 17)),
    "RGBA": lambda: noise("RGBA", (17, 31)),
    "L": lambda: noise("L", (5, 5)),
    "palette": lambda: noise("RGB", (40, 40)).quantize(16),
    "one bit": lambda: noise("L", (9, 9)).convert("1"),
    "sixteen bits": lambda: noise("I;16", (9, 9)),
    "many chunks": lambda: noise("RGB", (400, 300)),
}


@pytest.mark.parametrize("kind", PILLOW)
@pytest.mark.parametrize("length", [1009, 1 << 20])
def test_a_picture_that_pillow_wrote_is_whole(kind, length):
    image, file = PILLOW[kind](), io.BytesIO()
    image.save(file, "PNG")
    data = file.getvalue()
    picture, why = scan(data, repeat(length))
    assert picture, why
    assert (picture.width, picture.height) == image.size
    assert picture.bytes == len(data)
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert (data.count(b"IDAT") > 3) == (kind == "many chunks")


def test_a_large_picture_passes_through_little_memory():
    block, blocks = bytes(1 << 16), 320
    start = struct.pack(">I", len(block) * blocks) + b"IDAT"
    crc = zlib.crc32(block * blocks, zlib.crc32(b"IDAT"))
    looked = PngScan()
    tracemalloc.start()
    try:
        looked.feed(SIGNATURE + IHDR + start)
        for _ in range(blocks):
            looked.feed(block)
        looked.feed(struct.pack(">I", crc) + IEND)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert looked.finish()
    assert peak < 1_000_000


def test_kinds_of_chunks_that_somebody_made_up_take_no_memory():
    letters = [bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz"]
    kinds = (b"".join(kind) for kind in itertools.product(letters, repeat=4))
    looked = PngScan()
    looked.feed(SIGNATURE + IHDR)
    tracemalloc.start()
    try:
        for kind in itertools.islice(kinds, 20_000):
            looked.feed(chunk(kind, b""))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not looked.problem
    assert peak < 100_000
