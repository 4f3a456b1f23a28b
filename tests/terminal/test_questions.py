import io
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mai_cli.errors import UsageError
from mai_cli.terminal.questions import MAX_SECRET_BYTES, read_secret

PROGRAM = """
import os, sys
from mai_cli.errors import MaiError, UsageError
from mai_cli.terminal.output import Output
from mai_cli.terminal.questions import Questions

def check(text):
    if not text.isalnum():
        raise UsageError(f"{len(text)} characters will not do.", code="bad_option", hint="Again.")

if sys.stdin.isatty():
    os.open(os.ttyname(0), os.O_RDWR)  # makes it the terminal of this session
output = Output(json="--json" in sys.argv, quiet="-q" in sys.argv)
questions = Questions(output, sys.stdin)
try:
    match sys.argv[1]:
        case "text":
            answer = questions.text("Name", check)
        case "default":
            answer = questions.text("Name", check, default="pics")
        case "choice":
            answer = questions.choice("Sign in with", ("auto", "key", "entra"), default="auto")
        case "yes":
            answer = questions.confirm("Sure?", default=True)
        case "no":
            answer = questions.confirm("Sure?", default=False)
        case "secret":
            answer = questions.secret("Key", check)
    output.text(f"answer: {answer}")
except MaiError as error:
    output.error(error)
except KeyboardInterrupt:
    output.text("stopped")
"""
PATIENCE_SECONDS = 20
NO_ANSWER = (
    "Error: There was no answer.\nNothing was changed. See --help for a way without questions.\n"
)
SIGN_IN = "Sign in with (auto, key, entra) [auto]: "
ONE_OF = "Answer with one of these: auto, key, entra.\n"
SURE, Y_OR_N = "Sure? [y/N]: ", "Answer with y or n.\n"
REFUSED = "Error: {} characters will not do.\nAgain.\n"


@dataclass
class Talk:
    """A program at a terminal of its own; its stdout is a pipe."""

    process: subprocess.Popen[bytes]
    leader: int
    shown: str = ""

    def wait_for(self, text: str) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while text not in self.shown:
            assert time.monotonic() < give_up_at, self.shown
            self._read(0.1)

    def type(self, keys: bytes) -> None:
        os.write(self.leader, keys)

    def is_hidden(self) -> bool:
        return not termios.tcgetattr(self.leader)[3] & termios.ECHO

    def end(self) -> tuple[str, str]:
        """What was shown on the terminal, and what came out of the pipe."""
        out, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        while self._read(0):
            pass
        assert self.process.returncode == 0
        return self.shown.replace("\r\n", "\n"), out.decode()

    def _read(self, seconds: float) -> bool:
        if not select.select([self.leader], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.leader, 1 << 16)
        except OSError:  # all others have closed it
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    """Start the program at a terminal, its stdin, stderr and controlling terminal."""
    opened: list[Talk] = []

    def start(*args: str) -> Talk:
        leader, follower = pty.openpty()

        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *args],
            stdin=follower,
            stdout=subprocess.PIPE,
            stderr=follower,
            start_new_session=True,
            env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},  # as on a usual desktop
        )
        os.close(follower)
        opened.append(Talk(process, leader))
        return opened[-1]

    yield start
    for one in opened:
        one.process.kill()
        one.process.communicate()
        os.close(one.leader)


