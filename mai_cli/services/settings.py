"""Which settings hold: flag, then environment, then file, then default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mai_cli.errors import ConfigError, MaiError, UsageError
from mai_cli.models.settings import KEYS, Key, Settings, expand_home

_PATHS = ("gallery", "history")
_SECRETS = ("api_key",)


@dataclass(frozen=True)
class Layer:
    """Values from one place; ``folder`` is where relative paths in it start."""

    values: Mapping[str, object]
    folder: Path
    origin: Callable[[Key], str]
    is_flags: bool = False


def flags(values: Mapping[str, object], folder: Path) -> Layer:
    """The layer of the command line; ``None`` counts as not given."""
    return Layer(values, folder, lambda key: f"--{key.name}", is_flags=True)


def environment(environ: Mapping[str, str], folder: Path) -> Layer:
    """The layer of the ``MAI_*`` variables; an empty one counts as not set."""
    values = {key.name: environ[key.variable] for key in KEYS if environ.get(key.variable)}
    return Layer(values, folder, lambda key: key.variable)


def file(values: Mapping[str, object], path: Path) -> Layer:
    """The layer of the configuration file at ``path``."""
    return Layer(values, path.parent, lambda key: f"{key.name} in {path}")


def resolve(layers: list[Layer], defaults: Settings) -> Settings:
    """The settings that hold, the first layer that has a key winning.

    Raises:
        UsageError: A flag has a value that cannot be used.
        ConfigError: Another layer has an unknown key, or a value that cannot be used; also
            where a layer above hides it, so that a mistake is not found only on a bad day.
    """
    chosen: dict[str, Any] = {}
    origins = {key.name: "default" for key in KEYS}
    for layer in layers:
        for key in KEYS:
            if layer.values.get(key.name) is None:
                continue
            value = _read(key, layer)
            if key.name not in chosen:
                chosen[key.name] = value
                origins[key.name] = layer.origin(key)
    return replace(defaults, **chosen, origins=origins)


def _read(key: Key, layer: Layer) -> object:
    """The value of ``key`` in ``layer``, checked; a path made absolute."""
    raw = layer.values[key.name]
    try:
        value: object = key.parse(raw)
    except ValueError as error:
        # An address may carry a password before '@' or a key behind '?'.
        is_secret = key.name in _SECRETS or set("@?") & set(str(raw))
        shown = "" if is_secret else f" '{raw}'"
        raise _wrong(key, layer, f"The {key.name}{shown} {error}.") from None
    if key.name in _PATHS and isinstance(value, Path):
        return (layer.folder / expand_home(value)).absolute()
    return value


def _wrong(key: Key, layer: Layer, message: str) -> MaiError:
    if layer.is_flags:
        return UsageError(message, code="bad_option", hint=f"Change {layer.origin(key)}.")
    return ConfigError(message, code="bad_setting", hint=f"Change {layer.origin(key)}.")
