import errno
import os
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest

from mai_cli.stores import atomic
from mai_cli.stores.atomic import (
    copy,
    create,
    free_bytes,
    make_folder,
    place,
    prepare,
    sync_folder,
)

OPEN_FILES = Path("/dev/fd")

RACE = """
import sys
from pathlib import Path
from mai_cli.stores.atomic import place

won = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    partial = Path(f".{sys.argv[1]}-{number}.part")
    partial.write_text(sys.argv[1])
    try:
        place(partial, Path(f"{number}.png"))
        won += 1
    except FileExistsError:
        assert partial.read_text() == sys.argv[1]
        partial.unlink()
print(won)
"""

CREATE_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from mai_cli.stores.atomic import create

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with create(Path("out/hero.png"), overwrite=True) as file:
        file.write(b"x" * 5000)
except OSError as error:
    print(error.strerror)
"""

PREPARE_AS_SOMEBODY_ELSE = """
import os
from pathlib import Path
from mai_cli.stores.atomic import prepare

if os.geteuid() == 0:
    os.setuid(65534)
for folder in ("open", "shut", "shut/new"):
    try:
        prepare(Path(folder))
        print("ok")
    except PermissionError as error:
        print(error.strerror)
"""


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """A disk with hard links, and one without, as FAT and some network disks are."""
    if request.param == "no links":
        forbid_links(monkeypatch)


def forbid_links(monkeypatch):
    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "hardlink_to", refuse)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(target, *pieces, overwrite):
    with create(target, overwrite=overwrite) as file:
        for piece in pieces:
            file.write(piece)


def test_a_finished_file_gets_its_name(tmp_path, links):
    partial = tmp_path / ".x.part"
    partial.write_bytes(b"whole")
    place(partial, tmp_path / "x.png")

    assert files(tmp_path) == {"x.png": b"whole"}


def test_an_existing_file_is_replaced_only_when_told(tmp_path, links):
    partial, final = tmp_path / ".x.part", tmp_path / "x.png"
    partial.write_bytes(b"new")
    final.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        place(partial, final)
    assert files(tmp_path) == {".x.part": b"new", "x.png": b"old"}

    place(partial, final, replace=True)
    assert files(tmp_path) == {"x.png": b"new"}


def test_a_link_that_points_nowhere_is_in_the_way_too(tmp_path, links):
    partial, final = tmp_path / ".x.part", tmp_path / "x.png"
    partial.write_bytes(b"new")
    final.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        place(partial, final)

    assert final.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_of_many_threads_one_gets_the_name_and_the_others_keep_their_files(tmp_path, links):
    count = 16
    final = tmp_path / "x.png"
    barrier = Barrier(count)

    def race(number: int) -> bool:
        partial = tmp_path / f".{number}.part"
        partial.write_bytes(b"%d" % number)
        barrier.wait()
        try:
            place(partial, final)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(count) as threads:
        won = list(threads.map(race, range(count)))

    assert sum(won) == 1
    winner = won.index(True)
    lost = {f".{number}.part": b"%d" % number for number in range(count) if number != winner}
    assert files(tmp_path) == lost | {"x.png": b"%d" % winner}


def test_of_many_processes_one_gets_each_name(python, tmp_path):
    processes = [python.start(RACE, name) for name in "abcd"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    won = {
        name: int(*python.finish(process)) for name, process in zip("abcd", processes, strict=True)
    }

    placed = [path.read_text() for path in tmp_path.iterdir()]
    assert len(placed) == 50
    assert {name: placed.count(name) for name in "abcd"} == won


def test_a_name_in_a_folder_that_is_gone_is_an_error_and_the_file_stays(tmp_path, links):
    partial = tmp_path / ".x.part"
    partial.write_bytes(b"whole")

    with pytest.raises(FileNotFoundError):
        place(partial, tmp_path / "gone" / "x.png")

    assert files(tmp_path) == {".x.part": b"whole"}


def test_a_reserved_name_is_given_up_when_it_cannot_be_filled(tmp_path, monkeypatch):
    forbid_links(monkeypatch)

    def fail(path: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path / "hero.png", b"whole", overwrite=False)

    assert files(tmp_path) == {}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_new_file_is_whole(tmp_path, links, overwrite, size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    write(tmp_path / "hero.png", data[:7], data[7:], overwrite=overwrite)

    assert files(tmp_path) == {"hero.png": data}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_new_file_has_its_name_only_once_it_is_whole(tmp_path, links, overwrite):
    with create(tmp_path / "hero.png", overwrite=overwrite) as file:
        file.write(b"half")
        file.flush()
        (name,) = files(tmp_path)
        assert (name.startswith("."), name.endswith(".part")) == (True, True)
        file.write(b" whole")

    assert files(tmp_path) == {"hero.png": b"half whole"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_new_file_is_on_disk_before_it_has_its_name_and_so_is_the_name_after(
    tmp_path, links, flushed, overwrite
):
    @contextmanager
    def placing():
        assert flushed == [len(b"whole")]
        yield

    with create(tmp_path / "hero.png", overwrite=overwrite, placing=placing) as file:
        file.write(b"whole")

    assert flushed == [len(b"whole"), ["hero.png"]]


def test_a_new_file_replaces_only_when_told(tmp_path, links):
    target = tmp_path / "hero.png"
    target.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        write(target, b"new", overwrite=False)
    assert files(tmp_path) == {"hero.png": b"old"}

    write(target, b"new", overwrite=True)
    assert files(tmp_path) == {"hero.png": b"new"}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    "error", [ValueError("a bug"), OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()]
)
def test_a_new_file_that_is_not_finished_leaves_nothing_behind(tmp_path, links, overwrite, error):
    def fail(target: Path) -> None:
        with create(target, overwrite=overwrite) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail(tmp_path / "hero.png")
    assert files(tmp_path) == {}

    (tmp_path / "hero.png").write_bytes(b"old")
    with pytest.raises(type(error)):
        fail(tmp_path / "hero.png")
    assert files(tmp_path) == {"hero.png": b"old"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_new_file_that_cannot_have_its_name_leaves_nothing_behind(tmp_path, overwrite):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing" / "hero.png", b"whole", overwrite=overwrite)
    assert files(tmp_path) == {}

    target = tmp_path / "hero.png"
    target.mkdir()
    with pytest.raises(OSError, match=r"hero\.png"):
        write(target, b"whole", overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["hero.png"]
    assert target.is_dir()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_never_replaced(tmp_path, kind):
    target = tmp_path / "out.png"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to("/dev/null")
    before = os.lstat(target)
    with (
        pytest.raises(OSError, match="it is not a file"),
        create(target, overwrite=True) as file,
    ):
        file.write(b"new")

    assert (os.lstat(target).st_ino, os.lstat(target).st_mode) == (before.st_ino, before.st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_many_threads_write_one_name_and_each_file_is_whole(tmp_path, links):
    count = 8
    barrier = Barrier(count)

    def race(number: int) -> None:
        barrier.wait()
        write(tmp_path / "x.png", *[b"%d" % number] * 1000, overwrite=True)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(race, range(count)))

    (content,) = files(tmp_path).values()
    assert content in [b"%d" % number * 1000 for number in range(count)]


def test_a_new_file_that_does_not_fit_leaves_the_old_file_as_it_was(python, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    assert python.run(CREATE_WITH_LITTLE_ROOM) == ["File too large"]
    assert files(out) == {}

    (out / "hero.png").write_bytes(b"old")
    assert python.run(CREATE_WITH_LITTLE_ROOM) == ["File too large"]
    assert files(out) == {"hero.png": b"old"}


def test_what_cannot_even_be_begun_is_told_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "missing" / "lock.json", [b"whole"], mode=0o666)


def test_a_copy_is_whole_and_leaves_what_is_there_alone(tmp_path, links):
    (tmp_path / "master.png").write_bytes(b"whole")
    copy(tmp_path / "master.png", tmp_path / "a.png")
    assert files(tmp_path) == {"master.png": b"whole", "a.png": b"whole"}

    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        copy(tmp_path / "master.png", tmp_path / "a.png")
    assert files(tmp_path) == {"master.png": b"whole", "a.png": b"mine"}


def test_folders_are_made_once_and_all_the_way(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_neither_a_file_nor_a_folder_leaves_an_open_file_behind(tmp_path, links):
    before = len(list(OPEN_FILES.iterdir()))
    make_folder(tmp_path / "a" / "b")
    write(tmp_path / "a" / "hero.png", b"whole", overwrite=False)
    write(tmp_path / "a" / "hero.png", b"whole", overwrite=True)

    assert len(list(OPEN_FILES.iterdir())) == before


def test_folders_that_were_made_are_on_disk(tmp_path, flushed):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")

    assert flushed == [["b"], ["a"]]


def test_a_folder_cannot_be_made_where_a_file_is(tmp_path):
    (tmp_path / "file").write_bytes(b"x")

    for folder in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(OSError, match="file"):
            prepare(folder)
    assert files(tmp_path) == {"file": b"x"}


def test_a_folder_that_may_not_be_written_is_found_out_beforehand(python, tmp_path):
    tmp_path.chmod(0o755)
    for name, mode in (("open", 0o777), ("shut", 0o555)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)

    assert python.run(PREPARE_AS_SOMEBODY_ELSE) == ["ok", "Permission denied", "Permission denied"]


def test_flushing_a_folder_that_is_gone_is_no_error(tmp_path):
    sync_folder(tmp_path / "gone")


def test_the_room_for_a_folder_that_is_missing_is_that_of_the_nearest_above(tmp_path, monkeypatch):
    room = {tmp_path: 70, tmp_path / "a": 7}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=room[folder]))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"as it was")

    assert free_bytes(tmp_path / "b" / "c") == 70
    assert free_bytes(tmp_path / "a" / "b" / "c") == 7
    assert free_bytes(tmp_path / "a", tmp_path / "a" / "missing") == 7
    assert free_bytes(tmp_path / "a", tmp_path / "a" / "file") == 7
    assert files(tmp_path / "a") == {"file": b"as it was"}


def test_there_is_no_room_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"as it was")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotADirectoryError):
        free_bytes(tmp_path / "file")
    with pytest.raises(OSError, match="it is not a file"):
        free_bytes(tmp_path, tmp_path / "folder")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            free_bytes(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_there_is_no_room_for_a_file_that_may_not_be_written(tmp_path):
    (tmp_path / "file").touch(mode=0o444)

    with pytest.raises(PermissionError):
        free_bytes(tmp_path, tmp_path / "file")
