import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from mai_cli.adapters import foundry as adapter
from mai_cli.adapters.credentials import ApiKey
from mai_cli.adapters.foundry import Reached
from mai_cli.adapters.trust import trusted
from mai_cli.errors import (
    AuthError,
    ConfigError,
    MaiError,
    RefusedError,
    Retry,
    UnavailableError,
    UnknownError,
)
from tests.adapters.servers import Proxy, read_head
from tests.emulator import BUSY, KEY, LOST, REQUEST_ID, Answer, Emulator, error, picture, png

HOST = "contoso.services.ai.azure.com"
PATH = "/mai/v1/images/generations"
WHOLE = picture(png(1, 1))


def probe(client) -> MaiError:
    with pytest.raises(MaiError) as caught:
        client.foundry.probe("mai-image-26")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def reach(client) -> MaiError:
    with pytest.raises(MaiError) as caught:
        client.foundry.reach()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_a_probe_asks_for_one_pixel_and_nothing_else(client, foundry):
    probe(client)
    (received,) = foundry.received
    assert received.path == PATH
    assert received.json == {"model": "mai-image-26", "prompt": "probe", "width": 1, "height": 1}
    assert received.headers["api-key"] == KEY


def test_a_deployment_that_works_declines_a_picture_of_one_pixel(client):
    failure = probe(client)
    assert isinstance(failure, RefusedError)
    assert failure.code == "bad_request"
    assert "width" in failure.message.lower()
    assert failure.request_id


STATUSES = [
    (error(400, "unsupported_request_value", "width"), RefusedError, "bad_request"),
    (error(400, "content_filter", "no"), RefusedError, "content_filter"),
    (error(401, "401", "wrong key"), AuthError, "bad_credential"),
    (error(401, "PermissionDenied", "no role"), AuthError, "no_permission"),
    (error(403, "Forbidden", "no role"), AuthError, "no_permission"),
    (error(403, "Forbidden", "temporarily blocked"), RefusedError, "resource_blocked"),
    (error(404, "DeploymentNotFound", "none"), RefusedError, "no_deployment"),
    (error(404, "404", "Resource not found"), RefusedError, "not_found"),
    (error(405, "405", "no"), RefusedError, "not_found"),
    (error(408, "Timeout", "slow"), UnavailableError, "service_failure"),
    (error(413, "413", "large"), RefusedError, "bad_request"),
    (error(422, "422", "no"), RefusedError, "bad_request"),
    (BUSY, UnavailableError, "quota"),
    (error(500, "500", "broken"), UnavailableError, "service_failure"),
    (error(502, "502", "gone"), UnknownError, "gateway_gave_up"),
    (error(503, "503", "busy"), UnavailableError, "service_failure"),
    (error(504, "504", "gone"), UnknownError, "gateway_gave_up"),
    (Answer(400, b"<html>"), RefusedError, "bad_request"),
    (Answer(200, b"{}"), UnknownError, "no_picture"),
    (picture("bm90IGEgUE5H"), UnknownError, "bad_picture"),
    (LOST, UnknownError, "lost_answer"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "code"), STATUSES, ids=[f"{a.status} {code}" for a, _, code in STATUSES]
)
def test_every_answer_to_a_probe_has_its_error(client, foundry, answer, kind, code):
    foundry.will(answer)
    failure = probe(client)
    assert type(failure) is kind
    assert failure.code == code
    assert len(foundry.received) == 1


def test_a_probe_that_is_drawn_all_the_same_fails_not(client, foundry):
    foundry.will(WHOLE)
    client.foundry.probe("mai-image-26")
    assert len(foundry.received) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_probe_follows_no_redirect(client, foundry, status):
    foundry.will(Answer(status, headers={"Location": "https://example.com/"}))
    failure = probe(client)
    assert isinstance(failure, ConfigError)
    assert failure.code == "redirected"
    assert failure.request_id == REQUEST_ID


