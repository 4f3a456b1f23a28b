"""What tests of the disk share: a record, and other processes that do something to the disk."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest

from mai_cli.models.catalogue import find
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size

PATIENCE_SECONDS = 60


class Python:
    """Starts other Pythons in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str, *args: object) -> subprocess.Popen[str]:
        """Run ``code``; no byte code is written, since the disk may be made small for it."""
        process = subprocess.Popen(
            [sys.executable, "-B", "-c", code, *map(str, args)],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> list[str]:
        """The lines that ``process`` prints until it ends well."""
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
        return out.splitlines()

    def run(self, code: str, *args: object) -> list[str]:
        return self.finish(self.start(code, *args))

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Python]:
    python = Python(tmp_path)
    yield python
    python.close()


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int | list[str]]:
    """What goes to disk, in order: the size of a file, or the names in a folder."""
    flushed: list[int | list[str]] = []
    fsync = os.fsync

    def watch(file: int | IO[str]) -> None:
        fsync(file)
        handle = file if isinstance(file, int) else file.fileno()
        state = os.fstat(handle)
        if stat.S_ISDIR(state.st_mode):
            with os.scandir(handle) as entries:
                flushed.append(sorted(entry.name for entry in entries))
        else:
            flushed.append(state.st_size)

    monkeypatch.setattr(os, "fsync", watch)
    return flushed


@pytest.fixture
def modes(tmp_path: Path) -> Iterator[Callable[[], set[int]]]:
    """What the files in the test's folder may be used for; nothing is masked."""
    before = os.umask(0)
    yield lambda: {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    os.umask(before)


@pytest.fixture(scope="session")
def record() -> Record:
    return Record.sent(
        ImageRequest(
            "a lighthouse at dawn", "mai-image-26", find("mai-image-26"), Size(1024, 1024)
        ),
        id="b7c41f09e2aa",
        created_at=datetime(2026, 11, 22, 9, 14, 3, 120_000, UTC),
        endpoint="https://contoso.services.ai.azure.com",
    )
