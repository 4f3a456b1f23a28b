"""``mai emulator``: the real command on a real port, asked by ``mai``, by curl and by httpx."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import MAI
from tests.pictures import encoded, smooth

ASK = {"model": "mai-image-26", "prompt": "a lighthouse", "width": 768, "height": 768}


class Served:
    """A running ``mai emulator``; ``env`` is what it prints."""

    def __init__(self, env: dict[str, str], folder: Path, args: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [*MAI, "emulator", "--port", "0", *args],
            env=env,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = [self.process.stdout.readline() for _ in range(3)]
        pairs = [re.fullmatch(r"export (\w+)=(\S+)\n", line).groups() for line in self.said]
        self.env = dict(pairs)
        self.url = self.env["MAI_ENDPOINT"]

    def ask(self, path: str = "/mai/v1/images/generations", **more: object) -> httpx.Response:
        given = {"headers": {"api-key": "k"}, "json": ASK, "timeout": 20, **more}
        return httpx.post(f"{self.url}{path}", **given)

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Its exit code and what it told."""
        self.process.send_signal(number)
        _, told = self.process.communicate(timeout=10)
        return self.process.returncode, told


@pytest.fixture
def emulator(bare, tmp_path) -> Iterator[Callable[..., Served]]:
    """Start one with these options."""
    running: list[Served] = []

    def emulator(*args: str) -> Served:
        running.append(Served(bare, tmp_path, args))
        return running[-1]

    yield emulator
    for served in running:
        served.process.kill()
        served.process.communicate()


def code_of(answer: httpx.Response) -> str:
    return answer.json()["error"]["code"]


def test_what_it_prints_is_all_that_a_picture_needs(emulator, run, bare, history):
    served = emulator()
    made = run(bare | served.env, "generate", "a lighthouse", "-s", "1152x768", "-o", "a.png")

    assert (made.code, made.lines[0][-6:]) == (0, "/a.png")
    (record,) = history().values()
    assert (record["status"], record["offline"]) == ("ok", False)
    assert (record["master"]["width"], record["master"]["height"]) == (1152, 768)
    code, told = served.end()
    assert code == 0
    assert re.search(r"^200  POST /mai/v1/images/generations  \d\.\d s$", told, re.MULTILINE)


def test_the_doctor_finds_nothing_wrong_and_pays_nothing(emulator, run, bare, history):
    checked = run(bare | emulator().env, "config", "check", "--json")
    assert checked.code == 0
    assert {line["result"] for line in checked.objects} <= {"ok", "warning", "skipped"}
    assert history() == {}


def test_a_batch_keeps_to_what_it_is_told(emulator, run, bare, tmp_path):
    served = emulator("--fail", "429:30%", "--fail", "filter:fox", "--seed", "5")
    assets = [{"prompt": f"a {word}", "output": f"{word}.png"} for word in ("hen", "fox", "ox")]
    (tmp_path / "assets.json").write_text(json.dumps({"assets": assets}))
    done = run(bare | served.env, "batch", "assets.json", "--json")

    assert done.code == 11
    counts = done.objects[-1]["counts"]
    assert (counts["made"], counts["refused"]) == (2, 1)


def test_an_edit_is_drawn(emulator, run, bare, tmp_path, history):
    (tmp_path / "in.png").write_bytes(encoded(smooth(900, 900)))
    made = run(bare | emulator().env, "generate", "make it night", "-i", "in.png")
    assert made.code == 0, made.err
    (record,) = history().values()
    assert record["usage"]["input_image_tokens"] == 1024


def test_an_answer_is_that_of_the_service(emulator):
    served = emulator()
    before = time.time()
    answer = served.ask()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["apim-request-id"])
    assert answer.headers["apim-request-id"] == answer.headers["x-ms-request-id"]
    body = answer.json()
    assert body.keys() == {"created", "model", "size", "usage", "data"}
    assert body["created"] >= int(before)
    assert (body["model"], body["size"]) == ("mai-image-26", "768x768")
    assert base64.b64decode(body["data"][0]["b64_json"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("POST", "/mai/v1/images/generations", {"headers": {}}, 401, "401"),
        ("POST", "/openai/v1/images/generations", {}, 404, "404"),
        ("GET", "/mai/v1/images/generations", {}, 404, "404"),
        ("POST", "/mai/v1/images/generations", {"json": ASK | {"seed": 1}}, 400, "invalid_request"),
        ("POST", "/mai/v1/images/generations", {"json": ASK | {"width": 1}}, 400, None),
        ("POST", "/mai/v1/images/edits", {}, 400, "invalid_request"),
    ],
)
def test_it_is_strict(emulator, method, path, more, status, code):
    given = {"headers": {"api-key": "k"}, "json": ASK, **more}
    answer = httpx.request(method, emulator().url + path, **given)
    assert answer.status_code == status
    assert code_of(answer) == (code or "unsupported_request_value")


