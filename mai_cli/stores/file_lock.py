"""A lock that processes on one machine share; the system frees it when its holder dies."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD = (errno.EWOULDBLOCK, errno.EACCES)  # by somebody else

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
            except OSError as error:
                if error.errno != errno.EDEADLK:  # not free after ten seconds; ask again
                    raise
            else:
                return

    def _try_lock(handle: int, *, shared: bool) -> None:
        if not shared:  # there are none here
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _try_lock(handle: int, *, shared: bool) -> None:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, *, mode: int = 0o666) -> Iterator[None]:
    """Hold the lock that the file at ``path`` stands for, waiting for it as long as it takes.

    The file is made if it is missing, and stays: removing it would let two holders in.

    Raises:
        OSError: The file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_if_free(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock that the file at ``path`` stands for, if nobody else does.

    A ``shared`` one leaves room for others that are shared.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: The file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _try_lock(handle, shared=shared)
        except OSError as error:
            if error.errno not in _HELD:  # there are no locks on this file system
                raise
            raise BlockingIOError(error.errno, error.strerror) from None
        yield
    finally:
        os.close(handle)
