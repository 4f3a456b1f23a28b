"""The JSON Schemas of what ``mai`` prints, writes and reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.batch import Action, Result, State
from mai_cli.models.check import Check
from mai_cli.models.recipe import FORMATS, Fit
from mai_cli.models.record_status import RecordStatus
from mai_cli.models.settings import Origin
from mai_cli.models.stats import Stats
from mai_cli.stores.schemas import names
from tests import schemas

FIRST = Path(__file__).with_name("schemas_version_1.txt")
READ = ("config", "manifest")
"""What people write and ``mai`` reads; the others are what it prints and writes."""

WRITTEN = sorted(set(names()) - set(READ))
KINDS = sorted(MaiError.__subclasses__(), key=lambda kind: kind.exit_code)
CODES = [code for kind in KINDS for code in kind.codes]
CHANGED = (
    "Programs and files rely on these, and they are gone or of another kind. Keep them; what has "
    "to change gets a new version, such as mai/{0}/2, with a schema and a list of its own:\n{1}"
)
ADDED = "New keys and values are fine. Add them to {0}, so that they stay:\n{1}"


def part_of(name: str, *keys: str) -> dict:
    part = schemas.schema(name)
    for key in keys:
        part = part[key]
    return part


def facts(schema: dict, part: dict, path: str = "") -> Iterator[str]:
    """What there is to rely on in ``part`` of ``schema``, a line each: keys, types and values."""
    kinds = kinds_of(schema, part)
    yield f"{path or '.'}: {' or '.join(sorted(kinds)) or 'anything'}"
    for one in schemas.forms_of(schema, part):
        for value in one.get("enum", [one["const"]] if "const" in one else []):
            yield f"{path} = {value}"
        for key, inner in one.get("properties", {}).items():
            mark = "" if key in one.get("required", ()) else "?"
            yield from facts(schema, inner, f"{path}.{key}{mark}")
        for keyword, sign in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(one.get(keyword), dict):
                yield from facts(schema, one[keyword], f"{path}{sign}")
    for keyword in ("then", "else"):
        if keyword in part:
            yield from facts(schema, part[keyword], f"({keyword}){path}")


def kinds_of(schema: dict, part: dict) -> set[str]:
    kinds: set[str] = set()
    for one in schemas.forms_of(schema, part):
        kind = one.get("type", [])
        kinds.update([kind] if isinstance(kind, str) else kind)
        if "enum" in one or "const" in one:
            kinds.add("one of")
    return kinds


def facts_of(name: str) -> list[str]:
    schema = schemas.schema(name)
    return [f"{name} {fact}" for fact in dict.fromkeys(facts(schema, schema))]


def objects_of(part: object) -> Iterator[dict]:
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from objects_of(inner)


@pytest.mark.parametrize("name", names())
def test_each_schema_is_one(name):
    Draft202012Validator.check_schema(schemas.schema(name))


@pytest.mark.parametrize("name", names())
def test_what_programs_and_files_rely_on_stays(name):
    first = [line for line in FIRST.read_text().splitlines() if line.startswith(f"{name} ")]
    found = facts_of(name)
    gone = [line for line in first if line not in found]
    new = [line for line in found if line not in first]

    assert not gone, CHANGED.format(name, "\n".join(gone))
    assert not new, ADDED.format(FIRST.name, "\n".join(new))


def test_no_schema_is_gone():
    first = {line.partition(" ")[0] for line in FIRST.read_text().splitlines()}
    assert first <= set(names()), CHANGED.format("NAME", first - set(names()))


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_printed_and_written_may_get_new_keys(name):
    for part in objects_of(schemas.schema(name)):
        assert part.get("additionalProperties") is not False


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_printed_and_written_names_its_schema(name):
    schema = schemas.schema(name)
    assert schema["required"][0] == "schema"
    assert schema["properties"]["schema"]["const"] == f"mai/{name}/1"


@pytest.mark.parametrize("name", WRITTEN)
def test_every_key_is_described_in_whole_sentences(name):
    for part in objects_of(schemas.schema(name)):
        for key, about in part["properties"].items():
            assert about.get("description", "").endswith("."), key


def test_an_error_is_the_same_wherever_it_is_told():
    parts = [part_of(name, "$defs", "error") for name in ("error", "record", "summary")]
    assert parts[0] == parts[1] == parts[2]


ERROR = ("$defs", "error", "properties")
RECIPE = ("$defs", "recipe", "properties")


@pytest.mark.parametrize(
    ("place", "values"),
    [
        (("record", "properties", "status"), RecordStatus),
        (("error", *ERROR, "code"), CODES),
        (("error", *ERROR, "exit_code"), [kind.exit_code for kind in KINDS]),
        (("summary", "properties", "exit_code"), ExitCode),
        (("check", "properties", "exit_code"), ExitCode),
        (("summary", "$defs", "asset", "properties", "result"), Result),
        (("plan", "properties", "items", "items", "properties", "action"), Action),
        (
            ("plan", "$defs", "batch", "properties", "items", "items", "properties", "state"),
            State,
        ),
        (("check", "properties", "result"), get_args(get_type_hints(Check)["result"])),
        (("stats", "properties", "by"), get_args(get_type_hints(Stats)["by"])),
        (
            ("setting", "properties", "origin", "properties", "kind"),
            get_args(get_type_hints(Origin)["kind"]),
        ),
        (("record", "$defs", "export", "properties", "format"), FORMATS.values()),
        (("lock", *RECIPE, "format"), FORMATS.values()),
        (("lock", *RECIPE, "fit"), get_args(Fit)),
    ],
)
def test_values_are_those_of_the_code(place, values):
    assert set(part_of(*place)["enum"]) == set(values)


def test_what_is_counted_is_what_the_code_counts():
    counts = part_of("summary", "properties", "counts")
    states = part_of("plan", "$defs", "batch", "properties", "counts")

    assert set(counts["properties"]) == set(counts["required"]) == set(Result)
    assert set(states["properties"]) == set(states["required"]) == set(State)


WHOLE = {
    "schema": "mai/error/1",
    "error": {"code": "quota", "message": "Wait.", "hint": "", "exit_code": 6},
}


def test_a_key_that_no_schema_describes_is_found():
    error = WHOLE["error"] | {"why": 1}
    assert schemas.undescribed(WHOLE) == []
    assert schemas.undescribed(WHOLE | {"error": error, "more": {}}) == [".error.why", ".more"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"error": None},
        {"error": {}},
        {"error": WHOLE["error"] | {"code": "no_luck"}},
        {"error": WHOLE["error"] | {"exit_code": "6"}},
        {"error": WHOLE["error"] | {"hint": None}},
        {"error": WHOLE["error"] | {"details": "one"}},
        {"schema": "mai/error/2"},
        {"schema": "mai/failure/1"},
        {"schema": None},
    ],
)
def test_what_is_not_as_its_schema_says_is_found(wrong):
    schemas.hold(WHOLE | {"more": 1})
    with pytest.raises(AssertionError):
        schemas.hold(WHOLE | wrong)