def test_a_query_a_token_and_a_side_that_is_rounded_down(emulator):
    answer = emulator().ask(
        "/mai/v1/images/generations?api-version=preview",
        headers={"authorization": "Bearer a.b.c"},
        json=ASK | {"width": 799},
    )
    assert answer.json()["size"] == "784x768"


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_samples_for_curl_work(emulator, tmp_path):
    served = emulator()
    (tmp_path / "in.png").write_bytes(encoded(smooth(1600, 1600)))  # curl asks before it sends it
    asked = (
        ["generations", "-H", "Content-Type: application/json", "-d", json.dumps(ASK)],
        ["edits", "-F", "model=m", "-F", "prompt=night", "-F", "image=@in.png;type=image/png"],
    )
    for kind, *rest in asked:
        command = ["curl", "-sS", "-X", "POST", f"{served.url}/mai/v1/images/{kind}"]
        done = subprocess.run(
            [*command, "-H", "api-key: k", *rest],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            check=True,
            timeout=30,
        )
        assert json.loads(done.stdout)["data"][0]["b64_json"].startswith("iVBORw0KGgo")


def test_the_quota_is_that_of_a_minute(emulator):
    served = emulator("--rpm", "2")
    answers = [served.ask() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert code_of(answers[2]) == "RateLimitReached"
    assert 50 <= int(answers[2].headers["retry-after"]) <= 60
    assert served.ask(json=ASK | {"width": 1}).status_code == 400  # costs nothing of it


def test_the_latency_is_that_of_each_picture_and_many_wait_at_once(emulator):
    served = emulator("--latency", "0.6")
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.ask().status_code, range(8)))
    assert answers == [200] * 8
    assert 0.6 <= time.monotonic() - started < 4.8


STATUSES = [("401", 401), ("404", 404), ("408", 408), ("429", 429), ("499", 499)]


@pytest.mark.parametrize(
    ("fault", "status"),
    [*STATUSES, ("500", 500), ("502", 502), ("503", 503), ("504", 504), ("blocked", 403)],
)
def test_a_status_is_answered_and_the_next_request_is_served(emulator, fault, status):
    served = emulator("--fail", f"{fault}:1")
    with httpx.Client(base_url=served.url, headers={"api-key": "k"}) as client:
        path = "/mai/v1/images/generations"
        answers = [client.post(path, json=ASK).status_code for _ in range(2)]
    assert answers == [status, 200]
    _, told = served.end()
    assert re.search(rf"^{status}  POST \S+  \d\.\d s  {fault}$", told, re.MULTILINE)


@pytest.mark.parametrize("fault", ["lost", "reset", "torn"])
def test_a_connection_breaks_and_the_next_request_is_served(emulator, fault):
    served = emulator("--fail", f"{fault}:1")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        served.ask()
    assert served.ask().status_code == 200
    _, told = served.end()
    assert re.search(rf"^---  POST \S+  \d\.\d s  {fault}$", told, re.MULTILINE)


def test_an_answer_may_never_come(emulator):
    served = emulator("--fail", "hang")
    with pytest.raises(httpx.ReadTimeout):
        served.ask(timeout=0.5)
    assert served.end()[0] == 0


@pytest.mark.parametrize(
    ("fault", "body"),
    [("no-json", b"{'data': nothing"), ("no-picture", b'{"data": []}'), ("no-png", b"R0lGODlh")],
)
def test_a_picture_may_be_none(emulator, run, bare, fault, body):
    served = emulator("--fail", fault)
    answer = served.ask()
    assert answer.status_code == 200
    assert body in answer.content
    assert run(bare | served.env, "generate", "x").code == 8


def test_the_first_fault_that_fits_holds(emulator):
    served = emulator("--fail", "503:fox", "--fail", "500", "--fail", "429:fox")
    assert served.ask(json=ASK | {"prompt": "a FOX"}).status_code == 503
    assert served.ask().status_code == 500


def test_a_body_that_cannot_be_read_is_declined(emulator):
    served = emulator()
    chunked = served.ask(json=None, content=iter([b"{}"]))
    assert (chunked.status_code, code_of(chunked)) == (411, "411")
    with socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1]))) as raw:
        raw.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(emulator, number):
    assert emulator().end(number)[0] == 0


def test_a_port_that_is_taken_is_told(run, bare):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(bare, "emulator", "--port", port)
    assert done.code == 2
    assert done.err == (
        f"Error: Port {port} cannot be had: Address already in use.\n"
        "Choose another with --port, or 0 for a free one.\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ("--fail", "nothing"),
        ("--port", "70000"),
        ("--latency", "-1"),
        ("--latency", "nan"),
        ("--latency", "1e300"),
        ("--rpm", "0"),
        ("x",),
    ],
)
def test_wrong_options_are_told(run, bare, args):
    done = run(bare, "emulator", *args)
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith("Error: ")
