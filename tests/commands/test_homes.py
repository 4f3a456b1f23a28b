"""Homes that are missing, read-only or no folder at all; galleries in odd places."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import MAI, Result

WITHOUT_POWERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]


@pytest.fixture
def user(env, tmp_path):
    """Run the command as somebody to whom permissions mean something, also if root tests."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("nothing is read-only to root")

    def user(*args: str, without: str = "", **more: str) -> Result:
        done = subprocess.run(
            [*(WITHOUT_POWERS if os.geteuid() == 0 else []), *MAI, *args],
            env={name: text for name, text in (env | more).items() if name != without},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return user


@pytest.fixture
def read_only(home):
    """A home that holds a record and a picture, and takes nothing more."""
    folders = []

    def close() -> None:
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
            folders.extend([path] if path.is_dir() else [])

    yield close
    for folder in folders:
        folder.chmod(0o755)


def test_a_home_that_is_read_only_sends_nothing_and_shows_what_it_has(
    user, foundry, home, history, read_only
):
    assert user("generate", "x", "--offline").code == 0
    before = (home / "history.jsonl").read_bytes()
    read_only()

    for args in (["generate", "x"], ["generate", "x", "--offline"]):
        result = user(*args)
        assert (result.code, result.out) == (3, b"")
        assert "Nothing was sent." in result.err
    assert user("history", "list").lines[0].startswith(next(iter(history())))
    assert user("history", "verify").code == 0
    for args in (
        ["prune", "--keep", "0", "--yes"],
        ["remove", "last", "--yes"],
        ["tag", "last", "+a"],
    ):
        assert user("history", *args).code == 7
    assert user("config", "set", "size", "1:1").code == 3
    assert foundry.received == []
    assert (home / "history.jsonl").read_bytes() == before
    assert len(list((home / "gallery").rglob("*.png"))) == 1


@pytest.mark.parametrize("place", ["gallery", "gallery/below"])
def test_a_gallery_that_is_a_file_or_below_one_is_found_before_paying(
    mai, foundry, tmp_path, history, place
):
    (tmp_path / "gallery").write_bytes(b"mine")
    result = mai("generate", "x", MAI_GALLERY=str(tmp_path / place))

    assert result.code == 3
    assert "cannot be written: Not a directory. Nothing was sent." in result.err
    assert (foundry.received, history()) == ([], {})
    assert (tmp_path / "gallery").read_bytes() == b"mine"


def test_a_home_that_is_not_there_is_made(user, foundry, tmp_path):
    result = user("generate", "x", without="MAI_HOME", HOME=str(tmp_path / "new" / "me"))

    assert result.code == 0
    assert result.lines[0].startswith(str(tmp_path / "new/me/Pictures/mai/"))


def test_a_home_that_cannot_be_made_sends_nothing(user, foundry, tmp_path):
    (tmp_path / "file").touch()
    result = user("generate", "x", without="MAI_HOME", HOME=str(tmp_path / "file" / "me"))

    assert result.code == 3
    assert "cannot be written: Not a directory. Nothing was sent." in result.err
    assert foundry.received == []


@pytest.mark.parametrize("args", [["generate", "x"], ["config", "list"], ["history", "list"]])
def test_an_empty_home_is_told_before_anything_is_written(user, foundry, args):
    result = user(*args, without="MAI_HOME", HOME="")

    assert (result.code, foundry.received) == (3, [])
    assert "This user has no home folder." in result.err
