import json
import os
import re
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.commands.person import CTRL_C, Person
from tests.conftest import NOWHERE
from tests.emulator import BUSY, KEY, LOST, RESET, Answer, Emulator, error, picture, png

NAMES = [
    "config",
    "endpoint",
    "name",
    "connection",
    "credential",
    "token",
    "deployment",
    "gallery",
    "history",
    "clock",
    "variables",
]
COSTS_NOTHING = (
    "mai-image-26 answers. This cost nothing: it relies on the service declining a picture of "
    "1 pixel before it draws."
)
DECLINED = error(400, "unsupported_request_value", "'width' must be at least 768 pixels.")


@dataclass(frozen=True)
class Found:
    """What ``config check --json`` says, by the name of the check."""

    code: int
    err: str
    checks: dict[str, dict]

    def results(self, result: str) -> list[str]:
        return [name for name, check in self.checks.items() if check["result"] == result]


Doctor = Callable[..., Found]


@pytest.fixture
def doctor(run, env) -> Doctor:
    """Run ``config check --json``; a variable that is ``None`` is not set."""

    def doctor(*args: str, **more: str | None) -> Found:
        changed = {name: text for name, text in (env | more).items() if text is not None}
        result = run(changed, "config", "check", "--json", *args)
        return Found(result.code, result.err, {check["name"]: check for check in result.objects})

    return doctor


@dataclass
class Clock:
    """A service whose clock goes wrong; it declines to draw, and notes how it was called."""

    url: str = ""
    off_seconds: float = 0
    status: int = 405
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            clock.calls.append((self.command, headers))
            self.rfile.read(int(headers.get("content-length", 0)))
            posted = self.command == "POST"
            self.send_response_only(400 if posted else clock.status)
            self.send_header("Date", formatdate(time.time() + clock.off_seconds, usegmt=True))
            self.send_header("Location", "https://evil.example/")
            self.end_headers()
            self.wfile.write(DECLINED.body if posted else b"")

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        clock.url = f"http://127.0.0.1:{server.server_port}"
        yield clock
        server.shutdown()
        thread.join()


def without_seconds(text: str) -> str:
    return re.sub(r" \(\d+\.\d s\)$", "", text, flags=re.MULTILINE)


def test_everything_is_in_order(mai, foundry, home):
    result = mai("config", "check")

    assert (result.code, result.err) == (0, "")
    assert without_seconds(result.out.decode()).splitlines() == [
        "ok       config      no file yet",
        f"ok       endpoint    {foundry.url} (MAI_ENDPOINT)",
        "ok       name        127.0.0.1 is 127.0.0.1",
        "ok       connection  the service answers, without TLS",
        "ok       credential  a key from MAI_API_KEY",
        "skipped  token       not needed with a key",
        f"ok       deployment  {COSTS_NOTHING}",
        f"ok       gallery     {home}/gallery",
        f"ok       history     {home}/history.jsonl",
        "ok       clock       agrees with the service's",
        "ok       variables   none misspelt, none of another tool that is missing here",
    ]


def test_a_check_draws_nothing_and_leaves_nothing_behind(doctor, foundry, home, tmp_path):
    found = doctor()

    (received,) = foundry.received
    assert received.json == {"model": "mai-image-26", "prompt": "probe", "width": 1, "height": 1}
    assert received.headers["api-key"] == KEY
    assert found.code == 0
    assert list(tmp_path.iterdir()) == []


def test_checks_as_json(mai, foundry, home):
    home.mkdir()
    (home / "gallery").touch()
    result = mai("config", "check", "--json", MAI_AUTH="key", MAI_API_KEY="")

    def check(name, result, message="", hint="", exit_code=0):
        return {
            "schema": "mai/check/1",
            "name": name,
            "result": result,
            "message": message,
            "hint": hint,
            "exit_code": exit_code,
        }

    checks = result.objects
    assert all(isinstance(found["seconds"], (int, float)) for found in checks)
    keys = ["schema", "name", "result", "message", "hint", "seconds", "exit_code"]
    assert all(list(found) == keys for found in checks)
    assert (result.code, result.err) == (3, "")
    assert [{key: found[key] for key in found if key != "seconds"} for found in checks] == [
        check("config", "ok", "no file yet"),
        check("endpoint", "ok", f"{foundry.url} (MAI_ENDPOINT)"),
        check("name", "ok", "127.0.0.1 is 127.0.0.1"),
        check("connection", "ok", "the service answers, without TLS"),
        check(
            "credential",
            "failed",
            "The settings ask for an API key, but there is none for this endpoint.",
            "Store one with 'mai config set api_key', or set MAI_API_KEY.",
            4,
        ),
        check("token", "skipped", "needs: credential"),
        check("deployment", "skipped", "needs: token"),
        check(
            "gallery",
            "failed",
            f"The gallery {home}/gallery cannot be written: Not a directory.",
            "Make room, or set MAI_GALLERY to a place that can be written.",
            3,
        ),
        check("history", "ok", f"{home}/history.jsonl"),
        check("clock", "ok", "agrees with the service's"),
        check("variables", "ok", "none misspelt, none of another tool that is missing here"),
    ]
    assert foundry.received == []


