"""Texts with ``${name}`` in them."""

import re
from collections.abc import Callable, Mapping, Sequence

from mai_cli.errors import UsageError
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


def parse_values(texts: Sequence[str]) -> dict[str, str]:
    """The values that ``--var NAME=VALUE`` gives.

    Raises:
        UsageError: Not of that form, or given twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not is_name(name):
            raise UsageError(
                f"--var: {quoted(text)} gives no name a value.",
                code="bad_option",
                hint="Write it as NAME=VALUE, for example --var season=winter",
            )
        if name in values:
            raise UsageError(
                f"--var gives {name} a value twice.",
                code="bad_option",
                hint="Leave one of them out.",
            )
        values[name] = value
    return values


def fill_prompt(prompt: str, values: Mapping[str, Value]) -> str:
    """``prompt`` with ``values`` filled in; as it stands where there are none.

    Raises:
        UsageError: It uses a name that has no value, or leaves one unused.
    """
    if not values:
        return prompt
    problems: list[tuple[str, str]] = []
    filled = fill(prompt, values, lambda problem, hint: problems.append((problem, hint)))
    if problems:
        raise UsageError(
            "\n".join(f"The prompt {problem}." for problem, _ in problems),
            code="bad_prompt",
            hint=problems[0][1],
        )
    if unused := sorted(values.keys() - names_in(prompt)):
        raise UsageError(
            f"The prompt does not use {', '.join(unused)}.",
            code="bad_option",
            hint=f"Write ${{{unused[0]}}} where it belongs (in single quotes, for the shell), or "
            "leave out its --var.",
        )
    return filled


def _known(name: str, values: Mapping[str, Value]) -> str:
    if not values:
        return "Give it one in vars, or write $$ for a dollar sign."
    return did_you_mean(name, list(values))
