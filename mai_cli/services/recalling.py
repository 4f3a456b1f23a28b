"""What this machine knows of the requests that a batch has sent before."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from mai_cli.models.batch import Drawn
from mai_cli.services.planning import Key, Known

State = Mapping[str, Any]


class History(Protocol):
    """The records."""

    def recall(self, digests: Collection[str], /) -> Collection[State]:
        """Those with one of ``digests``, of a request or a file, the oldest first."""


class Recalling:
    """Finds what was sent for the assets of ``manifest``, an absolute path without links.

    What was sent for one that is not there any more counts too: it may be the same, moved or
    renamed. A placeholder is no picture for a run that is not ``offline``, nor the other way round.
    """

    def __init__(
        self,
        history: History,
        manifest: str,
        *,
        offline: bool,
        is_file: Callable[[Path], bool],
    ) -> None:
        self._history = history
        self._manifest = manifest
        self._offline = offline
        self._is_file = is_file
        self._manifests: dict[str, bool] = {}

    def look(self, requests: Collection[Key], masters: Collection[str]) -> Known:
        """What is known of ``requests`` of this manifest, and of ``masters``, by their digests.

        Raises:
            ConfigError: The history cannot be read.
        """
        digests = {request for _, request in requests}
        drawn: dict[Key, Drawn] = {}
        lost: dict[Key, State] = {}
        found: dict[str, Drawn] = {}
        for state in self._history.recall(digests.union(masters)):
            picture = self._picture(state)
            if picture and (sha256 := state["master"]["sha256"]) in masters:
                found[sha256] = picture
            key = self._key(state)
            if key[1] not in digests or state.get("offline") is not self._offline:
                continue
            if state.get("master"):  # also one that is gone: what was asked for again came
                lost.pop(key, None)
            if picture:
                drawn[key] = picture
            elif state.get("status") in ("sent", "unknown") and not self._offline:
                lost[key] = state
        return Known(drawn, lost, found)

    def _key(self, state: State) -> Key:
        """The asset and request of this manifest that a record is about; of none, if it is not."""
        match state.get("batch"):
            case {"manifest": str(manifest), "asset": str(asset), "request": str(request)}:
                if manifest == self._manifest or not self._is_there(manifest):
                    return asset, request
        return "", ""

    def _is_there(self, manifest: str) -> bool:
        if manifest not in self._manifests:
            path = Path(manifest)
            # One from standard input has no ending, and never was there.
            try:
                self._manifests[manifest] = not path.suffix or self._is_file(path)
            except OSError:  # who knows
                self._manifests[manifest] = True
        return self._manifests[manifest]

    def _picture(self, state: State) -> Drawn | None:
        """The master that a record tells of, if it is still there."""
        match state:
            case {
                "status": "ok",
                "master": {"gallery": str(gallery), "path": str(path), "sha256": str()},
            }:
                master = Path(gallery, path)
                batch = state.get("batch")
                request = batch.get("request", "") if isinstance(batch, dict) else ""
                return Drawn(state, master, request) if self._is_file(master) else None
        return None
