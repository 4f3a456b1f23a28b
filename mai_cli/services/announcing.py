"""What the history says of a request before it leaves, and between its attempts."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Protocol

from mai_cli.errors import ConfigError, MaiError, StorageError
from mai_cli.models.record import Record
from mai_cli.services.retrying import Attempts


class History(Protocol):
    """Remembers every request."""

    def append(self, record: Record, /, *, is_detail: bool = False) -> None:
        """Put the state of ``record`` on disk; a mere detail may get there a little later."""


class Announcing:
    """Puts what becomes of a request on disk before each attempt and after it."""

    def __init__(
        self,
        record: Record,
        attempts: Attempts,
        history: History,
        hold: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._record = record
        self._attempts = attempts
        self._history = history
        self._hold = hold
        self.is_announced = False

    def begin(self) -> None:
        """Put the ``sent`` line on disk; without it nothing leaves."""
        try:
            with self._hold():
                self._history.append(replace(self._record, attempts=self._attempts.count + 1))
                self.is_announced = True
        except StorageError as error:
            raise ConfigError(
                f"{error.message} Nothing was sent.", code="cannot_store", hint=error.hint
            ) from None

    def pause(self, error: MaiError) -> None:
        """Say that nothing was drawn: whoever is killed while waiting has paid for nothing."""
        attempts = self._attempts
        ended = self._record.failed(error, seconds=attempts.seconds, attempts=attempts.count)
        with suppress(StorageError):  # the line that says 'sent' stays, and means unknown
            self._history.append(ended, is_detail=True)
