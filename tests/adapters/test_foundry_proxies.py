import socket
import ssl

import pytest
import trustme

from mai_cli.errors import ConfigError, MaiError, Retry, UnavailableError, UnknownError
from tests.adapters.servers import Proxy, read_head
from tests.emulator import KEY, LOST, Emulator, picture, png

HOST = "contoso.services.ai.azure.com"
URL = f"https://{HOST}"
WHOLE = picture(png(1024, 1024))


def assert_not_sent(failure: MaiError) -> None:
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)
    assert "billed" not in failure.message


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """Whose certificates are trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


@pytest.fixture
def far_away(authority):
    """The resource as it is reached through a proxy, by its real name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with Emulator(tls=context) as emulator:
        yield emulator


@pytest.mark.parametrize(
    "status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway", "garbage"]
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_refuses_was_given_nothing(connect, serve, monkeypatch, status, variable):
    proxy = Proxy(status)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{serve(proxy)}")
    client = connect(URL)
    assert_not_sent(client.fail())
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
    assert KEY.encode() not in head


def test_a_refusal_of_the_proxy_is_not_blamed_on_the_endpoint(connect, serve, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(Proxy('403 Forbidden'))}")
    failure = connect(URL).fail()
    assert failure.message == f"The proxy made no connection to {HOST}."
    assert failure.hint == "Check HTTPS_PROXY."


def test_a_proxy_that_hangs_up_was_given_nothing(connect, serve, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(read_head)}")
    assert_not_sent(connect(URL).fail())


def test_a_proxy_that_says_nothing_was_given_nothing(connect, serve, monkeypatch):
    def listen(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass

    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(listen)}")
    assert_not_sent(connect(URL, timeout_seconds=0.3).fail())


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://proxy.invalid:3128"])
def test_a_proxy_that_is_not_there_is_named_as_the_cause(connect, monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    failure = connect(URL).fail()
    assert_not_sent(failure)
    assert "proxy" in f"{failure.message} {failure.hint}".lower()


def test_a_picture_comes_through_a_proxy_that_sees_no_key(connect, serve, monkeypatch, far_away):
    proxy = Proxy("200 OK", far_away.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    far_away.will(WHOLE)
    assert connect(URL).paint().picture.bytes == len(png(1024, 1024))
    assert far_away.received[0].headers["host"] == HOST
    assert KEY.encode() not in proxy.heads[0] + proxy.passed
    assert len(proxy.passed) > 100


def test_a_proxy_on_an_encrypted_line_is_trusted_as_the_resource_is(
    connect, serve, monkeypatch, authority
):
    proxy = Proxy("403 Forbidden")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            proxy(encrypted)

    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{serve(talk)}")
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert connect(URL, trust=nobody).fail().code == "bad_certificate"
    assert proxy.heads == []

    assert connect(URL).fail().message == f"The proxy made no connection to {HOST}."
    assert len(proxy.heads) == 1


def test_an_answer_that_is_lost_behind_a_proxy_may_be_billed(connect, serve, monkeypatch, far_away):
    proxy = Proxy("200 OK", far_away.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    far_away.will(LOST)
    failure = connect(URL).fail()
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == ("lost_answer", Retry.IF_TOLD)
    assert len(far_away.received) == 1


def test_a_stranger_behind_a_proxy_is_given_nothing(connect, serve, monkeypatch, far_away):
    proxy = Proxy("200 OK", far_away.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    failure = connect("https://another.services.ai.azure.com").fail()
    assert failure.code == "bad_certificate"
    assert far_away.received == []


@pytest.mark.parametrize("exempt", ["127.0.0.1,localhost", ""])
def test_a_host_that_the_proxy_is_not_for_is_called_directly(
    connect, serve, monkeypatch, foundry, exempt
):
    proxy = Proxy("403 Forbidden")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    monkeypatch.setenv("NO_PROXY", exempt)  # this machine never needs to be named
    foundry.will(WHOLE)
    connect(foundry.url).paint()
    assert proxy.heads == []


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*"])
def test_a_proxy_that_is_not_used_is_not_named_as_the_cause(connect, monkeypatch, exempt):
    monkeypatch.setenv("ALL_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    failure = connect("http://127.0.0.1:9").fail()
    assert_not_sent(failure)
    assert "proxy" not in f"{failure.message} {failure.hint}".lower()


def test_the_password_of_a_proxy_is_told_to_nobody_else(connect, serve, monkeypatch):
    proxy = Proxy("407 Proxy Authentication Required")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:open-sesame@127.0.0.1:{serve(proxy)}")
    client = connect(URL)
    failure = client.fail()
    assert b"proxy-authorization: basic " in proxy.heads[0].lower()
    assert "sesame" not in f"{failure.message}{failure.hint}{client.lines}"


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://me:open-sesame@127.0.0.1:9",
        "gopher://127.0.0.1:9",
        "http://me:open-sesame@127.0.0.1:port",
    ],
)
def test_a_proxy_of_a_kind_that_is_not_spoken_is_a_setting_to_correct(connect, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigError, match="PROXY") as caught:
        connect(URL).paint()
    assert "sesame" not in f"{caught.value.message}{caught.value.hint}"
