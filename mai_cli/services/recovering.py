"""Requests that were sent and never answered: what is known of each, and how they are settled."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from mai_cli.models.moment import moment_of
from mai_cli.models.upkeep import Found
from mai_cli.services.outputs import real
from mai_cli.services.removing import UNSETTLED

IN_FLIGHT = timedelta(hours=1)
"""A request that was sent less long ago may still be waited for by another run."""

State = Mapping[str, Any]


class History(Protocol):
    """The records."""

    def newest(self) -> Iterable[State]:
        """All of them, the newest first."""

    def change(
        self, record_id: str, change: Callable[[dict[str, Any]], dict[str, Any]], /
    ) -> State:
        """Add the newest state of a record, changed."""


class Rooms(Protocol):
    """Where pictures that were on their way may have been left."""

    def left_by(self, states: Sequence[State], /) -> Mapping[str, Sequence[Path]]:
        """Files that each of them may have left, by id."""

    def is_whole(self, file: Path, /) -> bool:
        """Whether ``file`` is a whole picture."""

    def keep(self, file: Path, state: State, /) -> dict[str, object] | None:
        """Give ``file`` its place in the gallery, if it is a whole picture; its master.

        Raises:
            StorageError: The gallery cannot be written.
        """


class Recovering:
    """Looks for what came of requests, in ``rooms``."""

    def __init__(self, history: History, rooms: Rooms, now: datetime, *, looks_only: bool) -> None:
        self._history = history
        self._rooms = rooms
        self._now = now
        self._looks_only = looks_only

    def recover(self, states: Sequence[State], *, forget: bool) -> Iterator[Found]:
        """What is known of each of ``states``; a picture that is found is settled as made.

        With ``forget`` the others are settled too: they keep their cause, and are asked about no
        more. What may still be in flight is left alone.

        Raises:
            StorageError: The history or the gallery cannot be written.
        """
        left = self._left_by(states)
        taken: set[str] = set()
        for state in states:
            files = [file for file in left.get(state["id"], ()) if real(file) not in taken]
            file = files[0] if files else None
            if self._is_in_flight(state):
                yield Found(state, "in_flight", str(file) if file else None)
            elif found := self._first_kept(files, state, taken):
                yield found
            elif forget and not self._looks_only:
                changed = self._settle(state, {"status": "removed"})
                result = "forgotten" if changed.get("status") == "removed" else "recovered"
                yield Found(changed, result, str(file) if file else None)
            else:
                yield Found(state, "unknown", str(file) if file else None)

    def _left_by(self, states: Sequence[State]) -> dict[str, list[Path]]:
        """Files that each of ``states`` may have left, without those that other records know."""
        left = self._rooms.left_by(states)
        if not left:
            return {}
        owners, waiting = {}, []
        for state in self._history.newest():
            match state:
                case {"status": "ok", "master": {"gallery": str(gallery), "path": str(path)}}:
                    owners[real(Path(gallery, path))] = state["id"]
                case _ if self._is_in_flight(state):
                    waiting.append(state)
        for record_id, files in self._rooms.left_by(waiting).items():
            owners.update((real(file), record_id) for file in files)
        return {
            record_id: [file for file in files if owners.get(real(file), record_id) == record_id]
            for record_id, files in left.items()
        }

    def _first_kept(self, files: Sequence[Path], state: State, taken: set[str]) -> Found | None:
        """Settle ``state`` with the first of ``files`` that is a picture, which is then taken."""
        for file in files:
            if kept := self._kept(file, state):
                taken.add(real(file))
                return kept
        return None

    def _is_in_flight(self, state: State) -> bool:
        sent_at = moment_of(state)
        is_recent = sent_at is not None and abs(self._now - sent_at) < IN_FLIGHT
        return state.get("status") == "sent" and is_recent

    def _kept(self, file: Path, state: State) -> Found | None:
        if self._looks_only:
            whole = self._rooms.is_whole(file)
            return Found(state, "recovered", str(file)) if whole else None
        master = self._rooms.keep(file, state)
        if master is None:
            return None
        changed = self._settle(state, {"status": "ok", "master": master, "error": None})
        return Found(changed, "recovered", str(Path(str(master["gallery"]), str(master["path"]))))

    def _settle(self, state: State, facts: Mapping[str, object]) -> State:
        """Say ``facts`` of the record, unless somebody else has settled it meanwhile."""
        return self._history.change(
            state["id"],
            lambda newest: {**newest, **facts} if newest.get("status") in UNSETTLED else newest,
        )


def unsettled(states: Iterable[State]) -> list[State]:
    """Those of ``states`` of which nobody knows whether they were drawn."""
    return [state for state in states if state.get("status") in UNSETTLED]
