import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from mai_cli.adapters.entra_id import EntraId
from mai_cli.adapters.trust import trusted_by_requests
from mai_cli.errors import AuthError, ConfigError, MaiError, UnavailableError
from tests.adapters.servers import Proxy
from tests.adapters.sign_in import SCOPE, SignIn
from tests.emulator import error, picture, png

ASSERTION = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmNvbnRvc28ifQ.c2lnbmF0dXJl"
SECRET = "open-sesame~0"


@pytest.fixture(autouse=True)
def _nothing_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")) or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")


class Signed:
    """An identity, and what it told the log."""

    def __init__(self, **rest: object) -> None:
        self.lines: list[str] = []
        self.entra = EntraId(
            rest.pop("scope", SCOPE),
            log=self.lines.append,
            verify=trusted_by_requests(os.environ) if _names_others() else True,
            **rest,
        )

    def token(self) -> str:
        (header,) = self.entra.headers().items()
        name, value = header
        assert name == "Authorization"
        assert value.startswith("Bearer ")
        return value.removeprefix("Bearer ")

    def fail(self) -> MaiError:
        with pytest.raises(MaiError) as caught:
            self.entra.headers()
        assert caught.value.__suppress_context__
        return caught.value

    def told(self, failure: MaiError) -> str:
        return "\n".join([failure.message, failure.hint, *self.lines])


def _names_others() -> bool:
    """Whether the system's store is not asked; it would be from here on, in every test."""
    return any(name in os.environ for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))


@pytest.fixture
def sign() -> Iterator[Callable[..., Signed]]:
    """Make an identity."""
    made: list[Signed] = []

    def sign(**rest: object) -> Signed:
        made.append(Signed(**rest))
        return made[-1]

    yield sign
    for signed in made:
        signed.entra.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SignIn]:
    with SignIn(trustme.CA()) as service:
        yield service


@pytest.fixture
def workload(service: SignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    """What GitHub Actions and Kubernetes set up: a token of their own, in a file."""
    (tmp_path / "federated token").write_text(ASSERTION)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", service.url)
    monkeypatch.setenv("AZURE_TENANT_ID", "contoso-tenant")
    monkeypatch.setenv("AZURE_CLIENT_ID", "contoso-client")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated token"))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential")
    monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate(tmp_path)))
    return service


@pytest.fixture
def principal(service, serve, tmp_path, monkeypatch) -> SignIn:
    """A service principal with a secret; the sign-in service is reached through a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(Proxy('200 OK', service.port))}")
    monkeypatch.setenv("AZURE_TENANT_ID", "contoso-tenant")
    monkeypatch.setenv("AZURE_CLIENT_ID", "contoso-client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate(tmp_path)))
    return service


Says = Callable[..., None]


@pytest.fixture
def program(tmp_path: Path) -> Says:
    """Put a program on the path: what it says, on which stream, and how it ends."""

    def program(name: str, *lines: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text("\n".join(["#!/bin/sh", *lines]))
        path.chmod(0o755)

    return program


@pytest.fixture
def az(program: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """A stand-in for the Azure CLI, which is the only way."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    return lambda *lines: program("az", f'echo "$@" >> "{tmp_path}/calls"', *lines)


def gives(token: str, lives: float = 3600) -> str:
    return f"""echo '{{"accessToken": "{token}", "expires_on": {int(time.time() + lives)}}}'"""


def fails(text: str, status: int = 1) -> str:
    quoted = text.replace("'", "'\\''")
    return f"printf '%s\\n' '{quoted}' >&2; exit {status}"


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + seconds)


def test_a_workload_trades_its_own_token_for_one_of_entra_id(workload, sign):
    signed = sign()
    assert signed.token() == "token-1"
    assert workload.paths == ["/contoso-tenant/oauth2/v2.0/token"]
    assert workload.forms == [
        {
            "client_assertion": ASSERTION,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_id": "contoso-client",
            "grant_type": "client_credentials",
            "scope": SCOPE,
        }
    ]
    assert signed.entra.source == "Entra ID, by workload identity"


