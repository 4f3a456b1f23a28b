"""Which picture a file is: by the id that it carries, or by its digest. Fast to load."""

import errno
import mmap
import os
import re
import stat
from collections.abc import Collection, Sequence
from pathlib import Path

MAX_BYTES = 1 << 29

_BLOCK = 64  # files for a thread at a time

# As it is written by mai, written again by another program, and then anywhere else.
# Each starts with a literal, for which a large file is searched fifty times faster.
_IDS = (
    re.compile(rb"<dc:identifier>\s*mai:record:([0-9a-f]{12})\s*<"),
    re.compile(rb"dc:identifier=[\"']mai:record:([0-9a-f]{12})[\"']"),
    re.compile(rb"mai:record:([0-9a-f]{12})\b"),
)


def embedded_id(path: Path) -> str | None:
    """The id of the record that the picture at ``path`` carries, whatever its format.

    An XMP packet stands in every format as plain text, so that any program can find it.

    Raises:
        OSError: The file cannot be read.
    """
    _check(path)
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # it is empty
            return None
        with content:
            matches = (pattern.search(content) for pattern in _IDS)
            match = next((match for match in matches if match), None)
            return match[1].decode("ascii") if match else None


def digest(path: Path) -> str:
    """The SHA-256 of the file at ``path``, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    import hashlib  # noqa: PLC0415 - slow, and rarely needed

    _check(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, paths: Collection[str]) -> dict[str, str | None]:
    """The digest of each of ``paths`` below ``folder``; ``None`` where nothing is.

    What is there but cannot be read as a file has an empty one, as has a link to nothing.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only a batch needs it

    def look(some: Sequence[str]) -> dict[str, str | None]:
        return {path: _digest_if_there(folder / path) for path in some}

    ordered = list(paths)
    blocks = [ordered[start : start + _BLOCK] for start in range(0, len(ordered), _BLOCK)]
    found: dict[str, str | None] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(look, blocks):
            found |= part
    return found


def _digest_if_there(path: Path) -> str | None:
    try:
        return digest(path)
    except (FileNotFoundError, NotADirectoryError):
        return "" if path.is_symlink() else None
    except OSError:
        return ""


def _check(path: Path) -> None:
    """Read nothing that is no file, or too large for a picture."""
    try:
        state = path.stat()
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have that name") from None
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    if state.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, "it is too large for a picture")
