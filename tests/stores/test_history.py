import json
import os
import pickle
import random
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError, StorageError, UsageError
from mai_cli.models.answer import Picture
from mai_cli.models.record import Export, Master, Record
from mai_cli.stores.file_lock import locked
from mai_cli.stores.history import History, to_line
from mai_cli.stores.history_lines import _SEARCH_BYTES

FULL = Path("/dev/full")
OPEN_FILES = Path("/dev/fd")
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

READ_AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from mai_cli.errors import ConfigError
from mai_cli.stores.history import History

if os.geteuid() == 0:
    os.setuid(65534)
history = History(Path("history.jsonl"))
for read in (history.newest, history.find, history.find_picture):
    try:
        print(list(read(*sys.argv[1:] * (read != history.newest))))
    except ConfigError as error:
        print(error.code, error.message)
"""

READ_THE_NEWEST = """
from itertools import islice
from pathlib import Path
from mai_cli.stores.history import History

def bytes_read():
    return int(Path("/proc/self/io").read_text().split()[1])

before = bytes_read()
states = list(islice(History(Path("history.jsonl")).newest(), 20))
print(bytes_read() - before, *[state["id"] for state in states])
"""

DROP_OVER_AND_OVER = """
import sys
from pathlib import Path
from mai_cli.stores.history import History

history = History(Path("history.jsonl"))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[1])):
    history.drop(lambda states: [one["id"] for one in states if one["id"].startswith(sys.argv[2])])
"""

TAG = """
import sys
from pathlib import Path
from mai_cli.stores.history import History

history = History(Path("history.jsonl"))
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    tag = f"{sys.argv[2]}-{number}"
    history.change(sys.argv[1], lambda state: {**state, "tags": [*state["tags"], tag]})
"""

FIND_A_WORD = """
import resource
from pathlib import Path
from mai_cli.stores.history import History

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes

list(History(Path("small.jsonl")).newest("Needle"))
before = peak()
found = [state["id"] for state in History(Path("history.jsonl")).newest("Needle")]
print(peak() - before, *found)
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


def test_a_line_is_on_disk_and_so_is_the_name_of_a_new_file(path, record, flushed):
    history = History(path)
    history.append(record)
    one = path.stat().st_size
    names = [path.name, f"{path.name}.lock"]
    assert flushed == [one, names]

    history.append(replace(record, id="cafe00000000"))
    two = path.stat().st_size
    assert flushed == [one, names, two]

    history.change(record.id, tagged("hero"))
    assert flushed == [one, names, two, path.stat().st_size]


def test_a_mere_detail_is_not_waited_for(path, record, flushed):
    path.write_bytes(b"")
    history = History(path)
    history.append(record)
    flushed.clear()
    history.append(made(record, "ab" * 32), is_detail=True)

    assert flushed == []
    assert len(objects(path)) == 2


def test_who_may_use_the_file_is_for_the_umask_to_say(path, record, modes):
    History(path).append(record)

    assert modes() == {0o666}


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


def test_what_was_added_or_could_not_be_leaves_no_open_file_behind(path, record, monkeypatch):
    history = History(path)
    history.append(record)
    before = len(list(OPEN_FILES.iterdir()))
    history.append(made(record, "ab" * 32))
    history.change(record.id, tagged("hero"))

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    refused(history, record)
    assert len(list(OPEN_FILES.iterdir())) == before


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


# Reading back.

BLOCK = 1 << 16
TORN = [
    *(b"", b"{", b"null", b"[]", b'"id"', b"\xff\xfe", b"\0" * 50),
    *(b'{"status":"sent"}', b'{"id":7,"status":"sent"}', b'{"id":null,"status":"sent"}'),
]


@dataclass
class Lines:
    """A history in the making: its bytes, and what is to be found in them."""

    data: bytes = b""
    order: list[str] = field(default_factory=list)
    states: dict[str, dict] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        state = record.to_json()
        if record.id not in self.states:
            self.order.append(record.id)
        self.states[record.id] = state
        self.data += to_line(state)

    @property
    def newest(self) -> list[dict]:
        return [self.states[id_] for id_ in reversed(self.order)]


def made(record: Record, sha256: str, exports: Sequence[str] = ()) -> Record:
    picture = Picture(1024, 1024, 1, sha256, content_credentials=False)
    files = [Export(f"/x/{sha}", "png", 1, 1, 1, sha, content_credentials=False) for sha in exports]
    return replace(
        record, status="ok", master=Master.of(picture, "a.png", "/gallery"), exports=files
    )


