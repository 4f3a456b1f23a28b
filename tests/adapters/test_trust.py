import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from mai_cli.adapters.trust import trusted, trusted_by_requests
from mai_cli.errors import ConfigError, Retry, UnavailableError
from tests.adapters.mounts import bundle_of, run_with, store_of
from tests.adapters.servers import Proxy
from tests.adapters.sign_in import SignIn
from tests.emulator import KEY, Emulator, picture, png

HOST = "contoso.services.ai.azure.com"
WHOLE = picture(png(1024, 1024))
OTHERS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger() -> bytes:
    return trustme.CA().cert_pem.bytes()


@pytest.fixture
def pem(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "contoso authority.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


@pytest.fixture
def resource(authority: trustme.CA) -> Iterator[Emulator]:
    """A resource whose certificate is the company's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", HOST).configure_cert(context)
    with Emulator(tls=context) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)


Named = Callable[..., ssl.SSLContext]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    """What is trusted with these variables."""

    def named(**variables: object) -> ssl.SSLContext:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return trusted(os.environ)

    return named


def names(context: ssl.SSLContext) -> int:
    return context.cert_store_stats()["x509_ca"]


def hashed(pem: Path, folder: Path) -> Path:
    """A folder of certificates in the form that OpenSSL looks them up in."""
    folder.mkdir()
    (folder / "contoso.pem").write_bytes(pem.read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    return folder


def test_a_picture_comes_from_a_resource_that_ssl_cert_file_vouches_for(
    connect, resource, named, pem
):
    resource.will(WHOLE)
    client = connect(resource.url, trust=named(SSL_CERT_FILE=pem))
    assert client.paint().picture.bytes == len(png(1024, 1024))
    assert resource.received[0].headers["api-key"] == KEY


def test_a_picture_comes_from_a_resource_that_ssl_cert_dir_vouches_for(
    connect, resource, named, pem, tmp_path
):
    resource.will(WHOLE)
    folder = hashed(pem, tmp_path / "hashed")
    client = connect(resource.url, trust=named(SSL_CERT_DIR=folder))
    assert client.paint().picture.bytes == len(png(1024, 1024))


def test_who_is_named_is_trusted_instead_of_everybody_else(named, pem):
    assert names(named(SSL_CERT_FILE=pem)) == 1


def test_every_context_checks_certificates_and_names(named, pem):
    for context in (named(), named(SSL_CERT_FILE=pem)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_stranger_is_told_apart_from_somebody_who_is_not_there(
    connect, resource, named, stranger, tmp_path
):
    (tmp_path / "stranger.pem").write_bytes(stranger)
    trust = named(SSL_CERT_FILE=tmp_path / "stranger.pem")
    failure = connect(resource.url, trust=trust).fail()
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("bad_certificate", Retry.NEVER)
    assert "SSL_CERT_FILE" in failure.hint
    assert resource.received == []
    failure = connect("https://127.0.0.1:9", trust=trust).fail()
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)


def test_without_a_name_a_stranger_is_given_nothing(connect, resource, named):
    assert connect(resource.url, trust=named()).fail().code == "bad_certificate"
    assert resource.received == []


def test_a_client_that_was_told_of_nobody_trusts_nobody(connect, resource):
    assert connect(resource.url, trust=None).fail().code == "bad_certificate"
    assert resource.received == []


def test_who_is_named_is_trusted_through_a_proxy(connect, serve, resource, named, pem, monkeypatch):
    proxy = Proxy("200 OK", resource.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(proxy)}")
    resource.will(WHOLE)
    connect(f"https://{HOST}", trust=named(SSL_CERT_FILE=pem)).paint()
    assert resource.received[0].headers["host"] == HOST
    assert KEY.encode() not in proxy.heads[0] + proxy.passed


def test_a_proxy_that_opens_the_envelope_is_a_stranger(
    connect, serve, resource, named, stranger, tmp_path, monkeypatch
):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(Proxy('200 OK', resource.port))}")
    (tmp_path / "stranger.pem").write_bytes(stranger)
    trust = named(SSL_CERT_FILE=tmp_path / "stranger.pem")
    failure = connect(f"https://{HOST}", trust=trust).fail()
    assert failure.code == "bad_certificate"
    assert HOST in failure.message
    assert resource.received == []


def test_a_proxy_that_is_called_over_tls_is_trusted_like_everybody(
    connect, serve, resource, authority, pem, monkeypatch
):
    proxy = Proxy("200 OK", resource.port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as safe:
            proxy(safe)

    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{serve(talk)}")
    resource.will(WHOLE)
    connect(f"https://{HOST}", trust=ssl.create_default_context(cafile=pem)).paint()
    assert resource.received[0].headers["host"] == HOST
    assert KEY.encode() not in proxy.heads[0] + proxy.passed


@pytest.mark.parametrize("name", ["missing.pem", "empty.pem", "nonsense.pem", "folder"])
def test_certificates_that_cannot_be_read_are_a_setting_to_correct(named, tmp_path, name):
    (tmp_path / "empty.pem").touch()
    (tmp_path / "nonsense.pem").write_bytes(b"not a certificate \xff")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="SSL_CERT_FILE") as caught:
        named(SSL_CERT_FILE=tmp_path / name)
    assert caught.value.code == "bad_setting"
    assert caught.value.__suppress_context__


def test_a_folder_of_certificates_that_is_not_there_is_a_setting_to_correct(named, tmp_path):
    with pytest.raises(ConfigError, match="SSL_CERT_DIR"):
        named(SSL_CERT_DIR=tmp_path / "missing")


def test_the_environment_that_is_handed_in_counts(connect, resource, pem, tmp_path):
    assert names(trusted({"SSL_CERT_FILE": str(pem)})) == 1
    trust = trusted({"SSL_CERT_DIR": str(hashed(pem, tmp_path / "hashed"))})
    assert names(trust) == 0  # none is loaded before it is needed
    assert connect(resource.url, trust=trust).foundry.reach().tls_version


@pytest.mark.parametrize(
    ("environ", "verify"),
    [
        ({"SSL_CERT_FILE": "/a.pem"}, "/a.pem"),
        ({"SSL_CERT_DIR": "/certs"}, "/certs"),
        ({"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": "/certs"}, "/a.pem"),
        ({"SSL_CERT_FILE": "/a.pem", "REQUESTS_CA_BUNDLE": "/b.pem"}, True),
        ({"SSL_CERT_FILE": "/a.pem", "CURL_CA_BUNDLE": "/b.pem"}, True),
    ],
)
def test_requests_is_told_of_the_same_unless_it_has_a_variable_of_its_own(environ, verify):
    context = ssl.SSLContext
    assert trusted_by_requests(environ) == verify
    assert ssl.SSLContext is context


def test_several_folders_which_requests_cannot_take_are_refused():
    with pytest.raises(ConfigError) as caught:
        trusted_by_requests({"SSL_CERT_DIR": f"/a{os.pathsep}/b"})
    assert caught.value.message == (
        "SSL_CERT_DIR names several folders; signing in with Entra ID takes one."
    )
    assert trusted_by_requests({"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": "/a:/b"}) == "/a.pem"


CALLING = """\
import os
from mai_cli.adapters.credentials import ApiKey
from mai_cli.adapters.foundry import Foundry
from mai_cli.adapters.trust import trusted
from mai_cli.errors import MaiError
from mai_cli.models.endpoint import Endpoint
trust = trusted(os.environ)
url = os.environ["RESOURCE"]
foundry = Foundry(Endpoint(url), ApiKey("-"), timeout_seconds=20, log=print, trust=trust)
try:
    print(foundry.reach().tls_version)
except MaiError as error:
    print(error.code)
"""

SIGNING_IN = """\
import os
from mai_cli.adapters.trust import trusted, trusted_by_requests
from mai_cli.adapters.entra_id import EntraId
from mai_cli.errors import MaiError
identity = EntraId("https://cognitiveservices.azure.com/.default",
                   verify=trusted_by_requests(os.environ))
try:
    print(identity.headers()["Authorization"])
except MaiError as error:
    print(error.code)
"""


@pytest.fixture
def environ(resource: Emulator) -> dict[str, str]:
    """The environment of a program that calls the resource."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), "RESOURCE": resource.url}


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()[-1]


def test_whom_the_system_trusts_is_trusted(environ, authority, stranger, tmp_path):
    mounts = store_of(authority.cert_pem.bytes(), tmp_path / "store")
    mounts |= bundle_of(stranger, tmp_path / "bundle.pem")
    assert last_line(run_with(mounts, CALLING, environ)) == "TLSv1.3"


def test_a_folder_that_the_system_trusts_is_trusted(environ, pem, tmp_path):
    folder = hashed(pem, tmp_path / "store")
    mounts = {path: folder for path in store_of(b"", tmp_path / "empty") if path.is_dir()}
    assert last_line(run_with(mounts, CALLING, environ)) == "TLSv1.3"


def test_whom_nobody_trusts_is_a_stranger(environ, stranger, tmp_path):
    mounts = store_of(stranger, tmp_path / "store") | bundle_of(stranger, tmp_path / "bundle.pem")
    assert last_line(run_with(mounts, CALLING, environ)) == "bad_certificate"


def test_where_the_system_has_no_store_python_packages_bring_one(environ, pem, tmp_path):
    mounts = store_of(b"", tmp_path / "store") | bundle_of(pem.read_bytes(), tmp_path / "b.pem")
    assert last_line(run_with(mounts, CALLING, environ)) == "TLSv1.3"


@pytest.mark.parametrize("empty", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_is_empty_names_nobody(environ, pem, stranger, tmp_path, empty):
    mounts = store_of(pem.read_bytes(), tmp_path / "store")
    mounts |= bundle_of(stranger, tmp_path / "bundle.pem")
    assert last_line(run_with(mounts, CALLING, environ | {empty: ""})) == "TLSv1.3"


@pytest.mark.parametrize("kept", ["system", "package"])
def test_who_is_named_is_trusted_instead_of_the_system(environ, pem, stranger, tmp_path, kept):
    mounts = (
        store_of(pem.read_bytes(), tmp_path / "store")
        if kept == "system"
        else bundle_of(pem.read_bytes(), tmp_path / "bundle.pem")
    )
    (tmp_path / "stranger.pem").write_bytes(stranger)
    environ["SSL_CERT_FILE"] = str(tmp_path / "stranger.pem")
    assert last_line(run_with(mounts, CALLING, environ)) == "bad_certificate"


@pytest.fixture
def workload(authority, environ, tmp_path) -> Iterator[dict[str, str]]:
    """The environment of a program that signs in at a service of the company."""
    (tmp_path / "token").write_text("eyJ0")
    with SignIn(authority) as service:
        yield environ | {
            "AZURE_AUTHORITY_HOST": service.url,
            "AZURE_TENANT_ID": "contoso-tenant",
            "AZURE_CLIENT_ID": "contoso-client",
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
            "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential",
        }


def test_whom_the_system_trusts_is_trusted_at_sign_in_too(workload, authority, tmp_path):
    mounts = store_of(authority.cert_pem.bytes(), tmp_path / "store")
    assert last_line(run_with(mounts, SIGNING_IN, workload)) == "Bearer token-1"


def test_who_comes_with_python_is_trusted_at_sign_in_too(workload, authority, tmp_path):
    mounts = store_of(b"", tmp_path / "store")
    mounts |= bundle_of(authority.cert_pem.bytes(), tmp_path / "bundle.pem")
    assert last_line(run_with(mounts, SIGNING_IN, workload)) == "Bearer token-1"


def test_whom_requests_is_told_of_is_trusted_at_sign_in_instead(
    workload, authority, stranger, tmp_path
):
    mounts = store_of(stranger, tmp_path / "store")
    (tmp_path / "company.pem").write_bytes(authority.cert_pem.bytes())
    workload["REQUESTS_CA_BUNDLE"] = str(tmp_path / "company.pem")
    assert last_line(run_with(mounts, SIGNING_IN, workload)) == "Bearer token-1"


ORDERS = {
    "as parts.py does": "trusted_by_requests({}); context = trusted({})",
    "the other way around": "context = trusted({}); trusted_by_requests({})",
    "twice": "trusted_by_requests({}); trusted_by_requests({}); context = trusted({})",
}


@pytest.mark.parametrize("order", ORDERS)
def test_signing_in_and_calling_agree_in_any_order(environ, authority, stranger, tmp_path, order):
    mounts = store_of(authority.cert_pem.bytes(), tmp_path / "store")
    mounts |= bundle_of(stranger, tmp_path / "bundle.pem")
    program = CALLING.replace(
        "trust = trusted(os.environ)",
        f"from mai_cli.adapters.trust import trusted_by_requests\n{ORDERS[order]}; trust = context",
    )
    assert last_line(run_with(mounts, program, environ)) == "TLSv1.3"