def test_a_picture_is_drawn_with_the_token_of_a_workload(workload, sign, connect, foundry):
    foundry.will(picture(png(1024, 1024)))
    client = connect(foundry.url, sign().entra)
    client.paint()
    assert foundry.received[0].headers["authorization"] == "Bearer token-1"
    assert "token-1" not in "".join(client.lines)


def test_a_token_that_was_not_accepted_is_traded_anew(workload, sign, connect, foundry):
    foundry.will(error(401, "401", "not today"), picture(png(1024, 1024)))
    client = connect(foundry.url, sign().entra)
    assert client.fail().code == "bad_credential"
    client.paint()
    sent = [received.headers["authorization"] for received in foundry.received]
    assert sent == ["Bearer token-1", "Bearer token-2"]


def test_a_workload_asks_for_the_scope_that_is_set(workload, sign):
    sign(scope="https://ai.azure.com/.default").token()
    assert workload.forms[0]["scope"] == "https://ai.azure.com/.default"


def test_requests_ca_bundle_says_whom_to_trust_at_sign_in_too(
    workload, sign, tmp_path, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(workload.certificate(tmp_path)))
    assert sign().token() == "token-1"


@pytest.mark.slow  # azure-identity tries again for seconds
def test_a_sign_in_service_that_nobody_vouches_for_is_given_nothing(workload, sign, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    signed = sign()
    failure = signed.fail()
    assert isinstance(failure, UnavailableError)
    assert failure.code == "bad_certificate"
    assert failure.message == (
        "The certificate of the sign-in service is not trusted, by workload identity."
    )
    assert "SSL_CERT_FILE" in failure.hint
    assert any("certificate verify failed" in line for line in signed.lines)
    assert workload.forms == []


@pytest.mark.slow  # azure-identity tries again for seconds
def test_a_sign_in_service_that_is_not_there_is_no_lack_of_a_credential(
    workload, sign, monkeypatch
):
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:9")
    failure = sign().fail()
    assert isinstance(failure, UnavailableError)
    assert failure.code == "no_connection"
    assert "az login" not in failure.hint


def test_a_refusal_of_the_sign_in_service_shows_neither_token(workload, sign):
    workload.says = f"AADSTS700213: no match for {ASSERTION} of contoso"
    signed = sign()
    failure = signed.fail()
    assert isinstance(failure, AuthError)
    assert failure.message == "Signing in to Entra ID did not work; tried workload identity."
    (line,) = signed.lines
    assert "AADSTS700213: no match for *** of contoso" in line


def test_a_workload_without_its_file_is_no_credential(workload, sign, tmp_path):
    (tmp_path / "federated token").unlink()
    failure = sign().fail()
    assert failure.code == "no_credential"
    assert workload.forms == []


def test_a_service_principal_signs_in_with_its_secret_through_a_proxy(principal, sign):
    signed = sign()
    assert signed.token() == "token-1"
    (form,) = principal.forms
    assert (form["client_id"], form["client_secret"]) == ("contoso-client", SECRET)
    assert SCOPE in form["scope"].split()
    assert signed.entra.source == "Entra ID, by AZURE_ variables"
    assert SECRET not in "".join(signed.lines)


def test_a_secret_that_the_sign_in_service_repeats_is_not_shown(principal, sign):
    principal.says = f"AADSTS7000215: Invalid client secret provided: {SECRET}"
    signed = sign(secrets=[SECRET])
    failure = signed.fail()
    assert failure.message == "Signing in to Entra ID did not work; tried AZURE_ variables."
    assert "Invalid client secret provided: ***" in signed.lines[0]
    assert SECRET not in signed.told(failure)


class Machine(BaseHTTPRequestHandler):
    """The identity of a virtual machine, which has none."""

    def do_GET(self) -> None:
        self.send_response_only(400)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error":"invalid_request","error_description":"Identity not found"}')


class AppService(BaseHTTPRequestHandler):
    """The identity of an app; its token repeats what was asked for."""

    def do_GET(self) -> None:
        (resource,) = parse_qs(urlsplit(self.path).query)["resource"]
        secret = self.headers["X-IDENTITY-HEADER"]
        token = {"access_token": f"{secret} {resource}", "expires_on": str(int(time.time()) + 3600)}
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(token | {"token_type": "Bearer"}).encode())


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with serving(Machine) as url:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        yield


