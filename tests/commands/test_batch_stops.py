"""How ``mai batch`` is stopped, by whom, and what a run after it does; what a person sees."""

import json
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from PIL import Image

from tests import schemas
from tests.conftest import MAI, Result
from tests.emulator import LOST, Answer, error, picture, png
from tests.pictures import encoded
from tests.terminals import Terminal

SMALL = "768x768"
CTRL_C = b"\x03"
STOPPING = (
    "Stopping: nothing new is sent, and what is in flight is waited for. Once more gives it up."
)
NAMES = ("ant", "bee", "cat", "dog")
FOUR = "".join(
    f'[[assets]]\nname = "{name}"\nprompt = "{name}"\noutput = "{name}.png"\n' for name in NAMES
)
BATCH = [*MAI, "batch", "assets.toml"]


@pytest.fixture
def env(env):
    return env | {"MAI_SIZE": SMALL}


@pytest.fixture(autouse=True)
def manifest(tmp_path):
    path = tmp_path / "assets.toml"
    path.write_text(FOUR)
    return path


@pytest.fixture
def batch(mai):
    def batch(*args: str) -> Result:
        return mai("batch", "assets.toml", *args)

    return batch


@pytest.fixture
def gate(foundry):
    """No picture is answered before it is set."""
    gate = threading.Event()
    drawn = picture(png(768, 768)).body
    foundry.always(Answer(200, drawn, before=lambda: gate.wait(60)))
    yield gate
    gate.set()


@pytest.fixture
def process(env, tmp_path):
    """A run in the background, which is given so many pictures at a time."""

    running = []

    def process(*args: str) -> subprocess.Popen:
        pipe = subprocess.PIPE
        run = subprocess.Popen([*BATCH, *args], env=env, cwd=tmp_path, stdout=pipe, stderr=pipe)
        running.append(run)
        return run

    yield process
    for run in running:
        run.kill()
        run.communicate()


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def open_(foundry, gate) -> None:
    """Let pictures be drawn again."""
    gate.set()
    foundry.always(None)


def statuses(history) -> Counter[str]:
    return Counter(record["status"] for record in history().values())


def test_a_person_sees_how_far_it_is(env, foundry, tmp_path, gate):
    usage = {"num_output_tokens": 576, "num_input_text_tokens": 1, "num_input_image_tokens": 0}
    foundry.will(picture(png(768, 768), usage=usage))
    with Terminal([*BATCH, "-j", "1"], env, tmp_path, columns=160) as terminal:
        terminal.shows(rb"1 done")
        live = terminal.lines
        gate.set()
        code = terminal.leaves()
        lines = terminal.lines

    *above, bar = live
    assert [re.sub(r"\d+ s$", "0 s", line) for line in above] == [
        str(tmp_path / "ant.png"),
        "ant: made, $0.02, 0 s",
    ]
    assert re.fullmatch(r"━+─+ \d+:\d\d, 1 done, 3 left, \$0\.02", bar)
    assert bar.count("━") * 3 == pytest.approx(bar.count("─"), abs=3)
    assert code == 0
    assert sorted(line for line in lines if line.startswith("/")) == [
        str(tmp_path / f"{name}.png") for name in NAMES
    ]
    assert lines[-3:-1] == ["made        4", "cost        at least $0.02, some of it unknown"]
    assert not [line for line in lines if "━" in line or "left" in line]


def test_the_pipe_of_a_terminal_carries_the_paths_alone(env, foundry, tmp_path, gate):
    foundry.will(picture(png(768, 768)))
    with Terminal(BATCH, env, tmp_path, columns=100, pipes=["stdout"]) as terminal:
        terminal.shows(rb"1 done, 3 left")
        gate.set()
        code = terminal.leaves()
        lines = terminal.lines

    assert code == 0
    assert sorted(terminal.piped.decode().splitlines()) == [
        str(tmp_path / f"{name}.png") for name in NAMES
    ]
    assert sorted(line.partition(": made")[0] for line in lines[:4]) == list(NAMES)


def test_a_narrow_terminal_shows_what_matters_on_one_line(env, foundry, tmp_path, gate):
    foundry.will(picture(png(768, 768)))
    with Terminal(BATCH, env, tmp_path, columns=40, pipes=["stdout"]) as terminal:
        terminal.shows(rb"1 done")
        time.sleep(0.6)
        live = terminal.lines
        gate.set()
        terminal.leaves()

    assert len(live) == 2
    assert "1 done" in live[1]
    assert "3 left" in live[1]
    assert len(live[1]) < 40


def test_a_terminal_without_abilities_gets_lines_only(env, foundry, tmp_path):
    with Terminal(BATCH, env | {"TERM": "dumb"}, tmp_path, columns=100) as terminal:
        code = terminal.leaves()

    assert code == 0
    assert b"\x1b" not in terminal.raw


