"""What people get wrong: a line of what, one of what to do, the right code, nothing sent."""

import os
import pty
import subprocess

import pytest

from tests.conftest import MAI

WRONG = [
    (["generate"], 2, "There is no prompt.", "mai generate"),
    (["generate", ""], 2, "The prompt is empty.", "Say what to draw"),
    (["generate", "  \n "], 2, "The prompt is empty.", "Say what to draw"),
    (["generate", "x", "-f", "prompt.txt"], 2, "There are two prompts", "Leave one"),
    (["generate", "-f", "missing.txt"], 2, "missing.txt cannot be read: No such file", "text file"),
    (["generate", "-f", "."], 2, "cannot be read: Is a directory", "text file"),
    (["generate", "-f", "empty.txt"], 2, "The prompt in empty.txt is empty.", "Write what"),
    (["generate", "-f", "latin.txt"], 2, "in latin.txt is not UTF-8 text.", "UTF-8"),
    (["generate", "-"], 2, "The prompt in standard input is empty.", "Write what"),
    (["generate", "x", "-s", "0x0"], 2, "at least 768", "nearest size that works is 768x768"),
    (["generate", "x", "-s", "abc"], 2, "'abc' is not a size.", "1280x832"),
    (["generate", "x", "-s", "500x500"], 2, "at least 768", "is 768x768"),
    (["generate", "x", "-s", "1025x1024"], 2, "multiples of 16", "is 1024x1024"),
    (["generate", "x", "-s", "0:0"], 2, "'0:0' is not a size.", "16:9"),
    (
        ["generate", "x", "-s", "4096x2304"],
        2,
        "MAI-Image-2.6 draws at most 2,359,296 pixels",
        "is 2048x1152",
    ),
    (["generate", "x", "-s", "21:9", "-d", "mai-image-2-5"], 2, "too long a shape", "is 1360x768"),
    (["generate", "x", "-s", "auto", "-d", "mai-image-2-5"], 2, "does not choose", "1024x1024"),
    (["generate", "x", "--background", "transparent"], 2, "does not offer --background", "newer"),
    (["generate", "x", "--background", "blue"], 2, "--background", "mai generate --help"),
    (["generate", "x", "--web-grounding", "-d", "mai-image-2-5"], 2, "does not offer", "newer"),
    (["generate", "x", "-n", "0"], 2, "'--count'", "mai generate --help"),
    (["generate", "x", "-n", "two"], 2, "'--count'", "mai generate --help"),
    (["generate", "x", "--timeout", "0"], 2, "The timeout '0.0' must be", "Change --timeout."),
    (["generate", "x", "--param", "seed"], 2, "'seed' is not a parameter.", "KEY=VALUE"),
    (["generate", "x", "--param", "=1"], 2, "'=1' is not a parameter.", "KEY=VALUE"),
    (["generate", "x", "--param", "size=1x1"], 2, "cannot set 'size'", "Use --size."),
    (["generate", "x", "--param", "n=4"], 2, "cannot set 'n'", "Use --count."),
    (["generate", "x", "--param", "a=1", "--param", "a=2"], 2, "sets 'a' twice", "Leave one"),
    (["generate", "x", "-o", "a.gif"], 2, "does not know the picture format 'gif'", ".webp"),
    (["generate", "x", "-o", "a.xyz"], 2, "does not know the picture format 'xyz'", ".png"),
    (["generate", "x", "-o", "a"], 2, "no ending that names a format", "slash"),
    (["generate", "x", "-o", ""], 2, "An output has no name.", "hero.png"),
    (["generate", "x", "-o", "empty.txt/a.png"], 2, "cannot be written", "another place"),
    (["generate", "x", "-o", "a.png", "-o", "./a.png"], 2, "the same name", "Rename one."),
    (["generate", "x", "-o", "-", "-n", "2"], 2, "takes one picture", "hero.png"),
    (["generate", "x", "-n", "x"], 2, "'x' is not a whole number.", "mai generate --help"),
    (["generate", "x", "-n", "0"], 2, "0 is not in the range 1<=x<=1000.", "--help"),
    (["generate", "\ufeff\u200b \x01"], 2, "The prompt is empty.", "Say what to draw"),
    (["generate", "x", "-d", "\x1b"], 2, r"The deployment '\x1b' must be one line", "--deployment"),
    (["generate", "x", "--colour"], 2, "No such option: --colour", "mai generate --help"),
    (["generate", "x", "y"], 2, "unexpected extra argument", "mai generate --help"),
    (["genrate", "x"], 2, "No such command 'genrate'.", "mai --help"),
]


@pytest.mark.parametrize(("args", "code", "what", "hint"), WRONG)
def test_wrong_options_are_named_and_nothing_is_sent(
    mai, foundry, home, tmp_path, args, code, what, hint
):
    (tmp_path / "prompt.txt").write_text("x")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes("Zürich".encode("latin-1"))
    result = mai(*args)

    message, advice = result.err.splitlines()[-2:]
    assert result.code == code
    assert message.startswith("Error: ")
    assert what in message
    assert hint in advice
    assert (result.out, foundry.received) == (b"", [])
    assert not (home / "history.jsonl").exists()


