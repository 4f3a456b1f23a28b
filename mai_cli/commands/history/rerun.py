"""``mai history rerun``: the same request again, with any option of ``generate`` to change it."""

import inspect
from typing import Annotated, Any

import typer

from mai_cli.commands.generate import generate
from mai_cli.commands.help import HelpCommand
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)

Id = Annotated[str, typer.Argument(metavar="ID", help="As for 'mai history show'.")]


def rerun(context: typer.Context, id_: Id, **options: Any) -> None:  # noqa: ANN401 - of generate
    """Make the picture of a record again, with changes.

    Options change what they say; what differs from the record is shown.

    mai history rerun last
    mai history rerun b7c4 -s 16:9 -o wide.png
    mai history rerun b7c4 "the same lighthouse at night"
    """
    from mai_cli.services.rerunning import RECORD

    parts: Parts = context.obj
    parts.configure({}, json=bool(options["json"]))
    context.meta[RECORD] = parts.upkeep.finding.find(id_)
    generate(context, **options)


def _take_options() -> None:
    """Let this command have the options of ``generate``, whichever those are."""
    own = inspect.signature(rerun).parameters
    context, *others = inspect.signature(generate).parameters.values()
    # Typer reads both, and finds in them what it finds in any function.
    rerun.__signature__ = inspect.Signature([context, own["id_"], *others])  # type: ignore[attr-defined]
    rerun.__annotations__ = {**generate.__annotations__, "id_": Id}


_take_options()
app.command(cls=HelpCommand, add_help_option=False)(rerun)
