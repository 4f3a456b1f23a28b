"""Many pictures on one, each with a line below it (Pillow)."""

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mai_cli.adapters.pictures import PictureError
from mai_cli.adapters.thumbnails import shrink

MAX_CELLS = 400
"""Of a sheet; 20 by 20 are about 36 million pixels."""

_SIDE, _GAP, _LINE = 256, 24, 20
_PAPER, _INK, _FAINT = (250, 250, 250), (34, 34, 34), (225, 225, 225)
_CUT = "..."
_LONGEST = 400  # characters that are looked at; far fewer have room
_LETTERS = 14  # pixels
# Where one is, it has the letters of most languages; that of Pillow has those of ASCII.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Cell:
    """A picture, and the lines below it."""

    path: Path
    captions: Sequence[str]


def contact_sheet(cells: Sequence[Cell], form: str) -> bytes:
    """A picture in the format ``form``, such as ``png``, with up to :data:`MAX_CELLS` cells.

    What cannot be read leaves an empty frame.
    """
    columns = ceil(sqrt(len(cells)))
    rows = ceil(len(cells) / columns)
    lines = max(len(cell.captions) for cell in cells)
    width, height = _SIDE + _GAP, _SIDE + _GAP + lines * _LINE
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    font, knows_all = _font()
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        left = _GAP + number % columns * width
        top = _GAP + number // columns * height
        _paste(sheet, draw, cell.path, left, top)
        for line, caption in enumerate(cell.captions):
            text = _fitting(draw, font, caption if knows_all else _plain(caption[:_LONGEST]))
            draw.text((left, top + _SIDE + 6 + line * _LINE), text, _INK, font)
    file = BytesIO()
    sheet.save(file, form.upper(), quality=90)
    return file.getvalue()


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, path: Path, left: int, top: int) -> None:
    try:
        small = shrink(path, _SIDE, _SIDE)
    except (OSError, PictureError):
        draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), outline=_FAINT)
        return
    picture = Image.frombytes("RGB", (small.width, small.height), small.rgb())
    sheet.paste(picture, (left + (_SIDE - small.width) // 2, top + (_SIDE - small.height) // 2))


def _font() -> tuple[Font, bool]:
    """A font of the system, or that of Pillow; and whether it has more letters than ASCII."""
    for name in _FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, _LETTERS), True
    return ImageFont.load_default(_LETTERS), False


def _fitting(draw: ImageDraw.ImageDraw, font: Font, text: str) -> str:
    """As much of ``text`` as has room on a line."""
    line = " ".join(text[:_LONGEST].split())
    if draw.textlength(line, font) <= _SIDE:
        return line
    kept = len(line)
    while kept and draw.textlength(line[:kept] + _CUT, font) > _SIDE:
        kept -= 1
    return line[:kept] + _CUT


def _plain(text: str) -> str:
    """``text`` in ASCII; accents go, and what is left becomes a mark."""
    letters = unicodedata.normalize("NFKD", text)
    kept = [char for char in letters if not unicodedata.combining(char)]
    return "".join(char if " " <= char <= "~" else "?" for char in kept)
