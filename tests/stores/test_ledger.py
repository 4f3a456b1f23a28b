import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from mai_cli.stores.ledger import Ledger

OPEN_FILES = Path("/dev/fd")

COUNT = """
import sys
from pathlib import Path
from mai_cli.stores.ledger import Ledger

ledger = Ledger(Path("ledger.json"), durable=sys.argv[1] == "durable")
for _ in range(int(sys.argv[2])):
    print(ledger.change(lambda data: ((data or 0) + 1, data)), flush=True)
"""

both = pytest.mark.parametrize("durable", [True, False])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.json"


def add_one(data):
    return (data or 0) + 1, data


@both
def test_what_a_step_returns_is_kept_and_what_it_returns_beside_is_handed_on(path, durable):
    ledger = Ledger(path, durable=durable)

    assert ledger.change(lambda data: ({"seen": data}, "beside")) == "beside"
    assert ledger.read() == {"seen": None}
    assert ledger.change(lambda data: ([1], data)) == {"seen": None}
    assert path.read_text() == "[1]\n"


@both
def test_processes_change_it_one_after_the_other(python, path, durable):
    how = "durable" if durable else "in place"
    for process in [python.start(COUNT, how, 50) for _ in range(4)]:
        python.finish(process)

    assert Ledger(path, durable=durable).read() == 200


@both
def test_threads_change_it_one_after_the_other(path, durable):
    ledger = Ledger(path, durable=durable)

    def count():
        for _ in range(25):
            ledger.change(add_one)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.read() == 200


def test_no_change_that_was_made_is_lost_when_a_process_is_killed(python, path):
    ledger, told = Ledger(path, durable=True), 0
    for _ in range(5):
        process = python.start(COUNT, "durable", 1_000_000)
        process.stdout.readline()
        time.sleep(random.random() / 50)
        process.send_signal(signal.SIGKILL)
        told += 1 + len(process.stdout.read().splitlines())

        assert ledger.read() >= told
        told = ledger.read()


def test_one_that_is_not_durable_stays_usable_when_a_process_is_killed(python, path):
    ledger = Ledger(path, durable=False)
    for _ in range(5):
        process = python.start(COUNT, "in place", 1_000_000)
        process.stdout.readline()
        time.sleep(random.random() / 50)
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert isinstance(ledger.read(), int | None)
        ledger.change(lambda _: (0, None))


@both
def test_a_folder_that_is_missing_is_made_by_the_first_change(tmp_path, durable):
    ledger = Ledger(tmp_path / "a" / "b" / "ledger.json", durable=durable)

    assert ledger.read() is None
    assert not (tmp_path / "a").exists()
    ledger.change(add_one)
    assert ledger.read() == 1


damaged = pytest.mark.parametrize(
    "data", [b"", b"\n", b'{"a":', b'{"a":1}\n}', b"\xff\xfe\x00", b"no JSON", b"[" * 100_000]
)


@damaged
def test_a_torn_or_foreign_file_is_read_as_none_and_replaced(path, data):
    path.write_bytes(data)
    ledger = Ledger(path, durable=False)

    assert ledger.read() is None
    assert ledger.change(lambda data: ({"a": 2}, data)) is None
    assert ledger.read() == {"a": 2}


@damaged
def test_a_durable_one_that_is_damaged_is_an_error_and_stays_as_it_is(path, data):
    path.write_bytes(data)
    ledger = Ledger(path, durable=True)

    with pytest.raises(OSError, match="is damaged"):
        ledger.read()
    with pytest.raises(OSError, match="is damaged"):
        ledger.change(add_one)
    assert path.read_bytes() == data


@both
def test_a_shorter_value_leaves_nothing_of_a_longer_one(path, durable):
    ledger = Ledger(path, durable=durable)
    for value in ("x" * 1000, "x", 12345, 1):
        ledger.change(lambda _, value=value: (value, None))

        assert json.loads(path.read_bytes()) == value


def test_whatever_a_crash_leaves_of_a_write_is_read_as_none_or_as_one_of_the_two(path):
    ledger = Ledger(path, durable=False)
    for old, new in (({"a": 1}, {"b": 123456}), ({"b": 123456}, {"a": 1}), (12345, 1), (1, 12345)):
        texts = [f"{json.dumps(value, separators=(',', ':'))}\n" for value in (old, new)]
        path.write_text(texts[1] + texts[0][len(texts[1]) :])  # written, not yet cut

        assert ledger.read() in (None, old, new)


@both
def test_what_stays_as_it_was_is_not_written_again(path, durable):
    ledger = Ledger(path, durable=durable)
    ledger.change(lambda _: ({"a": 1}, None))
    os.utime(path, (0, 0))

    ledger.change(lambda data: (data, None))
    assert path.stat().st_mtime == 0


@both
def test_only_a_durable_one_is_put_in_place_whole(path, durable):
    ledger = Ledger(path, durable=durable)
    ledger.change(add_one)
    with path.open() as before:
        ledger.change(add_one)

        assert before.read() == ("1\n" if durable else "2\n")


@both
def test_only_a_durable_one_is_on_disk_after_a_change(path, flushed, durable):
    Ledger(path, durable=durable).change(add_one)

    names = [path.name, f"{path.name}.lock"]
    assert flushed == ([len(b"1\n"), names] if durable else [])


@both
def test_who_may_use_it_is_for_the_umask_to_say(path, modes, durable):
    Ledger(path, durable=durable).change(add_one)

    assert modes() == {0o666}


@both
def test_a_step_that_fails_changes_nothing_and_frees_the_lock(path, durable):
    ledger = Ledger(path, durable=durable)
    ledger.change(add_one)

    with pytest.raises(ZeroDivisionError):
        ledger.change(lambda data: (data / 0, None))
    assert ledger.change(add_one) == 1


@both
def test_a_value_that_is_no_json_is_not_written(path, durable):
    ledger = Ledger(path, durable=durable)
    ledger.change(add_one)

    with pytest.raises(ValueError, match="JSON"):
        ledger.change(lambda _: (float("nan"), None))
    assert ledger.read() == 1


@both
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, durable):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Ledger(tmp_path / "file" / "ledger.json", durable=durable).change(add_one)

    (tmp_path / "folder.json").mkdir()
    with pytest.raises(IsADirectoryError):
        Ledger(tmp_path / "folder.json", durable=durable).change(add_one)


@both
def test_it_leaves_no_open_file_behind(path, durable):
    ledger = Ledger(path, durable=durable)
    ledger.change(add_one)
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(10):
        ledger.change(add_one)
        ledger.read()

    assert len(list(OPEN_FILES.iterdir())) == before
