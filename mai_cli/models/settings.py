"""The settings that a run works with, each with its origin, and the files they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mai_cli.models.catalogue import Model, Price
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import (
    DEFAULT_CONCURRENCY,
    DEFAULT_FILENAME,
    DEFAULT_TIMEOUT_SECONDS,
)
from mai_cli.models.size import DEFAULT_SIZE

DEFAULT_SCOPE = "https://cognitiveservices.azure.com/.default"
"""Source: Microsoft's how-to for the MAI image models, "Authentication"."""

PRICE = "price_"
_PRICE_PARTS = ("text_in", "image_in", "image_out")


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: an option, a variable, a line of a file, or where a key is kept."""

    kind: Literal["flag", "environment", "project", "user", "credentials", "keyring", "default"]
    place: str = ""
    line: int | None = None
    profile: str | None = None

    def __str__(self) -> str:
        if self.line:
            return f"{self.place}, line {self.line}"
        return self.place or self.kind


DEFAULT = Origin("default")


@dataclass(frozen=True)
class ConfigFile:
    """A ``config.toml``, or a project's ``.mai.toml``, read and with known names only.

    ``lines`` tells on which line a key stands: ``("profiles", "work", "size")``.
    """

    path: Path
    is_project: bool = False
    values: Mapping[str, object] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    deployments: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def origin(self, *names: str) -> Origin:
        """Where the key that ``names`` lead to stands."""
        kind: Literal["project", "user"] = "project" if self.is_project else "user"
        profile = names[1] if names[0] == "profiles" and len(names) > 1 else None
        depths = range(len(names), 0, -1)  # within an inline table only the table's line is known
        lines = (self.lines.get(names[:depth]) for depth in depths)
        line = next((line for line in lines if line), None)
        return Origin(kind, str(self.path), line, profile)


@dataclass(frozen=True)
class Deployment:
    """What the user says of one deployment; its values hold against the catalogue's."""

    values: Mapping[str, object] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def model(self) -> str | None:
        """The name of the model behind it."""
        name = self.values.get("model")
        return str(name) if name else None

    def correct(self, model: Model) -> Model:
        """``model`` with what the user says of it; a price counts once all its parts are known."""
        facts: dict[str, Any] = {
            name: value
            for name, value in self.values.items()
            if name != "model" and not name.startswith(PRICE)
        }
        if any(name.startswith(PRICE) for name in self.values):
            parts = {part: self._price(part, model.price) for part in _PRICE_PARTS}
            is_whole = None not in parts.values()
            facts["price"] = Price(**parts, read_on=None, source="settings") if is_whole else None
        return replace(model, **facts)

    def _price(self, part: str, known: Price | None) -> Any:  # noqa: ANN401 - checked when read
        known_price = getattr(known, part, None)
        price: Any = self.values.get(PRICE + part, known_price)
        is_of_project = self.origins.get(PRICE + part, DEFAULT).kind == "project"
        if is_of_project and known_price is not None:
            return max(price, known_price)  # else a repository could lift the user's limits
        return price


@dataclass(frozen=True)
class Settings:
    """What a run works with. ``origins`` says for each key where its value comes from."""

    gallery: Path
    history: Path
    profile: str | None = None
    endpoint: Endpoint | None = None
    api_key: str | None = field(default=None, repr=False)
    auth: str = "auto"
    scope: str = DEFAULT_SCOPE
    deployment: tuple[str, ...] = ()
    model: str | None = None
    size: str = DEFAULT_SIZE
    rpm: float | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    max_cost: float | None = None
    max_cost_per_day: float | None = None
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    preview: bool | None = None
    metadata: bool = True
    private: bool = False
    filename: str = DEFAULT_FILENAME
    offline: bool = False
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def origin(self, name: str) -> Origin:
        """Where the value of the key ``name`` comes from."""
        return self.origins.get(name, DEFAULT)
