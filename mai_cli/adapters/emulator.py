"""A Foundry resource on this machine: :mod:`mai_cli.adapters.offline` behind a real socket.

How sure it is that the real service does the same:

* Paths, headers, fields, the shape of answers, sides that are rounded down, 400, 401, 404 and 429:
  documented by Microsoft, or published by people who saw it.
* That a request is checked before its quota, the quota before the content filter, and the filter
  before it is drawn: a guess.
* The window of the quota: a guess. Here no 60 seconds hold more than that many that were accepted.
* The bodies of 403, 404, 408, 499 and 5xx: what Azure AI services send in general.
* That a picture whose answer is lost is billed: documented for time-outs, likely for the rest.
"""

import json
import math
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from uuid import uuid4

from mai_cli.adapters import offline
from mai_cli.adapters.offline import Reply, RequestError
from mai_cli.adapters.placeholders import draw_placeholder
from mai_cli.models.fault import Fault

HOST = "127.0.0.1"
MAX_BODY_BYTES = 300 << 20
"""Of a request: five large reference pictures and some room."""

_WINDOW_SECONDS = 60.0
_HANG_SECONDS = 3600.0
_NO_REASON = "The request was failed on purpose."
_POLL_SECONDS = 0.05  # so that it ends at once when it is told
_FILTERED = (
    "content_safety_violation",
    "Response content blocked by label 'MultiSeverity_ViolenceScore'.",
)
_BLOCKED = (
    "403",
    "The account is temporarily blocked because of repeated content policy violations.",
)
_BUSY = ("RateLimitReached", "Your requests have exceeded the rate limit of this deployment.")


@dataclass(frozen=True)
class Served:
    """A request and its answer; ``status`` is ``None`` where none was sent whole."""

    method: str
    path: str
    status: int | None
    fault: str | None
    seconds: float


class Emulator:
    """Serves at ``port``, or a free one for 0, until it is stopped.

    ``latency`` seconds pass before each picture; ``rpm`` are accepted in a minute, all without it.
    The first of ``faults`` that befalls a request holds. ``told`` hears of every answer, from
    several threads.

    Raises:
        OSError: The port cannot be had.
    """

    def __init__(
        self,
        port: int,
        told: Callable[[Served], object],
        *,
        latency: float = 0.0,
        rpm: int | None = None,
        faults: Sequence[Fault] = (),
        seed: int = 0,
    ) -> None:
        self._told = told
        self._latency = latency
        self._rpm = rpm
        self._faults = faults
        self._seed = seed
        self._guard = threading.Lock()
        self._accepted: deque[float] = deque()
        self._number = 0
        emulator = self

        class Handler(_Handler):
            def answer(self) -> None:
                emulator._answer(self)

        self._server = _Server((HOST, port), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: "_Handler") -> None:
        started = time.monotonic()
        body = handler.read_body()
        reply, fault = (body, None) if isinstance(body, Reply) else self._reply(handler, body)
        is_whole = _send(handler, reply, fault)
        self._told(
            Served(
                handler.command,
                handler.path,
                reply.status if is_whole else None,
                fault.kind if fault else None,
                time.monotonic() - started,
            )
        )

    def _reply(self, handler: "_Handler", body: bytes) -> tuple[Reply, Fault | None]:
        """What is answered, and what goes wrong."""
        fault: Fault | None = None

        def draw(prompt: str, width: int, height: int, *, transparent: bool) -> bytes:
            nonlocal fault
            fault = self._accept(prompt)
            if fault and (status := fault.status):
                raise _Instead(_failure(status))
            time.sleep(self._latency)
            if fault and fault.kind == "filter":
                raise RequestError(HTTPStatus.BAD_REQUEST, *_FILTERED)
            if fault and fault.kind == "blocked":
                raise RequestError(HTTPStatus.FORBIDDEN, *_BLOCKED)
            return draw_placeholder(prompt, width, height, transparent=transparent)

        headers = {name.lower(): value for name, value in handler.headers.items()}
        try:
            reply = offline.answer(handler.command, handler.path, headers, body, draw=draw)
        except _Instead as instead:
            reply = instead.reply
        return _spoiled(reply, fault), fault

    def _accept(self, prompt: str) -> Fault | None:
        """Count a request that may be drawn; what befalls it."""
        with self._guard:
            if self._rpm is not None:
                now = time.monotonic()
                while self._accepted and self._accepted[0] <= now - _WINDOW_SECONDS:
                    self._accepted.popleft()
                if len(self._accepted) >= self._rpm:
                    raise _Instead(_busy(self._accepted[-self._rpm] + _WINDOW_SECONDS - now))
                self._accepted.append(now)
            self._number += 1
            number = self._number
        befalling = (one for one in self._faults if one.befalls(prompt, number, self._seed))
        return next(befalling, None)


class _Instead(Exception):  # noqa: N818 - no error of ours
    """``reply`` is sent, and nothing is drawn."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    """Reads requests; what answers them is added by :class:`Emulator`."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer the request that was just read."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = lambda self: self.answer()  # noqa: N815

    def read_body(self) -> bytes | Reply:
        """The body, or the answer to one that cannot be read."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            return _envelope(HTTPStatus.LENGTH_REQUIRED, "411", "Length required")
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            return _envelope(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "413", "Request too large")
        return self.rfile.read(int(length))

    def log_message(self, *_: object) -> None:
        """Say nothing; whoever runs the emulator is told elsewhere."""


def _envelope(status: int, code: str, message: str, **headers: str) -> Reply:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Reply(status, body, {"content-type": "application/json", **headers})


def _busy(wait_seconds: float) -> Reply:
    busy = _envelope(HTTPStatus.TOO_MANY_REQUESTS, *_BUSY)
    return replace(busy, headers={**busy.headers, "retry-after": str(math.ceil(wait_seconds))})


def _failure(status: int) -> Reply:
    """What Azure AI services, and the gateways before them, send with ``status``."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _busy(1)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reply(status, b"")
    if status == HTTPStatus.BAD_GATEWAY:
        return Reply(
            status, b"<html><h1>502 Bad Gateway</h1></html>", {"content-type": "text/html"}
        )
    return _envelope(status, str(status), _NO_REASON)


def _spoiled(reply: Reply, fault: Fault | None) -> Reply:
    """``reply`` with another body, where that is what goes wrong."""
    if fault is None or reply.status != HTTPStatus.OK:
        return reply
    bodies = {
        "no-json": b"{'data': nothing",
        "no-picture": b'{"data": []}',
        "no-png": b'{"data": [{"b64_json": "R0lGODlh"}]}',
    }
    return replace(reply, body=bodies.get(fault.kind, reply.body))


def _send(handler: _Handler, reply: Reply, fault: Fault | None) -> bool:
    """Send ``reply`` as far as ``fault`` lets it pass; whether that was all of it."""
    kind = fault.kind if fault else ""
    if kind == "hang":
        time.sleep(_HANG_SECONDS)
    if kind in ("lost", "reset", "hang"):
        handler.close_connection = True
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
        return False
    body = reply.body
    handler.send_response_only(reply.status)
    headers = dict(reply.headers)
    request_id = headers.setdefault("apim-request-id", str(uuid4()))
    for name, value in {**headers, "x-ms-request-id": request_id}.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    if kind == "torn":
        body = body[: len(body) // 2]
        handler.close_connection = True
    if handler.close_connection:
        handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
    return kind != "torn"