def test_without_an_endpoint_it_says_how_to_get_one(doctor, foundry):
    found = doctor(MAI_ENDPOINT=None)

    assert (found.code, found.results("failed")) == (3, ["endpoint"])
    assert "mai config init" in found.checks["endpoint"]["hint"]
    assert found.results("skipped") == ["name", "connection", "token", "deployment", "clock"]
    assert list(found.checks) == NAMES
    assert foundry.received == []


def test_an_address_without_tls_is_for_this_machine_only(doctor):
    found = doctor(MAI_ENDPOINT="http://contoso.services.ai.azure.com")

    assert (found.code, found.results("failed")) == (3, ["config"])
    assert "https://" in found.checks["config"]["message"]
    assert "MAI_ENDPOINT" in found.checks["config"]["hint"]


def test_a_name_that_does_not_exist(doctor):
    found = doctor(MAI_ENDPOINT="https://contoso.invalid", HTTPS_PROXY=None, HTTP_PROXY=None)

    assert (found.code, found.results("failed")) == (6, ["name"])
    assert found.checks["name"]["message"] == "The name contoso.invalid was not found."
    assert found.checks["name"]["hint"] == "Check the endpoint and the network."
    assert found.checks["connection"]["message"] == "needs: name"


def test_a_proxy_that_does_not_answer_is_named(doctor):
    proxy = "http://user:sesame@127.0.0.1:9"
    found = doctor(MAI_ENDPOINT="https://contoso.services.ai.azure.com", HTTPS_PROXY=proxy)

    assert (found.code, found.results("failed")) == (6, ["connection"])
    assert found.checks["name"]["message"] == "left to the proxy 127.0.0.1:9"
    assert "HTTPS_PROXY" in found.checks["connection"]["hint"]
    assert "sesame" not in json.dumps(found.checks)


def test_nobody_listens(doctor):
    found = doctor(MAI_ENDPOINT=NOWHERE)

    assert (found.code, found.results("failed")) == (6, ["connection"])
    assert found.checks["connection"]["message"].startswith("No connection to 127.0.0.1")
    assert found.checks["connection"]["hint"] == "Check the endpoint and network."


