import gzip
import json
import zlib
from dataclasses import replace

import pytest

from mai_cli import __version__
from mai_cli.adapters.usage import MAX_TOKENS
from mai_cli.errors import Retry, UnknownError
from mai_cli.models.answer import Usage
from tests.emulator import BUSY, KEY, REQUEST_ID, Answer, picture, png

PICTURE = png(1024, 1024)
WHOLE = picture(PICTURE)


def test_a_picture_comes_as_it_was_sent(client, foundry):
    foundry.will(WHOLE)
    answer = client.paint()
    assert client.bytes == PICTURE
    assert (answer.picture.width, answer.picture.height) == (1024, 1024)
    assert answer.picture.bytes == len(PICTURE)
    assert answer.request_id == REQUEST_ID
    assert answer.usage is None


def test_a_request_carries_these_headers_and_no_more(client, foundry):
    client.paint()
    (received,) = foundry.received
    assert received.path == "/mai/v1/images/generations"
    assert received.headers == {
        "host": f"127.0.0.1:{foundry.port}",
        "connection": "keep-alive",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"mai-cli/{__version__}",
        "api-key": KEY,
        "content-type": "application/json",
        "content-length": str(len(received.body)),
    }


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"width": 1024, "height": 1024}),
        ({"size": None, "auto_size": True}, {"auto_aspect_ratio": True}),
        (
            {"background": "transparent", "web_grounding": True},
            {"width": 1024, "height": 1024, "background": "transparent", "web_grounding": True},
        ),
        ({"params": {"style": ["ü"]}}, {"width": 1024, "height": 1024, "style": ["ü"]}),
    ],
)
def test_a_body_carries_the_fields_that_were_asked_for_and_no_more(client, foundry, asked, sent):
    foundry.will(WHOLE)
    client.paint(**asked)
    assert foundry.received[0].json == {
        "model": "mai-image-27",
        "prompt": "a lighthouse",
        **sent,
    }


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        (
            {
                "usage": {
                    "num_output_tokens": 576,
                    "num_input_text_tokens": 10,
                    "num_input_image_tokens": 0,
                }
            },
            Usage(10, 0, 576),
        ),
        ({"usage": {"num_output_tokens": 1024}}, Usage(output_tokens=1024)),
        ({"num_output_tokens": 1024}, Usage(output_tokens=1024)),
        ({"num_output_tokens": 1024, "usage": None}, Usage(output_tokens=1024)),
        ({"usage": {"num_output_tokens": "1024", "num_input_text_tokens": 3}}, Usage(3)),
        ({"usage": {"num_output_tokens": -1}}, None),
        ({"usage": {"num_output_tokens": True}}, None),
        ({"usage": {"num_output_tokens": 1024.5}}, None),
        ({"usage": {"num_output_tokens": [1]}}, None),
        ({"usage": {"num_output_tokens": MAX_TOKENS}}, Usage(output_tokens=MAX_TOKENS)),
        ({"usage": {"num_output_tokens": MAX_TOKENS + 1}}, None),
        ({"usage": {"num_output_tokens": 10**400, "num_input_text_tokens": 3}}, Usage(3)),
        ({"usage": {}}, None),
        ({"usage": "none", "inference_time_sec": 3}, None),
        ({}, None),
    ],
)
def test_tokens_are_read_wherever_the_service_counted_them(client, foundry, fields, usage):
    foundry.will(picture(PICTURE, **fields))
    assert client.paint().usage == usage


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"apim-request-id": "1", "x-ms-request-id": "2", "x-request-id": "3"}, "1"),
        ({"apim-request-id": "", "x-ms-request-id": "2", "x-request-id": "3"}, "2"),
        ({"apim-request-id": "", "X-Request-ID": "3"}, "3"),
        ({"apim-request-id": ""}, None),
    ],
)
def test_the_request_id_is_in_the_first_header_that_has_one(client, foundry, headers, request_id):
    foundry.will(replace(WHOLE, headers=headers), Answer(400, headers=headers))
    assert client.paint().request_id == request_id
    assert client.fail().request_id == request_id
    assert all(f"request id {request_id or 'none'}" in line for line in client.lines)


def test_a_picture_of_another_size_is_a_picture(client, foundry):
    foundry.will(picture(png(768, 1360), size="768x1360"))
    drawn = client.paint().picture
    assert (drawn.width, drawn.height) == (768, 1360)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_an_answer_that_is_compressed_unasked_is_read(client, foundry, encoding, pack):
    usage = {"usage": {"num_output_tokens": 1024}}
    body = pack(picture(PICTURE, **usage).body)
    foundry.will(Answer(body=body, headers={"Content-Encoding": encoding}))
    assert client.paint().usage == Usage(output_tokens=1024)
    assert client.bytes == PICTURE


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "no_picture", "not whole JSON"),
        (b"[]", "no_picture", "not a JSON object"),
        (b"{}", "no_picture", "it has nothing"),
        (b'{"data":[],"created":1}', "no_picture", "it has created, data"),
        (b'{"data":[{"url":"https://x"}]}', "no_picture", "it has data"),
        (picture(b"").body, "no_picture", "without a picture"),
        (picture("abc!").body, "bad_picture", "not Base64"),
        (picture(b"\xff\xd8\xff\xe0").body, "bad_picture", "it is not a PNG"),
        (picture(PICTURE[:-1]).body, "bad_picture", "it ends before it is complete"),
        (picture(PICTURE + b"\0").body, "bad_picture", "something follows its end"),
    ],
)
def test_a_success_without_a_whole_picture_may_be_billed(client, foundry, body, code, words):
    foundry.will(Answer(body=body))
    failure = client.fail()
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == (code, Retry.IF_TOLD)
    assert failure.request_id == REQUEST_ID
    assert words in failure.message


def test_the_bytes_of_a_picture_that_is_damaged_are_kept(client, foundry):
    foundry.will(picture(PICTURE[:-3]))
    client.fail()
    assert client.bytes == PICTURE[:-3]


def test_a_message_about_an_odd_answer_is_short(client, foundry):
    fields = {f"{number}" * 100: number for number in range(1000)}
    foundry.will(Answer(body=json.dumps(fields).encode()))
    assert len(client.fail().message) < 1000


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_any_success_counts_as_one(client, foundry, status):
    foundry.will(Answer(status))
    assert client.fail().code == "no_picture"


def test_one_client_asks_again_and_again(client, foundry):
    foundry.will(WHOLE, BUSY, WHOLE, Answer(silent=True), WHOLE)
    for is_good in (True, False, True, False, True):
        assert client.paint().picture.bytes == len(PICTURE) if is_good else client.fail()
    assert len(foundry.received) == 5
