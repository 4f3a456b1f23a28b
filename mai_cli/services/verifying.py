"""Whether a history and its pictures are as they should be."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from mai_cli.models.upkeep import Problem, Seen
from mai_cli.services.outputs import real

TOGETHER = 1_000
"""Pictures that are looked at in one go, by several threads."""

State = Mapping[str, Any]


class History(Protocol):
    """The records."""

    def newest(self) -> Iterable[State]:
        """All of them."""

    def damaged(self) -> Iterator[int]:
        """The numbers of the lines that cannot be read."""


def verify(
    history: History,
    gallery: Path,
    seen: Seen,
    *,
    digests: Callable[[Path, Collection[str]], Mapping[str, str | None]],
    pictures_in: Callable[[Path], Iterable[Path]],
) -> Iterator[Problem]:
    """Everything that is wrong: lines, then masters, then pictures that no record knows.

    ``seen`` counts what was looked at. ``digests`` are those of files below a folder, and
    ``pictures_in`` finds the pictures in ``gallery``.

    Raises:
        ConfigError: The history cannot be read.
    """
    for number in history.damaged():
        message = f"Line {number} of the history cannot be read."
        yield Problem("damaged_line", message, line=number)
    known: set[str] = set()
    masters = _masters(history.newest(), known, seen)
    while block := list(islice(masters, TOGETHER)):
        found = digests(Path(), [path for _, path, _ in block])
        for record_id, path, sha256 in block:
            seen.pictures += 1
            if found[path] is None:
                yield Problem("missing", f"The picture {path} is gone.", record_id, path)
            elif found[path] != sha256:
                what = f"The picture {path} is not what it was."
                yield Problem("changed", what, record_id, path)
    for file in pictures_in(gallery):
        if real(file) not in known:
            yield Problem("unknown_picture", f"No record knows {file}.", path=str(file))


def _masters(
    states: Iterable[State], known: set[str], seen: Seen
) -> Iterator[tuple[str, str, str]]:
    """The id, path and digest of every picture that should be there."""
    for state in states:
        seen.records += 1
        match state:
            case {
                "id": str(record_id),
                "status": "ok",
                "master": {"gallery": str(gallery), "path": str(path), "sha256": str(sha256)},
            }:
                file = str(Path(gallery, path))
                known.add(real(Path(file)))
                yield record_id, file, sha256
