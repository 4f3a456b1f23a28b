"""The far end of the wire on this machine: draws placeholders instead of calling Foundry.

It is strict, so that a request which passes here has a good chance with the real service. What
it checks, in which order, and the texts of its errors are known as far as
:mod:`mai_cli.adapters.refusals` says; the order is a guess.
"""

import base64
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol

import httpx

from mai_cli.adapters.credentials import ApiKey
from mai_cli.adapters.form import read_form
from mai_cli.adapters.pictures import HEAD_BYTES, PictureError, decode, format_of
from mai_cli.adapters.placeholders import draw_placeholder
from mai_cli.adapters.references import MEDIA_TYPES
from mai_cli.models.catalogue import (
    MIN_SIDE,
    PIXELS_PER_OUTPUT_TOKEN,
    SAFE_MAX_PIXELS,
    SIDE_STEP,
    TOKENS_PER_REFERENCE,
    find,
)
from mai_cli.models.endpoint import EDITS, GENERATIONS, Endpoint
from mai_cli.models.reference import MAX_REFERENCES
from mai_cli.models.request import BACKGROUNDS

ENDPOINT = Endpoint("http://offline.localhost")
CREDENTIAL = ApiKey("offline")
_DEFAULT_SIDE = 1024
_MAX_PIXELS = 1 << 24  # of a model that is not known; a placeholder is drawn in memory
_FIELDS: dict[str, type] = {
    "model": str,
    "prompt": str,
    "width": int,
    "height": int,
    "auto_aspect_ratio": bool,
    "web_grounding": bool,
    "background": str,
}
_IGNORED = ("size", "n")
"""The real service takes these without a word and without an effect."""


class Draw(Protocol):
    """Draws a PNG."""

    def __call__(self, prompt: str, width: int, height: int, *, transparent: bool) -> bytes:
        """Draw one of exactly that size."""


@dataclass(frozen=True)
class Reply:
    """An answer as it goes over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestError(Exception):
    """The request is declined with ``status``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def answer(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    draw: Draw = draw_placeholder,
) -> Reply:
    """Answer one request as the service would; names in ``headers`` are in lower case."""
    trace_headers = {"apim-request-id": _guid(), "content-type": "application/json"}
    try:
        fields, images = _read(method, path, headers, body)
        content = _draw(fields, images, draw)
        return Reply(200, json.dumps(content).encode(), trace_headers)
    except RequestError as error:
        envelope = {"error": {"code": error.code, "message": str(error)}}
        return Reply(error.status, json.dumps(envelope).encode(), trace_headers)


