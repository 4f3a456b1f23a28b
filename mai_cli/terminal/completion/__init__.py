"""Completion scripts, one a shell, written from the tree of commands.

A script knows commands, options and choices by itself. It starts the program for living values
only; see :mod:`mai_cli.living`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from mai_cli.terminal.completion import bash, fish, powershell, zsh
from mai_cli.terminal.completion.tree import Command, read_tree

Shell = Literal["bash", "zsh", "fish", "powershell"]

_SCRIPTS: Mapping[Shell, Callable[[Command], str]] = {
    "bash": bash.script,
    "zsh": zsh.script,
    "fish": fish.script,
    "powershell": powershell.script,
}


def script(shell: Shell, root: Any) -> str:  # noqa: ANN401 - of Typer's own Click
    """The completion script of the program whose command is ``root``."""
    return _SCRIPTS[shell](read_tree(root))
