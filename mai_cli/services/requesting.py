"""From what the user asks for to requests that can be sent."""

from collections.abc import Mapping, Sequence
from datetime import date

from mai_cli.errors import ConfigError
from mai_cli.models.catalogue import NEWEST, Model, find
from mai_cli.models.request import ImageRequest
from mai_cli.models.settings import Settings
from mai_cli.models.size import parse_size


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
        ConfigError: No deployment is named.
    """
    requests = []
    for deployment in _deployments(settings):
        model = _model(settings, deployment)
        request = ImageRequest(
            prompt=prompt,
            deployment=deployment,
            model=model,
            size=parse_size(settings.size, model),
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
    """The model behind ``deployment``: as told, else as its name tells."""
    if settings.model is None:
        return find(deployment)
    model = find(settings.model)
    return model if model.is_known else Model.unknown(settings.model)


def notes(requests: Sequence[ImageRequest], today: date) -> list[str]:
    """What to know before paying, each thing once."""
    found = [request.model.note(today) for request in requests]
    return [note for note in dict.fromkeys(found) if note]
