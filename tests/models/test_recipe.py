from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.recipe import (
    FORMATS,
    MAX_PIXELS,
    MAX_SIDE,
    QUALITY,
    Recipe,
    parse_recipe,
)

sides = st.integers(1, 4096)
fits = st.sampled_from(["cover", "contain", "stretch"])
NO_SIZE = "is not a size to resize to."


@pytest.mark.parametrize(
    ("text", "width", "height"),
    [
        ("800x600", 800, 600),
        ("800x", 800, None),
        ("x600", None, 600),
        (" 800 x 600 ", 800, 600),
        ("800X600", 800, 600),
        ("800×600", 800, 600),
        ("1x1", 1, 1),
        ("0800x", 800, None),
        ("16383x16383", 16_383, 16_383),
    ],
)
def test_a_size_to_resize_to_is_understood(text, width, height):
    assert parse_recipe(text, None, None, None) == Recipe("png", width, height)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "x",
            "800",
            "800x600x3",
            "800:600",
            "16:9",
            "-800x600",
            "800x-1",
            "8e2x",
            "8.5x",
        ),
        *(
            "0x600",
            "800x0",
            "0x",
            "x0",
            "16384x",
            "x16384",
            "1x99999",
            "9999999999x",
            "wide",
            "50%",
        ),
        *("800xx600", "\u0668\u0660\u0660x", "800x600 px", "800x600\n\n1"),
    ],
)
def test_anything_else_is_refused_with_the_way_to_write_it(text):
    with pytest.raises(UsageError) as caught:
        parse_recipe(text, None, None, None)

    assert (caught.value.code, caught.value.message) == ("bad_option", f"'{text}' {NO_SIZE}")
    assert caught.value.hint == ("Write it as 800x, x600 or 800x600; each side from 1 to 16383.")


@given(st.text("0123456789xX× -", max_size=12) | st.text())
@example("1" * 400 + "x")
def test_any_text_is_a_size_or_is_refused(text):
    try:
        recipe = parse_recipe(text, None, None, None)
    except UsageError:
        return
    sides = [side for side in (recipe.width, recipe.height) if side is not None]
    assert sides
    assert all(1 <= side <= MAX_SIDE for side in sides)


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_a_fit_needs_a_box_to_fit_into(fit):
    for resize in (None, "800x", "x600"):
        with pytest.raises(UsageError) as caught:
            parse_recipe(resize, fit, None, None)
        assert caught.value.code == "bad_option"
        assert caught.value.message == "--fit needs a width and a height to fit into."

    assert parse_recipe("800x600", fit, 70, 100) == Recipe("png", 800, 600, fit, 70, 100)


def test_nothing_asked_for_is_a_copy():
    assert parse_recipe(None, None, None, None) == Recipe("png")
    assert parse_recipe("800x600", None, None, None).fit == "cover"


def test_every_format_but_png_is_lossy_and_has_a_usual_quality():
    lossy = {name for name in FORMATS.values() if Recipe(name).is_lossy}

    assert set(FORMATS.values()) == {"png", "webp", "jpeg", "avif"}
    assert lossy == QUALITY.keys() == {"webp", "jpeg", "avif"}
    assert all(1 <= quality <= 100 for quality in QUALITY.values())


@pytest.mark.parametrize(
    ("recipe", "master", "size"),
    [
        (Recipe("png"), (1024, 768), (1024, 768)),
        (Recipe("webp", 512), (1024, 768), (512, 384)),
        (Recipe("webp", None, 384), (1024, 768), (512, 384)),
        (Recipe("webp", 2048), (1024, 768), (2048, 1536)),
        (Recipe("webp", 1), (1024, 768), (1, 1)),
        (Recipe("webp", 100), (2720, 1536), (100, 56)),
        (Recipe("webp", 3), (2, 1), (3, 2)),
        (Recipe("webp", 1), (4000, 1), (1, 1)),
        (Recipe("webp", 800, 600), (1024, 1024), (800, 600)),
        (Recipe("webp", 800, 600, "stretch"), (1024, 1024), (800, 600)),
        (Recipe("webp", 800, 600, "contain"), (1024, 1024), (600, 600)),
        (Recipe("webp", 800, 600, "contain"), (1024, 512), (800, 400)),
        (Recipe("webp", 800, 600, "contain"), (512, 1024), (300, 600)),
        (Recipe("webp", 800, 600, "contain"), (400, 300), (800, 600)),
        (Recipe("webp", 800, 600, "contain"), (4000, 1), (800, 1)),
    ],
)
def test_the_size_of_an_export_follows_from_its_master(recipe, master, size):
    assert recipe.size_of(*master) == size


