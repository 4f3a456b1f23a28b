"""Holds what ``mai`` prints and writes against the JSON Schemas that come with it."""

import json
from collections.abc import Iterable
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
