"""Money: the worst case of a request is set aside before it is sent, and settled afterwards.

All sums are whole millionths of a dollar ("micros"), so that they do not drift.
"""

import errno
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Protocol, Self, TypeVar

from mai_cli.errors import BudgetError, ConfigError
from mai_cli.models.stop import stopped_before

_MICROS = 1_000_000
_LARGEST_USD = 1e9  # in the ledger; nobody spends more in a day
_SLICE_SECONDS = 0.1  # how long a stop may go unnoticed

_T = TypeVar("_T")


class Ledger(Protocol):
    """A small JSON value on disk that processes change one after the other."""

    def change(self, step: Callable[[object], tuple[object, _T]], /) -> _T:
        """Replace the value by what ``step`` makes of it; return what it returns beside."""


class Reservation:
    """The worst case of one request, set aside until it is settled."""

    def __init__(self, settle: Callable[[float | None], None]) -> None:
        self._settle = settle
        self._is_open = True

    def settle(self, cost_usd: float | None) -> None:
        """Count what the request cost; later calls change nothing.

        ``None``: that is not known, so all that was set aside stays counted. Zero: surely nothing
        was drawn, so there may be another picture, unless this one was free from the start.
        """
        if self._is_open:
            self._is_open = False
            self._settle(cost_usd)


