import os
import signal
import subprocess
import sys

import pytest

from mai_cli.terminal.stopping import Stops


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def _kept():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def stops(_kept, now):
    stops = Stops(clock=lambda: now[0])
    with stops.listening():
        yield stops


def test_ctrl_c_stops_at_once(stops):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_with_their_code(stops, number, code):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == code


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
    with Stops().listening():
        os.kill(os.getpid(), signal.SIGINT)


def test_after_a_run_no_signal_hides_how_it_ended(stops):
    with Stops().listening():
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_second_signal_on_the_heels_of_the_first_is_the_same_wish(stops, now):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    now[0] = 0.15
    os.kill(os.getpid(), signal.SIGINT)


INSISTS = """
import os, signal
from mai_cli.terminal.stopping import Stops

now = [0.0]
stops = Stops(clock=lambda: now[0])
with stops.listening(), stops.held():
    os.kill(os.getpid(), signal.{name})
    now[0] = 0.2
    os.kill(os.getpid(), signal.{name})
    print("still here")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_whoever_insists_ends_it_on_the_spot_even_while_it_is_held(name):
    done = subprocess.run(
        [sys.executable, "-c", INSISTS.format(name=name)], capture_output=True, check=False
    )
    assert done.returncode == -getattr(signal, name)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.usefixtures("_kept")
def test_each_signal_takes_the_next_step(now):
    done = []
    stops = Stops(clock=lambda: now[0])
    with stops.counted(lambda: done.append("drain"), lambda: done.append("hang up")):
        assert stops.number is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert (done, stops.number) == (["drain"], signal.SIGTERM)
        now[0] = 0.2
        os.kill(os.getpid(), signal.SIGINT)

    assert (done, stops.number) == (["drain", "hang up"], signal.SIGTERM)


@pytest.mark.usefixtures("_kept")
def test_a_signal_on_the_heels_of_another_takes_no_further_step(now):
    done = []
    stops = Stops(clock=lambda: now[0])
    with stops.counted(lambda: done.append("drain"), lambda: done.append("hang up")):
        for moment in (0.0, 0.1, 0.15):
            now[0] = moment
            os.kill(os.getpid(), signal.SIGINT)
        assert done == ["drain"]
        now[0] = 0.2
        os.kill(os.getpid(), signal.SIGINT)

    assert done == ["drain", "hang up"]


@pytest.mark.usefixtures("_kept")
def test_a_signal_that_is_ignored_takes_no_step():
    done = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stops = Stops()
    with stops.counted(lambda: done.append("drain")):
        os.kill(os.getpid(), signal.SIGHUP)

    assert (done, stops.number) == ([], None)


INSISTS_ON_EACH_STEP = """
import os, signal
from mai_cli.terminal.stopping import Stops

now = [0.0]
with Stops(clock=lambda: now[0]).counted(lambda: print("drain", flush=True)):
    os.kill(os.getpid(), signal.{name})
    now[0] = 0.2
    os.kill(os.getpid(), signal.{name})
    print("still here")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_whoever_insists_after_the_last_step_ends_it_on_the_spot(name):
    code = INSISTS_ON_EACH_STEP.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -getattr(signal, name)
    assert (done.stdout, done.stderr) == (b"drain\n", b"")
