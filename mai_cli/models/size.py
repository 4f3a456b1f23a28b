"""Sizes of pictures: what the models can draw, and the words people use for it."""

import math
import re
from dataclasses import dataclass

from mai_cli.errors import UsageError
from mai_cli.models.catalogue import MIN_SIDE, SAFE_MAX_PIXELS, SIDE_STEP, Model

DEFAULT_SIZE = "1024x1024"
AUTO = "auto"
RATIOS = {"square": "1:1", "landscape": "3:2", "portrait": "2:3", "wide": "16:9", "tall": "9:16"}

_LONGEST_SIDE = 1 << 20  # of a size that is suggested
_EXACT = re.compile(r"(\d{1,9})\s*[xX×]\s*(\d{1,9})", re.ASCII)
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,4})?):(\d{1,4}(?:\.\d{1,4})?)", re.ASCII)


@dataclass(frozen=True)
class Size:
    """Width and height in pixels; both multiples of 16 and at least 768."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if (
            min(self.width, self.height) < MIN_SIDE
            or self.width % SIDE_STEP
            or self.height % SIDE_STEP
        ):
            raise ValueError(f"{self.width}x{self.height} is not a size that a model can draw")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """How many pixels the picture has."""
        return self.width * self.height


def parse_size(text: str, model: Model) -> Size | None:
    """The size that ``text`` means for ``model``; ``None`` where the service is to choose.

    ``text`` is ``1280x832``, a ratio such as ``16:9``, a name such as ``wide``, or ``auto``. A
    ratio or a name becomes the largest size of that shape that the model can draw.

    Raises:
        UsageError: It is none of these, or not a size that the model can draw; the hint names
            the nearest one.
    """
    text = text.strip().lower()
    if text == AUTO:
        if not model.auto_size:
            raise UsageError(
                f"{model.name} does not choose the size by itself.",
                code="not_offered",
                hint="Give a size such as 1024x1024 or 16:9, or use a newer model.",
            )
        return None
    if exact := _EXACT.fullmatch(text):
        return _exact(int(exact[1]), int(exact[2]), model)
    if ratio := _RATIO.fullmatch(RATIOS.get(text, text)):
        wide, high = float(ratio[1]), float(ratio[2])
        if wide > 0 and high > 0:
            return _largest(wide / high, text, model)
    raise UsageError(
        f"'{text}' is not a size.",
        code="bad_size",
        hint=f"Write it as 1280x832, as a ratio such as 16:9, or as one of {_words()}.",
    )


def _words() -> str:
    return ", ".join([*RATIOS, AUTO])


def _exact(width: int, height: int, model: Model) -> Size:
    """That size, if the model can draw it to the pixel."""
    problem = ""
    if min(width, height) < MIN_SIDE:
        problem = f"each side must be at least {MIN_SIDE}"
    elif width % SIDE_STEP or height % SIDE_STEP:
        problem = f"both sides must be multiples of {SIDE_STEP}"
    elif model.max_pixels and width * height > model.max_pixels:
        problem = f"{model.name or 'it'} draws at most {model.max_pixels:,} pixels"
    if not problem:
        return Size(width, height)
    nearest = _nearest(width, height, model.max_pixels)
    raise UsageError(
        f"{width}x{height} cannot be drawn: {problem}.",
        code="bad_size",
        hint=f"The nearest size that works is {nearest}.",
    )


def _nearest(width: int, height: int, max_pixels: int | None) -> Size:
    """The drawable size nearest to that one, of the same shape where it is too large."""
    width, height = min(width, _LONGEST_SIDE), min(height, _LONGEST_SIDE)
    if max_pixels and width * height > max_pixels and min(width, height) > 0:
        ratio = width / height
        shaped = _of_ratio(ratio, max_pixels)
        if shaped:
            return shaped
        longest = max_pixels // MIN_SIDE // SIDE_STEP * SIDE_STEP
        return Size(longest, MIN_SIDE) if ratio > 1 else Size(MIN_SIDE, longest)
    nearest = Size(_snap(width), _snap(height))
    if max_pixels and nearest.pixels > max_pixels:
        return _nearest(nearest.width, nearest.height, max_pixels)
    return nearest


def _snap(side: float) -> int:
    """The drawable side nearest to ``side``, halves upwards."""
    return max(MIN_SIDE, math.floor(side / SIDE_STEP + 0.5) * SIDE_STEP)


def _of_ratio(ratio: float, max_pixels: int) -> Size | None:
    """The largest size of that shape: the longest long side, then the short side nearest to it."""
    if ratio < 1:
        turned = _of_ratio(1 / ratio, max_pixels)
        return turned and Size(turned.height, turned.width)
    width = math.floor(math.sqrt(max_pixels * ratio) / SIDE_STEP + 1e-9) * SIDE_STEP
    height = math.floor(width / ratio / SIDE_STEP + 0.5) * SIDE_STEP
    if width * height > max_pixels:
        height -= SIDE_STEP
    return Size(width, height) if height >= MIN_SIDE else None


def _largest(ratio: float, text: str, model: Model) -> Size:
    """The largest size of that shape that the model, or the smallest of them, can draw."""
    limit = model.max_pixels or SAFE_MAX_PIXELS
    if size := _of_ratio(ratio, limit):
        return size
    who = model.name or "a model that is not known"
    widest = limit // MIN_SIDE // SIDE_STEP * SIDE_STEP
    longest = Size(widest, MIN_SIDE) if ratio > 1 else Size(MIN_SIDE, widest)
    raise UsageError(
        f"{text} is too long a shape for {who}: {limit:,} pixels at most, "
        f"each side at least {MIN_SIDE}.",
        code="bad_size",
        hint=f"The nearest size that works is {longest}.",
    )
