"""The history: a JSON Lines file in which the last line with an id is that record's state.

Lines that cannot be read are passed over: what a crash has torn spoils nothing else.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
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
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')
_BLOCK_BYTES = 1 << 16


class History:
    """Records in the file at ``path``; any number of processes may append to it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")

    def append(self, record: Record, *, is_detail: bool = False) -> None:
        """Add a line with the state of ``record``; it is on disk when this returns.

        A line that a crash has left unfinished at the end of the file is closed first, so that
        it spoils neither this line nor any reader. A mere detail is not waited for.

        Raises:
            StorageError: The line could not be written.
        """
        line = to_line(record.to_json())
        try:
            make_folder(self._path.parent)
            with locked(self._lock_path):
                handle, is_first = self._append(line)
            try:
                if not is_detail:
                    os.fsync(handle)  # not under the lock: the disk does several at once
            finally:
                os.close(handle)
            if is_first:
                sync_folder(self._path.parent)
        except OSError as error:
            raise StorageError(
                f"The history {self._path} cannot be written: {error.strerror}.",
                code="history_failed",
                hint="Make room or set MAI_HISTORY to a file that can be written.",
            ) from None

    def _append(self, line: bytes) -> tuple[int, bool]:
        """Add ``line``, or leave the file as it is; its handle, and whether it was empty."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and _last_byte(handle) != b"\n":
                line = b"\n" + line
            _write(handle, line, size)
        except BaseException:
            os.close(handle)
            raise
        return handle, not size

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
                    if state.get("status") == "sent" and state.get("attempts") == 1:
                        yield newer  # this is its first line

    def find(self, id_start: str) -> list[State]:
        """The records whose id starts with ``id_start``.

        Raises:
            ConfigError: The file cannot be read.
        """
        needle = f'"id":"{id_start}'.encode()
        states = self._search(lambda line: needle in line)
        return [state for state in states.values() if state["id"].startswith(id_start)]

    def find_picture(self, sha256: str) -> list[State]:
        """The records that made a master or an export with that digest.

        Raises:
            ConfigError: The file cannot be read.
        """
        needle = sha256.encode()
        states = self._search(lambda line: needle in line).values()
        return [state for state in states if sha256 in _digests(state)]

    def recall(self, digests: Collection[str]) -> list[State]:
        """The records with one of ``digests``, of a batch's request or a file, the oldest first.

        Raises:
            ConfigError: The file cannot be read.
        """
        wanted = {digest.encode() for digest in digests}
        return list(
            self._search(lambda line: not wanted.isdisjoint(_DIGEST.findall(line))).values()
        )

    def _search(self, is_meant: Callable[[bytes], bool]) -> dict[str, State]:
        """The state of each record that has a line which is meant, the oldest first."""
        states: dict[str, State] = {}
        ids: set[bytes] = set()
        with self._opened() as file:
            for line in file:
                # A later line of the same record may not have it, and holds all the same.
                is_known = ids and (match := _ID.search(line)) and match[1] in ids
                if (is_known or is_meant(line)) and (state := _state(line)):
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


def _write(handle: int, line: bytes, size: int) -> None:
    """Write ``line`` in one piece, or nothing, to a file of ``size`` bytes."""
    written = 0
    try:
        written = os.write(handle, line)
    finally:
        if written != len(line):
            with suppress(OSError):
                os.ftruncate(handle, size)
    if written != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _last_byte(handle: int) -> bytes:
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1)


def to_line(value: object) -> bytes:
    """``value`` as one line of JSON, in UTF-8."""
    try:
        return f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n".encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8; escapes can carry it
        return f"{json.dumps(value, separators=(',', ':'))}\n".encode()
