import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.adapters.identity import digest
from mai_cli.errors import StorageError
from mai_cli.models.upkeep import Gone
from mai_cli.services.removing import Removing, Wear
from mai_cli.stores.gallery import remove_picture
from tests.services.records import ODD_STATES, Memory, state


def day(number: int) -> str:
    return f"2026-11-{number:02}T12:00:00Z"


class Place:
    """A gallery on disk, and a history of what is in it; ``steps`` is what happened, in order."""

    def __init__(self, folder: Path) -> None:
        self.gallery = folder / "gallery"
        self.gallery.mkdir(parents=True)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.history = Memory()
        self.gone = Gone()
        self.removed: list[str] = []
        self.removing = Removing(self.history, digest, self.let_go)

    def let_go(self, path: Path, gallery: Path, sha256: str) -> None:
        remove_picture(path, gallery)
        self.removed.append(sha256)

    def add(self, id_: str, name: str | None = None, **more: object) -> Path:
        """A record with a picture, which is there unless ``name`` leads elsewhere."""
        path = self.gallery / (name or f"{id_}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(id_.encode())
        self.note(id_, name or f"{id_}.png", id_.encode(), **more)
        return path

    def note(self, id_: str, name: str, content: bytes, **more: object) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        master = {"gallery": str(self.gallery), "path": name, "sha256": sha256}
        master["bytes"] = len(content)
        self.history.states[id_] = state(id_, **({"master": master} | more))

    def remove(self, *ids: str) -> None:
        self.removing.remove([self.history.states[id_] for id_ in ids], self.gone)

    def prune(self, **wear: object) -> list[str]:
        self.removing.prune(Wear(**wear), self.gone)
        return list(self.history.states)

    def would(self, *ids: str, prune: bool) -> Gone:
        would = self.removing.would_prune if prune else self.removing.would_remove
        return would([self.history.states[id_] for id_ in ids])

    def goes(self, id_: str, *, prune: bool) -> Gone:
        """Let a record go, as it would: the same of both."""
        would = self.would(id_, prune=prune)
        self.prune(keep=0) if prune else self.remove(id_)
        assert self.gone == would
        return would

    @property
    def left(self) -> list[str]:
        return [note.replace(f"{self.gallery}/", "") for note in self.gone.left]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_picture_goes_and_its_record_says_so(place):
    first, second = place.add("a" * 12), place.add("b" * 12)
    before = place.history.states["a" * 12]
    place.remove("a" * 12)

    assert not first.exists()
    assert second.exists()
    assert place.history.states["a" * 12] == before | {"status": "removed"}
    assert place.gone == Gone(1, [str(first)], 12)
    assert place.removed == [hashlib.sha256(b"a" * 12).hexdigest()]


def test_each_record_whose_picture_goes_is_counted(place):
    for id_ in ("a", "b", "c"):
        place.add(id_)
    place.remove("a", "b", "c")

    assert (place.gone.records, len(place.gone.pictures)) == (3, 3)


@pytest.mark.parametrize("of_what_size", [{}, {"bytes": None}, {"bytes": "5"}])
def test_a_picture_whose_record_does_not_say_how_large_it_is_goes_too(place, of_what_size):
    path = place.add("a")
    master = place.history.states["a"]["master"]
    del master["bytes"]
    master |= of_what_size
    place.remove("a")

    assert place.gone == Gone(1, [str(path)], 0)


def test_what_others_added_meanwhile_stays_in_the_record(place):
    place.add("a" * 12)
    old = place.history.states["a" * 12]
    place.history.states["a" * 12] = old | {"tags": ["new"]}
    place.removing.remove([old], place.gone)

    assert place.history.states["a" * 12] == old | {"tags": ["new"], "status": "removed"}


def test_a_picture_that_is_gone_already_is_no_problem(place):
    place.add("a" * 12).unlink()
    place.remove("a" * 12)

    assert place.gone == Gone(1)
    assert place.history.states["a" * 12]["status"] == "removed"


def test_the_folder_of_the_last_picture_goes_with_it(place):
    place.add("a" * 12, "2026/11/a.png")
    second = place.add("b" * 12, "2026/12/b.png")
    place.remove("a" * 12)
    assert sorted(place.gallery.rglob("*")) == [second.parent.parent, second.parent, second]

    place.prune(keep=0)
    assert list(place.gallery.rglob("*")) == []


@pytest.mark.parametrize("name", ["a.png", "../gallery/a.png", "../gallery/2026/a.png"])
def test_the_gallery_stays_when_its_last_picture_goes(place, name):
    path = place.add("a" * 12, name)
    place.remove("a" * 12)

    assert not path.exists()
    assert list(place.gallery.iterdir()) == []


def test_a_picture_that_is_not_what_it_was_is_left_alone(place):
    path = place.add("a" * 12)
    path.write_bytes(b"retouched")
    place.remove("a" * 12)

    assert path.read_bytes() == b"retouched"
    assert place.left == [f"{'a' * 12}.png is not what it was, and was left alone."]
    assert place.gone.pictures == []


@pytest.mark.parametrize("name", ["../outside/a.png", "x/../../outside/a.png", "{outside}/a.png"])
def test_what_lies_outside_of_the_gallery_is_left_alone(place, name):
    file = place.outside / "a.png"
    file.write_bytes(b"mine")
    name = name.replace("{outside}", str(place.outside))
    place.note("a" * 12, name, b"mine")
    place.remove("a" * 12)

    assert file.read_bytes() == b"mine"
    assert place.gone.pictures == []
    assert "is outside of the gallery, and was left alone." in place.left[0]


@pytest.mark.parametrize("name", ["../outside/a.png", "{outside}/a.png"])
def test_a_record_goes_if_nothing_is_left_outside_of_the_gallery(place, name):
    place.note("a" * 12, name.replace("{outside}", str(place.outside)), b"moved")
    assert place.prune(keep=0) == []
    assert place.left == []


@pytest.mark.parametrize("prune", [False, True])
def test_what_a_link_to_a_folder_leads_to_is_left_alone(place, prune):
    file = place.outside / "a.png"
    file.write_bytes(b"mine")
    (place.gallery / "2026").symlink_to(place.outside)
    place.note("a" * 12, "2026/a.png", b"mine")
    place.prune(keep=0) if prune else place.remove("a" * 12)

    assert file.read_bytes() == b"mine"
    assert place.gone.pictures == []


def test_the_file_that_a_link_in_the_gallery_leads_to_stays(place):
    file = place.outside / "a.png"
    file.write_bytes(b"mine")
    (place.gallery / "a.png").symlink_to(file)
    place.note("a" * 12, "a.png", b"mine")
    place.remove("a" * 12)

    assert file.read_bytes() == b"mine"


def test_a_gallery_behind_a_link_is_a_gallery(place):
    path = place.add("a" * 12)
    link = place.outside / "pictures"
    link.symlink_to(place.gallery)
    master = place.history.states["a" * 12]["master"] | {"gallery": str(link)}
    place.history.states["a" * 12]["master"] = master
    place.remove("a" * 12)

    assert not path.exists()


@pytest.mark.parametrize("name", [".", "", "..", "2026"])
def test_a_folder_is_never_removed(place, name):
    (place.gallery / "2026").mkdir()
    place.note("a" * 12, name, b"")
    place.remove("a" * 12)

    assert (place.gallery / "2026").is_dir()
    assert place.outside.is_dir()
    assert place.gone.pictures == []


def test_a_picture_that_cannot_be_removed_keeps_its_record(place):
    place.add("a" * 12)
    place.add("b" * 12)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    place.removing = Removing(place.history, digest, refuse)
    place.remove("a" * 12)

    assert place.history.states["a" * 12]["status"] == "ok"
    assert place.gone.records == 0
    assert place.left == [f"{'a' * 12}.png could not be removed: Permission denied."]
    assert place.prune(keep=0) == ["a" * 12, "b" * 12]


def test_pruning_takes_pictures_and_records(place):
    old, new = place.add("a" * 12, created_at=day(1)), place.add("b" * 12, created_at=day(9))

    assert place.prune(before=datetime(2026, 11, 5, tzinfo=UTC)) == ["b" * 12]
    assert (old.exists(), new.exists()) == (False, True)
    assert place.gone == Gone(1, [str(old)], 12)


@pytest.mark.parametrize(
    ("wear", "left"),
    [
        ({"keep": 0}, ""),
        ({"keep": 2}, "de"),
        ({"keep": 9}, "abcde"),
        ({"before": datetime(2026, 11, 3, 12, tzinfo=UTC)}, "cde"),
        ({"before": datetime(2026, 11, 3, 12, tzinfo=UTC), "keep": 4}, "bcde"),
        ({"before": datetime(2026, 11, 30, tzinfo=UTC), "keep": 1}, "e"),
    ],
)
def test_what_is_old_and_not_among_the_newest_goes(place, wear, left):
    for number, id_ in enumerate("abcde", 1):
        place.add(id_, created_at=day(number))

    assert place.prune(**wear) == list(left)
    assert sorted(file.stem for file in place.gallery.iterdir()) == list(left)


def test_favorites_and_what_is_not_settled_stay(place):
    favorite = place.add("a", tags=["x", "favorite"])
    place.add("b", tags=["favorites", "Favorite"])
    for id_, status in zip(
        "cdefg", ("sent", "unknown", "refused", "failed", "removed"), strict=True
    ):
        place.add(id_, status=status, master=None)

    assert place.prune(keep=0) == ["a", "c", "d"]
    assert favorite.exists()


@pytest.mark.parametrize(
    "later",
    [
        {"schema": "mai/record/2"},
        {"schema": 2},
        {"status": "queued"},
        {"status": ["ok"]},
        {"schema": "mai/record/2", "status": "sent", "master": None},
    ],
)
def test_what_a_later_version_wrote_in_another_way_is_never_pruned(place, later):
    path = place.add("a", **later)
    place.add("b", mood="calm")
    place.add("c")
    del place.history.states["c"]["schema"]

    assert place.prune(keep=0) == ["a"]
    assert path.exists()


def test_a_record_that_does_not_say_when_is_not_old(place):
    place.add("a", created_at="soon")
    assert place.prune(before=datetime(2100, 1, 1, tzinfo=UTC)) == ["a"]
    assert place.prune(keep=0) == []


def test_exports_stay(place):
    export = place.outside / "hero.png"
    export.write_bytes(b"export")
    place.add("a", exports=[{"path": str(export), "sha256": hashlib.sha256(b"export").hexdigest()}])
    place.prune(keep=0)

    assert export.read_bytes() == b"export"


def test_pruning_that_was_cut_off_goes_on_when_it_is_asked_for_again(place):
    paths = [place.add(id_) for id_ in "abc"]
    removed = []

    def remove(path: Path, gallery: Path, _: str) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path)
        remove_picture(path, gallery)

    place.removing = Removing(place.history, digest, remove)
    with pytest.raises(KeyboardInterrupt):
        place.prune(keep=0)
    assert list(place.history.states) == ["a", "b", "c"]

    place.removing = Removing(place.history, digest, place.let_go)
    assert place.prune(keep=0) == []
    assert not any(path.exists() for path in paths)


