"""Every command with every stream that takes nothing: a quiet end, or one line that says why."""

import json
import subprocess

import pytest

from tests.conftest import MAI

COMMANDS = [
    "generate x --offline",
    "batch m.json --offline --force",
    "batch m.json --check",
    "batch m.json --dry-run",
    "history list",
    "history list --json",
    "history show last",
    "history stats",
    "history export",
    "history verify --json",
    "history recover --json",
    "history tag last +x --json",
    "history gallery -o page",
    "config list",
    "config list --json",
    "config path",
    "config check",
    "emulator --port 0",
    "generate --help",
    "--help",
    "--version",
]
QUIET = {">&-", "2>&-", ">&- 2>&-", "<&-", "| head -c 1"}
FULL = {">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"}


@pytest.mark.slow
@pytest.mark.parametrize("redirect", sorted(QUIET | FULL))
@pytest.mark.parametrize("command", COMMANDS)
def test_a_stream_that_takes_nothing_is_no_bug(env, tmp_path, mai, masters, command, redirect):
    asset = {"name": "a", "prompt": "a fox", "output": "a.png"}
    (tmp_path / "m.json").write_text(json.dumps({"assets": [asset]}))
    assert mai("generate", "a fox", "--offline").code == 0
    before = len(masters())
    done = subprocess.run(
        f"timeout -s TERM 3 {MAI[0]} {command} {redirect}; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=env,
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode in (
        {0, 3, 7, 10, 124, 141} if redirect in FULL else {0, 3, 10, 124, 141}
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    if done.returncode == 7:
        assert redirect.startswith(">/dev/full")
    if command.startswith(("generate x", "batch m.json --offline")):
        assert len(masters()) == before + 1
