"""From what the user asks for to requests that can be sent."""

from collections.abc import Mapping, Sequence
from datetime import date

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

    An edit of ``images`` keeps their shape: a size is asked for only where the command line does.

    Raises:
        UsageError: A model does not offer what is asked for, or the prompt or size is wrong.
        ConfigError: No deployment is named, or a setting has a wrong size.
    """
    requests = []
    for deployment in _deployments(settings):
        model = _model(settings, deployment)
        keeps_shape = images and settings.origin("size").kind != "flag"
        size = None if keeps_shape else _size(settings, model)
        request = ImageRequest(
            prompt=prompt,
            deployment=deployment,
            model=model,
            size=size,
            auto_size=size is None and not keeps_shape,
            images=images,
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
    """The model behind ``deployment``, with what the user says of that deployment.

    The command line tells which model it is, else the table of the deployment, else its name,
    else the other settings.
    """
    facts = settings.deployments.get(deployment, Deployment())
    by_name = find(deployment)
    name = facts.model or (None if by_name.is_known else settings.model)
    if settings.origin("model").kind == "flag":
        name = settings.model
    if name is None:
        return facts.correct(by_name)
    model = find(name)
    return facts.correct(model if model.is_known else Model.unknown(name))


def _size(settings: Settings, model: Model) -> Size | None:
    """The size that holds for ``model``; a wrong one is blamed on where it stands."""
    try:
        return parse_size(settings.size, model)
    except UsageError as error:
        origin = settings.origin("size")
        if origin.kind == "default":
            raise
        raise blame(error, origin) from None


def notes(requests: Sequence[ImageRequest], today: date) -> list[str]:
    """What to know before paying, each thing once."""
    found = [request.model.note(today) for request in requests]
    return [note for note in dict.fromkeys(found) if note]