def hexadecimal(number: int) -> str:
    return random.Random(number).randbytes(32).hex()


@st.composite
def histories(draw: st.DrawFn, record: Record) -> Lines:
    """Records that begin and end at different times; between them, what cannot be read."""
    lines = Lines()
    kinds = ["line", "export", "failed", "again", "torn", "odd"]
    events = st.tuples(st.integers(0, 5), st.sampled_from(kinds))
    for number, event in draw(st.lists(events, max_size=25)):
        own = replace(record, id=f"{number}{hexadecimal(number)[:11]}")
        if event == "odd":
            lines.data += draw(st.sampled_from(TORN)) + b"\n"
        elif event == "torn":
            line = to_line(own.to_json())
            lines.data += line[: draw(st.integers(0, len(line) - 2))] + b"\n"
        elif own.id not in lines.states:
            lines.add(own)
        elif event == "failed":
            lines.add(replace(own, status="failed"))
        elif event == "again":  # a further attempt of the same request
            lines.add(replace(own, attempts=lines.states[own.id]["attempts"] + 1))
        else:
            exports = [export["sha256"] for export in lines.states[own.id]["exports"]]
            exports += [hexadecimal(20)] * (event == "export")
            ended = made(own, hexadecimal(10 + number % 4), exports)
            lines.add(replace(ended, tags=[f"{len(lines.data)}"]))
    return lines


@given(data=st.data())
@settings(deadline=None)
def test_the_last_line_of_a_record_is_its_state_wherever_it_stands(tmp_path_factory, record, data):
    lines = data.draw(histories(record))
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(lines.data)
    history = History(path)

    assert list(history.newest()) == lines.newest
    for number in range(7):
        states = [state for state in lines.states.values() if state["id"][0] == str(number)]
        assert history.find(str(number)) == states
    for sha256 in map(hexadecimal, (*range(10, 15), 20)):
        found = history.find_picture(sha256)
        expected = [state for state in lines.states.values() if sha256 in sha256s(state)]
        assert sorted(found, key=lambda state: state["id"]) == sorted(
            expected, key=lambda state: state["id"]
        )


def sha256s(state: dict) -> list[str]:
    master = [state["master"]] if state["master"] else []
    return [file["sha256"] for file in (*master, *state["exports"])]


def padded(record: Record, number: int, size: int) -> Record:
    """A record whose line has just so many bytes, if it can."""
    own = replace(record, id=f"{number:012x}", prompt="")
    return replace(own, prompt="x" * (size - len(to_line(own.to_json()))))


