"""From a manifest to a plan: everything that is read before anything is done."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname
from typing import NoReturn, Protocol

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.batch import Action, BatchPlan, State
from mai_cli.models.lock import Lock, LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, Manifest, Mistake
from mai_cli.models.mistakes import mistakes_error
from mai_cli.services.ordering import Ordering, Wanted
from mai_cli.services.outputs import is_within, resolved
from mai_cli.services.planning import Digests, Look, Wishes, fold, paths_of, plan
from mai_cli.services.selecting import Selection

Digest = Callable[[Path, Collection[str]], Digests]
"""The digests of files, by their paths below a folder."""

MAX_NAMED = 20
"""Files that are in the way."""


class LockFile(Protocol):
    """Keeps the lock on disk."""

    def read(self) -> Lock:
        """What it says."""

    def read_fragments(self) -> dict[str, Lock]:
        """What the jobs of sharded runs have left, by name."""

    @property
    def names(self) -> Collection[str]:
        """The assets that it knows after a run."""

    def write(self, lock: Lock, /) -> None:
        """Put it there."""

    def drop(self, names: Collection[str], /) -> None:
        """Put it there without these."""

    def remove_fragments(self, names: Collection[str], /) -> None:
        """Forget those that the lock has taken in."""


@dataclass(frozen=True)
class Prepared:
    """A plan with all that it was made from.

    ``base`` is the lock as it is on disk, ``lock`` has the fragments of these names folded in, and
    is without what was pruned.
    """

    plan: BatchPlan
    wanted: Sequence[Wanted]
    base: Lock
    lock: dict[str, LockedAsset]
    fragments: Collection[str]
    digests: Digests

    @property
    def to_draw(self) -> list[Asset]:
        """The assets that are paid for."""
        drawn = [step.asset for step in self.plan.steps if step.action is Action.DRAW]
        return [asset for asset in drawn if asset]

    @property
    def has_work(self) -> bool:
        """Whether anything is to be made."""
        return any(step.action in (Action.DRAW, Action.EXPORT) for step in self.plan.steps)

    def lock_of(self, selection: Selection) -> dict[str, LockedAsset]:
        """The lock that a run on ``selection`` keeps; a job of several has its own part of it."""
        if selection.shard is None:
            return self.lock
        return {name: one for name, one in self.lock.items() if selection.shard.has(name)}

    def check_way(self) -> None:
        """See that no file is in the way of what is to be made.

        Raises:
            UsageError: With every one that is.
        """
        paths = [(step.name, path) for step in self.plan.steps for path in step.in_the_way]
        if not paths:
            return
        more = [f"... and {len(paths) - MAX_NAMED} more"] if len(paths) > MAX_NAMED else []
        them = "it" if len(paths) == 1 else "them"
        count = "An output exists" if len(paths) == 1 else f"{len(paths)} outputs exist"
        raise UsageError(
            f"{count} already, and the lock does not know of {them}. Nothing was sent.",
            code="output_exists",
            hint=f"Move {them} away, take {them} into the lock with --adopt, or replace {them} "
            "with --force NAME.",
            details=[*(f"{name}: {path}" for name, path in paths[:MAX_NAMED]), *more],
        )


def prepare(
    manifest: Manifest,
    assets: Sequence[Asset],
    selection: Selection,
    wishes: Wishes,
    *,
    ordering: Ordering,
    lock_file: LockFile,
    digest: Digest,
    look: Look,
    gallery: Path,
) -> Prepared:
    """Read what there is, and decide what is to be done.

    Raises:
        UsageError: The manifest, the lock or the selection has mistakes.
        ConfigError: A setting is missing or wrong, or the history cannot be read.
    """
    mistakes: list[Mistake] = []
    wanted = _want(manifest, selection.of(assets), mistakes, ordering, gallery)
    _check(manifest, mistakes)
    base = lock_file.read()
    fragments = lock_file.read_fragments()
    paths = paths_of(wanted, base).union(*(paths_of((), lock) for lock in fragments.values()))
    found = digest(manifest.folder, paths)
    digests = {path: one for path, one in found.items() if one is not None}  # at first few are
    asked = wanted
    if fragments and not selection.is_whole:
        # Also of what this run is not about: it writes the lock of the whole manifest.
        asked = ordering.want(assets, mistakes)
        _check(manifest, mistakes)
    lock = fold(base, fragments, asked, digests)
    steps = plan(wanted, lock, digests, look, wishes, is_whole=selection.is_whole)
    return Prepared(BatchPlan(manifest.name, steps), wanted, base, lock, fragments, digests)


def _check(manifest: Manifest, mistakes: Sequence[Mistake]) -> None:
    if mistakes:
        raise mistakes_error(manifest.name, mistakes)


def refuse(
    manifest: Manifest,
    assets: Sequence[Asset],
    mistakes: list[Mistake],
    *,
    ordering: Ordering,
    gallery: Path,
) -> NoReturn:
    """Refuse a manifest for ``mistakes``, and for all that is wrong with its other ``assets``.

    Raises:
        UsageError: With every mistake.
    """
    with suppress(ConfigError):  # that is told once the manifest has no mistakes
        _want(manifest, assets, mistakes, ordering, gallery)
    raise mistakes_error(manifest.name, mistakes)


def _want(
    manifest: Manifest,
    assets: Sequence[Asset],
    mistakes: list[Mistake],
    ordering: Ordering,
    gallery: Path,
) -> list[Wanted]:
    mistakes += _in_gallery(manifest, assets, gallery)
    return ordering.want(assets, mistakes)


def _in_gallery(manifest: Manifest, assets: Sequence[Asset], gallery: Path) -> list[Mistake]:
    """Outputs that would stand among the masters, which nothing may replace."""
    masters = resolved(gallery)
    outputs = [(asset, output.path) for asset in assets for output in asset.outputs]
    closed = set()
    for name in {dirname(path) for _, path in outputs}:
        folder = resolved(manifest.folder / name)
        if masters in (folder, *folder.parents):
            closed.add(name)
    return [
        Mistake(
            f"{asset.place} ({asset.name})",
            f"the output {path} is in the gallery, which is for masters",
            "Choose another place.",
        )
        for asset, path in outputs
        if dirname(path) in closed
    ]


def tidy(
    prepared: Prepared,
    folder: Path,
    *,
    lock_file: LockFile,
    digest: Callable[[Path], str],
    remove: Callable[[Path], None],
    keep: Collection[Path],
    allow_outside: bool,
) -> list[str]:
    """Before a run on the whole manifest: fold and prune; what to know of it.

    Neither one of ``keep`` is removed, whatever the lock calls it, nor an output of the manifest.

    Raises:
        StorageError: The lock cannot be written.
    """
    pruning = _Pruning(prepared, folder, digest, remove, keep, is_bound=not allow_outside)
    notes = pruning.run()
    if prepared.lock != prepared.base:
        lock_file.write(prepared.lock)
    lock_file.remove_fragments(prepared.fragments)
    return notes


def adopt(prepared: Prepared, selection: Selection, lock_file: LockFile) -> list[str]:
    """Take the files of assets that are not up to date into the lock as they are.

    Only of assets whose every output is there; what was taken and what was not is returned.

    Raises:
        StorageError: The lock cannot be written.
    """
    wanted = {want.asset.name: want for want in prepared.wanted}
    notes = []
    for step in prepared.plan.steps:
        if step.asset is None or step.state is State.UP_TO_DATE:
            continue
        locked = _as_it_is(wanted[step.name], prepared)
        if locked:
            prepared.lock[step.name] = locked
        notes.append(
            f"{step.name}: {'taken as it is' if locked else 'not all of its files are there'}"
        )
    if prepared.lock != prepared.base:
        lock_file.write(prepared.lock_of(selection))
    return notes or ["Everything is up to date."]


def _as_it_is(want: Wanted, prepared: Prepared) -> LockedAsset | None:
    found = {output: prepared.digests.get(output.path) for output in want.asset.outputs}
    outputs = {
        output.path: LockedOutput(output.recipe, sha256)
        for output, sha256 in found.items()
        if sha256
    }
    if not found or len(outputs) < len(found):
        return None
    before = prepared.lock.get(want.asset.name)
    left_over = {
        path: output
        for path, output in (before.outputs.items() if before else ())
        if path not in outputs and prepared.digests.get(path)
    }
    is_same = before is not None and before.request in want.digests and not before.offline
    return LockedAsset(
        request=before.request if before and is_same else want.digests[0],
        master=before.master if before and is_same else None,
        alt=want.asset.alt,
        outputs={**left_over, **outputs},
    )


def forget(prepared: Prepared, lock_file: LockFile) -> None:
    """After a run on the whole manifest: drop what left it, as far as no file of it is there.

    What an asset that is not made yet can take over is kept: it may be the same, renamed.

    Raises:
        StorageError: The lock cannot be written.
    """
    wanted = {want.asset.name: want for want in prepared.wanted}
    named = {output.path for want in prepared.wanted for output in want.asset.outputs}
    unmade = {digest for name in wanted.keys() - lock_file.names for digest in wanted[name].digests}
    gone = {
        name
        for name, locked in prepared.lock.items()
        if name not in wanted
        and locked.request not in unmade
        and not any(prepared.digests.get(path) for path in locked.outputs if path not in named)
    }
    if gone:
        lock_file.drop(gone)


class _Pruning:
    """Removes files of what left the manifest, if they are as the lock says.

    ``is_bound`` to the folder of the manifest: a lock comes from others.
    """

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        digest: Callable[[Path], str],
        remove: Callable[[Path], None],
        keep: Collection[Path],
        *,
        is_bound: bool,
    ) -> None:
        self._prepared = prepared
        self._folder = folder
        self._digest = digest
        self._remove = remove
        self._keep = keep
        self._is_bound = is_bound

    def run(self) -> list[str]:
        """What became of each file. The lock forgets all but those that could not be removed."""
        prepared, notes = self._prepared, []
        steps = [step for step in prepared.plan.steps if step.action is Action.PRUNE]
        named = {want.asset.name for want in prepared.wanted}
        ours = self._ours() if steps else set()
        for step in steps:
            locked = prepared.lock[step.name]
            outputs = dict(locked.outputs)
            for output in step.outputs:
                path = self._folder / output.path
                try:
                    notes.append(f"{path} {self._prune(path, outputs[output.path], ours)}.")
                    del outputs[output.path]
                except OSError as error:  # it stays known, for the next time
                    notes.append(f"{path} could not be removed: {error.strerror}.")
            if outputs or step.name in named:
                prepared.lock[step.name] = _with_outputs(locked, outputs)
            else:
                del prepared.lock[step.name]
        return notes

    def _ours(self) -> set[object]:
        """What must stay, also under another name: links, and systems that ignore case."""
        outputs = [output.path for want in self._prepared.wanted for output in want.asset.outputs]
        paths = [*self._keep, *(self._folder / path for path in outputs)]
        return {_file_at(path) for path in paths} - {None}

    def _prune(self, path: Path, output: LockedOutput, ours: set[object]) -> str:
        """Remove the file at ``path``, if it may be; what became of it."""
        if self._is_bound and not is_within(path, self._folder):
            return "is outside of the manifest's folder, and was left alone"
        if _file_at(path) in ours:
            return "is still in use under another name, and was left alone"
        if self._digest(path) != output.sha256:
            return "was modified, and was left alone"
        self._remove(path)
        return "was removed"


def _file_at(path: Path) -> object:
    """The same for every name of a file; ``None`` where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _with_outputs(locked: LockedAsset, outputs: dict[str, LockedOutput]) -> LockedAsset:
    return LockedAsset(locked.request, locked.master, locked.offline, locked.alt, outputs)
