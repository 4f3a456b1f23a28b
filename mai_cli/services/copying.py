"""Pictures of a history to another folder, as they are or converted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mai_cli.errors import StorageError
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Export, Record
from mai_cli.services.exporting import Exported
from mai_cli.services.outputs import Target

State = Mapping[str, Any]


class Exporting(Protocol):
    """Makes files of a picture."""

    def prepare(self, targets: Sequence[Target], /) -> None:
        """See that they can be written."""

    def export(
        self,
        done: Exported,
        master: Path,
        record: Record,
        targets: Sequence[Target],
        number: int | None,
        /,
        *,
        overwrite: bool,
        metadata: bool,
    ) -> None:
        """Make ``targets``; ``done`` tells of each."""


@dataclass(frozen=True)
class Copied:
    """What became of one record: the file that was made, or why there is none."""

    state: State
    path: Path | None
    problem: str | None = None


def copy_pictures(
    states: Iterable[State],
    folder: Path,
    recipe: Recipe,
    *,
    exporter: Exporting,
    master: Callable[[State], Path | None],
    digest: Callable[[Path], str],
    remember: Callable[[State, Export], None],
    overwrite: bool,
    metadata: bool,
) -> Iterator[Copied]:
    """Make a file of each picture in ``folder``, named as its master; yields each as it is there.

    A name that another has gets the id too. What is there already is left alone unless
    ``overwrite``. ``master`` finds the picture, ``digest`` reads it or raises ``OSError``, and
    ``remember`` tells the history of the file.

    Raises:
        UsageError: The folder cannot be written.
    """
    ending = "jpg" if recipe.format == "jpeg" else recipe.format
    used: set[str] = set()  # a template may give one name to several
    exporter.prepare([Target(folder, is_folder=True, recipe=recipe)])
    for state in states:
        source = master(state)
        problem = _problem(state, source, digest)
        if source is None or problem:
            yield Copied(state, None, problem)
            continue
        is_free = source.stem.casefold() not in used
        stem = source.stem if is_free else f"{source.stem}-{state['id']}"
        used.add(stem.casefold())
        target = Target(folder / f"{stem}.{ending}", is_folder=False, recipe=recipe)
        record = Record.from_json(state)
        done = Exported()
        exporter.export(
            done, source, record, [target], None, overwrite=overwrite, metadata=metadata
        )
        problems = list(done.failures)
        for export in done.exports:
            try:
                remember(state, export)
            except StorageError as error:  # the file is there all the same
                problems.append(error.message.removesuffix("."))
        path = Path(done.exports[0].path) if done.exports else None
        yield Copied(state, path, "; ".join(problems) or None)


def _problem(state: State, source: Path | None, digest: Callable[[Path], str]) -> str | None:
    """Why there can be no copy."""
    if source is None:
        return f"the record {state['id']} has no picture on this machine"
    try:
        Record.from_json(state)
        is_changed = digest(source) != state["master"]["sha256"]
    except (KeyError, ValueError):
        return f"the record {state['id']} cannot be understood"
    except OSError as error:
        return f"{source} cannot be read: {error.strerror}"
    return f"{source} is not what it was" if is_changed else None
