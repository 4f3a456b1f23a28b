from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont, ImageStat

from mai_cli.adapters.placeholders import _GLYPHS, _readable, draw_placeholder

WORDLESS = "\x01"  # nothing of it can be set, so all that is written is the mark


def drawn(prompt: str, width: int, height: int, *, transparent: bool = False) -> Image.Image:
    file = BytesIO(draw_placeholder(prompt, width, height, transparent=transparent))
    picture = Image.open(file, formats=["PNG"])
    picture.load()
    return picture


def writing(picture: Image.Image) -> tuple[int, int, int, int] | None:
    return picture.convert("L").point([0] * 250 + [255] * 6).getbbox()


def luminance(red: int, green: int, blue: int) -> float:
    parts = (part / 255 for part in (red, green, blue))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(
    prompt=st.text() | st.text("ab ", min_size=200),
    width=st.integers(16, 400),
    height=st.integers(16, 400),
    transparent=st.booleans(),
)
@example(prompt="\ud800 \0", width=16, height=16, transparent=True)
@settings(max_examples=40, deadline=None)
def test_any_prompt_and_size_give_a_png_of_exactly_that_size(
    *, prompt: str, width: int, height: int, transparent: bool
) -> None:
    picture = drawn(prompt, width, height, transparent=transparent)
    assert picture.size == (width, height)
    assert picture.mode == ("RGBA" if transparent else "RGB")


@pytest.mark.parametrize("size", [(16, 4096), (4096, 16), (16, 16), (2720, 1536)])
def test_the_narrowest_and_largest_sizes_can_be_drawn(size: tuple[int, int]) -> None:
    assert drawn("A lighthouse at dusk", *size).size == size


@pytest.mark.parametrize("transparent", [False, True])
def test_the_same_prompt_and_size_give_the_same_bytes(*, transparent: bool) -> None:
    first, second = (draw_placeholder("Fox", 200, 100, transparent=transparent) for _ in range(2))
    assert first == second


def test_another_prompt_gives_other_colours() -> None:
    corners = {drawn(prompt, 64, 64).getpixel((0, 0)) for prompt in ("Fox", "Owl", "Hare", "Newt")}
    assert len(corners) == 4


@pytest.mark.parametrize("transparent", [False, True])
def test_the_file_says_that_no_model_made_the_picture(*, transparent: bool) -> None:
    comment = drawn("Fox", 64, 64, transparent=transparent).info["Comment"]
    assert comment == "Placeholder drawn offline by mai; not made by an AI model"


@pytest.mark.parametrize("size", [(1024, 1024), (1360, 768), (832, 1248)])
def test_a_dark_band_at_the_foot_says_that_it_is_a_placeholder(size: tuple[int, int]) -> None:
    width, height = size
    picture = drawn(WORDLESS, width, height)
    box = writing(picture)
    assert box is not None
    left, top, right, bottom = box
    assert left < 0.1 * width
    assert right > 0.9 * width
    assert 0.9 * height < top < bottom < height
    above = picture.crop((0, top - 80, left, top - 60))
    band = picture.crop((0, top, left, bottom))
    assert sum(ImageStat.Stat(band).mean) < 0.7 * sum(ImageStat.Stat(above).mean)


@pytest.mark.parametrize("size", [(1024, 1024), (1360, 768), (832, 1248)])
@pytest.mark.parametrize(
    "prompt",
    [
        "Serendipity",
        "A cosy reading nook\nby a rainy window",
        "a misty harbour at dawn, " * 12,
        "a misty harbour at dawn, " * 400,
        "w" * 500,
        "雪の中の狐",
    ],
)
def test_the_prompt_fills_a_good_part_of_the_picture_and_keeps_the_margins(
    prompt: str, size: tuple[int, int]
) -> None:
    width, height = size
    band = round(0.08 * (width * height) ** 0.5)
    box = writing(drawn(prompt, width, height).crop((0, 0, width, height - band)))
    assert box is not None
    left, top, right, bottom = box
    assert left > 0.03 * width
    assert right < 0.97 * width
    assert right - left > 0.5 * width
    assert top > 0.03 * height
    assert bottom < 0.97 * height - band


@pytest.mark.parametrize("times", range(1, 13))
def test_white_text_stands_out_wherever_it_is(times: int) -> None:
    data = drawn(WORDLESS * times, 160, 160).crop((0, 0, 160, 110)).tobytes()
    colours = set(zip(data[::3], data[1::3], data[2::3], strict=True))
    lightest = max(luminance(*colour) for colour in colours)
    assert 1.05 / (lightest + 0.05) >= 4.5


def test_only_a_card_is_drawn_where_the_background_is_transparent() -> None:
    alpha = drawn("Fox", 300, 200, transparent=True).getchannel("A")
    assert alpha.getbbox() == (14, 14, 286, 186)
    assert alpha.getpixel((14, 14)) == 0
    assert alpha.getpixel((150, 100)) == 255


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (" A fox,\n\tin\x00 snow ", "A fox, in snow"),
        ("Café crème — Łódź, Straße", "Cafe creme - Lodz, Strasse"),
        ("A 🦊 and 🐻‍❄️!", "A [fox face] and [bear face, snowflake]!"),
        ("Лиса в снегу, poster", "[Cyrillic], poster"),
        ("雪の中の狐", "[CJK, Hiragana]"),
        ("\ud800\u200d\ue000", ""),
        ("a" * 2000, "a" * 2000),
        ("a" * 10_000, "a" * 2000 + "…"),
    ],
)
def test_a_prompt_is_spelt_in_characters_that_the_font_has(prompt: str, text: str) -> None:
    assert _readable(prompt) == text


def test_the_font_has_every_character_that_is_drawn() -> None:
    font = ImageFont.load_default(40)
    lacking = bytes(font.getmask("\uffff"))
    assert [glyph for glyph in _GLYPHS if bytes(font.getmask(glyph)) == lacking] == []
