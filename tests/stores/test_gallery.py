import errno
import json
import os
import pickle
import resource
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError, UnknownError
from mai_cli.models.keys import DEFAULT_FILENAME
from mai_cli.stores.gallery import Gallery, remove_picture
from mai_cli.stores.leftovers import Leftovers

NAME = "2026/11/22/091403-a-lighthouse-at-dawn-b7c41f09.png"
PART = "2026/11/22/.b7c41f09e2aa.part"
DATA = bytes(range(256)) * 40

# The limit stands for a disk without room. Where the temporary folder is on another disk, the
# limit is lifted as soon as that folder is asked for.
RECEIVE_WITH_LITTLE_ROOM = """
import json, pickle, resource, sys, tempfile
from pathlib import Path
from mai_cli.errors import MaiError
from mai_cli.stores.gallery import Gallery, remove_picture

record, data, room, other_disk = pickle.loads(bytes.fromhex(sys.argv[1]))
mkstemp = tempfile.mkstemp

def mkstemp_elsewhere(*args, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return mkstemp(*args, **options)

if other_disk:
    tempfile.mkstemp = mkstemp_elsewhere
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
told = {}
try:
    with Gallery(Path("gallery"), "{id}").receive(record) as incoming:
        for start in range(0, len(data), 1000):
            incoming.write(data[start : start + 1000])
        kept = incoming.keep()
        told["problem"] = kept.problem and kept.problem.message
except MaiError as error:
    told["code"] = error.code
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps({**told, "path": str(incoming.path), "size": incoming.size}))
"""


@pytest.fixture
def gallery(tmp_path):
    return Gallery(tmp_path / "gallery", DEFAULT_FILENAME)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's temporary folder, for this test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def receive_with_little_room(python, record):
    def receive(room: int, *, other_disk: bool) -> dict[str, object]:
        order = pickle.dumps((record, DATA, room, other_disk)).hex()
        (line,) = python.run(RECEIVE_WITH_LITTLE_ROOM, order)
        return json.loads(line)

    return receive


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_picture_is_kept_byte_for_byte_under_its_name(gallery, record):
    with gallery.receive(record) as incoming:
        assert names(gallery.folder) == [PART]
        incoming.write(DATA[:100])
        incoming.write(b"")
        incoming.write(DATA[100:])
        assert incoming.path.read_bytes() == DATA
        assert incoming.size == len(DATA)
        kept = incoming.keep()

    assert (kept.path, kept.name, kept.problem) == (gallery.folder / NAME, NAME, None)
    assert kept.path.read_bytes() == DATA
    assert names(gallery.folder) == [NAME]


def test_a_picture_is_on_disk_once_it_is_kept_and_so_is_its_name(gallery, record, flushed):
    with gallery.receive(record) as incoming:
        incoming.write(DATA)
        flushed.clear()
        kept = incoming.keep()

    assert flushed == [len(DATA), [kept.path.name]]


@given(pieces=st.lists(st.binary(max_size=50), max_size=8))
@settings(deadline=None, max_examples=50)
def test_a_picture_may_come_in_any_pieces(record, pieces):
    with tempfile.TemporaryDirectory() as folder:
        with Gallery(Path(folder), DEFAULT_FILENAME).receive(record) as incoming:
            for piece in pieces:
                incoming.write(piece)
            kept = incoming.keep()
        assert kept.path.read_bytes() == b"".join(pieces)


def test_a_name_that_is_taken_gets_a_number(tmp_path, record):
    gallery = Gallery(tmp_path, "{prompt}")
    kept = []
    for number in range(3):
        with gallery.receive(replace(record, id=f"{number:012}")) as incoming:
            incoming.write(b"%d" % number)
            kept.append(incoming.keep().name)

    stem = "a-lighthouse-at-dawn"
    assert kept == [f"{stem}.png", f"{stem}-2.png", f"{stem}-3.png"]
    assert [(tmp_path / name).read_bytes() for name in kept] == [b"0", b"1", b"2"]


