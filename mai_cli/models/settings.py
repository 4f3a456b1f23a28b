"""The settings that a run works with, each value checked and with its origin."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from mai_cli.models.endpoint import Endpoint
from mai_cli.models.size import DEFAULT_SIZE

DEFAULT_FILENAME = "{year}/{month}/{day}/{time}-{prompt}-{id}"
FILENAME_FIELDS = ("year", "month", "day", "time", "prompt", "id", "deployment")
AUTH = ("auto", "key", "entra")
DEFAULT_TIMEOUT_SECONDS = 300.0
MAX_TIMEOUT_SECONDS = 3600.0

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class Settings:
    """What a run works with. ``origins`` says for each key where its value comes from."""

    gallery: Path
    history: Path
    endpoint: Endpoint | None = None
    api_key: str | None = field(default=None, repr=False)
    auth: str = "auto"
    deployment: tuple[str, ...] = ()
    model: str | None = None
    size: str = DEFAULT_SIZE
    filename: str = DEFAULT_FILENAME
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    private: bool = False
    offline: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)


def expand_home(path: Path) -> Path:
    """``path`` with ``~`` replaced; as it stands where no home folder is known."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, (list, tuple)) else (_text(value),)


def _api_key(value: object) -> str:
    key = _text(value)
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("has a character that no key has")
    return key


def _choice(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


def _seconds(value: object) -> float:
    problem = f"must be a number of seconds from 1 to {MAX_TIMEOUT_SECONDS:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(problem)  # noqa: TRY004 - whoever calls turns ValueError into a message
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        raise ValueError(problem) from None
    if math.isnan(seconds) or not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise ValueError(problem)
    return seconds


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError("must be true or false")
    return text in _TRUE


def _path(value: object) -> Path:
    text = _text(value)
    if "\0" in text:
        raise ValueError("has a character that no path has")
    return Path(text)


def _template(value: object) -> str:
    text = _text(value)
    try:
        fields = [parts[1:] for parts in Formatter().parse(text) if parts[1] is not None]
    except ValueError:
        fields = [("", "", "")]
    if not all(name in FILENAME_FIELDS and not spec and not kind for name, spec, kind in fields):
        names = ", ".join(f"{{{name}}}" for name in FILENAME_FIELDS)
        raise ValueError(f"may use only {names} in braces")
    return text


@dataclass(frozen=True)
class Key:
    """One setting: its name, how its value is read, where else than flags it may come from."""

    name: str
    parse: Callable[[object], Any]
    in_file: bool = True

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return f"MAI_{self.name.upper()}"


KEYS = (
    Key("endpoint", lambda value: Endpoint.parse(_text(value))),
    Key("api_key", _api_key, in_file=False),
    Key("auth", _choice(*AUTH)),
    Key("deployment", _names),
    Key("model", _text),
    Key("size", _text),
    Key("gallery", _path),
    Key("history", _path),
    Key("filename", _template),
    Key("timeout", _seconds),
    Key("private", _switch),
    Key("offline", _switch, in_file=False),
)
