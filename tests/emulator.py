"""A Foundry resource on loopback that can be told what to answer next.

Without orders it answers as ``mai_cli.adapters.offline`` does, strictly, with a small picture.
"""

import base64
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from mai_cli.adapters import offline

KEY = "key-0123456789abcdef"
REQUEST_ID = "11111111-2222-3333-4444-555555555555"


def png(width: int, height: int, *, extra: bytes = b"", rows: bytes | None = None) -> bytes:
    """A PNG of one grey; ``extra`` are whole chunks that go before the pixels."""
    data = zlib.compress(rows or (b"\0" + b"\x80" * width) * height, 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def draw(prompt: str, width: int, height: int, *, transparent: bool) -> bytes:
    return png(width, height)


@dataclass(frozen=True)
class Answer:
    """One answer. ``torn`` cuts the body there; ``reset`` ends with a reset; ``before`` is called
    once the request has been read; ``drip`` seconds lie between the pieces of the body; the
    connection stays open for ``hang`` seconds after them."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    torn: int | None = None
    reset: bool = False
    silent: bool = False
    drip: float = 0.0
    hang: float = 0.0
    before: Callable[[], object] = lambda: None


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Answer(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def picture(data: bytes | str, **rest: object) -> Answer:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return Answer(200, json.dumps({"data": [{"b64_json": text}], **rest}).encode())


LOST = Answer(silent=True)
RESET = Answer(silent=True, reset=True)
BUSY = error(429, "RateLimitReached", "Your requests have exceeded rate limit.", Retry_After="0")
FILTERED = error(
    400,
    "content_safety_violation",
    "Response content blocked by label 'MultiSeverity_ViolenceScore'.",
)


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


class Emulator:
    """Serves until it is closed; ``received`` holds every request that was read whole."""

    def __init__(self, tls: ssl.SSLContext | None = None, latency: float = 0.0) -> None:
        self.received: list[Received] = []
        self.latency = latency
        self.connections = 0
        self._next: deque[Answer] = deque()
        self._always: Answer | None = None
        emulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                emulator.connections += 1
                super().setup()

            def do_POST(self) -> None:
                emulator._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that was killed is no error here

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def will(self, *answers: Answer) -> None:
        """Give these answers next, one to each request."""
        self._next.extend(answers)

    def always(self, answer: Answer) -> None:
        """Give this answer once the others are used up."""
        self._always = answer

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length", 0))
        body = handler.rfile.read(length)
        if len(body) < length:  # whoever asked is gone
            handler.close_connection = True
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.received.append(Received(handler.path, headers, body))
        if self.latency:
            time.sleep(self.latency)
        answer = self._next.popleft() if self._next else self._always
        if answer is None:
            reply = offline.answer("POST", handler.path, headers, body, draw=draw)
            answer = Answer(reply.status, reply.body, dict(reply.headers))
        answer.before()
        _send(handler, answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.close_connection = handler.close_connection or answer.silent or answer.torn is not None
    if not answer.silent:
        handler.send_response_only(answer.status)
        headers = {"apim-request-id": REQUEST_ID, "Content-Type": "application/json"}
        for name, value in (headers | answer.headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        body = answer.body[: answer.torn]
        pieces = (
            [body] if not answer.drip else [body[i : i + 200] for i in range(0, len(body), 200)]
        )
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(answer.drip)
    time.sleep(answer.hang)
    if answer.reset:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
