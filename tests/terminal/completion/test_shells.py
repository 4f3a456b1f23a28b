"""The scripts in real shells. What is offered without starting the program, and what with it."""

import json
import os
import re
import subprocess

import pytest

from tests.commands.records import record
from tests.shells import COMPLETIONS, FILES, FISH, Person, path_of, with_mai

CASES = {
    "mai hist": ["history"],
    "mai ": ["generate", "batch", "history", "config", "emulator"],
    "mai --v": ["--version"],
    "mai history s": ["search", "show", "stats"],
    "mai config com": ["completion"],
    "mai config completion ": ["bash", "zsh", "fish", "powershell"],
    "mai generate --dr": ["--dry-run"],
    "mai generate --no-p": ["--no-preview"],
    "mai batch assets.toml --pro": ["--profile"],
    "mai history list --status re": ["refused", "removed"],
    "mai history list --status=re": ["refused", "removed"],
    "mai history list --status ok --status f": ["failed"],
    "mai history export --format js": ["json", "jsonl"],
    "mai history stats --by m": ["month", "model"],
    "mai generate -s w": ["wide"],
    "mai generate --size 16": ["16:9"],
    "mai generate --size=16": ["16:9"],
    "mai generate --size=16:": ["16:9"],
    "mai generate -m MAI-Image-2.6": ["MAI-Image-2.6", "MAI-Image-2.6-Flash"],
    "mai history rerun last --model=MAI-Image-2.7-": ["MAI-Image-2.7-Flash"],
    "mai config set ma": ["max_cost", "max_cost_per_day"],
    "mai config unset ap": ["api_key"],
    "mai config get -p work siz": ["size"],
    "mai generate 'a prompt' --ope": ["--open"],
    "mai generate history --ope": ["--open"],
    "mai generate --output history --ope": ["--open"],
    "mai generate -n 3 --ope": ["--open"],
    "mai generate ": [],
    "mai generate x": [],
    "mai generate -- --si": [],
    "mai generate --count ": [],
    "mai history search ": [],
    "mai config set size ": [],
    "mai history tag --js": ["--json"],
}
HOSTILE = "$(touch ran) `touch ran`; touch ran"
BASH = r"""
. "$1"
while IFS= read -r line; do
    IFS=$'\x1f' read -ra COMP_WORDS <<<"$line"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMP_WORDS[COMP_CWORD]=${COMP_WORDS[COMP_CWORD]%$'\x1e'}
    COMPREPLY=()
    _mai
    (IFS=$'\x1f'; echo "${COMPREPLY[*]}")
done
"""


@pytest.fixture
def stub(bare, tmp_path):
    """An environment whose program does nothing but leave a mark: the file ``started``."""
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "mai"
    program.write_text(f"#!/bin/sh\n: > '{tmp_path}/started'\n")
    program.chmod(0o755)
    return with_mai(bare, place)


