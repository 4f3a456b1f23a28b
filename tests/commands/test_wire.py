"""Every answer and every fault of the wire, through the installed command and real sockets."""

import base64
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, replace

import pytest
import trustme

from tests.emulator import (
    BUSY,
    FILTERED,
    LOST,
    RESET,
    Answer,
    Emulator,
    error,
    picture,
    png,
)

WHOLE = picture(png(1024, 1024))
TEXT = base64.b64encode(png(1024, 1024)).decode()
NOW = {"Retry-After": "0"}


def body(**content: object) -> Answer:
    return Answer(body=json.dumps(content).encode())


@dataclass(frozen=True)
class Case:
    name: str
    answer: Answer
    exit_code: int
    code: str
    status: str
    said: str


UNKNOWN = [
    Case("no picture", body(data=[]), 8, "no_picture", "unknown", "without a picture (it has data"),
    Case("empty object", body(), 8, "no_picture", "unknown", "it has nothing"),
    Case("not json", Answer(body=b"<html>"), 8, "no_picture", "unknown", "not whole JSON"),
    Case("empty text", picture(""), 8, "no_picture", "unknown", "without a picture"),
    Case("torn body", replace(WHOLE, torn=500), 8, "lost_answer", "unknown", "connection broke"),
    Case(
        "short body", Answer(body=WHOLE.body[:500]), 8, "bad_picture", "unknown", "not whole JSON"
    ),
    Case("not base64", picture("abc!"), 8, "bad_picture", "unknown", "not Base64"),
    Case("not a png", picture(b"GIF89a..."), 8, "bad_picture", "unknown", "it is not a PNG"),
    Case(
        "wrong checksum",
        picture(png(1024, 1024).replace(b"IEND", b"IENE")),
        8,
        "bad_picture",
        "unknown",
        "a checksum in it is wrong",
    ),
    Case("html 502", Answer(502, b"<html>bad</html>"), 8, "gateway_gave_up", "unknown", "502"),
    Case("504", error(504, "x", "slow"), 8, "gateway_gave_up", "unknown", "504: slow"),
    Case("another 5xx", Answer(520), 8, "gateway_gave_up", "unknown", "520"),
    Case("lost answer", LOST, 8, "lost_answer", "unknown", "may have been billed"),
    Case("reset after the request", RESET, 8, "lost_answer", "unknown", "may have been billed"),
]
SMALL = "Model does not support request parameter value supplied: 'width' must be at least 768"
REFUSED = [
    Case("content filter", FILTERED, 5, "content_filter", "refused", "MultiSeverity_ViolenceScore"),
    Case(
        "filter by inner code",
        Answer(
            400,
            b'{"error":{"code":"x","message":"no","innererror":'
            b'{"code":"ResponsibleAIPolicyViolation"}}}',
        ),
        5,
        "content_filter",
        "refused",
        "no",
    ),
    Case(
        "bad value",
        error(400, "unsupported_request_value", SMALL),
        5,
        "bad_request",
        "refused",
        "768",
    ),
    Case(
        "unknown parameter",
        error(400, "invalid", "Invalid parameters: seed"),
        5,
        "bad_request",
        "refused",
        "Invalid parameters: seed",
    ),
    Case("400 without words", Answer(400), 5, "bad_request", "refused", "Bad Request"),
    Case(
        "no deployment",
        error(404, "DeploymentNotFound", "The API deployment for this resource does not exist."),
        5,
        "no_deployment",
        "refused",
        "does not exist",
    ),
    Case(
        "no api",
        error(404, "404", "Resource not found"),
        5,
        "not_found",
        "refused",
        "Resource not found",
    ),
    Case(
        "resource blocked",
        error(403, "Forbidden", "Your resource has been temporarily blocked because …"),
        5,
        "resource_blocked",
        "refused",
        "temporarily blocked",
    ),
]
NOT_ALLOWED = [
    Case(
        "bad key",
        error(401, "401", "Access denied due to invalid subscription key."),
        4,
        "bad_credential",
        "failed",
        "Access denied",
    ),
    Case(
        "no role",
        error(401, "PermissionDenied", "The principal lacks the required data action"),
        4,
        "no_permission",
        "failed",
        "Cognitive Services User",
    ),
    Case("403", error(403, "x", "no"), 4, "no_permission", "failed", "no"),
    Case(
        "redirect",
        Answer(307, headers={"Location": "https://evil.example/x"}),
        3,
        "redirected",
        "failed",
        "evil.example",
    ),
]


