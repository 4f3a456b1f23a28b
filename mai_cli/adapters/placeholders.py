"""The placeholder that stands in for a real picture, drawn with Pillow."""

import colorsys
import hashlib
import io
import math
import re
import string
import unicodedata
from bisect import bisect_left
from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFont, PngImagePlugin

_COMMENT = "Placeholder drawn offline by mai; not made by an AI model"
_LABEL = "Placeholder, drawn offline by mai"

_WHITE = (255, 255, 255)
# White text needs a luminance below 0.183 behind it for a contrast of 4.5. A mix of colours is
# never lighter than the lightest of them, so what holds for each holds for the whole picture.
_DIM, _BRIGHT = 0.02, 0.16

_MARGIN, _SMALLEST = 0.075, 0.03  # of the shorter side: around the text, and its letters
_LARGEST, _LABEL_SIZE = 0.2, 0.03  # of the mean of the sides
_LEGIBLE = 8  # pixels: letters are no smaller, however small the picture
_LEADING, _SPACING = 1.2, 0.23  # from line to line and between lines, of the size of the letters
_AIRY = 0.78  # of the height is for text, unless it is so long that it needs all
_READ = 2000  # characters of a prompt: more than there is room for
_WORD = re.compile(r"\S{1,24}")  # a longer one is broken, or it would have to be tiny
_RULER = 1000  # pixels: the size of the letters that are measured

# What Pillow's own font can draw: no other font is sure to be the same on every machine.
_GLYPHS = string.digits + string.ascii_letters + string.punctuation + " ©«°±´·»‘’“”…‹›⁄™"  # noqa: RUF001
_MISSING = re.compile(rf"[^{re.escape(_GLYPHS)}]+(?: +[^{re.escape(_GLYPHS)}]+)*")
_NEAREST = str.maketrans(
    dict(zip("–—−×•„‚¡¿ØøŁłĐđıÐð", "---x·“‘  OoLlDdiDd", strict=True))  # noqa: RUF001
    | {"ß": "ss", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Þ": "Th", "þ": "th"}
    | {chr(0x1F1E6 + place): letter for place, letter in enumerate(string.ascii_uppercase)}
)


def draw_placeholder(prompt: str, width: int, height: int, *, transparent: bool = False) -> bytes:
    """Draw the picture that stands in for a real one with ``--offline``.

    It shows the prompt on colours that come from the prompt, and says to the eye and in the file
    that it is a placeholder. The same arguments give the same bytes: those of a PNG of exactly
    ``width`` x ``height`` pixels, which is a round-cornered card on nothing if ``transparent``.
    """
    edge = min(width, height) // 14 if transparent else 0
    card = _card(prompt, f"{width}x{height}", width - 2 * edge, height - 2 * edge)
    picture = Image.new("RGBA", (width, height)) if transparent else card
    if transparent:
        mask = Image.new("L", (2 * card.width, 2 * card.height))  # halved for smooth corners
        ImageDraw.Draw(mask).rounded_rectangle(((0, 0), mask.size), 2 * edge, 255)
        picture.paste(card, (edge, edge), mask.reduce(2))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", _COMMENT)
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=info, compress_level=4)  # 6 takes half as long again
    return file.getvalue()


