"""What runs that were cut off have left on disk: pictures without a record of their own."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from mai_cli.errors import StorageError
from mai_cli.models.answer import Picture
from mai_cli.models.record import Record
from mai_cli.stores.atomic import create, make_folder, place
from mai_cli.stores.names import SHORT_ID, master_name, numbered

PAGE = "page"
"""The folder of the gallery that holds its web page."""

_ENDINGS = (".png", ".part")


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

    def left_by(self, record_ids: Sequence[str]) -> Mapping[str, Path]:
        """The file that each of ``record_ids`` has left, if any."""
        if not record_ids:
            return {}
        left: dict[str, Path] = {}
        files = [*_files(self._gallery), *Path(tempfile.gettempdir()).glob("mai-*")]
        for file in files:
            for record_id in record_ids:
                names = (f".{record_id}.part", f"mai-{record_id}-")
                is_final = len(record_id) >= SHORT_ID and record_id[:SHORT_ID] in file.stem
                if (
                    is_final or (record_id and file.name.startswith(names))
                ) and file.suffix in _ENDINGS:
                    left.setdefault(record_id, file)
        return left

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
            picture, record = self._scan(file), Record.from_json(state)
        except (OSError, ValueError):
            return None
        if picture is None:
            return None
        try:
            name = self._placed(file, record)
        except OSError as error:
            raise StorageError(
                f"The picture {file} cannot go into the gallery: {error.strerror}.",
                code="rescued",
                hint="Make room, and run it again; the picture is safe where it is.",
            ) from None
        return {"path": name, "gallery": str(self._gallery), **asdict(picture)}

    def _placed(self, file: Path, record: Record) -> str:
        """Where ``file`` is in the gallery from now on."""
        if file.suffix == ".png" and self._gallery in file.parents:
            return file.relative_to(self._gallery).as_posix()
        first = master_name(self._template, record)
        for number in count(1):
            name = numbered(first, number) if number > 1 else first
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
        with file.open("rb") as source, create(target, overwrite=False) as copy:
            shutil.copyfileobj(source, copy)
        with suppress(OSError):
            file.unlink()


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
