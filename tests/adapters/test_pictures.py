import io
import random
import struct
import subprocess
import sys
import zlib
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters.pictures import (
    HEAD_BYTES,
    MAX_PIXELS,
    PictureError,
    decode,
    format_of,
    straight,
)
from tests.chunks import Chunk, read_chunks, write_chunks
from tests.pictures import (
    GRAY,
    GRAY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    cmyk_profile,
    encoded,
    gray_profile,
    icc_chunk,
    png_of,
    smooth,
    srgb_profile,
)

SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
DEPTHS = {GRAY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}
NAMES = {GRAY: "gray", RGB: "rgb", PALETTE: "palette", GRAY_ALPHA: "gray+alpha", RGBA: "rgba"}
WIDTH, HEIGHT = 11, 9


def opened(data: bytes, name: str = "PNG") -> Image.Image:
    return straight(decode(io.BytesIO(data), name))


class Kind:
    """A kind of PNG: pixels of that kind, and what is to be seen of them."""

    def __init__(self, color: int, depth: int, *, is_transparent: bool) -> None:
        chance = random.Random(f"{color} {depth}")
        top = (1 << depth) - 1
        self.color, self.depth, self.is_transparent = color, depth, is_transparent
        self.palette = [tuple(chance.randbytes(4)) for _ in range(top + 1 if depth <= 8 else 0)]
        self.pixels = [
            [
                tuple(
                    chance.choice([0, top, chance.randint(0, top)]) for _ in range(SAMPLES[color])
                )
                for _ in range(WIDTH)
            ]
            for _ in range(HEIGHT)
        ]
        self.clear = self.pixels[0][0]

    @property
    def chunks(self) -> list[tuple[bytes, bytes]]:
        found = []
        if self.color == PALETTE:
            found.append((b"PLTE", b"".join(bytes(entry[:3]) for entry in self.palette)))
            if self.is_transparent:
                half = self.palette[: len(self.palette) // 2]
                found.append((b"tRNS", bytes(entry[3] for entry in half)))
        elif self.is_transparent:
            found.append((b"tRNS", struct.pack(f">{len(self.clear)}H", *self.clear)))
        return found

    def png(self, *, interlaced: bool = False) -> bytes:
        return png_of(
            self.pixels, self.color, self.depth, interlaced=interlaced, before=self.chunks
        )

    def seen(self, pixel: tuple[int, ...]) -> tuple[int, ...]:
        """Red, green, blue and opacity, as the specification of PNG has it."""
        if self.color == PALETTE:
            entry = self.palette[pixel[0]]
            is_half = self.is_transparent and pixel[0] < len(self.palette) // 2
            return (*entry[:3], entry[3] if is_half else 255)
        values = [round(sample * 255 / ((1 << self.depth) - 1)) for sample in pixel]
        if self.color in {GRAY_ALPHA, RGBA}:
            alpha = values.pop()
        else:
            alpha = 0 if self.is_transparent and pixel == self.clear else 255
        return (*(values * 3)[:3], alpha)


KINDS = [
    pytest.param(
        Kind(color, depth, is_transparent=is_transparent),
        id=f"{NAMES[color]} {depth}{' transparent' if is_transparent else ''}",
    )
    for color in SAMPLES
    for depth in DEPTHS.get(color, (8, 16))
    for is_transparent in ((False,) if color in {GRAY_ALPHA, RGBA} else (False, True))
    if (color, depth, is_transparent) != (RGB, 16, True)  # Pillow has cut off what tells them apart
]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_png_has_the_colours_that_it_says(kind, interlaced):
    picture = opened(kind.png(interlaced=interlaced))

    has_alpha = kind.is_transparent or kind.color in {GRAY_ALPHA, RGBA}
    assert (picture.mode, picture.size) == ("RGBA" if has_alpha else "RGB", (WIDTH, HEIGHT))
    assert picture.info == {}
    shown = picture.convert("RGBA")
    error = 1 if kind.depth == 16 else 0  # sixteen bits may be cut or rounded
    for y, x in product(range(HEIGHT), range(WIDTH)):
        found, wanted = shown.getpixel((x, y)), kind.seen(kind.pixels[y][x])
        assert all(abs(a - b) <= error for a, b in zip(found, wanted, strict=True)), (x, y)


def test_sixteen_bits_of_gray_are_eight_and_none_is_lost():
    values = [[(value * 257,) for value in range(256)]]

    picture = opened(png_of(values, GRAY, 16))
    assert picture.tobytes() == bytes(value for value in range(256) for _ in range(3))


@pytest.mark.parametrize(
    ("mode", "color"), [("RGB", RGB), ("RGBA", RGBA), ("L", GRAY), ("P", PALETTE)]
)
def test_a_profile_of_rgb_stays_byte_for_byte(mode, color):
    profile = srgb_profile()
    before = [icc_chunk(profile)]
    if mode == "P":
        before.append((b"PLTE", bytes(range(6))))
    picture = opened(png_of([[(1,) * SAMPLES[color]]], color, before=before))

    assert picture.info == {"icc_profile": profile}
    assert picture.mode == ("RGBA" if mode == "RGBA" else "RGB")


GRAYS = [[(value,) for value in range(256)]]


def in_srgb(light: float) -> float:
    """A gray as sRGB has it. Source: IEC 61966-2-1."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def test_a_profile_of_gray_is_applied_and_gone():
    picture = opened(png_of(GRAYS, GRAY, before=[icc_chunk(gray_profile(1.5))]))

    assert (picture.mode, picture.info) == ("RGB", {})
    for value in range(256):
        wanted = in_srgb((value / 255) ** 1.5)
        assert all(abs(channel - wanted) <= 2 for channel in picture.getpixel((value, 0))), value


def test_a_profile_of_gray_leaves_the_transparency():
    pixels = [[(value, 255 - value) for value in range(256)]]
    with_alpha = png_of(pixels, GRAY_ALPHA, before=[icc_chunk(gray_profile(1.0))])
    clear = [icc_chunk(gray_profile(1.0)), (b"tRNS", b"\0\x80")]

    for data in (with_alpha, png_of(GRAYS, GRAY, before=clear)):
        picture = opened(data)
        assert picture.mode == "RGBA"
        assert picture.getpixel((0x80, 0))[3] == (127 if data is with_alpha else 0)
        assert picture.getpixel((0x10, 0))[3] == (239 if data is with_alpha else 255)


@pytest.mark.parametrize("depth", [1, 16])
def test_a_profile_of_gray_fits_every_depth(depth):
    values = [[(value,) for value in (0, (1 << depth) - 1)]]

    picture = opened(png_of(values, GRAY, depth, before=[icc_chunk(gray_profile(1.8))]))
    assert picture.tobytes() == bytes(3) + b"\xff" * 3


@pytest.mark.parametrize("profile", [b"", b"x", b"x" * 200, gray_profile(2)[:140]])
def test_a_profile_that_is_none_is_ignored(profile):
    picture = opened(png_of([[(1, 2, 3)]], before=[icc_chunk(profile)]))

    assert (picture.tobytes(), picture.info) == (bytes([1, 2, 3]), {})


def test_inks_become_colours_by_their_profile_or_without_one():
    inks = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    plain = opened(encoded(inks, "TIFF"), "TIFF")
    explained = opened(encoded(inks, "TIFF", icc_profile=cmyk_profile()), "TIFF")

    assert (plain.getpixel((0, 0)), plain.info) == ((0, 255, 255), {})
    assert (explained.mode, explained.info) == ("RGB", {})
    red, green, blue = explained.getpixel((0, 0))
    assert (red > 220, green < 40, blue < 40) == (True, True, True)


def test_nothing_that_a_file_says_of_itself_comes_along():
    text = (b"tEXt", b"Comment\0mine")
    exif = (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0")
    data = png_of([[(1, 2, 3)]], before=[text, exif, (b"pHYs", b"\0\0\1\0\0\0\1\0\1")])

    assert opened(data).info == {}


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "AVIF", "BMP"])
def test_a_format_is_known_by_its_first_bytes(name):
    data = encoded(smooth(16, 16), name)

    assert format_of(data[:HEAD_BYTES]) == name
    assert decode(io.BytesIO(data), name).size == (16, 16)


@pytest.mark.parametrize(
    "head", [b"", b"\x89PNG", b"RIFF0000WAVE", b"\xff\xd8", b"%PDF-1.7 123456"]
)
def test_other_first_bytes_are_no_format(head):
    assert format_of(head) is None


@pytest.mark.parametrize("name", ["HEIF", "PDF", "nonsense"])
def test_a_format_that_cannot_be_read_is_said(name):
    with pytest.raises(PictureError, match=f"is {name}, which this installation of Pillow"):
        decode(io.BytesIO(b"\0\0\0\x18ftypheic"), name)


@pytest.mark.parametrize("name", ["AVIF", "TIFF"])
def test_the_first_picture_of_a_program_may_be_of_any_format(tmp_path, name):
    (tmp_path / "x").write_bytes(encoded(smooth(16, 16), name))
    code = (
        "import sys\n"
        "from mai_cli.adapters.pictures import decode\n"
        "print(decode(open(sys.argv[1], 'rb'), sys.argv[2]).size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x"), name], capture_output=True, check=True
    )

    assert done.stdout == b"(16, 16)\n"


def test_a_file_is_decoded_only_as_what_it_is_said_to_be():
    with pytest.raises(PictureError, match=r"^is damaged"):
        decode(io.BytesIO(encoded(smooth(16, 16), "JPEG")), "PNG")


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded():
    side = 7072
    assert side * side > MAX_PIXELS
    header = struct.pack(">IIBBBBB", side, side, 8, RGB, 0, 0, 0)
    chunks = [Chunk(b"IHDR", header), Chunk(b"IDAT", b"no pixels"), Chunk(b"IEND", b"")]

    with pytest.raises(PictureError) as caught:
        decode(io.BytesIO(write_chunks(chunks)), "PNG")
    assert str(caught.value) == "has 7072x7072 pixels, more than 50 million"


@pytest.mark.parametrize("cut", [0, 1, 8, 30, 45, 60, -1, -13, -20, -60])
def test_a_file_that_is_cut_off_is_damaged(cut):
    whole = encoded(smooth(16, 16))

    with pytest.raises(PictureError, match=r"^is damaged"):
        opened(whole[:cut])


@pytest.mark.parametrize("count", [257, 768])
def test_a_palette_with_more_opacities_than_colours_can_be_is_damaged(count):
    before = [(b"PLTE", bytes(768)), (b"tRNS", bytes(count))]

    with pytest.raises(PictureError, match=r"^is damaged \("):
        opened(png_of([[(0,)]], PALETTE, before=before))


WHOLE = [
    kind.values[0].png(interlaced=interlaced) for kind in KINDS for interlaced in (False, True)
]
WHOLE += [
    png_of(GRAYS, GRAY, before=[icc_chunk(gray_profile(1.0)), (b"tRNS", b"\0\x80")]),
    png_of([[(1, 2, 3)]], before=[icc_chunk(srgb_profile()), (b"tEXt", b"Comment\0mine")]),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A PNG of which something is other than it was, with right CRCs or wrong ones."""
    data = draw(st.sampled_from(WHOLE))
    if draw(st.booleans()):
        chunks = read_chunks(data)
        at = draw(st.integers(0, len(chunks) - 1))
        chunk = chunks[at]
        content = bytearray(chunk.data)
        if chunk.kind == b"IDAT":
            content = bytearray(zlib.decompress(content))
        _hurt(draw, content)
        hurt = zlib.compress(content) if chunk.kind == b"IDAT" else bytes(content)
        kind = draw(st.sampled_from([chunk.kind] * 9 + [b"tRNS", b"PLTE", b"IDAT", b"fcTL"]))
        chunks[at] = Chunk(kind, hurt)
        if draw(st.booleans()):
            chunks.insert(draw(st.integers(0, len(chunks))), draw(st.sampled_from(chunks)))
        return write_chunks(chunks)
    content = bytearray(data)
    _hurt(draw, content)
    return bytes(content)


def _hurt(draw: st.DrawFn, content: bytearray) -> None:
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        how = draw(st.sampled_from(["cut", "flip", "drop", "add"]))
        if how == "cut":
            del content[at:]
        elif how == "drop":
            del content[at : at + 1]
        elif how == "add":
            content[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))


@given(damaged())
@settings(deadline=None, max_examples=400)
def test_a_damaged_picture_is_decoded_or_refused_and_never_a_bug(data):
    try:
        picture = opened(data)
    except PictureError:
        return
    assert picture.mode in {"RGB", "RGBA"}
    assert picture.info.keys() <= {"icc_profile"}
