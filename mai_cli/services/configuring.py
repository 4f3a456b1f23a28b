"""Looking at the settings, and changing the file they are in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.keys import KEYS, Key
from mai_cli.models.setting import Name, Profile, Setting, to_toml
from mai_cli.models.settings import DEFAULT, ConfigFile, Deployment, Origin, Settings
from mai_cli.services.settings import check

COMMAND_LINE = Origin("flag", "the value")

Change = Callable[[Path, Mapping[tuple[str, ...], object]], bool]


def listing(settings: Settings, stored: Callable[[], Origin | None]) -> Iterator[Setting]:
    """Every setting; ``stored`` tells where a stored key is, which the settings do not know."""
    for key in KEYS:
        yield _setting(settings, key, stored)
    for name, deployment in sorted(settings.deployments.items()):
        for key_name, value in deployment.values.items():
            yield Setting(f"deployments.{name}.{key_name}", value, deployment.origins[key_name])


def find(settings: Settings, name: Name, stored: Callable[[], Origin | None]) -> Setting:
    """The setting of that name.

    Raises:
        ConfigError: It has no value.
    """
    if name.deployment:
        deployment = settings.deployments.get(name.deployment, Deployment())
        value = deployment.values.get(name.key.name)
        found = Setting(str(name), value, deployment.origins.get(name.key.name, DEFAULT))
    else:
        found = _setting(settings, name.key, stored)
    if found.value in (None, ()):
        hint = f"Set it: mai config set {name} ..."
        if not name.key.in_file:
            hint = f"Set {name.key.variable}."
        if name.key.is_secret:
            hint = "Store it: mai config set api_key"
        raise ConfigError(f"{name} is not set.", code="missing_setting", hint=hint)
    return found


def printable(setting: Setting) -> Sequence[str]:
    """The value of ``setting`` as a program that asks for it wants it.

    Raises:
        UsageError: It is secret.
    """
    if setting.is_secret:
        raise UsageError(
            f"mai never prints the key. There is one in {setting.origin}.",
            code="bad_option",
            hint="With --json, or 'mai config list', the answer is where it is.",
        )
    return setting.texts


def _setting(settings: Settings, key: Key, stored: Callable[[], Origin | None]) -> Setting:
    value, origin = getattr(settings, key.name), settings.origin(key.name)
    if key.is_secret and not value and (kept_in := stored()):
        value, origin = "stored", kept_in
    return Setting(key.name, value, origin, key.is_secret)


def winner(settings: Settings, name: Name) -> Origin | None:
    """What keeps the user's value of ``name`` from taking effect, if anything does."""
    if name.key.is_secret:
        origin = settings.origin(name.key.name)
        if settings.auth == "entra":
            origin = settings.origin("auth")
        return None if origin.kind == "default" else origin
    if name.deployment:
        origin = settings.deployments[name.deployment].origins[name.key.name]
    else:
        origin = settings.origin(name.key.name)
    is_it = origin.kind == "user" and origin.profile == name.profile
    return None if is_it else origin


def profiles_in(files: Sequence[ConfigFile], settings: Settings) -> list[Profile]:
    """The named profiles of ``files``, by name; where two set the same key, the first one wins."""
    merged: dict[str, dict[str, object]] = {}
    for file in files:
        for name, values in file.profiles.items():
            plain = {
                key.name: to_toml(key.parse(values[key.name])) for key in KEYS if key.name in values
            }
            merged[name] = {**plain, **merged.get(name, {})}
    return [Profile(name, merged[name], name == settings.profile) for name in sorted(merged)]


@dataclass(frozen=True)
class Configuration:
    """The user's configuration file; ``change`` writes it, ``folder`` is the current one."""

    path: Path
    folder: Path
    change: Change

    def set(self, name: Name, text: str | None) -> Setting:
        """Set ``name`` to the value that ``text`` means.

        Raises:
            UsageError: It is no value of this setting, or no setting of a file.
            ConfigError: The file cannot be changed.
        """
        if text is None:
            raise UsageError(
                f"{name} has no value.",
                code="bad_option",
                hint=f"Write: mai config set {name} VALUE, or: mai config unset {name}",
            )
        value = self.prepared(name, text)
        self.change(self.path, {name.names: value})
        return Setting(str(name), value, Origin("user", str(self.path)))

    def unset(self, name: Name) -> bool:
        """Remove ``name``; whether it was there.

        Raises:
            ConfigError: The file cannot be changed.
        """
        return self.change(self.path, {name.names: None})

    def prepared(self, name: Name, text: str) -> object:
        """The value that ``text`` means, as the file has it; a path starts in the current folder.

        Raises:
            UsageError: It is no value of this setting, or no setting of a file.
        """
        key = name.key
        if not key.in_file:
            raise UsageError(
                f"{key.name} is not a setting of a file.",
                code="bad_option",
                hint=f"Give it with {key.variable}, or as --{key.name.replace('_', '-')}.",
            )
        value = check(key, text, COMMAND_LINE)
        if key.is_path and isinstance(value, Path):
            value = value if str(value).startswith("~") else (self.folder / value).absolute()
            if not str(value).isprintable():
                raise UsageError(
                    f"The {key.name} has a name that this file cannot hold.",
                    code="bad_option",
                    hint=f"Set {key.variable} instead, or rename the folder.",
                )
        return to_toml(value)


def template() -> str:
    """A file that sets nothing yet, and says what can be set."""
    rows = [f"# {key.name} = ...  # {key.about}" for key in KEYS if key.in_file]
    return "\n".join(["# Settings of mai; 'mai config list' shows what holds.", "#", *rows, ""])
