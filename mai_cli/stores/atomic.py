"""Files that are either whole or absent, and that replace nothing unless told to."""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

BINARY: int = getattr(os, "O_BINARY", 0)
"""For files that are opened by their handles; without it Windows changes the ends of lines."""


def place(partial: Path, final: Path, *, replace: bool = False) -> None:
    """Give the finished file ``partial`` its name ``final``, in the same folder, in one step.

    Raises:
        FileExistsError: ``final`` exists and ``replace`` is false; ``partial`` is left alone.
        OSError: The folder cannot be written.
    """
    if replace:
        partial.replace(final)
    else:
        _place_new(partial, final)
    sync_folder(final.parent)


def _place_new(partial: Path, final: Path) -> None:
    if os.name == "nt":
        partial.rename(final)  # on Windows this refuses to replace
        return
    try:
        final.hardlink_to(partial)
    except OSError:  # it is taken, or there are no links: FAT, some network and phone storage
        final.touch(exist_ok=False)  # reserves the name, if nobody has it
        try:
            partial.replace(final)
        except OSError:
            final.unlink()
            raise
    else:
        partial.unlink()


@contextmanager
def create(
    target: Path,
    *,
    overwrite: bool,
    placing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[BinaryIO]:
    """A file to write, which becomes ``target`` at the end, flushed to disk, whole or not at all.

    It gets its name within ``placing``. A file that is replaced hands its permissions on.

    Raises:
        FileExistsError: ``target`` exists and ``overwrite`` is false.
        OSError: It cannot be written, or is no file; nothing is left behind.
    """
    if overwrite and target.exists() and not (target.is_file() or target.is_dir()):
        raise OSError(errno.EINVAL, "it is not a file", str(target))
    partial = target.with_name(f".{os.urandom(6).hex()}.part")
    try:
        with partial.open("xb") as file:
            if overwrite and target.is_file() and hasattr(os, "fchmod"):  # not on Windows
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        with placing():
            place(partial, target, replace=overwrite)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def write(path: Path, pieces: Iterable[bytes], *, mode: int) -> None:
    """Put ``pieces`` into the file at ``path``, replacing it, flushed, whole or not at all.

    The caller holds a lock: what a killed one has left under the temporary name is overwritten.
    A new file gets ``mode``; an old one keeps its own, without what ``mode`` forbids.

    Raises:
        OSError: It cannot be written; the old file is as before.
    """
    partial = partial_of(path)
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            if path.exists() and hasattr(os, "fchmod"):  # not on Windows
                os.fchmod(handle, stat.S_IMODE(path.stat().st_mode) & mode)
            file.writelines(pieces)
            file.flush()
            os.fsync(handle)
        place(partial, path, replace=True)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def partial_of(path: Path) -> Path:
    """Where :func:`write` puts what ``path`` is to hold."""
    return path.with_name(f".{path.name}.part")


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, each on disk before it is used."""
    missing = []
    for place_ in (folder, *folder.parents):
        if place_.is_dir():
            break
        missing.append(place_)
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def copy(source: Path, target: Path) -> None:
    """Put a copy of ``source`` at ``target``, flushed to disk, whole or not at all.

    Raises:
        FileExistsError: Something is there.
        OSError: It cannot be read or written.
    """
    with source.open("rb") as whole, create(target, overwrite=False) as file:
        shutil.copyfileobj(whole, file)


def prepare(folder: Path) -> None:
    """Make ``folder`` if it is missing.

    Raises:
        OSError: It cannot be made, or files cannot be written in it.
    """
    make_folder(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def free_bytes(folder: Path, file: Path | None = None) -> int:
    """How many bytes ``folder``, or the nearest one above it that exists, can take.

    Raises:
        OSError: Files cannot be written there, or ``file`` is there and cannot be written.
    """
    import tempfile  # noqa: PLC0415 - slow, and only the doctor asks

    if file is not None and file.exists():
        if not file.is_file():
            raise OSError(errno.EINVAL, "it is not a file", str(file))
        with file.open("ab"):
            pass
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if existing is None:  # the drive is not there
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    with tempfile.TemporaryFile(dir=existing) as trial:
        trial.write(bytes(1 << 16))
    return shutil.disk_usage(existing).free


def sync_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to disk, where the system can."""
    if os.name == "nt":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
