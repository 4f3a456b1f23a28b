import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from mai_cli.errors import ConfigError, MaiError, Retry, UnavailableError, UnknownError
from tests.emulator import KEY, LOST, Emulator, picture, png

WHOLE = picture(png(1024, 1024))
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


Resource = Callable[..., Emulator]


@pytest.fixture
def resource(authority: trustme.CA) -> Iterator[Resource]:
    opened: list[Emulator] = []

    def resource(name: str = "127.0.0.1", **rest: object) -> Emulator:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, **rest).configure_cert(context)
        opened.append(Emulator(tls=context))
        return opened[-1].__enter__()

    yield resource
    for emulator in opened:
        emulator.__exit__()


def assert_bad_certificate(failure: MaiError, words: str) -> None:
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("bad_certificate", Retry.NEVER)
    assert failure.message.startswith("The certificate of 127.0.0.1 is not trusted: ")
    assert words in failure.message
    assert "SSL_CERT_FILE" in failure.hint


def assert_not_sent(failure: MaiError) -> None:
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)
    assert "billed" not in failure.message


def test_nothing_is_sent_to_a_host_that_nobody_vouches_for(connect, resource):
    server = resource()
    client = connect(server.url)
    assert_bad_certificate(client.fail(), "unable to get local issuer certificate")
    assert server.received == []
    assert KEY not in "".join(client.lines)


@pytest.mark.usefixtures("trusted")
def test_nothing_is_sent_to_a_host_of_another_name(connect, resource):
    server = resource("contoso.services.ai.azure.com")
    assert_bad_certificate(connect(server.url).fail(), "IP address mismatch")
    assert server.received == []


@pytest.mark.usefixtures("trusted")
def test_nothing_is_sent_to_a_host_whose_certificate_is_too_old(connect, resource):
    server = resource(not_before=YESTERDAY - timedelta(days=9), not_after=YESTERDAY)
    assert_bad_certificate(connect(server.url).fail(), "certificate has expired")
    assert server.received == []


@pytest.mark.usefixtures("trusted")
def test_a_host_of_an_authority_in_ssl_cert_file_is_trusted(connect, resource):
    server = resource()
    server.will(WHOLE)
    assert connect(server.url).paint().picture.bytes == len(png(1024, 1024))
    assert server.received[0].headers["api-key"] == KEY


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_is_lost_on_a_safe_line_is_a_lost_answer(connect, resource):
    server = resource()
    server.will(LOST)
    failure = connect(server.url).fail()
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == ("lost_answer", Retry.IF_TOLD)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("drip", [0.0, 0.05])
def test_the_time_is_limited_on_a_secure_connection_too(connect, resource, drip):
    server = resource()
    release = threading.Event()
    silent = replace(WHOLE, before=lambda: release.wait(5))
    server.will(replace(WHOLE, drip=drip) if drip else silent)
    failure = connect(server.url, timeout_seconds=0.5).fail()
    release.set()
    assert (failure.code, failure.retry) == ("lost_answer", Retry.IF_TOLD)
    assert "no whole answer came within 0.5 s" in failure.message


@pytest.mark.parametrize("name", ["missing.pem", "empty.pem", "nonsense.pem"])
def test_certificates_that_cannot_be_read_are_a_setting_to_correct(
    connect, tmp_path, monkeypatch, name
):
    (tmp_path / "empty.pem").touch()
    (tmp_path / "nonsense.pem").write_bytes(b"not a certificate \xff")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        connect("https://127.0.0.1:9").paint()


def hang_up(connection: socket.socket) -> None:
    connection.recv(1 << 16)


def reset(connection: socket.socket) -> None:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_plainly(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


@pytest.mark.parametrize("talk", [hang_up, reset, speak_plainly, say_nothing])
def test_a_handshake_that_fails_sent_nothing(connect, serve, talk):
    timeout_seconds = 0.3 if talk is say_nothing else 20
    client = connect(f"https://127.0.0.1:{serve(talk)}", timeout_seconds=timeout_seconds)
    assert_not_sent(client.fail())
