import base64
import io
import itertools
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters.thumbnails import Thumbnail, shrink
from mai_cli.models.outcome import Outcome
from mai_cli.models.record import Record
from mai_cli.terminal.asking import Abilities
from mai_cli.terminal.output import Output
from mai_cli.terminal.preview import Preview, half_blocks, iterm2, kitty, sixel
from mai_cli.terminal.showing import show_preview
from tests.emulator import png

DIRECT = 1 << 24
CUBE = (0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF)
CELL = (7, 15)
ALL = [Abilities(kitty=True), Abilities(iterm2=True), Abilities(sixel=True), Abilities()]
KINDS = ["kitty", "iterm2", "sixel", "half blocks"]

Pixels = list[list[tuple[int, int, int]]]


@dataclass
class File:
    """A picture of which only the file matters."""

    data: bytes
    width: int = 3
    height: int = 2

    def png(self) -> bytes:
        return self.data


def noise(width: int, height: int, mode: str = "RGB", seed: int = 4) -> Image.Image:
    data = random.Random(seed).randbytes(width * height * len(mode))
    return Image.frombytes(mode, (width, height), data)


def rows_of(picture: Image.Image) -> Pixels:
    data = [*zip(*[iter(picture.convert("RGB").tobytes())] * 3, strict=True)]
    return [data[start : start + picture.width] for start in range(0, len(data), picture.width)]


@st.composite
def pictures(draw: st.DrawFn, most: int = 20) -> Image.Image:
    """Of any small size, in a few colours or in as many as it has pixels."""
    width, height = draw(st.integers(1, most)), draw(st.integers(1, most))
    size = width * height
    if draw(st.booleans()):
        data = draw(st.binary(min_size=3 * size, max_size=3 * size))
    else:
        colors = draw(st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=4))
        places = st.integers(0, len(colors) - 1)
        chosen = draw(st.lists(places, min_size=size, max_size=size))
        data = b"".join(colors[place] for place in chosen)
    return Image.frombytes("RGB", (width, height), data)


# Half blocks, as a terminal shows them.


def cells(text: str, columns: int) -> list[list[pyte.screens.Char]]:
    """Each cell of each line, in a terminal that is just as wide."""
    lines = text.split("\n")
    screen = pyte.Screen(columns, len(lines))
    screen.reset_mode(pyte.modes.DECAWM)  # a cell too many would overwrite the last one
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    assert [len(re.sub("\x1b[^m]*m", "", line)) for line in lines] == [columns] * len(lines)
    return [[screen.buffer[y][x] for x in range(columns)] for y in range(len(lines))]


def named(color: tuple[int, ...]) -> str:
    return bytes(color).hex()


def nearest(color: tuple[int, ...]) -> set[str]:
    """The colours of the cube that are as near as any, for each part of a colour."""
    near = [
        [step for step in CUBE if abs(step - part) == min(abs(other - part) for other in CUBE)]
        for part in color
    ]
    return {named(parts) for parts in itertools.product(*near)}


@given(pictures())
@example(noise(20, 19))
@example(noise(1, 1))
@settings(deadline=None, max_examples=50)
def test_each_pixel_is_half_a_cell_of_its_colour(picture):
    shown = cells(half_blocks(Thumbnail(picture), DIRECT), picture.width)
    rows = rows_of(picture)
    assert len(shown) == (picture.height + 1) // 2
    for y, line in enumerate(shown):
        lower = rows[2 * y + 1] if 2 * y + 1 < picture.height else None
        for x, cell in enumerate(line):
            assert cell.data == "▀"
            assert cell.fg == named(rows[2 * y][x])
            assert cell.bg == (named(lower[x]) if lower else "default")


@given(pictures(), st.sampled_from([256, 16, 8]))
@settings(deadline=None, max_examples=30)
def test_where_there_are_256_colours_the_nearest_is_taken(picture, colors):
    shown = cells(half_blocks(Thumbnail(picture), colors), picture.width)
    rows = rows_of(picture)
    for y, x in itertools.product(range(picture.height), range(picture.width)):
        cell = shown[y // 2][x]
        assert (cell.bg if y % 2 else cell.fg) in nearest(rows[y][x])


@pytest.mark.parametrize("colors", [256, DIRECT])
def test_what_follows_half_blocks_is_plain_again(colors):
    screen = pyte.Screen(10, 5)
    text = half_blocks(Thumbnail(noise(4, 3)), colors)
    pyte.Stream(screen).feed(f"{text}\nx".replace("\n", "\r\n"))
    assert screen.buffer[2][0] == pyte.screens.Char("x")
    assert screen.buffer[0][4] == screen.buffer[1][4] == screen.default_char


def test_a_colour_is_named_where_it_changes_only():
    text = half_blocks(Thumbnail(Image.new("RGB", (80, 2), (1, 2, 3))), DIRECT)
    assert text == f"\x1b[38;2;1;2;3;48;2;1;2;3m{'▀' * 80}\x1b[0m"


# The protocols that take a file.


def kitty_pieces(text: str) -> list[tuple[str, str]]:
    """The keys and the data of each escape sequence; there is nothing else."""
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in pieces) == text
    return pieces