def test_ctrl_c_lets_what_is_in_flight_end_and_keeps_it(
    env, batch, foundry, tmp_path, gate, history
):
    with Terminal([*BATCH, "-j", "2"], env, tmp_path, columns=160) as terminal:
        wait_for(lambda: len(foundry.received) == 2)
        terminal.types(CTRL_C)
        terminal.shows(STOPPING.encode())
        terminal.shows(rb"2 not sent")
        gate.set()
        code = terminal.leaves()
        lines = terminal.lines

    assert code == 130
    assert len(foundry.received) == 2
    assert statuses(history) == {"ok": 2}
    assert STOPPING in [line.removeprefix("^C") for line in lines]
    assert lines[-5:-3] == ["made        2", "not sent    2"]
    assert lines[-1] == "Run it again to go on: what was made is not paid for again."
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["ant.png", "bee.png"]
    assert list(json.loads((tmp_path / "assets.lock.json").read_text())["assets"]) == [
        "ant",
        "bee",
    ]

    foundry.always(None)
    again = batch()
    assert again.code == 0
    assert sorted(again.lines) == [str(tmp_path / "cat.png"), str(tmp_path / "dog.png")]
    assert len(foundry.received) == 4


def test_a_second_ctrl_c_gives_up_what_is_in_flight(env, batch, foundry, tmp_path, gate, history):
    with Terminal([*BATCH, "-j", "2"], env, tmp_path, columns=160) as terminal:
        wait_for(lambda: len(foundry.received) == 2)
        terminal.types(CTRL_C)
        terminal.shows(STOPPING.encode())
        time.sleep(0.7)  # sooner, it would be the same wish
        terminal.types(CTRL_C)
        began = time.monotonic()
        code = terminal.leaves()
        seconds = time.monotonic() - began
        lines = terminal.lines

    records = history()
    assert code == 130
    assert seconds < 10  # not the minute that the answers would take
    assert statuses(history) == {"unknown": 2}
    assert {record["error"]["code"] for record in records.values()} == {"interrupted"}
    assert "unknown     2" in lines
    assert "What is unknown may be billed: only --retry-lost or --force sends it again." in lines

    open_(foundry, gate)
    held = batch("--json")
    assert (held.code, len(foundry.received)) == (11, 4)
    told = {line["asset"]: line for line in held.objects[:-1] if line["schema"] == "mai/error/1"}
    assert sorted(told) == ["ant", "bee"]
    assert {line["error"]["code"] for line in told.values()} == {"lost_answer"}
    assert {line["error"]["exit_code"] for line in told.values()} == {8}
    for record in records.values():
        assert record["id"] in told[record["batch"]["asset"]]["error"]["message"]
    assert held.objects[-1]["counts"]["unknown"] == 2
    assert batch().code == 8
    assert len(foundry.received) == 4

    retried = batch("--retry-lost")
    assert retried.code == 0
    assert sorted(retried.lines) == [str(tmp_path / "ant.png"), str(tmp_path / "bee.png")]
    assert (len(foundry.received), batch("--check").code) == (6, 0)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_lets_what_is_in_flight_end_and_keeps_it(
    process, foundry, tmp_path, gate, history, number, code
):
    run = process("-j", "2")
    wait_for(lambda: len(foundry.received) == 2)
    run.send_signal(number)
    assert run.stderr.readline().decode() == f"{STOPPING}\n"
    gate.set()
    out, _ = run.communicate(timeout=60)

    assert run.returncode == code
    assert sorted(out.decode().splitlines()) == [
        str(tmp_path / "ant.png"),
        str(tmp_path / "bee.png"),
    ]
    assert statuses(history) == {"ok": 2}
    assert len(foundry.received) == 2


def test_a_summary_in_json_tells_of_the_stop(process, foundry, gate):
    run = process("-j", "2", "--json", "-q")
    wait_for(lambda: len(foundry.received) == 2)
    run.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    gate.set()
    out, err = run.communicate(timeout=60)

    schemas.hold_lines(out.splitlines())
    summary = json.loads(out.splitlines()[-1])
    assert err == b""
    assert (summary["schema"], summary["exit_code"]) == ("mai/summary/1", 143)
    assert (summary["counts"]["made"], summary["counts"]["not_sent"]) == (2, 2)


def test_who_waits_for_a_quota_stops_at_once_and_owes_nothing(
    env, batch, foundry, tmp_path, history
):
    foundry.always(error(429, "RateLimitReached", "busy", Retry_After="30"))
    with Terminal([*BATCH, "-j", "2"], env, tmp_path, columns=160) as terminal:
        terminal.shows(rb"for the quota of|Trying again in")
        time.sleep(0.5)
        terminal.types(CTRL_C)
        began = time.monotonic()
        code = terminal.leaves()
        seconds = time.monotonic() - began
    check = batch("--check")

    assert code == 130
    assert seconds < 15  # not the half minute
    assert not {"unknown", "sent"} & set(statuses(history))
    assert check.lines == [*(f"new         {name}" for name in NAMES), "4 new."]
    assert not list(tmp_path.glob("*.png"))


