"""What tests of ``mai config`` share: the files, and a way to store a key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator import KEY

Store = Callable[..., None]


@pytest.fixture
def config(home: Path) -> Path:
    """The user's configuration file, in a folder that is there."""
    home.mkdir(exist_ok=True)
    return home / "config.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The file of the project that the test runs in."""
    return tmp_path / ".mai.toml"


@pytest.fixture
def credentials(home: Path) -> Path:
    """The file of keys; not there yet."""
    return home / "credentials.toml"


@pytest.fixture
def store(run, bare) -> Store:
    """Store a key for an endpoint."""

    def store(endpoint: str, key: str = KEY) -> None:
        stored = run(
            bare | {"MAI_ENDPOINT": endpoint}, "config", "set", "api_key", "-", stdin=key.encode()
        )
        assert stored.code == 0, stored.err

    return store
