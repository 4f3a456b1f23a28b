"""What a manifest says, from the text of each format; one shape for all."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mai_cli.models.keys import did_you_mean
from mai_cli.models.manifest import Entry, Mistake
from mai_cli.models.mistakes import quoted

_TOP_LEVEL = "top level"
_TOP = ("defaults", "vars", "assets")
_FOR_EDITORS = "$schema"
_QUOTES = "Put it in quotes."
_DIGITS = "has a number with too many digits"
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


@dataclass
class Content:
    """The parts of a manifest, checked no further than that they are tables with texts as keys."""

    entries: list[Entry] = field(default_factory=list)
    defaults: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, object] = field(default_factory=dict)


class Repeating(dict[str, object]):
    """A table of JSON in which the keys ``repeated`` stand more than once."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.repeated = [name for name in times if times[name] > 1]


def parse(text: str, format: str, mistakes: list[Mistake]) -> Content:
    """The manifest in ``text``; what is wrong in it is added to ``mistakes``."""
    match format:
        case "toml":
            return _content(_toml(text, mistakes), mistakes)
        case "yaml":
            return _content(_yaml(text, mistakes), mistakes)
        case "json":
            return _content(_json(text, 1, mistakes), mistakes)
        case "jsonl":
            return Content(list(_json_lines(text, mistakes)))
        case "csv" | "tsv":
            from mai_cli.stores.manifest_table import read_table  # noqa: PLC0415 - loads csv

            return Content(list(read_table(text, "," if format == "csv" else "\t", mistakes)))
        case _:
            return Content(list(_prompts(text)))


def load_json(text: str) -> object:
    """The JSON in ``text``; tables in which a key stands twice are ``Repeating``.

    Raises:
        ValueError: It is not JSON, or not such that a manifest can be.
    """
    import json  # noqa: PLC0415 - not every format needs it

    try:
        value: object = json.loads(text, object_pairs_hook=_table)
    except json.JSONDecodeError:
        raise
    except ValueError:
        raise ValueError(_DIGITS) from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    return value


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    return table if len(table) == len(pairs) else Repeating(pairs)


def _json(text: str, line: int, mistakes: list[Mistake]) -> object:
    """The JSON in ``text``, which begins on ``line``; if it is none, ``None`` and a mistake."""
    from json import JSONDecodeError  # noqa: PLC0415 - not every format needs it

    try:
        return load_json(text)
    except JSONDecodeError as error:
        what = _begun(error.msg).removesuffix(" at")
        what = f"is not JSON: {what} at column {error.colno}"
        mistakes.append(Mistake(f"line {line + error.lineno - 1}", what))
    except ValueError as error:
        mistakes.append(Mistake(f"line {line}", str(error)))
    return None


def _toml(text: str, mistakes: list[Mistake]) -> object:
    import tomllib  # noqa: PLC0415 - not every format needs it

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _TOML_PLACE.search(str(error))
        line = (where and where[1]) or text.count("\n") + 1
        what = _begun(_TOML_PLACE.sub("", str(error)))
        what = "stands there twice" if what == "cannot overwrite a value" else what
        mistakes.append(Mistake(f"line {line}", f"is not TOML: {what}"))
    except ValueError:  # Python's limit of digits
        mistakes.append(Mistake("TOML", _DIGITS, _QUOTES))
    except RecursionError:
        mistakes.append(Mistake("TOML", "is nested too deep"))
    return None


def _yaml(text: str, mistakes: list[Mistake]) -> object:
    from mai_cli.stores.yaml_text import YamlError, read_yaml  # noqa: PLC0415 - loads PyYAML

    try:
        return read_yaml(text, mistakes)
    except YamlError as error:
        mistakes.append(error.mistake)
    return None


def _begun(sentence: str) -> str:
    """``sentence`` as the rest of another."""
    return sentence[:1].lower() + sentence[1:]


def _content(top: object, mistakes: list[Mistake]) -> Content:
    """The parts of what a file of TOML, YAML or JSON holds."""
    if isinstance(top, list):
        return Content(list(_entries(top, mistakes)))
    if not isinstance(top, dict):
        if not mistakes:
            hint = "Write a table with 'assets', or a list of assets."
            mistakes.append(Mistake(_TOP_LEVEL, "is neither a table nor a list", hint))
        return Content()
    if isinstance(top, Repeating):
        for name in top.repeated:
            what = f"{quoted(name)} stands twice"
            mistakes.append(Mistake(_TOP_LEVEL, what, "Keep one of them."))
    unknown = [name for name in top if name not in _TOP and name != _FOR_EDITORS]
    for name in unknown:
        what = f"there is no key {quoted(name)}"
        mistakes.append(Mistake(_TOP_LEVEL, what, did_you_mean(name, _TOP)))
    assets = top.get("assets")
    if not isinstance(assets, list):
        if assets is not None or not unknown:
            hint = "Write [[assets]] above each in TOML, else a list."
            mistakes.append(Mistake(_TOP_LEVEL, "there is no list 'assets'", hint))
        assets = []
    return Content(
        list(_entries(assets, mistakes)),
        _part(top, "defaults", mistakes),
        _part(top, "vars", mistakes),
    )


def _part(top: Mapping[str, object], name: str, mistakes: list[Mistake]) -> dict[str, object]:
    part = top.get(name, {})
    if isinstance(part, dict):
        return part
    mistakes.append(Mistake(_TOP_LEVEL, f"'{name}' is not a table"))
    return {}


def _entries(assets: list[object], mistakes: list[Mistake]) -> Iterator[Entry]:
    for number, values in enumerate(assets, start=1):
        yield from _entry(values, f"asset {number}", mistakes)


def _entry(values: object, place: str, mistakes: list[Mistake]) -> Iterator[Entry]:
    if isinstance(values, dict):
        yield Entry(values, place)
    else:
        mistakes.append(Mistake(place, "is not a table", "Write keys with values."))


def _json_lines(text: str, mistakes: list[Mistake]) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            known = len(mistakes)
            values = _json(line, number, mistakes)
            if len(mistakes) == known:
                yield from _entry(values, f"line {number}", mistakes)


def _prompts(text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        prompt = line.strip()
        if prompt and not prompt.startswith("#"):
            yield Entry({"prompt": prompt}, f"line {number}")
