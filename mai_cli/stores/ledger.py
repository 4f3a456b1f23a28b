"""A small JSON file that processes change one after the other: what is left of quota and money."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mai_cli.stores.atomic import BINARY, make_folder, write
from mai_cli.stores.file_lock import locked

_MODE = 0o666
_T = TypeVar("_T")


class Ledger:
    """The file at ``path``; any number of threads and processes may change it at once.

    A ``durable`` one is on disk, whole, after each change; one that makes no sense was damaged by
    others, and is an error. Another is written in place, which is much faster; a crash can leave
    it torn, so that it is read as ``None``.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._durable = durable

    def read(self) -> object:
        """What the file holds; ``None`` if it is missing, torn or no JSON.

        Raises:
            OSError: It cannot be read.
        """
        if not self._path.exists():  # reading makes no file, not even a lock
            return None
        with locked(self._lock_path):
            return self._parsed(self._bytes())

    def change(self, step: Callable[[object], tuple[object, _T]]) -> _T:
        """Replace what the file holds by what ``step`` makes of it; return what it returns beside.

        Nobody else changes the file meanwhile. What stays as it was is not written again.

        Raises:
            OSError: It cannot be read or written.
        """
        try:
            return self._change(step)
        except FileNotFoundError:
            make_folder(self._path.parent)
            return self._change(step)

    def _change(self, step: Callable[[object], tuple[object, _T]]) -> _T:
        with locked(self._lock_path):
            before = self._bytes()
            value, result = step(self._parsed(before))
            after = f"{json.dumps(value, separators=(',', ':'), allow_nan=False)}\n".encode()
            if after != before:
                self._write(after)
            return result

    def _bytes(self) -> bytes | None:
        try:
            with self._path.open("rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _parsed(self, data: bytes | None) -> object:
        if data is None:
            return None
        try:
            parsed: object = json.loads(data)
        except (ValueError, RecursionError):
            if self._durable:
                raise OSError(errno.EINVAL, f"{self._path} is damaged") from None
            return None
        return parsed

    def _write(self, data: bytes) -> None:
        if self._durable:
            write(self._path, [data], mode=_MODE)
            return
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | BINARY, _MODE)
        try:
            os.write(handle, data)
            os.ftruncate(handle, len(data))
        finally:
            os.close(handle)
