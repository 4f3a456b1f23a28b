"""The command tree, and the one place where failures become messages and exit codes."""

from itertools import takewhile
from typing import Annotated, ClassVar, NoReturn

import typer

from mai_cli import __version__
from mai_cli.commands.help import LazyGroup
from mai_cli.commands.options import Help
from mai_cli.errors import ExitCode, MaiError, UsageError
from mai_cli.parts import Parts

COMMANDS = {
    "generate": "Make pictures from a prompt.",
    "batch": "Make the pictures of a manifest that are not up to date.",
    "history": "What was made, and from what.",
    "config": "Settings, signing in, and a doctor.",
    "emulator": "Serve the MAI image API on this machine, to try things out.",
}
"""Each with the first line of its help; its module is loaded when it is called."""


_OUR_WORDS = {"a valid int range": "a whole number", "a valid float range": "a number"}


class Commands(LazyGroup):
    """The commands, each with a module of its name."""

    places: ClassVar = {
        name: (f"mai_cli.commands.{name}", about) for name, about in COMMANDS.items()
    }


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # plain help loads twice as fast
    add_completion=False,  # 'mai config completion' writes scripts that need not start the program
    pretty_exceptions_enable=False,  # a pretty traceback shows local values, also keys
)

Version = Annotated[bool, typer.Option("--version", help="Show the version.")]


@app.callback(invoke_without_command=True, add_help_option=False)
def mai(context: typer.Context, version: Version = False, _help: Help = False) -> None:
    """Make pictures with Microsoft's MAI-Image models on Microsoft Foundry.

    mai generate "a lighthouse at dawn"
    mai generate "a lighthouse at dawn" --offline
    mai generate --help
    """
    if version:
        context.obj.output.text(f"mai {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.obj.output.lines(context.get_help())


def main(argv: list[str]) -> NoReturn:
    """Run ``mai`` with ``argv`` and end the process with the exit code."""
    with Parts(wants_json="--json" in takewhile(lambda word: word != "--", argv)) as parts:
        raise SystemExit(_run(argv, parts))


def _run(argv: list[str], parts: Parts) -> int:
    """Run the command, and say what went wrong if anything did; the exit code."""
    try:
        return app(argv, prog_name="mai", standalone_mode=False, obj=parts) or ExitCode.OK
    except MaiError as error:
        failure = error
    except typer.TyperException as error:
        failure = _usage_error(error)
    parts.output.error(failure)
    return failure.exit_code


def _usage_error(error: typer.TyperException) -> MaiError:
    """What Typer found wrong with the command line, in our words and form."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "mai"
    message = error.format_message()
    for theirs, ours in _OUR_WORDS.items():
        message = message.replace(theirs, ours)
    hint = f"See '{path} --help'."
    if "unexpected extra argument" in message:
        if path == "mai generate":
            hint = f"Put the prompt in quotes. {hint}"
        else:  # what is too much may be a key, and is not repeated
            message = "There are too many arguments."
    return UsageError(message, code="bad_option", hint=hint)
