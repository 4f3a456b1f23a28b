from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.recipe import FORMATS, Recipe
from mai_cli.models.size import Size
from mai_cli.services.outputs import (
    Target,
    Targets,
    check_place,
    check_sizes,
    check_targets,
    is_within,
    parse_outputs,
    real,
)

COPY = Recipe("png")

GALLERY = Path("/gallery")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(call, *args, **options):
    with pytest.raises(UsageError) as caught:
        call(*args, **options)
    return caught.value


def parse(*texts, recipe=COPY, pictures=1, json=False, stdout_is_terminal=False):
    return parse_outputs(
        texts, recipe, pictures=pictures, json=json, stdout_is_terminal=stdout_is_terminal
    )


@pytest.mark.parametrize(
    ("text", "path", "is_folder"),
    [
        ("hero.png", "hero.png", False),
        ("HERO.PNG", "HERO.PNG", False),
        ("a/b.c/hero.v2.png", "a/b.c/hero.v2.png", False),
        (" .png", " .png", False),
        ("drafts/", "drafts", True),
        ("drafts.png/", "drafts.png", True),
        ("there", "there", True),
        ("there.png", "there.png", True),
        (".", ".", True),
    ],
)
def test_an_output_is_a_file_or_a_folder(here, text, path, is_folder):
    (here / "there").mkdir()
    (here / "there.png").mkdir()

    output = Target.parse(text)

    assert (output.path, output.is_folder) == (here / path, is_folder)
    assert output.folder == (output.path if is_folder else output.path.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "An output has no name."),
        ("a\0.png", "An output has no name."),
        ("hero.webpx", "mai does not know the picture format 'webpx': hero.webpx"),
        ("hero.TIFF", "mai does not know the picture format 'tiff': hero.TIFF"),
        ("hero.gif", "mai does not know the picture format 'gif': hero.gif"),
        ("hero", "The output has no ending that names a format: hero"),
        (".png", "The output has no ending that names a format: .png"),
        ("hero.", "The output has no ending that names a format: hero."),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(text, message):
    error = refused(Target.parse, text)

    assert (error.code, error.message) == ("bad_output", message)
    assert error.hint


@pytest.mark.parametrize("name", ["ä" * 119 + ".png", "x" * 300 + ".png"])
def test_a_name_that_is_too_long_is_refused_and_no_bug(name):
    error = refused(Target.parse, name)

    assert (error.code, error.hint) == ("bad_output", "Shorten it.")
    assert error.message == f"The name of the output is too long: {name}"


def test_a_name_may_be_as_long_as_leaves_room_for_a_number():
    assert Target.parse("ä" * 118 + ".png").path.name == "ä" * 118 + ".png"


@given(
    text=st.text()
    | st.builds("{}{}".format, st.text("ab./-", max_size=12), st.sampled_from(sorted(FORMATS)))
)
@settings(deadline=None)
def test_any_output_is_understood_or_refused(text):
    try:
        output = Target.parse(text)
    except UsageError:
        return
    assert output.path.is_absolute()
    assert output.is_folder or output.path.suffix.lower() in FORMATS
    assert output.recipe.format == (
        "png" if output.is_folder else FORMATS[output.path.suffix.lower()]
    )


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("hero.png", "png"),
        ("hero.webp", "webp"),
        ("hero.jpg", "jpeg"),
        ("hero.JPEG", "jpeg"),
        ("hero.png.Avif", "avif"),
        ("there.webp", "png"),
        ("new.webp/", "png"),
    ],
)
def test_the_ending_of_a_file_chooses_its_format_and_a_folder_keeps_png(here, text, format_):
    (here / "there.webp").mkdir()
    wanted = Recipe("png", 300, 200, "contain", 70, 40)

    assert Target.parse(text).recipe == Recipe(format_)
    assert Target.parse(text, wanted).recipe == replace(wanted, format=format_)


def test_what_is_wrong_with_an_ending_is_told_with_all_that_there_are():
    assert refused(Target.parse, "hero.gif").hint == (
        "End it in .png, .webp, .jpg, .jpeg, .avif, or in a slash for a folder."
    )


SMALL = Recipe("png", 300)


def test_every_output_gets_the_recipe_of_the_run(here):
    files = parse("a.png", "b.webp", "-", "drafts/", recipe=SMALL).files

    assert [(target.path.name, target.recipe) for target in files] == [
        ("a.png", SMALL),
        ("b.webp", replace(SMALL, format="webp")),
        ("drafts", SMALL),
    ]


