import json
import math
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.adapters.refusals import error_of, parse_retry_after
from mai_cli.errors import (
    AuthError,
    MaiError,
    RefusedError,
    Retry,
    UnavailableError,
    UnknownError,
)

KEY_REJECTED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)
NO_ROLE = (
    "The principal `00000000-1111` lacks the required data action "
    "`Microsoft.CognitiveServices/accounts/MaaS/images/generations/action` to perform `POST "
    "/mai/v1/images/generations` operation."
)
BLOCKED = (
    "Your resource has been temporarily blocked because we detected behavior that may violate our "
    "content policy."
)
NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within "
    "the last 5 minutes, please wait a moment and try again."
)
BUSY = (
    "Your requests to MAI-Image-2.5-Pro for maiimage25pro in westcentralus have exceeded rate "
    "limit."
)
VIOLENCE = "Response content blocked by label 'MultiSeverity_ViolenceScore'."
TOO_SMALL = (
    "Model does not support request parameter value supplied: 'width' must be at least 768 pixels."
)
NO_FILE = "File must be attached in a form field with a name starting with 'image'."


def envelope(message: object = None, code: object = None, **more: object) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


Meaning = tuple[type[MaiError], str, Retry]
BAD: Meaning = (RefusedError, "bad_request", Retry.NEVER)
FILTERED: Meaning = (RefusedError, "content_filter", Retry.NEVER)
FAILURE: Meaning = (UnavailableError, "service_failure", Retry.SOON)
QUOTA: Meaning = (UnavailableError, "quota", Retry.LATER)
BAD_KEY: Meaning = (AuthError, "bad_credential", Retry.NEVER)
ROLE: Meaning = (AuthError, "no_permission", Retry.NEVER)
GATEWAY: Meaning = (UnknownError, "gateway_gave_up", Retry.IF_TOLD)
NOT_FOUND: Meaning = (RefusedError, "not_found", Retry.NEVER)

TABLE: list[tuple[int, bytes, Meaning]] = [
    (400, envelope(TOO_SMALL, "unsupported_request_value"), BAD),
    (400, envelope("too many pixels", "unsupported_request_value"), BAD),
    (400, envelope("Invalid parameters: seed"), BAD),
    (400, envelope(NO_FILE), BAD),
    (400, envelope("Only 1 to 5 image files are supported for edit requests."), BAD),
    (400, envelope("request Content-Type isn't multipart/form-data"), BAD),
    (400, envelope(VIOLENCE, "content_safety_violation", details=VIOLENCE), FILTERED),
    (400, envelope(VIOLENCE), FILTERED),
    (400, envelope("no", "content_filter"), FILTERED),
    (400, envelope("no", "contentFilter"), FILTERED),
    (400, envelope("no", "content_policy_violation"), FILTERED),
    (400, envelope("no", "moderation_blocked"), FILTERED),
    (
        400,
        envelope("no", "BadRequest", innererror={"code": "ResponsibleAIPolicyViolation"}),
        FILTERED,
    ),
    (
        400,
        envelope("Content violated RAI policy blocking criteria (BingBlockList_Prompt)"),
        FILTERED,
    ),
    (400, envelope("It is against our content policy."), FILTERED),
    (400, b"", BAD),
    (401, envelope(KEY_REJECTED, "401"), BAD_KEY),
    (401, envelope(KEY_REJECTED, 401), BAD_KEY),
    (401, b"", BAD_KEY),
    (401, envelope(NO_ROLE, "PermissionDenied"), ROLE),
    (403, envelope(NO_ROLE, "PermissionDenied"), ROLE),
    (403, envelope("Access denied due to Virtual Network/Firewall rules.", "403"), ROLE),
    (403, b"", ROLE),
    (403, envelope(BLOCKED, "Forbidden"), (RefusedError, "resource_blocked", Retry.NEVER)),
    (404, envelope(NO_DEPLOYMENT, "DeploymentNotFound"), (RefusedError, "no_deployment", BAD[2])),
    (404, envelope("Resource not found", "404"), NOT_FOUND),
    (404, b"<html>nginx</html>", NOT_FOUND),
    (405, b"", NOT_FOUND),
    (408, b"", FAILURE),
    (413, b"", BAD),
    (429, envelope(BUSY, "RateLimitReached"), QUOTA),
    (429, b"", QUOTA),
    (431, b"", BAD),
    (
        499,
        envelope(
            "Client has closed connection before request was sent.", "client_connection_closed"
        ),
        FAILURE,
    ),
    (500, b"", FAILURE),
    (500, envelope("Internal server error", "InternalServerError"), FAILURE),
    (503, b"<html>Service Unavailable</html>", FAILURE),
    (502, b"<html>Bad Gateway</html>", GATEWAY),
    (504, b"<html>Gateway Timeout</html>", GATEWAY),
    (501, b"", GATEWAY),
    (505, envelope("no"), GATEWAY),
    (507, b"", GATEWAY),
    (520, b"", GATEWAY),
    (529, envelope("overloaded"), GATEWAY),
    (599, b"", GATEWAY),
]


