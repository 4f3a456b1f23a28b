"""What a run would do, as ``--dry-run`` shows it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

SCHEMA = "mai/plan/1"


@dataclass(frozen=True)
class Item:
    """One picture that would be made. ``cost_usd`` is an estimate, ``None`` where unknown."""

    action: str
    deployment: str
    model: str | None
    url: str | None
    body: dict[str, object]
    images: list[str]
    outputs: list[str]
    cost_usd: float | None


@dataclass(frozen=True)
class Plan:
    """The pictures that would be made, in order."""

    items: Sequence[Item]

    @property
    def cost_usd(self) -> float | None:
        """The estimate for all, ``None`` if that of any is unknown."""
        costs = [item.cost_usd for item in self.items]
        known = [cost for cost in costs if cost is not None]
        return round(sum(known), 6) if len(known) == len(costs) else None

    def to_json(self) -> dict[str, object]:
        """The JSON object of this plan."""
        items = [asdict(item) for item in self.items]
        return {"schema": SCHEMA, "items": items, "cost_usd": self.cost_usd}
