import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        "alt": None,
        "rerun_of": None,
        "tags": [],
        "error": None,
    }


def test_every_state_of_a_record_has_the_same_keys_in_the_documented_order():
    failed = sent().failed(StoppedError("Stopped.", code="stopped"), seconds=0, attempts=1)

    for record in (sent(), made(), failed):
        assert " ".join(record.to_json()) == (
            "schema id status created_at seconds prompt images deployment model endpoint profile "
            "offline request master exports usage cost_usd request_id attempts batch alt rerun_of "
            "tags error"
        )


def test_a_request_that_is_about_to_leave_knows_nothing_of_its_end():
    record = sent(tags=["a", "b"], rerun_of="0123456789ab").to_json()

    assert record["status"] == "sent"
    assert (record["tags"], record["rerun_of"]) == (["a", "b"], "0123456789ab")
    for key in ("seconds", "master", "usage", "cost_usd", "request_id", "error", "batch", "alt"):
        assert record[key] is None


def test_the_record_of_an_asset_tells_of_its_manifest_and_its_alternative_text():
    batch = {"manifest": "/work/assets.yaml", "asset": "hero", "request": "cd" * 32}
    record = sent(batch=batch, alt="A lighthouse.").to_json()

    assert (record["batch"], record["alt"]) == (batch, "A lighthouse.")


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


texts = st.text(max_size=20)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, jsons, max_size=3)
counts = st.integers(0, 1 << 40)
moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
records = st.builds(
    Record,
    id=texts,
    status=st.sampled_from(["sent", "ok", "refused", "failed", "unknown", "removed"]),
    created_at=moments,
    prompt=st.none() | texts,
    deployment=texts,
    model=st.none() | texts,
    endpoint=st.none() | texts,
    offline=st.booleans(),
    request=objects,
    seconds=st.none() | st.floats(0, 1e6),
    images=st.lists(objects, max_size=2),
    profile=st.none() | texts,
    master=st.none()
    | st.builds(Master, texts, texts, texts, counts, counts, counts, content_credentials=...),
    exports=st.lists(
        st.builds(
            Export, texts, texts, counts, counts, counts, texts, content_credentials=st.booleans()
        ),
        max_size=2,
    ),
    usage=st.none() | st.builds(Usage, *[st.none() | counts] * 3),
    cost_usd=st.none() | st.floats(0, 1e6),
    request_id=st.none() | texts,
    attempts=counts,
    batch=st.none() | st.dictionaries(texts, texts, max_size=3),
    alt=st.none() | texts,
    rerun_of=st.none() | texts,
    tags=st.lists(texts, max_size=2),
    error=st.none() | objects,
)


@given(record=records)
@settings(deadline=None)
def test_a_record_that_is_written_and_read_is_the_same(record):
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_record_of_a_picture_can_be_read_with_all_that_belongs_to_it():
    record = replace(
        made(),
        created_at=datetime(2026, 11, 22, 9, 14, 3, 120_000, UTC),
        exports=[Export("/x/hero.png", "png", 4, 3, 2, "ab" * 32, content_credentials=True)],
    )
    read = Record.from_json(record.to_json())

    assert read == record
    assert [type(fact) for fact in (read.master, read.usage, *read.exports)] == [
        *(Master, Usage, Export)
    ]


def test_what_a_later_version_added_is_left_out():
    state = replace(made(), created_at=datetime(2026, 1, 1, tzinfo=UTC)).to_json()
    later = json.loads(json.dumps(state))
    later |= {"mood": "calm", "schema": "mai/record/2"}
    later["master"]["mood"] = later["usage"]["mood"] = "calm"

    assert Record.from_json(later) == Record.from_json(state)


def test_what_an_earlier_version_did_not_write_has_its_default():
    state = made().to_json()
    del state["batch"], state["alt"]

    assert (Record.from_json(state).batch, Record.from_json(state).alt) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": "yesterday"},
        {"created_at": 7},
        {"master": {"path": "x"}},
        {"master": "x"},
        {"usage": 7},
        {"exports": None},
        {"exports": [7]},
        {"exports": [{"path": "x"}]},
    ],
)
def test_what_is_not_a_record_is_refused(changes):
    with pytest.raises(ValueError, match=r".+"):
        Record.from_json(made().to_json() | changes)


@pytest.mark.parametrize("missing", ["id", "created_at", "request", "master", "usage", "exports"])
def test_what_lacks_what_every_record_has_is_refused(missing):
    state = made().to_json()
    del state[missing]

    with pytest.raises(ValueError, match="is not a record"):
        Record.from_json(state)


@pytest.mark.parametrize("state", [{}, {field.name: None for field in fields(Record)}])
def test_what_has_nothing_of_a_record_is_refused(state):
    with pytest.raises(ValueError, match="is not a record"):
        Record.from_json(state)
