"""The parts of a batch: what reads a manifest, plans, and draws with several profiles at once."""

import gc
import os
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mai_cli.errors import MaiError, UnavailableError
from mai_cli.models.mistakes import STANDARD_INPUT
from mai_cli.parts.drawing import Drawing, budget

if TYPE_CHECKING:
    from mai_cli.models.batch import BatchPlan, Ended, Summary
    from mai_cli.models.manifest import Asset, Manifest, Mistake
    from mai_cli.models.settings import Settings
    from mai_cli.parts import Parts
    from mai_cli.parts.access import Access
    from mai_cli.services.batching import Batch, Lane, Terms
    from mai_cli.services.ordering import Ordering
    from mai_cli.services.planning import Wishes
    from mai_cli.services.preparing import Prepared
    from mai_cli.services.selecting import Selection, Shard
    from mai_cli.stores.history import History
    from mai_cli.stores.lock_file import LockFile

STDIN_NAME = "mai"
"""Of the lock where the manifest comes from standard input."""

REQUEST_OBJECTS = 2_000
"""So many new ones while it runs before Python looks for cycles: those of about 15 requests."""

_STOPPING = (
    "Stopping: nothing new is sent, and what is in flight is waited for. Once more gives it up."
)


class BatchParts:
    """The parts of one run of ``mai batch``; one of ``accesses`` for each profile.

    ``commands`` are those that GitHub Actions obeys once all is said.
    """

    def __init__(self, parts: "Parts", accesses: "Sequence[Access]", commands: list[str]) -> None:
        self._parts = parts
        self._accesses = accesses
        self._commands = commands
        self._stopping = threading.Event()
        self._lock_files: dict[tuple[Path, Shard | None], LockFile] = {}

    @cached_property
    def settings(self) -> "Settings":
        """What holds for the run as a whole."""
        from mai_cli.services.settings import combine

        return combine([access.settings for access in self._accesses])

    @property
    def _history(self) -> "History":
        from mai_cli.stores.history import History

        return History(self.settings.history)

    @cached_property
    def _drawings(self) -> list[Drawing]:
        wait = self._stopping.wait
        return [Drawing(self._parts, access, wait=wait) for access in self._accesses]

    def manifest(self, source: str, kind: str | None) -> "Manifest":
        """The manifest at the path ``source``, or on standard input where that is ``-``."""
        from mai_cli.stores.manifest import read_manifest

        return read_manifest(None if source == "-" else Path(source), kind, sys.stdin)

    def assets(self, manifest: "Manifest", *, allow_outside: bool) -> "list[Asset]":
        """The pictures that ``manifest`` describes."""
        from mai_cli.services.assets import build_assets
        from mai_cli.services.preparing import refuse
        from mai_cli.stores.prompts import read_prompt

        mistakes: list[Mistake] = []
        assets = build_assets(
            manifest,
            mistakes,
            allow_outside=allow_outside,
            read_prompt=lambda path: read_prompt(str(path), None),
            private=self.settings.private,
        )
        if mistakes:
            gallery = self.settings.gallery
            refuse(manifest, assets, mistakes, ordering=self.ordering, gallery=gallery)
        return assets

    @cached_property
    def ordering(self) -> "Ordering":
        """What makes requests of assets."""
        from mai_cli.adapters.identity import digest
        from mai_cli.services.ordering import Ordering

        return Ordering(
            [access.settings for access in self._accesses],
            read_reference=lambda path: self._parts.references([str(path)])[0],
            digest=digest,
        )

    def lock_file(self, manifest: "Manifest", shard: "Shard | None") -> "LockFile":
        """The lock beside ``manifest``; the same each time."""
        from mai_cli.stores.lock_file import LockFile

        path = _path_of(manifest)
        if (path, shard) not in self._lock_files:
            self._lock_files[path, shard] = LockFile(path, str(shard) if shard else None)
        return self._lock_files[path, shard]

    def prepare(
        self,
        manifest: "Manifest",
        assets: "Sequence[Asset]",
        selection: "Selection",
        wishes: "Wishes",
    ) -> "Prepared":
        """A plan, and what it was made from."""
        from mai_cli.adapters.identity import digests
        from mai_cli.services.preparing import prepare
        from mai_cli.services.recalling import Recalling

        recalling = Recalling(
            self._history,
            str(_identity_of(manifest)),
            offline=self.settings.offline,
            is_file=Path.is_file,
        )
        return prepare(
            manifest,
            assets,
            selection,
            wishes,
            ordering=self.ordering,
            lock_file=self.lock_file(manifest, selection.shard),
            digest=digests,
            look=recalling.look,
            gallery=self.settings.gallery,
        )

    def seconds(self, plan: "BatchPlan") -> float | None:
        """About how long ``plan`` takes; ``None`` where nothing is known of the service yet."""
        from mai_cli.services.estimating import estimate

        draws = [step.deployments for step in plan.steps if step.deployments]
        try:
            paces = [drawing.pace for drawing in self._drawings]
            return estimate(draws, paces, self.settings.concurrency)
        except MaiError:  # a plan needs no endpoint
            return None

    def adopt(
        self, manifest: "Manifest", prepared: "Prepared", selection: "Selection"
    ) -> list[str]:
        """Take files into the lock as they are; what became of each asset."""
        from mai_cli.services.preparing import adopt

        return adopt(prepared, selection, self.lock_file(manifest, selection.shard))

    def tidy(self, manifest: "Manifest", prepared: "Prepared", *, allow_outside: bool) -> list[str]:
        """Fold and prune, before a run; what to know of it."""
        from mai_cli.adapters.identity import digest
        from mai_cli.services.preparing import tidy

        lock_file = self.lock_file(manifest, None)
        return tidy(
            prepared,
            manifest.folder,
            lock_file=lock_file,
            digest=digest,
            remove=Path.unlink,
            keep=[_path_of(manifest), lock_file.path],
            allow_outside=allow_outside,
        )

    @contextmanager
    def alone(self, manifest: "Manifest", shard: "Shard | None") -> Iterator[None]:
        """Be the only run on ``manifest``, or on this part of it.

        Raises:
            UnavailableError: Another one is at work.
        """
        with ExitStack() as held:
            try:
                self._hold(held, _identity_of(manifest), shard)
            except BlockingIOError:
                raise UnavailableError(
                    f"Another mai batch is at work on {manifest.name}.",
                    code="busy",
                    hint="Wait until it has ended.",
                ) from None
            except OSError as error:
                self._parts.output.note(
                    f"Nothing keeps another mai batch from the same work: {error.strerror}."
                )
            yield

    def _hold(self, held: ExitStack, path: Path, shard: "Shard | None") -> None:
        from zlib import crc32

        from mai_cli.stores.atomic import make_folder
        from mai_cli.stores.file_lock import locked, locked_if_free

        folder = self._parts.paths.state / "batches"
        make_folder(folder)
        name = f"{crc32(os.fsencode(path.with_suffix(''))):08x}"  # as the lock, of any format
        with locked(folder / f"{name}.door"):  # one after the other
            held.enter_context(locked_if_free(folder / f"{name}.lock", shared=shard is not None))
            if shard:
                held.enter_context(locked_if_free(folder / f"{name}-{shard}.lock"))
                for other in folder.glob(f"{name}-*-of-*.lock"):
                    if not other.name.endswith(f"-of-{shard.count}.lock"):
                        with locked_if_free(other):  # it divides the same work another way
                            pass

    def check_places(
        self, manifest: "Manifest", prepared: "Prepared", selection: "Selection", junit: str | None
    ) -> None:
        """See that what a run writes beside pictures can be written, before anything is paid."""
        if prepared.has_work:
            self.lock_file(manifest, selection.shard).prepare()
        if junit is not None:
            from mai_cli.stores.junit import check_junit

            check_junit(Path(junit))

    def batch(
        self,
        manifest: "Manifest",
        prepared: "Prepared",
        terms: "Terms",
        *,
        shard: "Shard | None",
        max_images: int | None,
    ) -> "Batch":
        """What carries out the plan."""
        from mai_cli.adapters.identity import digest
        from mai_cli.services.batching import Batch
        from mai_cli.services.finishing import Finishing

        lanes = self._lanes(max_images) if prepared.to_draw else []
        finishing = Finishing(
            manifest.folder,
            self._parts.exporting(nullcontext),
            self._history,
            digest,
            lock=prepared.lock,
            digests=prepared.digests,
            metadata=self.settings.metadata,
        )
        return Batch(
            lanes=lanes,
            request=self.ordering.request,
            finishing=finishing,
            lock_file=self.lock_file(manifest, shard),
            terms=terms,
            tell=self._parts.output.note,
            stopping=self._stopping,
        )

    def _lanes(self, max_images: int | None) -> "list[Lane]":
        from mai_cli.services.batching import Lane

        limits = budget(self._parts, self.settings, max_images, self._stopping.is_set)
        return [
            Lane(
                generation=drawing.generation(limits, self._parts.output.log),
                pace=drawing.pace,
                endpoint=access.endpoint,
                profile=access.settings.profile,
                hang_up=drawing.painter.hang_up,
            )
            for drawing, access in zip(self._drawings, self._accesses, strict=True)
        ]

    def terms(
        self, manifest: "Manifest", *, retry_lost: bool = False, fail_fast: bool = False
    ) -> "Terms":
        """What holds for every picture of this run."""
        from mai_cli.services.batching import Terms

        settings, cores = self.settings, os.cpu_count() or 1
        return Terms(
            manifest=str(_identity_of(manifest)),
            # Placeholders are drawn on this machine, which has no room for many at once.
            concurrency=min(settings.concurrency, cores)
            if settings.offline
            else settings.concurrency,
            exporters=cores,
            metadata=settings.metadata,
            private=settings.private,
            retry_lost=retry_lost,
            fail_fast=fail_fast,
        )

    def endings(
        self, batch: "Batch", manifest: "Manifest", prepared: "Prepared", selection: "Selection"
    ) -> "Generator[Ended]":
        """Carry out the plan, and show how far it is; Ctrl-C drains it, and then gives it up.

        At last what has left the manifest is dropped from the lock.
        """
        from mai_cli.services.preparing import forget

        def drain() -> None:
            self._parts.output.note(_STOPPING)
            batch.drain()

        lock_file = self.lock_file(manifest, selection.shard)
        lock_file.hold(prepared.lock_of(selection))
        _collect_often()
        running = closing(batch.run(prepared.plan.steps))
        with self._parts.stops.counted(drain, batch.abort), running as endings:
            yield from self._watched(endings, len(prepared.wanted))
        if selection.is_whole:
            forget(prepared, lock_file)

    def _watched(self, endings: "Iterable[Ended]", total: int) -> "Iterator[Ended]":
        """A bar for a person, else a line at times."""
        output = self._parts.output
        if output.quiet:
            return iter(endings)
        if not self._parts.is_screen:
            from mai_cli.terminal.batch_tally import plain_batch

            return plain_batch(endings, total, output.note)
        from mai_cli.terminal.batch_progress import watch_batch

        return watch_batch(endings, total, color=output.color)

    def report(self, summary: "Summary", junit: str | None) -> None:
        """Tell other programs how it went: those that read JUnit, and GitHub Actions."""
        if self._parts.is_on_github:
            from mai_cli.terminal import github

            self._tell_github(github.annotations(summary), github.step_summary(summary))
        if junit:
            from mai_cli.stores.junit import write_junit

            write_junit(Path(junit), summary)

    def report_check(self, plan: "BatchPlan", junit: str | None) -> None:
        """Tell other programs what is not up to date."""
        if self._parts.is_on_github:
            from mai_cli.terminal import github

            self._tell_github(github.check_annotations(plan), github.plan_summary(plan))
        if junit:
            from mai_cli.stores.junit import check_junit, write_check

            check_junit(Path(junit))
            write_check(Path(junit), plan)

    def _tell_github(self, annotations: Sequence[str], summary: str) -> None:
        from mai_cli.terminal.github import append_step_summary

        self._commands += annotations
        if (path := self._parts.step_summary) and (reason := append_step_summary(path, summary)):
            self._parts.output.note(f"The step summary could not be written: {reason}.")


def _collect_often() -> None:
    """Keep memory small over thousands of requests, each of which leaves cycles behind."""
    gc.freeze()  # the plan, which stays
    gc.set_threshold(REQUEST_OBJECTS)


def _identity_of(manifest: "Manifest") -> Path:
    """The same however its folder is reached."""
    return Path(os.path.realpath(manifest.folder)) / _path_of(manifest).name


def _path_of(manifest: "Manifest") -> Path:
    """Where ``manifest`` is; its lock is beside it."""
    return manifest.folder / (STDIN_NAME if manifest.name == STANDARD_INPUT else manifest.name)
