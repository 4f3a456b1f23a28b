"""The gallery: the master of every picture, exactly as the service sent it."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mai_cli.errors import ConfigError, StorageError, UnknownError
from mai_cli.models.answer import Kept
from mai_cli.models.record import Record
from mai_cli.stores.atomic import make_folder, place
from mai_cli.stores.names import master_name, numbered


class Gallery:
    """A folder of masters, named by ``template``."""

    def __init__(self, folder: Path, template: str) -> None:
        self.folder = folder
        self._template = template

    def receive(self, record: Record) -> "Incoming":
        """Open the file that the picture of ``record`` will go into, before it is paid for.

        Raises:
            ConfigError: The gallery cannot be written.
        """
        name = master_name(self._template, record)
        final = self.folder / name
        try:
            make_folder(final.parent)
            return Incoming(self.folder, name, record.id)
        except OSError as error:
            raise ConfigError(
                f"The gallery {self.folder} cannot be written: {error.strerror}. Nothing was sent.",
                code="cannot_store",
                hint="Make room, or set MAI_GALLERY to a folder that can be written.",
            ) from None


def remove_picture(path: Path, gallery: Path) -> None:
    """Remove the file at ``path`` below ``gallery``, and the folders that hold nothing any more.

    Raises:
        OSError: The file cannot be removed.
    """
    folder, home = (Path(os.path.realpath(one)) for one in (path.parent, gallery))
    path.unlink()
    with suppress(OSError):  # one that holds something
        while home in folder.parents:
            folder.rmdir()
            folder = folder.parent


class Incoming:
    """A picture on its way to disk, under a temporary name beside its final one.

    If the gallery fails in the middle, it goes on into the system's temporary folder. Bytes that
    have arrived are given their final name or left where they are, never deleted.
    """

    def __init__(self, gallery: Path, name: str, record_id: str) -> None:
        self._gallery = gallery
        self._name = name
        self._id = record_id
        self._problem: OSError | None = None
        self.path = (gallery / name).with_name(f".{record_id}.part")
        self.size = 0
        self._file = self.path.open("x+b", buffering=0)

    def write(self, data: bytes) -> None:
        """Add ``data``.

        Raises:
            UnknownError: Neither the gallery nor the temporary folder can take it.
        """
        view = memoryview(data)
        while view:
            try:
                written = self._file.write(view) or 0
            except OSError as error:
                self._rescue(error)
                continue
            self.size += written
            view = view[written:]

    def keep(self) -> Kept:
        """Flush the picture to disk and give it its final name; a numbered one if that is taken.

        Raises:
            UnknownError: Neither the gallery nor the temporary folder can take it.
        """
        if self._problem is None:
            try:
                os.fsync(self._file.fileno())
                return self._place()
            except OSError as error:
                self._rescue(error)
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _lost(error, self.path.parent) from None
        with suppress(OSError):  # whole, and named like it from here on
            whole = self.path.with_suffix(".png")
            place(self.path, whole)
            self.path = whole
        why = self._problem and self._problem.strerror
        problem = StorageError(
            f"The gallery {self._gallery} cannot be written: {why}.",
            code="rescued",
            hint=f"The picture is safe at {self.path}; move it before the system cleans up there.",
        )
        return Kept(self.path, str(self.path), problem)

    def _place(self) -> Kept:
        if os.name == "nt":
            self._file.close()  # Windows renames no open file
        name, number = self._name, 1
        while True:
            try:
                place(self.path, self._gallery / name)
            except FileExistsError:
                number += 1
                name = numbered(self._name, number)
            else:
                return Kept(self._gallery / name, name)

    def _rescue(self, problem: OSError) -> None:
        """Go on in the temporary folder, with all that has been written so far."""
        if self._problem:
            raise _lost(problem, self.path.parent)
        self._problem = problem
        source = self.path.open("rb") if self._file.closed else self._file
        try:
            source.seek(0)
            handle, name = tempfile.mkstemp(prefix=f"mai-{self._id}-", suffix=".part")
            rescue = Path(name)
            with os.fdopen(handle, "wb") as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(handle)  # what is in the gallery is given up only then
            target = rescue.open("r+b", buffering=0)
        except OSError as error:
            raise _lost(error, "the temporary folder") from None
        target.seek(0, os.SEEK_END)
        source.close()
        with suppress(OSError):
            self.path.unlink()
        self.path, self._file = rescue, target

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; remove it if nothing has arrived."""
        self._file.close()
        if not self.size:
            with suppress(OSError):
                self.path.unlink()


def _lost(problem: OSError, folder: Path | str) -> UnknownError:
    return UnknownError(
        f"A picture came, but neither the gallery nor {folder} can take it: {problem.strerror}.",
        code="not_stored",
        hint="Make room before you ask for another one; this one is likely billed.",
    )
