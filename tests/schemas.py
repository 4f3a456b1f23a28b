"""Holds what ``mai`` prints and writes against the JSON Schemas that come with it."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

FOLDER = files("mai_cli") / "schemas"


@cache
def schema(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def is_valid(name: str, value: object) -> bool:
    return validator(name).is_valid(value)


def hold(value: dict) -> None:
    """See that ``value``, and what in it has a schema of its own, is as its schema says."""
    named = value.get("schema")
    assert isinstance(named, str), f"names no schema: {value}"
    name = named.removeprefix("mai/").partition("/")[0]
    assert (FOLDER / f"{name}.json").is_file(), f"there is no schema of {named}"
    wrong = best_match(validator(name).iter_errors(value))
    assert wrong is None, f"{named}, {wrong.json_path}: {wrong.message}"
    for part in value.values():
        if isinstance(part, dict) and "schema" in part:
            hold(part)


def hold_lines(lines: Iterable[str | bytes]) -> None:
    """See that each line is a JSON object that is as its schema says."""
    for line in lines:
        hold(json.loads(line))


def forms_of(schema: dict, part: dict) -> Iterator[dict]:
    """``part``, and whatever it leads to that describes the same value."""
    yield part
    inner = [*part.get("anyOf", []), *part.get("allOf", [])]
    if "$ref" in part:
        inner.append(schema["$defs"][part["$ref"].removeprefix("#/$defs/")])
    for one in inner:
        yield from forms_of(schema, one)


def undescribed(value: dict) -> list[str]:
    """The keys in ``value`` that its schema says nothing of: allowed, but not what we want."""
    whole = schema(value["schema"].split("/")[1])
    return list(_undescribed(whole, [whole, whole.get("then", {}), whole.get("else", {})], value))


def _undescribed(whole: dict, parts: list[dict], value: object, path: str = "") -> Iterator[str]:
    forms = [form for part in parts for form in forms_of(whole, part)]
    if isinstance(value, list):
        items = [form["items"] for form in forms if "items" in form]
        for inner in value:
            yield from _undescribed(whole, items, inner, f"{path}[]")
    elif isinstance(value, dict) and not (path and "schema" in value):  # which has its own
        known = [form["properties"] for form in forms if "properties" in form]
        others = [form["additionalProperties"] for form in forms if "additionalProperties" in form]
        for key, inner in value.items():
            about = [keys[key] for keys in known if key in keys] or others
            if known and not about:
                yield f"{path}.{key}"
            yield from _undescribed(whole, about, inner, f"{path}.{key}")
