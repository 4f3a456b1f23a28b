"""``mai config schema``; and that every schema is met by what ``mai`` prints and writes."""

import json
import tomllib
from importlib.resources import files

import pytest

from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS
from tests import schemas
from tests.commands.records import drawn, record, remember, unmade

FOLDER = files("mai_cli") / "schemas"
NAMES = sorted(entry.name.removesuffix(".json") for entry in FOLDER.iterdir())
MANIFEST = '[[assets]]\nname = "fox"\nprompt = "a fox"\noutput = "fox.png"\nalt = "A fox"\n'


def test_without_a_name_it_lists_them(run, bare):
    result = run(bare, "config", "schema")
    assert (result.code, result.lines, result.err) == (0, NAMES, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_printed_as_it_is(run, bare, name):
    result = run(bare, "config", "schema", name)
    assert (result.code, result.err) == (0, "")
    assert result.out == (FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("recrod", "Did you mean 'record'? "),
        ("mai/record/1", "Did you mean 'record'? "),
        ("zzz", ""),
        ("record.json", "Did you mean 'record'? "),
        ("../errors", "Did you mean 'error'? "),
        ("", ""),
    ],
)
def test_a_name_that_is_none_is_refused_with_all_there_are(run, bare, name, nearest):
    result = run(bare, "config", "schema", name)
    assert (result.code, result.out) == (2, b"")
    assert result.err == (
        f"Error: There is no schema '{name}'.\n{nearest}There are: {', '.join(NAMES)}.\n"
    )


def test_it_works_where_the_settings_are_wrong(run, bare, config):
    config.write_text("nonsense")
    assert run(bare, "config", "schema", "config").code == 0


VALUES = {
    "endpoint": "contoso.openai.azure.com",
    "auth": "entra",
    "scope": "https://x.example/.default",
    "size": "16:9",
    "filename": "{time}-{id}",
    "gallery": "pictures",
    "history": "~/history.jsonl",
    "deployment": "mai-image-26",
    "model": "MAI-Image-2.6",
    "max_pixels": "1000000",
}


@pytest.mark.slow
def test_whatever_can_be_set_makes_a_file_that_the_schema_allows(run, bare, config):
    names = [key.name for key in KEYS if key.in_file]
    keys = [*names, *(f"profiles.work.{key}" for key in ("endpoint", "rpm", "preview"))]
    keys += [f"deployments.my-pics.{key.name}" for key in DEPLOYMENT_KEYS]
    for key in keys:
        value = VALUES.get(key.rpartition(".")[2], "1")
        assert run(bare, "config", "set", key, value).code == 0, key
    written = tomllib.loads(config.read_text())

    assert set(written) == {*names, "profiles", "deployments"}
    assert schemas.is_valid("config", written)


def fill(home, tmp_path):
    """What has a little of everything: a picture, one that is gone, one that is not known."""
    records = [record(1, tags=["hero"]), unmade(2, "unknown"), drawn(home, 3)]
    with remember(home, records).open("a") as history:
        history.write("{\n")
    (tmp_path / "assets.toml").write_text(MANIFEST)
    (tmp_path / ".mai.toml").write_text('[profiles.quick]\nsize = "1:1"\n')


COMMANDS = {
    "record": ["generate", "x", "--offline"],
    "error": ["generate", "x"],
    "plan": ["generate", "x", "--offline", "--dry-run"],
    "summary": ["batch", "assets.toml", "--offline"],
    "setting": ["config", "list"],
    "profile": ["config", "profiles"],
    "paths": ["config", "path"],
    "check": ["config", "check"],
    "stats": ["history", "stats"],
    "problem": ["history", "verify"],
    "recovery": ["history", "recover"],
    "removal": ["history", "prune", "--keep", "1", "--dry-run"],
    "page": ["history", "gallery"],
}


def test_every_schema_of_an_output_is_met_by_a_command():
    assert set(NAMES) - set(COMMANDS) == {"config", "manifest", "lock"}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_prints_is_as_the_schema_says(run, bare, home, tmp_path, name):
    fill(home, tmp_path)
    result = run(bare, *COMMANDS[name], "--json")

    assert f"mai/{name}/1" in {printed["schema"] for printed in result.objects}, result
    for printed in result.objects:
        schemas.hold(printed)
        assert not schemas.undescribed(printed)


def test_both_plans_are_as_the_schema_says(run, bare, home, tmp_path):
    fill(home, tmp_path)
    commands = (["batch", "assets.toml", "--check"], ["batch", "assets.toml", "--dry-run"])
    plans = [run(bare, *command, "--offline", "--json").objects for command in commands]

    assert all("manifest" in plan for (plan,) in plans)


def test_the_files_that_are_written_are_as_their_schemas_say(run, bare, home, tmp_path):
    (tmp_path / "assets.toml").write_text(MANIFEST + MANIFEST.replace("fox", "owl"))
    for shard in ("1/2", "2/2"):
        run(bare, "batch", "assets.toml", "--offline", "--shard", shard)
    fragments = list((tmp_path / "assets.lock.d").iterdir())
    for file in fragments:
        schemas.hold(json.loads(file.read_bytes()))
    run(bare, "batch", "assets.toml", "--offline")
    lock = json.loads((tmp_path / "assets.lock.json").read_bytes())

    assert fragments
    assert set(lock["assets"]) == {"fox", "owl"}
    records = [json.loads(line) for line in (home / "history.jsonl").read_bytes().splitlines()]
    for written in [lock, *records]:
        schemas.hold(written)
        assert not schemas.undescribed(written)


def test_what_is_exported_is_as_the_schema_says(run, bare, home):
    remember(home, [record(1), unmade(2, "refused")])
    lines = run(bare, "history", "export").lines
    listed = json.loads(run(bare, "history", "export", "--format", "json").out)

    assert len(lines) == len(listed) == 2
    schemas.hold_lines(lines)
    for state in listed:
        schemas.hold(state)
