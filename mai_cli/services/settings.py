"""Which settings hold: flag, environment, profile, project file, user file, default."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mai_cli.errors import ConfigError, MaiError, UsageError
from mai_cli.models.home import expand_home
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS, Key, did_you_mean
from mai_cli.models.settings import (
    DEFAULT,
    PRICE,
    ConfigFile,
    Deployment,
    Origin,
    Settings,
)

MAX_SHOWN = 100


@dataclass(frozen=True)
class Layer:
    """Values from one place.

    ``folder`` is where relative paths in it start. One that does not apply, such as a profile
    that was not chosen, is checked all the same.
    """

    values: Mapping[str, object]
    folder: Path
    origin: Callable[[Key], Origin]
    applies: bool = True


def flags(values: Mapping[str, object], folder: Path) -> Layer:
    """The layer of the command line; ``None`` counts as not given."""
    return Layer(values, folder, lambda key: Origin("flag", f"--{key.name.replace('_', '-')}"))


def environment(environ: Mapping[str, str], folder: Path) -> Layer:
    """The layer of the ``MAI_*`` variables; an empty one counts as not set."""
    values = {key.name: environ[key.variable] for key in KEYS if environ.get(key.variable)}
    return Layer(values, folder, lambda key: Origin("environment", key.variable))


def resolve(outer: Sequence[Layer], files: Sequence[ConfigFile], defaults: Settings) -> Settings:
    """The settings that hold: of ``outer``, then of ``files``, the first that has a key wins.

    A chosen profile wins over what stands outside of profiles, also where that is in a project's
    file: whoever names a profile means it.

    Raises:
        UsageError: A flag has a value that cannot be used.
        ConfigError: Another layer has a value that cannot be used; also where it is hidden by a
            layer above it, so that a mistake is not found only on a bad day.
    """
    profile = _choose(outer, "profile")
    layers = [*outer, *_profiles(files, profile), *map(_top, files)]
    chosen: dict[str, Any] = {}
    origins = {key.name: DEFAULT for key in KEYS}
    for layer in layers:
        for key in KEYS:
            if layer.values.get(key.name) is None:
                continue
            value = _read(key, layer)
            origin = layer.origin(key)
            if layer.applies and (
                key.name not in chosen
                or (key.is_limit and _lifts(chosen[key.name], origins[key.name], value, origin))
            ):
                chosen[key.name], origins[key.name] = value, origin
    if profile is not None:
        _check_profile(profile, origins["profile"], files)
    return replace(defaults, **chosen, origins=origins, deployments=_deployments(files))


def combine(profiles: Sequence[Settings]) -> Settings:
    """The settings of a batch that ``profiles`` share: those of the first, the strictest of all.

    Each draws with its own; this is what holds for the run as a whole. What was sent before is
    looked up in one history, so that nothing is paid twice.

    Raises:
        ConfigError: They have different galleries, or different histories.
    """
    for name in ("gallery", "history"):
        places = dict.fromkeys(str(getattr(settings, name)) for settings in profiles)
        if len(places) > 1:
            raise ConfigError(
                f"The profiles of a batch must agree on the {name}: {' or '.join(places)}.",
                code="bad_setting",
                hint=f"Set {name} once, outside of the profiles.",
            )
    return replace(
        profiles[0],
        private=any(settings.private for settings in profiles),
        metadata=all(settings.metadata for settings in profiles),
        max_cost=_lowest(settings.max_cost for settings in profiles),
        max_cost_per_day=_lowest(settings.max_cost_per_day for settings in profiles),
        concurrency=min(settings.concurrency for settings in profiles),
    )


def _lowest(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _lifts(limit: Any, origin: Origin, users_limit: Any, users_origin: Origin) -> bool:  # noqa: ANN401 - numbers, checked when read
    """Whether a project's limit is above the user's, which then holds."""
    is_project = origin.kind == "project" and users_origin.kind == "user"
    return is_project and bool(users_limit < limit)


def _choose(layers: Sequence[Layer], name: str) -> str | None:
    """The first value of ``name`` in ``layers``, as it stands there."""
    values = (layer.values.get(name) for layer in layers)
    return next((str(value).strip() for value in values if value), None)


def _profiles(files: Sequence[ConfigFile], chosen: str | None) -> Iterator[Layer]:
    for file in files:
        for name, values in file.profiles.items():
            yield _layer(file, values, ("profiles", name), applies=name == chosen)


def _top(file: ConfigFile) -> Layer:
    return _layer(file, file.values, ())


def _layer(
    file: ConfigFile,
    values: Mapping[str, object],
    names: tuple[str, ...],
    *,
    applies: bool = True,
) -> Layer:
    return Layer(values, file.path.parent, lambda key: file.origin(*names, key.name), applies)


def _deployments(files: Sequence[ConfigFile]) -> dict[str, Deployment]:
    """What ``files`` say of deployments, key by key; the first that says something wins."""
    found: dict[str, Deployment] = {}
    for file in files:
        for name, values in file.deployments.items():
            layer = _layer(file, values, ("deployments", name))
            keys = [key for key in DEPLOYMENT_KEYS if key.name in values]
            read = {key.name: _read(key, layer) for key in keys}
            above = found.get(name, Deployment())
            origins = {key.name: layer.origin(key) for key in keys}
            found[name] = Deployment({**read, **above.values}, {**origins, **above.origins})
            found[name] = _with_dearest(found[name], Deployment(read, origins))
    return found


def _with_dearest(deployment: Deployment, users: Deployment) -> Deployment:
    """``deployment``, where no price of a project is below the user's, which could lift a limit."""
    values, origins = dict(deployment.values), dict(deployment.origins)
    for name, price in users.values.items():
        is_lower = name.startswith(PRICE) and values[name] < price  # type: ignore[operator]
        if is_lower and origins[name].kind == "project" and users.origins[name].kind == "user":
            values[name], origins[name] = price, users.origins[name]
    return Deployment(values, origins)