@pytest.mark.parametrize("case", UNKNOWN + REFUSED + NOT_ALLOWED, ids=lambda case: case.name)
def test_an_answer_that_ends_it_is_sent_once_and_told_truly(mai, foundry, history, case):
    foundry.always(case.answer)
    result = mai("generate", "x", "--json")

    (record,) = history().values()
    assert result.code == case.exit_code
    assert result.objects == [record]
    assert (record["status"], record["error"]["code"]) == (case.status, case.code)
    assert record["error"]["exit_code"] == case.exit_code
    assert case.said in result.err
    assert "Traceback" not in result.err
    assert len(foundry.received) == record["attempts"] == 1


LATER = [
    ("429", BUSY, "quota"),
    ("408", error(408, "x", "timeout", Retry_After="0"), "service_failure"),
    ("499", error(499, "client_connection_closed", "closed", Retry_After="0"), "service_failure"),
    ("500 empty", Answer(500, headers=NOW), "service_failure"),
    ("503", Answer(503, b"<html>", NOW), "service_failure"),
]


@pytest.mark.parametrize(("name", "answer", "code"), LATER)
def test_what_drew_nothing_is_asked_again(mai, foundry, history, name, answer, code):
    foundry.will(answer, answer)
    result = mai("generate", "x")

    (record,) = history().values()
    assert result.code == 0
    assert (record["status"], record["attempts"], len(foundry.received)) == ("ok", 3, 3)
    assert result.err.count("Trying again in 0 s.") == 2


@pytest.mark.parametrize(("name", "answer", "code"), LATER)
def test_what_drew_nothing_is_given_up_in_the_end(mai, foundry, history, name, answer, code):
    foundry.always(answer)
    result = mai("generate", "x", "-q")

    (record,) = history().values()
    assert result.code == 6
    assert (record["status"], record["error"]["code"]) == ("failed", code)
    assert record["attempts"] == len(foundry.received) == (8 if code == "quota" else 5)