def test_the_identity_of_an_app_is_asked_for_the_resource_of_the_scope(sign, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_HEADER", SECRET)
    with serving(AppService) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
        signed = sign(scope="https://ai.azure.com/.default")
        assert signed.token() == f"{SECRET} https://ai.azure.com"
    assert signed.entra.source == "Entra ID, by managed identity"
    assert SECRET not in "".join(signed.lines)


ALL_WAYS = [
    "AZURE_ variables",
    "workload identity",
    "managed identity",
    "Azure CLI",
    "Azure PowerShell",
    "Azure Developer CLI",
]


def test_every_way_that_was_tried_is_named_in_order(machine, sign):
    signed = sign()
    failure = signed.fail()
    assert isinstance(failure, AuthError)
    assert failure.message == f"Signing in to Entra ID did not work; tried {', '.join(ALL_WAYS)}."
    assert failure.hint.startswith("Install the Azure CLI and sign in with 'az login'")
    assert [line.split(": ")[0] for line in signed.lines] == [
        f"Entra ID, {way}" for way in ALL_WAYS
    ]
    assert "Identity not found" in signed.lines[2]
    assert "not found on path" in signed.lines[3]


def test_the_ways_of_a_developer_are_tried_without_those_of_a_server(sign, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    assert (
        sign().fail().message.endswith("; tried Azure CLI, Azure PowerShell, Azure Developer CLI.")
    )


def test_the_ways_of_a_server_are_tried_without_those_of_a_developer(machine, sign, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    failure = sign().fail()
    assert failure.message.endswith(
        "; tried AZURE_ variables, workload identity, managed identity."
    )


def test_a_way_that_works_ends_the_search(machine, sign, program):
    program("az", gives("az-token"))
    program("azd", fails("must not be asked"))
    signed = sign()
    assert signed.token() == "az-token"
    assert signed.entra.source == "Entra ID, by Azure CLI"
    assert signed.lines == ["A token from Entra ID, by Azure CLI"]


def test_an_azure_cli_that_is_signed_out_is_not_installed_again(az, sign):
    az(fails("ERROR: Please run 'az login' to setup account."))
    assert sign().fail().hint.startswith("Sign in with 'az login'")


def test_before_there_is_a_token_no_way_is_named(az, sign):
    signed = sign()
    assert signed.entra.source == "Entra ID"
    assert signed.entra.is_token


def test_the_azure_cli_is_asked_for_the_resource_of_the_scope(az, sign, tmp_path):
    az(gives("az-token"))
    sign(scope="https://ai.azure.com/.default").token()
    call = (tmp_path / "calls").read_text()
    assert call == "account get-access-token --output json --resource https://ai.azure.com\n"


def test_an_azure_cli_that_hangs_is_given_up(az, sign, tmp_path):
    az(f'echo $$ > "{tmp_path}/pid"', "exec /bin/sleep 60")
    failure = sign(patience_seconds=0.5).fail()
    assert isinstance(failure, AuthError)
    assert failure.message == "Signing in to Entra ID gave no answer within 0.5 s."
    assert "AZURE_TOKEN_CREDENTIALS" in failure.hint
    os.kill(int((tmp_path / "pid").read_text()), 9)


LEAKS = {
    "a token on stderr": [fails(f"ERROR: AADSTS700082: {ASSERTION} has expired")],
    "a token in a header": [fails(f"ERROR: Authorization:Bearer {ASSERTION}")],
    "a token in JSON": [fails(f'{{"refresh_token":"{ASSERTION}"}}')],
    "a token on stdout": [f"echo '{ASSERTION}'"],
    "an answer without a date": [f"""echo '{{"accessToken":"{ASSERTION}"}}'"""],
    "an answer that is torn": [f"""printf '{{"accessToken": "{ASSERTION}'"""],
    "a secret": [fails(f"ERROR: {SECRET} is wrong")],
    "both in one word": [fails(f"ERROR: {SECRET}={ASSERTION}")],
    "far behind": [fails(f"ERROR: {'x' * 280} {ASSERTION}")],
    "lines": [fails(f"ERROR: one\n{ASSERTION}\n\tof two: {SECRET}")],
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_the_azure_cli_says_shows_no_token_and_no_secret(az, sign, leak):
    az(*LEAKS[leak])
    signed = sign(secrets=["", SECRET])
    told = signed.told(signed.fail())
    assert signed.lines
    assert SECRET not in told
    assert "eyJ" not in told


def test_what_is_no_secret_is_logged_as_it_was_said(az, sign):
    az(fails(f"ERROR:  {SECRET}\tis wrong"))
    signed = sign(secrets=["", SECRET])
    signed.fail()
    assert signed.lines == ["Entra ID, Azure CLI: ERROR: *** is wrong"]


HIDDEN = {
    "a token in a URL": fails(f"ERROR: https://localhost/?t=Bearer%20{ASSERTION}"),
    "a token in a form": fails(f"ERROR: client_assertion%3D{ASSERTION}"),
    "a token like a way": fails("ERROR: one\n\teyJhbGciOiJSUzI1NiJ9: two"),
    "one secret in another": fails(f"ERROR: {SECRET}-and-more"),
}


@pytest.mark.parametrize("leak", HIDDEN)
def test_what_the_azure_cli_says_shows_no_token_that_is_hidden_well(az, sign, leak):
    az(HIDDEN[leak])
    signed = sign(secrets=[SECRET, f"{SECRET}-and-more"])
    told = signed.told(signed.fail())
    assert "eyJ" not in told
    assert "and-more" not in told


def test_what_a_program_says_is_not_taken_for_another_way(az, sign):
    az(fails("ERROR: Traceback\n\tValueError: no"))
    assert sign().fail().message == "Signing in to Entra ID did not work; tried Azure CLI."


def test_all_lines_that_a_way_said_are_logged(az, sign):
    az(fails("WARNING: this version is old\nERROR: AADSTS50076: use multi-factor"))
    signed = sign()
    signed.fail()
    assert "AADSTS50076" in "".join(signed.lines)


def test_a_word_of_many_lines_is_logged_as_one_short_line(az, sign):
    az(fails(f"ERROR: {'word ' * 500}"))
    signed = sign()
    signed.fail()
    (line,) = signed.lines
    assert "\n" not in line
    assert len(line) < 400


def test_a_token_is_asked_for_again_before_it_expires(workload, sign, monkeypatch):
    signed = sign()
    assert [signed.token() for _ in range(3)] == ["token-1"] * 3
    later(monkeypatch, 3600 - 310)
    assert signed.token() == "token-1"
    later(monkeypatch, 20)
    assert [signed.token() for _ in range(3)] == ["token-2"] * 3
    assert len(workload.forms) == 2


REFRESHES = {
    "refused": fails("ERROR: AADSTS70043: the session is over"),
    "signed out": fails("ERROR: Please run 'az login' to setup account."),
    "gone": "exit 127",
    "silent": "exec /bin/sleep 60",
    "not JSON": "echo hello",
    "no date": """echo '{"accessToken": "another"}'""",
}


@pytest.mark.parametrize("refresh", REFRESHES)
def test_a_token_that_still_holds_is_kept_when_there_is_no_other(az, sign, monkeypatch, refresh):
    az(gives("old", lives=100))
    signed = sign(patience_seconds=0.5)
    assert signed.token() == "old"
    az(REFRESHES[refresh])
    assert signed.token() == "old"
    az(gives("new"))
    assert signed.token() == "old"
    later(monkeypatch, 31)
    assert signed.token() == "new"


@pytest.mark.parametrize("refresh", ["refused", "signed out"])
def test_a_token_that_no_longer_holds_is_not_used(az, sign, monkeypatch, refresh):
    az(gives("old", lives=100))
    signed = sign()
    signed.token()
    az(REFRESHES[refresh])
    later(monkeypatch, 100)
    assert signed.fail().code == "no_credential"
    assert signed.lines[-1].startswith("Entra ID, ")


STRANGE = {
    "an answer of another kind": "echo '[]'",
    "a date that is none": """echo '{"accessToken": "new", "expires_on": null}'""",
}


@pytest.mark.parametrize("answer", STRANGE)
def test_a_refresh_that_fails_unforeseen_keeps_the_token_too(az, sign, answer):
    az(gives("old", lives=100))
    signed = sign()
    signed.token()
    az(STRANGE[answer])
    assert signed.token() == "old"


def test_a_workload_whose_file_is_gone_later_is_no_credential(
    workload, sign, tmp_path, monkeypatch
):
    signed = sign()
    signed.token()
    (tmp_path / "federated token").unlink()
    later(monkeypatch, 3600)
    assert signed.fail().code == "no_credential"


def test_a_token_for_a_moment_is_renewed_each_time(az, sign, tmp_path):
    az(gives("brief", lives=1))
    signed = sign()
    assert [signed.token() for _ in range(3)] == ["brief"] * 3
    assert len((tmp_path / "calls").read_text().splitlines()) == 3


def test_renewing_finds_the_way_anew(machine, workload, sign, az, monkeypatch):
    monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS")
    signed = sign()
    assert signed.token() == "token-1"
    workload.says = "AADSTS500011: no longer"
    assert signed.entra.renew({"Authorization": "Bearer token-1"})
    assert signed.entra.source == "Entra ID"
    assert signed.fail().code == "no_credential"


@pytest.mark.parametrize(
    "way", ["nope", "none", "AzureCli", "prod,dev", "VisualStudioCodeCredential"]
)
def test_a_way_that_does_not_exist_is_a_setting_to_correct(monkeypatch, way):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", way)
    with pytest.raises(ConfigError, match="AZURE_TOKEN_CREDENTIALS"):
        EntraId(SCOPE)


def test_a_tenant_that_cannot_be_is_a_setting_to_correct(principal, sign, monkeypatch):
    monkeypatch.setenv("AZURE_TENANT_ID", "contoso tenant")
    with pytest.raises(ConfigError, match="AZURE_"):
        sign()
    assert principal.paths == []


SIGNING_IN = """\
import os
from mai_cli.adapters.entra_id import EntraId
from mai_cli.adapters.trust import trusted_by_requests
from mai_cli.errors import MaiError
identity = EntraId({scope!r}, verify=trusted_by_requests(os.environ), patience_seconds={patience})
try:
    print(identity.headers()["Authorization"])
except MaiError as error:
    print(error.code)
"""


def in_another_process(environ: Mapping[str, str], patience: float = 30) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SIGNING_IN.format(scope=SCOPE, patience=patience)],
        env=dict(environ),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def test_a_workload_signs_in_without_a_word_on_stderr(workload):
    assert in_another_process(os.environ) == ("Bearer token-1\n", "")


def test_a_refused_workload_leaves_no_word_on_stderr(workload):
    workload.says = "AADSTS700213: no match"
    assert in_another_process(os.environ) == ("no_credential\n", "")


def test_a_refused_service_principal_leaves_no_word_on_stderr(principal):
    principal.says = "AADSTS7000215: Invalid client secret provided"
    assert in_another_process(os.environ) == ("no_credential\n", "")


def test_a_search_without_result_leaves_no_word_on_stderr(machine):
    assert in_another_process(os.environ) == ("no_credential\n", "")


def test_a_process_does_not_wait_for_an_azure_cli_that_hangs(az, tmp_path):
    az(f'echo $$ > "{tmp_path}/pid"', "exec /bin/sleep 60")
    assert in_another_process(os.environ, patience=0.5) == ("no_credential\n", "")
    os.kill(int((tmp_path / "pid").read_text()), 9)  # it was not waited for


def test_the_log_of_the_library_reaches_no_handler_of_the_root(az, sign, caplog):
    az(fails(f"ERROR: {ASSERTION}"))
    sign().fail()
    handlers = logging.getLogger("azure").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
