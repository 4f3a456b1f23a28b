import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import MAI

PROGRAM = """
from mai_cli.errors import RefusedError
from mai_cli.terminal.output import Output

output = Output(verbose=True)
output.note("a note")
output.log("a detail")
output.error(RefusedError("An error.", code="bad_request", hint="A hint."))
for number in range(3):
    output.path(f"{number}.png")
"""
PATHS = b"0.png\n1.png\n2.png\n"
SAID = b"a note\na detail\nError: An error.\nA hint.\n"


@pytest.fixture
def broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def say(stdout: object, stderr: object, redirect: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, PROGRAM],
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        stdout=stdout,
        stderr=stderr,
        check=False,
        timeout=60,
    )


def run(
    args: list[str], env: Mapping[str, str], stdout: object, redirect: str = ""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {redirect}', *MAI, *args],
        env=env,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )


def test_two_open_streams_get_what_is_theirs():
    done = say(subprocess.PIPE, subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (0, PATHS, SAID)


def test_a_reader_that_is_gone_ends_the_program_quietly(broken_pipe):
    done = say(broken_pipe, subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, SAID)


def test_a_stdout_that_was_never_open_ends_the_program_quietly():
    done = say(subprocess.PIPE, subprocess.PIPE, ">&-")
    assert (done.returncode, done.stdout, done.stderr) == (141, b"", SAID)


def test_a_stderr_whose_reader_is_gone_stops_nothing(broken_pipe):
    done = say(subprocess.PIPE, broken_pipe)
    assert (done.returncode, done.stdout) == (0, PATHS)


def test_a_stderr_on_a_full_disk_stops_nothing():
    with Path("/dev/full").open("wb") as full:
        done = say(subprocess.PIPE, full)
    assert (done.returncode, done.stdout) == (0, PATHS)


def test_a_stderr_that_was_never_open_does_not_put_messages_among_the_results():
    done = say(subprocess.PIPE, None, "2>&-")
    assert (done.returncode, done.stdout) == (0, PATHS)


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["generate", "--help"], []])
def test_help_and_version_end_quietly_with_their_reader(bare, broken_pipe, args):
    done = run(args, bare, broken_pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("args", [["--version"], ["--help"]])
def test_help_and_version_say_in_one_line_that_a_disk_is_full(bare, args):
    with Path("/dev/full").open("wb") as full:
        done = run(args, bare, full)
    assert done.returncode == 7
    assert done.stderr.startswith(b"Error: Standard output cannot be written: No space left")
    assert b"Traceback" not in done.stderr


def test_a_version_for_nobody_is_no_bug(bare):
    done = run(["--version"], bare, subprocess.PIPE, ">&-")
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
