import io
import random
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters.pictures import PictureError
from mai_cli.adapters.thumbnails import Thumbnail, shrink
from tests.emulator import chunk, png

FORMATS = ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"]


def saved(path: Path, picture: Image.Image, name: str = "PNG", **options: object) -> Path:
    picture.save(path, name, **options)
    return path


def reread(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        return picture.copy()


def pixel(data: bytes, number: int = 0) -> tuple[int, ...]:
    return tuple(data[3 * number : 3 * number + 3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize(
    ("size", "room", "expected"),
    [
        ((1024, 1024), (80, 40), (40, 40)),
        ((1024, 1024), (40, 80), (40, 40)),
        ((1600, 900), (160, 160), (160, 90)),
        ((900, 1600), (160, 160), (90, 160)),
        ((30, 20), (30, 20), (30, 20)),
        ((30, 20), (31, 21), (30, 20)),
        ((30, 20), (5000, 5000), (30, 20)),
        ((30, 20), (1, 1), (1, 1)),
        ((3000, 2), (100, 100), (100, 1)),
        ((2, 3000), (100, 100), (1, 100)),
        ((1, 1), (1, 1), (1, 1)),
    ],
)
def test_a_picture_becomes_small_enough_and_never_larger(tmp_path, size, room, expected):
    small = shrink(saved(tmp_path / "a.png", Image.new("RGB", size)), *room)
    assert (small.width, small.height) == expected
    assert reread(small.png()).size == expected
    assert len(small.rgb()) == 3 * small.width * small.height


@given(*[st.integers(1, 300)] * 4)
@settings(deadline=None, max_examples=60)
def test_any_picture_fits_and_touches_a_side(folder, width, height, columns, rows):
    path = saved(folder / "any.png", Image.new("L", (width, height)))
    small = shrink(path, columns, rows)
    assert 1 <= small.width <= min(width, columns)
    assert 1 <= small.height <= min(height, rows)
    assert small.width in (width, columns) or small.height in (height, rows)


def test_a_picture_that_fits_keeps_each_pixel(tmp_path):
    picture = Image.frombytes("RGB", (30, 20), random.Random(4).randbytes(1800))
    small = shrink(saved(tmp_path / "a.png", picture), 30, 20)
    assert small.rgb() == picture.tobytes()
    assert reread(small.png()) == picture


def test_what_is_smaller_still_looks_the_same(tmp_path):
    picture = Image.new("RGB", (400, 400), (200, 100, 50))
    picture.paste((0, 0, 255), (200, 0, 400, 400))
    small = shrink(saved(tmp_path / "a.png", picture), 4, 4)
    assert [pixel(small.rgb(), number) for number in (0, 3, 12, 15)] == [
        pytest.approx(color, abs=8) for color in [(200, 100, 50), (0, 0, 255)] * 2
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_an_export_can_be_shown_whatever_its_name(tmp_path, name):
    picture = Image.new("RGB", (64, 48), (200, 100, 50))
    small = shrink(saved(tmp_path / "picture.txt", picture, name), 16, 16)
    assert (small.width, small.height) == (16, 12)
    assert pixel(small.rgb()) == pytest.approx((200, 100, 50), abs=6)


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [
        ("RGB", (200, 100, 50), (200, 100, 50)),
        ("RGBA", (200, 100, 50, 255), (200, 100, 50)),
        ("L", 120, (120, 120, 120)),
        ("LA", (120, 255), (120, 120, 120)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x8080, (128, 128, 128)),
        ("P", 3, (200, 100, 50)),
    ],
)
def test_every_kind_of_png_can_be_shown(tmp_path, mode, color, seen):
    picture = Image.new(mode, (32, 32), color)
    if mode == "P":
        picture.putpalette([0] * 9 + [200, 100, 50])
    small = shrink(saved(tmp_path / "a.png", picture), 8, 8)
    palette, pixels = small.indexed()
    assert pixel(small.rgb()) == seen
    assert pixel(palette, pixels[0]) == seen
    assert reread(small.png()).convert("RGB").getpixel((0, 0)) == seen


@pytest.mark.parametrize("options", [{"transparency": 0}, {"transparency": b"\0\xff"}])
def test_a_colour_that_is_nothing_shines_through(tmp_path, options):
    picture = Image.new("P", (16, 16), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (8, 0, 16, 16))
    small = shrink(saved(tmp_path / "a.png", picture, **options), 16, 16)
    red, green, blue = pixel(small.rgb())
    assert red == green == blue
    assert pixel(small.rgb(), 8) == (0, 0, 255)
    assert reread(small.png()).getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (17, 33), (100, 3)])
def test_squares_of_two_greys_are_behind_what_shines_through(size):
    small = Thumbnail(Image.new("RGBA", size))
    greys = [pixel(small.rgb(), number) for number in range(size[0] * size[1])]
    palette, pixels = small.indexed()
    assert [pixel(palette, index) for index in pixels] == greys
    for number, grey in enumerate(greys):
        y, x = divmod(number, size[0])
        assert (grey == greys[0]) is ((x // 8 + y // 8) % 2 == 0)
        assert 100 < min(grey) == max(grey) < 230


@st.composite
def pictures(draw: st.DrawFn) -> Image.Image:
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    size = 3 * width * height
    return Image.frombytes("RGB", (width, height), draw(st.binary(min_size=size, max_size=size)))


@given(pictures())
@example(Image.frombytes("RGB", (24, 24), random.Random(4).randbytes(1728)))
@example(Image.frombytes("RGB", (16, 16), random.Random(5).randbytes(768)))
@settings(deadline=None)
def test_256_colours_are_enough_for_any_picture(picture):
    palette, pixels = Thumbnail(picture).indexed()
    assert len(pixels) == picture.width * picture.height
    assert len(palette) % 3 == 0
    assert max(pixels) < len(palette) // 3 <= 256
    wanted = picture.tobytes()
    for number, index in enumerate(pixels):
        assert pixel(palette, index) == pytest.approx(pixel(wanted, number), abs=80)


@given(st.sets(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=64))
@settings(deadline=None, max_examples=50)
def test_few_colours_stay_as_they_are(colors):
    picture = Image.new("RGB", (len(colors), 1))
    for x, color in enumerate(colors):
        picture.putpixel((x, 0), color)
    palette, pixels = Thumbnail(picture).indexed()
    assert b"".join(bytes(pixel(palette, index)) for index in pixels) == picture.tobytes()


def test_a_picture_that_cannot_be_read_is_an_os_error(tmp_path):
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            shrink(path, 10, 10)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not a picture"),
        (b"<svg/>", "is not a picture"),
        (png(64, 64)[:60], r"is damaged \(.*\)"),
        (png(64, 64)[:20] + b"\xff" * 30 + png(64, 64)[50:], r"is damaged"),
        (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", b""),
            "has 50000x50000 pixels, more than 50 million",
        ),
    ],
)
def test_what_is_no_whole_picture_of_a_fair_size_is_told(tmp_path, data, said):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=f"^{said}$"):
        shrink(path, 10, 10)


def read_webp(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as picture:
        return picture.copy()


def test_a_small_file_keeps_what_shines_through(tmp_path):
    picture = Image.new("RGBA", (64, 32), (200, 100, 50, 255))
    picture.paste((0, 0, 0, 0), (32, 0, 64, 32))
    small = read_webp(shrink(saved(tmp_path / "a.png", picture), 32, 32).webp())

    assert (small.mode, small.size) == ("RGBA", (32, 16))
    assert small.getpixel((4, 8)) == pytest.approx((200, 100, 50, 255), abs=12)
    assert small.getpixel((28, 8))[3] == 0


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "I;16", "LA", "1"])
def test_a_small_file_can_be_made_of_every_kind_of_png(tmp_path, mode):
    small = shrink(saved(tmp_path / "a.png", Image.new(mode, (64, 32))), 32, 32).webp()
    assert read_webp(small).size == (32, 16)


def test_a_small_file_of_a_photo_is_small(tmp_path):
    picture = Image.radial_gradient("L").resize((1024, 1024)).convert("RGB")
    assert len(shrink(saved(tmp_path / "a.png", picture), 512, 512).webp()) < 30_000
