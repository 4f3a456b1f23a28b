import errno
import os
import shutil
import threading
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from mai_cli.adapters.thumbnails import shrink
from mai_cli.stores.thumbnail_cache import ThumbnailCache
from tests.pictures import encoded, smooth


def digest(number: int) -> str:
    return f"{number % 256:02x}{number:062x}"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def small(_digest: str, path: Path) -> bytes:
    return b"small " + path.read_bytes()


@pytest.fixture
def pictures(tmp_path):
    """Ten files by their digests, which are no pictures."""
    (tmp_path / "pictures").mkdir()
    files = {digest(number): tmp_path / "pictures" / f"{number}" for number in range(10)}
    for sha256, file in files.items():
        file.write_text(sha256)
    return files


@pytest.fixture
def cache(tmp_path):
    return ThumbnailCache(tmp_path / "cache", small)


def test_each_picture_is_made_small_once(tmp_path, cache, pictures):
    assert cache.known() == set()
    assert sorted(cache.fill(pictures)) == sorted(pictures)
    assert cache.known() == pictures.keys()
    for sha256 in pictures:
        assert cache.path(sha256) == tmp_path / "cache" / sha256[:2] / f"{sha256}.webp"
        assert cache.path(sha256).read_text() == f"small {sha256}"
    assert len(names(tmp_path / "cache")) == 10


def test_pictures_become_thumbnails(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(smooth(400, 200)))
    cache = ThumbnailCache(tmp_path / "cache", lambda _, path: shrink(path, 64, 64).webp())
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.png").write_bytes(path.read_bytes()[:-30])
    files = {digest(n): tmp_path / f"{name}.png" for n, name in enumerate("abcd")}

    assert list(cache.fill(files)) == [digest(0)]
    with Image.open(BytesIO(cache.path(digest(0)).read_bytes())) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (64, 32))
    assert cache.known() == {digest(0)}


@pytest.mark.parametrize("error", [OSError(2, "No such file"), ValueError("is damaged")])
def test_what_cannot_be_made_small_is_left_out(tmp_path, pictures, error):
    def make(sha256: str, path: Path) -> bytes:
        if path.name in ("3", "7"):
            raise error
        return small(sha256, path)

    cache = ThumbnailCache(tmp_path / "cache", make)
    left = pictures.keys() - {digest(3), digest(7)}
    assert set(cache.fill(pictures)) == cache.known() == left


def test_pictures_are_made_small_side_by_side(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    together = threading.Barrier(4, timeout=20)

    def make(sha256: str, path: Path) -> bytes:
        if int(path.name) < 4:
            together.wait()
        return small(sha256, path)

    assert len(list(ThumbnailCache(tmp_path / "cache", make).fill(pictures))) == 10


def test_any_number_of_pictures_is_made_small(tmp_path, pictures, cache):
    many = {digest(number): pictures[digest(number % 10)] for number in range(500)}
    assert set(cache.fill(many)) == cache.known() == many.keys()


def test_nothing_is_made_of_nothing(cache):
    assert list(cache.fill({})) == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path, pictures):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(OSError, match=r"exists|directory"):
        list(ThumbnailCache(tmp_path / "cache", small).fill(pictures))


