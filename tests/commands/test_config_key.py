import re
import signal
import stat
import tomllib
from pathlib import Path

import pytest

from tests.commands.person import CTRL_C, CTRL_D, Person
from tests.commands.user_file import CONTOSO
from tests.emulator import KEY, Emulator


@pytest.mark.parametrize(
    "args",
    [
        ["set", "api_key", KEY],
        ["set", f"api_key={KEY}"],
        ["set", "api_key", "-", KEY],
        ["set", "profiles.work.api_key", KEY],
        ["set", "deployments.x.api_key", KEY],
        ["init", "--no-input", "--endpoint", CONTOSO, "-d", "x", "--api-key", KEY],
        ["init", "--no-input", "--endpoint", CONTOSO, "-d", "x", f"--api-key={KEY}"],
    ],
    ids=" ".join,
)
def test_a_key_as_an_argument_is_refused_and_not_repeated(run, bare, config, args):
    before = f'endpoint = "{CONTOSO}"\n[profiles.work]\n'
    config.write_text(before)
    result = run(bare, "config", *args)

    assert (result.code, result.out) == (2, b"")
    assert KEY not in result.err
    assert config.read_text() == before
    assert [path for path in config.parent.iterdir() if KEY.encode() in path.read_bytes()] == []


def test_a_key_as_an_argument_is_refused_where_nothing_is_set_up_too(run, bare, home):
    result = run(bare, "config", "set", "api_key", KEY)

    assert result.code == 2
    assert "A key does not belong on the command line" in result.err
    assert not home.exists()


def test_the_reason_is_given_why_a_key_is_no_argument(run, bare, config):
    result = run(bare | {"MAI_ENDPOINT": CONTOSO}, "config", "set", "api_key", KEY)

    assert result.err == (
        "Error: A key does not belong on the command line, where the shell's history and other "
        "users can see it.\n"
        "Type it when asked: mai config set api_key. Or pipe it: mai config set api_key - < FILE. "
        "If it is a real one, replace it.\n"
    )


@pytest.mark.parametrize("text", [KEY, f"  {KEY}\r\n", f"\ufeff{KEY}\n"])
def test_a_key_from_a_pipe_is_stored_for_the_user_alone(run, bare, credentials, text):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    result = run(env, "config", "set", "api_key", "-", stdin=text.encode())

    assert (result.code, result.out) == (0, b"")
    note = f"The key is stored in {credentials}, for {CONTOSO} only.\n"
    assert result.err.endswith(note)
    assert tomllib.loads(credentials.read_text()) == {CONTOSO: {"api_key": KEY}}
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    shown = run(env, "config", "get", "api_key")
    assert (shown.code, shown.out) == (2, b"")
    assert f"There is one in {credentials}." in shown.err
    origin = run(env, "config", "get", "api_key", "--json").objects[0]["origin"]
    assert (origin["kind"], origin["place"]) == ("credentials", str(credentials))


@pytest.mark.parametrize("text", ["", " \n", "two words", "käse", "a\x00b", f"{KEY}\n{KEY}"])
def test_a_key_that_is_none_is_refused_and_not_repeated(run, bare, credentials, text):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    result = run(env, "config", "set", "api_key", "-", stdin=text.encode())

    assert result.code == 2
    assert result.err.startswith("Error: The api_key ")
    assert not text.strip() or text.split()[0] not in result.err
    assert not credentials.exists()


def test_without_a_terminal_nobody_is_asked_for_the_key(run, bare, credentials):
    result = run(bare | {"MAI_ENDPOINT": CONTOSO}, "config", "set", "api_key", stdin=KEY.encode())

    assert result.code == 2
    assert "mai config set api_key - < FILE" in result.err
    assert not credentials.exists()


@pytest.mark.parametrize("args", [["api_key"], ["api_key", "-"]])
def test_a_person_is_asked_and_what_is_typed_is_not_shown(
    bare, tmp_path, foundry, credentials, args
):
    env = bare | {"MAI_ENDPOINT": foundry.url}
    with Person(env, tmp_path, "config", "set", *args) as person:
        person.is_asked("Key of the resource (not shown): ")
        assert not person.sees_what_is_typed()
        person.answers("two words")
        person.is_asked("Key of the resource (not shown): ")
        person.answers(KEY)
        assert person.leaves() == 0
        assert person.sees_what_is_typed()

    assert KEY not in person.seen
    assert "two words" not in person.seen
    assert tomllib.loads(credentials.read_text()) == {foundry.url: {"api_key": KEY}}


@pytest.mark.parametrize(("key", "code"), [(CTRL_C, 130), (CTRL_D, 2)])
def test_whoever_leaves_the_question_changes_nothing(bare, tmp_path, home, key, code):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    with Person(env, tmp_path, "config", "set", "api_key") as person:
        person.is_asked("(not shown): ")
        person.presses(key)
        assert person.leaves() == code
        assert person.sees_what_is_typed()

    assert "Traceback" not in person.seen
    assert not home.exists()


