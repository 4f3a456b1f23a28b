"""Masters in other formats and sizes (Pillow). The same input gives the same bytes.

That also needs one thread for each encoder: AVIF depends on their number.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, features

from mai_cli.adapters.pictures import PictureError, decode, straight, translated
from mai_cli.adapters.provenance import stamp, xmp_packet
from mai_cli.models.recipe import QUALITY, Recipe
from mai_cli.models.record import Record

_WHITE = (255, 255, 255)
_FINEST, _SPARE = 95, 1.2
_FINE = 90  # from this quality on a JPEG keeps its colours at full size, as other tools do
_FEATURES = {"png": "zlib", "jpeg": "jpg", "webp": "webp", "avif": "avif"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {},
    "webp": {"method": 4},
    "avif": {"speed": 6, "max_threads": 1},
    "png": {},
}


def can_write(name: str) -> bool:
    """Whether this installation of Pillow writes the format ``name``."""
    return features.check(_FEATURES[name]) is True


class Original:
    """A master, decoded once for all that is made from it; may be used by several threads."""

    def __init__(self, path: Path) -> None:
        """Decode the PNG at ``path``.

        Raises:
            OSError: It cannot be read.
            PictureError: It cannot be decoded.
        """
        with path.open("rb") as file:
            self._picture = straight(decode(file, "PNG"))
        self.has_transparency = False
        if self._picture.mode == "RGBA":
            self.has_transparency = self._picture.getchannel("A").getextrema() != (255, 255)
            if not self.has_transparency:
                self._picture = self._picture.convert("RGB")

    def render(self, recipe: Recipe, record: Record | None) -> bytes:
        """The file that ``recipe`` asks for; with what ``record`` tells, if there is one.

        Raises:
            PictureError: It cannot be made; the message, half a sentence, says why.
        """
        with translated("cannot be encoded"):
            picture = _resized(self._picture, recipe)
            if recipe.format == "jpeg" and picture.mode == "RGBA":
                picture = _on_white(picture)
            return _within(picture, recipe, record)


def _on_white(picture: Image.Image) -> Image.Image:
    """``picture`` without transparency."""
    white = Image.new("RGB", picture.size, _WHITE)
    white.paste(picture, mask=picture.getchannel("A"))
    white.info = picture.info
    return white


def _resized(picture: Image.Image, recipe: Recipe) -> Image.Image:
    """A copy of ``picture`` in the size that ``recipe`` asks for.

    Never the same object: Pillow keeps the options of an encoder in the picture that it saves, so
    that two threads which save one picture mix them up.
    """
    try:
        width, height = recipe.size_of(*picture.size)
    except ValueError as error:
        raise PictureError(str(error)) from None
    if (width, height) == picture.size:
        return picture.copy()
    box = (0.0, 0.0, float(picture.width), float(picture.height))
    if recipe.fit == "cover":  # of a shape that is kept, this cuts less than a pixel
        scale = min(picture.width / width, picture.height / height)
        left = max(0.0, (picture.width - width * scale) / 2)
        top = max(0.0, (picture.height - height * scale) / 2)
        box = (left, top, picture.width - left, picture.height - top)
    return picture.resize((width, height), Image.Resampling.LANCZOS, box)


def _within(picture: Image.Image, recipe: Recipe, record: Record | None) -> bytes:
    """``picture`` as a file of no more bytes than ``recipe`` allows, of the best quality."""
    if recipe.max_kb is None:
        return _encode(picture, recipe, recipe.quality or QUALITY.get(recipe.format, 0), record)
    worst, best = (1, recipe.quality or 100) if recipe.is_lossy else (0, 0)
    quality, size, found = best, 0, None
    while worst <= best:
        data = _encode(picture, recipe, quality, record)
        if len(data) <= recipe.max_kb * 1000:
            found, worst = data, quality + 1
        else:
            size, best = len(data), quality - 1
        quality = (worst + best) // 2
    if found is None:
        raise PictureError(f"takes at least {-(-size // 1000)} kB, more than {recipe.max_kb}")
    return found


def _encode(picture: Image.Image, recipe: Recipe, quality: int, record: Record | None) -> bytes:
    """``picture`` as a file, of that quality if its format has any."""
    name = recipe.format
    options = dict(_OPTIONS[name])
    if recipe.is_lossy:
        options["quality"] = quality
        if record:
            options["xmp"] = xmp_packet(record)
    if name == "jpeg":
        options["subsampling"] = "4:4:4" if quality >= _FINE else "4:2:0"
    if profile := picture.info.get("icc_profile"):
        options["icc_profile"] = profile
    file = BytesIO()
    picture.save(file, name.upper(), **options)
    if name == "jpeg" and file.tell() * _SPARE < _room(picture, quality):
        file = BytesIO()
        picture.save(file, "JPEG", optimize=True, progressive=True, **options)
    if name != "png" or record is None:
        return file.getvalue()
    file.seek(0)
    stamped = BytesIO()
    stamp(file, stamped, record)
    return stamped.getvalue()


def _room(picture: Image.Image, quality: int) -> int:
    """The bytes in which Pillow lets a JPEG be optimized: noise takes more, and would fail."""
    pixels = picture.width * picture.height
    return max(ImageFile.MAXBLOCK, 2 * pixels if quality >= _FINEST else pixels)
