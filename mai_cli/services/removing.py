"""Letting go of pictures: one by one, or whatever is old. Only what the history owns goes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mai_cli.models.moment import moment_of
from mai_cli.models.record import SCHEMA
from mai_cli.models.record_status import RecordStatus
from mai_cli.models.upkeep import Gone
from mai_cli.services.outputs import is_within, real

FAVORITE = "favorite"
"""A tag that keeps a record from being pruned."""

UNSETTLED = ("sent", "unknown")
"""Records of requests that may be billed, and of which no picture is known."""

_CHANGED = "is not what it was, and was left alone"

State = Mapping[str, Any]
Master = Mapping[str, Any]


class History(Protocol):
    """The records."""

    def change(
        self, record_id: str, change: Callable[[dict[str, Any]], dict[str, Any]], /
    ) -> object:
        """Add the newest state of a record, changed."""

    def drop(self, choose: Callable[[Iterator[State]], Collection[str]], /) -> int:
        """Take out the records that ``choose`` names, of all."""


@dataclass(frozen=True)
class Wear:
    """What may be pruned: what was sent before a moment, or is not among the newest."""

    before: datetime | None = None
    keep: int | None = None

    def chosen(self, states: Iterable[State]) -> Iterator[State]:
        """Those of ``states``, the newest first, that go.

        Favorites stay, and what is not settled or not understood, as by a later version.
        """
        for number, state in enumerate(states):
            sent_at = moment_of(state)
            is_old = self.before is None or (sent_at is not None and sent_at < self.before)
            is_spare = self.keep is None or number >= self.keep
            tags = state.get("tags")
            is_favorite = isinstance(tags, list) and FAVORITE in tags
            if is_old and is_spare and not is_favorite and _is_settled(state):
                yield state


def _is_settled(state: State) -> bool:
    """Whether it is known what became of a record, and nothing more is to come."""
    is_known = state.get("schema", SCHEMA) == SCHEMA and state.get("status") in tuple(RecordStatus)
    return is_known and state.get("status") not in UNSETTLED


class Removing:
    """Removes masters that are as their records say; a record goes only once its picture is gone.

    ``digest``, and ``remove`` of a file below a gallery with that digest, raise ``OSError``.
    """

    def __init__(
        self,
        history: History,
        digest: Callable[[Path], str],
        remove: Callable[[Path, Path, str], None],
    ) -> None:
        self._history = history
        self._digest = digest
        self._remove = remove

    def remove(self, states: Iterable[State], gone: Gone) -> None:
        """Remove the pictures of ``states``; their records stay, and say so.

        Raises:
            StorageError: The history cannot be written.
        """
        for state in _with_picture(states, gone):
            if self._judge(state, gone, self._let_go):
                self._history.change(state["id"], lambda newest: {**newest, "status": "removed"})
                gone.records += 1

    def would_remove(self, states: Iterable[State]) -> Gone:
        """What :meth:`remove` would do, as far as a glance at the files tells."""
        gone = Gone()
        gone.records = sum(
            self._judge(state, gone, _glance) for state in _with_picture(states, gone)
        )
        return gone

    def prune(self, wear: Wear, gone: Gone) -> None:
        """Remove the pictures of what ``wear`` chooses, and their records with them.

        Raises:
            StorageError: The history cannot be written; pictures may be gone, and pruning again
                goes on.
        """

        def choose(states: Iterator[State]) -> list[str]:
            chosen = wear.chosen(states)
            return [state["id"] for state in chosen if self._judge(state, gone, self._let_go)]

        gone.records = self._history.drop(choose)

    def would_prune(self, states: Iterable[State]) -> Gone:
        """What :meth:`prune` would do of ``states``, as far as a glance at the files tells."""
        gone = Gone()
        gone.records = sum(self._judge(state, gone, _glance) for state in states)
        return gone

    def _judge(self, state: State, gone: Gone, act: Callable[[Path, Path, Master], None]) -> bool:
        """Let ``act`` do with the picture of a record, if it is ours; whether the record may go."""
        match state:
            case {
                "status": "ok",
                "master": {"gallery": str(gallery), "path": str(name), "sha256": str()} as master,
            }:
                folder, path = Path(gallery), Path(gallery, name)
            case _:
                return True
        problem = None
        try:
            _check_place(path, folder)
            act(path, folder, master)
        except (FileNotFoundError, ValueError):  # no file can have a name that is no name
            return True
        except _LeftError as error:
            problem = str(error)
        except OSError as error:
            problem = f"could not be removed: {error.strerror}"
        if problem:
            gone.left.append(f"{path} {problem}.")
            return False
        gone.pictures.append(str(path))
        gone.bytes += _bytes_of(master)
        return True

    def _let_go(self, path: Path, folder: Path, master: Master) -> None:
        if self._digest(path) != master["sha256"]:
            raise _LeftError(_CHANGED)
        self._remove(path, folder, master["sha256"])


class _LeftError(Exception):
    """The picture is left alone; says why."""


def _check_place(path: Path, folder: Path) -> None:
    """See that ``path`` is where a gallery in ``folder`` has its masters, and can be there."""
    with suppress(OSError):
        path.lstat()
    if not folder.is_dir():
        raise _LeftError("cannot be looked at, since its gallery is not there")
    if path.suffix != ".png" or not is_within(path, folder):
        Path(real(path)).lstat()  # what is not there is not left alone
        raise _LeftError("is outside of the gallery, and was left alone")


def _with_picture(states: Iterable[State], gone: Gone) -> Iterator[State]:
    for state in states:
        if state.get("status") == "ok":
            yield state
        else:
            status = state.get("status")
            gone.notes.append(f"{state['id']} has no picture; its status is {status}.")


def _glance(path: Path, _folder: Path, master: Master) -> None:
    if path.stat().st_size != _bytes_of(master):
        raise _LeftError(_CHANGED)


def _bytes_of(master: Master) -> int:
    size = master.get("bytes")
    return size if isinstance(size, int) else 0
