"""Which records of a history are meant."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from mai_cli.models.moment import moment_of

_SLACK = timedelta(days=1)
"""Clocks that are set back let an older record stand before a newer one."""

_OLD_ENOUGH = 1_000
"""Records in a row that are too old; fewer may come from a clock that was wrong for a while."""


@dataclass(frozen=True)
class Filter:
    """What a record must be like; whatever is empty asks for nothing.

    From ``since``, and before ``until``. One of ``statuses``; one of ``models``, which are names of
    models or deployments or parts of them; all of ``tags`` and of ``words``, which are parts of the
    prompt, in capitals or not. ``batch`` are names of a manifest: its paths, its name, an asset.
    """

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[str] = ()
    models: Sequence[str] = ()
    tags: Sequence[str] = ()
    batch: Collection[str] = ()
    words: Sequence[str] = ()

    @property
    def needle(self) -> str:
        """A word that every such record has somewhere; the longest, which is the rarest."""
        return max(self.words, key=len, default="")

    def of(self, states: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Those of ``states`` that are meant; looks no further back than it must."""
        old = 0
        for state in states:
            sent_at = moment_of(state)
            is_old = self.since and sent_at and self.since - sent_at > _SLACK
            old = old + 1 if is_old else 0
            if old > _OLD_ENOUGH:
                return
            if self.has(state):
                yield state

    def has(self, state: Mapping[str, Any]) -> bool:
        """Whether the record is meant. One of a later version may lack anything."""
        if self.statuses and state.get("status") not in self.statuses:
            return False
        tags = state.get("tags")
        if self.tags and not (isinstance(tags, list) and all(tag in tags for tag in self.tags)):
            return False
        return (
            self._has_time(state)
            and self._has_model(state)
            and self._has_words(state)
            and self._has_batch(state)
        )

    def _has_time(self, state: Mapping[str, Any]) -> bool:
        if self.since is None and self.until is None:
            return True
        sent_at = moment_of(state)
        if sent_at is None or (self.since and sent_at < self.since):
            return False
        return self.until is None or sent_at < self.until

    def _has_model(self, state: Mapping[str, Any]) -> bool:
        if not self.models:
            return True
        names = [str(state.get(key) or "").lower() for key in ("model", "deployment")]
        return any(model.lower() in name for model in self.models for name in names)

    def _has_words(self, state: Mapping[str, Any]) -> bool:
        if not self.words:
            return True
        prompt = str(state.get("prompt") or "").lower()
        return all(word.lower() in prompt for word in self.words)

    def _has_batch(self, state: Mapping[str, Any]) -> bool:
        if not self.batch:
            return True
        batch = state.get("batch")
        if not isinstance(batch, dict):
            return False
        manifest = str(batch.get("manifest") or "")
        names = (manifest, PurePath(manifest).name, str(batch.get("asset")))
        return any(name in self.batch for name in names)
