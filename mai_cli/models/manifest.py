"""What a manifest of `mai batch` says: as it was read, and as the pictures that it describes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mai_cli.models.recipe import Recipe

_NONE: Mapping[str, object] = MappingProxyType({})  # for thousands of assets


@dataclass(frozen=True)
class Entry:
    """One entry of a manifest as it stands there; ``place`` is ``asset 2`` or ``line 7``."""

    values: Mapping[str, object]
    place: str


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was read, whatever its format.

    ``name`` is what people call it; relative paths in it start in ``folder``, which is absolute.
    """

    name: str
    folder: Path
    entries: Sequence[Entry]
    defaults: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssetOutput:
    """A file that is made of an asset's picture.

    ``path`` is relative to the folder of the manifest, with forward slashes, without ``.`` and
    without needless ``..``; absolute only where it is on another drive.
    """

    path: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Asset:
    """One picture that a manifest describes, with everything filled in.

    What is ``None`` is left to the settings. ``place`` is where it stands in the manifest;
    ``images`` are absolute paths.
    """

    name: str
    prompt: str
    place: str
    outputs: tuple[AssetOutput, ...] = ()
    images: tuple[Path, ...] = ()
    size: str | None = None
    deployment: str | None = None
    model: str | None = None
    background: str | None = None
    web_grounding: bool = False
    params: Mapping[str, object] = field(default_factory=lambda: _NONE)
    tags: tuple[str, ...] = ()
    alt: str | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in a manifest: where, what (a sentence without its dot), what to do."""

    place: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}. {self.hint}".strip()
