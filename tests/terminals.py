"""A terminal as programs meet it: a real pty that answers what it is asked, and what it shows."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pyte

PATIENCE = 20

# What every terminal is asked; some take the question about Kitty's graphics for something else.
QUESTIONS = b"\x1b]1337;Capabilities\x1b\\\x1b[16t\x1b[c"
ABOUT_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"

# What terminals answer, each to one of the questions; the last question is answered by all.
KITTY = b"\x1b_Gi=31;OK\x1b\\"
ITERM2 = b"\x1b]1337;Capabilities=T3CwLrMSc7UUw9Ts3BFGsSyHNoSxF\x1b\\"
CELL = b"\x1b[6;20;10t"
SIXEL = b"\x1b[?62;4;22c"
PLAIN = b"\x1b[?62;22c"

# The terminal of a session is the one that /dev/tty is, and that Ctrl-C comes from.
_ON_TERMINAL = """
import fcntl, os, sys, termios
terminal = int(sys.argv[1])
os.setsid()
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.close(terminal)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Terminal:
    """Runs ``command`` on a terminal of its own; a context manager.

    It types ``before`` before the program starts, and ``answer`` once it has been asked.
    ``pipes`` are the streams that are none of its: what came out of them is ``piped``. ``raw`` is
    all that the terminal was sent.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] = os.environ,
        folder: Path | None = None,
        *,
        answer: bytes = b"",
        before: bytes = b"",
        columns: int = 80,
        rows: int = 24,
        pipes: Sequence[str] = (),
    ) -> None:
        self.raw = b""
        self.piped = b""
        self.answer = answer
        self._size = columns, rows
        self._ends = [*pty.openpty()]
        self._leader, self._follower = self._ends
        fcntl.ioctl(self._follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.types(before)
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._follower)
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", _ON_TERMINAL, str(self._follower), *command],
            env={"TERM": "xterm-256color", **env},
            cwd=folder,
            pass_fds=[self._follower],
            **streams | dict.fromkeys(pipes, subprocess.PIPE),
        )
        self._outlets = [pipe for pipe in (self.process.stdout, self.process.stderr) if pipe]

    @property
    def was_asked(self) -> bool:
        return QUESTIONS in self.raw

    @property
    def is_gone(self) -> bool:
        return not self._ends

    @property
    def screen(self) -> pyte.Screen:
        """What a person sees there."""
        screen = pyte.Screen(*self._size)
        pyte.ByteStream(screen).feed(self.raw)
        return screen

    @property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def attributes(self) -> list:
        return termios.tcgetattr(self._follower)

    @property
    def is_as_usual(self) -> bool:
        """Whether lines can be typed, seen, and broken off."""
        usual = termios.ICANON | termios.ECHO | termios.ISIG
        return self.attributes[3] & usual == usual

    def sets(self, change: Callable[[list], object]) -> None:
        """Change the attributes of the terminal."""
        attributes = self.attributes
        change(attributes)
        termios.tcsetattr(self._follower, termios.TCSANOW, attributes)

    def types(self, keys: bytes) -> None:
        if keys:
            os.write(self._leader, keys)

    def shows(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until what matches ``pattern`` has been sent."""
        return self._wait_for(lambda: re.search(pattern, self.raw), f"{pattern!r} was not shown")

    def is_asked(self) -> None:
        """Wait until what it can do has been asked."""
        self._wait_for(lambda: self.was_asked, "it was not asked")

    def leaves(self) -> int:
        """Wait for the end; gives the exit code, as a shell counts it."""
        self._wait_for(lambda: self.process.poll() is not None, "it did not end")
        while self._look(0):
            pass
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def hangs_up(self) -> None:
        """Go away, as a window that is closed."""
        while self._ends:
            os.close(self._ends.pop())

    def _wait_for(self, found: Callable[[], object], complaint: str) -> object:
        end = time.monotonic() + PATIENCE
        while not (result := found()):
            assert time.monotonic() < end, f"{complaint}: {self.raw!r}"
            self._look(0.01)
        return result

    def _look(self, seconds: float) -> bool:
        """Take in what was written, if anything was."""
        was_written = False
        for source in select.select([*self._ends[:1], *self._outlets], [], [], seconds)[0]:
            if source is self._leader:
                self.raw += os.read(self._leader, 1 << 16)
                was_written = True
            elif data := source.read1(1 << 16):
                self.piped += data
                was_written = True
            else:
                self._outlets.remove(source)
        if self.answer and self.was_asked:
            self.types(self.answer)
            self.answer = b""
        return was_written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()
        self.hangs_up()
