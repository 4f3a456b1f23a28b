import hashlib
import io
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from mai_cli.adapters.conversion import Original
from mai_cli.adapters.pictures import PictureError, format_of
from mai_cli.models.catalogue import find
from mai_cli.models.recipe import QUALITY, Recipe
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from tests.chunks import international_texts, read_chunks, without_texts
from tests.pictures import (
    PALETTE,
    RGBA,
    encoded,
    gray_profile,
    icc_chunk,
    png_of,
    smooth,
    srgb_profile,
)

LOSSY = ["jpeg", "webp", "avif"]
ALL = ["png", *LOSSY]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
RECORD = Record.sent(
    ImageRequest("a red fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024)),
    id="b7c41f09e2aa",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    endpoint="https://contoso.services.ai.azure.com",
)


@pytest.fixture
def original(tmp_path):
    """Decode a master: a picture, or the bytes of a PNG."""

    def original(master):
        path = tmp_path / "master.png"
        path.write_bytes(master if isinstance(master, bytes) else encoded(master))
        return Original(path)

    return original


def shown(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    data = random.Random(f"{width}x{height}").randbytes(width * height * len(mode))
    return Image.frombytes(mode, (width, height), data)


def on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def assert_near(picture: Image.Image, wanted: Image.Image, most: int, mean: float) -> None:
    """Of all channels of all pixels: the largest difference, and the mean."""
    assert (picture.mode, picture.size) == (wanted.mode, wanted.size)
    difference = ImageChops.difference(picture, wanted)
    assert max(high for _, high in _pairs(difference.getextrema())) <= most
    assert max(ImageStat.Stat(difference).mean) <= mean


def _pairs(extrema):
    return extrema if isinstance(extrema[0], tuple) else [extrema]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("recipe", "most", "mean"),
    [
        (Recipe("jpeg"), 6, 1.0),
        (Recipe("webp"), 12, 2.0),
        (Recipe("avif"), 8, 1.4),
        (Recipe("jpeg", quality=30), 20, 4.0),
        (Recipe("webp", quality=30), 25, 4.0),
        (Recipe("avif", quality=30), 18, 3.0),
        (Recipe("jpeg", quality=100), 5, 0.8),
    ],
)
def test_an_export_looks_like_its_master(original, mode, recipe, most, mean):
    master = smooth(128, 96, mode)
    data = original(master).render(recipe, None)

    assert format_of(data[:16]) == recipe.format.upper()
    seen = on_white(master) if (mode, recipe.format) == ("RGBA", "jpeg") else master
    assert_near(shown(data), seen, most, mean)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_png_of_the_same_size_has_the_same_pixels(original, mode):
    master = noise(31, 17, mode)

    assert shown(original(master).render(Recipe("png"), None)).tobytes() == master.tobytes()


@pytest.mark.parametrize("name", LOSSY)
def test_more_quality_is_nearer_to_the_master_and_takes_more_bytes(original, name):
    master = smooth(96, 96)
    taken = original(master)
    data = [taken.render(Recipe(name, quality=quality), None) for quality in (5, 40, 80)]
    errors = [sum(ImageStat.Stat(ImageChops.difference(shown(d), master)).sum2) for d in data]

    assert sorted(errors, reverse=True) == errors
    assert sorted(map(len, data)) == [len(d) for d in data]


@pytest.mark.parametrize("name", LOSSY)
def test_without_a_quality_the_usual_one_is_taken(original, name):
    taken = original(smooth(64, 48))

    assert taken.render(Recipe(name), None) == taken.render(
        Recipe(name, quality=QUALITY[name]), None
    )
    assert taken.render(Recipe(name), None) != taken.render(
        Recipe(name, quality=QUALITY[name] - 10), None
    )


@pytest.mark.parametrize(("quality", "sampling"), [(89, (2, 2)), (90, (1, 1)), (None, (1, 1))])
def test_a_fine_jpeg_keeps_its_colours_at_full_size_and_is_progressive(original, quality, sampling):
    picture = shown(original(smooth(64, 48)).render(Recipe("jpeg", quality=quality), None))

    assert picture.layer[0][1:3] == sampling
    assert picture.info["progressive"] == 1


def stripes(colours, width, height, *, upright=True) -> Image.Image:
    """Bands of these colours, from left to right or from top to bottom."""
    picture = Image.new("RGB", (width, height))
    for number, colour in enumerate(colours):
        low, high = (
            round(at * (width if upright else height) / len(colours)) for at in (number, number + 1)
        )
        box = (low, 0, high, height) if upright else (0, low, width, high)
        picture.paste(colour, box)
    return picture


def colours(data: bytes, count: int, *, upright=True) -> list[tuple[int, int, int]]:
    """The plain colours that those in the middle of ``count`` bands are nearly."""
    picture = shown(data).convert("RGB")
    width, height = picture.size
    middles = [
        int((number + 0.5) * (width if upright else height) / count) for number in range(count)
    ]
    places = [(middle, height // 2) if upright else (width // 2, middle) for middle in middles]
    found = [picture.getpixel(place) for place in places]
    assert all(min(value, 255 - value) < 40 for colour in found for value in colour)
    return [tuple(round(value / 255) * 255 for value in colour) for colour in found]


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize(
    ("fit", "size", "count", "left"),
    [
        ("cover", (40, 40), 2, [GREEN, BLUE]),
        ("cover", (10, 10), 2, [GREEN, BLUE]),
        ("cover", (160, 160), 2, [GREEN, BLUE]),
        ("cover", (80, 40), 4, [RED, GREEN, BLUE, YELLOW]),
        ("contain", (40, 40), 4, [RED, GREEN, BLUE, YELLOW]),
        ("contain", (160, 160), 4, [RED, GREEN, BLUE, YELLOW]),
        ("stretch", (40, 40), 4, [RED, GREEN, BLUE, YELLOW]),
        ("stretch", (200, 20), 4, [RED, GREEN, BLUE, YELLOW]),
    ],
)
def test_a_fit_decides_what_is_left_of_the_master(original, upright, fit, size, count, left):
    turn = 1 if upright else -1
    master = stripes([RED, GREEN, BLUE, YELLOW], *(80, 40)[::turn], upright=upright)
    recipe = Recipe("png", *size[::turn], fit)
    data = original(master).render(recipe, None)

    assert shown(data).size == recipe.size_of(*master.size)
    assert colours(data, count, upright=upright) == left


@pytest.mark.parametrize("recipe", [Recipe("png", 50), Recipe("png", None, 25)])
def test_one_side_cuts_nothing_off(original, recipe):
    master = stripes([RED, GREEN, BLUE, YELLOW], 200, 100)

    assert shown(original(master).render(recipe, None)).size == (50, 25)
    assert colours(original(master).render(recipe, None), 4) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(30, 20), (21, 40), (97, 61), (20, 20)])
def test_what_is_cut_off_is_the_same_on_both_sides(original, fit, size):
    half = smooth(33, 45).crop((0, 0, 33, 45))
    master = Image.new("RGB", (65, 45))
    master.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (32, 0))
    master.paste(half)
    master.paste(master.crop((0, 0, 65, 22)).transpose(Image.Transpose.FLIP_TOP_BOTTOM), (0, 23))

    made = shown(original(master).render(Recipe("png", *size, fit), None))
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        assert_near(made.transpose(turn), made, 1, 0.5)


