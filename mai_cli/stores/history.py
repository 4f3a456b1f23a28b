"""The history: a JSON Lines file in which the last line with an id is that record's state."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

from mai_cli.errors import StorageError
from mai_cli.models.record import Record
from mai_cli.stores.atomic import make_folder, sync_folder
from mai_cli.stores.file_lock import locked


class History:
    """Appends records to the file at ``path``; any number of processes may do so at once."""

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
