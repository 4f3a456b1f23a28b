"""Histories that nobody waited for: records as they stand in the file, with their pictures."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.emulator import picture_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(number: int, **changes: object) -> dict:
    """The record of a picture that cost money; the next number is sent a minute later."""
    return {
        "schema": "mai/record/1",
        "id": hashlib.sha256(str(number).encode()).hexdigest()[:12],
        "status": "ok",
        "created_at": written(NOON + timedelta(minutes=number)),
        "seconds": 20.0,
        "prompt": f"picture {number}",
        "images": [],
        "deployment": "mai-image-26",
        "model": "MAI-Image-2.6",
        "endpoint": "https://contoso.services.ai.azure.com",
        "profile": None,
        "offline": False,
        "request": {"width": 1024, "height": 1024},
        "master": {
            "path": f"2026/11/{number}.png",
            "gallery": "/nowhere/gallery",
            "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
            "bytes": 1_000_000,
            "width": 1024,
            "height": 1024,
            "content_credentials": False,
        },
        "exports": [],
        "usage": {"input_text_tokens": 10, "input_image_tokens": 0, "output_tokens": 1024},
        "cost_usd": 0.04,
        "request_id": None,
        "attempts": 1,
        "batch": None,
        "alt": None,
        "rerun_of": None,
        "tags": [],
        "error": None,
    } | changes


def unmade(number: int, status: str, **changes: object) -> dict:
    """The record of a request of which no picture came."""
    nothing = {"master": None, "usage": None, "cost_usd": None}
    return record(number, status=status, **nothing, **changes)


def drawn(home: Path, number: int, **changes: object) -> dict:
    """A record whose picture is in the gallery."""
    data = picture_of(str(changes.get("prompt", number)), 64, 64, str(number))
    path = home / "gallery" / "2026" / "11" / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    state = record(number, **changes)
    size = {"bytes": len(data), "width": 64, "height": 64}
    digest = hashlib.sha256(data).hexdigest()
    state["master"] |= {"gallery": str(home / "gallery"), "sha256": digest, **size}
    return state


def lines_of(state: dict) -> list[str]:
    """What a run leaves in the file: that it was sent, and what became of it."""
    sent = state | {"status": "sent", "master": None, "usage": None, "cost_usd": None}
    states = [sent] if state["status"] == "sent" else [sent, state]
    texts = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in states]
    return [f"{text}\n" for text in texts]


def remember(home: Path, records: Iterable[dict]) -> Path:
    """Write the history in ``home``; gives its path."""
    home.mkdir(exist_ok=True)
    path = home / "history.jsonl"
    path.write_text("".join(line for state in records for line in lines_of(state)))
    return path