SETTINGS = [
    ({"MAI_ENDPOINT": ""}, 3, "No Foundry endpoint is set.", "--offline"),
    ({"MAI_ENDPOINT": "http://example.com"}, 3, "must start with https://", "Change MAI_ENDPOINT."),
    ({"MAI_ENDPOINT": "https://"}, 3, "has no host name", "Change MAI_ENDPOINT."),
    ({"MAI_ENDPOINT": "ftp://x.example"}, 3, "must start with https://", "MAI_ENDPOINT"),
    ({"MAI_ENDPOINT": "https://a b.example"}, 3, "has a space", "MAI_ENDPOINT"),
    ({"MAI_ENDPOINT": "https://me:pw@x.example"}, 3, "user name", "MAI_ENDPOINT"),
    ({"MAI_DEPLOYMENT": ""}, 3, "No deployment is named.", "MAI_DEPLOYMENT"),
    ({"MAI_API_KEY": ""}, 4, "Signing in to Entra ID did not work", "az login"),
    ({"MAI_API_KEY": "", "MAI_AUTH": "key"}, 4, "there is none for this endpoint", "MAI_API_KEY"),
    ({"MAI_API_KEY": "nö"}, 3, "The api_key has a character", "Change MAI_API_KEY."),
    ({"MAI_AUTH": "magic"}, 3, "must be one of auto, key, entra", "Change MAI_AUTH."),
    ({"MAI_TIMEOUT": "soon"}, 3, "number of seconds", "Change MAI_TIMEOUT."),
    ({"MAI_FILENAME": "{nope}"}, 3, "may use only {year}", "Change MAI_FILENAME."),
    ({"MAI_SIZE": "huge"}, 3, "'huge' is not a size.", "Change MAI_SIZE."),
]


@pytest.mark.parametrize(("settings", "code", "what", "hint"), SETTINGS)
def test_wrong_settings_are_named_and_nothing_is_sent(
    run, env, foundry, home, tmp_path, settings, code, what, hint
):
    empty = tmp_path / "bin"
    empty.mkdir()
    result = run(env | {"PATH": str(empty)} | settings, "generate", "x")

    message, advice = result.err.splitlines()[-2:]
    assert result.code == code, result.err
    assert what in message
    assert hint in advice
    assert foundry.received == []
    assert not (home / "history.jsonl").exists()
    key = settings.get("MAI_API_KEY")
    assert not key or key not in result.err


FILES = [
    ("deploymnt = 'x'", "line 2: there is no setting 'deploymnt'.", "Did you mean 'deployment'?"),
    (
        "api_key = 'x'",
        "line 2: a key does not belong in this file.",
        "Store it with 'mai config set api_key', and remove it here.",
    ),
    ("size = ", "is not TOML", "Correct the file"),
    ("timeout = true", "The timeout 'true' must be", "Change it in"),
    ("endpoint = 'http://example.com'", "must start with https://", "Change it in"),
]


@pytest.mark.parametrize(("line", "what", "hint"), FILES)
def test_a_wrong_config_file_is_named_with_its_place(mai, foundry, home, line, what, hint):
    home.mkdir()
    (home / "config.toml").write_text(f"# mine\n{line}\n")
    result = mai("generate", "x")

    assert result.code == 3
    assert what in result.err
    assert hint in result.err
    assert str(home / "config.toml") in result.err
    assert "line 2" in result.err
    assert foundry.received == []


def test_a_failure_is_json_too(mai):
    (failure,) = mai("generate", "x", "-s", "abc", "--json").objects

    assert failure["schema"] == "mai/error/1"
    assert failure["error"]["code"] == "bad_size"
    assert failure["error"]["exit_code"] == 2


def test_a_picture_and_json_do_not_share_stdout(mai, foundry):
    (failure,) = mai("generate", "x", "-o", "-", "--json").objects

    assert "both want standard output" in failure["error"]["message"]
    assert foundry.received == []


def test_what_stands_behind_two_dashes_asks_for_no_json(mai, foundry):
    result = mai("generate", "--nope", "--", "--json")

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert "No such option: --nope" in result.err


def test_a_usage_mistake_is_json_too(mai):
    (failure,) = mai("generate", "--json", "--nope").objects

    assert failure["error"]["code"] == "bad_option"


@pytest.mark.parametrize("args", [["-"], ["-f", "-"]])
def test_a_prompt_is_not_waited_for_on_a_terminal(env, args, tmp_path):
    leader, follower = pty.openpty()
    done = subprocess.run(
        [*MAI, "generate", *args],
        env=env,
        cwd=tmp_path,
        stdin=follower,
        capture_output=True,
        timeout=30,
        check=False,
    )
    os.close(leader)
    os.close(follower)

    assert done.returncode == 2
    assert b"standard input, which is a terminal" in done.stderr


def test_a_picture_is_not_written_to_a_terminal(env, foundry, tmp_path):
    leader, follower = pty.openpty()
    done = subprocess.run(
        [*MAI, "generate", "x", "-o", "-"],
        env=env,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(leader)
    os.close(follower)

    assert done.returncode == 2
    assert foundry.received == []


@pytest.mark.parametrize("prompt", [b"\xff\xfe", b"caf\xe9"])
def test_a_prompt_that_is_not_utf8_is_refused(env, foundry, tmp_path, prompt):
    done = subprocess.run(
        [*(part.encode() for part in MAI), b"generate", prompt],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert b"not valid UTF-8" in done.stderr
    assert foundry.received == []


@pytest.mark.parametrize("args", [["-f", "/dev/zero"], ["-"]])
def test_a_prompt_without_an_end_is_refused(mai, foundry, args):
    result = mai("generate", *args, stdin=b"word " * 300_000)

    assert result.code == 2
    assert "is too long." in result.err
    assert foundry.received == []


def test_a_folder_that_is_gone_is_told(env, tmp_path):
    done = subprocess.run(
        f"mkdir gone && cd gone && rmdir ../gone && {MAI[0]} generate x",
        shell=True,
        env=env,
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert b"The current folder is gone." in done.stderr


def test_a_prompt_without_quotes_gets_a_hint(mai):
    assert "Put the prompt in quotes." in mai("generate", "a", "lighthouse").err
