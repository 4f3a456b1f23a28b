"""Moments as people write them, ``2026-11-01``, ``yesterday``, ``7d``, and as records do."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mai_cli.errors import UsageError

_AGO = re.compile(r"(\d{1,5})\s*(h|d|w|m|y)", re.ASCII | re.IGNORECASE)
_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "m": timedelta(days=30),
    "y": timedelta(days=365),
}
_DAYS = {"today": 0, "yesterday": 1}
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_WEEK = re.compile(r"\d{4}-?w\d{2}", re.ASCII)


def parse_moment(option: str, text: str, now: datetime, *, is_end: bool = False) -> datetime:
    """The moment that ``text`` means, aware, in the time zone of ``now``.

    A day, a week or a month is meant from its start; to its end where ``is_end``. ``m`` stands for
    30 days.

    Raises:
        UsageError: It means none.
    """
    written = text.strip().lower()
    try:
        if match := _AGO.fullmatch(written):
            return now - int(match[1]) * _UNITS[match[2]]
        if written in _DAYS:
            start = datetime(now.year, now.month, now.day) - timedelta(days=_DAYS[written])  # noqa: DTZ001 - see _aware
            return _aware(start + timedelta(days=1) if is_end else start, now)
        if _MONTH.fullmatch(written):
            start = datetime.fromisoformat(f"{written}-01")
            return _aware(_next_month(start) if is_end else start, now)
        moment = datetime.fromisoformat(text.strip())
        if is_end and len(written) <= len("2026-11-01"):
            moment += timedelta(days=7 if _WEEK.fullmatch(written) else 1)
        return moment if moment.tzinfo else _aware(moment, now)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: '{text}' is no date.",
            code="bad_option",
            hint="Write it as 2026-11-01, 2026-11, yesterday, or 7d, 12h, 2w, 6m, 1y for so long "
            "ago.",
        ) from None


def moment_of(state: Mapping[str, Any]) -> datetime | None:
    """When the request was sent, aware, if the record says so."""
    try:
        moment = datetime.fromisoformat(state["created_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _aware(moment: datetime, now: datetime) -> datetime:
    """``moment`` in the time zone of ``now``; if that is the machine's, by its summer time too."""
    if now.astimezone().tzinfo == now.tzinfo:
        return moment.astimezone()
    return moment.replace(tzinfo=now.tzinfo)


def _next_month(start: datetime) -> datetime:
    return (start + timedelta(days=31)).replace(day=1)
