"""Whatever a server answers: one request, the right exit code, and a record that says the same."""

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import schemas
from tests.adapters.servers import length_of, read_head, serving
from tests.commands.inside import assert_calm, run_inside
from tests.emulator import KEY, picture, png

SMALL = png(64, 64)
WHOLE = picture(SMALL).body
SURELY_NOT_DRAWN = (408, 429, 499, 500, 503)
STATUS_OF = {0: "ok", 3: "failed", 4: "failed", 5: "refused", 6: "failed", 8: "unknown"}

KEYS = st.text(max_size=4) | st.sampled_from(
    ["data", "b64_json", "error", "code", "message", "innererror", "usage", "num_output_tokens"]
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["iVBORw0KGgo=", "\x1b]0;x\x07", "\u202e", "\x9b1m", "content_filter", KEY, "\ud800"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


def spoiled(data: bytes) -> st.SearchStrategy[bytes]:
    """``data`` with something else in one place."""
    return st.builds(
        lambda at, size, put: data[:at] + put + data[at + size :],
        st.integers(0, len(data)),
        st.integers(0, 9),
        st.binary(max_size=4),
    )


BODIES = (
    VALUES.map(lambda value: json.dumps(value).encode())
    | VALUES.map(lambda value: json.dumps({"error": value}).encode())
    | VALUES.map(lambda value: json.dumps({"data": [{"b64_json": value}]}).encode())
    | VALUES.map(lambda value: picture(SMALL, usage=value).body)
    | st.binary(max_size=40)
    | spoiled(WHOLE)
    | spoiled(SMALL).map(lambda data: picture(data).body)
    | st.sampled_from([WHOLE, b"\xef\xbb\xbf" + WHOLE, WHOLE.decode().encode("utf-16")])
)
NAMES = st.sampled_from(
    ["Content-Type", "Content-Encoding", "apim-request-id", "Location", "Date", "Set-Cookie"]
)
TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20)
HEADERS = st.lists(
    st.tuples(
        NAMES,
        TEXT
        | st.sampled_from(["gzip", "deflate, gzip", "br", "text/html; charset=utf-16", "http://["])
        | st.sampled_from(["\x1b[31m", "\x9b2J", "https://\x1b[2J", "a" * 5000, KEY]),
    ),
    max_size=3,
)
STATUSES = st.sampled_from([200, 201, 204, 206, 302, 400, 401, 403, 404, 502, 504, 599])
FRAMES = st.sampled_from(["length", "chunked", "close", "short", "long", "bad chunk", "both"])


class Answers:
    """Gives one answer to every request, and counts those that came whole."""

    def __init__(self) -> None:
        self.answer = b""
        self.requests = 0

    def __call__(self, connection: socket.socket) -> None:
        left = length_of(read_head(connection))
        while left:
            left -= len(connection.recv(left))
        self.requests += 1
        connection.sendall(self.answer)


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers()


@pytest.fixture(scope="module")
def url(answers: Answers) -> Iterator[str]:
    with serving(answers) as port:
        yield f"http://127.0.0.1:{port}"


def written(status: int, headers: list[tuple[str, str]], body: bytes, frame: str) -> bytes:
    """An answer as HTTP has it, or nearly so."""
    lines = [f"HTTP/1.1 {status} Odd", *(f"{name}: {text}" for name, text in headers)]
    if status in SURELY_NOT_DRAWN:
        lines.append("Retry-After: 9999")  # nobody waits that long
    if frame in ("length", "short", "long", "both"):
        differs = {"short": -1, "long": 5}.get(frame, 0)
        lines.append(f"Content-Length: {max(0, len(body) + differs)}")
    if frame in ("chunked", "bad chunk", "both"):
        lines.append("Transfer-Encoding: chunked")
        last = b"-5" if frame == "bad chunk" else b"0"
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n" + last + b"\r\n\r\n"
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@given(
    status=STATUSES | st.sampled_from(SURELY_NOT_DRAWN) | st.integers(200, 599),
    headers=HEADERS,
    body=BODIES,
    frame=FRAMES,
    args=st.sampled_from([(), ("--json", "-v"), ("--private",)]),
)
@example(
    status=200,
    headers=[],
    body=picture(SMALL, usage={"num_output_tokens": 10**400}).body,
    frame="length",
    args=("--json", "-v"),
)
@example(status=200, headers=[], body=WHOLE, frame="close", args=())
@settings(max_examples=120, deadline=None)
def test_no_answer_is_too_odd(answers, url, status, headers, body, frame, args):
    answers.answer, answers.requests = written(status, headers, body, frame), 0
    with tempfile.TemporaryDirectory() as name:
        env = {"MAI_HOME": name, "PATH": "/nowhere", "MAI_ENDPOINT": url, "MAI_API_KEY": KEY}
        env["MAI_DEPLOYMENT"] = "mai-image-26"
        result = run_inside(env, Path(name), "generate", "x", *args)
        lines = Path(name, "history.jsonl").read_bytes().splitlines()
        masters = [path.read_bytes() for path in Path(name, "gallery").rglob("*.png")]
    states = [json.loads(line) for line in lines]

    assert answers.requests == 1
    assert len({state["id"] for state in states}) == 1
    assert states[-1]["status"] == STATUS_OF[result.code]
    assert len(masters) == (result.code == 0)
    if 200 <= status < 300:  # what was drawn is never told as not drawn
        assert result.code in (0, 8)
        if not headers and body == WHOLE:
            assert masters == [SMALL]
    if status >= 500 and status not in SURELY_NOT_DRAWN:
        assert result.code == 8
    for state in states:
        schemas.hold(state)
    if "--json" in args:
        schemas.hold_lines(result.out.splitlines())
    assert_calm(result)
    assert KEY not in result.err + result.out.decode() + lines[-1].decode()
