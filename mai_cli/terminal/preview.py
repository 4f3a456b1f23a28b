"""Pictures in the terminal: by the graphics protocol that it speaks, else as half blocks.

Sources: the graphics protocol of Kitty (``a=T``, pieces of 4096 bytes, ``q=2``: no answers),
iTerm2's inline images (``1337;File``), DEC's programmer reference of the VT330/VT340 for Sixel.
"""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from mai_cli.terminal.asking import Abilities

ROWS_FOR_TEXT = 4
"""Of the terminal: the path, the summary and the prompt stay in sight."""

USUAL_CELL = (10, 20)
MAX_SIXEL_SIDE = 800
"""Pixels; Sixel is large and slow to make."""

_PIECE = 4096
_BAND = 6  # rows of pixels in a row of Sixel
_SIXELS = bytes(63 + bits if bits < 64 else 0 for bits in range(256))  # noqa: PLR2004 - six bits
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)
_FEW_COLORS = 256
_CUBE = (0, 95, 135, 175, 215, 255)  # the levels of the 216 colours that every terminal has
_UPPER_HALF = "\u2580"


class Thumbnail(Protocol):
    """A picture that fits; pixels row by row, from the top."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    def png(self) -> bytes:
        """As a file."""

    def rgb(self) -> bytes:
        """Three bytes for each pixel."""

    def indexed(self) -> tuple[bytes, bytes]:
        """Up to 256 colours of three bytes each, and for each pixel which of them it has."""


Shrink = Callable[[Path, int, int], Thumbnail]


class Preview:
    """Shows pictures in a terminal of ``columns`` x ``rows`` cells.

    ``shrink`` makes one that fits into so many pixels, never larger than it is; it raises
    ``OSError``, or ``ValueError`` with half a sentence. ``colors`` is how many colours text can
    have: 0, 256 or 1 << 24.
    """

    def __init__(
        self,
        shrink: Shrink,
        write: Callable[[str], None],
        abilities: Abilities,
        *,
        columns: int,
        rows: int,
        colors: int,
    ) -> None:
        self._shrink = shrink
        self._write = write
        self._abilities = abilities
        self._columns = max(1, columns)
        self._rows = max(1, rows - ROWS_FOR_TEXT)
        self._colors = colors

    @property
    def is_possible(self) -> bool:
        """Whether this terminal can show anything."""
        able = self._abilities
        return able.kitty or able.iterm2 or able.sixel or self._colors > 0

    def show(self, path: Path) -> None:
        """Show the picture at ``path``.

        Raises:
            OSError: It cannot be read.
            ValueError: It cannot be decoded.
        """
        cell_width, cell_height = self._abilities.cell or USUAL_CELL
        width, height = self._columns * cell_width, self._rows * cell_height
        if self._abilities.kitty:
            shown = kitty(self._shrink(path, width, height))
        elif self._abilities.iterm2:
            shown = iterm2(self._shrink(path, width, height))
        elif self._abilities.sixel:
            most = MAX_SIXEL_SIDE
            shown = sixel(self._shrink(path, min(width, most), min(height, most)))
        else:
            shown = half_blocks(self._shrink(path, self._columns, 2 * self._rows), self._colors)
        self._write(f"{shown}\n")


def kitty(picture: Thumbnail) -> str:
    """``picture`` in Kitty's graphics protocol."""
    text = base64.b64encode(picture.png()).decode("ascii")
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    last = len(pieces) - 1
    return "".join(
        f"\x1b_G{'a=T,f=100,q=2,' if number == 0 else ''}m={int(number < last)};{piece}\x1b\\"
        for number, piece in enumerate(pieces)
    )


def iterm2(picture: Thumbnail) -> str:
    """``picture`` as an inline image of iTerm2."""
    data = picture.png()
    size = f"width={picture.width}px;height={picture.height}px"
    text = base64.b64encode(data).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(data)};{size}:{text}\x07"


def sixel(picture: Thumbnail) -> str:
    """``picture`` in Sixel: rows of six pixels, in each a line for every colour in it."""
    palette, pixels = picture.indexed()
    width = picture.width
    colors = [palette[start : start + 3] for start in range(0, len(palette), 3)]
    parts = [f'\x1bP0;1;q"1;1;{width};{picture.height}'.encode()]
    for number, color in enumerate(colors):
        red, green, blue = (round(part * 100 / 255) for part in color)
        parts.append(b"#%d;2;%d;%d;%d" % (number, red, green, blue))
    for start in range(0, len(pixels), width * _BAND):
        band = pixels[start : start + width * _BAND]
        lines = [b"#%d%s" % (color, _sixels(band, width, color)) for color in sorted(set(band))]
        parts.append(b"$".join(lines) + b"-")
    return b"".join([*parts, b"\x1b\\"]).decode("ascii")


def _sixels(band: bytes, width: int, color: int) -> bytes:
    """Where ``color`` stands in a band: a character for each column, runs made short."""
    bits = 0
    for row in range(len(band) // width):
        table = bytearray(256)
        table[color] = 1 << row
        pixels = band[row * width : (row + 1) * width].translate(table)
        bits |= int.from_bytes(pixels, "big")
    text = bits.to_bytes(width, "big").translate(_SIXELS).rstrip(b"?")
    return _RUN.sub(lambda run: b"!%d%s" % (len(run[0]), run[1]), text)


def half_blocks(picture: Thumbnail, colors: int) -> str:
    """``picture`` as text: each character is two pixels, one above the other."""
    stride = 3 * picture.width
    data = picture.rgb()
    rows = [data[start : start + stride] for start in range(0, len(data), stride)]
    code = _code_of_256 if colors <= _FEW_COLORS else _code
    return "\n".join(
        "".join(_cells(upper, lower, code)) + "\x1b[0m"
        for upper, lower in zip(rows[::2], [*rows[1::2], None], strict=False)
    )


def _cells(upper: bytes, lower: bytes | None, code: Callable[[bytes], str]) -> Iterator[str]:
    """One line of text; a colour is named where it changes. Below the last row is nothing."""
    before = ""
    for start in range(0, len(upper), 3):
        style = f"\x1b[38;{code(upper[start : start + 3])}"
        if lower:
            style += f";48;{code(lower[start : start + 3])}"
        yield (f"{style}m" if style != before else "") + _UPPER_HALF
        before = style


def _code(color: bytes) -> str:
    return f"2;{color[0]};{color[1]};{color[2]}"


def _code_of_256(color: bytes) -> str:
    """The nearest of the 216 colours of the cube."""
    red, green, blue = (
        min(range(len(_CUBE)), key=lambda step: abs(_CUBE[step] - part)) for part in color
    )
    return f"5;{16 + 36 * red + 6 * green + blue}"
