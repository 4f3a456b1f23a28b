"""Pictures through Pillow: what a file is, whether it is whole, and its pixels.

Nothing is decoded before its size is known, and nothing as another format than its first bytes
say, so that a small file cannot fill the memory. What Pillow raises does not leave this module.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageCms, ImageMath, ImageOps, UnidentifiedImageError

from mai_cli.adapters.png import PngScan

MAX_PIXELS = 50_000_000
"""Of a picture that is decoded: the largest that phones make, 150 to 200 MB in memory."""

HEAD_BYTES = 16
_SIGNATURES = {
    "PNG": (0, (b"\x89PNG\r\n\x1a\n",)),
    "JPEG": (0, (b"\xff\xd8\xff",)),
    "GIF": (0, (b"GIF87a", b"GIF89a")),
    "WEBP": (8, (b"WEBP",)),
    "TIFF": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "AVIF": (4, (b"ftypavif", b"ftypavis")),
    "HEIF": (4, (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")),
    "BMP": (0, (b"BM",)),
}
_STDERR = 2
_BLOCK_BYTES = 1 << 16
_GRAY = ("1", "L", "LA", "La")
_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
_WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")

Image.MAX_IMAGE_PIXELS = None  # what is too large is refused here, in words of our own


class PictureError(ValueError):
    """A file is not a picture that can be used; the message, half a sentence, says why."""


def format_of(head: bytes) -> str | None:
    """What a file is by its first :data:`HEAD_BYTES`, in Pillow's words, or ``None``."""
    for name, (start, signatures) in _SIGNATURES.items():
        if head[start:].startswith(signatures):
            return name
    return None


def decode(file: BinaryIO, name: str) -> Image.Image:
    """The picture in ``file``, which is of the format ``name``; its pixels are read.

    Raises:
        PictureError: It is damaged, too large, or of a format that this Pillow does not read.
    """
    if name not in Image.OPEN:
        Image.init()
    if name not in Image.OPEN:
        raise PictureError(f"is {name}, which this installation of Pillow does not read")
    with translated("is damaged"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = Image.open(file, formats=[name])
        if picture.width * picture.height > MAX_PIXELS:
            size, limit = f"{picture.width}x{picture.height}", MAX_PIXELS // 1_000_000
            raise PictureError(f"has {size} pixels, more than {limit} million")
        if name == "PNG":
            _check_chunks(file)
        picture.load()
        return picture


def _check_chunks(file: BinaryIO) -> None:
    """See that a PNG is whole: Pillow looks neither at all checksums nor at the end."""
    place = file.tell()
    file.seek(0)
    scan = PngScan()
    while not scan.has_ended and (block := file.read(_BLOCK_BYTES)):
        scan.feed(block)
    if not scan.has_ended:
        scan.finish()
        raise PictureError(f"is damaged ({scan.problem})")
    file.seek(place)


@contextmanager
def translated(problem: str) -> Iterator[None]:
    """Let what Pillow raises leave as a ``PictureError`` that calls it ``problem``."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("is too large for this machine") from None
    except UnidentifiedImageError:
        raise PictureError(problem) from None
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow raise nearly anything
        raise PictureError(f"{problem} ({error})") from None


@contextmanager
def muted(name: str) -> Iterator[None]:
    """Keep to ourselves what the C library that reads TIFF mutters to stderr of a damaged one.

    All threads are mute meanwhile, so this is only for where there is one.
    """
    if name != "TIFF":
        yield
        return
    stderr = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(stderr, _STDERR)
        os.close(stderr)
        os.close(nowhere)


def write_png(picture: Image.Image, file: BinaryIO) -> None:
    """Write ``picture``, turned as its EXIF data says, as a PNG without other data.

    Raises:
        PictureError: It is damaged.
        OSError: The file cannot be written.
    """
    with translated("is damaged"):
        turned = straight(ImageOps.exif_transpose(picture))
    turned.save(file, "PNG", compress_level=4, icc_profile=turned.info.get("icc_profile"))


def straight(picture: Image.Image) -> Image.Image:
    """``picture`` as 8-bit RGB, or RGBA where it has transparency; its colours stay.

    An RGB profile stays with it (``info["icc_profile"]``). Colours of another kind, such as CMYK
    or gray, become sRGB by their profile, which then goes.

    Raises:
        PictureError: It is damaged.
    """
    with translated("is damaged"):
        return _straight(picture)


def _straight(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    if picture.mode in _WIDE:
        picture = _narrow(picture)
    has_alpha = picture.mode in _TRANSPARENT or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    if profile and profile[16:20] != b"RGB ":
        picture = _to_srgb(picture, profile, has_alpha=has_alpha)
        profile = None
    if picture.mode != mode:
        picture = picture.convert(mode)
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _narrow(picture: Image.Image) -> Image.Image:
    """Sixteen bits of gray as eight; Pillow's own way would make all but black white."""
    clear = picture.info.get("transparency")
    wide = picture.convert("I")
    gray = wide.point(lambda value: value * (1 / 257)).convert("L")
    if isinstance(clear, int):
        solid = ImageMath.lambda_eval(lambda of: 255 * (of["wide"] != clear), wide=wide)
        gray.putalpha(solid.convert("L"))
    return gray


def _to_srgb(picture: Image.Image, profile: bytes, *, has_alpha: bool) -> Image.Image:
    """The colours of ``picture``, which ``profile`` explains, as sRGB; as they are if it cannot."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    alpha = picture.convert("RGBA").getchannel("A") if has_alpha else None
    plain = picture.convert("L") if picture.mode in _GRAY else picture
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        turned = ImageCms.profileToProfile(plain, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    if turned is None:
        return picture
    if alpha:
        turned.putalpha(alpha)
    return turned
