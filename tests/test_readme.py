"""What the README says is true."""

import re
import shlex
from pathlib import Path

import pytest

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.settings import KEYS

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


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    return [line.strip() for line in lines if line.strip().startswith("mai generate")]


@pytest.mark.parametrize("command", [line for line in commands() if "|" not in line])
def test_the_examples_are_understood(run, bare, tmp_path, command):
    (tmp_path / "prompt.txt").write_text("a red fox")
    result = run(bare, *shlex.split(command)[1:], "--offline", "--dry-run")

    assert (result.code, result.err) == (0, "")


def test_there_are_examples():
    assert len(commands()) >= 6


def test_the_first_command_makes_a_picture(run, bare):
    (line,) = re.findall(r"<!-- first-picture -->\n\n    (.*)\n\n", README)
    result = run(bare, *shlex.split(line.rpartition("&&")[2])[1:])

    assert result.code == 0
    assert Path(result.lines[0]).read_bytes().startswith(b"\x89PNG")
