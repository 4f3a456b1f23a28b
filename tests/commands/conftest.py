"""What tests of commands share. What is printed and written is held against its schema."""

import json
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from mai_cli.errors import ExitCode
from tests import schemas
from tests.conftest import Result, Run
from tests.emulator import KEY

Store = Callable[..., None]


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Run the installed command; its JSON, and the lock of a batch, must be as its schema says."""

    def checked(env: Mapping[str, str], *args: str, **more: Any) -> Result:
        result = run(env, *args, **more)
        if "--json" in takewhile(lambda arg: arg != "--", args):
            schemas.hold_lines(result.out.splitlines())
        if args[:1] == ("batch",) and result.code in (ExitCode.OK, ExitCode.PARTIAL):
            for lock in [*tmp_path.glob("*.lock.json"), *tmp_path.glob("*.lock.d/*.json")]:
                schemas.hold(json.loads(lock.read_bytes()))
        return result

    return checked


@pytest.fixture
def history(history: Callable[[], dict[str, dict]]) -> Callable[[], dict[str, dict]]:
    """The state of every record, by id; each must be as its schema says."""

    def checked() -> dict[str, dict]:
        states = history()
        for state in states.values():
            schemas.hold(state)
        return states

    return checked


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