def test_a_run_that_was_killed_is_simply_started_again(
    process, batch, foundry, tmp_path, gate, history
):
    foundry.will(picture(png(768, 768)))
    run = process("-j", "2")
    lock = tmp_path / "assets.lock.json"
    wait_for(lambda: len(foundry.received) == 3 and lock.exists())
    run.kill()
    run.communicate()
    records = list(history().values())
    open_(foundry, gate)
    check = batch("--check")
    again = batch()
    retried = batch("--retry-lost")

    made, lost = (
        [record["batch"]["asset"] for record in records if record["status"] == status]
        for status in ("ok", "sent")
    )
    assert (len(made), len(lost)) == (1, 2)
    *held, new, counts = check.lines
    assert sorted(
        re.sub(r"at \S+ and never answered, id [0-9a-f]{12}", "...", line) for line in held
    ) == [f"new         {name}: sent ..." for name in sorted(lost)]
    assert (new, counts) == ("new         dog", "3 new, 1 up to date.")
    assert (again.code, again.lines) == (11, [str(tmp_path / "dog.png")])
    assert f"{lost[0]}: unknown: Sent at " in again.err
    assert (retried.code, len(retried.lines)) == (0, 2)
    assert len(foundry.received) == 6


def test_what_was_drawn_and_not_exported_is_exported_without_paying(
    process, batch, foundry, tmp_path, history, manifest
):
    noise = Image.frombytes("RGB", (1600, 1280), random.Random(1).randbytes(1600 * 1280 * 3))
    foundry.will(picture(encoded(noise, compress_level=1)))
    manifest.write_text(
        '[[assets]]\nname = "ant"\nprompt = "ant"\nsize = "1600x1280"\n'
        'outputs = ["ant.png", { path = "ant.avif", max_kb = 20 }]\n'
    )
    run = process()
    wait_for(lambda: statuses(history) == {"ok": 1})
    run.kill()
    run.communicate()
    assert not (tmp_path / "assets.lock.json").exists()
    manifest.write_text(manifest.read_text().replace(", max_kb = 20", ", width = 96"))
    result = batch()

    assert result.code == 0, result.err
    assert result.lines == [str(tmp_path / "ant.png"), str(tmp_path / "ant.avif")]
    assert len(foundry.received) == 1
    assert batch("--check").code == 0
    assert not list(tmp_path.glob("*.part"))


def test_ctrl_c_while_outputs_are_made_keeps_them(process, batch, foundry, tmp_path, manifest):
    rows = b"".join(b"\0" + random.Random(n).randbytes(1024) for n in range(1024))
    foundry.always(picture(png(1024, 1024, rows=rows)))
    manifest.write_text(FOUR.replace(".png", ".avif"))
    run = process("-j", "1")
    wait_for(lambda: foundry.received)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    lines = out.decode().splitlines()

    assert run.returncode == 130
    assert f"{STOPPING}\n".encode() in err
    assert b"Traceback" not in err
    assert len(lines) == len(foundry.received)
    assert sorted(path.name for path in tmp_path.glob("*.avif")) == sorted(
        line.rpartition("/")[2] for line in lines
    )
    assert batch("--check").lines[-1] == f"{4 - len(lines)} new, {len(lines)} up to date."


def test_offline_stops_too(process, batch, tmp_path):
    run = process("--offline", "-j", "1")
    wait_for((tmp_path / "ant.png").exists)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)

    assert run.returncode in (130, 0)  # it may have been the last one
    assert b"Traceback" not in err
    made = len(out.splitlines())
    assert run.returncode == 130 or made == 4
    assert batch("--offline").code == 0
    assert batch("--offline", "--check").code == 0


def test_a_lost_answer_is_not_asked_for_again_unless_told(batch, foundry, history):
    foundry.will(LOST)
    lost = batch("-j", "1")
    held = batch()
    plan = batch("--dry-run")
    foundry.will(LOST)
    retried = batch("--retry-lost", "--json")

    assert (lost.code, held.code, retried.code) == (11, 8, 0)
    assert len(foundry.received) == 6
    assert plan.lines[-1] == "1 sent before and never answered, 3 up to date. Nothing was sent."
    assert Counter(one["status"] for one in history().values()) == {"unknown": 2, "ok": 4}
    assert retried.objects[-1]["cost_is_whole"] is False
    assert batch("--check").code == 0


def test_force_asks_again_for_what_was_lost(batch, foundry):
    foundry.will(LOST)
    batch("-j", "1")
    result = batch("--force", "ant")

    assert (result.code, len(result.lines), len(foundry.received)) == (0, 1, 5)


def test_a_changed_prompt_is_drawn_although_the_older_one_was_lost(batch, foundry, manifest):
    foundry.will(LOST)
    batch("-j", "1")
    manifest.write_text(FOUR.replace('prompt = "ant"', 'prompt = "an ant"'))

    assert batch().code == 0
    assert len(foundry.received) == 5
