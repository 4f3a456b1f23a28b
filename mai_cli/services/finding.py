"""Which record is meant: by id, by age, or by a picture wherever it is."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from mai_cli.errors import UsageError

State = dict[str, Any]

MIN_ID = 4
"""Characters of an id that is cut short."""

_ID = re.compile(r"[0-9a-f]{1,12}")
_LAST = re.compile(r"last(?:~(\d{1,9}))?", re.ASCII)
_HINT = "Give an id, 'last', 'last~2', or the path of a picture; a path may start with ./"


class History(Protocol):
    """The records."""

    def newest(self) -> Iterator[State]:
        """All of them, the newest first."""

    def find(self, id_start: str, /) -> list[State]:
        """Those whose id starts with that."""

    def find_picture(self, sha256: str, /) -> list[State]:
        """Those that made a file with that digest."""


class Finding:
    """Finds records; ``embedded_id`` and ``digest`` look at a picture, and raise ``OSError``."""

    def __init__(
        self,
        history: History,
        *,
        embedded_id: Callable[[Path], str | None],
        digest: Callable[[Path], str],
    ) -> None:
        self._history = history
        self._embedded_id = embedded_id
        self._digest = digest

    def find(self, text: str) -> State:
        """The record that ``text`` means: an id or the start of one, ``last~2``, or a picture.

        Raises:
            UsageError: There is none, or more than one.
            ConfigError: The history cannot be read.
        """
        if last := _LAST.fullmatch(text):
            back = int(last[1] or 0)
            return self._only(list(islice(self._history.newest(), back, back + 1)), text)
        if _ID.fullmatch(text):
            if len(text) < MIN_ID:
                raise _unclear(f"'{text}' is too short for an id.", f"Give {MIN_ID} characters.")
            return self._only(self._history.find(text), text)
        return self._by_picture(Path(text))

    def _only(self, found: list[State], text: str) -> State:
        if not found:
            raise _unclear(f"The history has no record '{text}'.", _HINT)
        if len(found) > 1:
            ids = ", ".join(state["id"] for state in found[:5])
            more = ", ..." if len(found) > 5 else ""  # noqa: PLR2004 - enough to go by
            raise _unclear(f"More than one record is '{text}': {ids}{more}", "Give more of it.")
        return found[0]

    def _by_picture(self, path: Path) -> State:
        """By its digest, else by the id that it carries, which may be that of its reference."""
        try:
            found = self._history.find_picture(self._digest(path))
            identity = None if found else self._embedded_id(path)
            found = found or (self._history.find(identity) if identity else [])
        except FileNotFoundError:
            raise _unclear(f"'{path}' is neither a record nor a picture.", _HINT) from None
        except OSError as error:
            raise _unclear(f"The picture {path} cannot be read: {error.strerror}.", _HINT) from None
        if found:
            return found[-1]
        if identity:
            raise _unclear(
                f"{path} was made by mai as {identity}, but this history has no such record.",
                "Set MAI_HISTORY to the history of whoever made it.",
            )
        raise _unclear(
            f"No record of this history made {path}.",
            "It is not from here, or was changed and carries no metadata.",
        )


def _unclear(message: str, hint: str) -> UsageError:
    return UsageError(message, code="no_record", hint=hint)
