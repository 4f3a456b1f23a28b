"""From what the user asks for to requests that can be sent."""

from collections.abc import Mapping, Sequence
from datetime import date

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.catalogue import NEWEST, Model, find
from mai_cli.models.request import ImageRequest
from mai_cli.models.settings import Settings
from mai_cli.models.size import Size, parse_size


def build_requests(
    settings: Settings,
    prompt: str,
    *,
    count: int = 1,
    background: str | None = None,
    web_grounding: bool = False,
    params: Mapping[str, object] | None = None,
) -> list[ImageRequest]:
    """``count`` requests to each deployment, all checked.

    Raises:
        UsageError: A model does not offer what is asked for, or the prompt or size is wrong.
        ConfigError: No deployment is named, or a setting has a wrong size.
    """
    requests = []
    for deployment in _deployments(settings):
        model = _model(settings, deployment)
        request = ImageRequest(
            prompt=prompt,
            deployment=deployment,
            model=model,
            size=_size(settings, model),
            background=background,
            web_grounding=web_grounding,
            params=params or {},
        )
        requests += [request] * count
    return requests


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
        hint="Name one with --deployment or MAI_DEPLOYMENT; the Foundry portal lists them.",
    )


def _model(settings: Settings, deployment: str) -> Model:
    """The model behind ``deployment``: as the command line tells, its name, then other settings."""
    by_name = find(deployment)
    is_explicit = settings.origins.get("model") == "--model"
    if settings.model is None or (by_name.is_known and not is_explicit):
        return by_name
    model = find(settings.model)
    return model if model.is_known else Model.unknown(settings.model)


def _size(settings: Settings, model: Model) -> Size | None:
    """The size that holds for ``model``; a wrong one is blamed on where it stands."""
    try:
        return parse_size(settings.size, model)
    except UsageError as error:
        origin = settings.origins.get("size", "default")
        if origin in ("--size", "default"):
            raise
        hint = f"{error.hint} It is set by {origin}."
        raise ConfigError(error.message, code="bad_setting", hint=hint) from None


def notes(requests: Sequence[ImageRequest], today: date) -> list[str]:
    """What to know before paying, each thing once."""
    found = [request.model.note(today) for request in requests]
    return [note for note in dict.fromkeys(found) if note]
