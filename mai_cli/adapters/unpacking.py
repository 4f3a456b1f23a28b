"""What a server has packed, although nobody asked for it, unpacked in pieces of a limited size.

A few kilobytes can stand for gigabytes, so whoever takes the pieces can stop in time.
"""

import zlib
from collections.abc import Iterable, Iterator

from mai_cli.adapters.answer_body import BodyError

PIECE_BYTES = 1 << 16
MAX_LAYERS = 2

_MEMBER = b"\x1f\x8b"  # begins each member of a gzip file
_GZIP = zlib.MAX_WBITS | 16
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


def unpacked(pieces: Iterable[bytes], encoding: str) -> Iterable[bytes]:
    """What ``pieces`` stand for, by the ``Content-Encoding``; as they are if that is not known.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.content-encoding

    Raises:
        BodyError: It is not packed like that; also later, when the pieces are taken.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    layers = [_WINDOWS[name] for name in reversed(names) if name in _WINDOWS]
    if len(layers) > MAX_LAYERS:
        raise BodyError("it is packed more than twice")
    for window in layers:
        pieces = _inflated(pieces, window)
    return pieces


def _inflated(pieces: Iterable[bytes], window: int) -> Iterator[bytes]:
    inflate = None
    for piece in pieces:
        rest = piece
        while rest:
            inflate = inflate or zlib.decompressobj(_window(rest, window))
            try:
                yield inflate.decompress(rest, PIECE_BYTES)
            except zlib.error:
                raise BodyError("it cannot be unpacked") from None
            rest = inflate.unconsumed_tail
            if inflate.eof:
                rest, inflate = inflate.unused_data, None
                if not _MEMBER.startswith(rest[:2]):
                    return  # what follows is no other member
    if inflate:
        yield inflate.flush()


def _window(start: bytes, window: int) -> int:
    """The window for what begins with ``start``; some servers leave out the head of "deflate"."""
    if window != _GZIP and start[0] & 0x0F != zlib.DEFLATED:
        return -zlib.MAX_WBITS
    return window
