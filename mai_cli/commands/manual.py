"""The manual page ``mai(1)``, in the language of ``man``, made from what the help says."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from mai_cli import __version__
from mai_cli.commands.help import is_example, rows_by_heading
from mai_cli.errors import MaiError
from mai_cli.models.keys import KEYS

_WHOLE_RUN = {
    0: "All done.",
    1: "Unexpected: a bug.",
    10: "batch --check found something that is not up to date.",
    11: "Some pictures were made and some not, or they failed in different ways.",
    129: "Stopped by SIGHUP.",
    130: "Stopped by Ctrl-C.",
    141: "The program that read stdout went away.",
    143: "Stopped by SIGTERM.",
}
"""Exit codes that no kind of failure says by itself."""

_PLACES = {"MAI_CONFIG": "the file config.toml itself", "MAI_HOME": "one folder for everything"}

_MARKS = str.maketrans(
    {
        "\\": "\\e",
        "-": "\\-",
        "'": "\\(aq",
        '"': "\\(dq",
        "`": "\\(ga",
        "^": "\\(ha",
        "~": "\\(ti",
    }
)


def manual(program: Any) -> str:  # noqa: ANN401 - Typer's own Click
    """The page of the whole ``program``, with all its commands."""
    context = typer.Context(program, info_name="mai")
    return "\n".join(
        [
            f'.TH MAI 1 "" "mai {__version__}" "User Commands"',
            ".nh",  # no word is divided, and no space is stretched
            ".ad l",
            ".SH NAME",
            f"mai {_plain('-')} {_plain(program.help.partition('.')[0])}",
            ".SH SYNOPSIS",
            *_usage(program, context),
            ".SH DESCRIPTION",
            *_about(program),
            ".SH COMMANDS",
            *(line for command in _commands(program, context) for line in _section(*command)),
            ".SH EXIT STATUS",
            *(line for code, words in _exit_codes() for line in _row(str(code), words)),
            ".SH ENVIRONMENT",
            *(line for name, about in _variables() for line in _row(name, about)),
            "",
        ]
    )


def _commands(group: Any, context: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Each command below ``group`` that does something, with its context."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = typer.Context(command, info_name=name, parent=context)
        if hasattr(command, "list_commands"):
            yield from _commands(command, below)
        else:
            yield command, below


def _section(command: Any, context: Any) -> list[str]:  # noqa: ANN401
    rows = [row for rows in rows_by_heading(command, context).values() for row in rows]
    return [
        f'.SS "{_plain(context.command_path)}"',
        *_about(command),
        ".PP",
        *_usage(command, context),
        *(line for name, about in rows for line in _row(name, about)),
    ]


def _usage(command: Any, context: Any) -> list[str]:  # noqa: ANN401
    words = " ".join(command.collect_usage_pieces(context))
    return [f"\\fB{_plain(context.command_path)}\\fR {_plain(words)}"]


def _about(command: Any) -> list[str]:  # noqa: ANN401
    """What it does, then its examples as they stand."""
    lines = []
    for paragraph in command.help.split("\n\n"):
        if is_example(paragraph):
            examples = map(_plain, paragraph.splitlines())
            lines += [".PP", ".RS 4", ".nf", *examples, ".fi", ".RE"]
        else:
            lines += [".PP", *(_plain(line) for line in paragraph.splitlines())]
    return lines[1:]


def _row(name: str, about: str) -> list[str]:
    return [".TP", f"\\fB{_plain(name)}\\fR", _plain(re.sub(r"\s+", " ", about))]


def _variables() -> list[tuple[str, str]]:
    return [*((key.variable, key.about) for key in KEYS), *_PLACES.items()]


def _exit_codes() -> list[tuple[int, str]]:
    kinds = {
        int(kind.exit_code): (kind.__doc__ or "").partition("\n")[0]
        for kind in MaiError.__subclasses__()
    }
    return sorted({**kinds, **_WHOLE_RUN}.items())


def _plain(text: str) -> str:
    """``text`` as it stands: hyphens, quotes and so on remain those of the keyboard."""
    plain = text.translate(_MARKS)
    return f"\\&{plain}" if plain.startswith(".") else plain  # else it would be a command
