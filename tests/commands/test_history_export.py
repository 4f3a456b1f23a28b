"""Records and pictures for others: tables, copies, a sheet."""

import csv
import hashlib
import io
import json
import os
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

REFUSED = {"code": "content_filter", "message": "No.", "hint": "", "exit_code": 5}


@pytest.fixture
def export(run: Run, bare: dict[str, str]) -> Callable[..., Result]:
    return lambda *args, **more: run(bare | more, "history", "export", *map(str, args))


@pytest.fixture
def states(home: Path) -> list[dict]:
    """A history of three pictures, and of two requests without one; the oldest first."""
    states = [
        drawn(home, 0, tags=["hero", "x"]),
        drawn(home, 1, prompt=None),
        unmade(2, "refused", error=REFUSED),
        drawn(home, 3, tags=["hero"], prompt="ü 日本"),
        unmade(4, "sent"),
    ]
    remember(home, states)
    return states


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


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

    told = export("--to", "y", "--json")
    assert [one["schema"] for one in told.objects] == ["mai/error/1", *["mai/record/1"] * 2]
    assert told.objects[0]["error"]["message"] == (
        f"The record {states[3]['id']} has no picture on this machine."
    )


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
        ["-o", "a.png"],
        ["-o", "a.JPEG"],
        ["-o", "a.webp", "--json"],
        ["--to", ""],
        ["--to", "", "--json"],
        ["--sheet", ""],
        ["-o", ""],
        ["--to", "", "--sheet", ""],
        ["--to", "", "--resize", "9x"],
        ["--to", "home/gallery"],
        ["--to", "home/gallery/2026/11", "--overwrite"],
        ["--to", "home/gallery/new", "--format", "webp"],
        ["--sheet", "home/gallery/x.png"],
        ["--sheet", "home/gallery/2026/11/0.png", "--overwrite"],
        ["-o", "home/gallery/x.csv"],
        ["-o", "home/gallery/2026/11/0.png", "--format", "csv", "--overwrite"],
        ["-o", "home/history.jsonl"],
        ["-o", "home/history.jsonl", "--overwrite"],
        ["-o", "home/../home/history.jsonl", "--overwrite", "--format", "csv"],
        ["--to", "home/history.jsonl"],
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    export, states, tmp_path, args
):
    before = contents(tmp_path)
    result = export(*args)
    assert result.code == 2
    assert [one["schema"] for one in result.objects] == ["mai/error/1"] * ("--json" in args)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("option", ["--to", "--sheet", "-o"])
def test_an_empty_place_is_told(export, states, option):
    assert export(option, "").err.startswith(f"Error: {option} is empty.")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--to", "link"], "The output is in the gallery, which is for masters: {here}/link\n"),
        (["--sheet", "link/x.png"], "which is for masters: {here}/link/x.png\n"),
        (["-o", "link/x.csv"], "which is for masters: {here}/link/x.csv\n"),
        (["-o", "home/history.jsonl"], "The output is the history: {here}/home/history.jsonl\n"),
    ],
)
def test_a_place_where_pictures_or_records_are_kept_is_refused_by_every_way_to_it(
    export, states, home, tmp_path, args, message
):
    (tmp_path / "link").symlink_to(home / "gallery")
    before = contents(tmp_path)
    result = export(*args, "--overwrite")
    assert (result.code, message.format(here=tmp_path) in result.err) == (2, True), result.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["history.jsonl", "real.jsonl"])
def test_a_history_behind_a_link_is_not_replaced_by_what_is_exported(export, states, home, name):
    (home / "history.jsonl").rename(home / "real.jsonl")
    (home / "history.jsonl").symlink_to("real.jsonl")
    before = contents(home)
    result = export("-o", home / name, "--format", "csv", "--overwrite")
    assert (result.code, "The output is the history" in result.err) == (2, True)
    assert (home / "history.jsonl").is_symlink()
    assert contents(home) == before


def test_a_place_beside_the_gallery_is_as_good_as_any(export, states, home):
    assert export("--to", home / "gallery-2").code == 0
    assert export("-o", home / "history.jsonl.csv", "--format", "csv").code == 0
    assert export("--to", home / "history").code == 0


@pytest.mark.parametrize("args", [[], ["--json"], ["--format", "jpg"]])
def test_where_no_picture_is_chosen_that_is_said(export, states, tmp_path, args):
    result = export("--to", "x", "--tag", "nothing", *args)
    assert (result.code, result.out, result.err) == (0, b"", "No picture.\n")


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_picture_that_is_not_what_it_was_is_told_and_not_copied(
    export, states, home, tmp_path, form
):
    path = home / "gallery" / states[3]["master"]["path"]
    path.write_bytes((home / "gallery" / states[0]["master"]["path"]).read_bytes())
    result = export("--to", "x", "--format", form)
    assert result.code == 7
    assert f"{path} is not what it was" in result.err
    assert names(tmp_path / "x") == [f"0.{form}", f"1.{form}"]


@pytest.mark.parametrize("form", ["png", "jpg"])
@pytest.mark.parametrize(
    ("known", "why"), [(b"a picture", "is not what it was"), (b"secret", "could not be made")]
)
def test_a_record_that_names_another_file_copies_nothing_of_it(
    export, home, tmp_path, form, known, why
):
    (tmp_path / "key").write_bytes(b"secret")
    digest = hashlib.sha256(known).hexdigest()
    state = drawn(home, 0)
    state["master"] |= {"gallery": str(tmp_path), "path": "key", "sha256": digest}
    remember(home, [state])
    result = export("--to", "x", "--format", form)
    assert (result.code, names(tmp_path / "x")) == (7, [])
    assert why in result.err


def test_every_file_is_made_where_the_history_cannot_be_written(export, states, home, tmp_path):
    (home / "history.jsonl.lock").mkdir()
    result = export("--to", "x")
    assert (result.code, names(tmp_path / "x")) == (7, ["0.png", "1.png", "3.png"])
    told = [line for line in result.err.splitlines() if "history.jsonl cannot be written" in line]
    assert len(told) == 3
    assert "Traceback" not in result.err


@pytest.mark.parametrize("args", [["--sheet", "x.png"], ["-o", "x.csv"]])
def test_a_pipe_is_not_replaced_by_what_is_exported(export, states, tmp_path, args):
    os.mkfifo(tmp_path / args[1])
    result = export(*args, "--overwrite")
    assert (result.code, result.out) == (7, b"")
    assert (tmp_path / args[1]).is_fifo()
