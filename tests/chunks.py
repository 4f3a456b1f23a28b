"""The tests' own reader of PNG chunks, so that what wrote them does not vouch for itself."""

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Chunk:
    """A chunk as it stands in the file, its CRC found right."""

    kind: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        crc = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", crc)


def read_chunks(png: bytes) -> list[Chunk]:
    """Every chunk to the end of the file, which must be the end of ``IEND``."""
    assert png[:8] == SIGNATURE
    found = []
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        crc = png[at + 8 + length : at + 12 + length]
        assert crc == struct.pack(">I", zlib.crc32(kind + data)), f"the CRC of {kind!r} is wrong"
        found.append(Chunk(kind, data))
        at += 12 + length
    assert found[-1] == Chunk(b"IEND", b"")
    return found


def write_chunks(chunks: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(map(bytes, chunks))


def international_texts(png: bytes) -> dict[str, str]:
    """The keywords and texts of the ``iTXt`` chunks, none of them compressed, no keyword twice."""
    found = {}
    for chunk in read_chunks(png):
        if chunk.kind == b"iTXt":
            keyword, rest = chunk.data.split(b"\0", 1)
            compressed, _method, language, translated, text = *rest[:2], *rest[2:].split(b"\0", 2)
            assert (compressed, language, translated) == (0, b"", b"")
            assert keyword.decode("latin-1") not in found
            found[keyword.decode("latin-1")] = text.decode()
    return found


def without_texts(png: bytes) -> bytes:
    """The PNG as it was before ``iTXt`` chunks were inserted into it."""
    return write_chunks([chunk for chunk in read_chunks(png) if chunk.kind != b"iTXt"])
