"""The parts of ``mai history``: what finds, shows, repeats and cleans up what was made."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai_cli.errors import UsageError
from mai_cli.terminal.output import is_terminal

if TYPE_CHECKING:
    from mai_cli.models.answer import Picture
    from mai_cli.models.recipe import Recipe
    from mai_cli.models.record import Export
    from mai_cli.models.upkeep import Problem, Seen
    from mai_cli.parts import Parts
    from mai_cli.services.copying import Copied
    from mai_cli.services.filtering import Filter
    from mai_cli.services.finding import Finding
    from mai_cli.services.recovering import Recovering
    from mai_cli.services.removing import Removing
    from mai_cli.stores.history import History

State = Mapping[str, Any]

_SCAN_BYTES = 1 << 20


class Upkeep:
    """The parts of one run of ``mai history``."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    @cached_property
    def history(self) -> "History":
        """The history."""
        from mai_cli.stores.history import History

        return History(self._parts.settings.history)

    @cached_property
    def finding(self) -> "Finding":
        """What finds records."""
        from mai_cli.adapters.identity import digest, embedded_id
        from mai_cli.services.finding import Finding

        return Finding(self.history, embedded_id=embedded_id, digest=digest)

    def find_all(self, texts: Sequence[str]) -> list[State]:
        """The records that ``texts`` mean, none twice."""
        states = [self.finding.find(text) for text in texts]
        return list({state["id"]: state for state in states}.values())

    def filter(
        self,
        since: str | None,
        until: str | None,
        statuses: Sequence[str] | None,
        models: Sequence[str] | None,
        tags: Sequence[str] | None,
        batch: str | None,
        search: str | None,
    ) -> "Filter":
        """What the options of a command ask for."""
        from mai_cli.models.moment import parse_moment
        from mai_cli.services.filtering import Filter

        now = datetime.now().astimezone()
        return Filter(
            since=None if since is None else parse_moment("--since", since, now),
            until=None if until is None else parse_moment("--until", until, now, is_end=True),
            statuses=tuple(statuses or ()),
            models=tuple(models or ()),
            tags=tuple(tags or ()),
            batch=[batch, os.path.realpath(self._parts.folder / batch)] if batch else (),
            words=tuple((search or "").split()),
        )

    def states(self, wanted: "Filter") -> Iterator[State]:
        """The records that ``wanted`` means, the newest first, as they are asked for."""
        return wanted.of(self.history.newest(wanted.needle))

    @property
    def columns(self) -> int | None:
        """How wide lines may be for a person; ``None`` in a pipe."""
        if not self._parts.stdout_is_terminal:
            return None
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80

    def master_if_there(self, state: State) -> Path | None:
        """Where the picture of a record is, if it is there."""
        master = state.get("master")
        if not isinstance(master, dict) or state.get("status") != "ok":
            return None
        path = Path(str(master.get("gallery")), str(master.get("path")))
        with suppress(OSError, ValueError):
            return path if path.is_file() else None
        return None

    def master(self, state: State) -> Path:
        """Where the picture of a record is.

        Raises:
            UsageError: There is none.
        """
        if path := self.master_if_there(state):
            return path
        status = state.get("status")
        raise UsageError(
            f"The record {state['id']} has no picture on this machine; its status is {status}.",
            code="no_record",
            hint=f"See mai history show {state['id']}",
        )

    def chosen(self, ids: Sequence[str] | None, wanted: "Filter") -> Iterable[State]:
        """The records of ``ids`` if there are any, else those that ``wanted`` means."""
        if ids:
            return filter(wanted.has, self.find_all(ids))
        return self.states(wanted)

    def output(self, option: str, text: str, *, is_folder: bool = False) -> Path:
        """Where ``text`` of ``option`` says that something is to be written.

        Raises:
            UsageError: Nowhere, or where pictures or records are kept.
        """
        from mai_cli.services.outputs import check_place, resolved

        if not text:
            raise UsageError(
                f"{option} is empty.", code="bad_output", hint="Say where it is to go."
            )
        path, settings = self._parts.folder / text, self._parts.settings
        place = check_place(path, resolved(settings.gallery), is_folder=is_folder)
        history = settings.history
        if place in (resolved(history), resolved(history.parent) / history.name):
            raise UsageError(
                f"The output is the history: {path}",
                code="bad_output",
                hint="Choose another place.",
            )
        return path

    def copy(
        self,
        states: Iterable[State],
        folder: Path,
        recipe: "Recipe",
        *,
        overwrite: bool,
    ) -> "Iterator[Copied]":
        """Make a file of each picture in ``folder``."""
        from dataclasses import asdict

        from mai_cli.adapters.identity import digest
        from mai_cli.services.copying import copy_pictures

        def remember(state: State, export: "Export") -> None:
            def add(newest: dict[str, Any]) -> dict[str, Any]:
                older = [one for one in newest["exports"] if one.get("path") != export.path]
                return {**newest, "exports": [*older, asdict(export)]}

            self.history.change(state["id"], add)

        return copy_pictures(
            states,
            folder,
            recipe,
            exporter=self._parts.exporting(nullcontext),
            master=self.master_if_there,
            digest=digest,
            remember=remember,
            overwrite=overwrite,
            metadata=self._parts.settings.metadata,
        )

    def sheet(self, states: Iterable[State], path: Path, *, overwrite: bool) -> int:
        """Put the pictures of ``states`` on one, with captions; how many they are.

        Raises:
            UsageError: There is none, there are too many, or the format is not known.
        """
        from mai_cli.adapters.contact_sheet import MAX_CELLS, Cell, contact_sheet
        from mai_cli.models.recipe import FORMATS
        from mai_cli.stores.record_export import write

        form = FORMATS.get(path.suffix.lower())
        cells = [
            Cell(master, [state["id"], str(state.get("prompt") or "(private)")])
            for state in states
            if (master := self.master_if_there(state))
        ]
        if form is None or not 0 < len(cells) <= MAX_CELLS:
            what = f"takes 1 to {MAX_CELLS} pictures, and these are {len(cells)}"
            raise UsageError(
                f"The contact sheet {path} {what if form else 'has no ending that mai can write'}.",
                code="bad_output",
                hint="Choose with --since, --tag and so on." if form else "End it in .png or .jpg.",
            )
        write(path, [contact_sheet(cells, form)], overwrite=overwrite)
        return len(cells)

    def verify(self, seen: "Seen") -> "Iterator[Problem]":
        """Whether everything is as it should be."""
        from mai_cli.adapters.identity import digests
        from mai_cli.services.verifying import verify
        from mai_cli.stores.leftovers import pictures_in

        gallery = self._parts.settings.gallery
        return verify(self.history, gallery, seen, digests=digests, pictures_in=pictures_in)

    @property
    def removing(self) -> "Removing":
        """What lets go of pictures, and of the small ones that were made from them."""
        from mai_cli.adapters.identity import digest
        from mai_cli.parts.page import thumbnails
        from mai_cli.services.removing import Removing
        from mai_cli.stores.gallery import remove_picture

        def remove(path: Path, gallery: Path, sha256: str) -> None:
            remove_picture(path, gallery)
            for cache in thumbnails(self._parts):
                cache.forget(sha256)

        return Removing(self.history, digest, remove)

    def recovering(self, *, dry_run: bool) -> "Recovering":
        """What looks for what came of requests that were never answered."""
        from mai_cli.services.recovering import Recovering
        from mai_cli.stores.leftovers import Leftovers

        settings = self._parts.settings
        rooms = Leftovers(settings.gallery, settings.filename, _scan)
        return Recovering(self.history, rooms, datetime.now(UTC), looks_only=dry_run)

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Whether to go on: as told, or as the person at the terminal says.

        Raises:
            UsageError: Nobody can be asked.
        """
        if yes:
            return True
        if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            raise UsageError(
                "This removes pictures, and there is nobody to ask.",
                code="bad_option",
                hint="Add --yes to go on without a question, or --dry-run to see what would go.",
            )
        from mai_cli.terminal.questions import Questions

        return Questions(self._parts.output, sys.stdin).confirm(question, default=False)


def _scan(path: Path) -> "Picture | None":
    """What the PNG at ``path`` is, if it is whole."""
    from mai_cli.adapters.png import PngScan

    scan = PngScan()
    with path.open("rb") as file:
        while block := file.read(_SCAN_BYTES):
            scan.feed(block)
    return scan.finish()