def ask(kind: str, typed: str, *args: str) -> tuple[str, str]:
    """What is said on stderr and stdout where these lines are piped in."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, *args],
        input=typed.encode(),
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    return done.stderr.decode(), done.stdout.decode()


@pytest.mark.parametrize(
    ("kind", "typed", "said", "answer"),
    [
        ("text", "pics\n", "Name: ", "pics"),
        ("text", "  pics \n", "Name: ", "pics"),
        ("text", "pics", "Name: ", "pics"),
        ("text", "a b\n\nab\n", f"Name: {REFUSED.format(3)}Name: {REFUSED.format(0)}Name: ", "ab"),
        ("default", "\n", "Name [pics]: ", "pics"),
        ("default", "x\n", "Name [pics]: ", "x"),
        ("choice", "\n", "Sign in with (auto, key, entra) [auto]: ", "auto"),
        ("choice", "entra\n", "Sign in with (auto, key, entra) [auto]: ", "entra"),
        ("choice", "K\n", "Sign in with (auto, key, entra) [auto]: ", "key"),
        ("choice", "x\nkeys\ne\n", f"{SIGN_IN}{ONE_OF}{SIGN_IN}{ONE_OF}{SIGN_IN}", "entra"),
        ("yes", "\n", "Sure? [Y/n]: ", "True"),
        ("yes", "N\n", "Sure? [Y/n]: ", "False"),
        ("no", "\n", "Sure? [y/N]: ", "False"),
        ("no", "Yes\n", "Sure? [y/N]: ", "True"),
        ("no", "nope\nyess\nye\n", f"{SURE}{Y_OR_N}{SURE}{Y_OR_N}{SURE}", "True"),
    ],
)
def test_a_question_is_asked_until_it_is_answered(kind, typed, said, answer):
    assert ask(kind, typed) == (said, f"answer: {answer}\n")


@pytest.mark.parametrize("kind", ["text", "choice", "yes"])
def test_where_nobody_answers_nothing_is_assumed(kind):
    said, out = ask(kind, "")

    assert said.partition(": ")[2] == f"\n{NO_ANSWER}"
    assert out == ""


def test_questions_are_asked_also_where_little_is_said():
    assert ask("text", "a b\nab\n", "--json", "-q") == (
        f"Name: {REFUSED.format(3)}Name: ",
        "answer: ab\n",
    )


@pytest.mark.parametrize("kind", ["text", "default"])
def test_a_text_is_typed_at_a_terminal(talk, kind):
    at = talk(kind)
    at.wait_for(": ")
    assert not at.is_hidden()
    at.type(b"xy\n")
    shown, out = at.end()

    assert shown == ("Name: xy\n" if kind == "text" else "Name [pics]: xy\n")
    assert out == "answer: xy\n"


def test_a_secret_is_not_shown_while_it_is_typed(talk):
    at = talk("secret")
    at.wait_for("Key (not shown): ")
    assert at.is_hidden()
    at.type(b"not this\n")
    at.wait_for("Again.\r\nKey (not shown): ")
    at.type(b" abc123 \n")
    shown, out = at.end()

    assert shown == f"Key (not shown): \n{REFUSED.format(8)}Key (not shown): \n"
    assert out == "answer: abc123\n"
    assert not at.is_hidden()


@pytest.mark.parametrize("kind", ["text", "secret"])
def test_the_end_of_the_input_is_no_answer(talk, kind):
    at = talk(kind)
    at.wait_for(": ")
    at.type(b"\x04")
    shown, out = at.end()

    assert shown.endswith(NO_ANSWER)
    assert out == ""
    assert not at.is_hidden()


@pytest.mark.parametrize("kind", ["text", "secret", "yes"])
def test_a_question_can_be_stopped(talk, kind):
    at = talk(kind)
    at.wait_for(": ")
    at.type(b"\x03")
    _, out = at.end()

    assert out == "stopped\n"
    assert not at.is_hidden()


@pytest.mark.parametrize("kind", ["text", "secret"])
def test_what_is_no_text_is_asked_for_again_or_refused(talk, kind):
    at = talk(kind)
    at.wait_for(": ")
    at.type(b"\xff\xfe\n")
    at.wait_for("Type it again.")
    at.shown = at.shown.partition("Type it again.")[2]
    at.wait_for(": ")  # what is typed before a hidden question is thrown away
    at.type(b"ab\n")
    shown, _ = at.end()

    assert "Traceback" not in shown


def accept(text: str) -> None:
    if not text.isalnum():
        raise UsageError(f"{len(text)} characters.", code="bad_option")


def piped(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding="ascii")


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (b"abc123", "abc123"),
        (b"abc123\n", "abc123"),
        (b"abc123\r\n", "abc123"),
        (b"\xef\xbb\xbfabc123\r\n", "abc123"),
        (b"  abc123\t\n\n", "abc123"),
    ],
)
def test_a_secret_that_is_piped_in_is_read(data, secret):
    assert read_secret("-", piped(data), accept) == secret


@pytest.mark.parametrize("data", [b"", b"\n", b"abc 123", b"abc\n123\n", b"abc\xff", b"a\0"])
def test_a_piped_secret_that_is_none_is_refused(data):
    with pytest.raises(UsageError, match=r"^\d characters\.$"):
        read_secret("-", piped(data), accept)


def test_a_secret_without_an_end_is_read_up_to_a_limit():
    with Path("/dev/zero").open(encoding="ascii") as endless, pytest.raises(UsageError) as caught:
        read_secret("-", endless, accept)

    assert caught.value.message == f"{MAX_SECRET_BYTES} characters."


@pytest.mark.parametrize(("argument", "stdin"), [(None, piped(b"abc123")), ("-", None)])
def test_a_secret_is_read_only_where_it_is_asked_for(argument, stdin):
    with pytest.raises(UsageError) as caught:
        read_secret(argument, stdin, accept)

    assert caught.value.message == "There is no terminal to ask for the key on."
    assert caught.value.hint == "Pipe it in: mai config set api_key - < FILE"
    assert stdin is None or stdin.read() == "abc123"
