"""Two versions of mai on one history: what a later or an earlier one wrote stays as it is."""

import hashlib
import json

import pytest

from tests.commands.inside import run_inside
from tests.commands.records import record
from tests.emulator import png

LATER = {"schema": "mai/record/2", "mood": {"calm": [1, 2]}, "status": "ok"}
NEW_KEYS = {"mood": "calm", "master": record(2)["master"] | {"hue": 7}, "tags": ["a"]}
OLD_KEYS = ("schema", "alt", "batch", "rerun_of", "exports", "images", "usage", "error")


def earlier() -> dict:
    """A record without what came later."""
    return {key: value for key, value in record(3).items() if key not in OLD_KEYS}


STATES = [
    record(1) | LATER,
    record(2) | NEW_KEYS,
    earlier(),
    {"schema": "mai/record/2", "id": "cafe00000000", "status": "queued", "when": 12},
    record(5, status="sent", master=None) | {"schema": "mai/record/2", "mood": "calm"},
    {"schema": "mai/note/1", "text": "another kind of line"},
]
LINES = [json.dumps(state, indent=None).encode() for state in STATES]


@pytest.fixture
def mai(bare, home, tmp_path):
    """Run a command on a history of several versions; the lines afterwards."""
    home.mkdir()
    page = home / "history.jsonl"
    page.write_bytes(b"\n".join(LINES) + b"\n")

    def mai(*args: str) -> list[bytes]:
        result = run_inside(bare | {"MAI_DEPLOYMENT": "mai-image-26"}, tmp_path, *args)
        assert result.code in (0, 7), result
        return page.read_bytes().splitlines()

    return mai


@pytest.mark.parametrize(
    "args",
    [
        ("generate", "x", "--offline"),
        ("history", "list", "--all", "--json"),
        ("history", "verify"),
        ("history", "recover", "--forget"),
        ("history", "tag", record(2)["id"], "+b"),
        ("history", "tag", record(1)["id"], "+b"),
        ("history", "tag", record(3)["id"], "+b"),
        ("history", "tag", "cafe", "+b"),
        ("history", "remove", record(1)["id"], "--yes"),
        ("history", "gallery", "-o", "page"),
        ("history", "export"),
    ],
    ids=" ".join,
)
def test_no_command_changes_a_line_of_another_version(mai, args):
    assert mai(*args)[: len(LINES)] == LINES


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_new_state_has_all_that_another_version_said(mai, number):
    old = STATES[number - 1]
    added = json.loads(mai("history", "tag", old["id"], "+b")[-1])
    assert added == old | {"tags": [*old.get("tags", ()), "b"]}


def test_a_request_that_is_settled_keeps_what_another_version_said(mai):
    added = json.loads(mai("history", "recover", STATES[4]["id"], "--forget")[-1])
    assert added == STATES[4] | {"status": "removed"}


def test_a_picture_that_is_removed_keeps_what_another_version_said(mai, home):
    data = png(64, 64)
    (home / "gallery").mkdir()
    (home / "gallery" / "a.png").write_bytes(data)
    master = {"gallery": str(home / "gallery"), "path": "a.png"}
    master |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "hue": 7}
    with (home / "history.jsonl").open("ab") as page:
        page.write(json.dumps(record(9) | {"master": master, "mood": "calm"}).encode() + b"\n")
    added = json.loads(mai("history", "remove", record(9)["id"], "--yes")[-1])

    assert added == record(9) | {"master": master, "mood": "calm", "status": "removed"}
    assert not (home / "gallery" / "a.png").exists()


def test_pruning_all_leaves_what_another_version_wrote_in_another_way(mai, home):
    (home / "gallery").mkdir()
    there = record(9)["master"] | {"gallery": str(home / "gallery")}
    with (home / "history.jsonl").open("ab") as page:
        page.write(json.dumps(record(9) | {"master": there, "mood": "calm"}).encode() + b"\n")
    left = mai("history", "prune", "--keep", "0", "--yes")

    assert left == LINES  # that of a gallery which is not there stays too