@given(master=st.tuples(sides, sides), box=st.tuples(sides, sides))
def test_contain_stays_in_the_box_and_touches_it(master, box):
    width, height = Recipe("png", *box, "contain").size_of(*master)

    assert width <= box[0]
    assert height <= box[1]
    assert width == box[0] or height == box[1]


@given(master=st.tuples(sides, sides), box=st.tuples(sides, sides), fit=fits)
def test_cover_and_stretch_fill_the_box(master, box, fit):
    size = Recipe("png", *box, fit).size_of(*master)

    assert size == box or fit == "contain"


@given(master=st.tuples(sides, sides), side=sides, is_width=st.booleans(), fit=fits)
def test_one_side_keeps_the_shape_to_the_nearest_pixel(master, side, is_width, fit):
    recipe = Recipe("png", side, None, fit) if is_width else Recipe("png", None, side, fit)
    old, other = master if is_width else master[::-1]
    exact = Fraction(other * side, old)
    try:
        size = recipe.size_of(*master)
    except ValueError:
        assert exact > MAX_SIDE or exact * side > MAX_PIXELS / 2
        return
    kept, followed = size if is_width else size[::-1]

    assert kept == side
    assert abs(followed - max(exact, 1)) <= Fraction(1, 2)


@given(master=st.tuples(sides, sides), box=st.tuples(sides, sides))
def test_contain_keeps_the_shape_to_the_nearest_pixel(master, box):
    width, height = Recipe("png", *box, "contain").size_of(*master)

    scale = min(Fraction(box[0], master[0]), Fraction(box[1], master[1]))
    assert abs(width - max(master[0] * scale, 1)) <= Fraction(1, 2)
    assert abs(height - max(master[1] * scale, 1)) <= Fraction(1, 2)


@given(master=st.tuples(sides, sides), recipe=st.builds(Recipe, st.just("png"), sides, sides, fits))
def test_a_size_is_the_same_whatever_is_done_twice(master, recipe):
    once = recipe.size_of(*master)

    assert recipe.size_of(*once) == once


@pytest.mark.parametrize(
    ("recipe", "master", "size"),
    [
        (Recipe("webp", 16_383, 3051), (1, 1), None),
        (Recipe("webp", 16_383, 3052), (1, 1), "16383x3052"),
        (Recipe("webp", 16_384, 1), (1, 1), "16384x1"),
        (Recipe("webp", 1000), (1, 17), "1000x17000"),
        (Recipe("webp"), (16_384, 16), "16384x16"),
        (Recipe("png", 7072, 7071), (1, 1), "7072x7071"),
        (Recipe("webp", 8000, 8000, "contain"), (8000, 6251), "8000x6251"),
        (Recipe("png", 8000, 8000, "contain"), (8000, 6250), None),
    ],
)
def test_what_no_file_can_hold_is_refused_in_half_a_sentence(recipe, master, size):
    if size is None:
        assert max(recipe.size_of(*master)) <= MAX_SIDE
        return
    with pytest.raises(ValueError, match=r"^would be ") as caught:
        recipe.size_of(*master)

    assert str(caught.value) == (
        f"would be {size}, more than 16383 pixels a side and 50 million in all"
    )


def test_a_copy_is_as_large_as_its_master():
    assert Recipe("png").size_of(40_000, 3) == (40_000, 3)