SIZES = st.sampled_from(
    [0, 1, BLOCK // 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1]
)


@given(
    sizes=st.lists(st.one_of(SIZES, st.integers(BLOCK - 900, BLOCK + 900)), max_size=5),
    end=st.sampled_from([b"", b"\n", b"{", b"x" * (BLOCK - 1), b"x" * BLOCK]),
)
@example(sizes=[BLOCK, BLOCK, BLOCK], end=b"")
@example(sizes=[BLOCK + 1, BLOCK, BLOCK - 1], end=b"")
@example(sizes=[3 * BLOCK], end=b"")
@example(sizes=[], end=b"x" * BLOCK)
@settings(deadline=None, max_examples=40)
def test_lines_of_any_length_are_read_from_the_end(tmp_path_factory, record, sizes, end):
    lines = Lines()
    for number, size in enumerate(sizes):
        lines.add(padded(record, number, size))
    path = tmp_path_factory.getbasetemp() / "long.jsonl"
    path.write_bytes(lines.data + end)

    assert list(History(path).newest()) == lines.newest


def test_a_record_that_was_sent_several_times_is_listed_once_where_it_was_sent_first(path, record):
    history = History(path)
    history.append(record)
    history.append(other := replace(record, id="cafe00000000"))
    for attempt in (2, 3):
        history.append(replace(record, status="failed", attempts=attempt - 1))
        history.append(replace(record, attempts=attempt))

    last = replace(record, attempts=3)
    assert list(history.newest()) == [other.to_json(), last.to_json()]
    history.append(ended := made(last, "ab" * 32))
    assert list(history.newest()) == [other.to_json(), ended.to_json()]


def asset(record: Record, id_: str, request: str) -> Record:
    batch = {"manifest": "/work/assets.yaml", "asset": id_, "request": request}
    return replace(record, id=id_, batch=batch)


def test_records_are_recalled_by_the_request_of_a_batch_or_the_digest_of_a_file(path, record):
    first, second, third, copy, other = "ab" * 32, "cd" * 32, "ef" * 32, "12" * 32, "34" * 32
    records = [
        asset(record, "c" * 12, first),
        asset(record, "b" * 12, second),
        made(replace(record, id="a" * 12), third, [copy]),
        asset(record, "d" * 12, other),
    ]
    history = History(path)
    for sent in records:
        history.append(sent)
    history.append(ended := replace(records[0], status="failed"))

    found = [ended.to_json(), records[1].to_json(), records[2].to_json()]
    assert history.recall([first, second, third]) == found
    assert history.recall({second}) == [records[1].to_json()]
    assert history.recall([copy]) == [records[2].to_json()]
    assert history.recall([first[:-1], first.upper(), "56" * 32]) == history.recall([]) == []


def test_a_record_is_recalled_in_its_last_state_even_if_that_has_no_digest(path, record):
    history = History(path)
    history.append(made(record, "ab" * 32))
    history.append(replace(record, status="removed"))

    assert [state["status"] for state in history.recall(["ab" * 32])] == ["removed"]


def test_a_state_that_was_added_long_after_is_the_state(path, record):
    lines = Lines()
    lines.add(record)
    for number in range(200):
        lines.add(padded(record, number, 1500))
    lines.add(replace(made(record, "ab" * 32), tags=["favorite"]))
    path.write_bytes(lines.data)

    history = History(path)
    assert list(history.newest()) == lines.newest
    assert history.find(record.id) == history.find_picture("ab" * 32) == [lines.newest[-1]]


def test_the_state_of_a_picture_is_never_one_that_has_passed(path, record):
    history = History(path)
    history.append(record)
    history.append(made(record, "ab" * 32))
    history.append(replace(record, status="removed"))

    assert [state["status"] for state in history.find_picture("ab" * 32)] in ([], ["removed"])


def test_an_id_is_that_of_the_record_and_no_other(path, record):
    history = History(path)
    history.append(replace(record, request={"id": "cafe"}, prompt='"id":"cafe"', tags=["cafe"]))
    history.append(other := replace(record, id="cafe00000000", rerun_of=record.id))

    assert history.find("cafe") == history.find("cafe00000000") == [other.to_json()]
    assert [state["id"] for state in history.find(record.id)] == [record.id]
    assert history.find("cafe000000000") == history.find("afe0") == []


def test_of_several_the_one_that_changed_last_comes_first(path, record):
    history = History(path)
    first, second, third = (replace(record, id=f"cafe{number:08}") for number in range(3))
    for one in (first, second, record, third, second, first):
        history.append(one)
    history.append(ended := made(first, "ab" * 32))

    assert history.find("cafe") == [ended.to_json(), second.to_json(), third.to_json()]
    assert [state["id"] for state in history.find("")][-1] == record.id


@pytest.mark.parametrize(
    "line",
    [
        b'{ "id" : "cafe1", "status" : "ok" }',
        b'{"id":\t"cafe1"}',
        b'{"status": "ok", "master": {"id": 7}, "id"  :  "cafe1"}\r',
        b'{"batch":{"id":"b7c4"},"id":"cafe1"}',
    ],
)
def test_a_record_is_found_however_its_line_is_spaced(path, record, line):
    History(path).append(record)
    path.write_bytes(path.read_bytes() + line + b"\n")
    history = History(path)

    assert history.find("cafe") == [json.loads(line)]
    assert [state["id"] for state in history.find("b7c4")] == [record.id]
    assert history.change("cafe1", lambda state: state)["id"] == "cafe1"


@pytest.mark.parametrize("line", [b'{"id":"caf\\u00e9"}', b'{"id":"caf\xc3\xa9"}'])
def test_a_record_is_found_however_its_id_is_written(path, line):
    path.write_bytes(line + b"\n")
    assert History(path).find("café") == [{"id": "café"}]


def test_a_picture_is_what_the_record_made_not_what_it_tells_of(path, record):
    ours, theirs, reference = "ab" * 32, "cd" * 32, "ef" * 32
    history = History(path)
    history.append(
        replace(
            made(record, ours, [theirs]),
            images=[{"path": "/x/a.png", "sha256": reference}],
            prompt=f'"sha256":"{reference}"',
        )
    )

    assert len(history.find_picture(ours)) == len(history.find_picture(theirs)) == 1
    assert history.find_picture(reference) == history.find_picture(ours[:-1]) == []


def test_a_picture_that_was_made_twice_has_both_records_the_newest_last(path, record):
    history = History(path)
    for id_ in ("b" * 12, "a" * 12):
        history.append(made(replace(record, id=id_), "ab" * 32))

    assert [state["id"] for state in history.find_picture("ab" * 32)] == ["b" * 12, "a" * 12]


WAYS = [
    lambda history: list(history.newest()),
    lambda history: history.find("b7c4"),
    lambda history: history.find_picture("ab" * 32),
    lambda history: history.recall(["ab" * 32]),
]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"not json\n", b"\n\n{", b"[" * 100_000])
def test_a_history_without_records_is_read_as_such(path, content):
    if content is not None:
        path.write_bytes(content)

    assert [read(History(path)) for read in WAYS] == [[], [], [], []]


