"""From the assets of a manifest to the requests that would draw them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Asset, Mistake
from mai_cli.models.mistakes import mistakes_error
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest
from mai_cli.models.settings import Settings
from mai_cli.services.requesting import build_request, notes


@dataclass(frozen=True, slots=True)
class Wanted:
    """An asset with the digests of its request, for all profiles that could draw it.

    Profiles that call the same deployment make the same request. ``deployments`` has one for each
    profile; ``cost_usd`` is an estimate for the dearest, ``None`` if any is unknown.
    """

    asset: Asset
    digests: tuple[str, ...]
    deployments: tuple[str, ...]
    cost_usd: float | None


class Ordering:
    """Makes requests by ``settings``, one for each profile.

    ``read_reference`` finds a picture whole or raises ``UsageError``; ``digest`` only looks at
    its bytes, and raises ``OSError``.
    """

    def __init__(
        self,
        settings: Sequence[Settings],
        *,
        read_reference: Callable[[Path], Reference],
        digest: Callable[[Path], str],
    ) -> None:
        self._settings = settings
        self._read_reference = read_reference
        self._digest = digest
        self._deployments: dict[tuple[str, ...], tuple[str, ...]] = {}  # thousands share a few
        self._glimpsed: dict[Path, Reference] = {}
        self._read: dict[Path, Reference] = {}

    def want(self, assets: Sequence[Asset], mistakes: list[Mistake]) -> list[Wanted]:
        """What ``assets`` ask for.

        What is wrong is added to ``mistakes``: what a model does not offer, a missing reference.

        Raises:
            ConfigError: No deployment is named, or a setting is wrong.
        """
        wanted = []
        for asset in assets:
            try:
                requests = self._requests(asset, self._glimpse)
                _check_sizes(asset, requests)
            except UsageError as error:
                mistakes.append(_mistake(asset, error))
            else:
                digests = tuple(dict.fromkeys(request.digest for request in requests))
                names = tuple(request.deployment for request in requests)
                deployments = self._deployments.setdefault(names, names)
                wanted.append(Wanted(asset, digests, deployments, _dearest(requests)))
        return wanted

    def see_references(self, name: str, assets: Sequence[Asset]) -> None:
        """See that all references of ``assets``, which are to be drawn, are whole pictures.

        Raises:
            UsageError: With every one that is not.
        """
        mistakes = []
        for asset in assets:
            try:
                for path in asset.images:
                    self._whole(path)
            except UsageError as error:
                mistakes.append(_mistake(asset, error))
        if mistakes:
            raise mistakes_error(name, mistakes)

    def notes(self, assets: Sequence[Asset], today: date) -> list[str]:
        """What to know before ``assets`` are paid for, each thing once."""
        requests = [request for asset in assets for request in self._requests(asset, self._glimpse)]
        return notes(requests, today, offline=self._settings[0].offline)

    def request(self, asset: Asset, number: int) -> ImageRequest:
        """The request for ``asset`` by the profile of that number, ready to be sent."""
        return self._request(asset, self._settings[number], self._whole)

    def _requests(self, asset: Asset, see: Callable[[Path], Reference]) -> list[ImageRequest]:
        return [self._request(asset, settings, see) for settings in self._settings]

    def _request(
        self, asset: Asset, settings: Settings, see: Callable[[Path], Reference]
    ) -> ImageRequest:
        return build_request(
            settings,
            asset.prompt,
            deployment=asset.deployment,
            model=asset.model,
            size=asset.size,
            background=asset.background,
            web_grounding=asset.web_grounding,
            params=asset.params,
            images=[see(path) for path in asset.images],
        )

    def _whole(self, path: Path) -> Reference:
        if path not in self._read:
            self._read[path] = self._read_reference(path)
        return self._read[path]

    def _glimpse(self, path: Path) -> Reference:
        """The reference at ``path`` as far as its digest goes; looking at its pixels is slow."""
        if path not in self._glimpsed:
            try:
                self._glimpsed[path] = Reference(path, self._digest(path), format="")
            except OSError as error:
                raise UsageError(
                    f"The reference {path} cannot be read: {error.strerror}.",
                    code="bad_image",
                    hint="Give a picture such as a PNG or JPEG.",
                ) from None
        return self._glimpsed[path]


def _check_sizes(asset: Asset, requests: Sequence[ImageRequest]) -> None:
    """See that every output can be made from the pictures that are asked for."""
    for request, output in product(requests, asset.outputs):
        try:
            if request.size:
                output.recipe.size_of(request.size.width, request.size.height)
        except ValueError as error:
            raise UsageError(
                f"The output {output.path} {error}.", code="bad_output", hint="Ask for less."
            ) from None


def _dearest(requests: Sequence[ImageRequest]) -> float | None:
    costs = [request.estimated_cost for request in requests]
    known = [cost for cost in costs if cost is not None]
    return max(known) if len(known) == len(costs) else None


def _mistake(asset: Asset, error: UsageError) -> Mistake:
    return Mistake(f"{asset.place} ({asset.name})", error.message.rstrip("."), error.hint)
