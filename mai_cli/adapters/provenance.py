"""What a picture carries about its origin: written into copies without touching a pixel.

Sources: the XMP specification, part 3 (where a packet stands in PNG); PNG, 11.3.3 (``iTXt``); the
IPTC Photo Metadata Standard 2025.1 (digital source type, AI system, AI prompt,
alternative text); the IPTC
NewsCodes of digital source types (https://cv.iptc.org/newscodes/digitalsourcetype).
"""

import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC
from html import escape
from typing import BinaryIO, Protocol

from mai_cli.adapters.png import SIGNATURE
from mai_cli.models.record import Record

MAX_PROMPT_BYTES = 24_000
"""Of a prompt in metadata, which holds it twice; a JPEG has room for 65,000 bytes in all."""

MAX_ALT_BYTES = 8_000
"""Of an alternative text, which is meant to be a sentence or two."""

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_PACKET_CHUNK = b"iTXt" + _XMP_KEYWORD.encode() + b"\0"
_HEADER = struct.Struct(">I4s")
# What XML cannot hold, not even escaped; https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
{properties}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


class Sink(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Add ``data``."""


def xmp_packet(record: Record) -> bytes:
    """The XMP packet of a picture that ``record`` tells of, in UTF-8; no prompt where private."""
    properties = {
        "dc:identifier": _identifier(record),
        "xmp:CreateDate": _moment(record),
        "xmp:CreatorTool": _tool(record),
        "Iptc4xmpExt:DigitalSourceType": _source_type(record),
    }
    if not record.offline:
        properties["Iptc4xmpExt:AISystemUsed"] = _model(record)
    lines = [f"   <{name}>{_xml(text)}</{name}>" for name, text in properties.items()]
    if prompt := _prompt(record):
        lines.append(_in_any_language("dc:description", prompt))
        name = "Iptc4xmpExt:AIPromptInformation"
        if not record.offline:
            lines.append(f"   <{name}>{_xml(prompt)}</{name}>")
    if record.alt:
        lines.append(_in_any_language("Iptc4xmpCore:AltTextAccessibility", _fitting(record.alt)))
    return _PACKET.format(properties="\n".join(lines)).encode()


def _in_any_language(name: str, text: str) -> str:
    """A property that may have a text for each language, with one for all."""
    alternatives = f'<rdf:Alt><rdf:li xml:lang="x-default">{_xml(text)}</rdf:li></rdf:Alt>'
    return f"   <{name}>{alternatives}</{name}>"


def png_chunks(record: Record, *, with_packet: bool = True) -> bytes:
    """The chunks that a PNG gets: the XMP packet, and the same as text."""
    texts = {
        "Identifier": _identifier(record),
        "Creation Time": _moment(record),
        "Software": _tool(record),
        "Source": _model(record),
        "Digital Source Type": _source_type(record),
        "Description": _prompt(record),
    }
    packet = _text_chunk(_XMP_KEYWORD, xmp_packet(record)) if with_packet else b""
    return packet + b"".join(_text_chunk(key, text.encode()) for key, text in texts.items() if text)


def stamp(master: BinaryIO, copy: Sink, record: Record) -> None:
    """Write the PNG ``master`` to ``copy``, with what ``record`` tells before its pixels.

    Every byte of the master is kept, in order. A packet of its own stays the only one, as XMP
    wants it; the text tells the rest.

    Raises:
        ValueError: It is not a PNG with pixels; the message, half a sentence, says so.
    """
    has_packet = False
    for piece in _before_pixels(master):
        copy.write(piece)
        has_packet = has_packet or piece.startswith(_PACKET_CHUNK, 4)
    copy.write(png_chunks(record, with_packet=not has_packet))
    master.seek(-_HEADER.size, 1)
    shutil.copyfileobj(master, copy)


def _before_pixels(file: BinaryIO) -> Iterator[bytes]:
    """What stands before the pixels of a PNG; reading goes on after the header of their chunk."""
    signature = file.read(len(SIGNATURE))
    if signature != SIGNATURE:
        raise ValueError("is not a PNG")
    yield signature
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        length, kind = _HEADER.unpack(header)
        if kind == b"IDAT":
            return
        yield header + file.read(length + 4)
    raise ValueError("is a PNG without pixels")


def _text_chunk(keyword: str, text: bytes) -> bytes:
    """An ``iTXt`` chunk: keyword, not compressed, no language, UTF-8."""
    data = b"iTXt" + keyword.encode("latin-1") + b"\0\0\0\0\0" + text
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def _identifier(record: Record) -> str:
    return f"mai:record:{record.id}"


def _moment(record: Record) -> str:
    instant = record.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return instant.replace("+00:00", "Z")


def _tool(record: Record) -> str:
    return "mai (placeholder drawn offline, not by an AI model)" if record.offline else "mai"


def _model(record: Record) -> str:
    return record.model or record.deployment


def _source_type(record: Record) -> str:
    """What kind of source made the picture; no model has drawn a placeholder."""
    return _SOURCE_TYPES + ("algorithmicMedia" if record.offline else "trainedAlgorithmicMedia")


def _prompt(record: Record) -> str:
    return _fitting(record.prompt or "", MAX_PROMPT_BYTES)


def _fitting(text: str, max_bytes: int = MAX_ALT_BYTES) -> str:
    """``text`` as far as there is room, without what XML and PNG cannot hold."""
    text = _NOT_XML.sub("\ufffd", text)
    if len(_xml(text).encode()) <= max_bytes:
        return text
    room, kept = max_bytes, 0
    while (room := room - len(_xml(text[kept]).encode())) >= 0:
        kept += 1
    return f"{text[:kept]}…"


def _xml(text: str) -> str:
    return escape(text, quote=False).replace("\r", "&#13;")
