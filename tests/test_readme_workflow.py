"""The workflow for GitHub Actions in the README, its steps run on this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.emulator import KEY, Emulator

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
FOR_ALL = [
    "actions/checkout",
    "azure/login",
    "actions/upload-artifact",
    "actions/download-artifact",
]


def block(kind: str, first_line: str) -> str:
    (text,) = re.findall(rf"```{kind}\n# {first_line}\n(.*?)```", README, re.DOTALL)
    return text


class Runner:
    """Runs the jobs of the workflow, each in a clone of its own, as a fresh machine would."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.jobs = yaml.safe_load(block("yaml", ".github/workflows/assets.yml"))["jobs"]
        self.folder = folder
        self.env = {
            **env,
            "HOME": str(folder),
            "GITHUB_ACTIONS": "true",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.artifacts = folder / "artifacts"
        self.origin = folder / "origin.git"
        self.git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        self.summaries: list[str] = []

    def git(self, folder: Path, *args: str) -> str:
        settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(
            ["git", *settings, *args], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout

    def push(self, name: str, text: str) -> None:
        clone = self.folder / "ada"
        if not clone.exists():
            self.git(self.folder, "clone", "--quiet", str(self.origin), str(clone))
            self.git(clone, "checkout", "--quiet", "-B", "main")
        else:
            self.git(clone, "pull", "--quiet", "origin", "main")
        (clone / name).write_text(text)
        self.git(clone, "add", "--all")
        self.git(clone, "commit", "--quiet", "--message", "Change assets")
        self.git(clone, "push", "--quiet", "origin", "main")

    def run(self, job: str, shard: int | None = None) -> list[int]:
        """The exit codes of the steps of ``job``."""
        machine = self.folder / f"{job}-{shard}"
        shutil.rmtree(machine, ignore_errors=True)
        self.git(self.folder, "clone", "--quiet", "--branch=main", str(self.origin), str(machine))
        codes = []
        for step in self.jobs[job]["steps"]:
            if "uses" in step:
                self.use(step, machine, shard)
            elif not step["run"].startswith("pipx install") and (
                not any(codes) or step.get("if") == "always()"
            ):
                codes.append(self.step(step, machine, job, shard))
        return codes

    def use(self, step: dict, machine: Path, shard: int | None) -> None:
        action = step["uses"].partition("@")[0]
        assert action in FOR_ALL
        if action == "actions/upload-artifact":
            made = self.artifacts / f"made-{shard}"
            made.mkdir(parents=True)
            path = step["with"]["path"].replace("${{ runner.temp }}", str(self.folder))
            shutil.copy(path, made)
        elif action == "actions/download-artifact":
            shutil.copytree(self.artifacts, machine / step["with"]["path"])

    def step(self, step: dict, machine: Path, job: str, shard: int | None) -> int:
        script = step["run"].replace("${{ matrix.shard }}", str(shard))
        script = script.replace("--rpm 4", "--rpm 4000")  # what is 15 s there is nothing here
        assert "${{" not in script
        summary = self.folder / "summary.md"
        env = {
            **self.env,
            "MAI_HOME": str(machine.with_name(f"{machine.name}-home")),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(self.folder),
        }
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=machine,
            env=env,
            check=False,
            capture_output=True,
            text=True,
        )
        sys.stderr.write(f"{job} {shard}: {script}\n{done.stdout}{done.stderr}")
        return done.returncode


@pytest.fixture
def runner(tmp_path: Path, bare: dict[str, str], foundry: Emulator) -> Runner:
    # The workflow names an endpoint that is not there; the environment of a step wins over it.
    service = {"MAI_ENDPOINT": foundry.url, "MAI_API_KEY": KEY}
    runner = Runner(tmp_path, bare | service)
    runner.push("assets.toml", block("toml", "assets.toml"))
    return runner


def test_a_pull_request_is_told_that_assets_are_not_there(runner, foundry):
    assert runner.run("check") == [10]
    assert foundry.received == []


def test_main_draws_in_shards_and_commits_files_and_lock(runner, foundry):
    assert [runner.run("draw", shard) for shard in (1, 2, 3)] == [[0, 0]] * 3
    assert len(foundry.received) == 5
    assert runner.run("commit") == [0, 0]
    assert len(foundry.received) == 5

    files = runner.git(runner.origin, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert files == [
        "assets.lock.json",
        "assets.toml",
        "public/hero-thumb.jpg",
        "public/hero.avif",
        "public/hero.webp",
        "public/valley-autumn.png",
        "public/valley-spring.png",
        "public/valley-summer.png",
        "public/valley-winter.png",
    ]
    assert runner.run("check") == [0]


def test_a_change_draws_one_asset_and_leaves_the_others(runner, foundry):
    for shard in (1, 2, 3):
        runner.run("draw", shard)
    runner.run("commit")
    shutil.rmtree(runner.artifacts)
    before = runner.git(runner.origin, "ls-tree", "-r", "main").splitlines()
    runner.push("assets.toml", block("toml", "assets.toml").replace("wooden desk", "glass desk"))

    assert runner.run("check") == [10]
    assert [runner.run("draw", shard) for shard in (1, 2, 3)] == [[0, 0]] * 3
    assert runner.run("commit") == [0, 0]
    assert len(foundry.received) == 6
    after = runner.git(runner.origin, "ls-tree", "-r", "main").splitlines()
    changed = {line.partition("\t")[2] for line in set(before) ^ set(after)}
    assert changed == {
        "assets.lock.json",
        "assets.toml",
        "public/hero-thumb.jpg",
        "public/hero.avif",
        "public/hero.webp",
    }


def test_a_shard_that_failed_leaves_what_the_others_made(runner, foundry):
    runner.run("draw", 1)
    (runner.artifacts / "made-2").mkdir()
    runner.run("draw", 3)
    (runner.artifacts / "made-2").rmdir()
    drawn = len(foundry.received)
    codes = runner.run("commit")

    assert codes == [9, 0]
    assert len(foundry.received) == drawn
    files = runner.git(runner.origin, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert "assets.lock.json" in files
    assert runner.run("check") == [10]
