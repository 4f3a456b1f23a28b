"""The commands, options and arguments of a Typer program as plain values, for completions."""

from dataclasses import dataclass
from typing import Any, Literal

import typer

from mai_cli.models.catalogue import MODELS
from mai_cli.models.keys import KEYS
from mai_cli.models.size import AUTO, RATIOS


@dataclass(frozen=True)
class Value:
    """What may stand in a place; with nothing of this, any text.

    ``living`` is what ``mai --values`` is asked for; together with ``path``, a path is the second
    choice. ``is_signed``: with a plus or minus before it.
    """

    choices: tuple[str, ...] = ()
    path: Literal["", "file", "folder"] = ""
    living: str = ""
    is_signed: bool = False


@dataclass(frozen=True)
class Option:
    """An option with all its names; one without ``value`` is a switch."""

    names: tuple[str, ...]
    about: str
    value: Value | None
    is_repeatable: bool
    metavar: str


@dataclass(frozen=True)
class Argument:
    """What stands in its place among the arguments; the last one may be repeated."""

    value: Value
    is_repeatable: bool
    metavar: str


@dataclass(frozen=True)
class Command:
    """A command, or a group with ``commands``.

    Where options do not mix with arguments, all that follows the first argument is an argument.
    """

    path: tuple[str, ...]
    about: str
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    commands: tuple["Command", ...] = ()
    is_mixed: bool = True

    @property
    def name(self) -> str:
        """The last word of its path; nothing for the program itself."""
        return self.path[-1] if self.path else ""

    def all(self) -> list["Command"]:
        """This command and those below it."""
        return [self, *(one for command in self.commands for one in command.all())]


TEXT = Value()
_FILE, _FOLDER = Value(path="file"), Value(path="folder")
_TAGS = "tags"

_BY_METAVAR = {
    "PATH": _FILE,
    "FILE": _FILE,
    "MANIFEST": _FILE,
    "FOLDER": _FOLDER,
    "ID": Value(living="ids", path="file"),
    "KEY": Value(choices=tuple(key.name for key in KEYS if key.in_file or key.is_secret)),
    "SIZE": Value(choices=(*RATIOS, AUTO, *RATIOS.values())),
    "TAG": Value(living=_TAGS),
    "+TAG|-TAG": Value(living=_TAGS, is_signed=True),
}
_BY_NAME = {
    "--deployment": Value(living="deployments"),
    "--model": Value(choices=tuple(model.name for model in MODELS if model.name)),
    "--profile": Value(living="profiles"),
}


def read_tree(command: Any, path: tuple[str, ...] = ()) -> Command:  # noqa: ANN401 - Typer's own Click
    """The tree below ``command``, which Typer has made; what is hidden is left out."""
    params = [param for param in command.params if not getattr(param, "hidden", False)]
    context = typer.Context(command, **command.context_settings)
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    below = [(name, command.get_command(context, name)) for name in names]
    return Command(
        path,
        _first_line(command.help or ""),
        tuple(_option(param) for param in params if param.param_type_name == "option"),
        tuple(_argument(param) for param in params if param.param_type_name == "argument"),
        tuple(read_tree(one, (*path, name)) for name, one in below if not one.hidden),
        context.allow_interspersed_args or bool(below),
    )


def _option(param: Any) -> Option:  # noqa: ANN401
    is_switch = param.is_flag or param.count
    return Option(
        (*param.opts, *param.secondary_opts),
        _first_sentence(param.help or ""),
        None if is_switch else _value(param),
        param.multiple or param.count,
        _metavar(param),
    )


def _argument(param: Any) -> Argument:  # noqa: ANN401
    return Argument(_value(param), param.nargs != 1, _metavar(param))


def _value(param: Any) -> Value:  # noqa: ANN401
    if choices := getattr(param.type, "choices", ()):
        return Value(choices=tuple(map(str, choices)))
    named = (_BY_NAME[name] for name in param.opts if name in _BY_NAME)
    return next(named, _BY_METAVAR.get(_metavar(param), TEXT))


def _metavar(param: Any) -> str:  # noqa: ANN401
    """What the help calls its value, without the marks for optional and repeated ones."""
    return str(param.metavar or param.name.strip("_").upper()).strip("[].")


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip().removesuffix(".")


def _first_sentence(text: str) -> str:
    """The first sentence, without a default, which only the help has room for."""
    return text.partition("  [")[0].partition(". ")[0].removesuffix(".")
