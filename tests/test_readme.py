"""What the README says is true."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.catalogue import Model
from mai_cli.models.fault import KINDS as FAULTS
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS
from mai_cli.models.settings import Settings
from mai_cli.services.settings import resolve
from mai_cli.stores.config_file import read
from tests import schemas
from tests.emulator import png

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
KINDS = sorted(MaiError.__subclasses__(), key=lambda kind: kind.exit_code)


def codes_table() -> str:
    rows = ["| Exit code | `error.code` | Meaning |", "|---|---|---|"]
    for kind in KINDS:
        for code, meaning in kind.codes.items():
            rows.append(f"| {int(kind.exit_code)} | `{code}` | {meaning} |")
    return "\n".join(rows)


def test_the_table_of_error_codes_is_that_of_the_program():
    stated = README.partition("<!-- codes -->\n")[2].partition("\n<!-- /codes -->")[0]
    assert stated == codes_table()


def test_every_exit_code_is_in_the_table():
    stated = re.findall(r"^\| ([\d, ]+) \| [a-z ]+ \|", README, re.MULTILINE)
    numbers = {int(number) for cell in stated for number in cell.split(",")}
    assert numbers == {int(code) for code in ExitCode}


def test_every_setting_is_in_the_table():
    for key in KEYS:
        assert f"`{key.variable}`" in README
        assert not key.in_file or f"| `{key.name}` |" in README


def test_the_settings_that_a_project_may_not_set_are_named():
    (sentence,) = re.findall(r"It may not set (.*?), since", README, re.DOTALL)
    refused = {key.name for key in KEYS if key.in_file and not key.in_project}
    assert set(re.findall(r"`(\w+)`", sentence)) == refused


def test_everything_that_can_be_said_of_a_deployment_is_named():
    for key in DEPLOYMENT_KEYS:
        assert re.search(rf"^{key.name} = |`{key.name}`", README, re.MULTILINE)


def test_the_file_of_settings_is_one(tmp_path):
    (example,) = re.findall(r"```toml\n# config.toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(example)
    file = read(path)
    settings = resolve([], [file], Settings(tmp_path, tmp_path))

    assert schemas.is_valid("config", tomllib.loads(example))
    assert (settings.deployment, settings.size) == (("mai-image-26",), "16:9")
    assert settings.deployments["my-pics"].correct(Model.unknown()).price is not None


def examples(program: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    return [line.strip() for line in lines if line.strip().startswith(program)]


@pytest.mark.parametrize("command", [line for line in examples("mai generate") if "|" not in line])
def test_the_examples_are_understood(run, bare, tmp_path, command):
    (tmp_path / "prompt.txt").write_text("a red fox")
    (tmp_path / "sketch.png").write_bytes(png(8, 8))
    result = run(bare, *shlex.split(command)[1:], "--offline", "--dry-run")

    assert (result.code, result.err) == (0, "")


def test_the_examples_of_config_do_as_they_say(run, env, home):
    del env["MAI_DEPLOYMENT"]
    for command in examples("mai config"):
        if "api_key" in command:  # asks at a terminal
            continue
        result = run(env, *shlex.split(command.partition(" >")[0])[1:])
        assert result.code == 0, (command, result)

    file = read(home / "config.toml")
    assert file.values == {
        "endpoint": "https://contoso.services.ai.azure.com",
        "deployment": "mai-image-26",
        "size": "16:9",
    }
    assert file.profiles == {"quick": {"deployment": "mai-image-26-flash"}}


def test_there_are_examples():
    assert len(examples("mai generate")) >= 6
    assert len(examples("mai config")) >= 5


HELP = dict(re.findall(r"```console\n\$ mai ([a-z ]*)--help\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("command", HELP)
def test_help_is_what_the_program_prints(run, bare, command):
    assert run(bare, *command.split(), "--help").out.decode() == HELP[command]


def test_there_is_help():
    assert [*HELP] == ["", "generate ", "batch "]


def test_the_first_command_makes_a_picture(run, bare):
    (line,) = re.findall(r"<!-- first-picture -->\n\n    (.*)\n\n", README)
    result = run(bare, *shlex.split(line.rpartition("&&")[2])[1:])

    assert result.code == 0
    assert Path(result.lines[0]).read_bytes().startswith(b"\x89PNG")


def test_every_fault_of_the_emulator_is_explained():
    start = README.index("## Trying things out")
    section = README[start : README.index("\n## ", start + 1)]
    assert set(FAULTS) <= set(re.findall(r"`([a-z-]+)`", section))
