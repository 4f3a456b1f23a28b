"""The manifest of ``mai batch``: reading it, in any format; what it means is for services."""

import math
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Manifest, Mistake
from mai_cli.models.mistakes import STANDARD_INPUT, mistakes_error, quoted
from mai_cli.stores.manifest_formats import Content, Repeating, parse

ENDINGS = {
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
}
FORMATS = tuple(dict.fromkeys(ENDINGS.values()))

MAX_BYTES = 16 << 20
MAX_DEPTH = 32
"""Tables and lists in each other; no API takes as many."""

_QUOTES = "Put it in quotes."


def read_manifest(path: Path | None, format: str | None, stdin: TextIO | None) -> Manifest:
    """The manifest at ``path``, or from ``stdin`` where that is ``None``.

    ``format`` is one of ``FORMATS``; where it is ``None``, the ending of ``path`` tells.

    Raises:
        UsageError: It cannot be read, or has mistakes; all of them are told.
    """
    kind = _kind(path, format)
    data = _from_stdin(stdin) if path is None else _from_file(path)
    text = _decoded(data, f"The manifest {path}" if path else "The manifest in standard input")
    name = path.name if path else STANDARD_INPUT
    mistakes: list[Mistake] = []
    content = parse(text, kind, mistakes)
    _check_values(content, mistakes)
    if mistakes:
        raise mistakes_error(name, mistakes)
    folder = path.absolute().parent if path else Path.cwd()
    return Manifest(name, folder, content.entries, content.defaults, content.variables)


def _kind(path: Path | None, format: str | None) -> str:
    hint = f"Give --format with one of {', '.join(FORMATS)}."
    if format is not None:
        if format not in FORMATS:
            raise _wrong(f"mai does not know the manifest format {quoted(format)}.", hint)
        return format
    if path is None:
        raise _wrong("The format of a manifest from standard input is not known.", hint)
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    raise _wrong(
        f"The name of the manifest does not end in a format that mai reads: {path}",
        f"End it in {', '.join(ENDINGS)}, or name the format with --format.",
    )


def _from_stdin(stdin: TextIO | None) -> bytes:
    if stdin is None or stdin.isatty():
        raise _wrong(
            "'-' reads the manifest from standard input, which is a terminal or closed.",
            "Pipe a manifest in, or give a file.",
        )
    try:
        return stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(
            f"The manifest in standard input cannot be read: {error.strerror}.", "Give a file."
        ) from None


def _from_file(path: Path) -> bytes:
    try:
        # Whoever opens a pipe waits for its other end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _wrong(
                f"The manifest is not a file: {path}",
                "Give a file, or pipe it in with - and --format.",
            )
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(
            f"The manifest {path} cannot be read: {error.strerror}.",
            "Give a file that is there and may be read.",
        ) from None
    except ValueError:
        raise _wrong(f"{quoted(str(path))} is not a file name.", "Give a file.") from None


def _decoded(data: bytes, who: str) -> str:
    """``data`` as text; ``who`` is the manifest, as the beginning of a sentence."""
    if len(data) > MAX_BYTES:
        raise _wrong(f"{who} is larger than {MAX_BYTES >> 20} MB.", "Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(f"{who} is not UTF-8 text: line {line}.", "Save it as UTF-8.") from None


def _check_values(content: Content, mistakes: list[Mistake]) -> None:
    """See that every value is one that JSON has too."""
    seen: set[int] = set()
    tables = [("defaults", content.defaults), ("vars", content.variables)]
    tables += [(entry.place, entry.values) for entry in content.entries]
    for place, table in tables:
        for names, what, hint in _problems(table, (), seen):
            subject = f"{quoted('.'.join(names))} " if names else ""
            mistakes.append(Mistake(place, f"{subject}{what}", hint))


def _problems(
    value: object, names: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Where in ``value`` something cannot be sent, what is wrong with it, and a hint."""
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            yield names, "is not a finite number", _QUOTES
    elif not isinstance(value, (Mapping, list)):
        yield names, f"is a {type(value).__name__}", _QUOTES
    elif len(names) > MAX_DEPTH:
        yield names, "is nested too deep", ""
    elif id(value) not in seen:  # what aliases of YAML share is looked at once
        seen.add(id(value))
        if isinstance(value, Repeating):
            for twice in value.repeated:
                yield (*names, twice), "stands twice", "Keep one of them."
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value, start=1)
        for name, inner in pairs:
            yield from _problems(inner, (*names, str(name)), seen)


def _wrong(message: str, hint: str) -> UsageError:
    return UsageError(message, code="bad_manifest", hint=hint)
