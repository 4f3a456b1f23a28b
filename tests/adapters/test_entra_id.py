import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mai_cli.adapters.entra_id import EntraId
from mai_cli.errors import AuthError, ConfigError, Retry
from mai_cli.models.settings import DEFAULT_SCOPE
from tests.emulator import error, picture, png

RESOURCE = "https://cognitiveservices.azure.com"
OTHER_WAYS = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "MSI_ENDPOINT")


@dataclass
class Identity:
    """The managed identity of an App Service, on loopback; its tokens are numbered."""

    url: str = ""
    lives: float = 3600
    status: int = 200
    asked: list[tuple[dict[str, list[str]], str | None]] = field(default_factory=list)

    def answer(self) -> bytes:
        if self.status != 200:
            return b'{"statusCode":400,"message":"no identity; token-secret"}'
        token = {
            "access_token": f"token-{len(self.asked)}",
            "expires_on": str(int(time.time() + self.lives)),
            "resource": RESOURCE,
            "token_type": "Bearer",
        }
        return json.dumps(token).encode()


@pytest.fixture(autouse=True)
def _only_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHER_WAYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    identity = Identity()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            identity.asked.append((parse_qs(parts.query), self.headers["X-IDENTITY-HEADER"]))
            body = identity.answer()
            self.send_response_only(identity.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        identity.url = f"http://127.0.0.1:{server.server_port}/msi/token"
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("IDENTITY_ENDPOINT", identity.url)
        monkeypatch.setenv("IDENTITY_HEADER", "identity-secret")
        yield identity
        server.shutdown()
        thread.join()


@pytest.fixture
def entra(request: pytest.FixtureRequest) -> Iterator[EntraId]:
    entra = EntraId(DEFAULT_SCOPE)
    yield entra
    entra.close()


@dataclass
class AzureCli:
    """A stand-in for ``az``; its tokens are numbered."""

    folder: Path

    def says(self, *lines: str) -> None:
        script = "\n".join(["#!/bin/sh", f'echo "$@" >> {self.folder}/calls', *lines])
        (self.folder / "az").write_text(script)
        (self.folder / "az").chmod(0o755)

    def gives(self, lives: float) -> None:
        until = int(time.time() + lives)
        token = f'{{"accessToken": "az-token-%s", "expires_on": {until}}}'
        self.says(f"printf '{token}' \"$(wc -l < {self.folder}/calls)\"")

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AzureCli:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return AzureCli(folder)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + seconds)


def no_credential(entra: EntraId) -> AuthError:
    with pytest.raises(AuthError) as caught:
        entra.headers()
    assert caught.value.__suppress_context__
    return caught.value


def test_a_managed_identity_is_asked_for_a_token_for_this_service(identity, entra):
    assert entra.headers() == {"Authorization": "Bearer token-1"}
    ((query, secret),) = identity.asked
    assert query == {"api-version": ["2019-08-01"], "resource": [RESOURCE]}
    assert secret == "identity-secret"


def test_a_token_is_used_until_shortly_before_it_expires(identity, entra, monkeypatch):
    assert [entra.headers()["Authorization"] for _ in range(5)] == ["Bearer token-1"] * 5
    later(monkeypatch, 3600 - 310)
    assert entra.headers() == {"Authorization": "Bearer token-1"}
    assert len(identity.asked) == 1
    later(monkeypatch, 20)
    assert entra.headers() == {"Authorization": "Bearer token-2"}
    assert entra.headers() == {"Authorization": "Bearer token-2"}
    assert len(identity.asked) == 2


def test_a_token_that_was_not_accepted_is_replaced_by_a_fresh_one(identity, entra):
    entra.headers()
    assert entra.renew(entra.headers())
    assert entra.headers() == {"Authorization": "Bearer token-2"}
    assert len(identity.asked) == 2


def in_threads(count: int, work: Callable[[], object]) -> list[object]:
    """What each of so many threads gets, which begin together."""
    together = threading.Barrier(count, timeout=20)

    def run(_: int) -> object:
        together.wait()
        return work()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_several_threads_sign_in_once(identity, entra):
    assert in_threads(8, entra.headers) == [{"Authorization": "Bearer token-1"}] * 8
    assert len(identity.asked) == 1


def test_several_threads_whose_token_was_not_accepted_sign_in_once_more(identity, entra):
    stale = entra.headers()

    def again() -> dict[str, str]:
        assert entra.renew(stale)
        return entra.headers()

    assert in_threads(8, again) == [{"Authorization": "Bearer token-2"}] * 8
    assert len(identity.asked) == 2


def test_a_token_that_was_replaced_meanwhile_does_not_cost_the_fresh_one(identity, entra):
    stale = entra.headers()
    entra.renew(stale)
    fresh = entra.headers()

    assert entra.renew(stale)
    assert entra.headers() == fresh == {"Authorization": "Bearer token-2"}
    assert len(identity.asked) == 2


def test_renewing_before_there_is_a_token_changes_nothing(identity, entra):
    assert entra.renew({"Authorization": "Bearer token-0"})
    assert entra.headers() == {"Authorization": "Bearer token-1"}


