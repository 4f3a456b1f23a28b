import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.errors import StorageError, UsageError
from mai_cli.stores.record_export import CSV_COLUMNS, pieces, write
from tests.services.records import ODD_STATES, state


def text(form: str, *states: dict) -> str:
    return b"".join(pieces(states, form)).decode()


def rows(*states: dict) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text("csv", *states), newline="")))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_an_array_of_any_length(count):
    states = [state(f"{number}") for number in range(count)]
    assert json.loads(text("json", *states)) == states
    assert text("json", *states).endswith("]\n")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_lines_are_a_record_each(count):
    states = [state(f"{number}", prompt="two\nlines") for number in range(count)]
    assert [json.loads(line) for line in text("jsonl", *states).splitlines()] == states


def test_each_record_is_a_piece_of_its_own():
    def states():
        yield state("a")
        raise AssertionError

    for form in ("json", "jsonl", "csv"):
        content = pieces(states(), form)
        if form == "csv":
            next(content)
        assert b"lighthouse" in next(content)


def test_a_table_has_a_row_for_each_record():
    (row,) = rows(state("a", tags=["hero", "x"], profile="work"))
    assert row == {
        "id": "a",
        "status": "ok",
        "created_at": "2026-11-22T09:14:03.120Z",
        "seconds": "31.4",
        "prompt": "a lighthouse at dawn",
        "deployment": "mai-image-26",
        "model": "MAI-Image-2.6",
        "profile": "work",
        "offline": "False",
        "width": "1024",
        "height": "1024",
        "picture": "/gallery/2026/a.png",
        "sha256": "ab" * 32,
        "bytes": "1534022",
        "cost_usd": "0.038962",
        "tags": "hero x",
        "request": '{"width": 1024, "height": 1024}',
        "error": "",
    }


def test_a_table_without_records_has_its_head():
    assert text("csv").splitlines() == [",".join(CSV_COLUMNS)]


def test_what_went_wrong_is_told_in_a_word():
    (row,) = rows(state(master=None, status="refused", error={"code": "x", "message": "No."}))
    assert (row["error"], row["picture"], row["width"]) == ("No.", "", "")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=cmd|"/c calc"!A1']


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_prompt_is_a_formula(formula):
    (row,) = rows(state(prompt=formula))
    assert row["prompt"] == f"'{formula}"


@pytest.mark.parametrize(
    "key", ["id", "status", "deployment", "model", "profile", "tags", "error", "sha256"]
)
def test_no_cell_is_a_formula(key):
    odd = {"tags": {"tags": ["=1"]}, "error": {"error": {"message": "=1"}}}
    odd["sha256"] = {"master": {"sha256": "=1"}}
    (row,) = rows(state(**odd.get(key, {key: "=1"})))
    assert row[key] == "'=1"


def test_a_path_is_no_formula_either():
    (row,) = rows(state(master={"gallery": "=x", "path": "a.png"}))
    assert row["picture"] == "'=x/a.png"


@given(prompt=st.text(st.characters(exclude_categories=["Cs"])))
@example(prompt='a "quote", a comma\nand\r\nlines\0')
@example(prompt="\u2028\u0085\x1b雪")
@example(prompt="a file\rof an old\rMac")
def test_any_prompt_comes_back_from_its_cell(prompt):
    (row,) = rows(state(prompt=prompt))
    assert row["prompt"] in (prompt, f"'{prompt}")
    assert row["status"] == "ok"


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_a_file_name_that_is_not_utf_8_stops_nothing(form):
    odd = state(master={"gallery": "/x", "path": "\udcff.png"}, request={"\ud800": 1})
    assert "udcff" in text(form, odd)


@given(odd=ODD_STATES)
def test_a_record_of_any_shape_is_handed_on(odd):
    assert len(rows(odd)) == 1
    assert len(text("jsonl", odd).splitlines()) == 1


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "not" / "yet" / "history.csv"
    write(path, [b"a", b"b"], overwrite=False)
    assert path.read_bytes() == b"ab"
    assert [file.name for file in path.parent.iterdir()] == ["history.csv"]


def test_a_file_that_is_there_is_replaced_only_on_purpose(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError) as caught:
        write(path, [b"x"], overwrite=False)
    assert caught.value.code == "output_exists"
    assert path.read_bytes() == b"mine"

    write(path, [b"x"], overwrite=True)
    assert path.read_bytes() == b"x"


def test_what_stops_in_the_middle_leaves_nothing(tmp_path):
    def content():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.json", content(), overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "file" / "a.json", [b"x"], overwrite=True)
    assert caught.value.code == "export_failed"
    with pytest.raises(StorageError, match="cannot be written"):
        write(tmp_path, [b"x"], overwrite=True)