@pytest.mark.parametrize("wait", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT", "1e300"])
def test_a_wait_that_is_too_long_is_not_begun(mai, foundry, wait):
    foundry.will(error(429, "RateLimitReached", "Too many.", Retry_After=wait))

    assert mai("generate", "x").code == 6
    assert len(foundry.received) == 1


@pytest.mark.parametrize("wait", ["3153600000", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_of_a_century_is_told_and_holds_for_a_day_at_most(mai, foundry, home, wait):
    foundry.will(error(429, "RateLimitReached", "Too many.", Retry_After=wait))
    results = [mai("generate", "x"), mai("generate", "x")]
    (gate,) = (home / "state" / "pace").glob("*.json")
    closed_until = json.loads(gate.read_text())["closed_until"]

    assert [result.code for result in results] == [6, 6]
    assert "it opens again in 86" in results[1].err
    assert len(foundry.received) == 1
    assert closed_until <= time.time() + 86_400


def test_without_retry_after_it_waits_by_itself(mai, foundry):
    foundry.will(error(429, "RateLimitReached", "Too many."))
    result = mai("generate", "x")

    assert (result.code, len(foundry.received)) == (0, 2)
    assert "Trying again in 1 s." in result.err


def test_each_attempt_is_in_the_history_before_and_after(mai, foundry, home, history):
    foundry.will(BUSY)
    result = mai("generate", "x")

    lines = [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]
    assert [(line["status"], line["attempts"]) for line in lines] == [
        *[("sent", 1), ("failed", 1)],
        *[("sent", 2), ("ok", 2)],
    ]
    assert (result.code, len(history())) == (0, 1)


def test_retry_lost_asks_again_and_remembers_both(mai, foundry, history):
    foundry.will(LOST, error(504, "x", "slow"))
    result = mai("generate", "x", "--retry-lost", "--json")

    first, second, third = history().values()
    assert len(foundry.received) == 3
    assert [first["status"], second["status"], third["status"]] == ["unknown", "unknown", "ok"]
    assert [second["rerun_of"], third["rerun_of"]] == [first["id"], second["id"]]
    assert result.objects == [first, second, third]
    assert result.code == 0


def test_retry_lost_gives_up_in_the_end(mai, foundry):
    foundry.always(LOST)

    assert mai("generate", "x", "--retry-lost").code == 8
    assert len(foundry.received) == 3


@pytest.mark.parametrize(
    ("then", "args", "sent"),
    [
        ([error(503, "x", "down", Retry_After="0")] * 5, [], 6),
        ([error(400, "BadRequest", "no")], [], 2),
        ([], ["--max-cost", "0.05"], 1),
    ],
)
def test_what_may_be_billed_is_told_whatever_becomes_of_it_when_asked_again(
    mai, foundry, then, args, sent
):
    foundry.will(LOST, *then)

    assert mai("generate", "x", "--retry-lost", *args).code == 8
    assert len(foundry.received) == sent


def test_a_picture_that_came_whole_is_kept_though_the_answer_was_torn(mai, foundry, history):
    foundry.will(replace(WHOLE, torn=len(WHOLE.body) - 3))
    result = mai("generate", "x")

    (record,) = history().values()
    assert (result.code, record["status"], record["cost_usd"]) == (0, "ok", None)


@pytest.mark.parametrize("answer", [replace(WHOLE, torn=900), picture(b"GIF89a is not a PNG")])
def test_bytes_that_are_no_picture_are_kept_for_a_look(mai, foundry, masters, answer):
    foundry.will(answer)
    result = mai("generate", "x")

    (kept,) = masters()
    assert kept.suffix == ".part"
    assert f"What came of it is at {kept}." in result.err
    assert kept.stat().st_size > 0


def test_the_legacy_count_of_tokens_is_read(mai, foundry, history):
    foundry.will(picture(png(1024, 1024), num_output_tokens=1024))
    mai("generate", "x")

    (record,) = history().values()
    assert record["usage"]["output_tokens"] == 1024
    assert record["cost_usd"] == pytest.approx(0.038912)


@pytest.mark.slow  # it is tried again for seconds
def test_nothing_that_listens_is_unavailable_and_costs_nothing(run, env, history):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits = run(env | {"MAI_ENDPOINT": f"http://127.0.0.1:{port}"}, "generate", "x", timeout=120)

    (record,) = history().values()
    assert waits.code == 6
    assert (record["status"], record["error"]["code"]) == ("failed", "no_connection")


@pytest.mark.slow  # it is tried again for seconds
def test_a_name_that_nobody_has_is_unavailable(run, env, history):
    direct = {name: env[name] for name in env if not name.endswith("_PROXY")}
    result = run(direct | {"MAI_ENDPOINT": "https://nowhere.invalid"}, "generate", "x")

    assert result.code == 6
    assert "The name nowhere.invalid was not found." in result.err


def test_a_certificate_that_nobody_trusts_is_told_at_once(run, env, history):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Emulator(tls=context) as secure:
        result = run(env | {"MAI_ENDPOINT": secure.url}, "generate", "x")

        (record,) = history().values()
        assert result.code == 6
        assert (record["error"]["code"], record["attempts"]) == ("bad_certificate", 1)
        assert secure.received == []


@pytest.mark.slow  # it is tried again for seconds
def test_a_call_that_is_cut_in_the_handshake_never_left(run, env, history):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        result = run(env | {"MAI_ENDPOINT": url}, "generate", "x", timeout=120)

    (record,) = history().values()
    assert result.code == 6
    assert (record["status"], record["error"]["code"]) == ("failed", "no_connection")


@pytest.mark.parametrize("answer", [Answer(before=lambda: time.sleep(3)), replace(WHOLE, drip=0.2)])
def test_an_answer_that_takes_too_long_is_unknown(mai, foundry, history, answer):
    foundry.will(answer)
    result = mai("generate", "x", "--timeout", "1")

    (record,) = history().values()
    assert result.code == 8
    assert (record["status"], record["error"]["code"]) == ("unknown", "lost_answer")
    assert "within 1 s" in result.err


def test_no_redirect_is_followed_with_the_key(mai, foundry):
    with Emulator() as elsewhere:
        foundry.will(
            Answer(308, headers={"Location": f"{elsewhere.url}/mai/v1/images/generations"})
        )

        assert mai("generate", "x").code == 3
        assert elsewhere.received == []


def test_each_picture_gets_a_connection_of_its_own(mai, foundry):
    assert mai("generate", "x", "-n", "3").code == 0
    assert foundry.connections == 3
