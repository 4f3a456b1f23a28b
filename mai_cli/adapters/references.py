"""Reference pictures: what can be sent is found out before anything is, and sent as a stream."""

import hashlib
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from mai_cli.adapters.pictures import HEAD_BYTES, PictureError, decode, format_of, write_png
from mai_cli.errors import UsageError
from mai_cli.models.reference import MAX_REFERENCE_BYTES, Reference

MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}
"""What the service takes. Source: Microsoft's how-to for the MAI image models, "edits"."""

_CLAIMS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
_HINT = "Nothing was sent. Give a picture such as a PNG or JPEG."


@dataclass(frozen=True)
class Upload:
    """What goes over the wire for a reference."""

    name: str
    file: BinaryIO
    media_type: str


def read_reference(path: Path) -> Reference:
    """See that the file at ``path`` is a whole picture that can be sent.

    Raises:
        UsageError: It is not, or not what its name claims.
    """
    with _opened(path) as file:
        name = format_of(file.read(HEAD_BYTES))
        claim = _CLAIMS.get(path.suffix.lower())
        if name is None:
            raise _wrong(path, "is not a picture")
        if claim not in (None, name):
            raise _wrong(path, f"is not the {claim} that its name says, but {name}")
        file.seek(0)
        try:
            decode(file, name)
        except PictureError as error:
            raise _wrong(path, str(error)) from None
        file.seek(0)
        return Reference(path.absolute(), _digest(file), name)


@contextmanager
def opened_reference(reference: Reference) -> Iterator[Upload]:
    """What to send for ``reference``: the file as it is, or a PNG of it if the service needs one.

    Raises:
        UsageError: The file is not what it was when it was read.
    """
    with _opened(reference.path) as file:
        if _digest(file) != reference.sha256:
            raise _wrong(reference.path, "has changed since this run began")
        file.seek(0)
        if media_type := MEDIA_TYPES.get(reference.format):
            yield Upload(f"image.{reference.format.lower()}", file, media_type)
            return
        try:
            picture = decode(file, reference.format)
        except PictureError as error:
            raise _wrong(reference.path, str(error)) from None
        with tempfile.TemporaryFile() as png:
            write_png(picture, png)
            del picture  # the upload may take long
            png.seek(0)
            yield Upload("image.png", png, MEDIA_TYPES["PNG"])


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """The file at ``path``, not too large and such that it can be read twice."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise _wrong(path, "is not a file")
        if state.st_size > MAX_REFERENCE_BYTES:
            raise _wrong(path, f"is larger than {MAX_REFERENCE_BYTES // 1_000_000} MB")
        file = path.open("rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file can have that name"
        raise _wrong(path, f"cannot be read: {why}") from None
    with file:
        yield file


def _digest(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(f"The reference {path} {what}.", code="bad_image", hint=_HINT)