def test_an_identity_that_gives_no_token_is_no_credential(identity, entra):
    identity.status = 400
    failure = no_credential(entra)
    assert failure.code == "no_credential"
    assert "az login" in failure.hint
    assert "secret" not in f"{failure.message}{failure.hint}"
    identity.status = 200
    assert entra.headers()["Authorization"].startswith("Bearer token-")


def test_the_azure_cli_is_asked_for_a_token_for_this_service(az, entra):
    az.gives(3600)
    assert entra.headers() == {"Authorization": "Bearer az-token-1"}
    (call,) = az.calls
    assert call == f"account get-access-token --output json --resource {RESOURCE}"


def test_the_azure_cli_is_asked_once_until_shortly_before_the_token_expires(az, entra, monkeypatch):
    az.gives(3600)
    assert [entra.headers()["Authorization"] for _ in range(5)] == ["Bearer az-token-1"] * 5
    later(monkeypatch, 3600 - 290)
    az.gives(3600)
    assert entra.headers() == {"Authorization": "Bearer az-token-2"}
    assert len(az.calls) == 2


def test_the_azure_cli_is_asked_again_after_a_token_was_not_accepted(az, entra):
    az.gives(3600)
    entra.headers()
    assert entra.renew(entra.headers())
    assert entra.headers() == {"Authorization": "Bearer az-token-2"}


FAILURES = {
    "missing": None,
    "signed out": ["echo \"ERROR: Please run 'az login' to setup account.\" >&2", "exit 1"],
    "rejected": ["echo 'ERROR: AADSTS70043: eyJ0-token has expired' >&2", "exit 1"],
    "silent": ["exit 1"],
    "broken": ["exit 127"],
    "not JSON": ["echo 'WARNING: hello eyJ0-token'"],
    "no token": ["echo '{\"expires_on\": 1}'"],
    "no date": ['echo \'{"accessToken": "eyJ0-token"}\''],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_azure_cli_that_gives_no_token_is_no_credential(az, entra, failure):
    if lines := FAILURES[failure]:
        az.says(*lines)
    told = no_credential(entra)
    assert (told.code, told.retry) == ("no_credential", Retry.NEVER)
    assert told.message == "Signing in to Entra ID did not work; tried Azure CLI."
    is_missing = failure in ("missing", "broken")  # 127 is what shells say of a missing program
    first = "Install the Azure CLI and sign in" if is_missing else "Sign in"
    assert told.hint == (
        f"{first} with 'az login', or use a key: mai config set api_key. "
        "With -v, mai says what each way answered."
    )


@pytest.mark.parametrize("failure", ["missing", "rejected"])
def test_the_library_prints_nothing_of_its_own(az, failure):
    if lines := FAILURES[failure]:
        az.says(*lines)
    program = (
        "from mai_cli.adapters.entra_id import EntraId\n"
        "from mai_cli.errors import AuthError\n"
        f"try:\n    EntraId({DEFAULT_SCOPE!r}).headers()\n"
        "except AuthError as error:\n    print(error.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"no_credential\n", b"")


@pytest.mark.parametrize("way", ["nope", "none", "AzureCli"])
def test_a_way_of_signing_in_that_does_not_exist_is_a_setting_to_correct(monkeypatch, way):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", way)
    with pytest.raises((AuthError, ConfigError), match="AZURE_TOKEN_CREDENTIALS"):
        EntraId(DEFAULT_SCOPE).headers()


def test_a_picture_is_drawn_with_a_token(identity, entra, connect, foundry):
    foundry.will(picture(png(1024, 1024)))
    client = connect(foundry.url, entra)
    client.paint()
    headers = foundry.received[0].headers
    assert headers["authorization"] == "Bearer token-1"
    assert "api-key" not in headers
    assert "token-1" not in "".join(client.lines)


def test_a_token_that_the_service_rejects_is_worth_one_more_try(identity, entra, connect, foundry):
    foundry.will(error(401, "401", "bad token-1"), picture(png(1024, 1024)))
    client = connect(foundry.url, entra)
    failure = client.fail()
    assert isinstance(failure, AuthError)
    assert failure.retry is Retry.WITH_FRESH_TOKEN
    assert "token-1" not in failure.message
    client.paint()
    sent = [received.headers["authorization"] for received in foundry.received]
    assert sent == ["Bearer token-1", "Bearer token-2"]


def test_signing_in_beforehand_keeps_the_token_for_the_picture(identity, entra, connect, foundry):
    foundry.will(picture(png(1024, 1024)))
    client = connect(foundry.url, entra)
    client.foundry.sign_in()
    assert foundry.received == []
    client.paint()
    assert len(identity.asked) == 1


def test_without_a_token_nothing_is_sent(az, entra, connect, foundry):
    client = connect(foundry.url, entra)
    with pytest.raises(AuthError, match="did not work"):
        client.foundry.sign_in()
    assert client.fail().code == "no_credential"
    assert foundry.received == []
