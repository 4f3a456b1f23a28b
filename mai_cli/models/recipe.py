"""How an export is made from a master: format, size, quality."""

import re
from dataclasses import dataclass
from typing import Literal

from mai_cli.errors import UsageError

FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg", ".avif": "avif"}
"""What an export can be, by the ending of its name."""

QUALITY = {"jpeg": 90, "webp": 85, "avif": 75}
"""Of the lossy formats, where none is asked for; each has a scale of its own."""

MAX_SIDE = 16_383
"""Pixels. Source: the WebP container, which holds the least of all formats."""

MAX_PIXELS = 50_000_000
"""Of an export; a limit of our own, several hundred megabytes of memory."""

Fit = Literal["cover", "contain", "stretch"]

_RESIZE = re.compile(r"(\d{1,9})?\s*[xX×]\s*(\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What becomes of a master; the same master and recipe give the same bytes.

    ``width`` and ``height`` are pixels; where one is missing it follows from the other. With both,
    ``fit`` says what becomes of another shape: ``cover`` cuts off what is too much, ``contain``
    is smaller on one side, ``stretch`` is distorted. ``max_kb`` are 1000 bytes each; the best
    quality that fits is taken, up to ``quality`` if that is given.
    """

    format: str
    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
    quality: int | None = None
    max_kb: int | None = None

    @property
    def is_lossy(self) -> bool:
        """Whether quality means something for this format."""
        return self.format in QUALITY

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """The size of the export of a master of that size.

        Raises:
            ValueError: It is larger than a file can be; the message, half a sentence, says so.
        """
        size = self._size_of(width, height)
        if self.format == "png" and size == (width, height):
            return size  # a copy
        if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
            limit = f"{MAX_SIDE} pixels a side and {MAX_PIXELS // 1_000_000} million in all"
            raise ValueError(f"would be {size[0]}x{size[1]}, more than {limit}")
        return size

    def _size_of(self, width: int, height: int) -> tuple[int, int]:
        if self.width and self.height:
            if self.fit != "contain":
                return self.width, self.height
            if self.width * height <= self.height * width:
                return self.width, _scaled(height, self.width, width)
            return _scaled(width, self.height, height), self.height
        if self.width:
            return self.width, _scaled(height, self.width, width)
        if self.height:
            return _scaled(width, self.height, height), self.height
        return width, height


def _scaled(side: int, new: int, old: int) -> int:
    """``side`` times ``new`` over ``old``, to the nearest pixel, at least one."""
    return max(1, (2 * side * new + old) // (2 * old))


def parse_recipe(
    resize: str | None, fit: Fit | None, quality: int | None, max_kb: int | None
) -> Recipe:
    """What the options ask of every output; its format comes from its name.

    Raises:
        UsageError: One of them is wrong, or means nothing without another.
    """
    width, height = _sides(resize) if resize is not None else (None, None)
    if fit and not (width and height):
        raise UsageError(
            "--fit needs a width and a height to fit into.",
            code="bad_option",
            hint="Give both, for example --resize 800x600, or leave out --fit.",
        )
    return Recipe("png", width, height, fit or "cover", quality, max_kb)


def _sides(text: str) -> tuple[int | None, int | None]:
    """The width and height in ``800x``, ``x600`` or ``800x600``."""
    match = _RESIZE.fullmatch(text.strip())
    sides = [int(side) if side else None for side in match.groups()] if match else [None, None]
    given = [side for side in sides if side is not None]
    if not given or not all(1 <= side <= MAX_SIDE for side in given):
        raise UsageError(
            f"'{text}' is not a size to resize to.",
            code="bad_option",
            hint=f"Write it as 800x, x600 or 800x600; each side from 1 to {MAX_SIDE}.",
        )
    return sides[0], sides[1]
