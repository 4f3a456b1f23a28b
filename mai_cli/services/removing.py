"""Letting go of pictures: one by one, or whatever is old. Only what the history owns goes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mai_cli.models.moment import moment_of
from mai_cli.models.upkeep import Gone
from mai_cli.services.outputs import is_within

FAVORITE = "favorite"
"""A tag that keeps a record from being pruned."""

UNSETTLED = ("sent", "unknown")
"""Records of requests that may be billed, and of which no picture is known."""

State = Mapping[str, Any]


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
        """Those of ``states``, the newest first, that go; favorites and unsettled ones stay."""
        for number, state in enumerate(states):
            sent_at = moment_of(state)
            is_old = self.before is None or (sent_at is not None and sent_at < self.before)
            is_spare = self.keep is None or number >= self.keep
            tags = state.get("tags")
            is_favorite = isinstance(tags, list) and FAVORITE in tags
            if is_old and is_spare and not is_favorite and state.get("status") not in UNSETTLED:
                yield state


class Removing:
    """Removes masters that are as their records say.

    ``digest``, and ``remove`` of a file below a gallery, raise ``OSError``.
    """

    def __init__(
        self, history: History, digest: Callable[[Path], str], remove: Callable[[Path, Path], None]
    ) -> None:
        self._history = history
        self._digest = digest
        self._remove = remove

    def remove(self, states: Sequence[State], gone: Gone) -> None:
        """Remove the pictures of ``states``; their records stay, and say so.

        Raises:
            StorageError: The history cannot be written.
        """
        for state in states:
            if state.get("status") != "ok":
                gone.notes.append(f"{state['id']} has no picture; its status is {state['status']}.")
            elif self._let_go(state, gone):
                self._history.change(state["id"], lambda newest: {**newest, "status": "removed"})
                gone.records += 1

    def prune(self, wear: Wear, gone: Gone) -> None:
        """Remove the pictures of what ``wear`` chooses, and their records with them.

        Raises:
            StorageError: The history cannot be written; pictures may be gone, and pruning again
                goes on.
        """

        def choose(states: Iterator[State]) -> list[str]:
            return [state["id"] for state in wear.chosen(states) if self._let_go(state, gone)]

        gone.records = self._history.drop(choose)

    def _let_go(self, state: State, gone: Gone) -> bool:
        """Remove the picture of one record, if it is ours; whether the record may go too."""
        match state:
            case {
                "status": "ok",
                "master": {"gallery": str(gallery), "path": str(name), "sha256": str(sha256)},
            }:
                path = Path(gallery, name)
            case _:
                return True
        try:
            is_ours = path.suffix == ".png" and is_within(path, Path(gallery))
            if not is_ours:
                gone.notes.append(f"{path} is outside of the gallery, and was left alone.")
                return True
            if self._digest(path) != sha256:
                gone.notes.append(f"{path} is not what it was, and was left alone.")
                return True
            self._remove(path, Path(gallery))
            gone.pictures.append(str(path))
        except (FileNotFoundError, ValueError):  # no file can have a name that is no name
            pass
        except OSError as error:
            gone.notes.append(f"{path} could not be removed: {error.strerror}.")
            return False
        return True


def bytes_of(states: Iterable[State]) -> int:
    """How many bytes the pictures of ``states`` take."""
    masters = [state.get("master") for state in states if state.get("status") == "ok"]
    sizes = [master.get("bytes") for master in masters if isinstance(master, dict)]
    return sum(size for size in sizes if isinstance(size, int))