def test_pictures_that_come_at_once_under_one_name_are_all_kept(tmp_path, record):
    gallery = Gallery(tmp_path, "x")
    barrier = Barrier(8)

    def receive(number: int) -> bytes:
        with gallery.receive(replace(record, id=f"{number:012}")) as incoming:
            incoming.write(b"%d" % number)
            barrier.wait()
            return incoming.keep().path.read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(receive, range(8))) == [b"%d" % number for number in range(8)]

    assert names(tmp_path) == sorted(["x.png", *(f"x-{number}.png" for number in range(2, 9))])


def test_nothing_is_left_where_nothing_arrived(gallery, record):
    with gallery.receive(record) as incoming:
        incoming.write(b"")

    assert names(gallery.folder) == []


def test_bytes_that_arrived_but_were_not_kept_stay_for_inspection(gallery, record):
    with gallery.receive(record) as incoming:
        incoming.write(b"half a pict")

    assert names(gallery.folder) == [PART]
    assert incoming.path.read_bytes() == b"half a pict"


def test_a_gallery_that_cannot_be_made_is_found_out_before_anything_is_sent(tmp_path, record):
    (tmp_path / "file").write_bytes(b"as it was")

    with pytest.raises(ConfigError, match=r"cannot be written: .* Nothing was sent") as caught:
        Gallery(tmp_path / "file", DEFAULT_FILENAME).receive(record)

    assert caught.value.code == "cannot_store"
    assert (tmp_path / "file").read_bytes() == b"as it was"


@pytest.mark.parametrize("before", [100, len(DATA)])
def test_a_picture_whose_gallery_vanishes_is_rescued_whole_and_privately(
    gallery, temporary, record, before
):
    with gallery.receive(record) as incoming:
        incoming.write(DATA[:before])
        shutil.rmtree(gallery.folder)
        incoming.write(DATA[before:])
        kept = incoming.keep()

    assert kept.path.parent == temporary
    assert kept.path.read_bytes() == DATA
    assert kept.path.stat().st_mode & 0o077 == 0
    assert kept.name == str(kept.path)
    assert kept.problem
    assert kept.problem.code == "rescued"
    assert kept.problem.message == (
        f"The gallery {gallery.folder} cannot be written: No such file or directory."
    )
    assert str(kept.path) in kept.problem.hint
    assert names(temporary) == [kept.path.name]


@pytest.mark.parametrize("room", [1, 999, 1000, 5500, len(DATA) - 1])
def test_a_picture_that_does_not_fit_into_the_gallery_is_rescued_whole(
    receive_with_little_room, temporary, tmp_path, room
):
    told = receive_with_little_room(room, other_disk=True)

    rescued = Path(str(told["path"]))
    assert told["problem"] == "The gallery gallery cannot be written: File too large."
    assert told["size"] == len(DATA)
    assert rescued.parent == temporary
    assert rescued.read_bytes() == DATA
    assert names(tmp_path / "gallery") == []


@pytest.fixture
def half_rescued(gallery, temporary, record, monkeypatch):
    """A picture of which a half is rescued, since the gallery's disk took no more."""
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    mkstemp = tempfile.mkstemp

    def mkstemp_elsewhere(**options):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        return mkstemp(**options)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp_elsewhere)
    with gallery.receive(record) as incoming:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
        try:
            incoming.write(DATA[:1500])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        yield incoming


def test_a_rescued_picture_is_on_disk_and_so_is_its_name(flushed, half_rescued):
    assert flushed[-1] == 1000  # before the gallery gave up what it had

    half_rescued.write(DATA[1500:])
    flushed.clear()
    kept = half_rescued.keep()
    assert flushed == [len(DATA), [kept.path.name]]
    assert kept.path.read_bytes() == DATA


def test_a_rescued_picture_is_found_again_whether_it_is_whole_or_not(gallery, half_rescued, record):
    left = Leftovers(gallery.folder, DEFAULT_FILENAME, lambda _: None)
    assert left.left_by([record.to_json()]) == {record.id: [half_rescued.path]}

    half_rescued.write(DATA[1500:])
    kept = half_rescued.keep()
    assert left.left_by([record.to_json()]) == {record.id: [kept.path]}


