"""The commands of ``mai history`` that make something of it for others."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mai_cli.commands.generate import FitInto, MaxKb, Overwrite, Quality, Resize
from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import (
    OUTPUT,
    Batch,
    Help,
    Json,
    Model,
    NoMetadata,
    Search,
    Since,
    Status,
    Tagged,
    Until,
)
from mai_cli.errors import ExitCode, UsageError
from mai_cli.parts import Parts

if TYPE_CHECKING:
    from mai_cli.services.copying import Copied

app = typer.Typer(add_completion=False)

RECORDS, PICTURES = ("json", "jsonl", "csv"), ("png", "jpg", "webp", "avif")

SomeIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Only these.", show_default=False),
]
Format = Annotated[
    Literal["json", "jsonl", "csv", "png", "jpg", "webp", "avif"] | None,
    typer.Option(
        "--format",
        help="Of records: json, jsonl or csv.  [default: jsonl] Of pictures, with --to: png, jpg, "
        "webp or avif.  [default: png]",
        rich_help_panel=OUTPUT,
    ),
]
OutputFile = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the records go, else to stdout.",
        rich_help_panel=OUTPUT,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="FOLDER",
        help="Copy the pictures there, converted where that is asked for.",
        rich_help_panel=OUTPUT,
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(
        "--sheet",
        metavar="FILE",
        help="Put the pictures on one, with captions.",
        rich_help_panel=OUTPUT,
    ),
]


@app.command(cls=HelpCommand, add_help_option=False)
def export(
    context: typer.Context,
    ids: SomeIds = None,
    format_: Format = None,
    output: OutputFile = None,
    to: To = None,
    sheet: Sheet = None,
    overwrite: Overwrite = False,
    resize: Resize = None,
    fit: FitInto = None,
    quality: Quality = None,
    max_kb: MaxKb = None,
    no_metadata: NoMetadata = False,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    model: Model = None,
    tag: Tagged = None,
    batch: Batch = None,
    search: Search = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Hand records or pictures to others.

    mai history export --format csv -o history.csv
    mai history export --tag hero --to site/ --format webp --resize 1200x
    mai history export --since 7d --sheet week.jpg
    """
    from mai_cli.models.recipe import FORMATS, parse_recipe
    from mai_cli.stores.record_export import pieces, write
    from mai_cli.terminal.history_showing import show_pieces
    from mai_cli.terminal.wording import counted

    parts: Parts = context.obj
    parts.configure({"metadata": False if no_metadata else None}, json=json)
    work = parts.upkeep
    kind = _kind(format_, output, to, sheet)
    if (resize or fit or quality or max_kb) and to is None:
        raise _not_together("--resize, --fit, --quality and --max-kb", "go with --to")
    if json and (sheet is not None or output is not None or kind not in ("jsonl", *PICTURES)):
        raise _not_together("--json", "is for records on stdout, and for --to")
    states = work.chosen(ids, work.filter(since, until, status, model, tag, batch, search))
    if sheet is not None:
        path = work.output("--sheet", sheet)
        count = work.sheet(states, path, overwrite=overwrite)
        parts.output.path(path)
        parts.output.note(counted(count, "picture"))
    elif to is not None:
        recipe = replace(parse_recipe(resize, fit, quality, max_kb), format=FORMATS[f".{kind}"])
        folder = work.output("--to", to, is_folder=True)
        if not ids:
            states = (one for one in states if one.get("status") == "ok")
        else:  # each was asked for
            states = list(states)
            for state in states:
                if state.get("status") != "ok":
                    work.master(state)  # says why there is none
        code = _show_copies(parts, work.copy(states, folder, recipe, overwrite=overwrite))
        raise typer.Exit(code)
    elif output is not None and output != "-":
        path = work.output("-o", output)
        write(path, pieces(states, kind), overwrite=overwrite)
        parts.output.path(path)
    else:
        show_pieces(parts.output, pieces(states, kind), is_screen=parts.stdout_is_terminal)


def _show_copies(parts: Parts, copies: "Iterable[Copied]") -> ExitCode:
    from mai_cli.terminal.history_showing import show_copied

    results = []
    for copied in copies:
        results.append(ExitCode.STORAGE if copied.problem else ExitCode.OK)
        show_copied(parts.output, copied.state, copied.path, copied.problem)
    if not results:
        parts.output.note("No picture.")
    return max(results, default=ExitCode.OK)


def _kind(format_: str | None, output: str | None, to: str | None, sheet: str | None) -> str:
    """The format, which suits what is asked for."""
    wanted = [option for option in (output, to, sheet) if option is not None]
    if len(wanted) > 1:
        raise _not_together("-o, --to and --sheet", "do not go together")
    if format_ and (sheet is not None or (format_ in PICTURES) != (to is not None)):
        raise _not_together(f"--format {format_}", "does not go with that")
    if to is not None:
        return format_ or "png"
    ending = Path(output or "").suffix[1:].lower()
    if not format_ and ending in (*PICTURES, "jpeg"):
        raise _not_together(f"-o {output}", "is for records; pictures go with --to or --sheet")
    return format_ or (ending if ending in RECORDS else "jsonl")


def _not_together(what: str, why: str) -> UsageError:
    return UsageError(
        f"{what} {why}.",
        code="bad_option",
        hint="See 'mai history export --help'.",
    )


@app.command(cls=HelpCommand, add_help_option=False)
def gallery(
    context: typer.Context,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="A folder of its own, with copies of the pictures.  [default: in the gallery]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open it in the browser.", rich_help_panel=OUTPUT)
    ] = False,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    model: Model = None,
    tag: Tagged = None,
    batch: Batch = None,
    search: Search = None,
    json: Json = False,
    _help: Help = False,
) -> None:
    """Make a web page of the pictures.

    It opens from disk and needs neither a server nor a network.

    mai history gallery --open
    mai history gallery --tag hero -o heroes/
    """
    from mai_cli.parts.page import Page
    from mai_cli.terminal.history_showing import show_page

    parts: Parts = context.obj
    parts.configure({}, json=json)
    own = None if output is None else parts.upkeep.output("-o", output, is_folder=True)
    page = Page(parts, own)
    wanted = parts.upkeep.filter(since, until, status, model, tag, batch, search)
    count = page.build(wanted)
    show_page(parts.output, page.index, count)
    if open_:
        parts.open_file(page.index)
