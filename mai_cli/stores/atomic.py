"""Files that are either whole or absent, and that replace nothing unless told to."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

# What a file system says that has no hard links (FAT, some network and phone storage).
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


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
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links: reserve the name, which fails if it is taken, then fill it in one step.
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            partial.replace(final)
        except OSError:
            final.unlink()
            raise
    else:
        partial.unlink()


def copy(source: Path, target: Path, *, overwrite: bool) -> None:
    """Copy the file ``source`` to ``target``, flushed to disk, whole or not at all.

    Raises:
        FileExistsError: ``target`` exists and ``overwrite`` is false.
        OSError: The copy cannot be written; nothing is left behind.
    """
    partial = target.with_name(f".{os.urandom(6).hex()}.part")
    try:
        with source.open("rb") as original, partial.open("xb") as file:
            shutil.copyfileobj(original, file)
            file.flush()
            os.fsync(file.fileno())
        place(partial, target, replace=overwrite)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


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


def prepare(folder: Path) -> None:
    """Make ``folder`` if it is missing.

    Raises:
        OSError: It cannot be made, or files cannot be written in it.
    """
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


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