@pytest.mark.parametrize("texts", [[], ["-"]])
@pytest.mark.parametrize(
    "recipe",
    [SMALL, Recipe("png", None, 300), Recipe("png", quality=80), Recipe("png", max_kb=100)],
)
def test_a_recipe_without_an_output_is_refused(texts, recipe):
    error = refused(parse, *texts, recipe=recipe)

    assert (error.code, error.message, error.hint) == (
        "bad_option",
        "There is no output to resize or compress.",
        "Name one with -o; the master in the gallery stays as the service sent it.",
    )


@pytest.mark.parametrize("texts", [["a.png"], ["drafts/", "-"], ["a.PNG", "b.png"]])
def test_a_quality_that_no_output_can_have_is_refused(texts):
    error = refused(parse, *texts, recipe=Recipe("png", quality=80))

    assert (error.code, error.message) == ("bad_option", "--quality means nothing for PNG.")
    assert error.hint == "Leave it out, or ask for a .jpg, .webp or .avif."
    assert parse(*texts, "hero.jpg", recipe=Recipe("png", quality=80)).files[-1].recipe == Recipe(
        "jpeg", quality=80
    )


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (Recipe("png", width=16_383), Size(1024, 1040)),
        (Recipe("png", 16_383, 16_383), Size(1024, 1024)),
        (Recipe("png", height=10_000), Size(1024, 768)),
    ],
)
def test_an_output_that_would_be_larger_than_a_file_can_be_is_refused(here, recipe, size):
    outputs = parse("-", "hero.webp", recipe=recipe)

    error = refused(check_sizes, outputs, [Size(1024, 1024), size])

    assert (error.code, error.hint) == ("bad_output", "Ask for less.")
    assert error.message.startswith(f"The output {here / 'hero.webp'} would be ")
    assert error.message.endswith(", more than 16383 pixels a side and 50 million in all.")


def test_an_output_that_can_be_made_is_not_refused_for_its_size(here):
    check_sizes(parse("hero.webp", "x/", recipe=Recipe("png", 7000, 7000)), [Size(1024, 1024)])
    check_sizes(parse("hero.webp", recipe=SMALL), [])
    check_sizes(parse(), [Size(1024, 1024)])


@pytest.mark.parametrize(
    ("output", "number", "file"),
    [
        ("hero.png", None, "hero.png"),
        ("hero.png", 1, "hero-1.png"),
        ("a.b/hero.v2.PNG", 12, "a.b/hero.v2-12.PNG"),
        ("hero.webp", 2, "hero-2.webp"),
        ("hero.v2.avif", 3, "hero.v2-3.avif"),
        ("drafts/", None, "drafts/091403-fox.png"),
        ("drafts/", 3, "drafts/091403-fox.png"),
    ],
)
def test_one_of_several_pictures_has_its_number_before_the_extension(here, output, number, file):
    assert Target.parse(output).file_for("091403-fox.png", number) == here / file


def test_outputs_are_understood_in_their_order(here):
    outputs = parse("b.png", "a.png", "-")

    assert [output.path.name for output in outputs.files] == ["b.png", "a.png"]
    assert outputs.to_stdout
    assert parse() == Targets([], to_stdout=False)
    assert parse("drafts/", pictures=4, json=True, stdout_is_terminal=True).files


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"json": True}, "'-o -' and --json both want standard output."),
        ({"pictures": 2}, "'-o -' takes one picture, not several."),
        ({"stdout_is_terminal": True}, "'-o -' would write a picture to the terminal."),
    ],
)
def test_standard_output_is_refused_where_it_cannot_work(options, message):
    error = refused(parse, "hero.png", "-", **options)

    assert (error.code, error.message) == ("bad_output", message)
    assert error.hint == (
        "Give a file such as hero.png, or send standard output to a file or a program."
    )


@pytest.mark.parametrize(
    ("texts", "numbers", "taken"),
    [
        (["hero.png"], [None], "hero.png"),
        (["hero.png"], [1, 2], "hero-2.png"),
        (["new.png", "hero.png"], [None], "hero.png"),
    ],
)
def test_a_file_that_is_in_the_way_is_found_out_beforehand(here, texts, numbers, taken):
    outputs = parse(*texts)
    (here / taken).write_bytes(b"old")

    error = refused(check_targets, outputs, numbers, GALLERY, overwrite=False)
    assert (error.code, error.message) == ("output_exists", f"The output exists: {here / taken}")
    assert error.hint == "Choose another name, or add --overwrite."

    check_targets(outputs, numbers, GALLERY, overwrite=True)
    assert (here / taken).read_bytes() == b"old"


def test_a_link_that_points_nowhere_is_in_the_way_too(here):
    (here / "hero.png").symlink_to("elsewhere.png")

    error = refused(check_targets, parse("hero.png"), [None], GALLERY, overwrite=False)

    assert error.code == "output_exists"


