import json
import os
import subprocess
from pathlib import Path

import pytest

from mai_cli.living import KINDS, MAX_ABOUT, MAX_IDS, Machine
from mai_cli.parts import Parts
from tests.commands.records import record
from tests.conftest import MAI

CONFIG = """\
deployment = "base"
[profiles.work]
deployment = "at-work"
history = "work.jsonl"
[profiles.home]
[deployments.my-pics]
model = "MAI-Image-2.6"
"""


@pytest.fixture
def ask(run, bare):
    """What ``mai --values`` says to this environment, as pairs."""

    def ask(kind: str, **more: str) -> list[tuple[str, ...]]:
        result = run(bare | more, "--values", kind)
        assert (result.code, result.err) == (0, "")
        return [tuple(line.split("\t")) for line in result.lines]

    return ask


@pytest.fixture
def keep(home):
    """Put records into the history, the last one is the newest."""

    def keep(*records: dict) -> None:
        home.mkdir(exist_ok=True)
        text = "".join(f"{json.dumps(one)}\n" for one in records)
        (home / "history.jsonl").write_text(text)

    return keep


def test_ids_come_with_their_prompts_the_newest_first(ask, keep):
    keep(record(1, prompt="a red fox"), record(2, prompt="a blue fox"))
    assert ask("ids") == [
        ("last", "a blue fox"),
        (record(2)["id"], "a blue fox"),
        (record(1)["id"], "a red fox"),
    ]


def test_a_private_record_shows_no_prompt(ask, keep):
    keep(record(1, prompt=None))
    assert ask("ids") == [("last", "(private)"), (record(1)["id"], "(private)")]


def test_only_the_newest_are_offered(ask, keep):
    keep(*(record(number) for number in range(MAX_IDS + 20)))
    found = ask("ids")
    assert len(found) == MAX_IDS + 1
    assert found[1] == (record(MAX_IDS + 19)["id"], f"picture {MAX_IDS + 19}")


def test_a_prompt_is_one_short_line_without_control(ask, keep):
    keep(record(1, prompt=f"two\nlines\x1b[2J\x07\x9b\u202e{'long ' * 50}"))
    about = ask("ids")[0][1]
    assert about.startswith("two lines\\x1b[2J\\x07\\x9b\\u202elong")
    assert about.endswith("…")
    assert len(about) < MAX_ABOUT * 2


@pytest.mark.parametrize(
    "name", ["", "-rf", "--x", "a\nb", "a\tb", "\x1b[31m", "\u202ea", "\ud800"]
)
def test_what_cannot_be_typed_is_not_offered(ask, keep, name):
    keep(record(1, id=name or "", tags=[name, "good", 5, None]))
    assert [value for value, _ in ask("ids")] == ["last"]
    assert [value for value, _ in ask("tags")] == ["favorite", "good"]


def test_tags_are_offered_once_favorite_first(ask, keep):
    keep(record(1, tags=["a", "b"]), record(2, tags=["b", "favorite"]), record(3, tags="x"))
    assert ask("tags") == [("favorite", "is not pruned"), ("b", ""), ("a", "")]


def test_profiles_and_deployments_are_those_of_all_files_and_of_the_history(
    ask, keep, home, tmp_path
):
    keep(record(1, deployment="seen"), record(2, deployment="base"))
    (home / "config.toml").write_text(CONFIG)
    (tmp_path / ".mai.toml").write_text('[profiles.team]\ndeployment = "shared"\n')
    assert sorted(ask("profiles")) == [("home", ""), ("team", "shared"), ("work", "at-work")]
    assert ask("deployments") == [
        ("base", ""),
        ("shared", ""),
        ("at-work", ""),
        ("my-pics", "MAI-Image-2.6"),
        ("seen", ""),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"MAI_PROFILE": "work"},
        {"MAI_PROFILE": "home"},
        {"MAI_HISTORY": "elsewhere.jsonl"},
        {"MAI_HISTORY": "~/x.jsonl", "MAI_PROFILE": "work"},
        {"MAI_CONFIG": "other/config.toml"},
    ],
)
@pytest.mark.parametrize("config", [CONFIG, f'history = "~/mine.jsonl"\n{CONFIG}', None])
def test_the_history_is_where_the_settings_have_it(monkeypatch, bare, home, tmp_path, more, config):
    monkeypatch.chdir(tmp_path)
    for folder in (home, tmp_path / "other"):
        folder.mkdir()
        if config:
            (folder / "config.toml").write_text(config)
    if config is None:
        more = {name: value for name, value in more.items() if name != "MAI_PROFILE"}
    for name, value in (bare | more).items():
        monkeypatch.setenv(name, value)
    with Parts() as parts:
        assert Machine(os.environ).history.absolute() == parts.settings.history


def break_config(home: Path) -> None:
    (home / "config.toml").write_text("[[[")


def break_tables(home: Path) -> None:
    (home / "config.toml").write_text('profiles = "x"\ndeployments = 3\nhistory = []\n')


def break_history(home: Path) -> None:
    (home / "history.jsonl").write_bytes(b'\xff\xfe{"id": [\n{"id": 3}\n[]\n{}\n' + b"[" * 100_000)


def make_history_a_folder(home: Path) -> None:
    (home / "history.jsonl").mkdir()


def make_pipes(home: Path) -> None:
    os.mkfifo(home / "history.jsonl")
    os.mkfifo(home / "config.toml")


def make_config_too_long(home: Path) -> None:
    (home / "config.toml").write_text(f"size = '{'x' * 70_000}'")


@pytest.mark.parametrize("kind", [*KINDS, "nothing", "--help", ""])
@pytest.mark.parametrize(
    "spoil",
    [
        break_config,
        break_tables,
        break_history,
        make_history_a_folder,
        make_pipes,
        make_config_too_long,
    ],
)
def test_whatever_is_wrong_it_stays_quiet(ask, home, spoil, kind):
    home.mkdir()
    spoil(home)
    assert [value for value, _ in ask(kind)] in ([], ["favorite"])


def test_without_anything_there_is_nothing(ask, run, bare):
    assert [ask(kind) for kind in ("profiles", "deployments", "ids")] == [[], [], []]
    assert run(bare, "--values").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_shell_that_does_not_listen_is_no_failure(bare, keep):
    keep(record(1))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*MAI, "--values", "ids"],
            env=bare,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_help_does_not_know_of_it(run, bare):
    assert b"--values" not in run(bare, "--help").out