def _check_profile(name: str, origin: Origin, files: Sequence[ConfigFile]) -> None:
    known = sorted({profile for file in files for profile in file.profiles})
    if name in known:
        return
    advice = did_you_mean(name, known) if known else "There are none; see 'mai config init --help'."
    message = f"There is no profile '{name}', which {origin} asks for."
    if origin.kind == "flag":
        raise UsageError(message, code="bad_option", hint=advice)
    raise ConfigError(message, code="bad_setting", hint=advice)


def _read(key: Key, layer: Layer) -> object:
    """The value of ``key`` in ``layer``, checked; a path made absolute."""
    value = check(key, layer.values[key.name], layer.origin(key))
    if key.is_path and isinstance(value, Path):
        return (layer.folder / expand_home(value)).absolute()
    return value


def check(key: Key, raw: object, origin: Origin) -> object:
    """The value that ``raw``, which stands in ``origin``, means for ``key``.

    Raises:
        UsageError: It cannot be used, and was given on the command line.
        ConfigError: It cannot be used, and stands elsewhere.
    """
    try:
        value: object = key.parse(raw)
    except UsageError as error:
        raise blame(error, origin) from None
    except ValueError as error:
        text = _shown(", ".join(raw) if isinstance(raw, tuple) else raw)
        # An address may carry a password before '@' or a key behind '?', or be a key by mistake.
        may_hide = key.name == "endpoint" and (set("@?") & set(text) or "." not in text)
        shown = "" if key.is_secret or may_hide else f" '{text}'"
        message = f"The {key.name}{shown} {error}."
        raise blame(UsageError(message, code="bad_option"), origin) from None
    return value


def _shown(raw: object) -> str:
    """``raw`` as TOML spells it, shortened."""
    try:
        text = str(raw).lower() if isinstance(raw, bool) else str(raw)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return "…"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def blame(error: UsageError, origin: Origin) -> MaiError:
    """``error`` about a value that stands in ``origin``: a wrong option, or a wrong setting."""
    if origin.kind == "flag":
        error.hint = error.hint or f"Change {origin}."
        return error
    place = str(origin) if origin.kind == "environment" else f"it in {origin}"
    hint = f"{error.hint} Change {place}.".strip()
    return ConfigError(error.message, code="bad_setting", hint=hint)
