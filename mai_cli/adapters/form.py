"""Forms as a browser sends them (``multipart/form-data``), taken apart.

Source: RFC 7578, and RFC 2046, 5.1, for the lines between the parts.
"""

import re
from dataclasses import dataclass

_BOUNDARY = re.compile(r'boundary="?([^";]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)
_FILENAME = re.compile(rb'\bfilename="([^"]*)"', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type: *([^\r\n;]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """One part of a form; ``media_type`` is empty for a plain field."""

    name: str
    content: bytes
    media_type: str = ""
    is_file: bool = False


def read_form(content_type: str, body: bytes) -> list[Part]:
    """The parts of ``body``, in order.

    Raises:
        ValueError: It is not such a form, or not whole.
    """
    boundary = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        raise ValueError("request Content-Type isn't multipart/form-data")
    opening, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    if opening or not pieces or not pieces[-1].startswith(b"--"):
        raise ValueError("the form is not whole")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> Part:
    head, gap, content = piece.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not gap or not name:
        raise ValueError("a part of the form has no name")
    media_type = _TYPE.search(head)
    return Part(
        name[1].decode(errors="replace"),
        content,
        media_type[1].decode("ascii", "replace") if media_type else "",
        is_file=_FILENAME.search(head) is not None,
    )
