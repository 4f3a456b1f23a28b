"""Pictures for tests: PNGs of every kind, written here and not by Pillow, and colour profiles."""

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image, ImageCms

from tests.chunks import Chunk, write_chunks

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""The colour types of PNG. Source: https://www.w3.org/TR/png-3/#11IHDR"""

Pixels = Sequence[Sequence[Sequence[int]]]
_PASSES = (  # of an interlaced PNG: first column, first row, columns apart, rows apart
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)


def png_of(
    pixels: Pixels,
    color: int = RGB,
    depth: int = 8,
    *,
    interlaced: bool = False,
    before: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG of these samples; ``before`` are the kinds and data of chunks before the pixels."""
    header = struct.pack(
        ">IIBBBBB", len(pixels[0]), len(pixels), depth, color, 0, 0, int(interlaced)
    )
    reduced = [pixels]
    if interlaced:
        reduced = [[row[x::dx] for row in pixels[y::dy]] for x, y, dx, dy in _PASSES]
    rows = [b"\0" + _packed(row, depth) for image in reduced for row in image if row]
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return write_chunks([Chunk(kind, data) for kind, data in chunks])


def _packed(row: Sequence[Sequence[int]], depth: int) -> bytes:
    bits = "".join(f"{sample:0{depth}b}" for pixel in row for sample in pixel)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    """The kind and data of the chunk that holds ``profile`` in a PNG."""
    return b"iCCP", b"a profile\0\0" + zlib.compress(profile)


def encoded(picture: Image.Image, name: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def smooth(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture without edges, other in each channel, so that a lossy format comes near to it."""
    across, down = (
        Image.linear_gradient("L").rotate(turn).resize((width, height), Image.Resampling.BICUBIC)
        for turn in (90, 0)
    )
    round_ = Image.radial_gradient("L").resize((width, height), Image.Resampling.BICUBIC)
    channels = [across, down, round_, down.point(lambda value: 255 - value // 2)]
    return Image.merge(mode, channels[: len(mode)])


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gray_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    return _profile(b"mntr", b"GRAY", b"XYZ ", [(b"kTRC", curve)])


def cmyk_profile() -> bytes:
    """A profile by which cyan is red, magenta is green, yellow is blue, and any two are black."""
    seen = {0: (255, 128, 128), 8: (137, 208, 195), 4: (224, 42, 211), 2: (82, 207, 20)}
    inks = b"".join(bytes(seen.get(mixture, (0, 128, 128))) for mixture in range(16))
    one, none = struct.pack(">i", 1 << 16), bytes(4)
    matrix = (one + 3 * none) * 2 + one
    curve = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + curve * 4 + inks + curve * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", [(b"A2B0", table)])


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """A profile of version 2. Source: ICC.1:2001-04, 6 and 10."""
    white = struct.pack(">iii", 63190, 65536, 54061)
    tags = [(b"wtpt", b"XYZ \0\0\0\0" + white), *tags]
    index, data = b"", b""
    start = 132 + 12 * len(tags)
    for name, value in tags:
        index += struct.pack(">4sII", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + index + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"none", 0x02100000, kind, space, pcs)
    return (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + white.ljust(60, b"\0") + body