@given(odd=ODD_STATES, wear=st.sampled_from([Wear(keep=0), Wear(datetime(2100, 1, 1, tzinfo=UTC))]))
def test_a_record_of_any_shape_can_be_chosen(odd, wear):
    assert list(wear.chosen([odd])) in ([], [odd])
    would = Removing(Memory(odd), digest, remove_picture).would_prune([odd])
    assert would.records in (0, 1)
    assert isinstance(would.bytes, int)


@given(
    master=st.fixed_dictionaries(
        {},
        optional={
            key: st.text(max_size=5) | st.integers() for key in ("gallery", "path", "sha256")
        },
    )
)
@example(master={"gallery": "/gallery", "path": "a\0.png", "sha256": ""})
@example(master={"gallery": "/gallery", "path": "\ud800.png", "sha256": ""})
@example(master={"gallery": "a\0b", "path": "a.png", "sha256": ""})
@example(master={"gallery": "/gallery", "path": "x" * 5000, "sha256": ""})
def test_a_picture_of_any_name_stops_nothing(master):
    def refuse(path: Path, *_: object) -> None:
        raise AssertionError(path)

    history = Memory(state("a", master=master))
    Removing(history, digest, refuse).prune(Wear(keep=0), Gone())


def test_the_bytes_of_pictures_that_go_add_up(place):
    for id_ in ("a" * 5, "b" * 7):
        place.add(id_)
    place.add("c", status="removed")
    place.add("d").unlink()
    would = place.would("a" * 5, "b" * 7, "c", "d", prune=True)
    assert (would.records, len(would.pictures), would.bytes) == (4, 2, 12)


