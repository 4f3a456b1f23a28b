"""A look at PNG bytes as they arrive: whole or torn, how large, signed or not.

No pixel is decoded, so that a picture cannot cost more memory or time than its bytes.
Source of the format: https://www.w3.org/TR/png-3/ (signature, chunk layout, CRC-32, IHDR, IEND);
``caBX`` holds content credentials: https://spec.c2pa.org/specifications/ (embedding in PNG).
"""

import hashlib
import struct
import zlib

from mai_cli.models.answer import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 1 << 15
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits for each sample, by colour type."""

_HEADER = struct.Struct(">I4s")
_CRC_BYTES = 4
_IHDR_BYTES = 13
_TOLD = {b"IHDR", b"IDAT", b"IEND", b"caBX"}  # kinds of chunks that something is known by


class PngScan:
    """Follows the chunks of a PNG through any cutting of its bytes."""

    def __init__(self) -> None:
        self.problem = ""
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._pending = bytearray()
        self._left = 0  # of the data of the chunk that is open
        self._crc: int | None = None  # of the open chunk; None between chunks
        self._kind = b""
        self._header = b""
        self._kinds: set[bytes] = set()
        self._started = False

    @property
    def has_ended(self) -> bool:
        """Whether the picture is whole; what may follow its end does not count."""
        return b"IEND" in self._kinds and self._crc is None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._digest.update(data)
        self._bytes += len(data)
        if not self.problem:
            self._pending += data
            while self._step():
                pass

    def finish(self) -> Picture | None:
        """What the picture is, if it is whole; else ``None``, and ``problem`` says why not."""
        if not self.problem and not self.has_ended:
            self.problem = "it ends before it is complete" if self._bytes else "it is empty"
        if self.problem:
            return None
        width, height = struct.unpack(">II", self._header[:8])
        return Picture(
            width=width,
            height=height,
            bytes=self._bytes,
            sha256=self._digest.hexdigest(),
            content_credentials=b"caBX" in self._kinds,
        )

    def _step(self) -> bool:
        """Take one piece from what is pending; whether there may be another."""
        if not self._started:
            return self._start()
        if self._crc is None:
            return self._open_chunk()
        if self._left:
            return self._read_data()
        return self._close_chunk()

    def _start(self) -> bool:
        if len(self._pending) < len(SIGNATURE) and SIGNATURE.startswith(self._pending):
            return False
        if not self._pending.startswith(SIGNATURE):
            return self._fail("it is not a PNG")
        del self._pending[: len(SIGNATURE)]
        self._started = True
        return True

    def _open_chunk(self) -> bool:
        if b"IEND" in self._kinds:
            return self._fail("something follows its end") if self._pending else False
        if len(self._pending) < _HEADER.size:
            return False
        self._left, self._kind = _HEADER.unpack_from(self._pending)
        if (self._kind == b"IHDR") != (not self._kinds):
            return self._fail("its chunks are in the wrong order")
        if self._kind == b"IHDR" and self._left != _IHDR_BYTES:
            return self._fail("its header is damaged")
        if self._kind == b"IEND" and self._left:
            return self._fail("something follows its end")
        self._crc = zlib.crc32(self._kind)
        del self._pending[: _HEADER.size]
        return True

    def _read_data(self) -> bool:
        if self._kind == b"IHDR" and len(self._pending) < self._left:
            return False
        data = bytes(self._pending[: self._left])
        if self._kind == b"IHDR":
            self._header = data
            width, height = struct.unpack(">II", data[:8])
            depth, color, *methods = data[8:]
            is_kind = depth in _DEPTHS.get(color, ()) and methods in ([0, 0, 0], [0, 0, 1])
            if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or not is_kind:
                return self._fail("its header is damaged")
        self._crc = zlib.crc32(data, self._crc or 0)
        self._left -= len(data)
        del self._pending[: len(data)]
        return bool(self._pending)

    def _close_chunk(self) -> bool:
        if len(self._pending) < _CRC_BYTES:
            return False
        (expected,) = struct.unpack_from(">I", self._pending)
        if expected != self._crc:
            return self._fail("a checksum in it is wrong")
        if self._kind == b"IEND" and b"IDAT" not in self._kinds:
            return self._fail("it has no pixels")
        if self._kind in _TOLD:
            self._kinds.add(self._kind)
        self._crc = None
        del self._pending[:_CRC_BYTES]
        return True

    def _fail(self, problem: str) -> bool:
        self.problem = problem
        self._pending.clear()
        return False
