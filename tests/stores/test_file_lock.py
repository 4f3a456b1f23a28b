import select
import signal
from pathlib import Path

import pytest

from mai_cli.stores.file_lock import locked, locked_if_free

OPEN_FILES = Path("/dev/fd")

COUNT = """
from pathlib import Path
from mai_cli.stores.file_lock import locked

counter = Path("counter")
for _ in range(100):
    with locked(Path("lock")):
        counter.write_text(str(int(counter.read_text()) + 1))
"""

HOLD = """
import sys
from pathlib import Path
from mai_cli.stores.file_lock import locked

with locked(Path("lock")):
    print("held", flush=True)
    sys.stdin.readline()
print("freed", flush=True)
"""


def test_only_one_process_at_a_time_is_inside(python, tmp_path):
    (tmp_path / "counter").write_text("0")
    for process in [python.start(COUNT) for _ in range(4)]:
        python.finish(process)

    assert (tmp_path / "counter").read_text() == "400"


@pytest.mark.parametrize("kill", [True, False])
def test_the_lock_is_freed_when_its_holder_ends_or_is_killed(python, kill):
    holder = python.start(HOLD)
    assert holder.stdout.readline() == "held\n"
    waiting = python.start(HOLD)
    ready, _, _ = select.select([waiting.stdout], [], [], 0.5)
    assert not ready

    if kill:
        holder.send_signal(signal.SIGKILL)
    else:
        assert python.finish(holder) == ["freed"]

    assert python.finish(waiting) == ["held", "freed"]


def test_an_error_inside_frees_the_lock(python, tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError

    assert python.run(HOLD) == ["held", "freed"]


def test_the_lock_file_is_made_and_stays(tmp_path):
    with locked(tmp_path / "lock"):
        pass
    inode = (tmp_path / "lock").stat().st_ino
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_ino == inode


@pytest.mark.parametrize("lock", [locked, locked_if_free])
def test_who_may_use_a_lock_is_for_the_umask_to_say(tmp_path, modes, lock):
    with lock(tmp_path / "lock"):
        assert modes() == {0o666}


def test_a_lock_may_be_for_its_owner_alone(tmp_path, modes):
    with locked(tmp_path / "lock", mode=0o600):
        assert modes() == {0o600}


def test_a_lock_leaves_no_open_file_behind(tmp_path):
    before = len(list(OPEN_FILES.iterdir()))
    with locked(tmp_path / "lock"):
        assert len(list(OPEN_FILES.iterdir())) == before + 1

    assert len(list(OPEN_FILES.iterdir())) == before


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing" / "lock"):
        pass


IF_FREE = """
import sys
from pathlib import Path
from mai_cli.stores.file_lock import locked_if_free

try:
    with locked_if_free(Path("lock"), shared={shared}):
        print("held", flush=True)
        sys.stdin.readline()
except BlockingIOError:
    print("busy", flush=True)
"""


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (False, False, "busy"),
        (False, True, "busy"),
        (True, False, "busy"),
        (True, True, "held"),
    ],
)
def test_a_lock_is_had_at_once_or_not_at_all_and_only_shared_ones_go_together(
    python, first, second, said
):
    holder = python.start(IF_FREE.format(shared=first))
    assert holder.stdout.readline() == "held\n"

    assert python.run(IF_FREE.format(shared=second)) == [said]
    python.finish(holder)
    assert python.run(IF_FREE.format(shared=second)) == ["held"]


@pytest.mark.parametrize("shared", [True, False])
def test_a_lock_that_was_had_is_free_again_after_an_error_or_a_kill(python, tmp_path, shared):
    with pytest.raises(KeyError), locked_if_free(tmp_path / "lock", shared=shared):
        raise KeyError
    holder = python.start(IF_FREE.format(shared=shared))
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()

    with locked_if_free(tmp_path / "lock"):
        pass


def test_a_lock_that_is_not_free_leaves_no_open_file_behind(tmp_path):
    with locked_if_free(tmp_path / "lock"):
        before = len(list(OPEN_FILES.iterdir()))
        with pytest.raises(BlockingIOError), locked_if_free(tmp_path / "lock"):
            pass
        assert len(list(OPEN_FILES.iterdir())) == before


def test_a_lock_that_cannot_be_made_is_no_busy_one(tmp_path):
    with pytest.raises(FileNotFoundError), locked_if_free(tmp_path / "missing" / "lock"):
        pass