def test_a_key_that_a_probe_brings_back_is_not_shown(client, foundry):
    foundry.will(error(401, KEY, f"Key {KEY} is wrong", apim_request_id=KEY))
    failure = probe(client)
    told = f"{failure.message}{failure.hint}{failure.request_id}{client.lines}"
    assert "***" in told
    assert KEY not in told


def test_a_probe_without_a_connection_sent_nothing(connect):
    failure = probe(connect("http://127.0.0.1:9"))
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)


def test_a_resource_that_is_there_is_reached_without_a_credential(client, foundry):
    before = datetime.now(UTC) - timedelta(seconds=2)
    reached = client.foundry.reach()
    assert before <= reached.at <= datetime.now(UTC)
    assert reached.tls_version is None
    assert foundry.received == []
    assert client.lines == [f"GET {foundry.url}{PATH}: 501"]


def answering(*lines: str) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall("\r\n".join([*lines, "", ""]).encode())

    return talk


class Raising:
    """A credential that must not be asked."""

    is_token = True
    source = "nowhere"

    def headers(self) -> dict[str, str]:
        raise AssertionError

    def renew(self, headers) -> bool:
        raise AssertionError


def test_reaching_sends_no_credential_and_needs_none(connect, serve):
    heads = []

    def talk(connection: socket.socket) -> None:
        heads.append(read_head(connection).decode().lower())
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    port = serve(talk)
    connect(f"http://127.0.0.1:{port}", ApiKey(KEY)).foundry.reach()
    connect(f"http://127.0.0.1:{port}", Raising()).foundry.reach()
    for head in heads:
        request, *lines = head.strip().split("\r\n")
        assert request == f"get {PATH} http/1.1"
        assert {line.split(":")[0] for line in lines} == {
            "host", "accept", "accept-encoding", "connection", "user-agent"
        }  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 405, 429, 500, 502, 503, 599])
def test_whatever_a_resource_answers_it_is_reached(connect, serve, status):
    port = serve(answering(f"HTTP/1.1 {status} Whatever", "Content-Length: 0"))
    assert connect(f"http://127.0.0.1:{port}").foundry.reach() == Reached(None, None)


DATES = {
    "Sun, 22 Nov 2026 09:14:03 GMT": datetime(2026, 11, 22, 9, 14, 3, tzinfo=UTC),
    "Sun, 22 Nov 2026 09:14:03 -0000": datetime(2026, 11, 22, 9, 14, 3, tzinfo=UTC),
    "Sun, 22 Nov 2026 10:14:03 +0100": datetime(
        2026, 11, 22, 10, 14, 3, tzinfo=timezone(timedelta(hours=1))
    ),
    "": None,
    "yesterday": None,
    "Sun, 99 Nov 2026 09:14:03 GMT": None,
    "Sun, 22 Nov 99999999999 09:14:03 GMT": None,
    "Sun, 22 Nov 2026 09:14:03 +99999999999": None,
}


@pytest.mark.parametrize("date", DATES)
def test_what_the_clock_of_the_service_says_is_read_if_it_can_be(connect, serve, date):
    port = serve(answering("HTTP/1.1 404 Not Found", f"Date: {date}", "Content-Length: 0"))
    reached = connect(f"http://127.0.0.1:{port}").foundry.reach()
    assert reached.at == DATES[date]
    assert reached.at is None or reached.at.tzinfo


def test_an_answer_that_never_ends_is_not_read(connect, serve):
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\nx\r\n")

    assert connect(f"http://127.0.0.1:{serve(talk)}").foundry.reach() == Reached(None, None)


def test_a_resource_that_is_not_there_is_not_reached(connect):
    client = connect("http://127.0.0.1:9")
    failure = reach(client)
    assert isinstance(failure, UnavailableError)
    assert failure.code == "no_connection"
    (line,) = client.lines
    assert line.startswith(f"GET http://127.0.0.1:9{PATH}: ConnectError")


def hang_up(connection: socket.socket) -> None:
    read_head(connection)


