import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyte
import pytest

from tests.conftest import MAI
from tests.emulator import picture, png

PROGRAM = """
import sys
from mai_cli.terminal.output import Output
from mai_cli.terminal.progress import watch

output = Output()

def slow(count):
    for number in range(count):
        if not sys.stdin.readline():
            raise ValueError("the work fails")
        sys.stdout.write(f"made {number}\\n")
        sys.stdout.flush()
        yield number

try:
    total = int(sys.argv[1])
    for number in watch(slow(total), total, doing="Drawing", color=len(sys.argv) > 2):
        output.path(f"{number}.png")
        output.note(f"note {number}")
        sys.stdin.readline()
except ValueError as error:
    output.note(str(error))
"""
CLEAN = {"PYTHONUNBUFFERED": "", "COLUMNS": "", "LINES": "", "TERM": "xterm-256color"}
PATIENCE = 20


@dataclass
class Terminal:
    """A real terminal on which stderr is shown; stdout is a pipe."""

    process: subprocess.Popen[bytes]
    leader: int
    raw: bytes = b""
    screen: pyte.Screen = field(default_factory=lambda: pyte.Screen(60, 8))

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def wait_for(self, pattern: str) -> str:
        give_up_at = time.monotonic() + PATIENCE
        while time.monotonic() < give_up_at:
            self._read(0.1)
            if found := re.search(pattern, "\n".join(self.lines)):
                return found[0]
        raise AssertionError(f"{pattern!r} was not shown: {self.lines}")

    def go_on(self) -> None:
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, list[str]]:
        out, _ = self.process.communicate(timeout=PATIENCE)
        while self._read(0):
            pass
        return self.process.returncode, out.decode().splitlines()

    def _read(self, seconds: float) -> bool:
        if not select.select([self.leader], [], [], seconds)[0]:
            return False
        data = os.read(self.leader, 1 << 16)
        self.raw += data
        self._stream.feed(data)
        return bool(data)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start a program whose stderr is a terminal."""
    opened: list[tuple[int, int, subprocess.Popen[bytes]]] = []

    def start(*command: str, env: Mapping[str, str] = os.environ, **more: str) -> Terminal:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            command,
            env={**env, **CLEAN, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=follower,
        )
        opened.append((leader, follower, process))
        return Terminal(process, leader)

    yield start
    for leader, follower, process in opened:
        process.kill()
        process.communicate()
        os.close(leader)
        os.close(follower)


def test_the_time_is_shown_while_waiting_and_is_gone_afterwards(terminal):
    shown = terminal(sys.executable, "-c", PROGRAM, "1")
    shown.wait_for("Drawing 0:00:00")
    shown.wait_for("Drawing 0:00:0[1-9]")
    assert len(shown.lines) == 1
    shown.go_on()
    assert shown.end() == (0, ["made 0", "0.png"])
    assert shown.lines == ["note 0"]


def test_nothing_is_shown_while_nothing_is_awaited(terminal):
    shown = terminal(sys.executable, "-c", PROGRAM, "3")
    for number in range(3):
        shown.wait_for(f"Drawing {number + 1} of 3 0:00:0")
        assert shown.lines[:-1] == [f"note {before}" for before in range(number)]
        shown.go_on()
        shown.wait_for(f"note {number}")
        assert shown.lines == [f"note {before}" for before in range(number + 1)]
        assert not shown.screen.cursor.hidden
        shown.go_on()
    assert shown.end() == (0, [line for n in range(3) for line in (f"made {n}", f"{n}.png")])


def test_a_failure_leaves_nothing_of_the_progress(terminal):
    shown = terminal(sys.executable, "-c", PROGRAM, "2")
    shown.wait_for("Drawing 1 of 2")
    shown.process.stdin.close()
    shown.process.stdin = None
    assert shown.end() == (0, [])
    assert shown.lines == ["the work fails"]
    assert not shown.screen.cursor.hidden


def test_progress_has_colours_only_if_they_are_wanted(terminal):
    for arguments, coloured in ((["1"], False), (["1", "color"], True)):
        shown = terminal(sys.executable, "-c", PROGRAM, *arguments)
        shown.wait_for("Drawing")
        shown.go_on()
        shown.end()
        assert bool(re.search(rb"\x1b\[[\d;]*3\dm", shown.raw)) == coloured


def test_a_picture_goes_into_the_pipe_and_the_time_onto_the_terminal(terminal, env, foundry):
    release = threading.Event()
    foundry.will(replace(picture(png(1024, 1024)), before=lambda: release.wait(PATIENCE)))
    shown = terminal(*MAI, "generate", "a lighthouse", env=env)
    shown.wait_for("Drawing 0:00:0[1-9]")
    release.set()
    code, (path,) = shown.end()
    assert code == 0
    assert Path(path).read_bytes() == png(1024, 1024)
    (line,) = shown.lines
    assert re.fullmatch(r"1024x1024, cost unknown, \d s, id [0-9a-f]{12}", line)


@pytest.mark.parametrize(
    ("args", "more"), [(["-q"], {}), ([], {"TERM": "dumb"}), (["--quiet", "--json"], {})]
)
def test_no_progress_is_shown_where_it_is_not_wanted(terminal, env, foundry, args, more):
    foundry.latency = 0.3
    shown = terminal(*MAI, "generate", "x", *args, env=env, **more)
    code, lines = shown.end()
    assert code == 0
    assert len(lines) == 1
    assert b"Drawing" not in shown.raw
    assert b"\x1b" not in shown.raw
