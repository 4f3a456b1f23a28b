"""The gallery page: a folder that a browser opens as it is, without a server.

What it looks like and does is in ``mai_cli/page``; only the list of pictures is written anew.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from mai_cli.stores import atomic

_INDEX = "index.html"
STAMP = ".mai-page.json"
"""A file that says what the page was made from; a page that is not whole yet has it too."""

_MARKER = b'<meta name="generator" content="mai">'
_STATIC = ("page.css", "page.js", _INDEX)
# None of these has a meaning in JSON outside a string, nor may it have one in HTML.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&"})


def is_ours(folder: Path) -> bool:
    """Whether a page may be written into ``folder``: it holds nothing, or one that mai wrote.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        names = {file.name for file in folder.iterdir()}
    except FileNotFoundError:
        return True
    if _INDEX in names:
        return _MARKER in (folder / _INDEX).read_bytes()
    return STAMP in names or not names


def claim(folder: Path) -> None:
    """Make ``folder`` known as that of a page, before anything else is put there.

    Raises:
        OSError: It cannot be written.
    """
    atomic.make_folder(folder)
    (folder / STAMP).touch()


def write_page(folder: Path, items: Sequence[Mapping[str, object]]) -> None:
    """Write the page that shows ``items``, newest first, into ``folder``, made if it is missing.

    Each file is written whole or not at all, and one that would not change is left alone. Whether
    the folder holds somebody else's page is not asked here; see :func:`is_ours`.

    Raises:
        OSError: It cannot be written.
    """
    atomic.make_folder(folder)
    _write(folder / "data.js", _data(items))
    page = files("mai_cli") / "page"
    for name in _STATIC:
        _write(folder / name, (page / name).read_bytes())


def _data(items: Sequence[Mapping[str, object]]) -> bytes:
    """``items`` as a script in ASCII, one a line, which nothing in a prompt can end."""
    lines = ",\n".join(json.dumps(dict(item)).translate(_ESCAPES) for item in items)
    return f"window.maiPictures = [\n{lines}\n];\n".encode("ascii")


def _write(path: Path, content: bytes) -> None:
    """Put ``content`` into the file at ``path``, unless it is there already."""
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    with atomic.create(path, overwrite=True) as file:
        file.write(content)
