"""The history: a JSON Lines file in which the last line with an id is that record's state.

Lines that cannot be read are passed over: what a crash has torn spoils nothing else.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from mai_cli.errors import ConfigError, StorageError
from mai_cli.models.record import Record
from mai_cli.stores.atomic import make_folder, sync_folder
from mai_cli.stores.file_lock import locked

State = dict[str, Any]
"""A record as its line in the history has it; see ``Record.to_json``."""

_ID = re.compile(rb'"id":"([^"]*)"')
_BLOCK_BYTES = 1 << 16


class History:
    """Records in the file at ``path``; any number of processes may append to it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")

    def append(self, record: Record) -> None:
        """Add a line with the state of ``record``; it is on disk when this returns.

        A line that a crash has left unfinished at the end of the file is closed first, so that
        it spoils neither this line nor any reader.

        Raises:
            StorageError: The line could not be written; the file is as before.
        """
        line = to_line(record.to_json())
        try:
            make_folder(self._path.parent)
            with locked(self._lock_path):
                self._append(line)
        except OSError as error:
            raise StorageError(
                f"The history {self._path} cannot be written: {error.strerror}.",
                code="history_failed",
                hint="Make room or set MAI_HISTORY to a file that can be written.",
            ) from None

    def newest(self) -> Iterator[State]:
        """Every record, the one that was sent last first; reads no more than is asked for.

        Raises:
            ConfigError: The file cannot be read.
        """
        states: dict[str, State] = {}
        with self._opened() as file:
            for line in _lines_from_the_end(file):
                if state := _state(line):
                    newer = states.setdefault(state["id"], state)
                    if state.get("status") == "sent":  # its first line
                        yield newer

    def find(self, id_start: str) -> list[State]:
        """The records whose id starts with ``id_start``.

        Raises:
            ConfigError: The file cannot be read.
        """
        states = self._search(f'"id":"{id_start}')
        return [state for state in states.values() if state["id"].startswith(id_start)]

    def find_picture(self, sha256: str) -> list[State]:
        """The records that made a master or an export with that digest.

        Raises:
            ConfigError: The file cannot be read.
        """
        return [state for state in self._search(sha256).values() if sha256 in _digests(state)]

    def _search(self, needle: str) -> dict[str, State]:
        """The state of each record that has a line with ``needle`` in it."""
        found = needle.encode()
        states: dict[str, State] = {}
        ids: set[bytes] = set()
        with self._opened() as file:
            for line in file:
                # A later line of the same record may not have it, and holds all the same.
                is_known = ids and (match := _ID.search(line)) and match[1] in ids
                if (is_known or found in line) and (state := _state(line)):
                    states[state["id"]] = state
                    ids.add(state["id"].encode())
        return states

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with _open(self._path) as file:
                yield file
        except FileNotFoundError:
            yield BytesIO()
        except OSError as error:
            raise ConfigError(
                f"The history {self._path} cannot be read: {error.strerror}.",
                code="cannot_read",
                hint="Set MAI_HISTORY to a file that can be read.",
            ) from None

    def _append(self, line: bytes) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and _last_byte(handle) != b"\n":
                line = b"\n" + line
            try:
                _write(handle, line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if not size:
            sync_folder(self._path.parent)


def _open(path: Path) -> BinaryIO:
    """Open the file at ``path`` for reading; a pipe could be waited for without end."""
    if path.is_fifo():
        raise OSError(errno.EINVAL, "it is not a file")
    return path.open("rb")


def _lines_from_the_end(file: BinaryIO) -> Iterator[bytes]:
    """The lines of ``file``, the last one first."""
    position = file.seek(0, os.SEEK_END)
    ends: list[bytes] = []  # of the line that is not whole yet, the last piece first
    while position:
        size = min(_BLOCK_BYTES, position)
        position -= size
        file.seek(position)
        first, *lines = file.read(size).split(b"\n")
        if lines:
            yield b"".join([lines.pop(), *reversed(ends)])
            yield from reversed(lines)
            ends = []
        ends.append(first)
    yield b"".join(reversed(ends))


def _state(line: bytes) -> State | None:
    """What ``line`` says, if it can be read."""
    try:
        state = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(state, dict) and isinstance(state.get("id"), str)
    return state if is_record else None


def _digests(state: State) -> set[str]:
    """The digests of the files that a record tells of."""
    exports = state.get("exports")
    files = [state.get("master"), *(exports if isinstance(exports, list) else [])]
    digests = [file.get("sha256") for file in files if isinstance(file, dict)]
    return {digest for digest in digests if isinstance(digest, str)}


def _write(handle: int, line: bytes) -> None:
    """Write ``line`` in one piece and flush it to disk."""
    if os.write(handle, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(handle)


def _last_byte(handle: int) -> bytes:
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1)


def to_line(value: object) -> bytes:
    """``value`` as one line of JSON, in UTF-8."""
    try:
        return f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n".encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8; escapes can carry it
        return f"{json.dumps(value, separators=(',', ':'))}\n".encode()