def test_what_is_not_whole_is_no_thumbnail(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    (tmp_path / "cache" / "00" / ".0123456789ab.part").write_bytes(b"sm")
    (tmp_path / "cache" / "00" / f".{digest(0)}.webp").write_bytes(b"sm")
    assert cache.known() == pictures.keys()


def test_two_runs_at_once_leave_whole_thumbnails(tmp_path, pictures):
    caches = [ThumbnailCache(tmp_path / "cache", small) for _ in range(2)]
    threads = [threading.Thread(target=lambda one=one: list(one.fill(pictures))) for one in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [caches[0].path(one).read_text() for one in pictures] == [
        f"small {one}" for one in pictures
    ]
    assert len(names(tmp_path / "cache")) == 10


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """A disk with hard links, and one without."""

    if request.param == "no links":
        refuse_links(monkeypatch)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cache be on another disk."""
    link = Path.hardlink_to

    def refuse(path: Path, target: Path) -> None:
        if target.parent != path.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.usefixtures("links")
def test_a_page_has_just_the_thumbnails_of_its_pictures(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    page = tmp_path / "page"
    for numbers in (range(5), range(3, 8), range(0), range(10)):
        wanted = {digest(number) for number in numbers}
        cache.hand_out(page, wanted)
        assert names(page) == sorted(f"{one[:2]}/{one}.webp" for one in wanted)
        for one in wanted:
            assert (page / one[:2] / f"{one}.webp").read_text() == f"small {one}"
    assert cache.known() == pictures.keys()


def test_a_disk_that_fills_up_leaves_no_torn_thumbnail(tmp_path, pictures, cache, monkeypatch):
    list(cache.fill(pictures))

    def tear(source: BinaryIO, target: BinaryIO) -> None:
        target.write(source.read(3))
        raise OSError(errno.ENOSPC, "No space left on device")

    refuse_links(monkeypatch)
    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left"):
        full.setattr(shutil, "copyfileobj", tear)
        cache.hand_out(tmp_path / "page", {digest(1)})
    assert names(tmp_path / "page") == []

    cache.hand_out(tmp_path / "page", {digest(1)})
    assert len(names(tmp_path / "page")) == 1


def test_what_else_is_beside_the_thumbnails_stays(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    page = tmp_path / "page"
    (page / "00").mkdir(parents=True)
    (page / "00" / "notes.txt").write_bytes(b"mine")
    cache.hand_out(page, {digest(1)})
    cache.hand_out(page, set())
    assert names(page) == ["00/notes.txt"]


@pytest.mark.parametrize(
    "name", ["hero.webp", f"{'A' * 64}.webp", f"{'a' * 63}.webp", f"{'a' * 65}.webp"]
)
@pytest.mark.parametrize("place", ["", "aa"])
def test_a_picture_of_somebody_else_is_no_thumbnail_and_stays(
    tmp_path, pictures, cache, place, name
):
    list(cache.fill(pictures))
    for folder in ("page", "cache"):
        (tmp_path / folder / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / place / name).write_bytes(b"mine")
    cache.hand_out(tmp_path / "page", {digest(1)})
    cache.hand_out(tmp_path / "page", set())

    assert names(tmp_path / "page") == [str(Path(place, name))]
    assert cache.known() == pictures.keys()


def test_a_thumbnail_is_made_of_the_picture_with_its_digest(tmp_path, pictures):
    def make(sha256: str, path: Path) -> bytes:
        if path.read_text() != sha256:
            raise ValueError(path)
        return small(sha256, path)

    pictures[digest(3)].write_text("another picture")
    cache = ThumbnailCache(tmp_path / "cache", make)
    assert set(cache.fill(pictures)) == cache.known() == pictures.keys() - {digest(3)}


def test_what_is_forgotten_is_gone_and_the_rest_stays(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    for _ in range(2):
        cache.forget(digest(1))
    cache.forget(digest(99))

    assert cache.known() == pictures.keys() - {digest(1)}
    ThumbnailCache(tmp_path / "not there", small).forget(digest(1))
    assert not (tmp_path / "not there").exists()


def test_a_thumbnail_that_another_run_hands_out_at_once_is_no_problem(
    tmp_path, pictures, cache, monkeypatch
):
    list(cache.fill(pictures))
    link = Path.hardlink_to

    def link_twice(path: Path, target: Path) -> None:
        link(path, target)
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", link_twice)
    cache.hand_out(tmp_path / "page", set(pictures))
    assert len(names(tmp_path / "page")) == 10


def test_a_page_that_cannot_be_written_is_told(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    (tmp_path / "page").write_bytes(b"")
    with pytest.raises(OSError, match=r"exists|directory"):
        cache.hand_out(tmp_path / "page", set(pictures))


def test_a_cache_that_was_emptied_is_filled_again(tmp_path, pictures, cache):
    list(cache.fill(pictures))
    shutil.rmtree(tmp_path / "cache")
    assert cache.known() == set()
    assert len(list(cache.fill(pictures))) == 10
