"""What the keys of an asset may hold; each reader raises ``ValueError`` with what a value must be.

Text is taken where a number or a switch is meant: a CSV has nothing else, and what was filled in
is text too. The second argument of an error, if it has one, is a hint.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mai_cli.errors import UsageError
from mai_cli.models.filling import Value, as_text, is_name, names_in
from mai_cli.models.keys import KEYS
from mai_cli.models.mistakes import quoted
from mai_cli.models.reference import MAX_REFERENCES
from mai_cli.models.request import BACKGROUNDS, OWN_OPTION, is_blank

Read = Callable[[object], Any]

MAX_COUNT = 1000
MAX_NAME = 200
"""Characters."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHOLE = re.compile(r"[-+]?[0-9]{1,15}", re.ASCII)
_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_QUOTES = "Put it in quotes."
_SIZE = next(key for key in KEYS if key.name == "size")
_KEY_OF_FIELD = {
    "model": "deployment",
    "image": "images",
    "width": "size",
    "height": "size",
    "auto_aspect_ratio": "size",
    "n": "count",
}
_BUILT_IN = ("name", "number")


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        numbers = isinstance(value, (int, float))
        raise ValueError("must be text", *([_QUOTES] if numbers else []))  # noqa: TRY004 - as all
    return value


def name(value: object, ending: str = "") -> str:
    """The name of an asset, with its ``ending`` such as a number."""
    found = text(value)
    if not found or not found.isprintable() or found != found.strip():
        raise ValueError("must be a line of text without space around it")
    if len(found + ending) > MAX_NAME:
        raise ValueError(f"is longer than {MAX_NAME} characters")
    return found + ending


def prompt(value: object) -> str:
    """A text that is not empty."""
    found = text(value).strip()
    if is_blank(found):
        raise ValueError("is empty", "Say what to draw.")
    return found


def line(value: object) -> str:
    """A text that is not empty, on one line."""
    found = text(value).strip()
    if not found or not found.isprintable():
        raise ValueError("must be one line of text that can be shown")
    return found


def whole(lowest: int, highest: int | None = None) -> Read:
    """A reader of whole numbers."""
    limits = f"from {lowest} to {highest}" if highest else f"of {lowest} or more"
    problem = f"must be a whole number {limits}"

    def read(value: object) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(problem)  # noqa: TRY004 - as all
        if value < lowest or (highest is not None and value > highest):
            raise ValueError(problem)
        return value

    return read


def choice(*choices: str) -> Read:
    """A reader of one of ``choices``."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return str(value)

    return read


def switch(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, (bool, int, str)):
        found = _SWITCHES.get(str(value).strip().lower())
        if found is not None:
            return found
    raise ValueError("must be true or false")


def several(value: object) -> list[object]:
    """A list; what is none is the only one in it."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def table(value: object) -> Mapping[str, object]:
    """A table."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")  # noqa: TRY004 - as all
    return value


def path(value: object) -> str:
    """A path with forward slashes."""
    found = text(value)
    if not found.strip():
        raise ValueError("must not be empty")
    if "\\" in found:
        raise ValueError(f"has a backslash: {quoted(found)}", "Use forward slashes.")
    if _CONTROL.search(found):
        raise ValueError(f"has a control character: {quoted(found)}")
    return found


count = whole(1, MAX_COUNT)
"""Reads how many pictures."""


def variable(name: str, value: object) -> Value:
    """The value that ``${name}`` has; nothing is filled into it."""
    _check_name(name)
    found = _scalar(name, value)
    if isinstance(found, str) and (names := names_in(found)):
        raise ValueError(
            f"{quoted(name)} uses ${{{min(names)}}}, and nothing is filled into values",
            "Put both into the text that uses it.",
        )
    return found


def choices(name: str, value: object) -> list[Value]:
    """The values that ``${name}`` has one after the other, each another one."""
    _check_name(name)
    found = [_scalar(name, one) for one in several(value)]
    if not found:
        raise ValueError(f"has no values for {quoted(name)}")
    known: set[str] = set()
    for one in map(as_text, found):
        if one in known:
            raise ValueError(f"has {quoted(one)} twice in {quoted(name)}", "Keep one of them.")
        known.add(one)
    return found


def _check_name(name: str) -> None:
    if name in _BUILT_IN:
        raise ValueError(f"has {quoted(name)}, which mai fills in itself", "Choose another name.")
    if not is_name(name):
        raise ValueError(
            f"has {quoted(name)}, which is no name",
            "Use letters, digits, - and _, and begin with a letter.",
        )


def _scalar(name: str, value: object) -> Value:
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError(f"has for {quoted(name)} no text, number or switch")  # noqa: TRY004 - as all
    return value


def _size(value: object) -> str:
    """Checked as far as it can be without the model."""
    found = line(value)
    try:
        _check_size(found)
    except UsageError as error:
        raise ValueError(f"is wrong: {error.message.removesuffix('.')}", error.hint) from None
    return found


@lru_cache
def _check_size(size: str) -> None:
    """Most pictures of a manifest have one of a few sizes."""
    _SIZE.parse(size)


def _params(value: object) -> dict[str, object]:
    for name in table(value):
        if name in OWN_OPTION:
            key = _KEY_OF_FIELD.get(name, name)
            raise ValueError(f"cannot set {quoted(name)}", f"Use the key '{key}'.")
        if not name.strip():
            raise ValueError("has a field without a name")
    return dict(table(value))


def _images(value: object) -> tuple[str, ...]:
    found = tuple(path(one) for one in several(value))
    if len(found) > MAX_REFERENCES:
        raise ValueError(f"are {len(found)}, and a model takes {MAX_REFERENCES} at most")
    return found


def _tags(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line(one) for one in several(value)))


PLAIN: Mapping[str, Read] = {
    "size": _size,
    "deployment": line,
    "model": line,
    "background": choice(*BACKGROUNDS),
    "web_grounding": switch,
    "params": _params,
    "tags": _tags,
    "alt": text,
    "images": _images,
}
"""The keys whose value goes into the asset once it is filled in."""

SOURCES = ("prompt", "prompt_file")
FILES = ("output", "outputs")
ONLY_HERE = ("name", "vars", "matrix")
"""The keys that make sense for one entry only."""

ASSET_KEYS = ("name", *SOURCES, *FILES, *PLAIN, "count", "vars", "matrix")
DEFAULT_KEYS = tuple(key for key in ASSET_KEYS if key not in ONLY_HERE)
