"""Amounts in words, for people."""

_MEGABYTE = 1_000_000


def dollars(amount: float | None) -> str:
    """An amount of money; what is not known is called that, never nothing."""
    if amount is None:
        return "cost unknown"
    if 0 < amount < 0.005:  # noqa: PLR2004 - half a cent would be shown as nothing
        return "under $0.01"
    return f"${amount:.2f}"


def counted(number: int, name: str) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def megabytes(size: int) -> str:
    """A number of bytes."""
    return f"{size / _MEGABYTE:.1f} MB"
