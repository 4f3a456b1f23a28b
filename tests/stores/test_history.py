import json
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import StorageError
from mai_cli.models.answer import Picture
from mai_cli.models.record import Master
from mai_cli.stores.file_lock import locked
from mai_cli.stores.history import History, to_line

FULL = Path("/dev/full")
ODD = 'a\nb\r\u2028c\u0085d \U0001f98a \udcff\ud800 \0 \\ "'

APPEND = """
import pickle, sys
from dataclasses import replace
from pathlib import Path
from mai_cli.stores.history import History

record = pickle.loads(bytes.fromhex(sys.argv[1]))
history = History(Path("history.jsonl"))
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    history.append(replace(record, id=f"{sys.argv[2]}-{number}"))
"""

APPEND_WITH_LITTLE_ROOM = """
import pickle, resource, sys
from pathlib import Path
from mai_cli.errors import StorageError
from mai_cli.stores.history import History

record = pickle.loads(bytes.fromhex(sys.argv[1]))
history = History(Path("history.jsonl"))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    history.append(record)
except StorageError as error:
    print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(Path("history.jsonl").stat().st_size)
history.append(record)
"""

APPEND_AS_SOMEBODY_ELSE = """
import os, pickle, sys
from pathlib import Path
from mai_cli.errors import StorageError
from mai_cli.stores.history import History

record = pickle.loads(bytes.fromhex(sys.argv[1]))
if os.geteuid() == 0:
    os.setuid(65534)
try:
    History(Path("history.jsonl")).append(record)
except StorageError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


def pickled(record):
    return pickle.dumps(record).hex()


def objects(path):
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def refused(history, record):
    with pytest.raises(StorageError) as caught:
        history.append(record)
    assert caught.value.code == "history_failed"
    return caught.value.message


def test_each_state_of_a_record_is_a_line_of_its_own(path, record):
    history = History(path)
    ended = replace(record, status="unknown")
    history.append(record)
    history.append(ended)

    assert objects(path) == [record.to_json(), ended.to_json()]


def test_the_folder_is_made(tmp_path, record):
    path = tmp_path / "not" / "yet" / "history.jsonl"
    History(path).append(record)

    assert objects(path) == [record.to_json()]


@pytest.mark.parametrize("torn", ['{"id":"0123456', "{", '{"id":"x","prompt":"caf\u00e9"}', " "])
def test_a_line_that_a_crash_has_torn_is_set_aside(path, record, torn):
    history = History(path)
    history.append(record)
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode())
    history.append(record)

    assert path.read_bytes() == whole + torn.encode() + b"\n" + whole


def test_a_torn_character_is_set_aside_too(path, record):
    torn = '{"prompt":"\u00e9'.encode()[:-1]
    path.write_bytes(torn)
    History(path).append(record)

    assert path.read_bytes() == torn + b"\n" + to_line(record.to_json())


def test_what_others_wrote_is_never_touched(path, record):
    before = b'\n\nnot json\r\n{"schema":"mai/record/9"}\n'
    path.write_bytes(before)
    History(path).append(record)

    assert path.read_bytes() == before + to_line(record.to_json())


def test_eight_processes_at_once_lose_nothing(python, path, record):
    processes = [python.start(APPEND, pickled(record), name) for name in "abcdefgh"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        python.finish(process)

    ids = [line["id"] for line in objects(path)]
    assert sorted(ids) == sorted(f"{name}-{number}" for name in "abcdefgh" for number in range(50))
    for name in "abcdefgh":
        own = [id_ for id_ in ids if id_.startswith(name)]
        assert own == [f"{name}-{number}" for number in range(50)]


def test_an_append_waits_until_nobody_else_is_at_the_file(python, path, record):
    with locked(path.with_name("history.jsonl.lock")):
        process = python.start(APPEND, pickled(record), "a")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert not path.exists()

    python.finish(process)
    assert len(objects(path)) == 50


def test_odd_texts_are_one_line_each(path, record):
    picture = Picture(1024, 1024, 1, "ab" * 32, content_credentials=False)
    odd = replace(
        record,
        prompt=ODD,
        tags=[ODD, ""],
        deployment=ODD,
        master=Master.of(picture, ODD, f"/home/{ODD}"),
    )
    history = History(path)
    history.append(odd)
    history.append(record)

    assert objects(path) == [odd.to_json(), record.to_json()]


@given(prompt=st.text(st.characters(exclude_categories=())), tags=st.lists(st.text(), max_size=3))
@example(prompt=ODD, tags=["\u2028"])
@settings(deadline=None)
def test_any_text_comes_back_as_it_was_from_a_single_line(record, prompt, tags):
    value = replace(record, prompt=prompt, tags=tags).to_json()
    line = to_line(value)

    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    assert json.loads(line) == value


def test_people_can_read_the_history_without_a_program(path, record):
    History(path).append(replace(record, prompt="雪の中の狐"))

    assert "雪の中の狐" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("torn", [b"", b'{"id":"0123'])
@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(python, path, record, torn, room):
    History(path).append(record)
    path.write_bytes(before := path.read_bytes() + torn)

    code, size = python.run(APPEND_WITH_LITTLE_ROOM, pickled(record), len(before) + room)

    assert (code, int(size)) == ("history_failed", len(before))
    lines = path.read_bytes().removeprefix(before)
    assert lines == (b"\n" if torn else b"") + to_line(record.to_json())


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full disk to offer")
def test_a_full_disk_is_named(path, record):
    path.symlink_to(FULL)

    assert refused(History(path), record) == (
        f"The history {path} cannot be written: No space left on device."
    )


@pytest.mark.parametrize(("folder", "file"), [(0o777, 0o444), (0o555, 0o666)])
def test_a_history_that_may_not_be_written_is_left_as_it_was(python, path, record, folder, file):
    path.write_bytes(b"{}\n")
    path.chmod(file)
    path.parent.chmod(folder)

    (line,) = python.run(APPEND_AS_SOMEBODY_ELSE, pickled(record))

    path.parent.chmod(0o755)
    assert line == "history_failed The history history.jsonl cannot be written: Permission denied."
    assert path.read_bytes() == b"{}\n"


def test_a_place_where_no_history_can_be_is_named(tmp_path, path, record):
    path.mkdir()
    assert refused(History(path), record).endswith("cannot be written: Is a directory.")

    (tmp_path / "file").write_bytes(b"as it was")
    message = refused(History(tmp_path / "file" / "history.jsonl"), record)
    assert "file/history.jsonl cannot be written: " in message
    assert (tmp_path / "file").read_bytes() == b"as it was"
