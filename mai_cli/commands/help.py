"""Help as plain text: what it does, examples, usage, then the options under their headings."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _rows_by_heading(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:  # noqa: ANN401
    """The help of every argument and option, under the heading it names (``rich_help_panel``)."""
    headings: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(context):
        row = param.get_help_record(context)
        if row is not None:
            default = "Arguments" if param.param_type_name == "argument" else "Other options"
            heading = getattr(param, "rich_help_panel", None) or default
            headings.setdefault(heading, []).append(row)
    return headings


def _write(command: Any, context: Any, formatter: Any) -> None:  # noqa: ANN401
    """The part of the help that commands and groups share."""
    about, _, examples = (command.help or "").partition("\n\n")
    formatter.write(f"{about}\n")
    if examples:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in examples.splitlines()))
    formatter.write_paragraph()
    command.format_usage(context, formatter)


def _write_options(command: Any, context: Any, formatter: Any) -> None:  # noqa: ANN401
    for heading, rows in _rows_by_heading(command, context).items():
        with formatter.section(heading):
            formatter.write_dl(rows)


class HelpCommand(TyperCommand):
    """A command whose docstring is one line about it, an empty line, and examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, D102
        _write(self, ctx, formatter)
        _write_options(self, ctx, formatter)


class HelpGroup(TyperGroup):
    """The same for a group of commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, D102
        _write(self, ctx, formatter)
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)
