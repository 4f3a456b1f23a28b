"""Shells with a person at them: what is on the line, and what was shown, after a TAB."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import MAI
from tests.terminals import Terminal

COMPLETIONS = Path(__file__).parents[1] / "completions"
FILES = {"bash": "mai.bash", "zsh": "_mai", "fish": "mai.fish", "powershell": "mai.ps1"}
PROMPT = "ready> "

FISH = ("--no-config", "--features", "qmark-noglob")
"""With what is usual from fish 4 on: ``?`` is no wildcard."""

_END = "#END"
_ZSH = (
    "setopt no_beep no_always_last_prompt no_list_ambiguous",
    "autoload compinit",
    "compinit -u",
    "PS1='ready'\"> \"",
)
_BASH = (
    "bind 'set bell-style none'",
    "bind 'set show-all-if-ambiguous on'",
    "PS1='ready'\"> \"",
)
_FISH = (
    "set -g fish_autosuggestion_enabled 0",
    "function fish_prompt; echo -n 'ready'\"> \"; end",
)
_START = {
    "bash": (("bash", "--norc", "-i"), "; ".join(_BASH)),
    "zsh": (("zsh", "-f", "-i"), "; ".join(_ZSH)),
    "fish": (("fish", *FISH, "-i"), "; ".join(_FISH)),
}


def path_of(shell: str) -> str:
    """Where the shell is; the test is skipped without it, and fails where CI runs it."""
    path = shutil.which(shell)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{shell} is missing (Debian: {shell})")
    return path or pytest.skip(f"{shell} is missing (Debian: {shell})")


def with_mai(env: Mapping[str, str], folder: Path = Path(MAI[0]).parent) -> dict[str, str]:
    """``env`` in which a shell finds the program in ``folder``."""
    path = f"{folder}{os.pathsep}{env['PATH']}"
    return {**env, "PATH": path, "LANG": "C.UTF-8", "INPUTRC": os.devnull}


@dataclass(frozen=True)
class Seen:
    """The line as it is after a TAB, and the lines that were shown with it."""

    line: str
    menu: list[str]

    @property
    def offered(self) -> list[str]:
        """What was offered, without descriptions."""
        rows = (row.partition(" -- ")[0].strip() for row in self.menu)
        return [word for row in rows for word in re.split(r"\s{2,}", row)]


class Person(Terminal):
    """Somebody at a shell that knows the completion script."""

    def __init__(self, shell: str, env: Mapping[str, str], folder: Path) -> None:
        command, setup = _START[shell]
        path_of(shell)
        super().__init__(command, env, folder, columns=120, rows=50)
        self.types(f"{setup}; . '{COMPLETIONS / FILES[shell]}'\n".encode())
        self.shows(re.escape(PROMPT).encode())

    def tab(self, text: str) -> Seen:
        """Type ``text`` on a fresh line, then TAB."""
        self._starts_afresh()
        self.types(f"{text}\t{_END}".encode())
        self._wait_for(lambda: any(_END in line for line in self.lines), "nothing came of the TAB")
        *above, line = [row.strip() for row in self.lines]
        return Seen(line.removeprefix(PROMPT.strip()).partition(_END)[0].strip(), above[1:])

    def enter(self, text: str) -> str:
        """Type ``text``, TAB, and Return; what is on the screen once the next prompt is there."""
        self._starts_afresh()
        mark = len(self.raw)
        self.types(f"{text}\t\n".encode())
        self._wait_for(lambda: self.raw[mark:].count(PROMPT.encode()), "it did not come back")
        return "\n".join(self.lines)

    def _starts_afresh(self) -> None:
        mark = len(self.raw)
        self.types(b"\x15clear\n")
        cleared = re.compile(rb"\x1b\[2J.*" + re.escape(PROMPT).encode(), re.DOTALL)
        self._wait_for(lambda: cleared.search(self.raw, mark), "the screen was not cleared")
