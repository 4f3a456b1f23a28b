"""The parts of ``mai history gallery``: from records to a web page."""

import errno
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai_cli import __version__
from mai_cli.errors import StorageError, UsageError

if TYPE_CHECKING:
    from mai_cli.parts import Parts
    from mai_cli.services.filtering import Filter
    from mai_cli.stores.thumbnail_cache import ThumbnailCache

THUMBNAIL_SIDE = 512
"""Pixels; twice what a card is wide, for screens that show two for one."""

_PICTURES, _THUMBS = "pictures", "thumbs"
_COPY = re.compile(r"[0-9a-f]{64}\.png")


class Page:
    """The web page in ``folder``, else beside the gallery, where its pictures are."""

    def __init__(self, parts: "Parts", folder: Path | None) -> None:
        from mai_cli.stores.leftovers import PAGE

        self._parts = parts
        self._gallery = parts.settings.gallery
        self._copies = folder is not None
        self.folder = folder or self._gallery / PAGE

    @property
    def index(self) -> Path:
        """What a browser opens."""
        return self.folder / "index.html"

    def build(self, wanted: "Filter") -> int | None:
        """Write the page of the records that are ``wanted``; how many pictures it has.

        ``None`` where nothing has changed since the last time.

        Raises:
            UsageError: Something else is there.
            StorageError: It cannot be written.
        """
        from mai_cli.stores.page import STAMP, claim, is_ours

        stamp = self._stamp(wanted)
        with _told(self.folder):
            if not is_ours(self.folder):
                raise UsageError(
                    f"{self.folder} holds something else.",
                    code="output_exists",
                    hint="Choose a new folder with -o.",
                )
            if self._known_stamp() == stamp and self._is_whole:
                return None
            claim(self.folder)
            count = self._write(wanted)
            (self.folder / STAMP).write_text(stamp or "")
            return count

    @property
    def _is_whole(self) -> bool:
        """Whether the parts of a page are there; not whether each small picture is."""
        names = ["index.html", "page.css", "page.js", "data.js", _THUMBS]
        names += [_PICTURES] if self._copies else []
        return all((self.folder / name).exists() for name in names)

    def _stamp(self, wanted: "Filter") -> str | None:
        """What the page is made from, in a line; ``None`` where there is no history yet."""
        with suppress(OSError):
            state = self._parts.settings.history.stat()
            facts = [__version__, str(self._gallery), state.st_size, state.st_mtime_ns, str(wanted)]
            return json.dumps([*facts, self._touched()])
        return None

    def _touched(self) -> int:
        """A number that changes with the names in the gallery."""
        total = 0
        for folder, names, _ in os.walk(self._gallery):
            names[:] = [name for name in names if Path(folder, name) != self.folder]
            if Path(folder) != self._gallery:  # it holds the page, which changes too
                total += Path(folder).stat().st_mtime_ns
        return total

    def _known_stamp(self) -> str | None:
        from mai_cli.stores.page import STAMP

        with suppress(OSError, ValueError):
            return (self.folder / STAMP).read_text()
        return None

    def _write(self, wanted: "Filter") -> int:
        from mai_cli.services.gallery_page import masters_of, page_item, url_between
        from mai_cli.stores.atomic import make_folder
        from mai_cli.stores.page import write_page
        from mai_cli.stores.thumbnail_cache import ENDING

        found = masters_of(self._parts.upkeep.states(wanted))
        is_there = self._parts.upkeep.master_if_there
        there = [(state, path) for state, path in found if is_there(state)]
        cache = thumbnails(self._parts)[0]
        known = self._thumbnails(cache, {_digest(state): path for state, path in there})
        cache.hand_out(self.folder / _THUMBS, known)
        if self._copies:
            make_folder(self.folder / _PICTURES)
        items: list[dict[str, object]] = []
        shown, changed = set(), 0
        for state, master in there:
            digest = _digest(state)
            thumb = f"{_THUMBS}/{digest[:2]}/{digest}{ENDING}" if digest in known else None
            file = self._shown(master, digest)
            if self._copies and not file.exists():
                changed += 1
                continue
            shown.add(file.name)
            items.append(page_item(state, url_between(self.folder, file), thumb))
        write_page(self.folder, items)
        if self._copies:
            self._clear(shown)
        if changed:
            pictures = "1 picture is" if changed == 1 else f"{changed} pictures are"
            self._parts.output.note(f"{pictures} not as the history says, and left out.")
        return len(items)

    def _thumbnails(self, cache: "ThumbnailCache", pictures: Mapping[str, Path]) -> set[str]:
        """Make the thumbnails that are missing; the digests of all that there are."""
        known = cache.known()
        missing = {digest: path for digest, path in pictures.items() if digest not in known}
        made = cache.fill(missing)
        if missing:
            made = self._parts.watch(made, len(missing), doing="Making thumbnails")
        return (known & pictures.keys()).union(made)

    def _clear(self, shown: Collection[str]) -> None:
        """Take away the copies of what is not shown any more."""
        for file in (self.folder / _PICTURES).glob("*.png"):
            if file.name not in shown and _COPY.fullmatch(file.name):
                file.unlink()

    def _shown(self, master: Path, digest: str) -> Path:
        """The file that the page leads to: the master itself, or a copy in a folder of its own."""
        if not self._copies:
            return master
        from mai_cli.stores.atomic import copy

        target = self.folder / _PICTURES / f"{digest}.png"
        if not target.exists() and _is(digest, master):
            copy(master, target)
        return target


def thumbnails(parts: "Parts") -> "list[ThumbnailCache]":
    """Where thumbnails are: in the cache, and handed out to the page beside the gallery."""
    from mai_cli.stores.leftovers import PAGE
    from mai_cli.stores.thumbnail_cache import ThumbnailCache

    folders = (parts.paths.cache / "thumbnails", parts.settings.gallery / PAGE / _THUMBS)
    return [ThumbnailCache(folder, _small) for folder in folders]


def _small(digest: str, path: Path) -> bytes:
    """The thumbnail of the picture at ``path``, if that has ``digest``."""
    from mai_cli.adapters.thumbnails import shrink

    if not _is(digest, path):
        raise ValueError(path)
    return shrink(path, THUMBNAIL_SIDE, THUMBNAIL_SIDE).webp()


def _is(digest: str, path: Path) -> bool:
    """Whether ``path`` is the picture with ``digest``; a history may name any file."""
    from mai_cli.adapters import identity

    return path.suffix == ".png" and identity.digest(path) == digest


def _digest(state: Mapping[str, Any]) -> str:
    digest: str = state["master"]["sha256"]
    return digest


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or os.strerror(errno.EIO)
        raise StorageError(
            f"The page in {folder} cannot be made: {error.filename or folder}: {why}.",
            code="export_failed",
            hint="Make room there, or choose another folder with -o.",
        ) from None