def test_a_rescued_picture_whose_name_is_taken_keeps_the_one_it_has(half_rescued):
    taken = half_rescued.path.with_suffix(".png")
    taken.write_bytes(b"another")
    half_rescued.write(DATA[1500:])
    kept = half_rescued.keep()

    assert kept.path == half_rescued.path
    assert kept.path.suffix == ".part"
    assert kept.path.read_bytes() == DATA
    assert str(kept.path) in kept.problem.hint
    assert taken.read_bytes() == b"another"


def test_a_rescued_picture_that_is_not_known_to_be_on_disk_is_told_as_such(
    half_rescued, temporary, monkeypatch
):
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnknownError) as caught:
        half_rescued.keep()

    assert caught.value.code == "not_stored"
    assert caught.value.message == (
        f"A picture came, but neither the gallery nor {temporary} can take it: Input/output error."
    )
    assert half_rescued.path.read_bytes() == DATA[:1500]


def test_what_came_of_a_picture_that_fits_nowhere_is_kept_for_inspection(
    receive_with_little_room, temporary, tmp_path
):
    told = receive_with_little_room(5500, other_disk=False)

    rest = Path(str(told["path"]))
    assert (told["code"], told["size"]) == ("not_stored", 5500)
    assert (tmp_path / rest).read_bytes() == DATA[:5500]
    assert len(names(tmp_path / "gallery") + names(temporary)) == 1


def test_half_a_picture_is_never_named_like_a_whole_one(
    receive_with_little_room, temporary, tmp_path
):
    receive_with_little_room(5500, other_disk=False)

    assert not [name for name in names(tmp_path) if name.endswith(".png")]


def test_a_disk_that_is_full_everywhere_is_told_as_such(receive_with_little_room, temporary):
    assert receive_with_little_room(0, other_disk=False)["code"] == "not_stored"


def test_a_picture_that_no_place_can_take_is_told_as_such(gallery, record, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with gallery.receive(record) as incoming:
        incoming.write(DATA)
        shutil.rmtree(gallery.folder)
        with pytest.raises(
            UnknownError, match=r"neither the gallery nor the temporary folder can"
        ) as caught:
            incoming.keep()

    assert caught.value.code == "not_stored"


# Removing.


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def folder(tmp_path):
    """A gallery with one picture in it."""
    folder = tmp_path / "gallery"
    (folder / NAME).parent.mkdir(parents=True)
    (folder / NAME).write_bytes(DATA)
    return folder


def test_the_folders_of_a_removed_picture_go_and_the_gallery_stays(folder):
    remove_picture(folder / NAME, folder)
    assert folder.is_dir()
    assert everything(folder) == []


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("2026/11/22/b.png", ["2026", "2026/11", "2026/11/22", "2026/11/22/b.png"]),
        ("2026/11/22/.b.part", ["2026", "2026/11", "2026/11/22", "2026/11/22/.b.part"]),
        ("2026/11/b.txt", ["2026", "2026/11", "2026/11/b.txt"]),
        ("2026/12/b.png", ["2026", "2026/12", "2026/12/b.png"]),
        ("b.png", ["b.png"]),
    ],
)
def test_a_folder_that_holds_something_stays_when_a_picture_goes(folder, name, left):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    remove_picture(folder / NAME, folder)

    assert everything(folder) == left


def test_an_empty_folder_beside_a_removed_picture_stays(folder):
    (folder / "2026" / "mine").mkdir()
    remove_picture(folder / NAME, folder)

    assert everything(folder) == ["2026", "2026/mine"]


def test_a_folder_of_the_gallery_that_is_a_link_stays(folder, tmp_path):
    (tmp_path / "disk").mkdir()
    (folder / "2027").symlink_to(tmp_path / "disk")
    (folder / "2027" / "a.png").write_bytes(DATA)
    remove_picture(folder / "2027" / "a.png", folder)

    assert (folder / "2027").is_symlink()
    assert everything(tmp_path / "disk") == []


def test_where_no_picture_is_removed_every_folder_stays(folder):
    (folder / "2027").mkdir()
    with pytest.raises(FileNotFoundError):
        remove_picture(folder / "2027" / "a.png", folder)

    assert (folder / "2027").is_dir()
