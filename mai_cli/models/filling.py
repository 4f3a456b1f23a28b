"""Texts with ``${name}`` in them."""

import re
from collections.abc import Callable, Mapping

from mai_cli.models.keys import did_you_mean
from mai_cli.models.mistakes import quoted

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_PLACE = re.compile(r"\$(?:\$|\{([^{}]*)(\}?))")

_HINT = "Write it as ${name}, or $$ for a dollar sign."
_ABSENT = {
    "name": "It is the name that the asset is given.",
    "number": "It is there for an asset with a count.",
}
"""What to say of the names that are not always there."""

Value = str | int | float | bool


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name in ``${name}``."""
    return _NAME.fullmatch(text) is not None


def as_text(value: Value) -> str:
    """``value`` as it stands in a text; switches are ``true`` and ``false``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def names_in(text: str) -> set[str]:
    """Every name that ``text`` uses."""
    return {match[1] for match in _PLACE.finditer(text) if match[1]} if "$" in text else set()


def sole_name(text: str) -> str | None:
    """The name that ``text`` consists of, as in ``${name}``; ``None`` if there is more to it."""
    match = _PLACE.fullmatch(text)
    return match[1] if match and match[2] else None


def fill(text: str, values: Mapping[str, Value], report: Callable[[str, str], None]) -> str:
    """``text`` with the values of its names, and a dollar sign for ``$$``; any other ``$`` stays.

    What cannot be filled in is told to ``report``, as half a sentence and a hint. What was filled
    in is not looked at again.
    """

    def value(match: re.Match[str]) -> str:
        name, end = match[1], match[2]
        if name is None:
            return "$"
        if not end:
            report("has a '${' that is not closed", _HINT)
        elif not is_name(name):
            report(f"has {quoted(match[0])}, which is no name", _HINT)
        elif name not in values:
            hint = _ABSENT.get(name) or _known(name, values)
            report(f"uses ${{{name}}}, which has no value", hint)
        else:
            return as_text(values[name])
        return ""

    return _PLACE.sub(value, text)


def _known(name: str, values: Mapping[str, Value]) -> str:
    if not values:
        return "Give it one in vars, or write $$ for a dollar sign."
    return did_you_mean(name, list(values))
