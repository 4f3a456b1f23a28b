"""From what the user asks for to requests that can be sent."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.catalogue import NEWEST, Model, find
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest
from mai_cli.models.settings import Deployment, Settings
from mai_cli.models.size import Size, parse_size
from mai_cli.services.settings import blame


def build_requests(
    settings: Settings,
    prompt: str,
    *,
    count: int = 1,
    background: str | None = None,
    web_grounding: bool = False,
    params: Mapping[str, object] | None = None,
    images: Sequence[Reference] = (),
) -> list[ImageRequest]:
    """``count`` requests to each deployment, all checked.

    Raises:
        UsageError: A model does not offer what is asked for, or the prompt or size is wrong.
        ConfigError: No deployment is named, or a setting has a wrong size.
    """
    requests = []
    for deployment in _deployments(settings):
        request = build_request(
            settings,
            prompt,
            deployment=deployment,
            model=_if_flag(settings, "model"),
            size=_if_flag(settings, "size"),
            background=background,
            web_grounding=web_grounding,
            params=params or {},
            images=images,
        )
        requests += [request] * count
    return requests


def build_request(
    settings: Settings,
    prompt: str,
    *,
    deployment: str | None,
    model: str | None,
    size: str | None,
    background: str | None,
    web_grounding: bool,
    params: Mapping[str, object],
    images: Sequence[Reference],
) -> ImageRequest:
    """One request, checked; what is ``None`` is left to ``settings``.

    An edit of ``images`` keeps their shape, unless ``size`` asks for another.

    Raises:
        UsageError: The model does not offer what is asked for, or the prompt or size is wrong.
        ConfigError: No deployment is named, or a setting has a wrong size.
    """
    if deployment is None:
        is_settled = model is None or settings.deployment
        deployment = _deployments(settings)[0] if is_settled else str(model)
    known = _model(settings, deployment, model)
    keeps_shape = images and size is None
    pixels = None if keeps_shape else _size(settings, known, size)
    return ImageRequest(
        prompt=prompt,
        deployment=deployment,
        model=known,
        size=pixels,
        auto_size=pixels is None and not keeps_shape,
        images=images,
        background=background,
        web_grounding=web_grounding,
        params=params,
    )


def _if_flag(settings: Settings, name: str) -> Any:  # noqa: ANN401 - of any setting
    """The value of the setting ``name`` where the command line says it."""
    return getattr(settings, name) if settings.origin(name).kind == "flag" else None


def _deployments(settings: Settings) -> Sequence[str]:
    """Those that are named; else the model's name, which is what many deployments are called."""
    if settings.deployment:
        return settings.deployment
    if settings.model:
        return [settings.model]
    if settings.offline:
        return [str(NEWEST.name)]
    raise ConfigError(
        "No deployment is named.",
        code="missing_setting",
        hint="Name one: mai config set deployment NAME, or MAI_DEPLOYMENT. "
        "The Foundry portal lists them.",
    )


def _model(settings: Settings, deployment: str, asked: str | None) -> Model:
    """The model behind ``deployment``, with what the user says of that deployment.

    Who asks tells which model it is, else the table of the deployment, else its name, else the
    settings.
    """
    facts = settings.deployments.get(deployment, Deployment())
    by_name = find(deployment)
    name = asked or facts.model or (None if by_name.is_known else settings.model)
    if name is None:
        return facts.correct(by_name)
    model = find(name)
    return facts.correct(model if model.is_known else Model.unknown(name))


def _size(settings: Settings, model: Model, asked: str | None) -> Size | None:
    """The size that holds for ``model``; a wrong one is blamed on where it stands."""
    try:
        return parse_size(asked or settings.size, model)
    except UsageError as error:
        origin = settings.origin("size")
        if asked or origin.kind == "default":
            raise
        raise blame(error, origin) from None


def notes(requests: Sequence[ImageRequest], today: date, *, offline: bool) -> list[str]:
    """What to know before paying, each thing once."""
    found = [request.model.note(today, is_free=offline) for request in requests]
    return [note for note in dict.fromkeys(found) if note]
