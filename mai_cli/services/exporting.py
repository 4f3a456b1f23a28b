"""Exports: what is made from a master that is safe, each whole or not at all."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, Self, TypeVar

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Export, Master, Record
from mai_cli.services.outputs import Target

T = TypeVar("T")

_COPIED = "png"  # what masters are
_FLATTENED = "JPEG has no transparency: what was transparent is white."
_UNSIGNED = (
    "This picture has content credentials. Copies keep them; conversions cannot, "
    "since the signature holds for the master's bytes only."
)


class Disk(Protocol):
    """Writes files."""

    def prepare(self, folder: Path, /) -> None:
        """See that ``folder`` is there and can be written."""

    def create(
        self,
        target: Path,
        /,
        *,
        overwrite: bool,
        placing: Callable[[], AbstractContextManager[None]],
    ) -> AbstractContextManager[BinaryIO]:
        """A file that becomes ``target`` at the end, whole or not at all, within ``placing``."""


class Sink(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Add ``data``."""


class Original(Protocol):
    """A master that was decoded."""

    @property
    def has_transparency(self) -> bool:
        """Whether anything shines through."""

    def render(self, recipe: Recipe, record: Record | None, /) -> bytes:
        """The file that ``recipe`` asks for, with what ``record`` tells, if there is one.

        Raises:
            ValueError: It cannot be made; the message, half a sentence, says why.
        """


