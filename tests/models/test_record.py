import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mai_cli.errors import (
    AuthError,
    ConfigError,
    RefusedError,
    StoppedError,
    UnavailableError,
    UnknownError,
)
from mai_cli.models.answer import Answer, Picture, Usage
from mai_cli.models.catalogue import find
from mai_cli.models.record import Export, Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size

REQUEST = ImageRequest(
    "a lighthouse at dawn", "mai-image-26", find("mai-image-26"), Size(1024, 1024)
)
PICTURE = Picture(1024, 1024, 1_534_022, "ab" * 32, content_credentials=False)
NAME = "2026/11/22/091403-a-lighthouse-at-dawn-b7c41f09.png"


def sent(**changes: object) -> Record:
    facts = {
        "id": "b7c41f09e2aa",
        "created_at": datetime(2026, 11, 22, 9, 14, 3, 120_999, UTC),
        "endpoint": "https://contoso.services.ai.azure.com",
    }
    return Record.sent(REQUEST, **(facts | changes))


def made() -> Record:
    answer = Answer(PICTURE, Usage(10, 0, 1024), "request-1")
    master = Master.of(PICTURE, NAME, "/home/me/Pictures/mai")
    return sent().made(answer, master, cost_usd=0.038962, seconds=31.40049, attempts=2)


def test_the_record_of_a_picture_is_the_documented_object():
    export = Export(
        "/x/hero.png", "png", 1024, 1024, 1_534_022, "ab" * 32, content_credentials=True
    )

    record = replace(made(), exports=[export]).to_json()

    assert record == {
        "schema": "mai/record/1",
        "id": "b7c41f09e2aa",
        "status": "ok",
        "created_at": "2026-11-22T09:14:03.120Z",
        "seconds": 31.4,
        "prompt": "a lighthouse at dawn",
        "images": [],
        "deployment": "mai-image-26",
        "model": "MAI-Image-2.6",
        "endpoint": "https://contoso.services.ai.azure.com",
        "profile": None,
        "offline": False,
        "request": {"width": 1024, "height": 1024},
        "master": {
            "path": NAME,
            "gallery": "/home/me/Pictures/mai",
            "sha256": "ab" * 32,
            "bytes": 1_534_022,
            "width": 1024,
            "height": 1024,
            "content_credentials": False,
        },
        "exports": [
            {
                "path": "/x/hero.png",
                "format": "png",
                "width": 1024,
                "height": 1024,
                "bytes": 1_534_022,
                "sha256": "ab" * 32,
                "content_credentials": True,
            }
        ],
        "usage": {"input_text_tokens": 10, "input_image_tokens": 0, "output_tokens": 1024},
        "cost_usd": 0.038962,
        "request_id": "request-1",
        "attempts": 2,
        "batch": None,
        "rerun_of": None,
        "tags": [],
        "error": None,
    }


def test_every_state_of_a_record_has_the_same_keys_in_the_documented_order():
    failed = sent().failed(StoppedError("Stopped.", code="stopped"), seconds=0, attempts=1)

    for record in (sent(), made(), failed):
        assert " ".join(record.to_json()) == (
            "schema id status created_at seconds prompt images deployment model endpoint profile "
            "offline request master exports usage cost_usd request_id attempts batch rerun_of "
            "tags error"
        )


def test_a_request_that_is_about_to_leave_knows_nothing_of_its_end():
    record = sent(tags=["a", "b"], rerun_of="0123456789ab").to_json()

    assert record["status"] == "sent"
    assert (record["tags"], record["rerun_of"]) == (["a", "b"], "0123456789ab")
    for key in ("seconds", "master", "usage", "cost_usd", "request_id", "error"):
        assert record[key] is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RefusedError("m", code="content_filter"), "refused"),
        (RefusedError("m", code="no_deployment"), "refused"),
        (UnknownError("m", code="lost_answer"), "unknown"),
        (UnknownError("m", code="interrupted"), "unknown"),
        (UnknownError("m", code="bad_picture"), "unknown"),
        (UnavailableError("m", code="quota"), "failed"),
        (AuthError("m", code="bad_credential"), "failed"),
        (ConfigError("m", code="redirected"), "failed"),
        (StoppedError("m", code="stopped"), "failed"),
    ],
)
def test_the_status_says_whether_the_picture_may_be_billed(error, status):
    error.request_id = "request-1"

    record = sent().failed(error, seconds=1.23456, attempts=3)

    assert record.status == status
    assert (record.request_id, record.seconds, record.attempts) == ("request-1", 1.235, 3)
    assert record.error == error.to_json()
    assert (record.master, record.cost_usd) == (None, None)


def test_a_private_record_holds_no_prompt_anywhere():
    record = sent(private=True)

    assert record.to_json()["prompt"] is None
    assert "lighthouse" not in json.dumps(record.to_json())
    assert "lighthouse" not in repr(record)


def test_a_record_without_an_endpoint_was_drawn_offline():
    assert sent(endpoint=None).to_json()["offline"] is True
    assert sent().to_json()["offline"] is False


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (
            datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2025-12-31T23:00:00.000Z",
        ),
    ],
)
def test_moments_are_utc_to_the_millisecond(moment, text):
    assert sent(created_at=moment).to_json()["created_at"] == text


def test_ending_a_record_leaves_the_one_that_was_sent_as_it_is():
    before = sent()
    before.failed(UnknownError("m", code="lost_answer"), seconds=1, attempts=1)

    assert before == sent()
