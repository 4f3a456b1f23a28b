"""Options that several commands share, each spelled once."""

from typing import Annotated

import typer

from mai_cli.models.record_status import RecordStatus

PICTURE = "Picture"
OUTPUT = "Output"
FOUNDRY = "Foundry"
MONEY = "Money"
DISPLAY = "Display"


def _show_help(context: typer.Context, wanted: bool) -> None:
    """Show the help through the output, which knows what to do where it cannot be written."""
    if wanted and not context.resilient_parsing:
        context.obj.output.lines(context.get_help())
        raise typer.Exit


Help = Annotated[
    bool,
    typer.Option(
        "--help", "-h", is_eager=True, callback=_show_help, help="Show this message and exit."
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="A named profile of the configuration (MAI_PROFILE).",
        rich_help_panel=FOUNDRY,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1).",
        rich_help_panel=FOUNDRY,
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object a line on stdout.", rich_help_panel=DISPLAY),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only errors on stderr.", rich_help_panel=DISPLAY)
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Say each request on stderr; never a key.", rich_help_panel=DISPLAY
    ),
]
NoColor = Annotated[
    bool,
    typer.Option(
        "--no-color", help="No colours (also NO_COLOR, TERM=dumb).", rich_help_panel=DISPLAY
    ),
]
NoMetadata = Annotated[
    bool,
    typer.Option(
        "--no-metadata",
        help="Outputs say nothing of prompt, model, id and time, nor that they are AI's.",
        rich_help_panel=OUTPUT,
    ),
]
Private = Annotated[
    bool,
    typer.Option(
        "--private",
        help="Write the prompt into no file: no history, no metadata, no file name.",
        rich_help_panel=OUTPUT,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="How long to wait for one picture.  [default: 300]",
        rich_help_panel=FOUNDRY,
    ),
]
RetryLost = Annotated[
    bool,
    typer.Option(
        "--retry-lost",
        help="Ask again after a lost answer, although it may bill twice.",
        rich_help_panel=MONEY,
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Send nothing that could make this run cost more: --max-cost 2.50.",
        rich_help_panel=MONEY,
    ),
]
FILTER = "Which records"

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE",
        help="From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h.",
        rich_help_panel=FILTER,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="DATE",
        help="Up to then; a day or month to its end.",
        rich_help_panel=FILTER,
    ),
]
Status = Annotated[
    list[RecordStatus] | None,
    typer.Option("--status", help="What became of it. May be repeated.", rich_help_panel=FILTER),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Of such a model or deployment, or a part of its name. May be repeated.",
        rich_help_panel=FILTER,
    ),
]
Tagged = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", metavar="TAG", help="With that tag. Repeated: with all.", rich_help_panel=FILTER
    ),
]
Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="NAME",
        help="Of that manifest, by its name or path, or of that asset.",
        rich_help_panel=FILTER,
    ),
]
Search = Annotated[
    str | None,
    typer.Option(
        "--search",
        metavar="TEXT",
        help="With all these words in the prompt.",
        rich_help_panel=FILTER,
    ),
]