@pytest.mark.parametrize("read", WAYS)
def test_a_place_where_no_history_can_be_cannot_be_read(path, read):
    path.mkdir()
    with pytest.raises(ConfigError) as caught:
        read(History(path))

    assert caught.value.code == "cannot_read"
    assert caught.value.message == f"The history {path} cannot be read: Is a directory."


def test_a_history_that_may_not_be_read_is_named(python, path):
    path.write_bytes(b"{}\n")
    path.chmod(0o200)

    message = "cannot_read The history history.jsonl cannot be read: Permission denied."
    assert python.run(READ_AS_SOMEBODY_ELSE, "b7c4") == [message] * 3


def test_what_is_read_while_others_append_is_whole(python, path, record):
    process = python.start(APPEND, pickled(record), "a")
    process.stdin.write("\n")
    process.stdin.flush()
    history, seen = History(path), 0
    while seen < 50:
        ids = [state["id"] for state in history.newest()]
        assert len(ids) >= seen
        seen = len(ids)
        assert ids == [f"a-{number}" for number in reversed(range(seen))]
        assert len(history.find("a-")) >= seen

    python.finish(process)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not count reads")
def test_the_newest_are_found_without_reading_the_rest(python, path, record):
    lines = Lines()
    for number in range(400):
        lines.add(replace(record, id=f"{number:012x}"))
    with path.open("wb") as file:
        file.truncate(1 << 28)
        file.seek(1 << 28)
        file.write(b"\n" + lines.data)

    (line,) = python.run(READ_THE_NEWEST)
    count, *ids = line.split()
    assert ids == lines.order[:-21:-1]
    assert int(count) < 2 * BLOCK


@pytest.mark.parametrize(
    "odd", [5, "ab" * 32, ["ab" * 32], [{"sha256": ["ab" * 32]}], {"x": "ab" * 32}]
)
def test_a_line_of_another_shape_spoils_no_search(path, record, odd):
    history = History(path)
    history.append(made(record, "ab" * 32))
    for key in ("master", "exports"):
        line = json.dumps({"id": "eeee11112222", key: odd, "note": "ab" * 32})
        with path.open("a") as file:
            file.write(f"{line}\n")

    assert [state["id"] for state in history.find_picture("ab" * 32)] == [record.id]


def test_a_pipe_in_place_of_the_history_is_not_waited_for(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="it is not a file"):
        list(History(path).newest())


# Looking for a word.


def found(path: Path, word: str) -> list[str]:
    return [state["id"] for state in History(path).newest(word)]


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("A Red FOX", "red fox"),
        ("a red fox", "Red FOX"),
        ('say "hello"', '"HELLO"'),
        ("two\nlines", "o\nL"),
        ("back\\slash", "k\\s"),
        ("a\ttab and \0 and \x1b", "\0"),
        ("雪の中の狐", "の中"),
        ("Éclair, ÉTÉ", "été"),
        ("straße", "STRASSE"[:4]),
        ("\U0001f98a fox", "\U0001f98a"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\u2028 and \u0085", "\u2028"),
    ],
)
def test_a_word_is_found_in_any_case(path, record, prompt, word):
    history = History(path)
    history.append(replace(record, prompt=prompt))
    history.append(replace(record, id="cafe00000000", prompt="something else"))

    assert record.id in found(path, word)


