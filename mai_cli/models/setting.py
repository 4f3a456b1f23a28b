"""One setting as it is shown, and the name under which people ask for it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mai_cli.errors import UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS, Key, did_you_mean
from mai_cli.models.settings import Origin

SCHEMA = "mai/setting/1"

_STUCK = re.compile(rf"(?:\w+\..*\.)?({'|'.join(key.name for key in KEYS)})[=:\s]")
_BY_NAME = {key.name: key for key in KEYS}
_BY_DEPLOYMENT_NAME = {key.name: key for key in DEPLOYMENT_KEYS}


@dataclass(frozen=True)
class Setting:
    """A setting with its value, ``None`` where it has none, and where that comes from."""

    key: str
    value: object
    origin: Origin
    is_secret: bool = False

    @property
    def texts(self) -> list[str]:
        """The value as people write it; one text for each where there are several."""
        if self.is_secret:
            return ["(not shown)"] if self.value else []
        values = self.value if isinstance(self.value, (list, tuple)) else [self.value]
        return [to_text(value) for value in values if value is not None]

    def to_json(self) -> Mapping[str, object]:
        """The JSON object of this setting; a secret has no value there."""
        is_set = self.value not in (None, ())
        value = None if self.is_secret else to_toml(self.value) if is_set else None
        return {
            "schema": SCHEMA,
            "key": self.key,
            "value": value,
            "is_set": is_set,
            "origin": asdict(self.origin),
        }


@dataclass(frozen=True)
class Profile:
    """A named profile, with what the files say of it."""

    name: str
    values: Mapping[str, object]
    is_in_use: bool

    @property
    def texts(self) -> list[str]:
        """What it sets, as people write it."""
        return [f"{key} = {to_text(value)}" for key, value in self.values.items()]

    def to_json(self) -> Mapping[str, object]:
        """The JSON object of this profile."""
        return {
            "schema": "mai/profile/1",
            "name": self.name,
            "in_use": self.is_in_use,
            "settings": dict(self.values),
        }


@dataclass(frozen=True)
class Name:
    """What a setting is called in a file: ``names`` lead to it, ``key`` says what it may be."""

    names: tuple[str, ...]
    key: Key

    def __str__(self) -> str:
        return ".".join(self.names)

    @property
    def profile(self) -> str | None:
        """The profile it belongs to."""
        return self.names[1] if self.names[0] == "profiles" else None

    @property
    def deployment(self) -> str | None:
        """The deployment it is about."""
        return self.names[1] if self.names[0] == "deployments" else None

    @classmethod
    def parse(cls, text: str, profile: str | None = None) -> "Name":
        """Understand ``size``, ``profiles.work.size`` or ``deployments.mai-image-2.6.model``.

        ``profile`` is the one in which a name without a table stands.

        Raises:
            UsageError: There is no such setting.
        """
        if stuck := _STUCK.match(text):  # what stands behind it may be a key, and is not repeated
            key, hint = stuck[1], "Write them apart, as two arguments."
            if key == "api_key":
                hint = "A key is no argument; it is asked for. If it is a real one, replace it."
            raise UsageError(
                f"The setting {key} and its value are one argument.", code="bad_option", hint=hint
            )
        table, _, rest = text.partition(".")
        name, _, last = rest.rpartition(".")
        if table in ("profiles", "deployments"):
            if not name:
                raise UsageError(
                    f"'{text}' is a table.",
                    code="bad_option",
                    hint=f"Add a setting, such as {table}.{rest or 'NAME'}.model",
                )
            known = _BY_DEPLOYMENT_NAME if table == "deployments" else _BY_NAME
            return cls((table, _table_name(name), last), _find(text, last, known))
        key = _find(text, text, _BY_NAME)
        return cls(("profiles", _table_name(profile), key.name) if profile else (key.name,), key)


def _table_name(text: str) -> str:
    """The name of a profile or deployment, as a file has it."""
    name = text.strip().strip("\"'").strip()
    if not name or not name.isprintable():
        raise UsageError(
            f"'{text}' cannot be the name of a profile or deployment.",
            code="bad_option",
            hint="Use letters that can be shown.",
        )
    return name


def _find(text: str, name: str, known: Mapping[str, Key]) -> Key:
    if name not in known:
        raise UsageError(
            f"There is no setting '{text}'.",
            code="bad_option",
            hint=did_you_mean(name, list(known)),
        )
    return known[name]


def to_toml(value: object) -> object:
    """``value`` as a file or JSON has it."""
    if isinstance(value, (Endpoint, Path)):
        return str(value)
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else list(value)
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value


def to_text(value: object) -> str:
    """``value`` as people write it."""
    plain = to_toml(value)
    return str(plain).lower() if isinstance(plain, bool) else str(plain)
