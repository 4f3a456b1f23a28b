"""``mai generate``: pictures from a prompt."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import (
    DISPLAY,
    FOUNDRY,
    MONEY,
    OUTPUT,
    PICTURE,
    Help,
    Json,
    MaxCost,
    NoColor,
    NoMetadata,
    Offline,
    Private,
    Profile,
    Quiet,
    RetryLost,
    Timeout,
    Verbose,
)
from mai_cli.errors import ExitCode, MaiError
from mai_cli.parts import Parts

if TYPE_CHECKING:
    from mai_cli.models.outcome import Outcome

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Prompt = Annotated[
    str | None,
    typer.Argument(
        metavar="[PROMPT]",
        help="What to draw; '-' reads it from standard input.",
        show_default=False,
    ),
]
PromptFile = Annotated[
    str | None,
    typer.Option(
        "--prompt-file",
        "-f",
        metavar="PATH",
        help="Read the prompt from a file ('-': standard input).",
        rich_help_panel=PICTURE,
    ),
]
Image = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        "-i",
        metavar="PATH",
        help="A reference picture to edit or start from. May be repeated, up to 5 times.",
        rich_help_panel=PICTURE,
    ),
]
Count = Annotated[
    int,
    typer.Option(
        "--count", "-n", metavar="N", min=1, max=1000, help="N pictures.", rich_help_panel=PICTURE
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        "-s",
        metavar="SIZE",
        help="1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, "
        "where the model offers it.  [default: 1024x1024]",
        rich_help_panel=PICTURE,
    ),
]
Background = Annotated[
    Literal["transparent", "opaque"] | None,
    typer.Option("--background", help="For models that offer it.", rich_help_panel=PICTURE),
]
WebGrounding = Annotated[
    bool,
    typer.Option(
        "--web-grounding",
        help="Let the model look things up; slower. For models that offer it.",
        rich_help_panel=PICTURE,
    ),
]
Var = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="NAME=VALUE",
        help="Fill ${NAME} in the prompt: --var season=winter. May be repeated.",
        rich_help_panel=PICTURE,
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="KEY=VALUE",
        help="Any other field of the API, as JSON where it is JSON: --param style=vivid. May be "
        "repeated.",
        rich_help_panel=PICTURE,
    ),
]
OutputPath = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="An export: a .png, .webp, .jpg or .avif file, a folder, or '-' for the picture "
        "itself on stdout. May be repeated. The gallery keeps the master in any case.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=OUTPUT),
]
Resize = Annotated[
    str | None,
    typer.Option(
        "--resize",
        metavar="WxH",
        help="Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape.",
        rich_help_panel=OUTPUT,
    ),
]
FitInto = Annotated[
    Literal["cover", "contain", "stretch"] | None,
    typer.Option(
        "--fit",
        help="Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or "
        "distort (stretch).  [default: cover]",
        rich_help_panel=OUTPUT,
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        metavar="N",
        min=1,
        max=100,
        help="Of lossy outputs.  [default: jpeg 90, webp 85, avif 75]",
        rich_help_panel=OUTPUT,
    ),
]
MaxKb = Annotated[
    int | None,
    typer.Option(
        "--max-kb",
        metavar="N",
        min=1,
        help="The best quality that fits into N kB (1000 bytes each), up to --quality.",
        rich_help_panel=OUTPUT,
    ),
]
Tag = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", metavar="TAG", help="For the history. May be repeated.", rich_help_panel=OUTPUT
    ),
]
ShowPreview = Annotated[
    bool | None,
    typer.Option(
        "--preview/--no-preview",
        help="Show the pictures in the terminal.  [default: where both streams are a terminal]",
        rich_help_panel=DISPLAY,
    ),
]
Open = Annotated[
    bool,
    typer.Option(
        "--open", help="Open each picture in the system's viewer.", rich_help_panel=DISPLAY
    ),
]
Deployment = Annotated[
    list[str] | None,
    typer.Option(
        "--deployment",
        "-d",
        metavar="NAME",
        help="The deployment to call (MAI_DEPLOYMENT). Repeated: the same prompt from each.",
        rich_help_panel=FOUNDRY,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="The model behind the deployment, where its name does not tell (MAI_MODEL): -m "
        "MAI-Image-2.6. Alone, it is the deployment's name too.",
        rich_help_panel=FOUNDRY,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show what would be sent and about what it would cost; send nothing.",
        rich_help_panel=MONEY,
    ),
]


@app.command(cls=HelpCommand, add_help_option=False)
def generate(
    context: typer.Context,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    var: Var = None,
    image: Image = None,
    count: Count = 1,
    size: Size = None,
    background: Background = None,
    web_grounding: WebGrounding = False,
    param: Param = None,
    output: OutputPath = None,
    overwrite: Overwrite = False,
    resize: Resize = None,
    fit: FitInto = None,
    quality: Quality = None,
    max_kb: MaxKb = None,
    no_metadata: NoMetadata = False,
    private: Private = False,
    tag: Tag = None,
    deployment: Deployment = None,
    model: ModelName = None,
    timeout: Timeout = None,
    profile: Profile = None,
    offline: Offline = False,
    max_cost: MaxCost = None,
    retry_lost: RetryLost = False,
    dry_run: DryRun = False,
    preview: ShowPreview = None,
    open_: Open = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
    _help: Help = False,
) -> None:
    """Make pictures from a prompt.

    mai generate "a lighthouse at dawn"
    mai generate "a lighthouse at dawn" -s 16:9 -o hero.png
    mai generate -f prompt.txt -n 4 -o drafts/
    mai generate "make it night" -i hero.png -o night.png
    mai generate "a red fox" -d mai-image-26 -d mai-image-26-flash
    mai generate "a red fox" --offline
    """
    from mai_cli.models.filling import fill_prompt, parse_values
    from mai_cli.models.outcome import standing
    from mai_cli.models.recipe import parse_recipe
    from mai_cli.models.request import parse_params
    from mai_cli.services.dry_run import plan
    from mai_cli.services.generation import Order
    from mai_cli.services.outputs import check_sizes, check_targets, parse_outputs
    from mai_cli.services.requesting import build_requests, notes
    from mai_cli.services.rerunning import RECORD, Asked
    from mai_cli.terminal.showing import show_outcome, show_plan, show_preview

    parts: Parts = context.obj
    # What mai history rerun repeats; else nothing.
    asked = Asked.of(context.meta.get(RECORD), is_elsewhere=bool(profile or deployment or model))
    flags = {
        "profile": profile or asked.profile,
        "size": size or asked.size,
        "deployment": tuple(deployment or asked.deployments) or None,
        "model": model or asked.model,
        "timeout": timeout,
        "max_cost": max_cost,
        "preview": preview,
        "metadata": False if no_metadata else None,
        "private": private or asked.is_private or None,
        "offline": offline or None,
    }
    parts.configure(flags, json=json, quiet=quiet, verbose=verbose, no_color=no_color)
    settings = parts.settings
    text = asked.text(prompt, prompt_file, parts.prompt)
    text = fill_prompt(text, parse_values(var or []))
    endpoint = parts.access.endpoint
    requests = build_requests(
        settings,
        text,
        count=count,
        background=background or asked.background,
        web_grounding=web_grounding or asked.web_grounding,
        params={**asked.params, **parse_params(param or [])},
        images=asked.references(image, parts.references),
    )
    outputs = parse_outputs(
        output or [],
        parse_recipe(resize, fit, quality, max_kb),
        pictures=len(requests),
        json=json,
        stdout_is_terminal=parts.stdout_is_terminal,
    )
    order = Order(
        requests,
        outputs,
        endpoint=endpoint,
        profile=settings.profile,
        overwrite=overwrite,
        metadata=settings.metadata,
        private=settings.private,
        tags=tag or [],
        retry_lost=retry_lost,
        rerun_of=asked.record_id,
    )
    parts.output.notes(notes(requests, datetime.now(UTC).date(), offline=settings.offline))
    parts.output.notes(asked.differences(requests[0], endpoint))
    check_sizes(outputs, [request.size for request in requests if request.size])
    check_targets(outputs, order.numbers, settings.gallery, overwrite=overwrite)
    if dry_run:
        show_plan(parts.output, plan(order))
        return
    codes = []
    seen: list[Outcome] = []  # of one picture
    outcomes = parts.watch(parts.generation.run(order), len(requests))
    try:
        with parts.stops.listening():
            screen = parts.preview()
            for outcome in outcomes:
                seen.append(outcome)
                if not outcome.asked_again:
                    codes.append(standing(seen).exit_code)
                    seen.clear()
                show_outcome(parts.output, outcome, to_stdout=outputs.to_stdout)
                if screen:
                    show_preview(parts.output, screen, outcome)
                if open_:
                    parts.open(outcome)
    except MaiError as error:
        parts.output.error(error)
        codes.append(standing(seen).exit_code if seen else error.exit_code)
    raise typer.Exit(ExitCode.of_all(codes))
