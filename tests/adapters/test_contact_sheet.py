from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from mai_cli.adapters import contact_sheet as module
from mai_cli.adapters.contact_sheet import MAX_CELLS, Cell, contact_sheet
from tests.pictures import encoded

RED, BLUE, PAPER, FAINT = (200, 30, 30), (30, 30, 200), (250, 250, 250), (225, 225, 225)
CELL, GAP, LINES = 256, 24, 40


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, size, color in [
        ("red", (512, 512), RED),
        ("wide", (600, 150), BLUE),
        ("tiny", (9, 9), RED),
    ]:
        (folder / name).write_bytes(encoded(Image.new("RGB", size, color)))
    (folder / "clear").write_bytes(encoded(Image.new("RGBA", (300, 300))))
    (folder / "torn").write_bytes((folder / "red").read_bytes()[:-20])
    return {name: folder / name for name in ("red", "wide", "tiny", "clear", "torn", "gone")}


def sheet_of(*cells: Cell, form: str = "png") -> Image.Image:
    with Image.open(BytesIO(contact_sheet(cells, form))) as sheet:
        sheet.load()
        return sheet


def cell(path: Path, *captions: str) -> Cell:
    return Cell(path, captions or ("b7c41f09e2aa", "a lighthouse at dawn"))


def corner(number: int, columns: int) -> tuple[int, int]:
    row, column = divmod(number, columns)
    return GAP + column * (CELL + GAP), GAP + row * (CELL + GAP + LINES)


def middle(sheet: Image.Image, number: int, columns: int) -> tuple[int, ...]:
    left, top = corner(number, columns)
    return sheet.getpixel((left + CELL // 2, top + CELL // 2))


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 3, 2), (9, 3, 3), (10, 4, 3)],
)
def test_pictures_stand_in_a_square(paths, count, columns, rows):
    sheet = sheet_of(*[cell(paths["tiny"])] * count)
    assert sheet.size == (columns * (CELL + GAP) + GAP, rows * (CELL + GAP + LINES) + GAP)


def test_pictures_come_in_their_order_row_by_row(paths):
    sheet = sheet_of(*[cell(paths[name]) for name in ("red", "wide", "wide", "red")])
    assert [middle(sheet, number, 2) for number in range(4)] == [RED, BLUE, BLUE, RED]


def test_a_picture_keeps_its_shape_in_the_middle_of_its_cell(paths):
    sheet = sheet_of(cell(paths["wide"]))
    column = [sheet.getpixel((GAP + 128, GAP + y)) for y in range(CELL)]
    assert column.count(BLUE) == 64
    assert column[96:160] == [BLUE] * 64
    assert sheet.getpixel((GAP + 128, GAP + 20)) == PAPER


def test_a_small_picture_is_not_blown_up(paths):
    left, top = corner(0, 1)
    sheet = sheet_of(cell(paths["tiny"])).crop((left, top, left + CELL, top + CELL))
    assert (81, RED) in sheet.getcolors()


def test_what_shines_through_is_on_squares(paths):
    sheet = sheet_of(cell(paths["clear"]))
    colors = {sheet.getpixel((GAP + x, GAP + y)) for x in range(20) for y in range(20)}
    assert colors == {(204, 204, 204), (153, 153, 153)}


@pytest.mark.parametrize("name", ["torn", "gone"])
def test_what_cannot_be_read_is_an_empty_frame(paths, name):
    sheet = sheet_of(cell(paths[name]), cell(paths["red"]))
    left, top = corner(0, 2)
    assert sheet.getpixel((left, top)) == FAINT
    assert middle(sheet, 0, 2) == PAPER
    assert middle(sheet, 1, 2) == RED


def test_the_captions_stand_below_within_their_cell(paths):
    plain = sheet_of(cell(paths["red"], "", ""))
    written = sheet_of(cell(paths["red"], "b7c41f09e2aa", "W" * 500))
    changed = [
        (x, y)
        for x in range(plain.width)
        for y in range(plain.height)
        if plain.getpixel((x, y)) != written.getpixel((x, y))
    ]
    assert changed
    assert min(y for _, y in changed) >= GAP + CELL
    assert GAP - 1 <= min(x for x, _ in changed) <= max(x for x, _ in changed) <= GAP + CELL


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "two\nlines\tand \0 \x1b[31m",
        "\udcff\ud800",
        "雪の中の狐 \U0001f98a",
        "\u202eabc",
        "e\u0301" * 99,
    ],
)
@pytest.mark.parametrize("fonts", [module._FONTS, ()])
def test_any_caption_can_be_written(paths, monkeypatch, caption, fonts):
    monkeypatch.setattr(module, "_FONTS", fonts)
    sheet_of(cell(paths["tiny"], "id", caption))


@pytest.fixture
def no_font(monkeypatch):
    """A system that has none of the fonts that are looked for."""
    monkeypatch.setattr(module, "_FONTS", ())


def caption_of(path: Path, text: str) -> bytes:
    return sheet_of(cell(path, text)).tobytes()


@pytest.mark.skipif(not module._font()[1], reason="this system has none of the fonts")
def test_letters_of_other_scripts_are_drawn_where_the_system_has_a_font(paths):
    texts = ["?", "é", "e", "ж", "ш", "λ", "\ue000"]  # the last one is a letter of no font
    assert len({caption_of(paths["tiny"], text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("été", "ete"), ("жш", "??"), ("a 雪 \U0001f98a", "a ? ?"), ("\udcff", "?"), ("ﬁ", "fi")],
)
def test_where_it_has_none_what_is_not_ascii_is_simplified(paths, no_font, text, plain):
    drawn = caption_of(paths["tiny"], text)
    assert drawn == caption_of(paths["tiny"], plain)
    assert drawn != caption_of(paths["tiny"], "")


def test_a_font_that_is_not_there_is_passed_over(paths, monkeypatch):
    monkeypatch.setattr(module, "_FONTS", ("no such font.ttf", *module._FONTS))
    assert caption_of(paths["tiny"], "été") != caption_of(paths["tiny"], "")


def test_a_long_caption_is_not_measured_letter_by_letter(paths, monkeypatch):
    measured = []
    length = ImageDraw.ImageDraw.textlength

    def measure(draw: ImageDraw.ImageDraw, text: str, *rest: object) -> float:
        measured.append(len(text))
        assert sum(measured) < 200_000
        return length(draw, text, *rest)

    monkeypatch.setattr(ImageDraw.ImageDraw, "textlength", measure)
    sheet_of(cell(paths["tiny"], "id", "word " * 6000))


def test_any_file_name_is_an_empty_frame(paths):
    for name in ("x" * 5000, "\udcff", ".", "/dev/null"):
        assert middle(sheet_of(cell(Path(name))), 0, 1) == PAPER


@pytest.mark.parametrize(
    ("form", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF")]
)
def test_a_sheet_may_be_of_every_format(paths, form, name):
    sheet = sheet_of(cell(paths["red"]), form=form)
    assert sheet.format in (name, None)
    assert middle(sheet.convert("RGB"), 0, 1) == pytest.approx(RED, abs=12)


def test_the_largest_sheet_is_no_larger_than_formats_allow(paths):
    sheet = sheet_of(*[cell(paths["gone"], "x", "y")] * MAX_CELLS, form="jpeg")
    assert sheet.width * sheet.height < 40_000_000
    assert max(sheet.size) < 16_384