def test_a_stored_key_goes_to_its_endpoint_only(run, bare, foundry, store):
    store(foundry.url)
    with Emulator() as other:
        own = run(bare | {"MAI_ENDPOINT": foundry.url}, "generate", "x", "-d", "a")
        foreign = run(bare | {"MAI_ENDPOINT": other.url}, "generate", "x", "-d", "a")
        elsewhere = run(bare | {"MAI_ENDPOINT": f"{foundry.url}/gw"}, "generate", "x", "-d", "a")

        assert other.received == []
    assert (own.code, foreign.code, elsewhere.code) == (0, 4, 4)
    assert [received.headers["api-key"] for received in foundry.received] == [KEY]


def test_each_profile_sends_the_key_of_its_own_endpoint(run, bare, config, foundry):
    with Emulator() as other:
        config.write_text(
            f'endpoint = "{foundry.url}"\ndeployment = "a"\n'
            f'[profiles.work]\nendpoint = "{other.url}"'
        )
        run(bare, "config", "set", "api_key", "-", stdin=KEY.encode())
        without = run(bare, "generate", "x", "-p", "work")
        assert (without.code, other.received) == (4, [])
        run(bare, "config", "set", "api_key", "-", "-p", "work", stdin=b"work-key")
        assert run(bare, "generate", "x", "-p", "work").code == 0
        assert run(bare, "generate", "x").code == 0

        assert [received.headers["api-key"] for received in other.received] == ["work-key"]
        assert [received.headers["api-key"] for received in foundry.received] == [KEY]


def test_a_new_key_replaces_the_old_one(run, bare, foundry, store, credentials):
    store(CONTOSO, "other-key")
    store(foundry.url, "old-key")
    store(foundry.url)
    run(bare | {"MAI_ENDPOINT": foundry.url}, "generate", "x", "-d", "a")

    assert foundry.received[0].headers["api-key"] == KEY
    content = {CONTOSO: {"api_key": "other-key"}, foundry.url: {"api_key": KEY}}
    assert tomllib.loads(credentials.read_text()) == content


def test_a_key_can_be_forgotten(run, bare, foundry, store, credentials):
    store(CONTOSO, "other-key")
    store(foundry.url)
    env = bare | {"MAI_ENDPOINT": foundry.url}
    forgotten = run(env, "config", "unset", "api_key")
    again = run(env, "config", "unset", "api_key")

    assert forgotten.err == f"api_key is removed for {foundry.url}.\n"
    assert again.err == f"api_key was not set for {foundry.url}.\n"
    assert (forgotten.code, again.code) == (0, 0)
    assert tomllib.loads(credentials.read_text()) == {CONTOSO: {"api_key": "other-key"}}
    assert run(env, "generate", "x", "-d", "a").code == 4


def test_the_environment_wins_over_the_stored_key(run, bare, foundry, store):
    store(foundry.url, "stored-key")
    env = bare | {"MAI_ENDPOINT": foundry.url, "MAI_API_KEY": KEY}
    run(env, "generate", "x", "-d", "a")

    assert foundry.received[0].headers["api-key"] == KEY


def test_a_stored_key_that_the_environment_hides_is_noted(run, bare):
    env = bare | {"MAI_ENDPOINT": CONTOSO, "MAI_API_KEY": "other-key"}
    result = run(env, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 0
    assert "It has no effect here: MAI_API_KEY wins." in result.err


def test_a_file_of_keys_that_others_can_read_is_warned_about(
    run, bare, foundry, store, credentials
):
    store(foundry.url)
    credentials.chmod(0o644)
    env = bare | {"MAI_ENDPOINT": foundry.url}
    result = run(env, "generate", "x", "-d", "a")

    assert result.code == 0
    warning = f"Warning: others can read the keys in {credentials}; run: chmod 600 {credentials}"
    assert warning in result.err.splitlines()
    assert len(result.lines) == 1
    store(foundry.url, "new-key")
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600


def test_no_key_is_stored_while_it_is_not_sure_which_endpoint_holds(run, bare, config, credentials):
    config.write_text(f'endpoint = "{CONTOSO}"\ntimeout = "soon"\n')
    result = run(bare, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 3
    assert f"{config}, line 2" in result.err
    assert not credentials.exists()


def test_what_a_killed_writer_left_of_a_key_is_removed(run, bare, credentials):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    left = credentials.with_name(".credentials.toml.part")
    for command in (("unset", "api_key"), ("set", "api_key", "-")):
        credentials.parent.mkdir(exist_ok=True)
        left.write_text(f'["{CONTOSO}"]\napi_key = "half-{KEY}"\n')
        assert run(env, "config", *command, stdin=KEY.encode()).code == 0
        assert not left.exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_ctrl_z_is_ignored_while_a_key_is_typed(bare, tmp_path):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    with Person(env, tmp_path, "config", "set", "api_key") as person:
        person.is_asked("(not shown): ")
        status = Path(f"/proc/{person._process.pid}/status").read_text()
        (ignored,) = re.findall(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
        person.answers(KEY)
        assert person.leaves() == 0

    assert int(ignored, 16) >> (signal.SIGTSTP - 1) & 1  # a shell would set the echo on again


def test_a_key_longer_than_any_is_refused_and_not_cut(run, bare, credentials):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    for length in (1001, 70_000):
        result = run(env, "config", "set", "api_key", "-", stdin=b"k" * length)
        assert (result.code, result.err) == (
            2,
            "Error: The api_key is longer than any key.\nChange the value.\n",
        )
    assert not credentials.exists()
