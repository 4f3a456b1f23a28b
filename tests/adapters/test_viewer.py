import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mai_cli.adapters.viewer import open_file

NAME = "open" if sys.platform == "darwin" else "xdg-open"
VIEWER = f"""#!{sys.executable}
import json, os, sys, time
streams = [os.path.realpath(f"/dev/fd/{{number}}") for number in range(3)]
seen = [sys.argv[1:], os.getsid(0), streams]
with open("seen.part", "w") as file:
    json.dump(seen, file)
os.rename("seen.part", "seen.json")
end = time.monotonic() + 10
while not os.path.exists("close") and time.monotonic() < end:
    time.sleep(0.01)
open("closed", "w").close()
"""
# A viewer is left alone while it runs, which Python tells whoever starts one in its own process.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

Seen = Callable[[], list]


@pytest.fixture
def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """A viewer that stays open to the end of the test; gives what it was called with."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / NAME
    program.write_text(VIEWER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.chdir(tmp_path)

    def seen() -> list:
        end = time.monotonic() + 20
        while not (tmp_path / "seen.json").exists():
            assert time.monotonic() < end, "the viewer was not called"
            time.sleep(0.01)
        return json.loads((tmp_path / "seen.json").read_text())

    yield seen
    (tmp_path / "close").touch()


@pytest.mark.parametrize(
    "name", ["a.png", "a b.png", "-a.png", "--help", "a'b\"$(c).png", "ü\n.png", "~", "http:"]
)
def test_the_viewer_gets_the_whole_path_and_nothing_else(viewer, tmp_path, name):
    open_file(Path(name))
    assert viewer()[0] == [str(tmp_path / name)]


def test_a_path_that_is_not_unicode_is_passed_on_as_it_is(viewer, tmp_path):
    open_file(Path(os.fsdecode(b"/x/\xff.png")))
    assert viewer()[0] == [os.fsdecode(b"/x/\xff.png")]


def test_the_viewer_has_neither_the_terminal_nor_the_pipes(viewer):
    open_file(Path("a.png"))
    _, session, streams = viewer()
    assert session != os.getsid(0)
    assert streams == [os.devnull] * 3


def test_the_viewer_is_not_waited_for(viewer, tmp_path):
    code = "import sys; from mai_cli.adapters.viewer import open_file as o; from pathlib import *; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code} o(Path('a.png'))"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    viewer()
    assert not (tmp_path / "closed").exists()


@pytest.mark.parametrize("mode", [None, 0o644])
def test_where_there_is_no_viewer_it_is_an_os_error(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("PATH", str(tmp_path))
    if mode:
        (tmp_path / NAME).write_text(VIEWER)
        (tmp_path / NAME).chmod(mode)
    with pytest.raises(OSError, match=r"there is no"):
        open_file(tmp_path / "a.png")
