import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mai_cli.adapters.network import proxy_name, proxy_of, resolve
from mai_cli.errors import MaiError, UnavailableError
from mai_cli.models.endpoint import Endpoint
from tests.adapters.conftest import Connect, Serve
from tests.adapters.mounts import run_with, why_not
from tests.adapters.servers import Proxy

HOST = "contoso.invalid"
URL = f"https://{HOST}"
PROXY = "http://proxy.invalid:3128"

Set = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set variables of the environment."""

    def environment(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return environment


def test_without_a_proxy_there_is_none():
    assert proxy_of(Endpoint(URL)) is None
    assert proxy_name(Endpoint(URL)) is None


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_proxy_that_a_variable_names_is_taken(environment, variable):
    environment(**{variable: PROXY})
    assert proxy_of(Endpoint(URL)) == PROXY


def test_the_proxy_for_this_scheme_comes_before_that_for_all(environment):
    environment(HTTPS_PROXY=PROXY, ALL_PROXY="http://another.invalid")
    assert proxy_of(Endpoint(URL)) == PROXY


def test_a_variable_in_small_letters_comes_first(environment):
    environment(HTTPS_PROXY="http://another.invalid", https_proxy=PROXY)
    assert proxy_of(Endpoint(URL)) == PROXY


@pytest.mark.parametrize("variables", [{"HTTP_PROXY": PROXY}, {"HTTPS_PROXY": ""}])
def test_a_variable_that_is_empty_or_for_another_scheme_names_none(environment, variables):
    environment(**variables)
    assert proxy_of(Endpoint(URL)) is None


@pytest.mark.parametrize(
    "bare", ["proxy.invalid:3128", "me:open-sesame@proxy.invalid", "[fd00::1]"]
)
def test_a_proxy_without_a_scheme_is_spoken_to_in_clear(environment, bare):
    environment(HTTPS_PROXY=bare)
    assert proxy_of(Endpoint(URL)) == f"http://{bare}"


FORMS = {
    "http://proxy.invalid:3128/": "proxy.invalid:3128",
    "https://proxy.invalid": "proxy.invalid",
    "proxy.invalid:3128": "proxy.invalid:3128",
    "proxy.invalid": "proxy.invalid",
    "http://[fd00::1]:3128": "[fd00::1]:3128",
    "http://me@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open-sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "me:open-sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open%2Fsesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open@sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open/sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open?sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://me:open#sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "me:open//sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "me:open://sesame@proxy.invalid:3128": "proxy.invalid:3128",
    "http://[bad": "[bad",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_proxy_is_named_by_host_and_port(environment, form):
    environment(HTTPS_PROXY=form)
    assert proxy_name(Endpoint(URL)) == FORMS[form]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_reached_without_a_proxy(environment, scheme, host):
    environment(HTTPS_PROXY=PROXY, HTTP_PROXY=PROXY, ALL_PROXY=PROXY)
    assert proxy_of(Endpoint(f"{scheme}://{host}:8080")) is None


def goes_through(connect: Connect, serve: Serve, environment: Set, url: str) -> bool:
    """Whether a call to ``url`` asks the proxy."""
    proxy = Proxy("403 Forbidden")
    environment(HTTPS_PROXY=f"http://127.0.0.1:{serve(proxy)}")
    with pytest.raises(MaiError):
        connect(url).foundry.reach()
    return proxy.heads != []


EXEMPT = [HOST, "invalid", ".invalid", f"example.com, {HOST}", HOST.upper(), "*"]
NOT_EXEMPT = ["example.com", "toso.invalid", f"*.{HOST}", f"a.{HOST}", f"{HOST}:8443", "10.0.0.0/8"]


@pytest.mark.parametrize("exempt", EXEMPT)
def test_a_host_that_needs_no_proxy_has_none(connect, serve, environment, exempt):
    environment(NO_PROXY=exempt)
    assert not goes_through(connect, serve, environment, URL)
    assert proxy_of(Endpoint(URL)) is None


@pytest.mark.parametrize("exempt", NOT_EXEMPT)
def test_a_host_that_is_not_exempt_goes_through_the_proxy(connect, serve, environment, exempt):
    environment(NO_PROXY=exempt)
    assert goes_through(connect, serve, environment, URL)
    assert proxy_name(Endpoint(URL)).startswith("127.0.0.1:")


ODD = {
    f".{HOST}": (URL, False),
    f"https://{HOST}": (URL, True),
    f"{HOST}:8443": (f"{URL}:8443", False),
    f"{HOST}:443": (f"{URL}:8443", True),
}


@pytest.mark.parametrize("exempt", ODD)
def test_what_is_said_of_an_odd_exemption_is_what_happens(connect, serve, environment, exempt):
    environment(NO_PROXY=exempt)
    url, through = ODD[exempt]
    assert goes_through(connect, serve, environment, url) == through
    assert (proxy_of(Endpoint(url)) is not None) == through


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_its_own_name(address):
    assert resolve(address) == [address]


def test_this_machine_has_an_address():
    assert resolve("localhost")[0] in {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.com", "."])
def test_a_name_that_no_host_can_have_is_not_found(host):
    with pytest.raises(UnavailableError, match="cannot be looked up") as caught:
        resolve(host)
    assert caught.value.code == "no_connection"
    assert caught.value.__context__ is None


class NameServer:
    """Knows ``contoso.test``, which has two addresses; says nothing to ``silent.test``."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            question, sender = self.socket.recvfrom(512)
            if not question:
                return
            if b"silent" not in question:
                self.socket.sendto(self.answer(question), sender)

    def close(self) -> None:
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def answer(self, question: bytes) -> bytes:
        name_end = question.index(b"\0", 12) + 5
        addresses = []
        if b"contoso" in question:
            is_ipv4 = question[name_end - 4 : name_end - 2] == b"\0\1"
            addresses = [bytes([10, 1, 2, 3]), bytes([10, 1, 2, 4])] if is_ipv4 else []
        code = b"\x81\x80" if b"contoso" in question else b"\x81\x83"
        head = question[:2] + code + b"\0\1" + bytes([0, len(addresses)]) + b"\0\0\0\0"
        records = [b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + address for address in addresses]
        return head + question[12:name_end] + b"".join(records)


