"""The lock of a batch: which request and which picture each output was made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mai_cli.models.recipe import Recipe

UNFINISHED = "0" * 64
"""In place of the digest of a file that an earlier picture was made into, and this one not yet."""


@dataclass(frozen=True, slots=True)
class LockedOutput:
    """A file as it was made: by which recipe, and its digest (SHA-256, hexadecimal)."""

    recipe: Recipe
    sha256: str


@dataclass(frozen=True, slots=True)
class LockedAsset:
    """An asset as it was made.

    ``request`` is the digest of the whole request, ``master`` that of the picture; ``None`` for
    files that were adopted. ``offline`` tells of a placeholder, ``alt`` is the alternative text.
    ``outputs`` are by path, as in :class:`~mai_cli.models.manifest.AssetOutput`; also those that
    the manifest no longer names, while their files are there.
    """

    request: str
    master: str | None
    offline: bool = False
    alt: str | None = None
    outputs: Mapping[str, LockedOutput] = field(default_factory=dict)


Lock = Mapping[str, LockedAsset]
"""What is locked, by the name of the asset."""
