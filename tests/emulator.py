"""A Foundry resource on loopback that can be told what to answer next.

Without orders it answers as ``mai_cli.adapters.offline`` does, strictly, with a small picture. For
campaigns it can keep a quota, make faults by a plan, and it remembers what it did for whom.
"""

import base64
import hashlib
import json
import random
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from mai_cli.adapters import offline

if TYPE_CHECKING:
    from tests.quotas import Quota

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


def picture_of(prompt: str, width: int, height: int, mark: str = "") -> bytes:
    """A PNG whose pixels tell prompts apart; ``mark`` tells two of one prompt apart."""
    shades = hashlib.sha256(prompt.encode()).digest() * (width // 32 + 1)
    rows = b"\0" + shades[:width] + (b"\0" + b"\x80" * width) * (height - 1)
    return png(width, height, extra=chunk(b"maRk", mark.encode()), rows=rows)


class Fault(StrEnum):
    """What can go wrong with one request."""

    BUSY = "429"
    TIMEOUT = "408"
    HUNG_UP = "499"
    FAILED = "500, empty"
    DOWN = "503"
    GATEWAY = "502"
    GAVE_UP = "504"
    LOST = "closed without an answer"
    RESET = "reset without an answer"
    TORN = "torn within the picture"
    CUT = "torn after the picture"
    NO_JSON = "a body that is no JSON"
    NO_PNG = "a picture that is no PNG"
    FILTERED = "the content filter"
    SLOW = "slow"
    DRIPPING = "dripping"

    @property
    def is_loss(self) -> bool:
        """Whether a picture is drawn and billed that does not arrive."""
        return self in _LOSSES

    @property
    def is_transient(self) -> bool:
        """Whether nothing is drawn, and it may be asked again."""
        return self in _STATUS_OF_TRANSIENT


_LOSSES = (
    *(Fault.GATEWAY, Fault.GAVE_UP, Fault.LOST, Fault.RESET),
    *(Fault.TORN, Fault.NO_JSON, Fault.NO_PNG),
)
_STATUS_OF_TRANSIENT = {
    Fault.BUSY: 429,
    Fault.TIMEOUT: 408,
    Fault.HUNG_UP: 499,
    Fault.FAILED: 500,
    Fault.DOWN: 503,
}


class Faults:
    """Which fault befalls which request, by prompt and attempt alone, so in any order.

    ``likely`` are the chances of faults. A prompt in ``stubborn`` fails each time; ``orders`` say
    what befalls the first attempts of a prompt, ``None`` for nothing.
    """

    def __init__(
        self,
        seed: int,
        likely: Mapping[Fault, float],
        *,
        stubborn: Mapping[str, Fault] | None = None,
        orders: Mapping[str, Sequence[Fault | None]] | None = None,
    ) -> None:
        self._seed = seed
        self._likely = likely
        self._stubborn = stubborn or {}
        self._orders = orders or {}

    def of(self, prompt: str, attempt: int) -> Fault | None:
        """The fault of the attempt of that number, from 1."""
        if prompt in self._stubborn:
            return self._stubborn[prompt]
        orders = self._orders.get(prompt, ())
        if attempt <= len(orders):
            return orders[attempt - 1]
        where = self.chance(prompt, attempt)
        for fault, chance in self._likely.items():
            where -= chance
            if where < 0:
                return fault
        return None

    def chance(self, *about: object) -> float:
        """A number from 0 to 1 that is always the same for ``about``."""
        return random.Random(f"{self._seed} {about}").random()


class Did(Enum):
    """What a request led to, as the service sees it."""

    DELIVERED = "drawn, and sent whole"
    LOST = "drawn, and not sent whole"
    REFUSED = "declined"
    NOTHING = "not drawn; may be asked again"


@dataclass
class Served:
    """A request and what became of it.

    ``attempt`` counts those for its prompt that were within the quota, from 1; it is 0 for others.
    ``sha256`` is that of the picture that was drawn for it, if one was. Times are of the monotonic
    clock; ``ended_at`` is ``None`` while it is in flight.
    """

    prompt: str
    arrived_at: float
    deployment: str = ""
    attempt: int = 0
    fault: Fault | None = None
    status: int = 0
    sha256: str | None = None
    is_whole: bool = False
    ended_at: float | None = None

    @property
    def did(self) -> Did:
        """What it led to."""
        if self.sha256:
            return Did.DELIVERED if self.is_whole else Did.LOST
        return Did.REFUSED if self.status in (400, 403) else Did.NOTHING


class Emulator:
    """Serves until it is closed; ``received`` holds every request that was read whole.

    ``served`` tells what became of each, in the same order. With ``distinct`` no two pictures are
    the same, and those of one prompt have the same pixels. ``jitter`` is added to the latency, in
    part, by chance.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, latency: float = 0.0) -> None:
        self.received: list[Received] = []
        self.served: list[Served] = []
        self.latency = latency
        self.jitter = 0.0
        self.distinct = False
        self.quota: Quota | None = None
        self.faults: Faults | None = None
        self.connections = 0
        self._closed = 0
        self._attempts: dict[str, int] = {}
        self._guard = threading.Lock()
        self._next: deque[Answer] = deque()
        self._always: Answer | None = None
        emulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                with emulator._guard:
                    emulator.connections += 1
                super().setup()

            def finish(self) -> None:
                try:
                    super().finish()
                finally:
                    with emulator._guard:
                        emulator._closed += 1

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

    def of(self, prompt: str) -> list[Served]:
        """What was done for ``prompt``, in order."""
        return [served for served in self.served if served.prompt == prompt]

    def settle(self, seconds: float = 20) -> None:
        """Wait until nobody is connected; whoever asked has ended."""
        end = time.monotonic() + seconds
        quiet = 0
        while quiet < 3:  # one that was just taken in is not counted yet
            assert time.monotonic() < end, "somebody is still connected"
            quiet = quiet + 1 if self.connections == self._closed else 0
            time.sleep(0.01)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length", 0))
        body = handler.rfile.read(length)
        if len(body) < length:  # whoever asked is gone
            handler.close_connection = True
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        received = Received(handler.path, headers, body)
        served = self._take(received)
        try:
            answer = self._answer(received, served)
            served.status = answer.status
            answer.before()
            _send(handler, answer)
            is_whole = answer.status == 200 and not (answer.silent or answer.torn)
            served.is_whole = served.fault is Fault.CUT or (
                is_whole and not (served.fault and served.fault.is_loss)
            )
        finally:
            served.ended_at = time.monotonic()

    def _take(self, received: Received) -> Served:
        prompt, deployment = _prompt_of(received)
        served = Served(prompt, time.monotonic(), deployment)
        with self._guard:
            self.received.append(received)
            self.served.append(served)
        return served

    def _answer(self, received: Received, served: Served) -> Answer:
        if self.quota and (wait := self.quota.take()) is not None:
            return _busy(self.quota.retry_after(wait))
        with self._guard:
            attempt = self._attempts[served.prompt] = self._attempts.get(served.prompt, 0) + 1
        served.attempt = attempt
        faults = self.faults
        served.fault = fault = faults.of(served.prompt, attempt) if faults else None
        if faults and fault and fault.is_transient:
            # Most say that it may be asked again at once; without a word, a client waits longer.
            says_when = attempt > 1 or faults.chance("says when", served.prompt) < 0.7
            return _transient(_STATUS_OF_TRANSIENT[fault], "0" if says_when else None)
        latency = self.latency + self.jitter * random.random()
        if latency:
            time.sleep(latency)
        answer = self._next.popleft() if self._next else self._always
        if answer is not None:
            return answer
        if fault is Fault.FILTERED:
            return FILTERED
        return _spoiled(self._drawn(received, served), fault)

    def _drawn(self, received: Received, served: Served) -> Answer:
        """What the service would answer if all goes well."""

        def draw_one(prompt: str, width: int, height: int, *, transparent: bool) -> bytes:
            mark = f"{served.attempt}"
            distinct = self.distinct
            data = picture_of(prompt, width, height, mark) if distinct else png(width, height)
            served.sha256 = hashlib.sha256(data).hexdigest()
            return data

        reply = offline.answer(
            "POST", received.path, received.headers, received.body, draw=draw_one
        )
        return Answer(reply.status, reply.body, dict(reply.headers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _prompt_of(received: Received) -> tuple[str, str]:
    """The prompt and the deployment that a request names; nothing where it is no JSON."""
    try:
        fields = received.json
        return str(fields["prompt"]), str(fields["model"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def _busy(retry_after: str | None) -> Answer:
    headers = {"Retry_After": retry_after} if retry_after else {}
    return error(429, "RateLimitReached", "Your requests have exceeded rate limit.", **headers)


def _transient(status: int, retry_after: str | None) -> Answer:
    if status == 429:
        return _busy(retry_after)
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status, b"" if status == 500 else b"Not now.", headers)


def _spoiled(whole: Answer, fault: Fault | None) -> Answer:
    """The answer as ``fault`` leaves it."""
    if fault is None or whole.status != 200:
        return whole
    after_the_picture = whole.body.rindex(b'"') + 1
    spoiled = {
        Fault.GATEWAY: Answer(502, b"<html>Bad Gateway</html>"),
        Fault.GAVE_UP: error(504, "Timeout", "The upstream server did not answer."),
        Fault.LOST: LOST,
        Fault.RESET: RESET,
        Fault.TORN: replace(whole, torn=len(whole.body) // 2),
        Fault.CUT: replace(whole, torn=after_the_picture),
        Fault.NO_JSON: Answer(200, b"{'data': nothing"),
        Fault.NO_PNG: picture(b"GIF89a, which no model draws"),
        Fault.SLOW: replace(whole, before=lambda: time.sleep(1.0)),
        Fault.DRIPPING: replace(whole, drip=0.02),
    }
    return spoiled[fault]


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