@pytest.fixture
def full(bare, home):
    """An environment with profiles and records, some of which are made to do harm."""
    home.mkdir()
    (home / "config.toml").write_text(
        "[profiles.plain]\n[profiles.\"my work\"]\n[profiles.'$(touch ran)']\n"
        '[deployments.pics]\nmodel = "MAI-Image-2.6"\n'
    )
    prompts = [
        HOSTILE,
        'it\'s "quoted", a:b [c] \\d {e} %F{red}%n',
        "two\nlines\tand\x00more",
        "\x1b[31mred\x1b]0;title\x07\u202e",
        None,
        "a red fox",
    ]
    records = [record(number, prompt=prompt) for number, prompt in enumerate(prompts)]
    records[-1]["tags"] = ["$(touch ran)", "`touch ran`", "a b", "x:y", "it's", "\x1b[31m", "hero"]
    (home / "history.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return with_mai(bare)


def answers(shell: str, env: dict, folder, *texts: str) -> list[list[str]]:
    """What each of ``texts`` is completed with, by the functions of the shell, without a person."""
    script = str(COMPLETIONS / FILES[shell])
    if shell == "fish":
        ask = "source $argv[1]; for text in $argv[2..-1]; complete -C $text; echo \\f; end"
        command, typed = [path_of(shell), *FISH, "-c", ask, script, *texts], ""
    else:
        command = [path_of(shell), "--norc", "-c", BASH, "bash", script]
        typed = "".join(f"{split_as_bash(text)}\n" for text in texts)
    done = subprocess.run(
        command,
        env=env,
        cwd=folder,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if shell == "fish":
        blocks = done.stdout.split("\f\n")[:-1]
        return [[line.partition("\t")[0] for line in block.splitlines()] for block in blocks]
    return [[word for word in row.split("\x1f") if word] for row in done.stdout.splitlines()]


def split_as_bash(text: str) -> str:
    """The words of a line as bash hands them over, the last one marked, since it may be empty."""
    words = [re.findall(r"[=:]+|[^=:]+", word) for word in re.findall(r"'[^']*'|\S+", text)]
    flat = [part for parts in words for part in parts]
    return "\x1f".join([*flat, *([""] if text.endswith(" ") else [])]) + "\x1e"


def whole(text: str, offered: list[str]) -> list[str]:
    """``offered`` as values, also where the shell counts the option or a part as one word."""
    start = text.rpartition(" ")[2]
    value = start.partition("=")[2] if start.startswith("--") else start
    known = value[: value.rfind(":") + 1]
    tails = [one.rpartition("=")[2] for one in offered]
    return [one if one.startswith(known) else known + one for one in tails]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_is_known_is_offered_without_starting_the_program(shell, stub, tmp_path):
    for text, found in zip(CASES, answers(shell, stub, tmp_path, *CASES), strict=True):
        assert sorted(whole(text, found)) == sorted(CASES[text]), text
    assert not (tmp_path / "started").exists()


def test_zsh_offers_the_same(stub, tmp_path):
    with Person("zsh", stub, tmp_path) as person:
        for text, expected in CASES.items():
            if len(expected) > 1:
                offered = person.tab(text).offered
                assert sorted(set(offered) - {"-h"}) == sorted(expected), text
            else:
                line = text.removesuffix(text.rpartition(" ")[2]) if expected else text
                value = "".join(expected)
                option = text.rpartition(" ")[2].partition("=")[0] + "=" if "=" in text else ""
                seen = person.tab(text).line.removesuffix("=")  # which zsh puts behind an option
                assert seen == f"{line}{option}{value}".strip(), text
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_files_and_folders_are_completed_by_the_shell(shell, stub, tmp_path):
    (tmp_path / "my pictures").mkdir()
    (tmp_path / "my.png").write_bytes(b"")
    with Person(shell, stub, tmp_path) as person:
        assert person.tab("mai generate -o my.").line == "mai generate -o my.png"
        assert person.tab("mai generate --output=my.").line == "mai generate --output=my.png"
        assert person.tab("mai history show my.").line == "mai history show my.png"
        assert person.tab("mai batch my.").line == "mai batch my.png"
        line = person.tab("mai history gallery -o m").line
        assert line.rstrip("/") == "mai history gallery -o my\\ pictures"
        assert person.tab("mai generate m").line == "mai generate m"


def test_fish_completes_files_and_folders(stub, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pic.png").write_bytes(b"")
    asked = ["generate -o pi", "generate --output=pi", "batch pi", "history gallery -o pi"]
    found = answers("fish", stub, tmp_path, *(f"mai {text}" for text in asked))
    both = ["pic.png", "pictures/"]
    assert found == [both, [f"--output={one}" for one in both], both, ["pictures/"]]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_the_machine_knows_is_offered(shell, full, tmp_path):
    ids = ["last", *(record(number)["id"] for number in reversed(range(6)))]
    tags = ["favorite", "$(touch ran)", "`touch ran`", "a b", "x:y", "it's", "hero"]
    asked = {
        "mai generate -p p": ["plain"],
        "mai generate --profile=p": ["plain"],
        "mai generate -d ": ["pics", "mai-image-26"],
        "mai history show ": ids,
        "mai history remove last ": ids,
        "mai history rerun la": ["last"],
        "mai history list --tag h": ["hero"],
        "mai history tag last +h": ["+hero"],
        "mai history tag last +hero -h": ["-hero"],
        "mai history tag last +": [f"+{tag}" for tag in tags],
    }
    found = answers(shell, full, tmp_path, *asked)
    for (text, expected), offered in zip(asked.items(), found, strict=True):
        plain = [re.sub(r"\\(.)", r"\1", one) for one in offered] if shell == "bash" else offered
        shown = [one for one in whole(text, plain) if "." not in one]  # nor files
        assert [one for one in shown if one not in ("home", "home/")] == expected, text
    assert not (tmp_path / "ran").exists()


def test_zsh_shows_prompts_beside_the_ids_and_evaluates_nothing(full, tmp_path):
    with Person("zsh", full, tmp_path) as person:
        seen = person.tab("mai history show ")
        assert person.tab("mai generate --profile=p").line == "mai generate --profile=plain"
        assert person.tab("mai history tag last -h").line == "mai history tag last -hero"
        assert person.tab("mai generate -p m").line == "mai generate -p my\\ work"
    rows = [row.partition("  -- ")[2] for row in seen.menu]
    assert rows == [
        "a red fox",
        "a red fox",
        "(private)",
        "\\x1b[31mred\\x1b]0;title\\x07\\u202e",
        "two lines and\\x00more",
        'it\'s "quoted", a:b [c] \\d {e} %F{red}%n',
        HOSTILE,
    ]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_hostile_name_arrives_as_it_is_when_the_line_is_run(shell, full, tmp_path):
    with Person(shell, full, tmp_path) as person:
        shown = person.enter("mai history tag last +hero +\\$")
        assert ": $(touch ran), `touch ran`, a b, x:y, it's, \\x1b[31m, hero" in shown
        assert "+'$(touch ran)'" in shown or r"+\$\(touch\ ran\)" in shown
        person.enter("mai history list --tag \\`")
        person.enter("mai history show ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_person_completes_a_whole_line(shell, full, tmp_path):
    with Person(shell, full, tmp_path) as person:
        assert person.tab("mai hist").line == "mai history"
        assert person.tab("mai generate --dry").line == "mai generate --dry-run"
        assert person.tab("mai generate --size=16").line == "mai generate --size=16:9"
        assert person.tab("mai generate -p pl").line == "mai generate -p plain"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_quote_that_is_open_is_closed(shell, full, tmp_path):
    with Person(shell, full, tmp_path) as person:
        assert person.tab("mai generate -p 'pl").line == "mai generate -p 'plain'"


def test_bash_leaves_an_open_quote_alone_where_a_name_needs_another(full, tmp_path):
    with Person("bash", full, tmp_path) as person:
        for text in ("mai generate -p 'm", 'mai generate -p "$', 'mai history tag last "+\\$'):
            assert person.tab(text).line == text


@pytest.mark.parametrize(
    "setting", ["set -u", "set -f", "IFS=xyz", "shopt -s nullglob failglob", "shopt -s nocasematch"]
)
def test_bash_completes_whatever_is_set(full, tmp_path, setting):
    command = f"""
    . '{COMPLETIONS / "mai.bash"}'; {setting}
    COMP_WORDS=(mai history tag last ''); COMP_CWORD=4; _mai; echo "$? ${{COMPREPLY[0]}}"
    COMP_WORDS=(mai history s); COMP_CWORD=2; _mai; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [path_of("bash"), "--norc", "-c", command],
        env=full,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["0", "+favorite", "search", "show", "stats"], "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_program_that_is_missing_breaks_nothing(shell, bare, tmp_path):
    nothing = {**with_mai(bare), "PATH": os.defpath}
    with Person(shell, nothing, tmp_path) as person:
        assert person.tab("mai history show l").line == "mai history show l"
