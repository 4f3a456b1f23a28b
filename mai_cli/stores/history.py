"""The history: a JSON Lines file in which the last line with an id is that record's state."""

import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mai_cli.errors import ConfigError, StorageError, UsageError
from mai_cli.stores.atomic import BINARY, make_folder, sync_folder, write
from mai_cli.stores.file_lock import locked
from mai_cli.stores.history_lines import (
    State,
    is_first_line,
    lines_from_the_end,
    newest_first,
    of_id,
    state_of,
    to_line,
    with_word,
)

if TYPE_CHECKING:
    from mai_cli.models.record import Record

_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*")')
_MODE = 0o666
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')


class History:
    """Records in the file at ``path``; any number of processes may append to it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")

    def append(self, record: "Record", *, is_detail: bool = False) -> None:
        """Add a line with the state of ``record``; it is on disk when this returns.

        A line that a crash has left unfinished at the end of the file is closed first, so that
        it spoils neither this line nor any reader. A mere detail is not waited for.

        Raises:
            StorageError: The line could not be written.
        """
        state = record.to_json()
        with self._writing():
            make_folder(self._path.parent)
            with locked(self._lock_path):
                if not is_first_line(state):
                    self._take_over(state)
                handle, is_first = self._append(to_line(state))
            try:
                if not is_detail:
                    os.fsync(handle)  # not under the lock: the disk does several at once
            finally:
                os.close(handle)
            if is_first:
                sync_folder(self._path.parent)

    def _take_over(self, state: State) -> None:
        """Give ``state`` the tags of its record, which others may have changed meanwhile."""
        newest = self._newest_of(state["id"])
        if newest and isinstance(newest.get("tags"), list):
            state["tags"] = newest["tags"]

    def _newest_of(self, record_id: str) -> State | None:
        """The state of a record; looks no further back than it must."""
        with suppress(FileNotFoundError), _open(self._path) as file:
            states = filter(None, map(state_of, lines_from_the_end(file, of_id(record_id))))
            return next((one for one in states if one["id"] == record_id), None)
        return None

    def change(self, record_id: str, change: Callable[[State], State]) -> State:
        """Add what ``change`` makes of the newest state of a record, whatever others add meanwhile.

        Raises:
            UsageError: There is no such record any more.
            StorageError: The line could not be written.
        """
        with self._writing(), locked(self._lock_path):
            newest = self._newest_of(record_id)
            if newest is None:
                raise UsageError(
                    f"The history has no record '{record_id}' any more.",
                    code="no_record",
                    hint="It was pruned meanwhile.",
                )
            state = change(newest)
            if state.get("status") == "sent":  # else it would look like the first line
                state["amended"] = True
            handle, _ = self._append(to_line(state))
            with os.fdopen(handle) as file:
                os.fsync(file)
        return state

    def drop(self, choose: Callable[[Iterator[State]], Collection[str]]) -> int:
        """Take all lines of the records that ``choose`` names, of all of them, out of the file.

        It is replaced whole; nobody can append meanwhile, and every other line stays as it is.
        Returns how many records went.

        Raises:
            StorageError: It could not be written, and is as before.
        """
        with self._writing(), locked(self._lock_path):
            ids = set(choose(self.newest()))
            if ids:
                path = Path(os.path.realpath(self._path))  # a link stays one
                write(path, _without(ids, path), mode=_MODE)
            return len(ids)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"The history {self._path} cannot be written: {error.strerror}.",
                code="history_failed",
                hint="Make room or set MAI_HISTORY to a file that can be written.",
            ) from None

    def _append(self, line: bytes) -> tuple[int, bool]:
        """Add ``line``, or leave the file as it is; its handle, and whether it was empty."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, _MODE)
        try:
            size = os.fstat(handle).st_size
            if size and _last_byte(handle) != b"\n":
                line = b"\n" + line
            _write(handle, line, size)
        except BaseException:
            os.close(handle)
            raise
        return handle, not size

    def newest(self, word: str = "") -> Iterator[State]:
        """Every record, the one that was sent last first; reads no more than is asked for.

        With a ``word`` only those that have it somewhere, and perhaps a few more; much faster.

        Raises:
            ConfigError: The file cannot be read.
        """
        with self._opened() as file:
            yield from newest_first(lines_from_the_end(file, with_word(word)))

    def damaged(self) -> Iterator[int]:
        """The numbers of the lines, from 1, that cannot be read as a record.

        Raises:
            ConfigError: The file cannot be read.
        """
        with self._opened() as file:
            for number, line in enumerate(file, 1):
                if line.strip() and state_of(line) is None:
                    yield number

    def find(self, id_start: str) -> list[State]:
        """The records whose id starts with ``id_start``, the one that changed last first.

        Raises:
            ConfigError: The file cannot be read.
        """
        states: dict[str, State] = {}
        with self._opened() as file:
            for state in filter(None, map(state_of, lines_from_the_end(file, of_id(id_start)))):
                if state["id"].startswith(id_start):
                    states.setdefault(state["id"], state)
        return list(states.values())

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
        ids: set[str] = set()
        with self._opened() as file:
            for line in file:
                # A later line of the same record may not have it, and holds all the same.
                is_known = ids and not ids.isdisjoint(_ids(line))
                if (is_known or is_meant(line)) and (state := state_of(line)):
                    states[state["id"]] = state
                    ids.add(state["id"])
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


def _without(ids: set[str], path: Path) -> Iterator[bytes]:
    """The lines of the file at ``path``, which is closed at the end, but for those of ``ids``."""
    with _open(path) as file:
        yield from (line for line in file if not _is_of(ids, line))


def _is_of(ids: set[str], line: bytes) -> bool:
    """Whether ``line`` is one of the record with one of ``ids``."""
    if ids.isdisjoint(_ids(line)):  # else it may just tell of one of them
        return False
    state = state_of(line)
    return state is not None and state["id"] in ids


def _ids(line: bytes) -> list[str]:
    """Every id in ``line``, of the record or of something in it; much faster than all of it."""
    return [_plain(text) for text in _ID.findall(line)]


def _plain(text: bytes) -> str:
    """What is meant by ``text``, in quotes; that of a damaged line means what it looks like."""
    with suppress(ValueError):
        if b"\\" in text:
            return str(json.loads(text))
    return text[1:-1].decode(errors="replace")


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
