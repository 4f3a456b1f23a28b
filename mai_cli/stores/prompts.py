"""The prompt, from the command line, a file or standard input."""

import os
from pathlib import Path
from typing import TextIO

from mai_cli.errors import UsageError

MAX_PROMPT_BYTES = 1 << 20
"""Several times the 32,000 tokens that a model reads, in any language."""

_HINT = "Give a text file in UTF-8."


def find_prompt(argument: str | None, file: str | None, stdin: TextIO | None) -> str:
    """The prompt that stands in ``argument`` or in ``file``; ``-`` in either means ``stdin``.

    Raises:
        UsageError: There is none, or two, or it cannot be read.
    """
    if argument is not None and file is not None:
        raise _wrong(
            "There are two prompts: one on the command line, one in --prompt-file.",
            "Leave one of them out.",
        )
    if file is not None or argument == "-":
        return read_prompt("-" if file is None else file, stdin)
    if argument is None:
        raise _wrong(
            "There is no prompt.",
            'Say what to draw, for example: mai generate "a lighthouse at dawn"',
        )
    return _as_utf8(argument)


def _as_utf8(argument: str) -> str:
    """``argument`` read as UTF-8, where the locale says less but UTF-8 was typed."""
    try:
        return os.fsencode(argument).decode() if not argument.isascii() else argument
    except UnicodeDecodeError:
        return argument


def read_prompt(source: str, stdin: TextIO | None) -> str:
    """The prompt in the file ``source``, or from ``stdin`` where that is ``-``.

    White space around it is dropped; a byte order mark too.

    Raises:
        UsageError: It cannot be read, is empty, too long or not UTF-8, or ``-`` would wait for
            typing.
    """
    name = "standard input" if source == "-" else source
    try:
        if source != "-":
            with Path(source).open("rb") as file:
                data = file.read(MAX_PROMPT_BYTES + 1)
        elif stdin is None or stdin.isatty():
            raise _wrong(
                "'-' reads the prompt from standard input, which is a terminal or closed.",
                "Pipe a prompt in, or write it on the command line.",
            )
        else:
            data = stdin.buffer.read(MAX_PROMPT_BYTES + 1)
        if len(data) > MAX_PROMPT_BYTES:  # cut somewhere, perhaps within a character
            raise _wrong(
                f"The prompt in {name} is too long.", "A model reads 32,000 tokens at most."
            )
        text = data.decode("utf-8-sig").strip()
    except OSError as error:
        raise _wrong(f"The prompt in {name} cannot be read: {error.strerror}.", _HINT) from None
    except UnicodeDecodeError:
        raise _wrong(f"The prompt in {name} is not UTF-8 text.", _HINT) from None
    except ValueError:
        raise _wrong(f"'{name}' is not a file name.", _HINT) from None
    if not text:
        raise _wrong(f"The prompt in {name} is empty.", "Write what to draw into it.")
    return text


def _wrong(message: str, hint: str) -> UsageError:
    return UsageError(message, code="bad_prompt", hint=hint)
