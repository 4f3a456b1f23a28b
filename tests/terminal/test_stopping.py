import os
import signal

import pytest

from mai_cli.terminal.stopping import Stops


@pytest.fixture
def stops():
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stops = Stops()
    stops.listen()
    yield stops
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_ctrl_c_stops_at_once(stops):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_sigterm_ends_with_its_code(stops):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


def test_what_is_held_is_finished_first(stops):
    done = []
    with pytest.raises(KeyboardInterrupt), stops.held():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the picture is put away")

    assert done == ["the picture is put away"]


def test_a_failure_inside_is_not_hidden_by_a_stop(stops):
    with pytest.raises(KeyboardInterrupt) as stopped, stops.held():
        os.kill(os.getpid(), signal.SIGINT)
        raise OSError("full")

    assert isinstance(stopped.value.__context__, OSError)


def test_a_signal_that_is_ignored_stays_ignored(stops):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stops.listen()
    os.kill(os.getpid(), signal.SIGINT)
