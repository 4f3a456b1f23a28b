"""The text of ``config.toml`` and of a project's ``.mai.toml``: found and read, not understood."""

import errno
import os
import threading
from pathlib import Path
from typing import BinaryIO

from mai_cli.errors import ConfigError

PROJECT_NAME = ".mai.toml"
MAX_BYTES = 1 << 16
MAX_LINE = 4000
"""Characters; a name of many parts would keep the parser busy for long."""

PIPE_SECONDS = 5.0
"""How long somebody is waited for who writes into a pipe."""


def read_text(path: Path) -> str:
    """What the file at ``path`` holds, line ends as they are; nothing if there is none.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with _opened(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise unreadable(f"{path} is larger than 64 KB.")
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise unreadable(
            f"{path} cannot be read: {error.strerror}.", "Make it readable, or move it away."
        ) from None
    except UnicodeDecodeError:
        raise unreadable(f"{path} is not UTF-8 text.") from None
    if max(map(len, text.split("\n"))) > MAX_LINE:
        raise unreadable(f"{path} has a line of more than {MAX_LINE} characters.")
    return text


def _opened(path: Path) -> BinaryIO:
    """The file at ``path``; a pipe too, but it is not waited for without end."""
    if not path.is_fifo():
        return path.open("rb")
    results: list[int | OSError] = []

    def wait() -> None:
        try:
            results.append(os.open(path, os.O_RDONLY))
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(PIPE_SECONDS)
    result = results[0] if results else OSError(errno.ETIMEDOUT, "nobody writes into this pipe")
    if isinstance(result, OSError):
        raise result
    return os.fdopen(result, "rb")


def find_project(folder: Path) -> Path | None:
    """The nearest ``.mai.toml`` from ``folder`` upwards, not beyond the root of the repository.

    Outside of a repository only ``folder`` itself counts, since what lies above it may be
    anybody's.
    """
    above = (folder, *folder.parents)
    # Not Path.exists, which raises where a folder is closed to us.
    root = next((place for place in above if os.path.exists(place / ".git")), folder)  # noqa: PTH110
    for place in above:
        if os.path.isfile(place / PROJECT_NAME):  # noqa: PTH113
            return place / PROJECT_NAME
        if place == root:
            break
    return None


def unreadable(message: str, hint: str = "Correct the file, or move it away.") -> ConfigError:
    """The error about a file that cannot be understood at all."""
    return ConfigError(message, code="bad_config_file", hint=hint)