class Budget:
    """The limits of one run, and the one of the day, which all runs on this machine share.

    ``today`` is the day in UTC; what it costs is recorded without a limit too, so that one that
    is set at noon knows of the morning. ``stopped`` tells whether the run is being stopped.
    """

    def __init__(
        self,
        *,
        max_cost: float | None,
        max_images: int | None,
        max_cost_per_day: float | None,
        ledger: Ledger,
        today: Callable[[], date],
        new_id: Callable[[], str],
        tell: Callable[[str], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._max_cost = None if max_cost is None else _micros(max_cost)
        self._max_images = max_images
        self._max_per_day = None if max_cost_per_day is None else _micros(max_cost_per_day)
        self._ledger = ledger
        self._today = today
        self._new_id = new_id
        self._tell = tell
        self._stopped = stopped
        self._settled = threading.Condition()
        self._spent = 0
        self._images = 0
        self._open: dict[str, int] = {}
        self._has_told = False

    @property
    def spent_usd(self) -> float:
        """What this run has cost so far, with the worst case of what is not known."""
        with self._settled:
            return self._spent / _MICROS

    def reserve(self, worst_cost: float | None) -> Reservation:
        """Set aside what a request can cost at most; ``None`` where that is not known.

        Waits for other requests of this run where what they give back could make room for it.

        Raises:
            BudgetError: It does not fit; or there is a limit, and its price is not known.
            ConfigError: There is a limit for the day, and the ledger cannot be written.
            StoppedError: The run was stopped while this waited.
        """
        if worst_cost is None and (self._max_cost is not None or self._max_per_day is not None):
            raise BudgetError(
                "The picture has no known price, so it cannot be kept within a limit.",
                code="unknown_price",
                hint="Set price_text_in, price_image_in and price_image_out "
                "in [deployments.NAME] of the configuration, or no limit.",
            )
        hold = _Hold(self._new_id(), _micros(worst_cost or 0.0), is_free=worst_cost == 0)
        with self._settled:
            while lack := self._lack(hold):
                if not self._open or lack.micros > sum(self._open.values()):
                    raise lack.error
                self._wait_for_one_of(set(self._open))
            self._open[hold.id] = hold.micros
            self._images += 1
        return Reservation(partial(self._settle, hold))

    def _wait_for_one_of(self, ids: set[str]) -> None:
        """Wait until one of these reservations is settled."""
        while ids <= self._open.keys():
            if self._stopped():
                raise stopped_before()
            self._settled.wait(_SLICE_SECONDS)

    def _lack(self, hold: "_Hold") -> "_Lack | None":
        """What keeps ``hold`` from being set aside; if nothing does, the ledger has it then."""
        if self._max_images is not None and self._images >= self._max_images:
            return _Lack(0, _too_many(self._max_images))
        if self._max_cost is not None:
            left = self._max_cost - self._spent - sum(self._open.values())
            if hold.micros > left:
                limit = f"max_cost {_dollars(self._max_cost)}"
                return _Lack(hold.micros - left, _too_dear(hold, limit, left))
        return self._lack_of_the_day(hold) if hold.micros else None

    def _lack_of_the_day(self, hold: "_Hold") -> "_Lack | None":
        limit = self._max_per_day

        def reserve(data: object) -> tuple[object, int | None]:
            day = _Day.at(self._today(), data)
            left = None if limit is None else limit - day.total
            if left is not None and hold.micros > left:
                return data, left
            return replace(day, reserved={**day.reserved, hold.id: hold.micros}).to_json(), None

        try:
            left = self._ledger.change(reserve)
        except OSError as error:
            if limit is not None:
                raise ConfigError(
                    f"The spending of the day cannot be recorded: {error.strerror}. "
                    "Nothing was sent.",
                    code="cannot_store",
                    hint="Make room, remove a damaged file, or set MAI_HOME to another folder.",
                ) from None
            self._tell_once(error)
            return None
        if left is None or limit is None:
            return None
        name = f"max_cost_per_day {_dollars(limit)}"
        return _Lack(hold.micros - left, _too_dear(hold, name, left))

    def _settle(self, hold: "_Hold", cost_usd: float | None) -> None:
        micros = hold.micros if cost_usd is None else _micros(cost_usd)
        if hold.micros:
            try:
                self._ledger.change(lambda data: (_Day.settled(data, hold.id, micros), None))
            except OSError as error:  # the worst case stays counted
                self._tell_once(error)
        with self._settled:
            del self._open[hold.id]
            self._spent += micros
            if cost_usd == 0 and not hold.is_free:
                self._images -= 1
            self._settled.notify_all()

    def _tell_once(self, error: OSError) -> None:
        with self._settled:
            is_first, self._has_told = not self._has_told, True
        if is_first:
            self._tell(f"The spending of the day cannot be recorded: {error.strerror}.")


@dataclass(frozen=True)
class _Hold:
    """What is set aside for one request."""

    id: str
    micros: int
    is_free: bool


@dataclass(frozen=True)
class _Lack:
    """How much more a limit would have to leave, and what to say if it never does."""

    micros: int
    error: BudgetError


@dataclass(frozen=True)
class _Day:
    """What a day has cost: what is settled, and what is set aside, by id."""

    day: date
    spent: int = 0
    reserved: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def at(cls, today: date, data: object) -> Self:
        """The day in ``data``, or an empty one where that is over.

        A clock that was set back over midnight does not make room for more.

        Raises:
            OSError: It makes no sense.
        """
        day = cls.read(data)
        if day is None and data is not None:
            raise OSError(errno.EINVAL, "the file makes no sense")
        is_on = day is not None and today <= day.day <= today + timedelta(days=1)
        return day if day and is_on else cls(today)

    @classmethod
    def settled(cls, data: object, id_: str, micros: int) -> object:
        """``data`` with what was set aside under ``id_`` turned into what it cost.

        What was set aside on a day that is over is not there any more, and changes nothing.

        Raises:
            OSError: It makes no sense.
        """
        day = cls.read(data)
        if day is None and data is not None:
            raise OSError(errno.EINVAL, "the file makes no sense")
        if day is None or id_ not in day.reserved:
            return data
        reserved = {other: held for other, held in day.reserved.items() if other != id_}
        return replace(day, spent=day.spent + micros, reserved=reserved).to_json()

    @classmethod
    def read(cls, data: object) -> Self | None:
        """The day that ``data`` describes; ``None`` where that makes no sense."""
        match data:
            case {"day": str(day), "spent_usd": spent, "reserved": dict(reserved)}:
                sums = [spent, *reserved.values()]
            case _:
                return None
        if not all(isinstance(usd, int | float) and 0 <= usd <= _LARGEST_USD for usd in sums):
            return None
        try:
            on = date.fromisoformat(day)
        except ValueError:
            return None
        return cls(on, _micros(spent), {id_: _micros(usd) for id_, usd in reserved.items()})

    @property
    def total(self) -> int:
        """Micros; all that is settled or set aside."""
        return self.spent + sum(self.reserved.values())

    def to_json(self) -> dict[str, object]:
        """The form that :meth:`read` reads."""
        return {
            "day": self.day.isoformat(),
            "spent_usd": self.spent / _MICROS,
            "reserved": {id_: micros / _MICROS for id_, micros in self.reserved.items()},
        }


def _micros(usd: float) -> int:
    """Millionths of a dollar; a part of one counts as a whole."""
    return math.ceil(round(usd * _MICROS, 3))


def _dollars(micros: int) -> str:
    """To the cent, or as exactly as it takes."""
    text = f"{max(0, micros) / _MICROS:.6f}"
    cents, rest = text[:-4], text[-4:].rstrip("0")
    return f"${cents}{rest}"


def _too_dear(hold: _Hold, limit: str, left: int) -> BudgetError:
    return BudgetError(
        f"The picture could cost {_dollars(hold.micros)}, "
        f"but of {limit} only {_dollars(left)} is left.",
        code="over_budget",
        hint="Raise the limit, or ask for smaller or fewer pictures.",
    )


def _too_many(most: int) -> BudgetError:
    return BudgetError(
        f"The picture would be one more than --max-images {most}.",
        code="over_budget",
        hint="Raise the limit, or ask for fewer pictures.",
    )
