import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.catalogue import MIN_SIDE, SAFE_MAX_PIXELS, SIDE_STEP, Model, find
from mai_cli.models.size import Size, parse_size

SMALL, MIDDLE, LARGE = find("MAI-Image-2.5"), find("MAI-Image-2.6"), find("MAI-Image-2.7")
UNKNOWN = Model.unknown()
MODELS = [SMALL, MIDDLE, LARGE, UNKNOWN]

sides = st.integers(0, 5000) | st.integers(0, 9_999_999_999)
ratio_parts = st.integers(0, 9999).map(str) | st.decimals(0, 9999, places=3).map(str)
texts = (
    st.text()
    | st.builds("{}x{}".format, sides, sides)
    | st.builds("{}:{}".format, ratio_parts, ratio_parts)
)


def nearest(error: UsageError) -> str:
    found = re.fullmatch(r"The nearest size that works is (\d+x\d+)\.", error.hint)
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("ratio", "small", "middle", "large"),
    [
        ("1:1", "1024x1024", "1536x1536", "2048x2048"),
        ("4:3", "1168x880", "1760x1328", "2352x1760"),
        ("3:2", "1248x832", "1872x1248", "2496x1664"),
        ("16:9", "1360x768", "2048x1152", "2720x1536"),
    ],
)
def test_a_ratio_becomes_the_largest_size_of_that_shape(ratio, small, middle, large):
    turned = ":".join(reversed(ratio.split(":")))
    for model, text in ((SMALL, small), (MIDDLE, middle), (LARGE, large), (UNKNOWN, small)):
        size = parse_size(ratio, model)
        assert str(size) == text
        assert size
        assert parse_size(turned, model) == Size(size.height, size.width)


def test_a_shape_that_is_long_fits_the_larger_models_only():
    assert str(parse_size("21:9", MIDDLE)) == "2336x1008"
    assert str(parse_size("21:9", LARGE)) == "3120x1344"
    with pytest.raises(UsageError) as caught:
        parse_size("21:9", SMALL)
    assert caught.value.code == "bad_size"
    assert caught.value.message == (
        "21:9 is too long a shape for MAI-Image-2.5: 1,048,576 pixels at most, each side at "
        "least 768."
    )
    assert nearest(caught.value) == "1360x768"
    with pytest.raises(UsageError) as caught:
        parse_size("9:21", SMALL)
    assert nearest(caught.value) == "768x1360"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("square", "1536x1536"),
        ("landscape", "1872x1248"),
        ("portrait", "1248x1872"),
        ("wide", "2048x1152"),
        ("tall", "1152x2048"),
        (" WIDE ", "2048x1152"),
        ("1.85:1", "2080x1120"),
    ],
)
def test_a_name_is_a_ratio(name, size):
    assert str(parse_size(name, MIDDLE)) == size


@pytest.mark.parametrize(
    "text", ["1280x816", "1280X816", "1280 x 816", " 1280x816\n", "1280×816", "01280x0816"]
)
def test_a_size_is_taken_as_it_is(text):
    assert parse_size(text, SMALL) == Size(1280, 816)


@pytest.mark.parametrize(
    ("text", "problem", "works"),
    [
        ("1000x1000", "both sides must be multiples of 16", "1008x1008"),
        ("1366x768", "both sides must be multiples of 16", "1360x768"),
        ("1024x512", "each side must be at least 768", "1024x768"),
        ("0x0", "each side must be at least 768", "768x768"),
        ("512x1365", "each side must be at least 768", "768x1360"),
        ("1536x1024", "MAI-Image-2.5 draws at most 1,048,576 pixels", "1248x832"),
        ("2048x2048", "MAI-Image-2.5 draws at most 1,048,576 pixels", "1024x1024"),
        ("1792x768", "MAI-Image-2.5 draws at most 1,048,576 pixels", "1360x768"),
        ("768x99999", "both sides must be multiples of 16", "768x1360"),
    ],
)
def test_a_size_that_would_be_changed_or_refused_is_refused_with_the_nearest(text, problem, works):
    with pytest.raises(UsageError) as caught:
        parse_size(text, SMALL)
    assert caught.value.code == "bad_size"
    assert caught.value.message == f"{text} cannot be drawn: {problem}."
    assert nearest(caught.value) == works


