"""The ``~`` that people write in paths."""

from pathlib import Path


def expand_home(path: Path) -> Path:
    """``path`` with ``~`` replaced; as it stands where no home folder is known."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
