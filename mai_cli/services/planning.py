"""What a batch has to do: manifest × lock × disk × history, decided in one place.

Everything here is a function of its arguments. ``--dry-run`` shows the plan, ``--check`` judges
it, a run carries it out.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mai_cli.models.batch import Action, Drawn, State, Step
from mai_cli.models.lock import UNFINISHED, Lock, LockedAsset, LockedOutput
from mai_cli.models.manifest import AssetOutput
from mai_cli.services.ordering import Wanted

NO_FILE = ""
"""Stands for the digest of what is there but is no file, such as a folder."""

Digests = Mapping[str, str | None]
"""The digest of each path, relative to the manifest; ``None`` or nothing where nothing is."""

Key = tuple[str, str]
"""The name of an asset, and the digest of its request."""


@dataclass(frozen=True)
class Known:
    """What this machine knows of earlier requests.

    ``drawn`` and ``lost`` hold what was sent for an asset of this manifest, or one that has left
    it: the newest picture, and the newest request of which none came. ``masters`` are by their
    digest.
    """

    drawn: Mapping[Key, Drawn] = field(default_factory=dict)
    lost: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    masters: Mapping[str, Drawn] = field(default_factory=dict)


Look = Callable[[Collection[Key], Collection[str]], Known]
"""Finds what is known of requests, and of masters by their digest."""


@dataclass(frozen=True)
class Wishes:
    """What the command line wants: ``forced`` says which assets are drawn whatever they are."""

    offline: bool = False
    retry_lost: bool = False
    prune: bool = False
    forced: Callable[[str], bool] = lambda _name: False


def paths_of(wanted: Sequence[Wanted], lock: Lock) -> set[str]:
    """The paths whose digests planning needs."""
    named = {output.path for want in wanted for output in want.asset.outputs}
    return named.union(*(locked.outputs for locked in lock.values()))


def fold(
    lock: Lock, fragments: Mapping[str, Lock], wanted: Sequence[Wanted], digests: Digests
) -> dict[str, LockedAsset]:
    """``lock`` with what ``fragments`` say.

    Where they disagree on an asset, the one holds whose files are on disk as it says; else the
    one whose request the manifest asks for; else a fragment and not the lock, and of fragments
    the last one.
    """
    asked = {want.asset.name: want.digests for want in wanted}

    def worth(name: str, locked: LockedAsset) -> tuple[bool, bool]:
        files = locked.outputs.items()
        is_on_disk = all(digests.get(path) == output.sha256 for path, output in files)
        return is_on_disk, locked.request in asked.get(name, ())

    folded = dict(lock)
    for fragment in fragments.values():
        for name, locked in fragment.items():
            held = folded.get(name)
            if held is None or worth(name, locked) >= worth(name, held):
                folded[name] = locked
    return folded


def plan(
    wanted: Sequence[Wanted],
    lock: Lock,
    digests: Digests,
    look: Look,
    wishes: Wishes,
    *,
    is_whole: bool,
) -> list[Step]:
    """A step for each of ``wanted``; for what is left over too, where they are the whole manifest.

    ``look`` is called once, and not at all if everything is up to date.
    """
    wrong = [_wrong(want, lock.get(want.asset.name), digests, wishes) for want in wanted]
    spare = _spare(wanted, lock) if is_whole else {}
    known = _look(wanted, wrong, lock, spare, look)
    ours = {path: locked.offline for locked in lock.values() for path in locked.outputs}
    strays = _strays(wanted, known) if is_whole else Known()
    taken = {locked.master for locked in lock.values()}  # these go by the lock
    drawn = {
        request: drawn
        for (_, request), drawn in strays.drawn.items()
        if drawn.record["master"]["sha256"] not in taken
    }
    lost = {request: state for (_, request), state in strays.lost.items()}
    planner = _Planner(lock, digests, known, spare, drawn, lost, ours, wishes)
    steps = [planner.step(want, faults) for want, faults in zip(wanted, wrong, strict=True)]
    return [*steps, *_left_over(wanted, lock, digests, wishes)] if is_whole else steps


@dataclass(frozen=True)
class _Wrong:
    """What is not up to date about an asset, and why."""

    state: State = State.UP_TO_DATE
    reason: str = ""
    outputs: tuple[AssetOutput, ...] = ()  # that its master could be made into again


def _wrong(want: Wanted, locked: LockedAsset | None, digests: Digests, wishes: Wishes) -> _Wrong:
    if wishes.forced(want.asset.name):
        return _Wrong(State.CHANGED if locked else State.NEW, "drawn again, as --force says")
    if locked is None:
        return _Wrong(State.NEW)
    if locked.request not in want.digests:
        return _Wrong(State.CHANGED, "the request has changed")
    if locked.offline and not wishes.offline:
        return _Wrong(State.CHANGED, "it is a placeholder")
    faults = {}
    for output in want.asset.outputs:
        fault = _fault(output, locked.outputs.get(output.path), digests.get(output.path))
        if fault is None and want.asset.alt != locked.alt:
            fault = State.CHANGED, "its alternative text has changed"
        if fault:
            faults[output] = fault
    if not faults:
        return _Wrong()
    states = {state for state, _ in faults.values()}
    state = next(
        state for state in (State.MISSING, State.MODIFIED, State.CHANGED) if state in states
    )
    reasons = dict.fromkeys(text for _, text in faults.values())
    return _Wrong(state, ", ".join(reasons), tuple(faults))


def _fault(
    output: AssetOutput, locked: LockedOutput | None, digest: str | None
) -> tuple[State, str] | None:
    """What is wrong with one output."""
    if digest is None:
        return State.MISSING, f"{output.path} is missing"
    if locked is None:
        return State.CHANGED, f"{output.path} is new"
    if locked.sha256 == UNFINISHED:
        return State.CHANGED, f"{output.path} is not made yet"
    if digest != locked.sha256:
        return State.MODIFIED, f"{output.path} was modified"
    if locked.recipe != output.recipe:
        return State.CHANGED, f"{output.path} is made differently now"
    return None


def _spare(wanted: Sequence[Wanted], lock: Lock) -> dict[str, list[str]]:
    """Masters that their assets have no use for any more, by request.

    Assets that were renamed, or have swapped their names, need not be paid for again.
    """
    asked = {want.asset.name: want.digests for want in wanted}
    used = {one.master for name, one in lock.items() if one.request in asked.get(name, ())}
    spare: dict[str, list[str]] = {}
    for _, locked in sorted(lock.items()):
        if locked.master and locked.master not in used and not locked.offline:
            used.add(locked.master)  # it may be listed for several
            spare.setdefault(locked.request, []).append(locked.master)
    return spare


def _strays(wanted: Sequence[Wanted], known: Known) -> Known:
    """What is known of requests that other assets may make now, renamed before the lock knew.

    A picture that its asset has no use for any more; a lost request of one that has left.
    """
    asked = {(want.asset.name, digest) for want in wanted for digest in want.digests}
    names = {want.asset.name for want in wanted}
    return Known(
        {key: drawn for key, drawn in known.drawn.items() if key not in asked},
        {key: state for key, state in known.lost.items() if key[0] not in names},
    )


def _look(
    wanted: Sequence[Wanted],
    wrong: Sequence[_Wrong],
    lock: Lock,
    spare: Mapping[str, Sequence[str]],
    look: Look,
) -> Known:
    """What is known of all that is not up to date."""
    requests: set[Key] = set()
    masters: set[str] = set()
    for want, faults in zip(wanted, wrong, strict=True):
        name = want.asset.name
        if faults.state is not State.UP_TO_DATE:
            requests.update((name, digest) for digest in want.digests)
            masters.update(master for digest in want.digests for master in spare.get(digest, ()))
        if faults.outputs and (master := lock[name].master):
            masters.add(master)
    return look(requests, masters) if requests else Known()


@dataclass(frozen=True)
class _Planner:
    lock: Lock
    digests: Digests
    known: Known
    spare: dict[str, list[str]]
    stray_drawn: dict[str, Drawn]
    stray_lost: Mapping[str, Mapping[str, Any]]
    ours: Mapping[str, bool]  # by path, whether it is a placeholder
    wishes: Wishes

    def step(self, want: Wanted, wrong: _Wrong) -> Step:
        """What to do about one asset."""
        step = Step(want.asset.name, wrong.state, Action.NONE, wrong.reason, want.asset)
        if wrong.state is State.UP_TO_DATE:
            return step
        if not self.wishes.forced(want.asset.name):
            drawn = self._drawn(want, wrong)
            if self._would_replace_real(want, drawn):
                return replace(step, reason=f"{wrong.reason}; --offline leaves real pictures alone")
            if drawn:
                return self._export(step, wrong, drawn)
            lost = self._lost(want)
            if lost and not self.wishes.retry_lost:
                what = "never answered" if lost.get("status") == "sent" else "no picture came of it"
                reason = f"sent at {lost['created_at']} and {what}, id {lost['id']}"
                return replace(step, action=Action.HOLD, reason=reason)
        return self._draw(step, want)

    def _would_replace_real(self, want: Wanted, drawn: Drawn | None) -> bool:
        """Whether a placeholder would take the place of what is real."""
        if not self.wishes.offline or (drawn and not drawn.record.get("offline")):
            return False
        locked = self.lock.get(want.asset.name)
        is_real = locked is not None and not locked.offline
        files = [output.path for output in want.asset.outputs if self.digests.get(output.path)]
        return is_real or any(self.ours.get(path) is False for path in files)

    def _keys(self, want: Wanted) -> list[Key]:
        return [(want.asset.name, digest) for digest in want.digests]

    def _lost(self, want: Wanted) -> Mapping[str, Any] | None:
        """The request for this asset that may have been drawn and billed."""
        own = map(self.known.lost.get, self._keys(want))
        return next(filter(None, [*own, *map(self.stray_lost.get, want.digests)]), None)

    def _drawn(self, want: Wanted, wrong: _Wrong) -> Drawn | None:
        """The picture that this asset can be made from without paying."""
        locked = self.lock.get(want.asset.name)
        own = next(filter(None, map(self.known.drawn.get, self._keys(want))), None)
        if wrong.outputs and locked and (drawn := self.known.masters.get(locked.master or "")):
            # Two placeholders may have the same bytes, and are told apart by their records.
            is_own = own and own.record["master"]["sha256"] == locked.master
            return replace(own if own and is_own else drawn, request=locked.request)
        if own:
            return own
        if locked and locked.request in want.digests:
            return None
        for digest in want.digests:
            masters = self.spare.get(digest, [])
            found = next((master for master in masters if master in self.known.masters), None)
            if found:
                masters.remove(found)  # it is one asset's only
                return replace(self.known.masters[found], request=digest)
            if digest in self.stray_drawn:
                return self.stray_drawn.pop(digest)
        return None

    def _export(self, step: Step, wrong: _Wrong, drawn: Drawn) -> Step:
        locked = self.lock.get(step.name)
        is_same = locked is not None and drawn.record["master"]["sha256"] == locked.master
        outputs = step.asset.outputs if step.asset else ()
        if is_same and wrong.outputs:
            outputs = wrong.outputs
        return replace(
            step,
            state=State.RESTORABLE,
            action=Action.EXPORT,
            reason=wrong.reason or "drawn before, but not finished",
            outputs=outputs,
            replaces=self._replaceable(outputs, is_forced=False),
            # Another file a run that was killed may have made; whoever writes finds out.
            in_the_way=tuple(
                output.path for output in outputs if self.digests.get(output.path) == NO_FILE
            ),
            drawn=drawn,
        )

    def _draw(self, step: Step, want: Wanted) -> Step:
        outputs = want.asset.outputs
        replaces = self._replaceable(outputs, is_forced=self.wishes.forced(step.name))
        present = [output.path for output in outputs if self.digests.get(output.path) is not None]
        return replace(
            step,
            action=Action.DRAW,
            outputs=outputs,
            replaces=replaces,
            in_the_way=tuple(path for path in present if path not in replaces),
            deployments=want.deployments,
            cost_usd=0.0 if self.wishes.offline else want.cost_usd,
        )

    def _replaceable(self, outputs: Sequence[AssetOutput], *, is_forced: bool) -> tuple[str, ...]:
        """The files among ``outputs`` that are there, and that a batch has made."""
        files = [output.path for output in outputs if self.digests.get(output.path)]
        return tuple(path for path in files if is_forced or path in self.ours)


def _left_over(
    wanted: Sequence[Wanted], lock: Lock, digests: Digests, wishes: Wishes
) -> Iterator[Step]:
    """What the lock knows and the manifest no longer names, as far as files are there."""
    named = {output.path for want in wanted for output in want.asset.outputs}
    action = Action.PRUNE if wishes.prune else Action.NONE
    for name, locked in sorted(lock.items()):
        outputs = tuple(
            AssetOutput(path, output.recipe)
            for path, output in sorted(locked.outputs.items())
            if path not in named and digests.get(path)
        )
        if outputs:
            reason = "no longer in the manifest"
            yield Step(name, State.LEFT_OVER, action, reason, outputs=outputs)
