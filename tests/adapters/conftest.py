"""What tests of the wire share: a client, and surroundings that do not reach into it."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mai_cli.adapters.credentials import ApiKey, Credential
from mai_cli.adapters.foundry import Foundry
from mai_cli.adapters.trust import trusted
from mai_cli.errors import MaiError
from mai_cli.models.answer import Answer
from mai_cli.models.catalogue import find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from tests.adapters.servers import serving
from tests.emulator import KEY, Emulator

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SQUARE = Size(1024, 1024)


class Client:
    """Asks for pictures and keeps what came: the bytes, and the lines of the log."""

    def __init__(self, url: str, credential: Credential, **rest: object) -> None:
        self.bytes = b""
        self.lines: list[str] = []
        if url.startswith("https:"):
            rest.setdefault("trust", trusted(os.environ))
        self.foundry = Foundry(Endpoint(url), credential, log=self.lines.append, **rest)

    def write(self, data: bytes) -> None:
        self.bytes += data

    def paint(self, size: Size | None = SQUARE, **fields: object) -> Answer:
        self.bytes = b""
        request = ImageRequest("a lighthouse", "mai-image-27", find("mai-image-27"), size, **fields)
        return self.foundry.paint(request, self)

    def fail(self, size: Size | None = SQUARE, **fields: object) -> MaiError:
        with pytest.raises(MaiError) as caught:
            self.paint(size, **fields)
        error = caught.value
        assert error.__context__ is None or error.__suppress_context__
        return error


Connect = Callable[..., Client]


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client of the resource at a URL."""
    with ExitStack() as closing:

        def connect(
            url: str,
            credential: Credential | None = None,
            timeout_seconds: float = 20,
            **rest: object,
        ) -> Client:
            client = Client(url, credential or ApiKey(KEY), timeout_seconds=timeout_seconds, **rest)
            closing.callback(client.foundry.close)
            return client

        yield connect


@pytest.fixture
def client(foundry: Emulator, connect: Connect) -> Client:
    """A client of the resource on loopback."""
    return connect(foundry.url)


Serve = Callable[[Callable[[socket.socket], object]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve each connection with a function; gives the port."""
    with ExitStack() as closing:
        yield lambda talk: closing.enter_context(serving(talk))