def test_a_picture_that_is_made_smaller_keeps_its_light(original):
    master = noise(256, 256)
    made = shown(original(master).render(Recipe("png", 16, 16), None))

    assert ImageStat.Stat(made).mean == pytest.approx(ImageStat.Stat(master).mean, abs=1)
    assert max(ImageStat.Stat(made).stddev) < 20  # every pixel of the master has its part


CLEAR = (0, 0, 0, 0)


def half_clear(width: int, height: int) -> Image.Image:
    """Red on the left; nothing, which is stored as black, on the right."""
    picture = Image.new("RGBA", (width, height), CLEAR)
    picture.paste((255, 0, 0, 255), (0, 0, width // 2, height))
    return picture


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_transparency_is_kept_where_there_is_any(original, name):
    master = smooth(64, 48, "RGBA")
    taken = original(master)
    alpha = shown(taken.render(Recipe(name), None)).getchannel("A")

    assert taken.has_transparency
    assert_near(alpha, master.getchannel("A"), 2 if name == "avif" else 0, 1)


def test_what_was_transparent_is_white_in_a_jpeg(original):
    picture = shown(original(half_clear(64, 32)).render(Recipe("jpeg"), None))

    seen = picture.getpixel((16, 16)) + picture.getpixel((48, 16))
    assert all(abs(a - b) <= 4 for a, b in zip(seen, RED + WHITE, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_what_cannot_be_seen_does_not_darken_an_edge_when_resized(original, name):
    made = shown(original(half_clear(64, 64)).render(Recipe(name, 9, 9, quality=None), None))

    edge = made.convert("RGBA").getpixel((4, 4))
    if name == "jpeg":
        assert edge[0] > 245
        assert 90 < edge[1] < 165
    else:
        assert edge[0] > (235 if name != "avif" else 175)  # which keeps colours at half size
        assert edge[1] < (20 if name != "avif" else 45)
        assert 90 < edge[3] < 165


@pytest.mark.parametrize("name", ALL)
def test_an_alpha_channel_that_hides_nothing_is_left_out(original, name):
    master = smooth(32, 32)
    master.putalpha(255)
    taken = original(master)

    assert not taken.has_transparency
    assert shown(taken.render(Recipe(name), None)).mode == "RGB"


def test_a_single_pixel_that_shines_through_counts(original):
    master = Image.new("RGBA", (32, 32), (9, 9, 9, 255))
    master.putpixel((31, 31), (9, 9, 9, 254))

    assert original(master).has_transparency


@pytest.mark.parametrize(
    ("master", "recipe"),
    [
        ((1360, 768), Recipe("png", 540)),
        ((1360, 768), Recipe("png", None, 287)),
        ((768, 1360), Recipe("png", None, 540)),
        ((1360, 768), Recipe("png", 100, 550)),
        ((1248, 832), Recipe("png", 200, 100)),
    ],
)
def test_a_box_is_not_missed_by_a_rounding(original, master, recipe):
    made = shown(original(Image.new("RGB", master, RED)).render(recipe, None))

    assert made.size == recipe.size_of(*master)
    assert made.getpixel((0, 0)) == made.getpixel((made.width - 1, made.height - 1)) == RED


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(None, None), (20, None), (20, 20)])
@pytest.mark.parametrize("name", ALL)
def test_a_profile_is_kept_byte_for_byte_in_every_format(original, mode, size, name):
    profile = srgb_profile()
    for master in (smooth(32, 24, mode), smooth(32, 24)):
        if mode == "RGBA" and master.mode == "RGB":
            master.putalpha(255)
        taken = original(encoded(master, icc_profile=profile))
        made = shown(taken.render(Recipe(name, *size), RECORD))
        assert made.info["icc_profile"] == profile


@pytest.mark.parametrize("name", ALL)
def test_a_profile_that_no_longer_holds_is_left_out(original, name):
    grays = [[(value, value, value, 255) for value in range(64)]] * 8
    for data in (encoded(smooth(8, 8)), png_of(grays, RGBA, before=[icc_chunk(gray_profile(2))])):
        assert "icc_profile" not in shown(original(data).render(Recipe(name), None)).info


@pytest.mark.parametrize("name", ALL)
def test_nothing_of_the_masters_own_notes_comes_along(original, name):
    notes = [
        (b"tEXt", b"Comment\0a secret garden"),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x>a secret garden</x>"),
        (
            b"eXIf",
            b"MM\0*\0\0\0\x08\0\x01\x01\x0e\0\2\0\0\0\x10\0\0\0\x1a\0\0\0\0a secret garden\0",
        ),
    ]
    master = png_of([[(1, 2, 3)] * 8] * 8, before=notes)

    data = original(master).render(Recipe(name, 4), None)
    assert b"secret" not in data
    assert shown(data).info.keys().isdisjoint({"exif", "xmp", "XML:com.adobe.xmp", "Comment"})


def test_a_png_that_was_converted_carries_its_record_and_no_pixel_more(original):
    taken = original(smooth(32, 24))
    plain, told = (taken.render(Recipe("png", 16), record) for record in (None, RECORD))

    assert without_texts(told) == plain
    assert international_texts(told)["Identifier"] == "mai:record:b7c41f09e2aa"
    assert [chunk.kind for chunk in read_chunks(plain)] == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.parametrize("name", LOSSY)
def test_what_a_record_tells_changes_no_pixel(original, name):
    taken = original(smooth(32, 24, "RGBA"))
    plain, told = (taken.render(Recipe(name), record) for record in (None, RECORD))

    assert shown(told).tobytes() == shown(plain).tobytes()
    assert b"mai:record:b7c41f09e2aa" in told
    assert b"mai" not in plain


MANY = [
    Recipe(name, width, None, quality=quality)
    for name in ALL
    for width in (None, 70)
    for quality in ((None,) if name == "png" else (20, 50, 89, 90, 100))
]


def test_side_by_side_every_recipe_gives_what_it_gives_alone(original):
    taken = original(noise(96, 96, "RGBA"))
    alone = {recipe: taken.render(recipe, RECORD) for recipe in MANY}
    assert len(set(alone.values())) == len(MANY)

    count = 4
    barrier = Barrier(count)

    def work(number: int) -> dict[Recipe, bytes]:
        barrier.wait()
        order = random.Random(number).sample(MANY, len(MANY))
        return {recipe: taken.render(recipe, RECORD) for recipe in order}

    with ThreadPoolExecutor(count) as threads:
        for together in threads.map(work, range(count)):
            assert together == alone


RENDER = """
import hashlib, json, os, sys
from pathlib import Path

from mai_cli.adapters.conversion import Original
from mai_cli.models.recipe import Recipe

if sys.argv[2] == "one core":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
original = Original(Path(sys.argv[1]))
recipes = [Recipe(name, width) for name in ("png", "jpeg", "webp", "avif") for width in (None, 700)]
print(json.dumps([hashlib.sha256(original.render(r, None)).hexdigest() for r in recipes]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
def test_another_process_with_fewer_cores_gives_the_same_bytes(original, tmp_path):
    taken = original(smooth(1024, 768))

    def elsewhere(cores: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", RENDER, str(tmp_path / "master.png"), cores],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": str(len(cores))},
        )
        return json.loads(done.stdout)

    recipes = [Recipe(name, width) for name in ALL for width in (None, 700)]
    here = [hashlib.sha256(taken.render(recipe, None)).hexdigest() for recipe in recipes]
    assert elsewhere("one core") == elsewhere("all cores") == here


@pytest.mark.parametrize("highest", [None, 60])
@pytest.mark.parametrize("name", LOSSY)
def test_a_limit_is_met_by_the_best_quality_that_meets_it(original, name, highest):
    taken = original(noise(64, 64))
    top = highest or 100
    by_hand = {
        quality: taken.render(Recipe(name, quality=quality), RECORD)
        for quality in range(1, top + 1)
    }
    smallest, largest = (len(by_hand[quality]) // 1000 for quality in (1, top))
    assert largest - smallest >= 2

    for max_kb in range(smallest + 1, largest + 3):
        found = taken.render(Recipe(name, quality=highest, max_kb=max_kb), RECORD)
        assert len(found) <= max_kb * 1000
        qualities = [quality for quality in by_hand if by_hand[quality] == found]
        assert qualities
        better = max(qualities) + 1
        assert better > top or len(by_hand[better]) > max_kb * 1000


@pytest.mark.parametrize("name", LOSSY)
def test_a_limit_that_no_quality_meets_is_an_error_that_says_what_would(original, name):
    taken = original(noise(64, 64))
    least = -(-len(taken.render(Recipe(name, quality=1), RECORD)) // 1000)
    assert least > 1

    with pytest.raises(PictureError) as caught:
        taken.render(Recipe(name, max_kb=least - 1), RECORD)
    assert str(caught.value) == f"takes at least {least} kB, more than {least - 1}"
    assert len(taken.render(Recipe(name, max_kb=least), RECORD)) <= least * 1000


@pytest.mark.parametrize("grain", [256, 128, 64])
@pytest.mark.parametrize("quality", [None, 89, 94, 95, 100])
def test_noise_fills_a_jpeg_and_does_not_break_it(original, quality, grain, capfd):
    taken = original(noise(320, 320).point(lambda value: value * grain // 256))

    assert shown(taken.render(Recipe("jpeg", quality=quality), RECORD)).size == (320, 320)
    assert len(taken.render(Recipe("jpeg", quality=quality, max_kb=60), RECORD)) <= 60_000
    assert capfd.readouterr() == ("", "")


def test_a_png_meets_a_limit_or_not(original):
    taken = original(noise(64, 64))
    whole = taken.render(Recipe("png"), RECORD)
    least = -(-len(whole) // 1000)

    assert taken.render(Recipe("png", max_kb=least), RECORD) == whole
    with pytest.raises(PictureError, match=f"^takes at least {least} kB, more than {least - 1}$"):
        taken.render(Recipe("png", max_kb=least - 1), RECORD)


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (Recipe("png", width=16_383), "16383x32766"),
        (Recipe("webp", 16_383, 16_383), "16383x16383"),
        (Recipe("jpeg", height=12_000), "6000x12000"),
    ],
)
def test_what_no_file_can_hold_is_refused(original, recipe, size):
    with pytest.raises(PictureError, match=f"^would be {size}, more than 16383 pixels a side and"):
        original(smooth(16, 32)).render(recipe, None)


def test_a_master_that_cannot_be_read_or_decoded_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        Original(tmp_path / "missing.png")
    (tmp_path / "x.png").write_bytes(encoded(smooth(8, 8), "JPEG"))
    with pytest.raises(PictureError, match=r"^is damaged"):
        Original(tmp_path / "x.png")


@pytest.mark.parametrize("count", [257, 768])
def test_a_master_whose_palette_is_damaged_is_said(tmp_path, count):
    before = [(b"PLTE", bytes(768)), (b"tRNS", bytes(count))]
    (tmp_path / "x.png").write_bytes(png_of([[(0,)]], PALETTE, before=before))

    with pytest.raises(PictureError, match=r"^is damaged"):
        Original(tmp_path / "x.png")


RENDER_WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path

from mai_cli.adapters.conversion import Original
from mai_cli.adapters.pictures import PictureError
from mai_cli.models.recipe import Recipe

original = Original(Path(sys.argv[1]))
for name in ("png", "jpeg", "webp", "avif"):
    original.render(Recipe(name, 8), None)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), -1))
for name in ("png", "jpeg", "webp", "avif"):
    try:
        original.render(Recipe(name, 5000, 5000), None)
    except PictureError as error:
        print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured on Linux")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_that_is_too_large_for_the_memory_is_said(tmp_path, mode):
    (tmp_path / "master.png").write_bytes(encoded(smooth(64, 64, mode)))
    done = subprocess.run(
        [sys.executable, "-c", RENDER_WITH_LITTLE_MEMORY, str(tmp_path / "master.png")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "is too large for this machine\n" * 4


masters = st.builds(
    lambda draw, *rest: draw(*rest),
    st.sampled_from([smooth, noise]),
    st.integers(1, 64),
    st.integers(1, 64),
    st.sampled_from(["RGB", "RGBA"]),
)
side = st.none() | st.integers(1, 100)
recipes = st.builds(
    Recipe,
    st.sampled_from(ALL),
    side,
    side,
    st.sampled_from(["cover", "contain", "stretch"]),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(1, 40),
)


@given(master=masters, recipe=recipes, is_told=st.booleans())
@settings(deadline=None, max_examples=150)
def test_any_picture_and_any_recipe_give_an_export_of_the_promised_size(
    tmp_path_factory, master, recipe, is_told
):
    path = tmp_path_factory.getbasetemp() / "master.png"
    path.write_bytes(encoded(master))
    taken = Original(path)
    try:
        data = taken.render(recipe, RECORD if is_told else None)
    except PictureError as error:
        problem = str(error)
    else:
        problem = ""
        made = shown(data)
        assert made.size == recipe.size_of(*master.size)
        assert made.format == recipe.format.upper()
        assert made.mode == (
            "RGBA" if taken.has_transparency and recipe.format != "jpeg" else "RGB"
        )
        assert recipe.max_kb is None or len(data) <= recipe.max_kb * 1000
        assert (b"mai:record:b7c41f09e2aa" in data) is is_told
    if problem:
        assert problem.startswith("takes at least ")
        plain = replace(recipe, max_kb=None, quality=1)
        assert len(taken.render(plain, RECORD if is_told else None)) > 1000 * recipe.max_kb
