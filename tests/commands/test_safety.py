"""Paid once, never lost: stops, kills, full disks and folders that go away."""

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mai_cli.adapters.png import PngScan
from tests.adapters.servers import length_of, read_head, serving
from tests.chunks import without_texts
from tests.conftest import MAI
from tests.emulator import Answer, Emulator, error, picture, png

WHOLE = picture(png(1024, 1024)).body


def started(command, env, tmp_path):
    return subprocess.Popen(
        command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def program(code, env, tmp_path):
    return started([sys.executable, "-c", code], env, tmp_path)


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_while_drawing_is_at_once_and_recorded_as_unknown(
    env, foundry, tmp_path, history, sign, code
):
    foundry.latency = 20
    process = started([*MAI, "generate", "x", "-n", "2", "--json"], env, tmp_path)
    wait_for(lambda: foundry.received)
    stopped = time.monotonic()
    process.send_signal(sign)
    out, err = process.communicate(timeout=10)

    (record,) = history().values()
    assert process.returncode == code
    assert time.monotonic() - stopped < 3
    assert (record["status"], record["error"]["code"]) == ("unknown", "interrupted")
    assert json.loads(out) == record
    assert b"it may still be billed" in err
    assert b"Traceback" not in err


def test_a_stop_while_waiting_for_the_quota_is_no_unknown(env, foundry, tmp_path, history):
    foundry.will(error(429, "RateLimitReached", "Too many.", Retry_After="100"))
    process = subprocess.Popen(
        [*MAI, "generate", "x"], env=env, cwd=tmp_path, stderr=subprocess.PIPE
    )
    line = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    (record,) = history().values()
    assert b"Trying again in 100 s." in line
    assert process.returncode == 130
    assert (record["status"], record["error"]["code"]) == ("failed", "stopped")


def test_a_kill_while_waiting_for_the_quota_leaves_no_unknown(env, foundry, tmp_path, history):
    foundry.will(error(429, "RateLimitReached", "Too many.", Retry_After="100"))
    process = subprocess.Popen(
        [*MAI, "generate", "x"], env=env, cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert b"Trying again in 100 s." in process.stderr.readline()
    process.kill()
    process.communicate(timeout=10)

    (record,) = history().values()
    assert (record["status"], record["attempts"]) == ("failed", 1)
    assert record["error"]["code"] == "quota"


def test_a_stop_while_another_run_has_closed_the_gate_leaves_no_record(
    env, foundry, tmp_path, history
):
    foundry.will(error(429, "RateLimitReached", "Too many.", Retry_After="100"))
    for _ in range(2):
        process = subprocess.Popen(
            [*MAI, "generate", "x"], env=env, cwd=tmp_path, stderr=subprocess.PIPE
        )
        line = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=10)

    assert line.startswith(b"Waiting ")
    assert line.endswith(b" s for the quota of mai-image-26.\n")
    assert (process.returncode, b"Traceback" in rest) == (130, False)
    assert len(history()) == len(foundry.received) == 1


def test_a_kill_while_drawing_leaves_the_sent_line(env, foundry, tmp_path, history):
    foundry.latency = 20
    process = subprocess.Popen([*MAI, "generate", "x"], env=env, cwd=tmp_path)
    wait_for(lambda: foundry.received)
    process.kill()
    process.wait()

    assert [record["status"] for record in history().values()] == ["sent"]


@pytest.mark.parametrize("where", ["file in the way", "read-only"])
def test_a_gallery_that_cannot_be_written_is_found_before_paying(
    mai, foundry, home, history, where
):
    if where == "read-only" and os.geteuid() == 0:
        pytest.skip("nothing is read-only to root")
    home.mkdir()
    (home / "gallery").mkdir(mode=0o500) if where == "read-only" else (home / "gallery").touch()
    result = mai("generate", "x")

    assert result.code == 3
    assert "Nothing was sent." in result.err
    assert (foundry.received, history()) == ([], {})


def test_a_history_that_cannot_be_written_is_found_before_paying(mai, foundry, home):
    (home / "history.jsonl").mkdir(parents=True)
    result = mai("generate", "x")

    assert result.code == 3
    assert "Nothing was sent." in result.err
    assert foundry.received == []


def test_a_gallery_that_goes_away_is_survived(mai, foundry, home, tmp_path, history):
    foundry.will(Answer(body=WHOLE, before=lambda: shutil.rmtree(home / "gallery")))
    result = mai("generate", "x", "-o", "copy.png", TMPDIR=str(tmp_path))

    (record,) = history().values()
    (rescued,) = tmp_path.glob("mai-*.png")
    assert result.code == 7
    assert f"The picture is safe at {rescued}" in result.err
    copy = (tmp_path / "copy.png").read_bytes()
    assert rescued.read_bytes() == without_texts(copy) == png(1024, 1024)
    assert (record["status"], record["error"]["code"]) == ("ok", "rescued")
    assert record["master"]["path"] == str(rescued)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


NOISE = png(
    1024, 1024, rows=b"".join(b"\0" + random.Random(n).randbytes(1024) for n in range(1024))
)


def test_a_gallery_on_a_full_disk_is_survived(mai, foundry, small_disk, tmp_path, history):
    foundry.will(picture(NOISE))
    result = mai("generate", "x", MAI_GALLERY=str(small_disk), TMPDIR=str(tmp_path))

    (record,) = history().values()
    (rescued,) = tmp_path.glob("mai-*.png")
    assert result.code == 7
    assert "No space left on device" in result.err
    assert rescued.read_bytes() == NOISE
    assert record["error"]["code"] == "rescued"
    assert not [path for path in small_disk.rglob("*") if path.is_file()]


def test_an_output_on_a_full_disk_leaves_the_master_safe(
    mai, foundry, small_disk, masters, history
):
    foundry.will(picture(NOISE))
    result = mai("generate", "x", "-o", str(small_disk / "x.png"))

    (record,) = history().values()
    assert result.code == 7
    assert f"The picture is safe at {masters()[0]}" in result.err
    assert masters()[0].read_bytes() == NOISE
    assert (record["status"], record["error"]["code"]) == ("ok", "export_failed")
    assert list(small_disk.iterdir()) == []


def test_a_history_on_a_full_disk_keeps_the_picture_and_says_so(mai, foundry, small_disk, masters):
    page = small_disk / "history.jsonl"

    def fill() -> None:
        with page.open("ab") as file:
            file.write(b"x" * (-page.stat().st_size % 4096 - 1) + b"\n")
        handle = os.open(small_disk / "rest", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(handle, b"x" * 4096)
        os.close(handle)

    foundry.will(Answer(body=WHOLE, before=fill))
    result = mai("generate", "x", MAI_HISTORY=str(page))
    lines = page.read_bytes().splitlines()

    assert result.code == 7
    assert f"The picture is safe at {masters()[0]}" in result.err
    assert result.lines == [str(masters()[0])]
    assert json.loads(lines[0])["status"] == "sent"
    assert len(lines) == 2


@pytest.mark.parametrize("args", [["generate", "x"], ["batch", "m.txt"]], ids=lambda args: args[0])
def test_a_history_on_a_full_disk_is_found_before_paying(mai, foundry, small_disk, tmp_path, args):
    (tmp_path / "m.txt").write_text("a fox\n")
    page = small_disk / "history.jsonl"
    page.write_bytes(b"x" * 4095 + b"\n")
    with contextlib.suppress(OSError), (small_disk / "rest").open("wb", buffering=0) as rest:
        while True:
            rest.write(bytes(4096))
    result = mai(*args, MAI_HISTORY=str(page))

    assert result.code == 3
    assert "No space left on device. Nothing was sent." in result.err
    assert foundry.received == []
    assert page.read_bytes() == b"x" * 4095 + b"\n"


MEASURED = """
import sys
from pathlib import Path
from mai_cli.__main__ import main
sys.argv = ["mai", "generate", "x"]
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("start", "kind"), [(b'{"a":"', "no_picture"), (b'{"data":[{"b64_json":"', "bad_picture")]
)
def test_an_answer_of_200_megabytes_is_recorded_as_unknown(env, tmp_path, history, start, kind):
    def talk(connection: socket.socket) -> None:
        connection.recv(length_of(read_head(connection)))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + start)
        for _ in range(200):
            connection.sendall(b"A" * (1 << 20))

    with serving(talk) as port:
        process = program(MEASURED, env | {"MAI_ENDPOINT": f"http://127.0.0.1:{port}"}, tmp_path)
        _, err = process.communicate(timeout=60)
    (record,) = history().values()

    assert process.returncode == 8
    assert (record["status"], record["error"]["code"]) == ("unknown", kind)
    assert b"it may have been billed" in err
    assert int(err.split()[-1]) < 64_000  # kilobytes


def test_a_torn_line_neither_spoils_nor_blocks(mai, home):
    home.mkdir()
    (home / "history.jsonl").write_bytes(b'{"id":"a","status":"ok"}\n{"id":"b","sta')
    assert mai("generate", "x").code == 0

    lines = (home / "history.jsonl").read_bytes().split(b"\n")
    assert lines[:2] == [b'{"id":"a","status":"ok"}', b'{"id":"b","sta']
    assert [json.loads(line)["status"] for line in lines[2:4]] == ["sent", "ok"]


@pytest.mark.slow
def test_200_kills_at_random_moments_lose_nothing(env, tmp_path, home, masters):
    chance = random.Random(20261122)
    with Emulator(latency=0.03) as foundry:
        for number in range(200):
            process = subprocess.Popen(
                [*MAI, "generate", f"run {number}", "-n", "2", "-o", f"out/{number}.png", "-q"],
                env=env | {"MAI_ENDPOINT": foundry.url},
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(chance.uniform(0.1, 0.5))
            process.kill()
            process.wait()
        last = subprocess.run(
            [*MAI, "generate", "the last", "-q"],
            env=env | {"MAI_ENDPOINT": foundry.url},
            cwd=tmp_path,
            check=False,
        )
        sent = [json.loads(request.body)["prompt"] for request in foundry.received]

    assert last.returncode == 0
    records: dict[str, dict] = {}
    broken = 0
    for line in (home / "history.jsonl").read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            broken += 1
            continue
        records[record["id"]] = record
    assert broken <= 200
    prompts = [record["prompt"] for record in records.values()]
    for prompt in set(sent):
        assert sent.count(prompt) <= prompts.count(prompt), "a request was sent without a line"
    by_path = {record["master"]["path"] for record in records.values() if record["master"]}
    whole = [path for path in masters() if path.suffix == ".png"]
    for path in whole + sorted((tmp_path / "out").glob("*.png")):
        scan = PngScan()
        scan.feed(path.read_bytes())
        assert scan.finish() is not None, f"{path} is not whole"
    assert by_path <= {str(path.relative_to(home / "gallery")) for path in whole}
    statuses = [record["status"] for record in records.values()]
    assert {"sent", "ok"} == set(statuses), "the moments were not spread over a run"
    for record in records.values():
        if record["status"] == "ok":
            assert (home / "gallery" / record["master"]["path"]).is_file()


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.08, 0.11, 0.14])
def test_ctrl_c_while_it_starts_is_quiet(bare, tmp_path, delay):
    code = (
        "import signal, sys\n"
        "from mai_cli.__main__ import main\n"
        "sys.argv = ['mai', 'generate', 'x', '--offline']\n"
        "print('started', file=sys.stderr, flush=True)\n"
        "main()\n"
    )
    process = program(code, bare, tmp_path)
    assert process.stderr.readline() == b"started\n"  # before, Ctrl-C is Python's own affair
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode in (0, 130, -signal.SIGINT)
    assert b"Traceback" not in err


def test_a_stop_while_a_copy_is_written_tells_of_the_picture(env, tmp_path, history, masters):
    code = (
        "import sys, time\n"
        "from mai_cli.stores import atomic\n"
        "def slow(*args, **options):\n"
        "    print('copying', file=sys.stderr, flush=True)\n"
        "    time.sleep(30)\n"
        "atomic.create = slow\n"
        "sys.argv = ['mai', 'generate', 'x', '-o', 'copy.png']\n"
        "from mai_cli.__main__ import main\n"
        "main()\n"
    )
    process = program(code, env, tmp_path)
    assert process.stderr.readline() == b"copying\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)

    (record,) = history().values()
    assert process.returncode == 130
    assert record["status"] == "ok"
    assert out.decode() == f"{masters()[0]}\n"


def test_whoever_insists_gets_out_though_the_history_is_locked(env, foundry, home, tmp_path):
    foundry.latency = 1
    process = started([*MAI, "generate", "x"], env, tmp_path)
    wait_for(lambda: foundry.received)
    with (home / "history.jsonl.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)

    assert process.returncode == -signal.SIGINT


def test_an_answer_whose_connection_stays_open_is_taken_at_its_end(mai, foundry, history):
    foundry.will(Answer(body=WHOLE + b" ", torn=len(WHOLE), hang=5))
    began = time.monotonic()
    result = mai("generate", "x")

    assert result.code == 0
    assert time.monotonic() - began < 4


def test_a_hung_up_terminal_leaves_an_unknown_record(env, foundry, tmp_path, history):
    foundry.latency = 20
    process = started([*MAI, "generate", "x"], env, tmp_path)
    wait_for(lambda: foundry.received)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=10)

    assert process.returncode == 129
    assert [record["status"] for record in history().values()] == ["unknown"]
