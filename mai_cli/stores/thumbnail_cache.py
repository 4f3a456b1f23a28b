"""Small pictures, made once from large ones and kept by the digest of those."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from mai_cli.stores.atomic import copy, make_folder

ENDING = ".webp"

_NAME = re.compile(rf"[0-9a-f]{{64}}\{ENDING}")
_AHEAD = 64  # pictures that wait for a thread


class ThumbnailCache:
    """Thumbnails in ``folder``.

    ``make`` shrinks a picture with a digest, or raises ``OSError`` or ``ValueError``.

    They can be made again, so nothing waits for the disk.
    """

    def __init__(self, folder: Path, make: Callable[[str, Path], bytes]) -> None:
        self._folder = folder
        self._make = make

    def known(self) -> set[str]:
        """The digests whose thumbnails are there."""
        return {file.removesuffix(ENDING) for file in _files(self._folder)}

    def fill(self, pictures: Mapping[str, Path]) -> Iterator[str]:
        """Make thumbnails of ``pictures``, by digest, on all cores; yields each as it is there.

        What cannot be shrunk is left out.

        Raises:
            OSError: The cache cannot be written.
        """
        for digest in {digest[:2] for digest in pictures}:
            make_folder(self._folder / digest)
        left = iter(pictures.items())
        ended: SimpleQueue[Future[str | None]] = SimpleQueue()
        with ThreadPoolExecutor(os.cpu_count()) as pool:

            def start(number: int) -> None:
                for item in islice(left, number):
                    pool.submit(self._make_one, *item).add_done_callback(ended.put)

            start(_AHEAD)
            for _ in range(len(pictures)):
                made = ended.get().result()
                start(1)
                if made:
                    yield made

    def _make_one(self, digest: str, picture: Path) -> str | None:
        """The digest once its thumbnail is there, ``None`` if there can be none."""
        try:
            small = self._make(digest, picture)
        except (OSError, ValueError):
            return None
        target = self.path(digest)
        partial = target.with_name(f".{os.urandom(6).hex()}.part")
        partial.write_bytes(small)
        partial.replace(target)
        return digest

    def path(self, digest: str) -> Path:
        """Where the thumbnail of the picture with ``digest`` is."""
        return self._folder / digest[:2] / f"{digest}{ENDING}"

    def forget(self, digest: str) -> None:
        """Take the thumbnail of the picture with ``digest`` away, if it is there and can be."""
        with suppress(OSError):
            self.path(digest).unlink()

    def hand_out(self, folder: Path, digests: set[str]) -> None:
        """Put the thumbnails with ``digests`` below ``folder`` too, and take others away.

        Raises:
            OSError: It cannot be written.
        """
        make_folder(folder)
        there = {file.removesuffix(ENDING) for file in _files(folder)}
        for digest in sorted(digests - there):
            target = folder / digest[:2] / f"{digest}{ENDING}"
            make_folder(target.parent)
            try:
                target.hardlink_to(self.path(digest))
            except FileExistsError:  # by another run
                continue
            except OSError:  # another file system, or one without links
                with suppress(FileExistsError):
                    copy(self.path(digest), target)
        for digest in there - digests:
            with suppress(OSError):
                (folder / digest[:2] / f"{digest}{ENDING}").unlink()


def _files(folder: Path) -> Iterator[str]:
    """The names of the thumbnails below ``folder``."""
    for _, _, names in os.walk(folder):
        yield from filter(_NAME.fullmatch, names)
