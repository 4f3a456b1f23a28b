"""A person at a real terminal, who reads what is asked and types answers."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.conftest import MAI

# A terminal that is not the controlling one has no Ctrl-C, and no /dev/tty to ask for a key on.
CONTROLLED = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
CTRL_C = "\x03"
CTRL_D = "\x04"


class Person:
    """Runs ``mai`` on a terminal of its own; ``seen`` is all that was shown there."""

    def __init__(self, env: Mapping[str, str], folder: Path, *args: str) -> None:
        self.seen = ""
        self._read = 0
        self._leader, self._follower = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLED, *MAI, *args],
            env={"TERM": "dumb", **env},
            cwd=folder,
            stdin=self._follower,
            stdout=self._follower,
            stderr=self._follower,
        )

    def is_asked(self, question: str) -> str:
        """Wait until ``question`` is there; gives what was shown since the last one."""
        end = time.monotonic() + 20
        while question not in self.seen[self._read :]:
            assert time.monotonic() < end, f"{question!r} was not asked: {self.seen}"
            assert self._look(0.1) or self._process.poll() is None, self.seen
        shown = self.seen[self._read :]
        self._read = len(self.seen)
        return shown

    def answers(self, text: str) -> None:
        self.presses(f"{text}\n")

    def presses(self, keys: str) -> None:
        os.write(self._leader, keys.encode())

    def sees_what_is_typed(self) -> bool:
        return bool(termios.tcgetattr(self._follower)[3] & termios.ECHO)

    def leaves(self) -> int:
        """Wait for the end; gives the exit code."""
        end = time.monotonic() + 20
        while self._process.poll() is None:
            assert time.monotonic() < end, self.seen
            self._look(0.05)
        while self._look(0):
            pass
        code = self._process.returncode
        return code if code >= 0 else 128 - code  # as a shell counts it

    def _look(self, seconds: float) -> bool:
        if not select.select([self._leader], [], [], seconds)[0]:
            return False
        self.seen += os.read(self._leader, 1 << 16).decode().replace("\r\n", "\n")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        os.close(self._leader)
        os.close(self._follower)
