"""Help as plain text: what it does, examples, usage, then the options under their headings."""

import re
from collections.abc import Mapping
from importlib import import_module
from textwrap import fill
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


def rows_by_heading(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:  # noqa: ANN401
    """The help of every argument and option, under the heading it names (``rich_help_panel``)."""
    headings: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(context):
        row = param.get_help_record(context)
        if row is not None:
            row = (row[0], _in_words(row[1]))
            default = "Arguments" if param.param_type_name == "argument" else "Other options"
            heading = getattr(param, "rich_help_panel", None) or default
            headings.setdefault(heading, []).append(row)
    return headings


def _in_words(text: str) -> str:
    """The help of an option, with the limits of a number not as Typer writes them."""
    text = re.sub(r"\b(\d+)<=x<=(\d+)(?=])", r"\1 to \2", text)
    return re.sub(r"\bx>=(\d+)(?=])", r"\1 or more", text)


def _write(command: Any, context: Any, formatter: Any) -> None:  # noqa: ANN401
    """The part of the help that commands and groups share."""
    paragraphs = (command.help or "").split("\n\n")
    about = [fill(text, formatter.width) for text in paragraphs if not is_example(text)]
    formatter.write("".join(f"{text}\n" for text in "\n\n".join(about).split("\n")))
    if examples := [text for text in paragraphs if is_example(text)]:
        with formatter.section("Examples"):
            lines = "\n".join(examples).splitlines()
            formatter.write("".join(f"  {line}\n" for line in lines))
    formatter.write_paragraph()
    command.format_usage(context, formatter)


def is_example(paragraph: str) -> bool:
    """Whether it is command lines."""
    return paragraph.startswith("mai ")


def _write_options(command: Any, context: Any, formatter: Any) -> None:  # noqa: ANN401
    for heading, rows in rows_by_heading(command, context).items():
        with formatter.section(heading):
            formatter.write_dl(rows)


class HelpCommand(TyperCommand):
    """A command whose docstring says what it does, and ends with a paragraph of examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, D102
        _write(self, ctx, formatter)
        _write_options(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, D102
        # Typer puts what is required into braces, which mean a choice to people.
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class HelpGroup(TyperGroup):
    """The same for a group of commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, D102
        _write(self, ctx, formatter)
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)


class LazyGroup(HelpGroup):
    """A group whose commands are loaded when they are called; a start is felt on every call.

    ``places`` has the module of each, and the first line of its help. The module has an ``app``.
    """

    places: ClassVar[Mapping[str, tuple[str, str]]]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002, D102
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, D102
        if cmd_name not in self.places:
            return None
        module, _ = self.places[cmd_name]
        command: Any = typer.main.get_command(import_module(module).app)
        if isinstance(command, TyperGroup) and module.rpartition(".")[2] != cmd_name:
            command = command.get_command(ctx, cmd_name)  # one of several in that module
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002, D102
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in self.places.items()])