@pytest.mark.parametrize(("status", "body", "meaning"), TABLE)
def test_each_answer_of_the_service_has_one_meaning(status, body, meaning):
    error = error_of(status, body, None)
    assert (type(error), error.code, error.retry) == meaning
    assert error.hint
    assert error.wait_seconds is None


@given(
    status=st.integers(500, 999).filter(lambda status: status not in {500, 503}),
    body=st.binary() | st.sampled_from([body for _, body, _ in TABLE]),
)
def test_a_failure_that_nobody_has_described_may_have_drawn(status, body):
    error = error_of(status, body, "1")
    assert isinstance(error, UnknownError)
    assert error.retry is Retry.IF_TOLD


@pytest.mark.parametrize("status", [408, 429, 499, 500, 503])
def test_only_an_answer_that_drew_nothing_names_a_wait(status):
    assert error_of(status, b"", "7").wait_seconds == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 502, 504])
def test_what_is_not_asked_again_names_no_wait(status):
    assert error_of(status, b"", "7").wait_seconds is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
def test_the_words_of_the_service_are_passed_on_in_one_line(status):
    message = error_of(status, envelope("First.\r\n\tSecond\v line."), None).message
    assert "First. Second line" in message
    assert ".." not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("status", "words"), [(400, "Bad Request"), (503, "Service Unavailable"), (599, "no expl")]
)
def test_a_status_stands_in_for_words_that_are_missing(status, words):
    assert words in error_of(status, b"", None).message


@pytest.mark.parametrize(("length", "is_cut"), [(300, False), (301, True), (60_000, True)])
def test_a_long_message_is_cut(length, is_cut):
    message = error_of(400, envelope("x" * length), None).message
    assert ("…" in message) == is_cut
    assert "x" * 300 in message
    assert len(message) < 400


def test_an_error_that_is_a_text_is_the_message():
    assert "just so" in error_of(400, b'{"error":"just so"}', None).message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
def test_a_secret_is_masked_in_what_the_service_says(status):
    body = json.dumps({"error": {"message": "The key a+b/c is odd.", "code": "a+b/c"}}).encode()
    error = error_of(status, body.replace(b"/", rb"\/"), None, secret="a+b/c")
    assert "The key *** is odd" in error.message
    assert "a+b/c" not in str(error.to_json())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "innererror", "x"]), values, max_size=4
        )
    ),
    max_leaves=8,
)


@given(
    status=st.integers(400, 599),
    body=st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({"error": value}).encode())
    | st.tuples(JSON, JSON, JSON).map(lambda it: envelope(it[0], it[1], innererror=it[2])),
    retry_after=st.none() | st.text(max_size=30),
)
@example(status=400, body=b"[" * 60_000, retry_after=None)
@example(status=403, body=b'{"error":{"message":"\\ud800","code":{"a":[]}}}', retry_after="")
@example(status=429, body=b'{"error":{"code":' + b"9" * 9000 + b"}}", retry_after="9" * 400)
@example(status=401, body="<html>Ünauthorized</html>".encode("utf-16"), retry_after=None)
@settings(deadline=None)
def test_no_answer_however_hostile_does_worse_than_an_error(status, body, retry_after):
    error = error_of(status, body, retry_after)
    assert isinstance(error, MaiError)
    assert "\n" not in error.message
    assert len(error.message) < 500
    assert error.wait_seconds is None or error.wait_seconds >= 0


NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def waits(text: str | None) -> float | None:
    return parse_retry_after(text, now=NOW.timestamp)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("3155760000", 3155760000),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        (format_datetime(NOW, usegmt=True), 0),
        (format_datetime(NOW.astimezone(timezone(timedelta(hours=-8)))), 0),
        ("Sun, 22 Nov 2026 09:01:00 -0000", 60),
        ("Sun, 22 Nov 2026 09:01:00", 60),
        ("Sunday, 22-Nov-26 09:00:10 GMT", 10),
        ("Sun Nov 22 09:00:10 2026", 10),
    ],
)
def test_the_service_says_how_long_to_wait_in_seconds_or_by_a_date(text, seconds):
    assert waits(text) == seconds


UNUSABLE = [None, "", " ", "soon", "-1", "-0.5", "nan", "inf", "-inf", "1e999", "12:00", "0x10"]
UNUSABLE += ["9" * 10_000, "-" + "9" * 10_000, "\u00b2", "\x1b[2J", "3153600000 s"]
UNUSABLE += ["Sun, 22 Nov 2026 25:61:61 GMT", "Sun, 22 Nov 99999 09:00:00 GMT", "5 s", "\x00"]


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_wait_that_cannot_be_used_is_none(text):
    assert waits(text) is None


WORDS = ("Sun,", "Sun", "22", "Nov", "2026", "9", "09:00:00", ":", "::", ",", "-", "-9999", "GMT")
WORD = st.sampled_from(WORDS)


@given(text=st.text(max_size=40) | st.lists(WORD, max_size=8).map(" ".join))
@settings(max_examples=300)
def test_no_text_makes_the_wait_fail(text):
    seconds = waits(text)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
