"""Where things live on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mai_cli.errors import ConfigError
from mai_cli.models.home import expand_home


class Paths(NamedTuple):
    """The places ``mai`` uses where nothing else is set."""

    config: Path
    credentials: Path
    history: Path
    gallery: Path
    state: Path
    cache: Path


def find_paths(environ: Mapping[str, str]) -> Paths:
    """Everything under ``MAI_HOME`` where that is set, else in the user's folders.

    Raises:
        ConfigError: The user has no home folder.
    """
    if home := environ.get("MAI_HOME"):
        folder = expand_home(Path(home)).absolute()
        paths = Paths(
            folder / "config.toml",
            folder / "credentials.toml",
            folder / "history.jsonl",
            folder / "gallery",
            folder / "state",
            folder / "cache",
        )
    else:
        paths = _of_user(environ.get("HOME"))
    if config := environ.get("MAI_CONFIG"):
        # The keys stay: that file may lie in a repository.
        return paths._replace(config=expand_home(Path(config)).absolute())
    return paths


def _of_user(home: str | None) -> Paths:
    import platformdirs  # noqa: PLC0415 - slow, and not needed with MAI_HOME

    if home is not None and not home.startswith("/") and os.name != "nt":
        raise _homeless()  # files would be at the root, or move with the current folder
    dirs = platformdirs.PlatformDirs("mai", appauthor=False)
    try:
        return Paths(
            dirs.user_config_path / "config.toml",
            dirs.user_config_path / "credentials.toml",
            dirs.user_data_path / "history.jsonl",
            dirs.user_pictures_path / "mai",
            dirs.user_state_path,
            dirs.user_cache_path,
        )
    except RuntimeError:  # no HOME, and no such user on this machine
        raise _homeless() from None


def _homeless() -> ConfigError:
    return ConfigError(
        "This user has no home folder.",
        code="missing_setting",
        hint="Set MAI_HOME to a folder for config, history and gallery.",
    )
