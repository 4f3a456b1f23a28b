"""Pictures through Pillow: what a file is, whether it is whole, and its pixels.

Nothing is decoded before its size is known, and nothing as another format than its first bytes
say, so that a small file cannot fill the memory. What Pillow raises does not leave this module.
"""

from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageCms, ImageOps

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
    try:
        picture = Image.open(file, formats=[name])
        if picture.width * picture.height <= MAX_PIXELS:
            picture.load()
    except MemoryError:
        raise PictureError("is too large for this machine") from None
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow raise nearly anything
        raise PictureError(f"is damaged ({error})") from None
    if picture.width * picture.height > MAX_PIXELS:
        size, limit = f"{picture.width}x{picture.height}", MAX_PIXELS // 1_000_000
        raise PictureError(f"has {size} pixels, more than {limit} million")
    return picture


def write_png(picture: Image.Image, file: BinaryIO) -> None:
    """Write ``picture``, turned as its EXIF data says, as a PNG without other data."""
    turned = straight(ImageOps.exif_transpose(picture))
    turned.save(file, "PNG", compress_level=4, icc_profile=turned.info.get("icc_profile"))


def straight(picture: Image.Image) -> Image.Image:
    """``picture`` as 8-bit RGB, or RGBA where it has transparency; its colours stay.

    An RGB profile stays with it (``info["icc_profile"]``). Colours of another kind, such as CMYK
    or gray, become sRGB by their profile, which then goes.
    """
    has_alpha = picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    profile = picture.info.get("icc_profile")
    if picture.mode in _WIDE:
        picture = _narrow(picture)
    if profile and profile[16:20] != b"RGB ":
        picture = _to_srgb(picture, profile)
        profile = None
    if picture.mode != mode:
        picture = picture.convert(mode)
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _narrow(picture: Image.Image) -> Image.Image:
    """Sixteen bits of gray as eight; Pillow's own way would make all but black white."""
    return picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """The colours of ``picture``, which ``profile`` explains, as sRGB; as they are if it cannot."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        turned = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return turned or picture
