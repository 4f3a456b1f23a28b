"""The settings that there are: their names, what their values may be, where they may stand."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mai_cli.models.catalogue import MIN_SIDE, Model
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.size import parse_size

DEFAULT_FILENAME = "{year}/{month}/{day}/{time}-{prompt}-{id}"
FILENAME_FIELDS = ("year", "month", "day", "time", "prompt", "id", "deployment")
AUTH = ("auto", "key", "entra")
DEFAULT_TIMEOUT_SECONDS = 300.0
MAX_TIMEOUT_SECONDS = 3600.0
MAX_KEY = 1000
MAX_PRICE = 1_000_000.0
MAX_RPM = 100_000.0
DEFAULT_CONCURRENCY = 16
MAX_CONCURRENCY = 64

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class Key:
    """One setting.

    ``parse`` reads its value, as text or as TOML has it, and raises ``ValueError`` with what it
    must be, or a ``UsageError``. ``in_file`` says whether it may stand in ``config.toml``,
    ``in_project`` whether in a ``.mai.toml`` too: a repository that was cloned must not move a
    request, a key or a file. Where ``is_limit``, it can only lower what the user has set.
    """

    name: str
    parse: Callable[[object], Any]
    about: str
    in_file: bool = True
    in_project: bool = True
    is_path: bool = False
    is_secret: bool = False
    is_limit: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return f"MAI_{self.name.upper()}"


def _stripped(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be one text, in quotes")  # noqa: TRY004 - whoever calls says more
    if not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def _text(value: object) -> str:
    text = _stripped(value)
    if not text.isprintable():
        raise ValueError("must be one line of text that can be shown")
    return text


def _names(value: object) -> tuple[str, ...]:
    """One name, or those of a repeated option; a file that lists many would multiply the bill."""
    return tuple(map(_text, value)) if isinstance(value, tuple) else (_text(value),)


def _endpoint(value: object) -> Endpoint:
    return Endpoint.parse(_text(value))


def parse_api_key(value: object) -> str:
    """``value`` as a key; raises ``ValueError`` if it cannot be one."""
    key = _stripped(value)
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("has a character that no key has")
    if len(key) > MAX_KEY:
        raise ValueError("is longer than any key")
    return key


def _scope(value: object) -> str:
    text = _text(value)
    if " " in text or not text.endswith("/.default"):
        raise ValueError("must look like https://cognitiveservices.azure.com/.default")
    return text


def _choice(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


def _number(lowest: float, highest: float, of_what: str) -> Callable[[object], float]:
    problem = f"must be a number {of_what}from {lowest:g} to {highest:.0f}"

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(problem)  # noqa: TRY004 - whoever calls turns it into a message
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ValueError(problem) from None
        if math.isnan(number) or not lowest <= number <= highest:
            raise ValueError(problem)
        return number

    return parse


def _whole(lowest: int, highest: int, of_what: str = "") -> Callable[[object], int]:
    parse_number = _number(lowest, highest, of_what)

    def parse(value: object) -> int:
        number = parse_number(value)
        if number != int(number):
            raise ValueError(f"must be a whole number {of_what}".strip())
        return int(number)

    return parse


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError("must be true or false")
    return text in _TRUE


def _path(value: object) -> Path:
    text = _stripped(value)
    if "\0" in text:
        raise ValueError("has a character that no path has")
    return Path(text)


_dollars = _number(0, MAX_PRICE, "of US dollars ")

_LIMITLESS = Model("any model", max_pixels=1 << 40)


def _size(value: object) -> str:
    """Checked as far as it can be without the model; raises ``UsageError``, which says more."""
    text = _text(value)
    parse_size(text, _LIMITLESS)
    return text


def _template(value: object) -> str:
    from string import Formatter  # noqa: PLC0415 - slow, and rarely needed

    text = _text(value)
    try:
        fields = [parts[1:] for parts in Formatter().parse(text) if parts[1] is not None]
    except ValueError:
        fields = [("", "", "")]
    if not all(name in FILENAME_FIELDS and not spec and not kind for name, spec, kind in fields):
        names = ", ".join(f"{{{name}}}" for name in FILENAME_FIELDS)
        raise ValueError(f"may use only {names} in braces")
    return text


KEYS = (
    Key("profile", _text, "the named profile to use", in_file=False),
    Key("endpoint", _endpoint, "the Foundry resource, as any address of it", in_project=False),
    Key("api_key", parse_api_key, "the key of the resource", in_file=False, is_secret=True),
    Key("auth", _choice(*AUTH), "how to sign in: auto, key or entra", in_project=False),
    Key("scope", _scope, "what an Entra ID token is asked for", in_project=False),
    Key("deployment", _names, "the deployment to call"),
    Key("model", _text, "the model behind it, where its name does not tell"),
    Key("size", _size, "such as 1280x832, 16:9, wide or auto"),
    Key("rpm", _number(0.01, MAX_RPM, "of requests a minute "), "the quota of the deployment"),
    Key("concurrency", _whole(1, MAX_CONCURRENCY), "pictures of a batch at once, at most"),
    Key("max_cost", _dollars, "US dollars that one run may cost", is_limit=True),
    Key("max_cost_per_day", _dollars, "US dollars that a day (UTC) may cost", is_limit=True),
    Key("timeout", _number(1, MAX_TIMEOUT_SECONDS, "of seconds "), "seconds to wait for a picture"),
    Key("preview", _switch, "whether pictures are shown in the terminal"),
    Key("metadata", _switch, "false: nothing about its origin goes into an output"),
    Key("private", _switch, "true: the prompt goes into no file"),
    Key("gallery", _path, "the folder of the masters", in_project=False, is_path=True),
    Key("history", _path, "the file of the history", in_project=False, is_path=True),
    Key("filename", _template, "the names in the gallery", in_project=False),
    Key("offline", _switch, "true: draw placeholders instead of calling Foundry", in_file=False),
)

_price = _number(0, MAX_PRICE, "of US dollars for a million tokens ")

DEPLOYMENT_KEYS = (
    Key("model", _text, "the model behind this deployment"),
    Key(
        "max_pixels",
        _whole(MIN_SIDE * MIN_SIDE, 1 << 30, "of pixels "),
        "the most pixels that it draws",
    ),
    Key("edits", _switch, "whether it takes reference pictures"),
    Key("edit_size", _switch, "whether a size may be asked for with reference pictures"),
    Key("auto_size", _switch, "whether it can choose the size"),
    Key("web_grounding", _switch, "whether it can look things up"),
    Key("background", _switch, "whether it can leave the background out"),
    Key("price_text_in", _price, "US dollars for a million tokens of prompt"),
    Key("price_image_in", _price, "US dollars for a million tokens of reference pictures"),
    Key("price_image_out", _price, "US dollars for a million tokens of pictures"),
)
"""What ``[deployments.NAME]`` may say where the catalogue is wrong or does not know."""


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """What to say to whoever wrote ``name``, which is none of ``known``."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow, and only for mistakes

    close = get_close_matches(name, known, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(known)}."