def reset(connection: socket.socket) -> None:
    read_head(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def tear(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 O")


def babble(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def listen(connection: socket.socket) -> None:
    read_head(connection)
    connection.settimeout(8)
    try:
        connection.recv(1)
    except TimeoutError:  # nobody hung up
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def drip(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    connection.settimeout(0.02)
    for _ in range(400):
        connection.sendall(b"x")
        try:
            connection.recv(1)
        except TimeoutError:
            continue
        return
    connection.sendall(b"\r\n\r\n")  # nobody hung up


@pytest.mark.parametrize("talk", [hang_up, reset, tear, babble, listen, drip])
def test_a_resource_that_takes_the_call_and_says_nothing_is_not_reached(
    connect, serve, monkeypatch, talk
):
    if talk in {listen, drip}:
        monkeypatch.setattr(adapter, "CONNECT_SECONDS", 0.3)
    failure = reach(connect(f"http://127.0.0.1:{serve(talk)}"))
    assert isinstance(failure, UnavailableError)
    assert failure.message == "127.0.0.1 took the call but gave no answer."
    assert failure.code == "no_connection"
    assert "billed" not in f"{failure.message}{failure.hint}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reaching_follows_no_redirect(connect, serve, status):
    port = serve(answering(f"HTTP/1.1 {status} There", "Location: https://login.example.com/x?y"))
    client = connect(f"http://127.0.0.1:{port}")
    failure = reach(client)
    assert isinstance(failure, ConfigError)
    assert failure.code == "redirected"
    assert "redirects to login.example.com;" in failure.message
    assert client.lines == [f"GET http://127.0.0.1:{port}{PATH}: {status}, a redirect"]


def test_the_id_of_a_call_that_is_redirected_is_not_changed(connect, serve):
    lines = ["HTTP/1.1 302 There", "Location: https://example.com", f"x-request-id: {REQUEST_ID}"]
    assert reach(connect(f"http://127.0.0.1:{serve(answering(*lines))}")).request_id == REQUEST_ID


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    path = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", path)
    return trusted({"SSL_CERT_FILE": path})


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def safe(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A resource that speaks one version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = request.param
    context.minimum_version = request.param
    authority.issue_cert("127.0.0.1", HOST).configure_cert(context)
    with Emulator(tls=context) as emulator:
        emulator.version = request.param.name.replace("_", ".")
        yield emulator


def test_how_a_connection_is_encrypted_is_told(connect, safe, trust):
    assert connect(safe.url, trust=trust).foundry.reach().tls_version == safe.version


def test_how_a_connection_through_a_proxy_is_encrypted_is_told(
    connect, serve, safe, trust, monkeypatch
):
    proxy = Proxy("200 OK", safe.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    reached = connect(f"https://{HOST}", trust=trust).foundry.reach()
    assert reached.tls_version == safe.version
    assert len(proxy.heads) == 1


def test_a_resource_that_nobody_vouches_for_is_not_reached(connect, safe):
    failure = reach(connect(safe.url))
    assert isinstance(failure, UnavailableError)
    assert failure.code == "bad_certificate"


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Who are you", "502 Bad Gateway"])
def test_a_proxy_that_refuses_is_named_when_nothing_is_reached(connect, serve, monkeypatch, status):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(Proxy(status))}")
    failure = reach(connect(f"https://{HOST}"))
    assert failure.message == f"The proxy made no connection to {HOST}."
    assert failure.code == "no_connection"


def test_reaching_and_probing_leave_the_way_free_for_a_picture(client, foundry):
    foundry.will(BUSY, replace(WHOLE))
    client.foundry.reach()
    assert probe(client).code == "quota"
    assert client.paint().picture.bytes == len(png(1, 1))
    assert len(foundry.received) == 2


def test_a_key_does_not_change_and_says_where_it_is_from():
    key = ApiKey(KEY, "a key from the environment")
    assert key.headers() == {"api-key": KEY}
    assert not key.renew(key.headers())
    assert not key.is_token
    assert key.source == "a key from the environment"
    assert KEY not in f"{ApiKey(KEY).source} {key!r}"
