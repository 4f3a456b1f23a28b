"""What tests share: a home that is empty, a resource on loopback, the installed command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.emulator import KEY, Emulator

MAI = [str(Path(sys.executable).with_name("mai"))]
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Result:
    """How a run of the command ended."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder that ``MAI_HOME`` names; not there yet."""
    return tmp_path / "home"


@pytest.fixture
def foundry() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def bare(home: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is set up, and in which nothing leaves this machine."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MAI_HOME": str(home),
        "HTTPS_PROXY": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
        **{name: value for name, value in os.environ.items() if name.startswith("COV")},
    }


@pytest.fixture
def env(bare: dict[str, str], foundry: Emulator) -> dict[str, str]:
    """An environment that is set up for the resource on loopback."""
    return bare | {
        "MAI_ENDPOINT": foundry.url,
        "MAI_API_KEY": KEY,
        "MAI_DEPLOYMENT": "mai-image-26",
    }


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the installed command with this environment, in the test's folder."""

    def run(env: Mapping[str, str], *args: str, stdin: bytes = b"", timeout: float = 60) -> Result:
        done = subprocess.run(
            [*MAI, *args],
            env=env,
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    return run


@pytest.fixture
def mai(run: Run, env: dict[str, str]) -> Run:
    """Run the installed command, set up for the resource on loopback."""

    def mai(*args: str, stdin: bytes = b"", **more: str) -> Result:
        return run(env | more, *args, stdin=stdin)

    return mai


@pytest.fixture
def history(home: Path) -> Callable[[], dict[str, dict]]:
    """The state of every record, by id, in the order in which they were sent."""

    def history() -> dict[str, dict]:
        path = home / "history.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return {record["id"]: record for record in map(json.loads, lines)}

    return history


@pytest.fixture
def masters(home: Path) -> Callable[[], list[Path]]:
    """Every file in the gallery."""
    return lambda: sorted(path for path in (home / "gallery").rglob("*") if path.is_file())
