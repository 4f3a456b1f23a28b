"""Which assets of a manifest a run is about: by pattern, and by its part of the shards."""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Asset

MAX_SHARDS = 1000

_SHARD = re.compile(r"(\d{1,4})/(\d{1,4})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """The part of a job: ``number`` counts from 1 to ``count``."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Understand ``2/4``.

        Raises:
            UsageError: It is not of that form.
        """
        match = _SHARD.fullmatch(text.strip())
        number, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= count <= MAX_SHARDS:
            raise UsageError(
                f"'{text}' is not a shard.",
                code="bad_option",
                hint=f"Write it as 1/4, 2/4, 3/4 and 4/4; at most {MAX_SHARDS}.",
            )
        return cls(number, count)

    def has(self, name: str) -> bool:
        """Whether the asset of that name is in this part; each is in one of them."""
        return zlib.crc32(name.encode()) % self.count == self.number - 1


@dataclass(frozen=True)
class Selection:
    """Which assets are meant: those of one of ``patterns``, if any, in ``shard``, if any."""

    patterns: Sequence[str] = ()
    shard: Shard | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is every asset of the manifest."""
        return not self.patterns and self.shard is None

    def check_prune(self, *, prune: bool, is_file: bool) -> None:
        """See that files are only removed where the whole manifest is known to do without them.

        Manifests that come from standard input, as ``is_file`` says, share one lock.

        Raises:
            UsageError: They are not.
        """
        if prune and not is_file:
            raise UsageError(
                "--prune needs a manifest in a file.",
                code="bad_option",
                hint="Those from standard input share a lock; another may still need the files.",
            )
        if prune and not self.is_whole:
            raise UsageError(
                "--prune goes with the whole manifest, not with --only or --shard.",
                code="bad_option",
                hint="Leave one of them out.",
            )

    def of(self, assets: Sequence[Asset]) -> list[Asset]:
        """Those of ``assets`` that are meant, in their order.

        Raises:
            UsageError: A pattern fits none of them.
        """
        check_patterns("--only", self.patterns, assets)
        chosen = assets
        if self.patterns:
            chosen = [asset for asset in assets if matches(asset.name, self.patterns)]
        return [asset for asset in chosen if self.shard is None or self.shard.has(asset.name)]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` is one of ``patterns``, in which ``*`` and ``?`` stand for anything."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def check_patterns(option: str, patterns: Sequence[str], assets: Sequence[Asset]) -> None:
    """See that each of ``patterns`` fits an asset.

    Raises:
        UsageError: One fits none.
    """
    for pattern in patterns:
        if not any(matches(asset.name, [pattern]) for asset in assets):
            raise UsageError(
                f"{option}: the manifest has no asset '{pattern}'.",
                code="bad_option",
                hint="Give a name, or a pattern such as 'season-*' in quotes.",
            )


def forced_by(
    names: Sequence[str], assets: Sequence[Asset], *, force: bool
) -> Callable[[str], bool]:
    """Which assets ``--force`` means: those of ``names``, or all.

    Raises:
        UsageError: One of ``names`` fits no asset, or they go with nothing.
    """
    if names and not force:
        raise UsageError(
            f"There is one argument too many: '{names[0]}'.",
            code="bad_option",
            hint="Names of assets go with --force; to make only some assets, use --only.",
        )
    check_patterns("--force", names, assets)
    if names:
        return lambda name: matches(name, names)
    return lambda _name: force


def check_modes(**modes: bool) -> None:
    """See that at most one of ``modes`` is wanted.

    Raises:
        UsageError: There are two.
    """
    wanted = [f"--{name.replace('_', '-')}" for name, is_wanted in modes.items() if is_wanted]
    if len(wanted) > 1:
        raise UsageError(
            f"{wanted[0]} and {wanted[1]} do not go together.",
            code="bad_option",
            hint="Leave one of them out.",
        )
