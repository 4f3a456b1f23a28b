import socket
import time
from dataclasses import replace

import pytest

from mai_cli.adapters.credentials import ApiKey
from mai_cli.errors import AuthError, ConfigError, RefusedError, Retry
from tests.adapters.servers import length_of, read_head
from tests.emulator import BUSY, KEY, REQUEST_ID, Answer, Emulator, error, picture, png

WHOLE = picture(png(1024, 1024))


def key() -> ApiKey:
    return ApiKey(KEY)


class Token:
    def __init__(self) -> None:
        self.renewed = 0
        self.stale: list[str] = []

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer secret.token-{self.renewed}"}

    def renew(self, headers) -> bool:
        self.renewed += 1
        self.stale.append(headers["Authorization"])
        return True


def test_a_credential_that_is_missing_is_found_out_before_anything_is_sent(connect, foundry):
    class Missing(Token):
        def headers(self) -> dict[str, str]:
            raise AuthError("No credential was found.", code="no_credential")

    with pytest.raises(AuthError, match="No credential was found"):
        connect(foundry.url, Missing()).foundry.sign_in()
    assert foundry.received == []


def test_a_token_is_sent_instead_of_a_key(connect, foundry):
    connect(foundry.url, Token()).paint()
    headers = foundry.received[0].headers
    assert headers["authorization"] == "Bearer secret.token-0"
    assert "api-key" not in headers
    assert len(headers) <= 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("sign", [key, Token])
def test_no_redirect_is_followed(connect, foundry, status, sign):
    with Emulator() as elsewhere:
        target = elsewhere.url.replace("127.0.0.1", "localhost")
        foundry.will(Answer(status, headers={"Location": f"{target}/mai/v1/images/generations"}))
        failure = connect(foundry.url, sign()).fail()
    assert isinstance(failure, ConfigError)
    assert (failure.code, failure.retry) == ("redirected", Retry.NEVER)
    assert "redirects to localhost;" in failure.message
    assert failure.request_id == REQUEST_ID
    assert len(foundry.received) == 1
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
def test_what_is_neither_a_redirect_nor_an_answer_is_not_the_api(client, foundry, status):
    foundry.will(Answer(status))
    failure = client.fail()
    assert isinstance(failure, RefusedError)
    assert (failure.code, failure.retry) == ("not_found", Retry.NEVER)
    assert f"The endpoint has no image API ({status}: " in failure.message


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://login.example.com:8443/x?key=1", "login.example.com"),
        ("//other.example", "other.example"),
        ("/mai/v2", "another address"),
        ("", "another address"),
        ("https://", "another address"),
        ("http://[::1", "another address"),
    ],
)
def test_a_redirect_names_the_host_if_there_is_one(client, foundry, location, name):
    foundry.will(Answer(307, headers={"Location": location}))
    failure = client.fail()
    assert failure.code == "redirected"
    assert f"redirects to {name};" in failure.message


@pytest.mark.parametrize(("sign", "secret"), [(key, KEY), (Token, "secret.token-0")])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
def test_a_key_that_the_service_repeats_is_masked(connect, foundry, sign, secret, status):
    foundry.will(error(status, secret, f"The key '{secret}' is odd: {secret}"))
    failure = connect(foundry.url, sign()).fail()
    assert "The key '***' is odd: ***" in failure.message
    assert secret not in f"{failure.message}{failure.hint}{failure.to_json()}"


@pytest.mark.parametrize("status", [200, 307, 400])
def test_a_key_in_the_place_of_an_id_is_masked(client, foundry, status):
    headers = {"Location": "https://example.com/", "apim-request-id": f"id-{KEY}"}
    foundry.will(Answer(status, headers=headers))
    assert client.fail().request_id == "id-***"
    assert KEY not in f"{client.lines}"


def test_of_an_id_without_end_a_part_is_enough(client, foundry):
    foundry.will(Answer(400, headers={"apim-request-id": "id-" * 1000}))
    assert client.fail().request_id == ("id-" * 1000)[:100]


@pytest.mark.parametrize("slash", ["/", r"\/", r"\u002F"])
@pytest.mark.parametrize("plus", ["+", r"\u002b"])
def test_a_key_that_comes_back_in_escapes_is_masked(connect, foundry, slash, plus):
    secret = "0123+4567/89ab"
    written = secret.replace("/", slash).replace("+", plus)
    foundry.will(Answer(400, f'{{"error":{{"message":"The key {written} is odd"}}}}'.encode()))
    failure = connect(foundry.url, ApiKey(secret)).fail()
    assert secret not in failure.message
    assert "The key *** is odd" in failure.message


def test_the_log_has_no_key_and_no_prompt(connect, foundry):
    for credential in (key(), Token()):
        client = connect(foundry.url, credential)
        foundry.will(WHOLE, error(401, "401", f"{KEY} secret.token-0"), Answer(silent=True))
        client.paint()
        client.fail()
        client.fail()
        text = "\n".join(client.lines)
        start = f"POST {foundry.url}/mai/v1/images/generations: "
        assert [line.startswith(start) for line in client.lines] == [True] * 3
        assert ": 200 in 0." in text
        assert ": 401 in 0." in text
        assert KEY not in text
        assert "secret" not in text
        assert "lighthouse" not in text


def test_a_key_among_the_names_of_an_odd_answer_is_masked(client, foundry):
    foundry.will(Answer(body=f'{{"{KEY}": 1}}'.encode()))
    message = client.fail().message
    assert "it has ***" in message
    assert KEY not in message


def test_a_rejected_key_is_not_tried_again_but_a_token_is_renewed(connect, foundry):
    foundry.always(error(401, "401", "no"))
    token = Token()
    assert connect(foundry.url, key()).fail().retry is Retry.NEVER
    failure = connect(foundry.url, token).fail()
    assert isinstance(failure, AuthError)
    assert failure.retry is Retry.WITH_FRESH_TOKEN
    assert connect(foundry.url, token).fail().retry is Retry.WITH_FRESH_TOKEN
    assert token.stale == ["Bearer secret.token-0", "Bearer secret.token-1"]


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_only_a_401_costs_the_token(connect, foundry, status):
    foundry.will(Answer(status))
    token = Token()
    assert connect(foundry.url, token).fail().retry is not Retry.WITH_FRESH_TOKEN
    assert token.renewed == 0


def test_the_wait_that_the_service_names_is_passed_on(client, foundry):
    foundry.will(error(429, "x", "busy", Retry_After="17"), BUSY)
    assert client.fail().wait_seconds == 17
    assert client.fail().wait_seconds == 0


def test_an_error_that_comes_in_pieces_is_read_whole(connect, serve):
    def talk(connection: socket.socket) -> None:
        connection.recv(length_of(read_head(connection)), socket.MSG_WAITALL)
        connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n{"error":{"message":"The moon')
        time.sleep(0.05)
        connection.sendall(b' is too large."}}')

    assert "The moon is too large" in connect(f"http://127.0.0.1:{serve(talk)}").fail().message


def test_an_error_that_is_torn_is_what_its_status_says(client, foundry):
    foundry.will(replace(error(400, "odd", "The moon is too large"), torn=9))
    assert isinstance(client.fail(), RefusedError)


def test_a_huge_error_is_read_in_part(client, foundry):
    foundry.will(Answer(400, b'{"error":{"message":"' + b"x" * (8 << 20)), WHOLE)
    failure = client.fail()
    assert isinstance(failure, RefusedError)
    assert "400: Bad Request" in failure.message
    assert client.paint().picture.bytes == len(png(1024, 1024))