@pytest.mark.parametrize("prune", [False, True])
def test_what_is_left_alone_keeps_its_record_as_it_was(place, prune):
    path = place.add("a" * 12)
    path.write_bytes(b"retouched!!!")
    place.add("b" * 12)
    before = place.history.states["a" * 12]
    place.prune(keep=0) if prune else place.remove("a" * 12, "b" * 12)

    assert place.history.states["a" * 12] == before
    assert place.gone.left == [f"{path} is not what it was, and was left alone."]
    assert (place.gone.records, len(place.gone.pictures)) == (1, 1)


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("name", ["../outside/a.png", "linked/a.png", "notes.txt", "a.PNG"])
def test_a_file_that_is_no_master_of_the_gallery_keeps_its_record(place, prune, name):
    (place.gallery / "linked").symlink_to(place.outside)
    path = place.add("a" * 12, name)
    before = place.history.states["a" * 12]
    gone = place.goes("a" * 12, prune=prune)

    assert path.exists()
    assert gone == Gone(left=[f"{path} is outside of the gallery, and was left alone."])
    assert place.history.states == {"a" * 12: before}


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("way", ["gone", "a file"])
def test_a_gallery_that_is_not_there_keeps_its_records(place, prune, way):
    path = place.add("a" * 12)
    before = place.history.states["a" * 12]
    place.gallery.rename(place.outside / "unmounted")
    if way == "a file":
        place.gallery.write_bytes(b"")
    gone = place.goes("a" * 12, prune=prune)

    assert gone == Gone(left=[f"{path} cannot be looked at, since its gallery is not there."])
    assert place.history.states == {"a" * 12: before}


