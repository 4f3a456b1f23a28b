"""Which picture a file is: by the id that it carries, or by its digest. Fast to load."""

import errno
import mmap
import re
import stat
from pathlib import Path

MAX_BYTES = 1 << 29

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