def test_certificates_are_checked(doctor, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Emulator(tls=context) as service:
        distrusted = doctor(MAI_ENDPOINT=service.url)
        trusted = doctor(MAI_ENDPOINT=service.url, SSL_CERT_FILE=str(tmp_path / "authority.pem"))
        unreadable = doctor(MAI_ENDPOINT=service.url, SSL_CERT_FILE=str(tmp_path / "none.pem"))

        assert len(service.received) == 1
    assert (distrusted.code, distrusted.results("failed")) == (6, ["connection"])
    assert "certificate of 127.0.0.1 is not trusted" in distrusted.checks["connection"]["message"]
    assert "SSL_CERT_FILE" in distrusted.checks["connection"]["hint"]
    assert trusted.code == 0
    assert trusted.checks["connection"]["message"] == "the service answers, TLSv1.3"
    assert (unreadable.code, unreadable.results("failed")) == (3, ["connection"])


@pytest.mark.parametrize(
    ("answer", "code", "message", "hint"),
    [
        (
            error(401, "401", "Access denied due to invalid subscription key."),
            4,
            "The credential was not accepted",
            "Check that the key or sign-in belongs to this endpoint.",
        ),
        (
            error(403, "403", "The principal lacks the required data action."),
            4,
            "The credential lacks a permission",
            "Cognitive Services User",
        ),
        (
            error(403, "403", "Your resource has been temporarily blocked."),
            6,
            "The service has blocked this resource",
            "Stop sending for now",
        ),
        (
            error(404, "DeploymentNotFound", "The API deployment does not exist."),
            3,
            "There is no such deployment",
            "mai config set deployment NAME",
        ),
        (error(404, "404", "Resource not found"), 3, "no image API", "Check the endpoint"),
        (error(500, "InternalServerError", "Oops."), 6, "could not draw now (500", "again later"),
        (error(503, "x", "Down."), 6, "could not draw now (503", "Try again later."),
        (error(502, "x", "Bad gateway."), 6, "The gateway gave up waiting (502", ""),
        (LOST, 6, "the connection broke", ""),
        (RESET, 6, "the connection broke", ""),
        (Answer(307, headers={"Location": "https://evil.example/x"}), 3, "evil.example", "address"),
    ],
)
def test_each_way_in_which_the_deployment_fails(doctor, foundry, answer, code, message, hint):
    foundry.always(answer)
    found = doctor()

    assert (found.code, found.results("failed")) == (code, ["deployment"])
    check = found.checks["deployment"]
    assert (check["exit_code"], message in check["message"]) == (code, True), check
    assert hint in check["hint"]
    assert len(foundry.received) == 1


def test_no_hint_of_a_check_speaks_of_options_that_it_does_not_have(doctor, foundry):
    foundry.always(LOST)
    lost = doctor().checks["deployment"]
    foundry.always(error(404, "DeploymentNotFound", "no such deployment"))
    missing = doctor().checks["deployment"]

    assert "--retry-lost" not in lost["hint"]
    assert "billed" not in lost["message"]
    assert "--deployment" not in missing["hint"]


def test_a_deployment_whose_quota_is_used_up_answers_all_the_same(doctor, foundry):
    foundry.always(BUSY)
    found = doctor()

    assert (found.code, found.results("warning")) == (0, ["deployment"])
    assert found.checks["deployment"]["message"].startswith("mai-image-26 answers: The quota")
    assert len(foundry.received) == 1


def test_a_picture_where_none_should_be_is_warned_about_and_not_kept(doctor, foundry, tmp_path):
    foundry.always(picture(png(768, 768)))
    found = doctor()

    assert (found.code, found.results("warning")) == (0, ["deployment"])
    assert found.checks["deployment"]["message"] == (
        "mai-image-26 drew a picture where it should have declined one of 1 pixel."
    )
    assert "It may be billed." in found.checks["deployment"]["hint"]
    assert len(foundry.received) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_of_another_kind_is_a_warning(doctor, foundry):
    foundry.always(error(400, "invalid_request", "Invalid parameters: prompt"))
    found = doctor()

    assert (found.code, found.results("warning")) == (0, ["deployment"])


def test_a_deployment_that_nobody_named(doctor, foundry):
    found = doctor(MAI_DEPLOYMENT=None)

    assert (found.code, found.results("failed")) == (3, ["deployment"])
    assert found.checks["deployment"]["message"] == "No deployment is named."
    assert foundry.received == []


def test_what_is_not_known_of_a_model_is_a_warning(doctor):
    unknown = doctor(MAI_DEPLOYMENT="pics")
    retired = doctor(MAI_DEPLOYMENT="mai-image-2")
    named = doctor(MAI_DEPLOYMENT="pics", MAI_MODEL="MAI-Image-2.6")

    assert (unknown.results("warning"), retired.results("warning")) == (["deployment"],) * 2
    assert "is not known" in unknown.checks["deployment"]["hint"]
    assert "MAI-Image-2.5 replaces it" in retired.checks["deployment"]["hint"]
    assert (unknown.code, retired.code, named.results("warning")) == (0, 0, [])


def test_nothing_is_called_offline(doctor, foundry):
    found = doctor(MAI_OFFLINE="1", MAI_ENDPOINT=None, MAI_API_KEY=None)

    assert found.code == 0
    assert found.checks["endpoint"]["message"] == "not called: MAI_OFFLINE says offline"
    skipped = ["endpoint", "name", "connection", "credential", "token", "deployment", "clock"]
    assert found.results("skipped") == skipped
    assert found.results("failed") == found.results("warning") == []
    assert foundry.received == []


@pytest.mark.parametrize("what", ["gallery", "history", "history itself"])
def test_a_place_that_cannot_be_written(doctor, run, env, foundry, tmp_path, what):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    name, _, itself = what.partition(" ")
    place = tmp_path / ("folder" if itself else "file/pics" if name == "gallery" else "file/h")
    variable = {f"MAI_{name.upper()}": str(place)}
    found = doctor(**variable)

    assert run(env | variable, "generate", "x").code == 3
    assert (found.code, found.results("failed")) == (3, [name])
    assert f"set MAI_{name.upper()} to a place that can be written" in found.checks[name]["hint"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_gallery_that_is_read_only(doctor, home):
    (home / "gallery").mkdir(parents=True, mode=0o500)

    assert doctor().results("failed") == ["gallery"]


@pytest.mark.parametrize(
    ("more", "failed", "code"),
    [
        ({"MAI_ENDPOINT": NOWHERE, "MAI_AUTH": "key", "MAI_API_KEY": ""}, "connection", 4),
        ({"MAI_ENDPOINT": NOWHERE, "MAI_GALLERY": "/dev/null"}, "connection", 3),
        ({"MAI_API_KEY": "", "MAI_GALLERY": "/dev/null"}, "token", 3),
        ({"MAI_API_KEY": ""}, "token", 4),
    ],
)
def test_the_exit_code_is_that_of_what_comes_first_to_do(doctor, more, failed, code):
    found = doctor(**more)

    assert failed in found.results("failed")
    codes = {check["exit_code"] for check in found.checks.values()} - {0}
    assert (found.code, min(codes)) == (code, code)


def test_a_config_file_that_cannot_be_read(doctor, home, foundry):
    home.mkdir()
    (home / "config.toml").write_text('size = "16:9"\nsise = 1\n')
    found = doctor()

    assert (found.code, found.results("failed")) == (3, ["config"])
    message = f"{home}/config.toml, line 2: there is no setting 'sise'."
    assert found.checks["config"]["message"] == message
    assert found.checks["config"]["hint"] == "Did you mean 'size'?"
    assert list(found.checks) == NAMES
    assert foundry.received == []


def test_files_and_profile_are_named(doctor, home, tmp_path):
    home.mkdir()
    (home / "config.toml").write_text("[profiles.work]\n")
    (tmp_path / ".mai.toml").write_text("timeout = 60\n")
    found = doctor("-p", "work")

    files = f"{tmp_path}/.mai.toml, {home}/config.toml"
    assert found.checks["config"]["message"] == f"{files}, profile work"


def test_keys_that_others_can_read_are_warned_about(doctor, run, env, home):
    run(env, "config", "set", "api_key", "-", stdin=KEY.encode())
    (home / "credentials.toml").chmod(0o640)
    found = doctor(MAI_API_KEY=None)

    assert (found.code, found.results("warning")) == (0, ["credential"])
    check = found.checks["credential"]
    assert check["message"] == (
        f"a key from {home}/credentials.toml, which others on this machine can read"
    )
    assert check["hint"] == f"Run: chmod 600 {home}/credentials.toml"


def test_the_command_that_is_advised_can_be_pasted(doctor, run, env, tmp_path):
    home = tmp_path / "Application Support"
    run(env | {"MAI_HOME": str(home)}, "config", "set", "api_key", "-", stdin=KEY.encode())
    (home / "credentials.toml").chmod(0o644)
    hint = doctor(MAI_HOME=str(home), MAI_API_KEY=None).checks["credential"]["hint"]
    subprocess.run(hint.removeprefix("Run: "), shell=True, check=False)

    assert stat.S_IMODE((home / "credentials.toml").stat().st_mode) == 0o600


def test_ctrl_c_ends_a_check(env, foundry, tmp_path):
    foundry.latency = 20
    with Person(env | {"TERM": "xterm"}, tmp_path, "config", "check") as person:
        person.is_asked("a key from MAI_API_KEY")
        person.is_asked("Checking")
        person.presses(CTRL_C)
        assert person.leaves() == 130

    assert "Traceback" not in person.seen


def test_a_service_is_called_without_a_credential_before_it_is_trusted_with_one(doctor, clock):
    found = doctor(MAI_ENDPOINT=clock.url)

    assert found.code == 0
    assert [method for method, _ in clock.calls] == ["GET", "POST"]
    (_, first), (_, second) = clock.calls
    assert "api-key" not in first
    assert "authorization" not in first
    assert second["api-key"] == KEY


def test_a_service_that_redirects_gets_no_credential(doctor, clock):
    clock.status = 302
    found = doctor(MAI_ENDPOINT=clock.url)

    assert (found.code, found.results("failed")) == (3, ["connection"])
    assert "redirects to evil.example" in found.checks["connection"]["message"]
    assert [method for method, _ in clock.calls] == ["GET"]


@pytest.mark.parametrize(
    ("off_seconds", "message"),
    [
        (-3600, "this machine's is 60 minutes fast"),
        (3600, "this machine's is 60 minutes slow"),
        (30, "agrees with the service's"),
    ],
)
def test_a_clock_that_is_off(doctor, clock, off_seconds, message):
    clock.off_seconds = off_seconds
    found = doctor(MAI_ENDPOINT=clock.url)

    assert found.checks["clock"]["message"] == message
    is_off = abs(off_seconds) > 300
    assert (found.code, found.results("warning")) == (0, ["clock"] if is_off else [])


def test_variables_of_other_tools_are_named_and_never_used(doctor, foundry):
    others = {
        "AZURE_OPENAI_ENDPOINT": foundry.url,
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_MAI_IMAGE_DEPLOYMENT": "mai-image-26",
        "MAI_KEY": "another-key",
    }
    found = doctor(MAI_ENDPOINT=None, MAI_API_KEY=None, MAI_DEPLOYMENT=None, **others)

    check = found.checks["variables"]
    assert check["result"] == "warning"
    assert check["message"] == (
        "AZURE_OPENAI_ENDPOINT is another tool's, and not used; "
        "MAI_KEY is another tool's, and not used; "
        "AZURE_MAI_IMAGE_DEPLOYMENT is another tool's, and not used"
    )
    assert check["hint"] == (
        'If it is meant for mai: export MAI_ENDPOINT="$AZURE_OPENAI_ENDPOINT"; '
        'export MAI_API_KEY="$MAI_KEY"; export MAI_DEPLOYMENT="$AZURE_MAI_IMAGE_DEPLOYMENT"'
    )
    assert KEY not in json.dumps(found.checks)
    assert "another-key" not in json.dumps(found.checks)
    assert (found.code, foundry.received) == (3, [])


def test_variables_of_other_tools_do_not_matter_where_nothing_is_missing(doctor):
    found = doctor(AZURE_OPENAI_ENDPOINT="https://other.openai.azure.com", FOUNDRY_API_KEY="x")

    assert found.checks["variables"]["result"] == "ok"


def test_misspelt_variables_are_named(doctor):
    found = doctor(MAI_APIKEY=KEY, MAI_DEPLOYEMENT="x", MAI_ZZZ="1")

    check = found.checks["variables"]
    assert (found.code, check["result"]) == (0, "warning")
    assert sorted(check["message"].split("; ")) == [
        "MAI_APIKEY is none of mai's (did you mean MAI_API_KEY?)",
        "MAI_DEPLOYEMENT is none of mai's (did you mean MAI_DEPLOYMENT?)",
        "MAI_ZZZ is none of mai's",
    ]
    assert KEY not in json.dumps(found.checks)


def test_verbose_says_each_request_but_never_the_key(doctor, foundry):
    found = doctor("-v")

    url = f"{foundry.url}/mai/v1/images/generations"
    get, post = found.err.splitlines()
    assert get == f"GET {url}: 501"
    assert post.startswith(f"POST {url}: 400 in ")
    assert KEY not in found.err


def test_a_profile_is_checked(doctor, home, foundry):
    home.mkdir()
    (home / "config.toml").write_text('[profiles.work]\ndeployment = "mai-image-27"\n')
    found = doctor("-p", "work", MAI_DEPLOYMENT=None)

    assert found.code == 0
    assert foundry.received[0].json["model"] == "mai-image-27"


@pytest.fixture
def history_bytes(home: Path) -> bytes:
    home.mkdir()
    (home / "history.jsonl").write_bytes(b'{"schema":"mai/record/1","id":"0123456789ab"}\n')
    return (home / "history.jsonl").read_bytes()


def test_a_history_is_left_as_it_is(doctor, home, history_bytes):
    assert doctor().code == 0

    assert (home / "history.jsonl").read_bytes() == history_bytes
    assert list(home.iterdir()) == [home / "history.jsonl"]
