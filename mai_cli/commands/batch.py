"""``mai batch``: the pictures that a manifest describes, as far as they are not up to date."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Literal

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import (
    FOUNDRY,
    MONEY,
    OUTPUT,
    Help,
    Json,
    MaxCost,
    NoColor,
    NoMetadata,
    Offline,
    Private,
    Quiet,
    RetryLost,
    Timeout,
    Verbose,
)
from mai_cli.errors import ExitCode, MaiError, StorageError
from mai_cli.models.batch import Ended, Summary
from mai_cli.parts import Parts
from mai_cli.terminal.output import Output

PICTURES = "Which pictures"

app = typer.Typer(rich_markup_mode=None, add_completion=False)

ManifestPath = Annotated[
    str,
    typer.Argument(
        metavar="MANIFEST",
        help="A .toml, .yaml, .json, .jsonl, .csv, .tsv or .txt file; '-' reads standard input.",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="With --force: only these.", show_default=False),
]
Format = Annotated[
    Literal["toml", "yaml", "json", "jsonl", "csv", "tsv", "txt"] | None,
    typer.Option(
        "--format",
        help="Of the manifest, where its ending does not tell.",
        rich_help_panel=PICTURES,
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Draw and write nothing; exit with 10 unless everything is up to date. Needs no key.",
        rich_help_panel=PICTURES,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        help="Only assets of such a name: hero, 'season-*'. May be repeated.",
        rich_help_panel=PICTURES,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Draw again, and pay again, whatever is up to date: --force hero 'season-*'. "
        "Without names: everything.",
        rich_help_panel=PICTURES,
    ),
]
Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt",
        help="Take files that are there into the lock as they are; draw nothing.",
        rich_help_panel=PICTURES,
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Remove the files of assets that left the manifest, unless they were modified.",
        rich_help_panel=PICTURES,
    ),
]
ShardText = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only the I-th of N parts, for jobs that run side by side: --shard 2/3.",
        rich_help_panel=PICTURES,
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside",
        help="Let outputs go outside of the manifest's folder.",
        rich_help_panel=OUTPUT,
    ),
]
Junit = Annotated[
    str | None,
    typer.Option(
        "--junit", metavar="FILE", help="Write a report as JUnit XML.", rich_help_panel=OUTPUT
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="A named profile of the configuration (MAI_PROFILE). Repeated: they share the work.",
        rich_help_panel=FOUNDRY,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        "-j",
        metavar="N",
        help="At most so many pictures at once.  [default: 16]",
        rich_help_panel=FOUNDRY,
    ),
]
Rpm = Annotated[
    float | None,
    typer.Option(
        "--rpm",
        metavar="N",
        help="The quota of the deployment, in requests a minute.  [default: learned]",
        rich_help_panel=FOUNDRY,
    ),
]
MaxImages = Annotated[
    int | None,
    typer.Option(
        "--max-images", metavar="N", min=0, help="Ask for no more than N.", rich_help_panel=MONEY
    ),
]
FailFast = Annotated[
    bool,
    typer.Option(
        "--fail-fast",
        help="Stop at the first failure; else every asset gets its chance.",
        rich_help_panel=MONEY,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show what would be done, about what it would cost and take; do nothing.",
        rich_help_panel=PICTURES,
    ),
]


@app.command(cls=HelpCommand, add_help_option=False)
def batch(
    context: typer.Context,
    manifest: ManifestPath,
    names: Names = None,
    format_: Format = None,
    check: Check = False,
    dry_run: DryRun = False,
    only: Only = None,
    force: Force = False,
    adopt: Adopt = False,
    prune: Prune = False,
    shard: ShardText = None,
    allow_outside: AllowOutside = False,
    no_metadata: NoMetadata = False,
    private: Private = False,
    junit: Junit = None,
    profile: Profiles = None,
    concurrency: Concurrency = None,
    rpm: Rpm = None,
    timeout: Timeout = None,
    offline: Offline = False,
    max_cost: MaxCost = None,
    max_images: MaxImages = None,
    fail_fast: FailFast = False,
    retry_lost: RetryLost = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
    _help: Help = False,
) -> None:
    """Make the pictures of a manifest that are not up to date.

    mai batch assets.toml
    mai batch assets.toml --dry-run
    mai batch assets.toml --check
    mai batch assets.toml --force hero
    mai batch prompts.txt --offline
    """
    from mai_cli.services.planning import Wishes
    from mai_cli.services.selecting import Selection, Shard, check_modes, forced_by
    from mai_cli.terminal.batch_showing import show_batch_plan, show_summary

    started = monotonic()
    parts: Parts = context.obj
    flags = {
        "concurrency": concurrency,
        "rpm": rpm,
        "max_cost": max_cost,
        "timeout": timeout,
        "metadata": False if no_metadata else None,
        "private": private or None,
        "offline": offline or None,
    }
    parts.configure(flags, json=json, quiet=quiet, verbose=verbose, no_color=no_color)
    check_modes(check=check, dry_run=dry_run, adopt=adopt)
    check_modes(dry_run=dry_run, adopt=adopt, junit=junit is not None)
    check_modes(adopt=adopt, force=force, prune=prune and adopt)
    work = parts.batch(profile or [])
    book = work.manifest(manifest, format_)
    assets = work.assets(book, allow_outside=allow_outside)
    book = replace(book, entries=())  # which may be many, and are assets now
    selection = Selection(only or [], Shard.parse(shard) if shard else None)
    selection.check_prune(prune=prune, is_file=manifest != "-")
    wishes = Wishes(
        offline=work.settings.offline,
        retry_lost=retry_lost,
        prune=prune,
        forced=forced_by(names or [], assets, force=force),
    )
    if check or dry_run:
        plan = work.prepare(book, assets, selection, wishes).plan
        if dry_run:
            plan = replace(plan, seconds=work.seconds(plan))
        show_batch_plan(parts.output, plan, details=dry_run)
        if check:
            work.report_check(plan, junit)
        is_stale = check and not plan.is_up_to_date
        raise typer.Exit(ExitCode.STALE if is_stale else ExitCode.OK)
    with work.alone(book, selection.shard):
        prepared = work.prepare(book, assets, selection, wishes)
        if adopt:
            parts.output.notes(work.adopt(book, prepared, selection))
            return
        prepared.check_way()
        work.check_places(book, prepared, selection, junit)
        work.ordering.see_references(book.name, prepared.to_draw)
        parts.output.notes(work.ordering.notes(prepared.to_draw, datetime.now(UTC).date()))
        if selection.is_whole:
            parts.output.notes(work.tidy(book, prepared, allow_outside=allow_outside))
        terms = work.terms(book, retry_lost=retry_lost, fail_fast=fail_fast)
        running = work.batch(book, prepared, terms, shard=selection.shard, max_images=max_images)
        summary = Summary.of(prepared.plan, is_full=json or junit is not None)
        endings = work.endings(running, book, prepared, selection)
        failure = _watch(parts.output, summary, endings, running.drain)
        summary.end(failure, parts.stops.number, monotonic() - started)
        show_summary(parts.output, summary)
        work.report(summary, junit)
    raise typer.Exit(summary.exit_code)


def _watch(
    output: Output, summary: Summary, endings: Generator[Ended], drain: Callable[[], None]
) -> ExitCode | None:
    """Show each asset as it ends; what ended the whole run, if something did.

    Where that cannot be shown, nothing more is sent, and what is in flight counts all the same.
    """
    from mai_cli.terminal.batch_showing import BatchLines

    lines = BatchLines(output)
    failure: MaiError | None = None
    try:
        with closing(endings):  # what is in flight is kept, whatever ends this
            for ended in endings:
                summary.add(ended)
                try:
                    if failure is None:
                        lines.show(ended)
                except StorageError as error:
                    failure = error
                    output.error(error)
                    drain()
    except MaiError as error:
        failure = error
        output.error(error)
    return failure.exit_code if failure else None
