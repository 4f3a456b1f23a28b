"""Reference pictures: what can be sent is found out before anything is, and sent as a stream."""

import hashlib
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from mai_cli.adapters.pictures import HEAD_BYTES, PictureError, decode, format_of, muted, write_png
from mai_cli.errors import ConfigError, UsageError
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
_BLOCK_BYTES = 1 << 20
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
    with _opened(path) as file, _readable(path):
        name = format_of(file.read(HEAD_BYTES))
        file.seek(0)
        claim = _CLAIMS.get(path.suffix.lower())
        if name is None:
            raise _wrong(path, "is not a picture")
        if claim not in (None, name):
            raise _wrong(path, f"is not the {claim} that its name says, but {name}")
        with muted(name):
            decode(file, name)
        file.seek(0)
        return Reference(path.absolute(), hashlib.file_digest(file, "sha256").hexdigest(), name)


@contextmanager
def opened_reference(reference: Reference) -> Iterator[Upload]:
    """What to send for ``reference``: its bytes as they are, or a PNG if the service needs one.

    They are copied first: what is sent is what was read, whatever happens to the file meanwhile.

    Raises:
        UsageError: The file is not what it was when it was read.
        ConfigError: The temporary folder cannot take the copy.
    """
    with _roomy(reference.path):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closing it may fail too
    try:
        _copy(reference, file)
        media_type = MEDIA_TYPES.get(reference.format)
        if media_type is None:
            media_type = MEDIA_TYPES["PNG"]
            _make_png(reference, file)
        file.seek(0)
        yield Upload(f"image.{media_type.removeprefix('image/')}", file, media_type)
    finally:
        with suppress(OSError):
            file.close()


def _copy(reference: Reference, copy: BinaryIO) -> None:
    """Copy the file of ``reference``, which must still be what it was."""
    digest = hashlib.sha256()
    with _opened(reference.path) as file:
        while True:
            with _readable(reference.path):
                block = file.read(_BLOCK_BYTES)
            if not block:
                break
            digest.update(block)
            with _roomy(reference.path):
                copy.write(block)
    with _roomy(reference.path):
        copy.seek(0)
    if digest.hexdigest() != reference.sha256:
        raise UsageError(
            f"The reference {reference.path} has changed since this run began.",
            code="bad_image",
            hint="Run it again.",
        )


def _make_png(reference: Reference, file: BinaryIO) -> None:
    """Replace the picture in ``file`` by the same as a PNG."""
    with _readable(reference.path):
        picture = decode(file, reference.format)
    with _roomy(reference.path):
        file.seek(0)
        file.truncate()
        try:
            write_png(picture, file)
        except PictureError as error:
            raise _wrong(reference.path, str(error)) from None
        file.flush()


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


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say of which file it is that it cannot be read or used."""
    try:
        yield
    except PictureError as error:
        raise _wrong(path, str(error)) from None
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None


@contextmanager
def _roomy(path: Path) -> Iterator[None]:
    """Say so if the temporary folder cannot take the reference from ``path``."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The temporary folder has no room for the reference {path}: {error.strerror}.",
            code="cannot_store",
            hint="Nothing was sent. Make room there, or set TMPDIR to another folder.",
        ) from None


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(f"The reference {path} {what}.", code="bad_image", hint=_HINT)
