"""Small pictures for a terminal or a web page, in the forms that these take (Pillow)."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from mai_cli.adapters.pictures import HEAD_BYTES, PictureError, decode, format_of, straight

MAX_COLORS = 256
_LIGHT, _DARK, _SQUARE = (204, 204, 204), (153, 153, 153), 8  # what shines through, as usual


class Thumbnail:
    """A picture that fits; pixels row by row, from the top."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture
        self.width, self.height = picture.size

    def png(self) -> bytes:
        """As a file, with its transparency."""
        file = BytesIO()
        self._picture.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def webp(self) -> bytes:
        """As a small file, with its transparency."""
        file = BytesIO()
        self._picture.save(file, "WEBP", quality=80, method=2)
        return file.getvalue()

    def rgb(self) -> bytes:
        """Three bytes for each pixel."""
        return self._opaque().tobytes()

    def indexed(self) -> tuple[bytes, bytes]:
        """Up to 256 colours of three bytes each, and for each pixel which of them it has."""
        picture = self._opaque().quantize(MAX_COLORS)
        return bytes(picture.getpalette("RGB") or ()), picture.tobytes()

    def _opaque(self) -> Image.Image:
        """The picture on a board of light and dark squares, if anything shines through."""
        if self._picture.mode == "RGB":
            return self._picture
        board = Image.new("RGB", self._picture.size, _LIGHT)
        for top in range(0, self.height, _SQUARE):
            for left in range(top % (2 * _SQUARE), self.width, 2 * _SQUARE):
                board.paste(_DARK, (left, top, left + _SQUARE, top + _SQUARE))
        board.paste(self._picture, mask=self._picture.getchannel("A"))
        return board


def shrink(path: Path, width: int, height: int) -> Thumbnail:
    """The picture at ``path``, small enough for ``width`` x ``height`` pixels, never larger.

    Raises:
        OSError: It cannot be read.
        PictureError: It cannot be decoded.
    """
    with path.open("rb") as file:
        name = format_of(file.read(HEAD_BYTES))
        if name is None:
            raise PictureError("is not a picture")
        file.seek(0)
        picture = straight(decode(file, name))
    picture.thumbnail((width, height))
    return Thumbnail(picture)
