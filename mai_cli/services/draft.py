"""One asset while it is made: the values of its entry, filled in and read."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mai_cli.models.filling import Value, fill, sole_name
from mai_cli.services.asset_values import Read


class Draft:
    """Reads ``values``, of an entry and the defaults, with ``names`` filled in.

    ``problems`` are what was found wrong: the key, half a sentence and perhaps a hint.
    """

    def __init__(self, values: Mapping[str, object], names: dict[str, Value]) -> None:
        self._values = values
        self.names = names
        self.problems: list[tuple[str, ...]] = []

    def read(self, key: str, read: Read) -> Any:  # noqa: ANN401 - whatever ``read`` makes of it
        """The value of ``key``; ``None`` where it is missing or wrong."""
        return self.read_other(key, self._values[key], read) if key in self._values else None

    def read_other(self, key: str, value: object, read: Read) -> Any:  # noqa: ANN401 - the same
        """``value`` in place of that of ``key``."""
        value = self.fill(key, value)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            what, *hint = error.args
            self.problems.append((key, f"'{key}' {what}", *hint))
            return None

    def fill(self, key: str, value: object) -> Any:  # noqa: ANN401 - the same with other texts
        """``value`` of ``key`` with every text in it filled in; ``None`` where that fails."""
        if isinstance(value, str) and "$" not in value and value.isascii():
            return value
        known = len(self.problems)
        if value is None:
            self._report(key, "has no value", "Give it one, or leave it out.")
        filled = self._filled(key, value)
        return None if len(self.problems) > known else filled

    def _filled(self, key: str, value: object) -> object:
        if isinstance(value, str):
            return self._text(key, value)
        if isinstance(value, list):
            return [self._filled(key, inner) for inner in value]
        if isinstance(value, dict):
            for name in value:
                self._check(key, name)
            return {name: self._filled(key, inner) for name, inner in value.items()}
        return value

    def _text(self, key: str, text: str) -> Value:
        if "$" in text:
            if key == "params" and (name := sole_name(text)) in self.names:
                return self.names[name]  # a number stays one
            text = fill(text, self.names, partial(self._report, key))
        self._check(key, text)
        return text

    def _check(self, key: str, text: str) -> None:
        if text.isascii():
            return
        try:
            text.encode()
        except UnicodeEncodeError:
            self._report(key, "has half a character", "Write it as \\u and both its halves.")

    def _report(self, key: str, what: str, *hint: str) -> None:
        self.problems.append((key, f"'{key}' {what}", *hint))