@pytest.mark.parametrize(
    ("text", "model"), [("1360x768", SMALL), ("1536x1536", MIDDLE), ("2048x2048", LARGE)]
)
def test_a_size_at_the_limit_is_drawn_and_one_step_more_is_not(text, model):
    size = parse_size(text, model)
    assert size
    with pytest.raises(UsageError):
        parse_size(f"{size.width + 16}x{size.height + 16}", model)


def test_only_the_rules_of_all_models_hold_for_one_that_is_not_known():
    assert parse_size("4096x4096", UNKNOWN) == Size(4096, 4096)
    with pytest.raises(UsageError, match="multiples of 16"):
        parse_size("4095x4096", UNKNOWN)
    with pytest.raises(UsageError, match="at least 768"):
        parse_size("4096x512", UNKNOWN)


def test_the_service_chooses_the_size_where_the_model_lets_it():
    assert [parse_size("auto", model) for model in (MIDDLE, LARGE, UNKNOWN)] == [None] * 3
    with pytest.raises(UsageError) as caught:
        parse_size("Auto", SMALL)
    assert caught.value.code == "not_offered"
    assert caught.value.message == "MAI-Image-2.5 does not choose the size by itself."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "big",
        "1024",
        "1024x",
        "-1024x1024",
        "1024x1024x3",
        "0:0",
        "0:9",
        "16:",
        "1e3:1",
        "inf:1",
        "99999:1",
        "16/9",
        "\u0661:\u0661",
        "1024x1024\0",
        "\ud800",
    ],
)
def test_what_is_no_size_is_refused_with_the_words_that_are(text):
    with pytest.raises(UsageError) as caught:
        parse_size(text, MIDDLE)
    assert caught.value.code == "bad_size"
    assert "square, landscape, portrait, wide, tall, auto" in caught.value.hint


@given(text=texts, model=st.sampled_from(MODELS))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_size_or_refused_and_the_nearest_size_is_one(text, model):
    try:
        size = parse_size(text, model)
    except UsageError as error:
        if works := nearest(error):
            assert str(parse_size(works, model)) == works
        return
    if size is not None and model.max_pixels:
        assert size.pixels <= model.max_pixels


def test_the_nearest_size_is_one_even_at_the_edge_of_what_can_be_written():
    with pytest.raises(UsageError) as caught:
        parse_size("999999999x768", UNKNOWN)
    works = nearest(caught.value)
    assert str(parse_size(works, UNKNOWN)) == works


@given(wide=st.integers(1, 9999), high=st.integers(1, 9999), model=st.sampled_from(MODELS))
@example(wide=16, high=9, model=SMALL)
@example(wide=12, high=9, model=SMALL)
@settings(max_examples=200, deadline=None)
def test_a_ratio_gives_its_shape_as_large_as_possible_or_cannot_be_drawn(wide, high, model):
    limit = model.max_pixels or SAFE_MAX_PIXELS
    shape = max(wide, high) / min(wide, high)
    try:
        size = parse_size(f"{wide}:{high}", model)
    except UsageError:
        size = None
    if size is None:
        assert shape * MIN_SIDE**2 > 0.97 * limit
    else:
        assert size.pixels <= limit
        assert abs(size.width / size.height * high / wide - 1) < 0.05
        assert (max(size.width, size.height) + SIDE_STEP) ** 2 / shape > limit


@pytest.mark.parametrize("sides", [(1024, 752), (760, 1024), (1024, 1000), (1000, 1024), (9, 9)])
def test_a_size_that_no_model_can_draw_cannot_exist(sides):
    with pytest.raises(ValueError, match="is not a size that a model can draw"):
        Size(*sides)


def test_a_size_counts_its_pixels():
    assert (str(Size(1360, 768)), Size(1360, 768).pixels) == ("1360x768", 1_044_480)
