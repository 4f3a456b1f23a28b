"""Questions to a person at a terminal: asked on stderr, answered on stdin."""

import getpass
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from mai_cli.errors import MaiError, UsageError
from mai_cli.terminal.output import Output

MAX_SECRET_BYTES = 1 << 16


class Questions:
    """Asks until an answer can be used."""

    def __init__(self, output: Output, stdin: TextIO) -> None:
        self._output = output
        self._stdin = stdin

    def text(self, question: str, check: Callable[[str], object], *, default: str = "") -> str:
        """A line of text that ``check`` takes; ``default`` is what an empty line means."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        while True:
            answer = self._read(shown) or default
            try:
                check(answer)
            except MaiError as error:
                self._output.error(error, with_json=False)
            else:
                return answer

    def choice(self, question: str, choices: Sequence[str], *, default: str) -> str:
        """One of ``choices``, which may be shortened."""
        while True:
            answer = self._read(f"{question} ({', '.join(choices)}) [{default}]: ") or default
            matches = [choice for choice in choices if choice.startswith(answer.lower())]
            if len(matches) == 1:
                return matches[0]
            self._output.note(f"Answer with one of these: {', '.join(choices)}.")

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        options = "Y/n" if default else "y/N"
        while True:
            answer = self._read(f"{question} [{options}]: ").lower()
            if not answer:
                return default
            if "yes".startswith(answer):
                return True
            if "no".startswith(answer):
                return False
            self._output.note("Answer with y or n.")

    def secret(self, question: str, check: Callable[[str], object]) -> str:
        """A text that ``check`` takes, and that is not shown while it is typed."""
        while True:
            try:
                with _without_pause():
                    answer = getpass.getpass(f"{question} (not shown): ").strip()
                check(answer)
            except EOFError:
                self._output.prompt("", end="\n")
                raise _no_answer() from None
            except UnicodeDecodeError:
                self._output.error(_no_text(), with_json=False)
            except MaiError as error:
                self._output.error(error, with_json=False)
            else:
                return answer

    def _read(self, prompt: str) -> str:
        while True:
            self._output.prompt(prompt)
            try:
                line = self._stdin.readline()
            except UnicodeDecodeError:
                self._output.error(_no_text(), with_json=False)
                continue
            if not line:
                self._output.prompt("", end="\n")
                raise _no_answer()
            return line.strip()


def read_secret(argument: str | None, stdin: TextIO | None, check: Callable[[str], object]) -> str:
    """The secret that is piped in, where ``argument`` is ``-``.

    Raises:
        UsageError: Nothing that can be used was piped in.
    """
    if argument is None or stdin is None:
        raise UsageError(
            "There is no terminal to ask for the key on.",
            code="bad_option",
            hint="Pipe it in: mai config set api_key - < FILE",
        )
    data = stdin.buffer.read(MAX_SECRET_BYTES)  # more than any key; what is cut is refused
    text = data.decode("utf-8-sig", "replace").strip()
    check(text)
    return text


@contextmanager
def _without_pause() -> Iterator[None]:
    """Ignore Ctrl-Z: a shell would let the rest of a secret be seen after it."""
    if not hasattr(signal, "SIGTSTP"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _no_text() -> UsageError:
    return UsageError("What was typed is not UTF-8.", code="bad_option", hint="Type it again.")


def _no_answer() -> UsageError:
    return UsageError(
        "There was no answer.",
        code="bad_option",
        hint="Nothing was changed. See --help for a way without questions.",
    )
