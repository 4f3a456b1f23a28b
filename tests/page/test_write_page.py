import errno
import os
from pathlib import Path

import pytest

from mai_cli.stores.page import STAMP, claim, is_ours, write_page
from tests.page.gallery_page import item

FILES = ["data.js", "index.html", "page.css", "page.js"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "page"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_four_files_are_written_into_a_folder_that_is_made(folder):
    write_page(folder, [item()])

    assert names(folder) == FILES
    assert b'<script src="data.js" defer>' in (folder / "index.html").read_bytes()


def test_what_would_not_change_is_not_written(folder):
    write_page(folder, [item()])
    for name in FILES:
        os.utime(folder / name, (1, 1))
    write_page(folder, [item()])
    assert {(folder / name).stat().st_mtime for name in FILES} == {1}
    write_page(folder, [item(), item(1)])

    changed = [name for name in FILES if (folder / name).stat().st_mtime != 1]
    assert changed == ["data.js"]


def test_a_page_of_an_older_version_is_renewed(folder):
    write_page(folder, [])
    (folder / "page.js").write_text("old")
    write_page(folder, [])

    assert (folder / "page.js").read_text() != "old"


def test_files_beside_the_page_are_left_alone(folder):
    (folder / "thumbs").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    write_page(folder, [])

    assert names(folder) == sorted([*FILES, "thumbs", "notes.txt"])


@pytest.mark.parametrize("name", ["data.js", "notes.txt", "thumbs", "pictures", ".hidden"])
def test_a_folder_that_holds_something_else_is_not_ours(folder, name):
    folder.mkdir(parents=True)
    (folder / name).write_text("mine")

    assert not is_ours(folder)


def test_a_page_that_was_interrupted_is_ours(folder):
    claim(folder)
    assert names(folder) == [STAMP]
    assert is_ours(folder)
    (folder / "thumbs").mkdir()
    assert is_ours(folder)


def test_what_a_page_was_made_from_stays_known_when_it_is_claimed_again(folder):
    claim(folder)
    (folder / STAMP).write_text("all")
    claim(folder)

    assert (folder / STAMP).read_text() == "all"


def test_a_folder_that_cannot_be_looked_at_is_an_error_of_the_system(folder, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder.mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PermissionError):
        is_ours(folder)


def test_a_folder_is_ours_if_it_holds_nothing_or_a_page_of_mai(folder):
    assert is_ours(folder)
    folder.mkdir(parents=True)
    assert is_ours(folder)
    write_page(folder, [])
    assert is_ours(folder)


@pytest.mark.parametrize("page", [b"", b"<h1>Mine</h1>", b"\xff", b'<meta content="mai">'])
def test_the_page_of_a_stranger_is_not_ours(folder, page):
    folder.mkdir(parents=True)
    (folder / "index.html").write_bytes(page)

    assert not is_ours(folder)


def test_an_index_that_cannot_be_read_is_an_error_of_the_system(folder):
    (folder / "index.html").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        is_ours(folder)


def test_a_page_that_cannot_be_written_is_as_before(folder):
    write_page(folder, [item()])
    before = (folder / "data.js").read_bytes()
    (folder / "page.js").unlink()
    (folder / "page.js").mkdir()
    with pytest.raises(OSError, match=r"page\.js"):
        write_page(folder, [item()])

    assert (folder / "data.js").read_bytes() == before
    assert names(folder) == FILES


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        is_ours(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        write_page(tmp_path / "file", [])
