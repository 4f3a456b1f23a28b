"""YAML as a manifest needs it: texts, numbers, switches, lists and tables, and nothing more.

Values are built from the events of the parser, not by PyYAML's composer: that one takes the last
of two equal keys, and its fast form ends the whole process where a text is nested deep enough.
Plain scalars are read as YAML 1.2 reads them, so that ``16:9`` is a size and ``no`` is Norway.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from mai_cli.models.manifest import Mistake
from mai_cli.models.mistakes import quoted

MAX_DEPTH = 32
MAX_ALIASED = 1_000_000
"""Values that aliases may stand for, all together."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{
        f"{sign}{word}": float(f"{sign}inf")
        for sign in ("", "+", "-")
        for word in (".inf", ".Inf", ".INF")
    },
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\s].*)?", re.ASCII | re.DOTALL)


_MERGE = object()
"""The key ``<<``, whose value is a table to start from."""

_NONE = object()
"""What is no key; its value is left out."""


class YamlError(Exception):
    """The text is not YAML, or not such that a manifest can be; the message says so."""

    def __init__(self, what: str, line: int | None = None, hint: str = "") -> None:
        super().__init__(what)
        self.mistake = Mistake("YAML" if line is None else f"line {line}", what, hint)


@dataclass
class _Open:
    """A list or a table whose end has not come yet; ``key`` waits for its value."""

    values: list[object] | dict[str, object]
    anchor: str | None
    weight: int = 1
    key: object = None
    merged: list[Mapping[str, object]] = field(default_factory=list)


def read_yaml(text: str, mistakes: list[Mistake]) -> object:
    """What ``text`` says; keys that stand twice and the like are added to ``mistakes``.

    Raises:
        YamlError: It cannot be read any further.
    """
    try:
        return _Builder(mistakes).build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlError(error.problem or "is not YAML", line) from None
    except yaml.YAMLError as error:
        raise YamlError(str(error).partition("\n")[0]) from None


class _Builder:
    def __init__(self, mistakes: list[Mistake]) -> None:
        self._mistakes = mistakes
        self._open: list[_Open] = []
        self._named: dict[str, tuple[object, int]] = {}
        self._aliased = 0
        self._result: object = None

    def build(self, events: Iterator[Any]) -> object:
        documents = 0
        for event in events:
            line = event.start_mark.line + 1
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise YamlError(
                            "a second document begins", line, "Make it a file of its own."
                        )
                case yaml.ScalarEvent():
                    value = self._scalar(event, line)
                    self._name(event.anchor, value, 1)
                    self._add(value, 1, line, is_plain=event.implicit[0])
                case yaml.AliasEvent():
                    self._alias(event.anchor, line)
                case yaml.CollectionStartEvent():
                    self._start(event, line)
                case yaml.CollectionEndEvent():
                    self._end(line)
        return self._result

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> object:
        text: str = event.value
        if event.tag in {"!", "tag:yaml.org,2002:str"} or (not event.tag and not event.implicit[0]):
            return text
        if event.tag:
            self._report(line, f"has the tag {quoted(event.tag)}", "Leave it out.")
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _WHOLE.fullmatch(text):
            return self._whole(text, line)
        if _NUMBER.fullmatch(text) and not _LEADING_ZERO.match(text):
            return float(text)
        if _DATE.fullmatch(text):
            self._report(line, f"{quoted(text)} is a date", "Put it in quotes.")
        return text

    def _whole(self, text: str, line: int) -> int:
        try:
            return int(text)
        except ValueError:  # Python's limit of digits
            self._report(line, "has a number with too many digits", "Put it in quotes.")
            return 0

    def _start(self, event: Any, line: int) -> None:  # noqa: ANN401 - PyYAML types no tag
        if len(self._open) == MAX_DEPTH:
            raise YamlError("is nested too deep", line)
        if event.tag and event.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"}:
            self._report(line, f"has the tag {quoted(event.tag)}", "Leave it out.")
        is_table = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open({} if is_table else [], event.anchor))

    def _end(self, line: int) -> None:
        ended = self._open.pop()
        value: object = ended.values
        if isinstance(ended.values, dict) and ended.merged:
            # What stands in the table itself comes first, then what was merged first.
            merged: dict[str, object] = {}
            for source in reversed(ended.merged):
                merged |= source
            value = merged | ended.values
        self._name(ended.anchor, value, ended.weight)
        self._add(value, ended.weight, line)

    def _name(self, anchor: str | None, value: object, weight: int) -> None:
        if anchor is not None:
            self._named[anchor] = value, weight

    def _alias(self, anchor: str | None, line: int) -> None:
        """An alias is the same value again; it counts as much as if it were written out."""
        if anchor is None or anchor not in self._named:
            raise YamlError(f"there is nothing that *{anchor} could stand for", line)
        value, weight = self._named[anchor]
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            raise YamlError("aliases stand for more values than a manifest can have", line)
        self._add(value, weight, line)

    def _add(self, value: object, weight: int, line: int, *, is_plain: bool = False) -> None:
        """Put ``value`` where it belongs: into the list or table that is open."""
        if not self._open:
            self._result = value
            return
        into = self._open[-1]
        into.weight += weight
        if isinstance(into.values, list):
            into.values.append(value)
        elif into.key is None:
            into.key = _MERGE if value == "<<" and is_plain else self._key(value, line)
        else:
            self._put(into, into.values, value, line)
            into.key = None

    def _key(self, value: object, line: int) -> object:
        if isinstance(value, str):
            return value
        self._report(line, "has a key that is not a text", "Put it in quotes.")
        return _NONE

    def _put(self, into: _Open, table: dict[str, object], value: object, line: int) -> None:
        if into.key is _MERGE:
            sources = value if isinstance(value, list) else [value]
            into.merged += [source for source in sources if isinstance(source, dict)]
            if len(into.merged) < len(sources):
                self._report(line, "'<<' takes a table, or a list of tables", "")
        elif isinstance(into.key, str):
            if into.key in table:
                what = f"the key {quoted(into.key)} stands twice"
                self._report(line, what, "Keep one of them.")
            table[into.key] = value

    def _report(self, line: int, what: str, hint: str) -> None:
        self._mistakes.append(Mistake(f"line {line}", what, hint))
