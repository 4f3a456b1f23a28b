"""Where things live on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mai_cli.models.settings import expand_home


@dataclass(frozen=True)
class Paths:
    """The places ``mai`` uses where nothing else is set."""

    config: Path
    history: Path
    gallery: Path


def find_paths(environ: Mapping[str, str]) -> Paths:
    """Everything under ``MAI_HOME`` where that is set, else in the user's folders."""
    if home := environ.get("MAI_HOME"):
        folder = expand_home(Path(home)).absolute()
        paths = Paths(folder / "config.toml", folder / "history.jsonl", folder / "gallery")
    else:
        import platformdirs  # noqa: PLC0415 - slow, and not needed with MAI_HOME

        dirs = platformdirs.PlatformDirs("mai", appauthor=False)
        paths = Paths(
            dirs.user_config_path / "config.toml",
            dirs.user_data_path / "history.jsonl",
            dirs.user_pictures_path / "mai",
        )
    if config := environ.get("MAI_CONFIG"):
        return Paths(expand_home(Path(config)).absolute(), paths.history, paths.gallery)
    return paths