def test_a_folder_is_in_the_way_of_a_file_even_if_files_may_be_replaced(here):
    outputs = parse("hero.png")
    (here / "hero-1.png").mkdir()

    error = refused(check_targets, outputs, [1], GALLERY, overwrite=True)

    assert error.code == "output_exists"


def test_files_in_a_folder_of_outputs_are_in_nobodys_way(here):
    (here / "drafts").mkdir()
    (here / "drafts" / "old.png").write_bytes(b"old")

    check_targets(parse("drafts", "drafts/hero.png", "hero.png"), [1, 2], GALLERY, overwrite=False)


@pytest.mark.parametrize(
    "texts",
    [
        ["hero.png", "hero.png"],
        ["hero.png", "./hero.png"],
        ["hero.png", "{here}/hero.png"],
        ["hero.png", "drafts/../hero.png"],
        ["hero.png", "same/hero.png"],
        ["drafts/", "drafts/"],
        ["drafts/", "drafts"],
    ],
)
def test_two_outputs_of_one_name_are_refused_however_they_are_spelt(here, texts):
    (here / "drafts").mkdir()
    (here / "same").symlink_to(here)
    outputs = parse(*(text.format(here=here) for text in texts))

    error = refused(check_targets, outputs, [None], GALLERY, overwrite=False)

    assert (error.code, error.hint) == ("bad_output", "Rename one.")
    assert error.message.startswith("Two outputs have the same name: ")


@pytest.mark.parametrize(
    "text",
    ["gallery/hero.png", "gallery/2026/hero.webp", "gallery/", "link/a.png", "link/", "link/2026"],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_among_the_masters(here, text, overwrite):
    (here / "gallery" / "2026").mkdir(parents=True)
    (here / "link").symlink_to(here / "gallery")
    error = refused(check_targets, parse(text), [None], here / "gallery", overwrite=overwrite)

    assert (error.code, error.hint) == ("bad_output", "Choose another place.")
    assert "in the gallery" in error.message


def test_links_that_lead_in_a_circle_are_no_bug(here):
    (here / "loop").symlink_to(here / "loop")
    check_targets(parse("loop/a.png"), [None], here / "gallery", overwrite=False)


def test_one_folder_by_two_names_is_one_output(here):
    (here / "drafts").mkdir()
    (here / "link").symlink_to(here / "drafts")
    error = refused(check_targets, parse("drafts/", "link/"), [None], GALLERY, overwrite=False)

    assert error.message.startswith("Two outputs have the same name: ")


@pytest.mark.parametrize(("path", "is_folder"), [("gallery", True), ("gallery/a", False)])
@pytest.mark.parametrize("link", [False, True])
def test_a_place_among_the_masters_is_refused(here, path, is_folder, link):
    (here / "gallery").mkdir()
    (here / "link").symlink_to(here / "gallery")
    path = path.replace("gallery", "link") if link else path
    error = refused(check_place, here / path, here / "gallery", is_folder=is_folder)

    assert error.code == "bad_output"


def test_a_place_is_told_as_it_really_is(here):
    (here / "drafts").mkdir()
    (here / "link").symlink_to(here / "drafts")
    (here / "drafts" / "a.png").symlink_to(here / "b.png")
    gallery = here / "gallery"

    assert check_place(here / "link", gallery, is_folder=True) == here / "drafts"
    file = check_place(here / "link" / "a.png", gallery, is_folder=False)
    assert file == here / "drafts" / "a.png"


def test_a_file_is_known_by_every_way_to_its_folder(here):
    (here / "drafts").mkdir()
    (here / "link").symlink_to(here / "drafts")
    (here / "drafts" / "a.png").symlink_to(here / "b.png")
    ways = ["drafts/a.png", "link/a.png", "drafts/../link/a.png"]

    assert {real(here / way) for way in ways} == {str(here / "drafts" / "a.png")}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("gallery/a.png", True),
        ("gallery/2026/a.png", True),
        ("link/a.png", True),
        ("gallery/out/a.png", False),
        ("gallery/../b.png", False),
        ("gallery-2/a.png", False),
    ],
)
def test_what_is_below_a_folder_is_told_with_links_followed(here, path, answer):
    (here / "gallery" / "2026").mkdir(parents=True)
    (here / "outside").mkdir()
    (here / "link").symlink_to(here / "gallery")
    (here / "gallery" / "out").symlink_to(here / "outside")

    assert is_within(here / path, here / "gallery") is answer
    assert is_within(here / path, here / "link") is answer
