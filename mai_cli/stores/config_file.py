"""The user's ``config.toml``: reading it, with mistakes named by file and line."""

import re
from difflib import get_close_matches
from pathlib import Path

from mai_cli.errors import ConfigError
from mai_cli.models.settings import KEYS


def read(path: Path) -> dict[str, object]:
    """The settings in the file at ``path``; none if there is no such file.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or has a key that ``mai`` does not know.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _unreadable(f"{path} is not UTF-8 text.") from None
    import tomllib  # noqa: PLC0415 - many have no file

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"{path} is not TOML: {error}.") from None
    known = [key.name for key in KEYS if key.in_file]
    for name in values:
        if name not in known:
            place = f"{path}, line {_line_of(name, text)}"
            raise ConfigError(
                f"{place}: there is no setting '{name}'.",
                code="bad_setting",
                hint=_advice(name, known),
            )
    return values


def _unreadable(message: str) -> ConfigError:
    return ConfigError(message, code="bad_config_file", hint="Correct the file, or move it away.")


def _advice(name: str, known: list[str]) -> str:
    if name == "api_key":
        return "A key does not belong in this file. Set MAI_API_KEY instead."
    close = get_close_matches(name, known, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Valid settings: {', '.join(known)}."


def _line_of(name: str, text: str) -> int:
    """The line on which the key or table ``name`` stands."""
    pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    for number, line in enumerate(text.split("\n"), start=1):
        if pattern.match(line):
            return number
    return 1
