import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.adapters.identity import digest, embedded_id
from mai_cli.errors import ConfigError, MaiError, UsageError
from mai_cli.models.answer import Picture
from mai_cli.models.record import Export, Master, Record
from mai_cli.services.finding import Finding
from mai_cli.stores.history import History

IDS = ["0a1b2c3d4e5f", "0a1b2c3d0000", "0a1bffffffff", "cafecafecafe", "123456789012"]
HINT = "Give an id, 'last', 'last~2', or the path of a picture; a path may start with ./"


def record(id_: str, content: bytes, exports: dict[str, bytes]) -> Record:
    """A record that made ``content``, and files of other content from it."""
    sha256 = hashlib.sha256(content).hexdigest()
    picture = Picture(1024, 1024, len(content), sha256, content_credentials=False)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    sent = Record(id_, "sent", now, "x", "pics", None, None, offline=True, request={})
    files = [
        Export(path, "png", 1, 1, 1, hashlib.sha256(data).hexdigest(), content_credentials=False)
        for path, data in exports.items()
    ]
    master = Master.of(picture, f"{id_}.png", "/gallery")
    return replace(sent, status="ok", master=master, exports=files)


class World:
    """A folder with a history of five records, each of which made ``master-ID``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.finding = self.in_history(folder / "history.jsonl")
        history = History(folder / "history.jsonl")
        for id_ in IDS:
            whole = record(id_, f"master-{id_}".encode(), {"x.png": f"export-{id_}".encode()})
            history.append(replace(whole, status="sent", master=None, exports=[]))
            history.append(whole)

    def in_history(self, path: Path) -> Finding:
        return Finding(History(path), embedded_id=embedded_id, digest=digest)

    def find(self, text: str) -> str:
        return self.finding.find(text)["id"]

    def fail(self, text: str, finding: Finding | None = None) -> MaiError:
        with pytest.raises(UsageError) as caught:
            (finding or self.finding).find(text)
        assert caught.value.code == "no_record"
        return caught.value

    def file(self, content: bytes, name: str = "any.bin") -> str:
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("id_", IDS)
def test_an_id_means_its_record(world, id_):
    assert world.find(id_) == id_
    assert world.finding.find(id_)["status"] == "ok"


@pytest.mark.parametrize("start", ["0a1bf", "0a1b2c3d4", "0a1b2c3d0", "cafe", "cafec", "1234"])
def test_the_start_of_an_id_means_its_record_while_it_is_the_only_one(world, start):
    assert world.find(start).startswith(start)


@pytest.mark.parametrize(
    ("start", "ids"),
    [("0a1b", "0a1bffffffff, 0a1b2c3d0000, 0a1b2c3d4e5f"), ("0a1b2c3d", ", ".join(IDS[1::-1]))],
)
def test_the_start_of_several_ids_names_them(world, start, ids):
    error = world.fail(start)
    assert error.message == f"More than one record is '{start}': {ids}"
    assert error.hint == "Give more of it."


def test_the_start_of_many_ids_names_some(tmp_path):
    world = World(tmp_path)
    history = History(tmp_path / "history.jsonl")
    for number in range(9):
        history.append(record(f"beef{number:08x}", b"", {}))
    named = ", ".join(f"beef{number:08x}" for number in range(8, 3, -1))
    assert world.fail("beef").message == f"More than one record is 'beef': {named}, ..."


@pytest.mark.parametrize("start", ["0", "caf", "123"])
def test_fewer_than_four_characters_are_no_id(world, start):
    error = world.fail(start)
    assert error.message == f"'{start}' is too short for an id."
    assert error.hint == "Give 4 characters."


@pytest.mark.parametrize("text", ["0a1b2c3d4e5e", "dead", "last~5", "last~99", "last~999999999"])
def test_what_the_history_does_not_have_is_told(world, text):
    error = world.fail(text)
    assert (error.message, error.hint) == (f"The history has no record '{text}'.", HINT)


@pytest.mark.parametrize(
    ("text", "back"), [("last", 1), ("last~0", 1), ("last~1", 2), ("last~4", 5), ("last~04", 5)]
)
def test_the_last_are_counted_from_the_end(world, text, back):
    assert world.find(text) == IDS[-back]


@pytest.mark.parametrize(
    "text",
    ["CAFECAFE", "cafe ", "0a1b2c3d4e5f0", "Last", "last~", "last~-1", "last~x", "last~٣", ""],
)
def test_what_is_no_id_is_a_path(world, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    message = world.fail(text).message
    assert message in (
        f"'{Path(text)}' is neither a record nor a picture.",
        f"The picture {Path(text)} cannot be read: it is not a file.",
    )
    if text:
        Path(text).write_bytes(f"master-{IDS[3]}".encode())
        assert world.find(text) == IDS[3]


@pytest.mark.parametrize("name", ["cafe", "last", "abc", "123456789012"])
def test_a_file_with_the_name_of_an_id_is_meant_by_its_path(world, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(f"master-{IDS[0]}".encode())
    assert world.find(f"./{name}") == world.find(str(tmp_path / name)) == IDS[0]


@pytest.mark.parametrize("kind", ["master", "export"])
@pytest.mark.parametrize("id_", IDS)
def test_a_picture_is_known_by_its_content(world, kind, id_):
    assert world.find(world.file(f"{kind}-{id_}".encode())) == id_


@pytest.mark.parametrize(
    "content",
    [
        b"mai:record:%s",
        b"\x89PNG and so on <dc:identifier>mai:record:%s</dc:identifier> and so on",
        b"x" * 5000 + b'"mai:record:%s"' + b"x" * 5000,
        b"\xff\0mai:record:%s\0\xff",
        b"mai:record:%s\nmai:record:000000000000",
    ],
)
def test_a_picture_is_known_by_the_id_that_it_carries(world, content):
    assert world.find(world.file(content % IDS[1].encode())) == IDS[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"somebody else's",
        b"mai:record:",
        b"mai:record:0a1b2c3d",
        b"mai:record:0a1b2c3d4e5f0",
        b"mai:record:0A1B2C3D4E5F",
    ],
)
def test_a_picture_from_elsewhere_is_told(world, content):
    path = world.file(content)
    error = world.fail(path)
    assert error.message == f"No record of this history made {path}."
    assert error.hint == "It is not from here, or was changed and carries no metadata."


def test_a_picture_of_another_history_is_told_with_its_id(world):
    path = world.file(b"mai:record:999999999999")
    error = world.fail(path)
    assert error.message == (
        f"{path} was made by mai as 999999999999, but this history has no such record."
    )
    assert error.hint == "Set MAI_HISTORY to the history of whoever made it."


def test_a_picture_that_carries_the_id_of_another_history_may_still_be_from_here(tmp_path):
    world = World(tmp_path)
    content = b"edited, mai:record:999999999999"
    History(tmp_path / "history.jsonl").append(record("777777777777", content, {}))
    assert world.find(world.file(content)) == "777777777777"


def test_of_two_records_that_made_the_same_picture_the_newest_is_meant(tmp_path):
    world = World(tmp_path)
    for id_ in ("777777777777", "555555555555"):
        History(tmp_path / "history.jsonl").append(record(id_, b"placeholder", {}))
    assert world.find(world.file(b"placeholder")) == "555555555555"


def test_a_link_is_what_it_leads_to(world, tmp_path):
    path = tmp_path / "link.png"
    path.symlink_to(world.file(f"master-{IDS[2]}".encode(), "target.bin"))
    assert world.find(str(path)) == IDS[2]
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing.png")
    assert world.fail(str(tmp_path / "broken.png")).message.endswith("nor a picture.")


@pytest.mark.parametrize("path", ["/", os.devnull])
def test_what_cannot_be_a_picture_is_not_read(world, path):
    error = world.fail(path)
    assert error.message == f"The picture {path} cannot be read: it is not a file."
    assert error.hint == HINT


@given(
    st.one_of(
        st.text(st.characters(exclude_characters="\0")),
        st.from_regex(r"(last)?~?[0-9a-f]{0,14}", fullmatch=True),
        st.binary(max_size=300).map(lambda name: os.fsdecode(name.replace(b"\0", b"\xff"))),
    )
)
@example("a" * 5000)
@example("a/" * 3000)
@example("\udcff")
@settings(deadline=None)
def test_whatever_is_asked_for_is_found_or_told(world, text):
    with suppress(UsageError):
        assert world.find(text) in IDS


def test_a_history_that_is_not_there_has_no_records(world, tmp_path):
    finding = world.in_history(tmp_path / "nothing.jsonl")
    for text in ("last", "cafe", world.file(b"x")):
        world.fail(text, finding)


def test_a_history_that_cannot_be_read_is_the_mistake(world, tmp_path):
    for text in ("last", "cafe", world.file(b"x"), world.file(b"mai:record:0a1b2c3d4e5f")):
        with pytest.raises(ConfigError) as caught:
            world.in_history(tmp_path).find(text)
        assert caught.value.code == "cannot_read"


def test_a_picture_that_brings_the_id_of_its_reference_is_known_by_its_digest(tmp_path):
    world = World(tmp_path)
    data = f"mai:record:{IDS[0]}".encode()
    History(tmp_path / "history.jsonl").append(record("feed00000000", data, {}))

    assert world.find(world.file(data)) == "feed00000000"
    assert world.find(world.file(data + b" changed")) == IDS[0]