@dataclass(frozen=True)
class Exported:
    """What was made, and what failed, each in half a sentence."""

    exports: list[Export] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Exporting:
    """Makes exports; what is to know of them is told once.

    ``stamp`` copies a PNG with what a record tells; ``decode`` opens one for conversions. Both
    raise ``OSError``, or ``ValueError`` with half a sentence about the picture. ``can_write``
    knows the formats. ``hold`` keeps a stop from coming between a file and the knowledge of it.
    """

    def __init__(
        self,
        *,
        disk: Disk,
        stamp: Callable[[BinaryIO, Sink, Record], None],
        decode: Callable[[Path], Original],
        can_write: Callable[[str], bool],
        tell: Callable[[str], None],
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._disk = disk
        self._stamp = stamp
        self._decode = decode
        self._can_write = can_write
        self._tell = tell
        self._hold = hold
        self._told: set[str] = set()

    def prepare(self, targets: Sequence[Target]) -> None:
        """Make the folders of the outputs, before anything is paid for.

        Raises:
            UsageError: One of them cannot be written, or its format not on this machine.
        """
        for target in targets:
            name = target.recipe.format
            if name != _COPIED and not self._can_write(name):
                raise UsageError(
                    f"This installation of Pillow cannot write {name}: {target.path}",
                    code="bad_output",
                    hint="Install a Pillow that can, or choose another format.",
                )
            try:
                self._disk.prepare(target.folder)
            except OSError as error:
                raise UsageError(
                    f"The output folder {target.folder} cannot be written: {error.strerror}.",
                    code="bad_output",
                    hint="Choose another place.",
                ) from None

    def export(
        self,
        done: Exported,
        master: Path,
        record: Record,
        targets: Sequence[Target],
        number: int | None,
        *,
        overwrite: bool,
        metadata: bool,
    ) -> None:
        """Make all exports of the picture at ``master``, which ``record`` tells of.

        ``done`` knows of each as soon as it is there, whatever stops the others.

        Where format and size stay, an export is a copy, with metadata unless the master is signed:
        a signature holds for exactly these bytes. All others are converted, side by side. One
        that fails does not stop the others.
        """
        facts = record.master
        if facts is None:
            raise ValueError("a record without a master has no exports")
        told = record if metadata else None
        recipes = [target.recipe for target in targets]
        converted = self._convert(
            master, facts, [r for r in recipes if not _copies(r, facts)], told
        )
        for target in targets:
            file = target.file_for(master.name, number)
            content = converted.get(target.recipe)
            try:
                if isinstance(content, Exception):
                    raise content
                stamped = None if facts.content_credentials else told
                fill = partial(self._fill, master=master, content=content, told=stamped)
                self._write(done, target, file, facts, fill, overwrite=overwrite)
            except FileExistsError:
                done.failures.append(f"{file} exists and was left alone")
            except OSError as error:
                done.failures.append(f"{file} could not be written: {error.strerror}")
            except ValueError as error:
                done.failures.append(f"{file} could not be made: the picture {error}")

    def _convert(
        self, master: Path, facts: Master, recipes: Sequence[Recipe], told: Record | None
    ) -> dict[Recipe, bytes | Exception]:
        """The content of each conversion, or what kept it from being made."""
        if not recipes:
            return {}
        try:
            original = self._decode(master)
        except (OSError, ValueError) as error:
            return dict.fromkeys(recipes, error)
        if facts.content_credentials:
            self._tell_once(_UNSIGNED)
        if original.has_transparency and any(recipe.format == "jpeg" for recipe in recipes):
            self._tell_once(_FLATTENED)
        different = list(dict.fromkeys(recipes))
        works = [partial(original.render, recipe, told) for recipe in different]
        return dict(zip(different, side_by_side(works), strict=True))

    def _fill(
        self, file: Sink, *, master: Path, content: bytes | None, told: Record | None
    ) -> None:
        """Write ``content``, or else the master, into ``file``."""
        if content is not None:
            file.write(content)
            return
        with master.open("rb") as source:
            if told:
                self._stamp(source, file, told)
            else:
                shutil.copyfileobj(source, file)

    def _write(
        self,
        done: Exported,
        target: Target,
        file: Path,
        master: Master,
        fill: Callable[[Sink], None],
        *,
        overwrite: bool,
    ) -> None:
        """Write one export; in a folder, where names are ours to choose, beside what is there."""
        first, number = file, 1
        while True:
            counted = _Counted(target.recipe.max_kb)

            @contextmanager
            def placing(path: Path = file, counted: _Counted = counted) -> Iterator[None]:
                with self._hold():
                    yield
                    done.exports.append(counted.export(path, target.recipe, master))

            try:
                replaces = overwrite or target.is_ours
                with self._disk.create(file, overwrite=replaces, placing=placing) as opened:
                    fill(counted.into(opened))
            except FileExistsError:
                if counted.is_same(file):  # a run that was killed has made it
                    done.exports.append(counted.export(file, target.recipe, master))
                    return
                if not target.is_folder:
                    raise
                number += 1
                file = first.with_name(f"{first.stem}-{number}{first.suffix}")
            else:
                return

    def _tell_once(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            self._tell(note)


class _Counted:
    """A file that counts its bytes, up to a limit, and takes their digest."""

    def __init__(self, max_kb: int | None) -> None:
        import hashlib  # noqa: PLC0415 - a quarter of the memory of a start

        self._max_kb = max_kb
        self._bytes = 0
        self._digest = hashlib.sha256()

    def into(self, file: BinaryIO) -> Self:
        """Let what is written go to ``file``."""
        self._file = file
        return self

    def write(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._max_kb is not None and self._bytes > self._max_kb * 1000:
            raise ValueError(f"takes more than {self._max_kb} kB")
        self._digest.update(data)
        self._file.write(data)

    def is_same(self, file: Path) -> bool:
        """Whether ``file`` holds just what was written."""
        import hashlib  # noqa: PLC0415 - as above

        try:
            if not file.is_file():
                return False
            with file.open("rb") as there:
                found = hashlib.file_digest(there, "sha256").hexdigest()
        except OSError:
            return False
        return found == self._digest.hexdigest()

    def export(self, path: Path, recipe: Recipe, master: Master) -> Export:
        """The record of what was written."""
        digest = self._digest.hexdigest()
        width, height = recipe.size_of(master.width, master.height)
        return Export(
            path=str(path),
            format=recipe.format,
            width=width,
            height=height,
            bytes=self._bytes,
            sha256=digest,
            content_credentials=master.content_credentials and digest == master.sha256,
        )


def _copies(recipe: Recipe, master: Master) -> bool:
    """Whether format and size of ``master`` stay."""
    try:
        size = recipe.size_of(master.width, master.height)
    except ValueError:
        return False  # whoever makes it says so
    return recipe.format == _COPIED and size == (master.width, master.height)


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """The results of ``works``, or what they raised, in order; as many at a time as cores.

    Ctrl-C does not wait for them.
    """
    results: dict[int, T | Exception] = {}
    left = iter(enumerate(works))

    def work() -> None:
        for number, call in left:
            try:
                results[number] = call()
            except Exception as error:  # noqa: BLE001 - whoever asked decides
                results[number] = error

    count = min(len(works), os.cpu_count() or 1)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    started = []
    for thread in threads:
        with suppress(RuntimeError):  # the machine may have no room for another
            thread.start()
            started.append(thread)
    for thread in started:
        thread.join()
    work()  # what nobody has taken, if there is anything
    return [results[number] for number in range(len(works))]


def export_error(failures: Sequence[str], hint: str) -> StorageError | None:
    """What to say of outputs that could not be written."""
    if not failures:
        return None
    return StorageError(f"{'; '.join(failures)}.", code="export_failed", hint=hint)
