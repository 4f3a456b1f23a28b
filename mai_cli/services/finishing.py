"""From a picture to the files of its asset, and to what the lock says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path

from mai_cli.errors import MaiError
from mai_cli.models.batch import Drawn, Ended, Result, Step
from mai_cli.models.lock import UNFINISHED, LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.outcome import Outcome
from mai_cli.models.record import Export, Record
from mai_cli.services.announcing import History
from mai_cli.services.exporting import Exported, Exporting, export_error
from mai_cli.services.outputs import Target, Targets
from mai_cli.services.planning import Digests


@dataclass(frozen=True)
class Finished:
    """An asset whose turn is over, with what the lock is to say of it, if that has changed."""

    ended: Ended
    locked: LockedAsset | None = None


class Finishing:
    """Makes the files of assets, below ``folder``, where their manifest is.

    ``digest`` is that of a file. ``lock`` and ``digests`` are as the plan found them.
    """

    def __init__(
        self,
        folder: Path,
        exporter: Exporting,
        history: History,
        digest: Callable[[Path], str],
        *,
        lock: Mapping[str, LockedAsset],
        digests: Digests,
        metadata: bool,
    ) -> None:
        self._folder = folder
        self._exporter = exporter
        self._history = history
        self._digest = digest
        self._lock = lock
        self._digests = digests
        self._metadata = metadata

    def prepare(self, steps: Sequence[Step]) -> None:
        """See that the files of ``steps`` can be written, before anything is paid for.

        Raises:
            UsageError: A folder cannot be written, or a format not on this machine.
        """
        targets = (target for step in steps for target in self.targets(step).files)
        kinds = {(target.folder, target.recipe.format): target for target in targets}
        self._exporter.prepare(list(kinds.values()))

    def targets(self, step: Step) -> Targets:
        """Where the files of ``step`` go."""
        return Targets(
            [
                Target(
                    self._file(output),
                    is_folder=False,
                    recipe=output.recipe,
                    is_ours=output.path in step.replaces,
                )
                for output in step.outputs
            ]
        )

    def _file(self, output: AssetOutput) -> Path:
        """Where ``output`` goes."""
        return Path(normpath(self._folder / output.path))

    def drawn(self, step: Step, request: str, outcome: Outcome) -> Finished:
        """What ``outcome`` of the request with that digest means."""
        alt = step.asset.alt if step.asset else None
        ended = Ended.of(step.name, outcome, alt)
        if outcome.record.master is None:
            return Finished(ended)
        return Finished(ended, self._locked(step, request, outcome.record, {}))

    def export(self, step: Step) -> Finished:
        """Make the outputs of ``step`` from the picture that is there."""
        if step.drawn is None or step.asset is None:
            raise ValueError("nothing was drawn for this step")
        done = Exported()
        master = step.drawn.master
        try:
            record, sha256 = self._seen(step.drawn, step.asset)
            targets = self.targets(step).files
            self._exporter.export(
                done, master, record, targets, None, overwrite=False, metadata=self._metadata
            )
            record = self._remembered(record, done)
            error = export_error(done.failures, f"The picture is safe at {master}")
        except (OSError, ValueError) as problem:
            why = str(problem)
            if isinstance(problem, OSError):
                why = f"cannot be read: {problem.strerror}"
            what = f"The master {master} {why}"
            hint = f"Draw it again with --force {step.name}; that is paid for."
            return Finished(Ended(step.name, Result.FAILED, error=export_error([what], hint)))
        except MaiError as problem:
            return Finished(Ended(step.name, Result.FAILED, error=problem))
        ended = Ended(
            step.name,
            Result.FAILED if error else Result.RESTORED,
            record=record.to_json(),
            paths=tuple(Path(export.path) for export in done.exports),
            error=error,
            alt=step.asset.alt,
        )
        locked = self._lock.get(step.name)
        kept = locked.outputs if locked and locked.master == sha256 else {}
        return Finished(ended, self._locked(step, step.drawn.request, record, kept, done.exports))

    def _seen(self, drawn: Drawn, asset: Asset) -> tuple[Record, str]:
        """The record of a picture, and its digest, which is still the one that was paid for."""
        record = Record.from_json(drawn.record)
        if record.master is None or self._digest(drawn.master) != record.master.sha256:
            raise ValueError("is damaged")
        return replace(record, alt=asset.alt), record.master.sha256

    def _remembered(self, record: Record, done: Exported) -> Record:
        """``record`` with what was made just now, in the history too."""
        made = {export.path: export for export in done.exports}
        older = [export for export in record.exports if export.path not in made]
        exports = [*older, *done.exports]
        if exports != record.exports:
            record = replace(record, exports=exports)
            self._history.append(record, is_detail=True)
        return record

    def _locked(
        self,
        step: Step,
        request: str,
        record: Record,
        kept: Mapping[str, LockedOutput],
        exports: list[Export] | None = None,
    ) -> LockedAsset:
        """What the lock is to say: what was made, what holds, and what is left over."""
        by_path = {str(self._file(output)): output for output in step.outputs}
        made = {
            by_path[export.path].path: LockedOutput(by_path[export.path].recipe, export.sha256)
            for export in (record.exports if exports is None else exports)
            if export.path in by_path
        }
        wanted = {output.path for output in step.asset.outputs} if step.asset else set()
        before = self._lock.get(step.name)
        there = {  # what is still wanted is unfinished
            path: replace(output, sha256=UNFINISHED) if path in wanted else output
            for path, output in (before.outputs.items() if before else ())
            if self._digests.get(path)
        }
        return LockedAsset(
            request=request,
            master=record.master.sha256 if record.master else None,
            offline=record.offline,
            alt=step.asset.alt if step.asset else None,
            outputs={**there, **kept, **made},
        )
