"""Records for other programs: JSON, JSON Lines, CSV."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from mai_cli.errors import StorageError, UsageError
from mai_cli.stores import atomic

State = Mapping[str, Any]


CSV_COLUMNS = (
    "id",
    "status",
    "created_at",
    "seconds",
    "prompt",
    "deployment",
    "model",
    "profile",
    "offline",
    "width",
    "height",
    "picture",
    "sha256",
    "bytes",
    "cost_usd",
    "tags",
    "request",
    "error",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def pieces(states: Iterable[State], form: str) -> Iterator[bytes]:
    """The text of ``states`` as ``json``, ``jsonl`` or ``csv``, in UTF-8, a piece for each."""
    if form == "csv":
        yield _csv_line(CSV_COLUMNS)
        yield from (_csv_line(_cells(state)) for state in states)
    elif form == "jsonl":
        yield from (f"{_json(state)}\n".encode() for state in states)
    else:
        start = b"[\n"
        for state in states:
            yield start + _json(state).encode()
            start = b",\n"
        yield b"[]\n" if start == b"[\n" else b"\n]\n"


def write(path: Path, content: Iterable[bytes], *, overwrite: bool) -> None:
    """Put ``content`` into the file at ``path``, whole or not at all.

    Raises:
        UsageError: It exists, and ``overwrite`` is false.
        StorageError: It cannot be written.
    """
    try:
        atomic.make_folder(path.parent)
        with atomic.create(path, overwrite=overwrite) as file:
            file.writelines(content)
    except FileExistsError as error:
        if not path.exists():  # a folder above it is a file
            raise _unwritable(path, error) from None
        raise UsageError(
            f"The output exists: {path}",
            code="output_exists",
            hint="Choose another name, or add --overwrite.",
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written: {error.strerror}.",
        code="export_failed",
        hint="Choose another place.",
    )


def _json(state: State) -> str:
    return json.dumps(state, separators=(",", ":"))


def _csv_line(cells: Sequence[str]) -> bytes:
    line = StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # so that it quotes both
    return line.getvalue().encode(errors="backslashreplace")


def _cells(state: State) -> list[str]:
    """The record as cells of a table, none of which a spreadsheet runs as a formula.

    Source: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    found, error, tags = state.get("master"), state.get("error"), state.get("tags")
    master = found if isinstance(found, dict) else {}
    picture = Path(str(master.get("gallery")), str(master.get("path"))) if master else None
    values = {
        **state,
        **{key: master.get(key) for key in ("width", "height", "sha256", "bytes")},
        "picture": picture,
        "tags": " ".join(map(str, tags)) if isinstance(tags, list) else None,
        "request": json.dumps(state.get("request"), ensure_ascii=False),
        "error": error.get("message") if isinstance(error, dict) else None,
    }
    cells = ["" if values.get(key) is None else str(values[key]) for key in CSV_COLUMNS]
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