@given(data=st.data())
@settings(deadline=None)
def test_no_record_with_the_word_is_missed(tmp_path_factory, record, data):
    # Two characters have a small letter of ASCII: the sign of Kelvin, and the dotted I.
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u212a\u0130"))
    prompt = data.draw(st.one_of(text, st.text('aAbB"\\\n éÉß雪', max_size=30)))
    start = data.draw(st.integers(0, len(prompt)))
    word = prompt[start : data.draw(st.integers(start, len(prompt)))]
    word = data.draw(st.sampled_from([word, word.lower(), word.upper()]))
    path = tmp_path_factory.getbasetemp() / "word.jsonl"
    path.write_bytes(to_line(replace(record, prompt=prompt).to_json()))

    assert word.lower() not in prompt.lower() or found(path, word) == [record.id]


def test_a_word_is_found_beside_a_file_name_that_is_not_utf_8(path, record):
    history = History(path)
    history.append(replace(record, prompt="雪の中の狐", images=[{"path": "/x/\udcff.png"}]))

    assert found(path, "雪") == [record.id]


def test_what_is_not_utf_8_can_be_looked_for(path, record):
    history = History(path)
    history.append(replace(record, prompt="a \udcff fox"))

    assert [state["id"] for state in history.newest("a \udcff fox")] == [record.id]
    assert history.find("\udcff") == []


def test_a_word_that_nothing_has_is_not_found(path, record):
    History(path).append(record)
    assert found(path, "lighthouses") == found(path, "lighthouse\n") == []


def test_a_record_that_is_found_by_a_word_is_in_its_last_state(path, record):
    history = History(path)
    history.append(record)
    history.append(replace(record, id="cafe00000000", prompt="something else"))
    history.append(ended := made(record, "ab" * 32))

    assert list(history.newest("LIGHTHOUSE")) == [ended.to_json()]


SEARCHED = _SEARCH_BYTES


@pytest.mark.parametrize("shift", [-13, -7, -6, -1, 0, 1, 40])
@pytest.mark.parametrize("lines_after", [1, 3])
def test_a_word_across_the_border_of_two_blocks_is_found(path, record, shift, lines_after):
    wanted = to_line(replace(record, id="a" * 12, prompt="needle").to_json())
    after = SEARCHED + shift - (len(wanted) - wanted.index(b"needle"))
    sizes = [after // lines_after] * (lines_after - 1)
    sizes.append(after - sum(sizes))
    others = [to_line(padded(record, number, size).to_json()) for number, size in enumerate(sizes)]
    path.write_bytes(wanted + b"".join(others))

    assert found(path, "Needle") == ["a" * 12]


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="its unit of memory differs")
def test_a_search_takes_no_more_memory_in_a_long_history(python, path, record):
    line = to_line(record.to_json())
    needle = to_line(replace(record, id="a" * 12, prompt="needle").to_json())
    path.with_name("small.jsonl").write_bytes(needle + line * 3000)
    path.write_bytes(needle + line * 60_000 + needle.replace(b"a" * 12, b"b" * 12))

    (told,) = python.run(FIND_A_WORD)
    more, *ids = told.split()
    assert ids == ["b" * 12, "a" * 12]
    assert int(more) < 8_000


# What cannot be read.


def test_a_damaged_id_spoils_neither_a_search_nor_a_removal(path, record):
    state, damaged = made(record, "ab" * 32).to_json(), b'{"id":"\\q"}\n'
    path.write_bytes(to_line(state) + damaged)
    history = History(path)

    assert history.recall(["ab" * 32]) == [state]
    assert history.drop(lambda _: [record.id]) == 1
    assert path.read_bytes() == damaged


def test_lines_that_cannot_be_read_are_counted_from_one(path, record):
    line = to_line(record.to_json())
    path.write_bytes(b"\n".join([b"{", line + line[:50], b"", b"   ", b"[]", b"\xff", line + b"{"]))

    assert list(History(path).damaged()) == [1, 3, 6, 7, 9]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\n\n"])
def test_nothing_is_damaged_where_nothing_is(path, content):
    if content is not None:
        path.write_bytes(content)

    assert list(History(path).damaged()) == []