@pytest.fixture
def name_server() -> Iterator[str]:
    if reason := why_not():
        pytest.skip(reason)
    address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # one for each worker
    server = NameServer(address)
    yield address
    server.close()


RESOLVING = """\
from mai_cli.adapters import network
from mai_cli.errors import MaiError
network.NAME_SECONDS = {patience}
try:
    print(*sorted(network.resolve({host!r})))
except MaiError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def ask(name_server: str, tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """What a program learns of a name; it gives up in a moment, the system after a minute."""

    def ask(host: str, patience: float = 10) -> tuple[str, str]:
        settings = f"nameserver {name_server}\noptions timeout:30 attempts:2\n"
        (tmp_path / "resolv.conf").write_text(settings)
        mounts = {Path(os.path.realpath("/etc/resolv.conf")): tmp_path / "resolv.conf"}
        program = RESOLVING.format(host=host, patience=patience)
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        done = run_with(mounts, program, environ, timeout=20)
        return done.stdout, done.stderr

    return ask


def test_a_name_that_is_known_has_addresses_each_once(ask):
    assert ask("contoso.test") == ("10.1.2.3 10.1.2.4\n", "")


def test_a_name_that_is_not_known_is_said_not_to_be(ask):
    told = "no_connection The name nowhere.test was not found.\n"
    assert ask("nowhere.test") == (told, "")


def test_a_name_that_nobody_answers_for_is_given_up_and_not_waited_for(ask):
    told = "no_connection The name silent.test was not found: no answer within 0.3 s.\n"
    assert ask("silent.test", 0.3) == (told, "")
