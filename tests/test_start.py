"""What a start loads; a start is felt on every call."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mai_cli.app import COMMANDS, Commands

HEAVY = {
    "PIL",
    "asyncio",
    "azure",
    "httpx",
    "keyring",
    "platformdirs",
    "pydantic",
    "requests",
    "rich",
    "ssl",
    "tomlkit",
}
RUN = """
import contextlib, io, json, sys
sys.argv = ["mai", *json.loads(sys.argv[1])]
from mai_cli.__main__ import main
with contextlib.suppress(SystemExit):
    main()
print(json.dumps(sorted(sys.modules)), file=sys.__stderr__)
"""


def loaded_modules(env: dict[str, str], *args: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(args)],
        env=env,
        capture_output=True,
        timeout=30,
        check=True,
    )
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    return modules


def loaded(env: dict[str, str], *args: str) -> set[str]:
    return {name.partition(".")[0] for name in loaded_modules(env, *args)}


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["generate", "--help"],
        ["config", "--help"],
        ["config", "get", "size"],
        ["config", "list", "--json"],
        ["config", "path"],
        ["config", "schema"],
        ["config", "schema", "record"],
        ["history", "--help"],
        ["emulator", "--help"],
        ["emulator", "--fail", "x"],
        ["history", "list"],
        ["history", "list", "--json"],
        ["history", "show", "last"],
        ["history", "show", "picture.png"],
        [],
    ],
)
def test_a_start_loads_nothing_heavy(bare, args):
    assert loaded(bare, *args) & HEAVY == set()


def test_settings_are_shown_without_what_belongs_to_pictures(bare):
    modules = loaded_modules(bare, "config", "list")

    assert "mai_cli.models.setting" in modules
    assert not {f"mai_cli.models.{name}" for name in ("check", "plan", "record")} & {*modules}


def test_the_help_of_one_command_does_not_load_the_others(bare):
    modules = loaded_modules(bare, "generate", "--help")

    assert "mai_cli.commands.generate" in modules
    assert "mai_cli.commands.config" not in modules


@pytest.mark.parametrize("kind", ["profiles", "deployments", "ids", "tags"])
def test_what_completions_ask_for_loads_next_to_nothing(bare, kind):
    unwanted = {"typer", "dataclasses", "inspect", "tomllib"}
    assert loaded(bare, "--values", kind) & (HEAVY | unwanted) == set()


def test_a_completion_script_loads_nothing_heavy(bare):
    assert loaded(bare, "config", "completion", "zsh") & HEAVY == set()


def test_the_list_of_commands_says_what_each_says_of_itself():
    for name, summary in COMMANDS.items():
        command = Commands().get_command(None, name)
        assert command.help.partition("\n")[0] == summary


def test_the_version_loads_no_typer(bare):
    assert "typer" not in loaded(bare, "--version")


@pytest.mark.parametrize(
    ("settings", "args"),
    [
        ({}, ["generate", "x"]),
        ({}, ["generate", "x", "-s", "abc", "--offline"]),
        ({"MAI_ENDPOINT": "http://127.0.0.1:9"}, ["generate", "x"]),
        ({"MAI_OFFLINE": "1"}, ["generate", "x", "--dry-run"]),
    ],
)
def test_a_mistake_is_found_before_anything_heavy_is_loaded(bare, settings, args):
    assert loaded(bare | settings, *args) & HEAVY == set()


def test_a_key_loads_no_azure_and_a_pipe_no_rich(env):
    modules = loaded(env, "generate", "x")

    # httpx loads Rich for a command of its own wherever Click, which mai does not need, is there.
    unwanted = HEAVY - {"httpx", "ssl"} - ({"rich"} if find_spec("click") else set())
    assert "httpx" in modules
    assert modules & unwanted == set()