# Adding to what is there.


def tagged(tag: str):
    return lambda state: {**state, "tags": [*state["tags"], tag]}


def test_a_change_is_one_more_line(path, record):
    history = History(path)
    history.append(record)
    history.append(ended := made(record, "ab" * 32))
    before = path.read_bytes()
    after = ended.to_json() | {"tags": ["hero"]}

    assert history.change(record.id, tagged("hero")) == after
    assert path.read_bytes() == before + to_line(after)


def test_what_a_later_version_says_stays(path, record):
    later = record.to_json() | {
        "schema": "mai/record/9",
        "status": "ok",
        "mood": {"deep": [1, None, "雪"]},
    }
    path.write_bytes(to_line(later))

    changed = History(path).change(record.id, tagged("x"))
    assert changed == objects(path)[-1] == later | {"tags": ["x"]}


def test_it_is_the_newest_state_that_is_changed_not_one_that_was_read_before(path, record):
    history = History(path)
    history.append(record)
    (old,) = history.newest()
    history.append(ended := made(record, "ab" * 32))

    changed = history.change(old["id"], tagged("x"))
    assert changed == ended.to_json() | {"tags": ["x"]}


def test_a_record_is_not_another_that_tells_of_it(path, record):
    history = History(path)
    history.append(record)
    history.append(replace(record, id="cafe00000000", rerun_of=record.id))
    history.append(replace(record, id=f"{record.id}0"))

    assert history.change(record.id, tagged("x"))["id"] == record.id


def test_a_record_that_was_pruned_meanwhile_cannot_be_changed(path, record):
    history = History(path)
    history.append(replace(record, rerun_of="cafe00000000"))
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        history.change("cafe00000000", tagged("x"))

    assert caught.value.code == "no_record"
    assert caught.value.message == "The history has no record 'cafe00000000' any more."
    assert path.read_bytes() == before


