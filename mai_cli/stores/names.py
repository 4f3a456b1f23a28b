"""File names that are legal on Windows, macOS and Linux and never leave their folder."""

import re
from datetime import UTC
from pathlib import PurePosixPath

from mai_cli.models.record import Record
from mai_cli.models.slug import slug

MAX_PART = 120
SHORT_ID = 8

_ILLEGAL = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*\ud800-\udfff]+')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d\xb9\xb2\xb3]) *(\..*)?\Z", re.IGNORECASE
)


def master_name(template: str, record: Record) -> str:
    """The path of the master of ``record`` in the gallery, with forward slashes.

    ``template`` may use the fields of ``models.keys.FILENAME_FIELDS``; times are UTC. A
    private record has no prompt, and none in its name.
    """
    moment = record.created_at.astimezone(UTC)
    filled = template.format(
        year=f"{moment:%Y}",
        month=f"{moment:%m}",
        day=f"{moment:%d}",
        time=f"{moment:%H%M%S}",
        prompt=slug(record.prompt or ""),
        id=record.id[:SHORT_ID],
        deployment=slug(record.deployment),
    )
    parts = [_legal(part) for part in filled.split("/")]
    return f"{PurePosixPath(*[part for part in parts if part] or ['picture'])}.png"


def numbered(name: str, number: int) -> str:
    """``name`` with ``-number`` before its extension."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{number}{path.suffix}"))


def _legal(part: str) -> str:
    """One part of a path without what any of the systems refuses."""
    part = _ILLEGAL.sub("-", part).strip(" .")
    part = part.encode()[:MAX_PART].decode(errors="ignore").strip(" .")
    return f"_{part}" if _RESERVED.match(part) else part
