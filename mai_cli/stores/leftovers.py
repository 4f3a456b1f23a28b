"""What runs that were cut off have left on disk: pictures without a record of their own."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from mai_cli.errors import StorageError
from mai_cli.models.answer import Picture
from mai_cli.models.record import Record
from mai_cli.stores.atomic import copy, make_folder, place
from mai_cli.stores.names import SHORT_ID, master_name, numbered

PAGE = "page"
"""The folder of the gallery that holds its web page."""

_ENDINGS = (".png", ".part")
_HEX = re.compile(rf"[0-9a-f]{{{SHORT_ID},}}")


class Leftovers:
    """Pictures in ``gallery``, named by ``template``; ``scan`` tells whether a file is a whole one.

    A picture that the gallery could not take may be in the system's temporary folder.
    """

    def __init__(
        self, gallery: Path, template: str, scan: Callable[[Path], Picture | None]
    ) -> None:
        self._gallery = gallery
        self._template = template
        self._scan = scan

    def left_by(self, states: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Path]]:
        """Files that each of ``states`` may have left, by id; some may be those of others."""
        ids = {state["id"][:SHORT_ID]: state["id"] for state in states}
        left: dict[str, list[Path]] = {}
        if ids:
            for file in (*_files(self._gallery), *Path(tempfile.gettempdir()).glob("mai-*")):
                for record_id in _ids_in(file, ids):
                    left.setdefault(record_id, []).append(file)
        named = cache(self._named)  # a template may give one name to many
        for state in states:
            name = self._name(state)
            if name and state["id"][:SHORT_ID] not in name and (files := named(name)):
                left.setdefault(state["id"], []).extend(files)
        return left

    def _name(self, state: Mapping[str, Any]) -> str | None:
        """The name that the picture of ``state`` would have, if the record can be understood."""
        try:
            return master_name(self._template, Record.from_json(state))
        except (ValueError, TypeError, AttributeError, OverflowError):  # it is of another version
            return None

    def _named(self, name: str) -> list[Path]:
        """The files of that name, and of that with a number."""
        files = (self._gallery / one for one in _numbered(name))
        return list(takewhile(os.path.exists, files))

    def is_whole(self, file: Path) -> bool:
        """Whether ``file`` is a whole picture."""
        try:
            return self._scan(file) is not None
        except OSError:
            return False

    def keep(self, file: Path, state: Mapping[str, Any]) -> dict[str, object] | None:
        """Give ``file`` its place in the gallery, if it is a whole picture; its master.

        Raises:
            StorageError: The gallery cannot be written; ``file`` stays where it is.
        """
        try:
            picture = self._scan(file)
        except OSError:
            return None
        first = self._name(state)
        if picture is None or first is None:
            return None
        try:
            name = self._placed(file, first)
        except OSError as error:
            raise StorageError(
                f"The picture {file} cannot go into the gallery: {error.strerror}.",
                code="rescued",
                hint="Make room, and run it again; the picture is safe where it is.",
            ) from None
        return {"path": name, "gallery": str(self._gallery), **asdict(picture)}

    def _placed(self, file: Path, first: str) -> str:
        """Where ``file`` is in the gallery from now on."""
        if file.suffix == ".png" and self._gallery in file.parents:
            return file.relative_to(self._gallery).as_posix()
        for name in _numbered(first):
            target = self._gallery / name
            with suppress(FileExistsError):
                make_folder(target.parent)
                self._put(file, target)
                return name
        raise AssertionError

    def _put(self, file: Path, target: Path) -> None:
        if file.parent == target.parent:
            place(file, target)
            return
        copy(file, target)
        with suppress(OSError):
            file.unlink()


def _numbered(name: str) -> Iterator[str]:
    """``name``, and then with each number."""
    yield name
    yield from (numbered(name, number) for number in count(2))


def _ids_in(file: Path, ids: Mapping[str, str]) -> set[str]:
    """Those of ``ids``, by their starts, that the name of ``file`` has in it."""
    if file.suffix not in _ENDINGS:
        return set()
    starts = {
        run[start : start + SHORT_ID]
        for run in _HEX.findall(file.stem)
        for start in range(len(run) - SHORT_ID + 1)
    }
    return {ids[start] for start in starts & ids.keys()}


def pictures_in(gallery: Path) -> Iterator[Path]:
    """Every picture in ``gallery`` under its final name, in order."""
    return (file for file in _files(gallery) if not file.name.startswith("."))


def _files(gallery: Path) -> Iterator[Path]:
    """Pictures, and what may become one; not the web page beside them."""
    for folder, names, files in os.walk(gallery):
        names[:] = sorted(name for name in names if name != PAGE or Path(folder) != gallery)
        for name in sorted(files):
            if name.endswith(_ENDINGS):
                yield Path(folder, name)