def test_a_change_that_fails_adds_nothing(path, record):
    history = History(path)
    history.append(record)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        history.change(record.id, lambda state: {"id": 1 // 0})

    assert path.read_bytes() == before
    history.append(record)  # nobody holds the lock


def test_a_record_that_was_changed_before_its_answer_came_is_one_record(path, record):
    history = History(path)
    history.append(record)
    history.change(record.id, tagged("hero"))
    assert [state["tags"] for state in history.newest()] == [["hero"]]

    history.append(ended := made(record, "ab" * 32))
    assert list(history.newest()) == [ended.to_json() | {"tags": ["hero"]}]


@pytest.mark.parametrize("tags", [[], ["hero"], ["b", "a", "ü 日本"]])
def test_tags_that_others_gave_or_took_meanwhile_stay(path, record, tags):
    history = History(path)
    record = replace(record, tags=["old"])
    history.append(record)
    history.change(record.id, lambda state: {**state, "tags": tags})
    again = replace(record, attempts=2)
    ended = made(record, "ab" * 32)
    for later in (again, ended, replace(ended, alt="more")):
        history.append(later, is_detail=later is not ended)
        assert objects(path)[-1] == later.to_json() | {"tags": tags}
    history.change(record.id, lambda state: {**state, "tags": ["last"]})
    history.append(ended)
    assert objects(path)[-1]["tags"] == ["last"]


def test_tags_of_another_record_are_not_taken_over(path, record):
    history = History(path)
    history.append(record)
    history.append(replace(record, id="cafe00000000", rerun_of=record.id, tags=["theirs"]))
    history.append(ended := made(record, "ab" * 32))
    assert objects(path)[-1] == ended.to_json()


@pytest.mark.parametrize("tags", [None, 7, "x", {"a": 1}])
def test_tags_of_another_shape_are_not_taken_over(path, record, tags):
    path.write_bytes(to_line(record.to_json() | {"tags": tags}))
    History(path).append(ended := made(record, "ab" * 32))
    assert objects(path)[-1] == ended.to_json()


def test_a_record_that_was_pruned_meanwhile_keeps_its_own_tags(path, record):
    record = replace(record, tags=["old"])
    ended = made(record, "ab" * 32)
    History(path).append(ended)
    assert objects(path) == [ended.to_json()]


def test_tags_that_are_given_while_it_is_appended_all_stay(python, path, record):
    history = History(path)
    history.append(record)
    processes = [python.start(TAG, record.id, name) for name in "ab"]
    started(processes)
    for number in range(40):
        history.append(replace(record, attempts=2 + number), is_detail=True)
    for process in processes:
        python.finish(process)

    (state,) = history.newest()
    assert sorted(state["tags"]) == sorted(f"{n}-{number}" for n in "ab" for number in range(20))


def test_changes_of_several_processes_all_stay(python, path, record):
    history = History(path)
    history.append(made(record, "ab" * 32))
    processes = [python.start(TAG, record.id, name) for name in "abcd"]
    started(processes)
    for process in processes:
        python.finish(process)

    (state,) = history.newest()
    assert sorted(state["tags"]) == sorted(f"{n}-{number}" for n in "abcd" for number in range(20))
    assert list(history.damaged()) == []


def started(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


# Taking records out.


def drop(path: Path, *ids: str) -> int:
    return History(path).drop(lambda _: ids)


def test_all_lines_of_a_record_go_and_every_other_stays_as_it_is(path, record):
    other = replace(record, id="cafe00000000", rerun_of=record.id, prompt=f'"id":"{record.id}"')
    kept = [
        to_line(other.to_json()),
        b"\n",
        b'{"id":"' + record.id.encode() + b'","torn\n',
        b"  not json \xff\r\n",
        b'{ "id": "1234", "batch": {"id":"' + record.id.encode() + b'"}, "new": 1.50 }\n',
        b'["id", "' + record.id.encode() + b'"]\n',
        to_line(replace(other, status="ok", request={"id": record.id}).to_json()),
        b'{"torn at the end":',
    ]
    gone = [
        to_line(record.to_json()),
        to_line(made(record, "ab" * 32).to_json()),
        json.dumps(record.to_json()).encode() + b"\n",
    ]
    path.write_bytes(b"".join([gone[0], *kept[:4], gone[1], *kept[4:6], gone[2], *kept[6:]]))

    assert drop(path, record.id) == 1
    assert path.read_bytes() == b"".join(kept)


@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_only_what_was_chosen_goes(tmp_path_factory, record, data):
    lines = data.draw(histories(record))
    path = tmp_path_factory.mktemp("drop") / "any.jsonl"
    path.write_bytes(lines.data)
    ids = data.draw(st.sets(st.sampled_from(lines.order))) if lines.order else set()
    stay = [
        line
        for line in lines.data.splitlines(keepends=True)
        if (state_in(line) or {}).get("id") not in ids
    ]

    assert drop(path, *ids) == len(ids)
    assert path.read_bytes() == b"".join(stay)
    assert list(History(path).newest()) == [one for one in lines.newest if one["id"] not in ids]


def state_in(line: bytes) -> dict | None:
    try:
        state = json.loads(line)
    except ValueError:
        return None
    return state if isinstance(state, dict) and isinstance(state.get("id"), str) else None


@pytest.mark.parametrize(
    "line", [b'{"id":"caf\\u00e9"}', b'{"id" : "caf\xc3\xa9"}', b'{"id":\t"caf\xc3\xa9"}']
)
def test_a_record_is_known_however_its_line_is_written(path, line):
    path.write_bytes(line + b"\n")
    assert drop(path, "café") == 1
    assert path.read_bytes() == b""


def test_an_id_that_no_text_can_have_stops_nothing(path, record):
    path.write_bytes(
        b'{"id":"\\ud800","of":"' + record.id.encode() + b'"}\n' + to_line(record.to_json())
    )
    history = History(path)

    assert len(history.find(record.id)) == 1
    assert history.drop(lambda states: [state["id"] for state in states]) == 2


def test_an_id_with_a_damaged_character_stops_nothing(path, record):
    damaged = b'{"id":"\xff"}\n'
    path.write_bytes(damaged + to_line(record.to_json()))

    assert drop(path, record.id) == 1
    assert path.read_bytes() == damaged


def test_what_chooses_is_told_of_every_record_the_newest_first(path, record):
    history = History(path)
    other = replace(record, id="cafe00000000")
    history.append(record)
    history.append(other)
    history.append(ended := made(record, "ab" * 32))
    seen = []
    history.drop(lambda states: seen.extend(states) or [])

    assert seen == [other.to_json(), ended.to_json()]


def test_where_nothing_is_chosen_the_file_is_left_alone(path, record):
    History(path).append(record)
    before = path.stat()

    assert drop(path) == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660])
def test_the_permissions_stay(path, record, mode):
    History(path).append(record)
    path.chmod(mode)
    drop(path, record.id)

    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_to_the_history_stays_one(tmp_path, path, record):
    target = tmp_path / "elsewhere" / "records.jsonl"
    History(target).append(record)
    path.symlink_to(target)
    target.with_name(".records.jsonl.part").write_bytes(b"of one that was killed")
    drop(path, record.id)

    assert path.is_symlink()
    assert target.read_bytes() == b""
    assert beside(target) == []


def beside(path: Path) -> list[str]:
    """What is in the folder of a history besides it and its lock."""
    ours = (path.name, f"{path.name}.lock")
    return sorted(file.name for file in path.parent.iterdir() if file.name not in ours)


@pytest.mark.parametrize("size", [0, 10, 1 << 20])
def test_what_one_that_was_killed_has_left_is_replaced(path, record, size):
    History(path).append(record)
    History(path).append(other := replace(record, id="cafe00000000"))
    path.chmod(0o600)
    part = path.with_name(".history.jsonl.part")
    part.write_bytes(b"x" * size)
    part.chmod(0o444)

    assert drop(path, record.id) == 1
    assert objects(path) == [other.to_json()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert beside(path) == []


def test_a_link_where_the_new_history_is_written_leads_nowhere(tmp_path, path, record):
    History(path).append(record)
    (tmp_path / "mine").write_bytes(b"mine")
    path.with_name(".history.jsonl.part").symlink_to(tmp_path / "mine")
    drop(path, record.id)

    assert path.read_bytes() == b""
    assert not path.is_symlink()
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_when_it_cannot_be_written_it_is_as_before(path, record, monkeypatch):
    History(path).append(record)
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError) as caught:
        drop(path, record.id)

    assert caught.value.message.endswith("cannot be written: No space left on device.")
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_what_is_left_is_on_disk_once_a_record_was_dropped(path, record, flushed):
    history = History(path)
    history.append(record)
    history.append(replace(record, id="cafe00000000"))
    flushed.clear()
    drop(path, record.id)

    assert flushed == [path.stat().st_size, [path.name, f"{path.name}.lock"]]


def test_an_interrupted_choice_leaves_all_as_it_was(path, record):
    History(path).append(record)
    before = path.read_bytes()

    def stop(_: object) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        History(path).drop(stop)
    assert path.read_bytes() == before


@pytest.mark.parametrize("drops", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_nothing_is_lost_that_is_appended_while_another_drops(python, path, record, drops):
    lines = [to_line(padded(record, number, 2000).to_json()) for number in range(500)]
    path.write_bytes(b"".join(lines))
    processes = [python.start(APPEND, pickled(record), name) for name in "abcd"]
    processes.append(python.start(DROP_OVER_AND_OVER, drops, "a-"))
    processes.append(python.start(DROP_OVER_AND_OVER, drops, "0000000000"))
    started(processes)
    for process in processes:
        python.finish(process)
    drop(path, *[state["id"] for state in History(path).newest() if state["id"].startswith("a-")])

    assert list(History(path).damaged()) == []
    stay = [f"{name}-{number}" for name in "bcd" for number in range(50)]
    stay += [f"{number:012x}" for number in range(256, 500)]
    assert sorted(state["id"] for state in objects(path)) == sorted(stay)


@pytest.mark.parametrize("kills", [8, pytest.param(150, marks=pytest.mark.slow)])
def test_a_kill_in_the_middle_leaves_the_old_file_or_the_new(python, path, record, kills):
    chance = random.Random(6)
    lines = [to_line(padded(record, number, 2000).to_json()) for number in range(4000)]
    before, after = b"".join(lines), b"".join(lines[256:])
    outcomes = set()
    for _ in range(kills):
        path.write_bytes(before)
        process = python.start(DROP_OVER_AND_OVER, 1, "0000000000")
        started([process])
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        process.communicate()
        content = path.read_bytes()
        outcomes.add(content)
        assert content in (before, after)
        assert drop(path, "no such id") == 1  # nobody holds the lock
        assert beside(path) == []

    assert outcomes


def test_a_record_that_was_dropped_can_be_appended_again(path, record):
    history = History(path)
    history.append(record)
    drop(path, record.id)
    history.append(record)

    assert objects(path) == [record.to_json()]
