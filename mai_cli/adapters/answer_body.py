"""The body of an answer, taken apart as it comes: a small JSON envelope and a large picture.

The picture stands in ``data[0].b64_json``, one to twenty megabytes of Base64. It is decoded piece
by piece, so that memory holds neither the text nor the bytes of a picture as a whole.
"""

import binascii
import json
import re
from collections.abc import Callable

MAX_ENVELOPE_BYTES = 1 << 20
MAX_PICTURE_BYTES = 64 << 20
"""A 2048x2048 picture of pure noise is 17 MB; models draw up to 4,194,304 pixels."""

MAX_BYTES = 128 << 20
"""Of the whole answer; the Base64 of the largest picture, with line breaks and some escapes."""

_START = re.compile(rb'(?<!\\)"b64_json"\s*:\s*"')
_SPACE = b" \t\r\n"
_LONGEST_ESCAPE = len(r"\u002b")
_QUANTUM = 4  # characters of Base64 that stand for three bytes


class BodyError(ValueError):
    """The body is not what an answer looks like; the message says how."""


class AnswerBody:
    """Takes the body in any pieces; decoded bytes of the picture go to ``sink`` at once."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._envelope = bytearray()
        self._text = bytearray()  # Base64 that has come but is not decoded yet
        self._in_picture = False
        self.had_picture = False
        self._is_padded = False  # after padding nothing may follow
        self.picture_bytes = 0
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            BodyError: It is too large, or the picture is not Base64.
        """
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:  # white space in a picture counts too
            raise BodyError("it is larger than any answer")
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if self._in_picture:
            self._feed_picture(data)
            return
        self._envelope += data
        if not self.had_picture and (start := _START.search(self._envelope)):
            rest = bytes(self._envelope[start.end() :])
            del self._envelope[start.end() :]
            self._in_picture = self.had_picture = True
            self._feed_picture(rest)
        elif len(self._envelope) > MAX_ENVELOPE_BYTES:
            raise BodyError("it is larger than any answer")

    def is_complete(self) -> bool:
        """Whether the whole answer, with a picture, has come."""
        if not self.had_picture or self._in_picture or not self._envelope.endswith(b"}"):
            return False
        try:
            self.envelope()
        except BodyError:
            return False
        return True

    def envelope(self) -> dict[str, object]:
        """The JSON of the body, with an empty text where the picture was.

        Raises:
            BodyError: The body ended early or is not a JSON object.
        """
        try:
            value = json.loads(self._envelope)
        except (ValueError, RecursionError):
            raise BodyError("it is not whole JSON") from None
        if not isinstance(value, dict):
            raise BodyError("it is not a JSON object")
        return value

    def _feed_picture(self, data: bytes) -> None:
        text, quote, rest = data.partition(b'"')
        self._text += text
        self._decode(last=bool(quote))
        if quote:
            self._in_picture = False
            self._envelope += quote
            self._feed(rest)

    def _decode(self, *, last: bool) -> None:
        """Decode what is complete of the Base64 at hand; all of it at the end of the text."""
        usable = len(self._text)
        if not last and (escape := self._text.rfind(b"\\", -_LONGEST_ESCAPE)) >= 0:
            usable = escape
        text = _unescape(bytes(self._text[:usable]))
        if not last:
            whole = len(text) - len(text) % _QUANTUM
            self._text[:usable] = text[whole:]
            text = text[:whole]
        else:
            text += b"=" * (-len(text) % _QUANTUM)  # some encoders leave the padding out
            self._text.clear()
        if text:
            if self._is_padded:
                raise BodyError("the picture in it is not Base64")
            self._is_padded = text.endswith(b"=")
        try:
            picture = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            raise BodyError("the picture in it is not Base64") from None
        self.picture_bytes += len(picture)
        if self.picture_bytes > MAX_PICTURE_BYTES:
            raise BodyError("the picture in it is larger than any model draws")
        if picture:
            self._sink(picture)


def _unescape(text: bytes) -> bytes:
    """The characters that a JSON text stands for, without white space.

    Some servers write ``+`` and ``/`` as escapes; .NET's JSON writer does so by default.
    """
    if b"\\" in text:
        try:
            text = json.loads(b'"' + text + b'"', strict=False).encode("ascii")
        except ValueError:
            raise BodyError("the picture in it is not Base64") from None
    return text.translate(None, _SPACE)
