"""The user's text editor."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mai_cli.errors import UsageError


def edit(path: Path, environ: Mapping[str, str]) -> None:
    """Open ``path`` in the editor that ``VISUAL`` or ``EDITOR`` names, and wait for it to end.

    Raises:
        UsageError: It cannot be started, or failed.
    """
    fallback = "notepad" if os.name == "nt" else "vi"
    editor = environ.get("VISUAL", "").strip() or environ.get("EDITOR", "").strip() or fallback
    try:
        if os.name == "nt":  # paths have backslashes there; the system takes the line apart
            done = subprocess.run(f'{editor} "{path}"', shell=True, check=False)  # noqa: S602
        else:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603
        problem = f"ended with {done.returncode}" if done.returncode else ""
    except (OSError, ValueError) as error:
        problem = f"cannot be started: {error}"
    if problem:
        raise UsageError(
            f"The editor {editor} {problem}.",
            code="bad_option",
            hint=f"Set EDITOR to one that works, or edit {path} yourself.",
        )