@given(st.integers(1, 12_400))
@example(3072)
@example(3073)
@example(6144)
@example(6145)
@settings(deadline=None)
def test_kitty_gets_the_file_in_pieces_that_it_can_take(size):
    data = random.Random(size).randbytes(size)
    (first, *others), contents = zip(*kitty_pieces(kitty(File(data))), strict=True)
    assert base64.b64decode("".join(contents), validate=True) == data
    assert all(0 < len(content) <= 4096 for content in contents)
    assert all(len(content) % 4 == 0 for content in contents)
    flags = ["m=1"] * len(others) + ["m=0"]
    assert sorted(first.split(",")) == sorted(["a=T", "f=100", "q=2", flags[0]])
    assert others == flags[1:]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_kitty_gets_a_png_with_every_pixel(mode):
    picture = noise(90, 70, mode)
    pieces = kitty_pieces(kitty(Thumbnail(picture)))
    assert len(pieces) > 3
    assert decoded(base64.b64decode("".join(data for _, data in pieces))) == picture


def test_iterm2_gets_a_png_with_every_pixel_and_its_size():
    picture = noise(90, 70, "RGBA")
    head, text = iterm2(Thumbnail(picture)).split(":")
    data = base64.b64decode(text.removesuffix("\x07"), validate=True)
    assert text.endswith("\x07")
    assert head == f"\x1b]1337;File=inline=1;size={len(data)};width=90px;height=70px"
    assert decoded(data) == picture


def decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        return picture.copy()


# Sixel, read as the manual of the VT330 tells it.


@dataclass
class Sixels:
    """What a terminal would draw: the number of a colour for each place, and the colours."""

    width: int
    height: int
    colors: dict[int, tuple[int, ...]]
    drawn: dict[tuple[int, int], int]


def read_sixel(text: str) -> Sixels:
    head = re.match(r'\x1bP0;1;q"1;1;(\d+);(\d+)', text)
    read = Sixels(int(head[1]), int(head[2]), {}, {})
    x = top = color = 0
    at = head.end()
    command = re.compile(
        r"#(?P<number>\d+)(?:;2;(?P<color>\d+;\d+;\d+))?"
        r"|(?:!(?P<count>\d+))?(?P<bits>[?-~])|(?P<move>[$-])"
    )
    while text[at:] != "\x1b\\":
        found = command.match(text, at)
        at = found.end()
        if found["color"]:
            read.colors[int(found["number"])] = tuple(map(int, found["color"].split(";")))
        elif found["number"]:
            color = int(found["number"])
        elif found["move"]:
            x, top = 0, top + 6 * (found["move"] == "-")
        else:
            count = int(found["count"] or 1)
            for place, bit in itertools.product(range(x, x + count), range(6)):
                if (ord(found["bits"]) - 63) >> bit & 1:
                    assert read.drawn.setdefault((place, top + bit), color) == color
            x += count
    return read


def assert_shows(text: str, picture: Thumbnail) -> None:
    read = read_sixel(text)
    palette, pixels = picture.indexed()
    places = [(x, y) for y in range(picture.height) for x in range(picture.width)]
    assert (read.width, read.height) == (picture.width, picture.height)
    assert read.drawn == dict(zip(places, pixels, strict=True))
    for number, color in read.colors.items():
        percents = [part * 100 / 255 for part in palette[3 * number : 3 * number + 3]]
        assert color == pytest.approx(percents, abs=0.5)
    assert set(pixels) <= set(read.colors)


@given(pictures())
@example(noise(20, 20))
@example(noise(20, 6))
@example(noise(20, 7))
@example(noise(1, 1))
@settings(deadline=None)
def test_sixel_draws_each_pixel_once_in_its_colour(picture):
    assert_shows(sixel(Thumbnail(picture)), Thumbnail(picture))


