import re
from dataclasses import replace
from typing import Annotated, get_args

import pytest
import typer

from mai_cli.app import app
from mai_cli.living import KINDS
from mai_cli.terminal.completion import Shell, powershell, script
from mai_cli.terminal.completion.tree import TEXT, Option, Value, read_tree
from tests.shells import COMPLETIONS, FILES

ROOT = typer.main.get_command(app)
TREE = read_tree(ROOT)
COMMANDS = {" ".join(one.path): one for one in TREE.all()}

FREE = {  # what may be any text, or a number
    *(
        "KEY=VALUE",
        "NAME=VALUE",
        "N",
        "WxH",
        "SECONDS",
        "USD",
        "PATTERN",
        "I/N",
        "DATE",
        "TEXT",
        "URL",
        "-",
    ),
    *("PROMPT", "NAME", "VALUE"),
}


def option(command: str, name: str) -> Option:
    return next(one for one in COMMANDS[command].options if name in one.names)


@pytest.mark.parametrize("shell", get_args(Shell))
def test_the_script_in_the_folder_is_what_the_command_prints(run, bare, shell):
    result = run(bare, "config", "completion", shell)

    assert (result.code, result.err) == (0, "")
    assert result.out.decode() == (COMPLETIONS / FILES[shell]).read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", get_args(Shell))
def test_a_script_says_what_wrote_it_and_how_to_install_it(shell):
    header = script(shell, ROOT)[:400]
    assert f"mai config completion {shell}\n" in header
    assert f"mai config completion {shell} >" in header


@pytest.mark.parametrize("shell", get_args(Shell))
def test_a_script_is_plain_text(shell):
    text = script(shell, ROOT)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text.endswith("\n")
    assert not re.search(r" \n|\n\n\n", text)


def test_an_unknown_shell_is_refused(run, bare):
    result = run(bare, "config", "completion", "tcsh")
    assert (result.code, result.out) == (2, b"")


def test_the_help_says_nothing_of_other_ways(run, bare):
    for path in ([], ["generate"], ["history"], ["config", "set"]):
        assert "completion" not in run(bare, *path, "--help").out.decode().replace(
            "completion  Print the completion", ""
        )


def test_every_command_is_in_the_tree():
    assert {"", "generate", "batch", "history rerun", "config completion"} <= set(COMMANDS)
    assert COMMANDS["history list"].about == "List records, the newest first"
    assert [one.name for one in COMMANDS["config"].commands][:3] == ["init", "list", "get"]
    assert [command for command, one in COMMANDS.items() if not one.is_mixed] == ["history tag"]


def test_an_option_is_known_with_its_names_its_value_and_one_line():
    assert option("history list", "--status") == Option(
        ("--status",),
        "What became of it",
        Value(choices=("ok", "refused", "failed", "unknown", "sent", "removed")),
        is_repeatable=True,
        metavar="STATUS",
    )
    assert option("generate", "-q").value is None
    assert option("generate", "--no-preview").names == ("--preview", "--no-preview")
    assert option("generate", "-s").about.endswith("where the model offers it")
    assert option("history gallery", "-o").value == Value(path="folder")
    assert option("generate", "-d").value == Value(living="deployments")


def test_arguments_are_known_in_their_places():
    kinds = [argument.value for argument in COMMANDS["history tag"].arguments]
    assert kinds == [Value(living="ids", path="file"), Value(living="tags", is_signed=True)]
    assert "api_key" in COMMANDS["config set"].arguments[0].value.choices
    assert COMMANDS["history show"].arguments[0].is_repeatable
    assert not COMMANDS["config get"].arguments[0].is_repeatable


def test_what_a_new_option_takes_is_decided():
    for command in TREE.all():
        for one in (*command.options, *command.arguments):
            assert one.value != TEXT or one.metavar in FREE, (command.path, one)


def test_the_program_answers_for_every_living_value():
    values = [one.value for command in TREE.all() for one in (*command.options, *command.arguments)]
    assert {value.living for value in values if value and value.living} == set(KINDS)


def test_what_is_hidden_is_left_out():
    program = typer.Typer(add_completion=False)

    @program.command()
    def shown(secret: Annotated[str, typer.Option(hidden=True)] = "") -> None: ...

    @program.command(hidden=True)
    def unseen() -> None: ...

    (command,) = read_tree(typer.main.get_command(program)).commands
    assert (command.name, command.options) == ("shown", ())


# No PowerShell runs these tests; at least the text must hold together.


def without_quotes(text: str) -> str:
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"`]|`.)*\"", "Q", code)


def test_quotes_and_brackets_of_powershell_are_balanced():
    code = without_quotes((COMPLETIONS / FILES["powershell"]).read_text())
    assert not {"'", '"'} & set(code)
    opened = []
    for char in code:
        if char in "({[":
            opened.append(char)
        elif char in ")}]":
            assert opened.pop() + char in ("()", "{}", "[]")
    assert opened == []


def test_powershell_knows_every_command_and_option():
    text = (COMPLETIONS / FILES["powershell"]).read_text()
    for path, command in COMMANDS.items():
        block = text.partition(f"\n        '{path}' = @{{\n")[2].partition("\n        }\n")[0]
        names = [name for one in command.options for name in one.names]
        assert re.findall(r"'(-[^']+)' = @", block) == names
        for one in command.commands:
            assert f"'{one.name}' = " in block


def test_a_quote_in_a_help_stays_text_in_powershell():
    evil = Option(("--x",), "it's $(1)", None, is_repeatable=False, metavar="X")
    tree = replace(TREE, options=(evil,), commands=())
    assert "About = 'it''s $(1)'" in powershell.script(tree)
