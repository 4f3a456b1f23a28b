"""Saying what is wrong in a manifest, all of it at once."""

from collections.abc import Sequence

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Mistake

STANDARD_INPUT = "standard input"
"""What a manifest is called that is not in a file."""

MAX_SHOWN = 100
"""Mistakes; one column with a wrong name is a mistake in each line of a table."""

_MAX_QUOTED = 60


def mistakes_error(name: str, mistakes: Sequence[Mistake]) -> UsageError:
    """The error that tells of ``mistakes`` in the manifest ``name``; of very many, the first."""
    number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes):,} mistakes"
    details = [str(mistake) for mistake in mistakes[:MAX_SHOWN]]
    if len(mistakes) > MAX_SHOWN:
        details.append(f"And {len(mistakes) - MAX_SHOWN:,} more.")
    return UsageError(
        f"{'Standard input' if name == STANDARD_INPUT else name} has {number}.",
        code="bad_manifest",
        details=details,
        hint="Correct the manifest. Nothing was sent.",
    )


def quoted(text: str) -> str:
    """``text`` as a message quotes it."""
    return f"'{shortened(text)}'"


def shortened(text: str) -> str:
    """``text`` on one line and not too long."""
    line = " ".join(text[: 2 * _MAX_QUOTED].split())
    return line if len(line) <= _MAX_QUOTED else f"{line[:_MAX_QUOTED]}..."