@pytest.mark.parametrize("name", ["a.png", "2026/11/a.png"])
@pytest.mark.parametrize("prune", [False, True])
def test_a_missing_picture_in_a_gallery_that_is_there_takes_its_record_along(place, prune, name):
    place.note("a" * 12, name, b"x")
    gone = place.goes("a" * 12, prune=prune)

    assert gone == Gone(1)
    assert [one["status"] for one in place.history.states.values()] == ["removed"] * (not prune)


@pytest.mark.parametrize("prune", [False, True])
def test_only_what_would_really_go_is_counted(place, prune):
    here = place.add("a" * 12)
    place.add("b" * 12).unlink()
    changed = place.add("c" * 12)
    changed.write_bytes(b"retouched")
    place.add("d" * 12, status="removed")
    would = place.would(*(id_ * 12 for id_ in "abcd"), prune=prune)

    assert (would.pictures, would.bytes) == ([str(here)], 12)
    assert would.left == [f"{changed} is not what it was, and was left alone."]
    assert would.records == (3 if prune else 2)
    assert would.notes == ([] if prune else [f"{'d' * 12} has no picture; its status is removed."])
    assert (here.exists(), place.history.lines, len(place.history.states)) == (True, [], 4)


def test_a_record_without_a_status_is_told_of(place):
    place.history.states["a"] = {"id": "a"}
    place.remove("a")
    assert place.gone == Gone(notes=["a has no picture; its status is None."])
    assert place.history.states == {"a": {"id": "a"}}


def test_what_went_is_known_when_the_history_cannot_be_written(place):
    first, second = place.add("a" * 12), place.add("b" * 12)

    def fail() -> None:
        raise StorageError("no", code="history_failed", hint="x")

    place.history.meanwhile = fail
    with pytest.raises(StorageError):
        place.remove("a" * 12, "b" * 12)

    assert place.gone == Gone(0, [str(first)], 12)
    assert (first.exists(), second.exists()) == (False, True)


def test_a_circle_of_links_is_left_alone(place):
    (place.gallery / "loop").symlink_to(place.gallery / "loop")
    place.note("a" * 12, "loop/a.png", b"")
    place.remove("a" * 12)

    assert (place.gallery / "loop").is_symlink()
