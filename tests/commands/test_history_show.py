"""What was made, from an id, an age, or a picture wherever it is now."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import MAI, Result
from tests.emulator import FILTERED, png

EXPORTS = ["fox.png", "fox.webp", "fox.jpg", "fox.avif"]
HINT = "Give an id, 'last', 'last~2', or the path of a picture; a path may start with ./"


@dataclass(frozen=True)
class Studio:
    """A folder in which three pictures were made; the records are in the order of their making."""

    folder: Path
    env: dict[str, str]

    def mai(self, *args: str, folder: Path | None = None, **more: str) -> Result:
        done = subprocess.run(
            [*MAI, *args],
            env=self.env | more,
            cwd=folder or self.folder,
            capture_output=True,
            timeout=20,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    def shows(self, *ids: object, **more: object) -> list[str]:
        """The ids of the records that are shown."""
        result = self.mai("history", "show", "--json", *map(str, ids), **more)
        assert (result.code, result.err) == (0, "")
        return [record["id"] for record in result.objects]

    def refuses(self, *ids: object, code: int = 2, **more: object) -> str:
        """What is said of ids of which one means no record; nothing is shown."""
        result = self.mai("history", "show", *map(str, ids), **more)
        assert (result.code, result.out) == (code, b"")
        message, hint = result.err.splitlines()
        assert message.startswith("Error: ")
        assert hint
        return message.removeprefix("Error: ")

    @property
    def records(self) -> list[dict]:
        lines = (self.folder / "home" / "history.jsonl").read_bytes().splitlines()
        return [*{record["id"]: record for record in map(json.loads, lines)}.values()]

    @property
    def ids(self) -> list[str]:
        return [record["id"] for record in self.records]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    names = [name for name in os.environ if name.startswith("COV")]
    env = {name: os.environ[name] for name in ("PATH", *names)}
    home = {"HOME": str(folder), "MAI_HOME": str(folder / "home"), "MAI_OFFLINE": "1"}
    studio = Studio(folder, env | home)
    outputs = [arg for name in EXPORTS for arg in ("-o", name)]
    for args in (
        ["a red fox", *outputs, "--tag", "one", "--tag", "two"],
        ["a white hare", "--no-metadata", "-o", "hare.webp", "-o", "hare.png"],
        ["a secret", "--private", "-o", "secret.png"],
    ):
        assert studio.mai("generate", *args).code == 0
    return studio


def test_a_record_is_shown_in_full(studio):
    record = studio.records[0]
    master = record["master"]
    sizes = [f"(1024x1024, {export['bytes']} bytes)" for export in record["exports"]]
    result = studio.mai("history", "show", studio.ids[0])
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        f"id         {studio.ids[0]}",
        "status     ok",
        f"created    {record['created_at']}",
        "prompt     a red fox",
        f"model      {record['model']} (deployment {record['deployment']})",
        "endpoint   this machine (offline)",
        "request    width = 1024, height = 1024",
        f"picture    {studio.folder / 'home' / 'gallery' / master['path']}",
        f"size       1024x1024, {master['bytes']} bytes",
        *[
            f"export     {studio.folder / name} {size}"
            for name, size in zip(EXPORTS, sizes, strict=True)
        ],
        "cost       free",
        "time       0 s",
        "tags       one, two",
    ]


def test_as_json_a_record_is_its_line_of_the_history(studio):
    result = studio.mai("history", "show", studio.ids[0], "--json")
    (line,) = result.lines
    lines = (studio.folder / "home" / "history.jsonl").read_text().splitlines()
    assert line in lines
    assert json.loads(line) == studio.records[0]


def test_a_private_prompt_is_not_known(studio):
    result = studio.mai("history", "show", "last")
    assert "prompt     (private)" in result.lines
    assert b"secret " not in result.out.replace(b"secret.png", b"")
    assert studio.mai("history", "show", "last", "--json").objects[0]["prompt"] is None


def test_an_id_may_be_cut_short_or_be_an_age(studio):
    first, second, third = studio.ids
    shown = studio.shows(first, first[:4], "last", "last~0", "last~1", "last~2", second[:7])
    assert shown == [first, first, third, third, second, first, second]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "'abc' is too short for an id."),
        ("ffffffffffff", "The history has no record 'ffffffffffff'."),
        ("last~3", "The history has no record 'last~3'."),
        ("last~99", "The history has no record 'last~99'."),
        ("nothing.png", "'nothing.png' is neither a record nor a picture."),
        ("home", "The picture home cannot be read: it is not a file."),
        ("\x1b[2J\u202e", r"'\x1b[2J\u202e' is neither a record nor a picture."),
    ],
)
def test_what_means_no_record_is_told(studio, text, message):
    assert studio.refuses(text) == message


def test_the_start_of_several_ids_is_told_with_their_names(studio, tmp_path):
    line = json.dumps(studio.records[0] | {"id": f"{studio.ids[0][:6]}{'0' * 6}"})
    history = tmp_path / "history.jsonl"
    own = (studio.folder / "home" / "history.jsonl").read_text()
    history.write_text(own + line.replace(": ", ":") + "\n")

    message = studio.refuses(studio.ids[0][:6], MAI_HISTORY=str(history))
    ids = f"{studio.ids[0][:6]}000000, {studio.ids[0]}"  # the newest first
    assert message == f"More than one record is '{studio.ids[0][:6]}': {ids}"


def test_a_picture_is_found_wherever_it_was_moved_to(studio, tmp_path):
    master = studio.folder / "home" / "gallery" / studio.records[1]["master"]["path"]
    copies = [
        shutil.copy(studio.folder / name, tmp_path / f"-moved {number}.dat")
        for number, name in enumerate(EXPORTS)
    ]
    copies.append(shutil.copy(master, tmp_path / "ümläut.png"))
    first, second, _ = studio.ids
    assert studio.shows(*EXPORTS, master) == [first] * 4 + [second]
    assert studio.shows(*copies) == [first] * 4 + [second]
    names = [Path(copy).name for copy in copies]
    assert studio.shows("--", *names, folder=tmp_path) == [first] * 4 + [second]


def test_a_picture_without_metadata_is_found_by_its_content(studio, tmp_path):
    for name in ("hare.webp", "hare.png"):
        assert b"mai:record" not in (studio.folder / name).read_bytes()
        copy = shutil.copy(studio.folder / name, tmp_path / "renamed")
        assert studio.shows(copy) == [studio.ids[1]]


@pytest.mark.skipif(not shutil.which("exiftool"), reason="there is no exiftool")
def test_a_picture_is_found_after_other_programs_wrote_into_its_metadata(studio, tmp_path):
    copies = [shutil.copy(studio.folder / name, tmp_path / name) for name in EXPORTS]
    titles = ["-XMP:Title=A fox", "-XMP:Rating=5", "-XMP:Description=changed"]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *titles, *copies], check=True)
    for copy in copies:
        assert Path(copy).read_bytes() != (studio.folder / Path(copy).name).read_bytes()
    assert studio.shows(*copies) == [studio.ids[0]] * 4


@pytest.mark.skipif(not shutil.which("exiftool"), reason="there is no exiftool")
def test_a_changed_picture_that_lost_its_metadata_is_told(studio, tmp_path):
    copy = Path(shutil.copy(studio.folder / "fox.webp", tmp_path / "fox.webp"))
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-all=", copy], check=True)
    assert studio.refuses(copy) == f"No record of this history made {copy}."


def test_a_picture_from_elsewhere_is_told(studio, tmp_path):
    path = tmp_path / "foreign.png"
    path.write_bytes(png(64, 64))
    assert studio.refuses(path) == f"No record of this history made {path}."


def test_a_picture_of_another_history_is_told_with_its_id(studio, tmp_path):
    message = studio.refuses("fox.avif", MAI_HISTORY=str(tmp_path / "other.jsonl"))
    assert message == (
        f"fox.avif was made by mai as {studio.ids[0]}, but this history has no such record."
    )


def test_a_pipe_with_a_name_is_not_waited_for(studio, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    message = studio.refuses(tmp_path / "pipe.png")
    assert message == f"The picture {tmp_path / 'pipe.png'} cannot be read: it is not a file."


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_several_ids_all_are_shown_or_none(studio, place):
    ids = list(studio.ids[:2])
    ids.insert(place, "ffffffffffff")
    assert studio.refuses(*ids) == "The history has no record 'ffffffffffff'."


def test_a_mistake_is_json_where_json_is_asked_for(studio):
    result = studio.mai("history", "show", "last", "nothing.png", "--json")
    (failure,) = result.objects
    message = "'nothing.png' is neither a record nor a picture."
    assert (result.code, failure["schema"]) == (2, "mai/error/1")
    assert failure["error"] == {
        "code": "no_record",
        "message": message,
        "hint": HINT,
        "exit_code": 2,
    }
    assert result.err == f"Error: {message}\n{HINT}\n"


def test_an_id_is_needed(studio):
    assert studio.refuses() == "Missing argument 'ID...'."


def test_a_history_that_is_not_there_has_no_records(studio, tmp_path):
    nowhere = str(tmp_path / "nothing" / "history.jsonl")
    message = studio.refuses("last", MAI_HISTORY=nowhere)
    assert message == "The history has no record 'last'."
    assert not (tmp_path / "nothing").exists()


def test_a_history_that_cannot_be_read_is_told(studio, tmp_path):
    message = studio.refuses("last", code=3, MAI_HISTORY=str(tmp_path))
    assert message == f"The history {tmp_path} cannot be read: Is a directory."
    result = studio.mai("history", "show", "last", "--json", MAI_HISTORY=str(tmp_path))
    assert result.objects[0]["error"]["code"] == "cannot_read"


Show = Callable[..., Result]


@pytest.fixture
def show(run, bare, tmp_path) -> Show:
    """Show the one record of a history that holds ``lines``."""

    def show(*lines: dict, **more: str) -> Result:
        path = tmp_path / "own.jsonl"
        texts = [json.dumps(line, separators=(",", ":")) for line in lines]
        path.write_text("".join(f"{text}\n" for text in texts))
        return run(bare | {"MAI_HISTORY": str(path)}, "history", "show", "b7c4", *more)

    return show


RECORD = {
    "schema": "mai/record/1",
    "id": "b7c41f09e2aa",
    "status": "ok",
    "created_at": "2026-11-22T09:14:03.120Z",
    "seconds": 31.4,
    "prompt": "a lighthouse at dawn",
    "images": [{"path": "/x/a.jpg", "sha256": "0" * 64}, {"path": "/x/b.png", "sha256": "1" * 64}],
    "deployment": "pics",
    "model": None,
    "endpoint": "https://contoso.services.ai.azure.com",
    "profile": None,
    "offline": False,
    "request": {"width": 1024, "height": 1024, "style": "vivid", "web_grounding": True},
    "master": {
        "path": "2026/a.png",
        "gallery": "/gallery",
        "sha256": "2" * 64,
        "bytes": 1534022,
        "width": 1024,
        "height": 1024,
        "content_credentials": True,
    },
    "exports": [
        {
            "path": "/x/hero.webp",
            "format": "webp",
            "width": 640,
            "height": 360,
            "bytes": 184220,
            "sha256": "3" * 64,
            "content_credentials": False,
        }
    ],
    "usage": {"input_text_tokens": 10, "input_image_tokens": 0, "output_tokens": 1024},
    "cost_usd": 0.038962,
    "request_id": "r",
    "attempts": 1,
    "batch": None,
    "rerun_of": None,
    "tags": ["favorite"],
    "error": {"code": "export_failed", "message": "No room.", "hint": "h", "exit_code": 7},
}


def test_everything_that_is_known_of_a_record_is_shown(show):
    assert show(RECORD | {"status": "sent"}, RECORD).lines == [
        "id         b7c41f09e2aa",
        "status     ok",
        "created    2026-11-22T09:14:03.120Z",
        "prompt     a lighthouse at dawn",
        "model      not known (deployment pics)",
        "endpoint   https://contoso.services.ai.azure.com",
        'request    width = 1024, height = 1024, style = "vivid", web_grounding = true',
        "reference  /x/a.jpg",
        "reference  /x/b.png",
        "picture    /gallery/2026/a.png",
        "size       1024x1024, 1534022 bytes",
        "signed     it has content credentials",
        "export     /x/hero.webp (640x360, 184220 bytes)",
        "cost       $0.04",
        "time       31 s",
        "tags       favorite",
        "error      No room.",
    ]


def test_a_record_that_was_sent_only_is_shown_as_far_as_it_is_known(show):
    unknown = {"images": [], "request": {}, "seconds": None, "tags": [], "error": None}
    sent = RECORD | unknown | {"status": "sent", "master": None, "exports": [], "cost_usd": None}
    assert show(sent).lines == [
        "id         b7c41f09e2aa",
        "status     sent",
        "created    2026-11-22T09:14:03.120Z",
        "prompt     a lighthouse at dawn",
        "model      not known (deployment pics)",
        "endpoint   https://contoso.services.ai.azure.com",
    ]


def test_a_refusal_is_shown_with_its_reason(mai, foundry):
    foundry.will(FILTERED)
    mai("generate", "x")
    lines = mai("history", "show", "last").lines
    assert "status     refused" in lines
    assert lines[-1].startswith("error      ")
    assert not [line for line in lines if line.startswith(("picture", "size", "cost"))]


def test_nothing_in_a_record_acts_on_the_terminal(show):
    odd = "\x1b]0;owned\x07\n\u202e\x9b"
    seen = r"\x1b]0;owned\x07\n\u202e\x9b"
    result = show(
        RECORD
        | dict.fromkeys(("status", "created_at", "prompt", "deployment", "model", "endpoint"), odd)
        | {"images": [{"path": odd}], "tags": [odd], "error": {"message": odd}}
        | {"request": {odd: odd}, "master": RECORD["master"] | {"path": odd, "gallery": odd}}
    )
    text = result.out.decode()
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)
    assert text.count(seen) == 12
    assert len(result.lines) == 16


def test_a_record_of_a_later_version_is_shown_as_far_as_it_is_understood(show):
    later = {"master": {"path": "a.png"}, "exports": ["a"], "error": "x", "request": ["x"]}
    result = show(RECORD | later | {"schema": "mai/record/2", "seconds": "PT31S"})
    assert result.code == 0, result.err
    assert result.lines[3] == "prompt     a lighthouse at dawn"
