import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from mai_cli.adapters.within import within


def test_what_is_called_in_time_gives_its_result():
    assert within(10, lambda: "done") == "done"


@pytest.mark.parametrize("result", [None, 0, "", []])
def test_a_result_that_counts_as_false_is_a_result(result):
    assert within(10, lambda: result) == result


@pytest.mark.parametrize("error", [ValueError, TimeoutError, KeyboardInterrupt, SystemExit])
def test_what_is_raised_in_time_is_raised(error):
    def call() -> None:
        raise error("no")

    with pytest.raises(error, match="no") as caught:
        within(10, call)
    assert caught.traceback[-1].name == "call"


def test_what_takes_too_long_is_given_up():
    release = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        within(0.05, release.wait)
    release.set()


def test_what_was_given_up_goes_on_without_disturbing():
    release, ended = threading.Event(), threading.Event()

    def call() -> None:
        release.wait(10)
        ended.set()
        raise ValueError

    with pytest.raises(TimeoutError):
        within(0.01, call)
    release.set()
    assert ended.wait(10)
    assert within(10, lambda: 1) == 1


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as a person's shell hands it on; one that runs things behind turns it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_thread_that_waits_can_be_interrupted(ctrl_c):
    release = threading.Event()

    def call() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(30)

    with pytest.raises(KeyboardInterrupt):
        within(30, call)
    assert not release.is_set()
    release.set()


HANGING = """\
import time
from mai_cli.adapters.within import within
try:
    within(0.1, lambda: time.sleep(600))
except TimeoutError as error:
    print(error)
"""


def test_a_process_does_not_wait_for_what_was_given_up():
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", HANGING],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("no answer within 0.1 s\n", "")


def test_many_may_wait_at_once():
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(within(10, lambda: time.sleep(0.01) or 1)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 20