@pytest.mark.parametrize("height", [1, 5, 6, 7, 12, 13])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 255, 256, 799])
def test_sixel_makes_runs_short_and_loses_none_of_them(width, height):
    picture = Image.new("RGB", (width, height), (200, 100, 50))
    picture.paste((0, 0, 255), (width // 2, 0, width // 2 + 1, height))
    text = sixel(Thumbnail(picture))
    assert_shows(text, Thumbnail(picture))
    assert not re.search(r"([?-~])\1{4}", text)


def test_sixel_has_room_for_256_colours_in_one_band():
    colors = [(part, 255 - part, part ^ 0x55) for part in range(256)]
    picture = Image.new("RGB", (64, 4))
    picture.putdata(colors)
    read = read_sixel(sixel(Thumbnail(picture)))
    assert len(set(read.drawn.values())) == 256
    assert_shows(sixel(Thumbnail(picture)), Thumbnail(picture))


# Which of them it is, and how large.


@dataclass
class Shown:
    """What was sent to a terminal, and the size of the picture in pixels."""

    text: str
    kind: str
    size: tuple[int, int]


def shown(
    path: Path, abilities: Abilities, columns: int = 80, rows: int = 24, colors: int = DIRECT
) -> Shown:
    sent: list[str] = []
    preview = Preview(shrink, sent.append, abilities, columns=columns, rows=rows, colors=colors)
    assert preview.is_possible
    preview.show(path)
    (text,) = sent
    assert text.endswith("\n")
    text = text[:-1]
    if text.startswith("\x1b_G"):
        data = "".join(content for _, content in kitty_pieces(text))
        return Shown(text, "kitty", decoded(base64.b64decode(data)).size)
    if text.startswith("\x1b]1337"):
        picture = decoded(base64.b64decode(text.partition(":")[2].removesuffix("\x07")))
        assert f";width={picture.width}px;height={picture.height}px:" in text
        return Shown(text, "iterm2", picture.size)
    if text.startswith("\x1bP"):
        read = read_sixel(text)
        return Shown(text, "sixel", (read.width, read.height))
    lines = [re.sub("\x1b[^m]*m", "", line) for line in text.split("\n")]
    assert {*lines} == {"▀" * len(lines[0])}
    has_odd_height = "48;" not in text.split("\n")[-1]
    return Shown(text, "half blocks", (len(lines[0]), 2 * len(lines) - has_odd_height))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def square(folder: Path) -> Path:
    path = folder / "square.png"
    path.write_bytes(png(1024, 1024))
    return path


def saved(folder: Path, width: int, height: int) -> Path:
    path = folder / f"{width}x{height}.png"
    if not path.exists():
        Image.new("RGB", (width, height), (200, 100, 50)).save(path)
    return path


@pytest.mark.parametrize(
    ("abilities", "kind"),
    [
        *zip(ALL, KINDS, strict=True),
        (Abilities(kitty=True, iterm2=True, sixel=True), "kitty"),
        (Abilities(iterm2=True, sixel=True), "iterm2"),
    ],
)
def test_the_best_way_that_the_terminal_knows_is_taken(square, abilities, kind):
    assert shown(square, abilities, colors=256).kind == kind


@pytest.mark.parametrize(
    ("abilities", "colors", "is_possible"),
    [
        (Abilities(), 0, False),
        (Abilities(cell=CELL), 0, False),
        (Abilities(), 256, True),
        (Abilities(kitty=True), 0, True),
        (Abilities(iterm2=True), 0, True),
        (Abilities(sixel=True), 0, True),
    ],
)
def test_it_is_possible_wherever_there_is_a_way(abilities, colors, is_possible):
    preview = Preview(shrink, print, abilities, columns=80, rows=24, colors=colors)
    assert preview.is_possible is is_possible


@pytest.mark.parametrize(
    ("abilities", "size"),
    [
        (Abilities(kitty=True), (400, 400)),
        (Abilities(kitty=True, cell=(9, 18)), (360, 360)),
        (Abilities(iterm2=True, cell=(12, 30)), (600, 600)),
        (Abilities(sixel=True, cell=(9, 18)), (360, 360)),
        (Abilities(sixel=True, cell=(40, 80)), (800, 800)),
        (Abilities(cell=(9, 18)), (40, 40)),
    ],
)
def test_a_picture_is_as_large_as_the_terminal_leaves_room_for(square, abilities, size):
    assert shown(square, abilities).size == size


@given(
    st.sampled_from([(1, 1), (1, 300), (300, 1), (7, 5), (90, 20), (20, 90), (1600, 900)]),
    st.integers(0, 120),
    st.integers(0, 50),
    st.sampled_from(ALL),
)
@example((1600, 900), 1, 1, ALL[0])
@example((1600, 900), 1, 1, ALL[1])
@example((1600, 900), 1, 1, ALL[2])
@example((1600, 900), 1, 1, ALL[3])
@example((1600, 900), 0, 0, ALL[3])
@settings(deadline=None, max_examples=60)
def test_any_picture_fits_into_any_terminal_and_is_never_enlarged(
    folder, size, columns, rows, abilities
):
    seen = shown(saved(folder, *size), abilities, columns, rows)
    width, height = max(columns, 1), max(rows - 4, 1)
    room = (width, 2 * height) if seen.kind == "half blocks" else (10 * width, 20 * height)
    if seen.kind == "sixel":
        room = min(room[0], 800), min(room[1], 800)
    for side, original, space in zip(seen.size, size, room, strict=True):
        assert 1 <= side <= min(original, space)
    is_touching = any(side in (o, s) for side, o, s in zip(seen.size, size, room, strict=True))
    assert is_touching


@pytest.mark.parametrize("abilities", ALL, ids=KINDS)
def test_the_shape_of_a_picture_stays(folder, abilities):
    width, height = shown(saved(folder, 1600, 900), abilities).size
    assert width / height == pytest.approx(16 / 9, rel=0.03)


# What shines through.


@pytest.fixture
def glass(folder: Path) -> Path:
    """Nothing on the left, half of red in the middle, blue on the right."""
    picture = Image.new("RGBA", (48, 32))
    picture.paste((255, 0, 0, 128), (16, 0, 32, 32))
    picture.paste((0, 0, 255, 255), (32, 0, 48, 32))
    path = folder / "glass.png"
    picture.save(path)
    return path


def test_transparency_is_for_the_terminal_to_show_where_it_takes_files(glass):
    original = decoded(glass.read_bytes())
    for make in (kitty, iterm2):
        text = make(shrink(glass, 100, 100))
        data = re.sub(r"\x1b_G[^;]*;|\x1b\\|\x1b\][^:]*:|\x07", "", text)
        assert decoded(base64.b64decode(data)) == original


def assert_shines_through(color_at: list[list[tuple[int, ...]]], tolerance: int = 0) -> None:
    boards = {color_at[y][x] for y in range(32) for x in range(16)}
    assert len(boards) == 2
    assert all(max(board) - min(board) <= tolerance for board in boards)
    for y, x in itertools.product(range(32), range(16)):
        same = (x // 8 + y // 8) % 2 == 0
        assert (color_at[y][x] == color_at[0][0]) is same
        board, mixed = color_at[y][x], color_at[y][16 + x]
        expected = (board[0] + 255) / 2, board[1] / 2, board[2] / 2
        assert mixed == pytest.approx(expected, abs=2 + tolerance)
        assert color_at[y][32 + x] == pytest.approx((0, 0, 255), abs=tolerance)


def test_transparency_shows_a_board_of_squares_in_half_blocks(glass):
    shown = cells(half_blocks(shrink(glass, 48, 32), DIRECT), 48)
    assert_shines_through(
        [
            [tuple(bytes.fromhex(cell.bg if y % 2 else cell.fg)) for cell in shown[y // 2]]
            for y in range(32)
        ]
    )


def test_transparency_shows_a_board_of_squares_in_sixel(glass):
    read = read_sixel(sixel(shrink(glass, 48, 32)))
    seen = [
        [tuple(part * 2.55 for part in read.colors[read.drawn[x, y]]) for x in range(48)]
        for y in range(32)
    ]
    assert_shines_through(seen, tolerance=2)


# What a run says of it.


def outcome(path: Path | None) -> Outcome:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    record = Record("b7c41f09e2aa", "ok", now, "x", "pics", None, None, offline=True, request={})
    return Outcome(record, path)


def half_block_preview(output: Output) -> Preview:
    return Preview(shrink, output.screen, Abilities(), columns=80, rows=24, colors=256)


def test_a_picture_goes_to_stderr_as_it_is(capfdbinary, square):
    output = Output()
    show_preview(output, half_block_preview(output), outcome(square))
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.decode() == shown(square, Abilities(), colors=256).text + "\n"


def test_where_there_is_no_picture_nothing_is_shown(capfdbinary):
    output = Output()
    show_preview(output, half_block_preview(output), outcome(None))
    assert capfdbinary.readouterr() == (b"", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory."),
        (b"", "it is not a picture."),
        (b"<svg/>", "it is not a picture."),
        (png(64, 64)[:60], r"it is damaged \(.*\)."),
    ],
)
def test_a_picture_that_cannot_be_shown_is_a_note(capfdbinary, tmp_path, content, said):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    output = Output()
    show_preview(output, half_block_preview(output), outcome(path))
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert re.fullmatch(f"The picture cannot be shown: {said}\n", err.decode())
