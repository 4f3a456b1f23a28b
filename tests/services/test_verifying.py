import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given

from mai_cli.adapters.identity import digests
from mai_cli.models.upkeep import Problem, Seen
from mai_cli.services.verifying import TOGETHER, verify
from mai_cli.stores.leftovers import pictures_in
from tests.services.records import ODD_STATES, Memory, state


class Place:
    """A gallery on disk, and a history of what is in it."""

    def __init__(self, folder: Path) -> None:
        self.gallery = folder / "gallery"
        self.gallery.mkdir()
        self.history = Memory()
        self.seen = Seen()

    def add(self, id_: str, gallery: Path | None = None, **more: object) -> Path:
        path = self.gallery / f"{id_}.png"
        path.write_bytes(id_.encode())
        sha256 = hashlib.sha256(id_.encode()).hexdigest()
        master = {"gallery": str(gallery or self.gallery), "path": path.name, "sha256": sha256}
        self.history.states[id_] = state(id_, master=master, **more)
        return path

    def verify(self, gallery: Path | None = None) -> list[Problem]:
        self.seen = Seen()
        gallery = gallery or self.gallery
        found = verify(self.history, gallery, self.seen, digests=digests, pictures_in=pictures_in)
        return list(found)

    @property
    def kinds(self) -> list[str]:
        return [problem.kind for problem in self.verify()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_where_all_is_well_nothing_is_told(place):
    place.add("a")
    place.add("b")
    place.history.states["c"] = state("c", status="refused", master=None)

    assert place.verify() == []
    assert place.seen == Seen(records=3, pictures=2)


def test_a_gallery_that_is_not_there_yet_is_well(tmp_path):
    place = Place(tmp_path)
    place.gallery.rmdir()
    assert place.verify() == []


def test_a_picture_that_is_gone_is_told(place):
    path = place.add("a")
    path.unlink()
    assert place.verify() == [Problem("missing", f"The picture {path} is gone.", "a", str(path))]


def test_a_picture_that_was_changed_is_told(place):
    path = place.add("a")
    path.write_bytes(b"")
    what = f"The picture {path} is not what it was."
    assert place.verify() == [Problem("changed", what, "a", str(path))]


def test_a_folder_in_the_place_of_a_picture_is_a_change(place):
    path = place.add("a")
    path.unlink()
    path.mkdir()
    assert place.kinds == ["changed"]


def test_a_picture_that_no_record_knows_is_told(place):
    place.add("a")
    other = place.gallery / "2026" / "other.png"
    other.parent.mkdir()
    other.write_bytes(b"x")
    what = f"No record knows {other}."
    assert place.verify() == [Problem("unknown_picture", what, path=str(other))]


def test_a_picture_that_should_have_been_removed_is_not_known(place):
    place.add("a", status="removed")
    assert place.kinds == ["unknown_picture"]


def test_the_web_page_and_what_is_on_its_way_are_no_pictures_without_a_record(place):
    (place.gallery / "page" / "pictures").mkdir(parents=True)
    for name in ("page/pictures/a.png", ".b7c4.part", ".hidden.png", "notes.txt", "a.webp"):
        (place.gallery / name).write_bytes(b"x")
    assert place.verify() == []


def test_a_gallery_that_is_reached_another_way_is_the_same(place, tmp_path):
    (tmp_path / "link").symlink_to(place.gallery)
    place.add("a", gallery=tmp_path / "link")
    assert place.verify() == []
    assert place.verify(tmp_path / "link") == []


def test_lines_that_cannot_be_read_are_told_first_with_their_place(place):
    place.add("a").unlink()
    place.history.damaged = lambda: iter([3, 17])

    lines = [(problem.kind, problem.line) for problem in place.verify()]
    assert lines == [("damaged_line", 3), ("damaged_line", 17), ("missing", None)]


def test_what_is_wrong_is_json(place):
    place.history.damaged = lambda: iter([3])
    (problem,) = place.verify()
    assert problem.to_json() == {
        "schema": "mai/problem/1",
        "kind": "damaged_line",
        "id": None,
        "path": None,
        "line": 3,
        "message": "Line 3 of the history cannot be read.",
    }


def test_any_number_of_pictures_is_looked_at(tmp_path):
    count = 2 * TOGETHER + 1
    history = Memory(*[state(f"{number:012x}") for number in range(count)])
    asked = []

    def look(folder, paths):
        asked.append(len(paths))
        return dict.fromkeys(paths, "ab" * 32)

    seen = Seen()
    assert list(verify(history, tmp_path, seen, digests=look, pictures_in=lambda _: [])) == []
    assert (seen, asked) == (Seen(count, count), [TOGETHER, TOGETHER, 1])


@given(odd=ODD_STATES)
@example(odd=state(master=state()["master"] | {"path": "a\0b"}))
@example(odd=state(master=state()["master"] | {"path": "\ud800", "gallery": "x" * 5000}))
def test_a_record_of_any_shape_is_looked_at(odd):
    look = verify(Memory(odd), Path(), Seen(), digests=digests, pictures_in=lambda _: [])
    assert [problem.kind for problem in look] in ([], ["missing"], ["changed"])
