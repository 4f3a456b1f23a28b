"""What draws with the settings of one profile, and what all profiles of a run share."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mai_cli.adapters.foundry import Foundry
    from mai_cli.models.settings import Settings
    from mai_cli.parts import Parts
    from mai_cli.parts.access import Access
    from mai_cli.services.budgeting import Budget
    from mai_cli.services.generation import Generation
    from mai_cli.services.pacing import NoPace, Pace
    from mai_cli.stores.ledger import Ledger


def sleep(seconds: float) -> bool:
    """Sleep; a signal ends it with an exception."""
    time.sleep(seconds)
    return False


def budget(
    parts: "Parts", settings: "Settings", max_images: int | None, stopped: Callable[[], bool]
) -> "Budget":
    """The limits of this run, and of the day, by ``settings``."""
    import os

    from mai_cli.services.budgeting import Budget
    from mai_cli.stores.ledger import Ledger

    limit = settings.max_cost_per_day
    spending = parts.paths.state / "spending.json"
    return Budget(
        max_cost=settings.max_cost,
        max_images=max_images,
        max_cost_per_day=limit,
        ledger=Ledger(spending, durable=limit is not None),  # flushing takes longer than all else
        today=lambda: datetime.now(UTC).date(),
        new_id=lambda: os.urandom(6).hex(),
        tell=parts.output.note,
        stopped=stopped,
    )


class Drawing:
    """The parts that draw by ``access``; ``wait`` sleeps, and tells whether the run is stopped."""

    def __init__(
        self, parts: "Parts", access: "Access", *, wait: Callable[[float], bool] = sleep
    ) -> None:
        self._parts = parts
        self._access = access
        self._wait = wait
        self._paces: dict[str, Pace | NoPace] = {}

    @cached_property
    def painter(self) -> "Foundry":
        """What sends requests."""
        return self._access.painter(self._access.settings.timeout)

    def generation(
        self,
        budget: "Budget",
        tell: Callable[[str], None],
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> "Generation":
        """What makes pictures, within ``budget``."""
        painter = self.painter
        from mai_cli.services.generation import Generation
        from mai_cli.stores.gallery import Gallery
        from mai_cli.stores.history import History

        return Generation(
            painter=painter,
            gallery=Gallery(self._access.settings.gallery, self._access.settings.filename),
            history=History(self._access.settings.history),
            exporter=self._parts.exporting(hold),
            pace=self.pace,
            budget=budget,
            tell=tell,
            hold=hold,
            sleep=self._wait,
        )

    def pace(self, deployment: str) -> "Pace | NoPace":
        """The pace of ``deployment``, which all processes of this machine share."""
        if deployment not in self._paces:
            self._paces[deployment] = self._new_pace(deployment)
        return self._paces[deployment]

    def _new_pace(self, deployment: str) -> "Pace | NoPace":
        from mai_cli.services.pacing import NoPace, Pace

        endpoint = self._access.endpoint
        if endpoint is None:
            return NoPace(self._wait)
        return Pace(
            self._ledger(str(endpoint), deployment),
            deployment,
            rpm=self._access.settings.rpm,
            tell=self._parts.output.note,
            wait=self._wait,
        )

    def _ledger(self, endpoint: str, deployment: str) -> "Ledger":
        from zlib import crc32

        from mai_cli.models.slug import slug
        from mai_cli.stores.ledger import Ledger

        who = f"{endpoint} {deployment}"
        name = f"{slug(deployment)}-{crc32(who.encode()):08x}.json"
        return Ledger(self._parts.paths.state / "pace" / name, durable=False)
