"""Records and pictures for others: tables, copies, a sheet."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.records import drawn, record, remember, unmade
from tests.conftest import MAI, Result, Run
from tests.terminals import Terminal

FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
PROMPTS = ["a fox", 'quotes " and, commas', "two\nlines", "ü 日本 🦊", *FORMULAS]


@pytest.fixture
def export(run: Run, bare: dict[str, str]) -> Callable[..., Result]:
    return lambda *args, **more: run(bare | more, "history", "export", *map(str, args))


@pytest.fixture
def states(home: Path) -> list[dict]:
    """A history of three pictures, and of two requests without one; the oldest first."""
    states = [
        drawn(home, 0, tags=["hero", "x"]),
        drawn(home, 1, prompt=None),
        unmade(2, "refused", error={"message": "No."}),
        drawn(home, 3, tags=["hero"], prompt="ü 日本"),
        unmade(4, "sent"),
    ]
    remember(home, states)
    return states


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Records.


def test_records_are_written_as_json_lines_and_as_json(export, states):
    newest = states[::-1]
    assert export().objects == newest
    assert export("--format", "jsonl").objects == newest
    assert json.loads(export("--format", "json").out) == newest
    assert export("--tag", "hero").objects == [states[3], states[0]]
    assert export(states[0]["id"], "last~1", states[0]["id"]).objects == [states[0], states[3]]


def test_a_table_has_a_row_for_each_record_and_nothing_runs_in_it(export, home):
    states = [record(number, prompt=prompt) for number, prompt in enumerate(PROMPTS)]
    states.append(record(len(states), prompt="tags", tags=["=1", "b"], deployment="@x"))
    remember(home, states)
    result = export("--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.out.decode(), newline="")))[::-1]
    assert [row["id"] for row in rows] == [state["id"] for state in states]
    assert [row["prompt"] for row in rows[:4]] == PROMPTS[:4]
    assert [row["prompt"] for row in rows[4:-1]] == [f"'{text}" for text in FORMULAS]
    assert (rows[-1]["tags"], rows[-1]["deployment"]) == ("'=1 b", "'@x")
    assert {key: rows[0][key] for key in ("status", "model", "width", "cost_usd", "picture")} == {
        "status": "ok",
        "model": "MAI-Image-2.6",
        "width": "1024",
        "cost_usd": "0.04",
        "picture": "/nowhere/gallery/2026/11/0.png",
    }
    for row in rows:
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_nothing_in_a_table_acts_on_a_terminal(bare, home):
    remember(home, [record(0, prompt="\x1b]0;owned\x07 \x1b[2J")])
    with Terminal([*MAI, "history", "export", "--format", "csv"], bare, columns=200) as terminal:
        assert terminal.leaves() == 0
    assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_a_file_is_written_whole_and_not_replaced_unless_it_is_told(export, states, tmp_path, form):
    printed = export("--format", form).out
    path = tmp_path / "new folder" / f"x.{form}"
    result = export("--format", form, "-o", path)
    assert (result.code, result.lines) == (0, [str(path)])
    assert path.read_bytes() == printed
    path.write_text("mine")
    assert export("--format", form, "-o", path).code == 2
    assert path.read_text() == "mine"
    assert export("--format", form, "-o", path, "--overwrite").code == 0
    assert path.read_bytes() == printed
    assert names(path.parent) == [path.name]


def test_a_dash_is_standard_output(export, states, tmp_path):
    result = export("-o", "-")
    assert not (tmp_path / "-").exists()
    assert (result.code == 0 and result.objects == states[::-1]) or result.code == 2


def test_the_ending_of_a_file_says_what_it_is(export, states, tmp_path):
    assert export("-o", "x.csv").code == 0
    assert (tmp_path / "x.csv").read_text().startswith("id,status,")


@pytest.mark.parametrize("args", [["-o", "x.jsonl"], ["--sheet", "x.png"], ["--format", "csv"]])
def test_as_json_every_line_is_an_object(export, states, args):
    result = export(*args, "--json")
    if result.code == 2:  # refused
        return
    assert all("schema" in one for one in result.objects)


# Pictures.


def test_pictures_are_copied_and_found_after_a_rename(export, run, bare, states, home, tmp_path):
    result = export("--to", "site", "--json")
    assert result.code == 0, result.err
    assert names(tmp_path / "site") == ["0.png", "1.png", "3.png"]
    assert [one["id"] for one in result.objects] == [states[number]["id"] for number in (3, 1, 0)]
    for number in (3, 1, 0):
        state = states[number]
        copy = tmp_path / "site" / f"{number}.png"
        with Image.open(home / "gallery" / state["master"]["path"]) as old, Image.open(copy) as new:
            assert (new.tobytes(), new.format) == (old.tobytes(), "PNG")
        moved = shutil.move(copy, tmp_path / f"moved {number}")
        assert state["id"].encode() in Path(moved).read_bytes()
        shown = run(bare, "history", "show", moved, "--json").objects
        assert [one["id"] for one in shown] == [state["id"]]
    private = (tmp_path / "moved 1").read_bytes()
    assert b"picture 1" not in private


@pytest.mark.parametrize(("form", "name"), [("jpg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF")])
def test_pictures_are_converted_and_still_found(export, run, bare, states, tmp_path, form, name):
    result = export(states[3]["id"], "--to", "site", "--format", form, "--resize", "32x")
    path = tmp_path / "site" / f"3.{form}"
    assert (result.code, result.lines) == (0, [str(path)]), result.err
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == (name, (32, 32))
    moved = shutil.move(path, tmp_path / "renamed")
    (shown,) = run(bare, "history", "show", moved, "--json").objects
    assert shown["id"] == states[3]["id"]
    (told,) = shown["exports"]
    assert (told["path"], told["format"], told["width"]) == (str(path), picture.format.lower(), 32)


def test_without_metadata_a_copy_says_nothing_and_is_found_by_its_content(
    export, run, bare, states, tmp_path
):
    assert export(states[0]["id"], "--to", "x", "--no-metadata", "--format", "webp").code == 0
    path = tmp_path / "x" / "0.webp"
    assert states[0]["id"].encode() not in path.read_bytes()
    (shown,) = run(bare, "history", "show", path, "--json").objects
    assert shown["id"] == states[0]["id"]


def test_filters_choose_the_pictures(export, states, tmp_path):
    assert export("--to", "x", "--tag", "hero", "--search", "日本").code == 0
    assert names(tmp_path / "x") == ["3.png"]


def test_a_copy_that_is_there_is_not_replaced_unless_it_is_told(export, states, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "1.png").write_text("mine")
    result = export("--to", folder)
    assert (result.code, (folder / "1.png").read_text()) == (7, "mine")
    assert "1.png" in result.err
    assert names(folder) == ["0.png", "1.png", "3.png"]
    assert export("--to", folder, "--overwrite").code == 0
    assert (folder / "1.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_of_one_name_are_all_copied(export, home, tmp_path, history):
    states = [drawn(home, number) for number in range(2)]
    (home / "gallery" / "2026" / "12").mkdir()
    (home / "gallery" / "2026" / "11" / "1.png").rename(home / "gallery" / "2026" / "12" / "0.png")
    states[1]["master"]["path"] = "2026/12/0.png"
    remember(home, states)
    for _ in range(2):
        assert export("--to", "x", "--overwrite").code == 0
        assert names(tmp_path / "x") == sorted(["0.png", f"0-{states[0]['id']}.png"])
    files = [history()[state["id"]]["exports"][0]["path"] for state in states]
    assert files == [str(tmp_path / "x" / name) for name in (f"0-{states[0]['id']}.png", "0.png")]


def test_a_copy_is_told_of_once_in_its_record(export, states, history):
    for _ in range(2):
        assert export(states[0]["id"], "--to", "x", "--overwrite").code == 0
    assert len(history()[states[0]["id"]]["exports"]) == 1


def test_a_picture_that_is_gone_keeps_no_other_from_being_copied(export, states, home, tmp_path):
    (home / "gallery" / states[3]["master"]["path"]).unlink()
    result = export("--to", "x")
    assert result.code == 7
    assert states[3]["id"] in result.err
    assert names(tmp_path / "x") == ["0.png", "1.png"]


def test_a_record_without_a_picture_that_is_asked_for_is_told(export, states, tmp_path):
    result = export(states[2]["id"], "--to", "x")
    assert (result.code, result.out) == (2, b"")
    assert "its status is refused" in result.err


# A sheet.


@pytest.mark.parametrize(
    ("name", "form"), [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.webp", "WEBP")]
)
def test_a_sheet_shows_every_picture(export, states, tmp_path, name, form):
    result = export("--sheet", name)
    path = tmp_path / name
    assert (result.code, result.lines, result.err) == (0, [str(path)], "3 pictures\n")
    with Image.open(path) as sheet:
        assert sheet.format == form
        assert min(sheet.size) > 512
    assert export("--sheet", name).code == 2
    assert export("--sheet", name, "--overwrite", "--tag", "hero").err == "2 pictures\n"


@pytest.mark.parametrize(
    "args", [["--sheet", "x.gif"], ["--sheet", "x"], ["--sheet", "x.png", "--tag", "no"]]
)
def test_a_sheet_that_cannot_be_is_refused(export, states, tmp_path, args):
    result = export(*args)
    assert (result.code, result.out) == (2, b"")
    assert list(tmp_path.glob("x*")) == []


def test_a_sheet_leaves_out_what_is_gone(export, states, home, tmp_path):
    (home / "gallery" / states[3]["master"]["path"]).unlink()
    result = export("--sheet", "x.png")
    assert result.code in (0, 7)
    assert (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["-o", "x", "--to", "y"],
        ["-o", "x", "--sheet", "y.png"],
        ["--to", "x", "--sheet", "y.png"],
        ["--to", "x", "--format", "csv"],
        ["--format", "webp"],
        ["-o", "x", "--format", "png"],
        ["--sheet", "y.png", "--format", "png"],
        ["--format", "xml"],
        ["--to", "x", "--quality", "0"],
        ["--to", "x", "--resize", "wide"],
        ["--resize", "10x", "-o", "x"],
        ["--quality", "5"],
        ["--sheet", "y.png", "--resize", "9x"],
        ["--tag", "hero", "ffffffff"],
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    export, states, tmp_path, args
):
    before = sorted(tmp_path.rglob("*"))
    result = export(*args)
    assert (result.code, result.out) == (2, b"")
    assert sorted(tmp_path.rglob("*")) == before