def _read(
    method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[dict[str, object], list[bytes]]:
    """The fields of a request that may be drawn, and the pictures of an edit."""
    path = path.partition("?")[0]
    if method != "POST" or path not in (GENERATIONS, EDITS):
        raise RequestError(404, "404", "Resource not found")
    if not headers.get("api-key") and not headers.get("authorization", "").startswith("Bearer "):
        raise RequestError(
            401, "401", "Access denied due to invalid subscription key or wrong API endpoint."
        )
    images: list[bytes] = []
    if path == EDITS:
        fields, images = _read_form(headers, body)
    else:
        fields = _read_json(body)
    for name in ("model", "prompt"):
        if not fields.get(name):
            raise RequestError(400, "invalid_request", f"'{name}' is required.")
    for name, value in fields.items():
        _check(name, value)
    return fields, images


def _read_json(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise RequestError(400, "invalid_request", "The request body is not a JSON object.")
    return fields


def _read_form(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, object], list[bytes]]:
    """The fields of an edit as JSON would have them, and its pictures."""
    try:
        parts = read_form(headers.get("content-type", ""), body)
    except ValueError as error:
        raise RequestError(400, "invalid_request", str(error)) from None
    fields: dict[str, object] = {}
    for part in parts:
        if not part.is_file:
            text = part.content.decode(errors="replace")
            fields[part.name] = text if _FIELDS.get(part.name, str) is str else _parse_json(text)
    files = [part for part in parts if part.is_file]
    if not files or any(part.name != "image" for part in files):
        what = "File must be attached in a form field with a name starting with 'image'."
        raise RequestError(400, "invalid_request", what)
    if len(files) > MAX_REFERENCES:
        what = "Only 1 to 5 image files are supported for edit requests."
        raise RequestError(400, "invalid_request", what)
    for part in files:
        if MEDIA_TYPES.get(format_of(part.content[:HEAD_BYTES]) or "") != part.media_type:
            raise RequestError(400, "invalid_request", "A file is neither a JPEG nor a PNG.")
    return fields, [part.content for part in files]


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _check(name: str, value: object) -> None:
    """See that a field is one of the API's, and of its type."""
    if name in _IGNORED:
        return
    if name not in _FIELDS:
        raise RequestError(400, "invalid_request", f"Invalid parameters: {name}")
    if type(value) is not _FIELDS[name]:
        raise RequestError(400, "invalid_request", f"'{name}' has the wrong type.")


def _draw(fields: dict[str, object], images: list[bytes], draw: Draw) -> dict[str, object]:
    """The content of a successful answer."""
    prompt, deployment = str(fields["prompt"]), str(fields["model"])
    model = find(deployment)
    if images and not model.edits:
        raise _unsupported("this model does not edit pictures.")
    if images and not {"width", "height", "auto_aspect_ratio"} & fields.keys():
        width, height = _size_like(images[0])
    else:
        width, height = _size(fields, model.max_pixels or _MAX_PIXELS)
    background = fields.get("background")
    if background is not None and background not in BACKGROUNDS:
        raise _unsupported("'background' must be transparent or opaque.")
    picture = draw(prompt, width, height, transparent=background == "transparent")
    return {
        "created": int(time.time()),
        "model": deployment,
        "size": f"{width}x{height}",
        "usage": {
            "num_output_tokens": width * height // PIXELS_PER_OUTPUT_TOKEN,
            "num_input_text_tokens": len(prompt.split()),
            "num_input_image_tokens": TOKENS_PER_REFERENCE * len(images),
        },
        "data": [{"b64_json": base64.b64encode(picture).decode("ascii")}],
    }


def _size(fields: dict[str, object], max_pixels: int) -> tuple[int, int]:
    """The size that is drawn: rounded down to a multiple of 16 without a word."""
    sides = []
    for name in ("width", "height"):
        side = fields.get(name, _DEFAULT_SIDE)
        if not isinstance(side, int) or side < MIN_SIDE:
            raise _unsupported(f"'{name}' must be at least {MIN_SIDE} pixels.")
        sides.append(side // SIDE_STEP * SIDE_STEP)
    width, height = sides
    if width * height > max_pixels:
        raise _unsupported(f"the picture must have at most {max_pixels} pixels.")
    return width, height


def _size_like(image: bytes) -> tuple[int, int]:
    """The size of an edit of ``image``: of its shape, about a megapixel, as was observed."""
    try:
        picture = decode(BytesIO(image), format_of(image[:HEAD_BYTES]) or "")
    except PictureError as error:
        raise RequestError(400, "invalid_request", f"A file {error}.") from None
    ratio = picture.width / picture.height
    longest = SAFE_MAX_PIXELS // MIN_SIDE // SIDE_STEP * SIDE_STEP
    width, height = (math.sqrt(SAFE_MAX_PIXELS * part) for part in (ratio, 1 / ratio))
    return _snap(min(width, longest)), _snap(min(height, longest))


def _snap(side: float) -> int:
    return max(MIN_SIDE, int(side // SIDE_STEP) * SIDE_STEP)


def _unsupported(what: str) -> RequestError:
    message = f"Model does not support request parameter value supplied: {what}"
    return RequestError(400, "unsupported_request_value", message)


def _guid() -> str:
    digits = os.urandom(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class OfflineTransport(httpx.BaseTransport):
    """Carries requests to :func:`answer` instead of over a network."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` on this machine."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = answer(request.method, request.url.path, headers, request.read())
        body = httpx.ByteStream(reply.body)
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=body)