def _card(prompt: str, size: str, width: int, height: int) -> Image.Image:
    """Draw the prompt on its colours, above a band that says what this is."""
    picture = _background(prompt, width, height)
    draw = ImageDraw.Draw(picture)
    short, mean = min(width, height), math.sqrt(width * height)
    margin = round(short * _MARGIN)
    room = width - 2 * margin

    letters = max(_LEGIBLE, round(mean * _LABEL_SIZE))
    lines = _wrap(f"{_LABEL} {size}".split(), room / letters)
    top = max(height // 3, height - round(letters * _LEADING * (len(lines) + 1)))
    picture.paste((0, 0, 0), (0, top), Image.new("L", (width, height - top), 120))
    middle = (top + height) / 2
    if len(lines) == 1:
        draw.text((width - margin, middle), size, _WHITE, _font(letters), "rm")
        lines = [_LABEL]
    text, font = "\n".join(lines), _font(letters)
    draw.text((margin, middle), text, _WHITE, font, "lm", letters * _SPACING)

    smallest = max(_LEGIBLE, round(short * _SMALLEST))
    sizes = range(smallest, max(smallest, round(mean * _LARGEST)) + 1)
    lines, letters = _fit(_WORD.findall(_readable(prompt)), room, top - 2 * margin, sizes)
    text, font = "\n".join(lines), _font(letters)
    draw.text((margin, top / 2), text, _WHITE, font, "lm", letters * _SPACING)
    return picture


def _fit(words: list[str], width: int, height: int, sizes: range) -> tuple[list[str], int]:
    """Set the words in the largest letters that fit; returns the lines and that size."""
    longest = max(map(_length, words), default=0.0)

    def too_large(size: int) -> bool:
        tall = len(_wrap(words, width / size)) * size * _LEADING
        return longest * size > width or tall > height * _AIRY

    size = sizes[max(0, bisect_left(sizes, x=True, key=too_large) - 1)]
    lines = _wrap(words, width / size)
    if len(lines) > (most := int(height / size / _LEADING)):
        return [*lines[: most - 1], f"{lines[most - 1]}…"] if most > 0 else [], size
    # The narrowest column of as many lines is the one of the most even lines.
    widths = range(math.ceil(longest * size), width)
    narrowest = bisect_left(widths, -len(lines), key=lambda w: -len(_wrap(words, w / size)))
    return _wrap(words, (widths.start + narrowest) / size), size


def _wrap(words: list[str], width: float) -> list[str]:
    """Set words in lines of at most this width, in parts of the size of the letters."""
    lines: list[str] = []
    free = 0.0
    for word in words:
        free -= _length(" ") + _length(word)
        if lines and free >= 0:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            free = width - _length(word)
    return lines


@cache
def _length(word: str) -> float:
    """Measure a word, in parts of the size of its letters."""
    return _font(_RULER).getlength(word) / _RULER


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load Pillow's own font."""
    return ImageFont.load_default(size)


def _background(prompt: str, width: int, height: int) -> Image.Image:
    """Blend colours that come from the prompt, diagonally, with discs of light over them."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    chances = (byte / 256 for byte in digest)
    start, turn = next(chances) * 0.6, int(next(chances) * 8)
    near, far = (start, start + 0.4) if turn % 2 else (start + 0.4, start)

    steps = [(x + y) / 4 for y in range(3) for x in range(3)]
    colours = [_colour(near + (far - near) * t, _DIM + (_BRIGHT - _DIM) * t) for t in steps]
    mesh = Image.frombytes("RGB", (3, 3), bytes(sum(colours, ()))).rotate(turn // 2 * 90)
    bicubic = Image.Resampling.BICUBIC
    picture = mesh.resize((width, height), bicubic, (0.5, 0.5, 2.5, 2.5))  # centre to centre

    disc = Image.new("L", (2048, 2048))
    ImageDraw.Draw(disc).ellipse((8, 8, 2039, 2039), 180)
    disc = disc.reduce(4)
    disc = ImageChops.multiply(disc, Image.linear_gradient("L").resize(disc.size))
    for place, part in ((far, 1.1), ((near + far) / 2, 0.7), (near, 0.35)):
        across = math.ceil(math.sqrt(width * height) * part)
        x, y = (round(next(chances) * side - across / 2) for side in (width, height))
        light = disc.rotate(int(next(chances) * 4) * 90).resize((across, across), bicubic)
        picture.paste(_colour(place, _BRIGHT), (x, y), light)
    return picture


def _colour(place: float, luminance: float) -> tuple[int, ...]:
    """Mix the colour of a luminance, at a place from 0 to 1 on an arc of hues."""
    hue = 0.38 + 0.7 * place  # green, blue, violet, red: dark yellows look like mud
    light = [channel**2.2 for channel in colorsys.hsv_to_rgb(hue % 1, 0.72, 1)]
    factor = luminance / (0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2])
    return tuple(round(255 * min(1, factor * part) ** (1 / 2.2)) for part in light)


def _readable(prompt: str) -> str:
    """Spell a prompt in characters that the font has, with names in brackets for the others."""
    text = unicodedata.normalize("NFKD", prompt[:_READ].translate(_NEAREST))
    return _MISSING.sub(_named, " ".join(text.split())) + "…" * (len(prompt) > _READ)


def _named(run: re.Match[str]) -> str:
    """Name each sign and emoji in a run, and letters by their script; accents have no name."""
    names: dict[str, None] = {}
    for character in run[0]:
        name, kind = unicodedata.name(character, ""), unicodedata.category(character)
        if kind in {"So", "Sm", "Sc"}:
            names[name.lower()] = None
        elif kind[0] in "LN":
            names[name.partition(" ")[0].title().replace("Cjk", "CJK")] = None
    return f"[{', '.join(names)}]" if names else ""
