import errno
import os
import threading
import time
from dataclasses import replace

import pytest

from mai_cli.errors import Retry, StoppedError, UnavailableError
from mai_cli.models.pace import FIRST_BURST, MARGIN, Gate
from mai_cli.services import pacing
from mai_cli.services.pacing import NoPace, Pace
from mai_cli.stores.ledger import Ledger

NOON = 1_795_348_800.0
PATIENCE = 300
PROMPTLY = 10  # seconds; for what should take none


class Memory:
    """A ledger in memory; while ``fault`` is set it cannot be used."""

    def __init__(self):
        self.data = None
        self.fault = None
        self.lock = threading.Lock()

    @property
    def gate(self):
        return Gate.from_json(self.data)

    def read(self):
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        return self.data

    def change(self, step):
        with self.lock:
            data, result = step(self.read())
            self.data = data
            return result


class World:
    """A clock that waiting moves; the run is stopped at the moment ``stop_at``."""

    def __init__(self):
        self.now = NOON
        self.stop_at = float("inf")
        self.told = []
        self.ledger = Memory()

    def pace(self, rpm=None, ledger=None):
        return Pace(
            ledger or self.ledger,
            "mai-image-26",
            rpm=rpm,
            tell=self.told.append,
            wait=self.wait,
            clock=lambda: self.now,
        )

    def wait(self, seconds):
        self.now = min(self.now + seconds, max(self.now, self.stop_at))
        return self.now >= self.stop_at


@pytest.fixture
def world():
    return World()


class Crew:
    """Threads that wait in real time until they are told to stop."""

    def __init__(self):
        self.stopping = threading.Event()
        self.threads = []
        self.stopped = 0

    def pace(self, ledger, rpm=None):
        return Pace(ledger, "mai-image-26", rpm=rpm, tell=lambda _: None, wait=self.stopping.wait)

    def start(self, count, work, *args):
        for _ in range(count):
            self.threads.append(threading.Thread(target=self.run, args=(work, *args), daemon=True))
            self.threads[-1].start()

    def run(self, work, *args):
        try:
            work(*args)
        except StoppedError:
            self.stopped += 1

    def join(self):
        for thread in self.threads:
            thread.join(PROMPTLY)
            assert not thread.is_alive()

    def stop(self):
        self.stopping.set()
        self.join()


@pytest.fixture
def crew():
    crew = Crew()
    yield crew
    crew.stop()


def wait_until(condition):
    deadline = time.monotonic() + PROMPTLY
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_requests_at_a_known_rpm_start_one_spacing_apart(world):
    pace = world.pace(rpm=6)
    starts = []
    for _ in range(4):
        pace.turn(PATIENCE)
        starts.append(world.now - NOON)

    assert starts == pytest.approx([n * 10 / MARGIN for n in range(4)])


def test_processes_with_one_ledger_share_a_pace(world):
    paces = world.pace(rpm=6), world.pace(rpm=6)
    for pace in paces * 2:
        pace.turn(PATIENCE)

    assert world.now - NOON == pytest.approx(30 / MARGIN)


def test_a_wait_that_is_long_is_told_once_and_names_the_deployment(world):
    pace = world.pace(rpm=6)
    pace.turn(PATIENCE)
    pace.turn(PATIENCE)

    assert world.told == ["Waiting 11 s for the quota of mai-image-26."]


def test_a_wait_that_is_short_is_not_told(world):
    pace = world.pace(rpm=30)
    for _ in range(3):
        pace.turn(PATIENCE)

    assert world.told == []


def test_a_refusal_holds_up_the_next_request_of_any_process(world):
    assert world.pace().turn(PATIENCE).refused(30) == 30
    world.pace().turn(PATIENCE)

    assert world.now == NOON + 30
    assert world.told == ["Waiting 30 s for the quota of mai-image-26."]


def test_a_gate_that_stays_closed_for_longer_than_the_patience_is_an_error_at_once(world):
    pace = world.pace()
    pace.turn(PATIENCE).refused(301)
    before = world.ledger.gate
    with pytest.raises(UnavailableError) as caught:
        pace.turn(PATIENCE)

    assert str(caught.value) == ("The quota of the deployment is used up; it opens again in 301 s.")
    assert caught.value.code == "quota"
    assert caught.value.retry is Retry.LATER
    assert caught.value.wait_seconds == 301
    assert caught.value.hint == "Try again then."
    assert world.now == NOON
    assert world.ledger.gate.next_at == before.next_at


def test_a_gate_that_opens_just_within_the_patience_is_waited_for(world):
    pace = world.pace()
    pace.turn(PATIENCE).refused(PATIENCE)
    pace.turn(PATIENCE)

    assert world.now == NOON + PATIENCE


def test_a_stop_ends_the_wait_and_gives_the_slot_back(world):
    pace = world.pace(rpm=6)
    pace.turn(PATIENCE)
    before = world.ledger.gate
    world.stop_at = NOON + 4
    with pytest.raises(StoppedError) as caught:
        pace.turn(PATIENCE)

    assert (caught.value.code, str(caught.value)) == ("stopped", "Stopped. Nothing was drawn.")
    assert world.now == NOON + 4
    gate = world.ledger.gate
    assert (gate.next_at, gate.starts) == (before.next_at, before.starts)


def test_nothing_starts_once_the_run_is_stopped(world):
    world.stop_at = NOON
    with pytest.raises(StoppedError):
        world.pace().turn(PATIENCE)

    assert world.ledger.data is None


def test_a_gate_that_closes_during_the_wait_is_waited_for_too(world):
    slot = world.pace(rpm=6).turn(PATIENCE)
    wait = world.wait

    def refuse_first(seconds):
        if seconds > 1 and not world.ledger.gate.is_shut:
            slot.refused(60)
        return wait(seconds)

    world.wait = refuse_first
    world.pace(rpm=6).turn(PATIENCE)
    assert world.now == NOON + 60


def test_a_clock_that_is_set_back_during_the_wait_does_not_prolong_it_for_long(world):
    world.pace(rpm=6).turn(PATIENCE)
    wait, slept = world.wait, []

    def set_back_once(seconds):
        slept.append(seconds)
        stopped = wait(seconds)
        if seconds > 1 and len(slept) < 3:
            world.now -= 3600
        return stopped

    world.wait = set_back_once
    world.pace(rpm=6).turn(PATIENCE)
    assert sum(slept) < 40


def test_a_wait_that_ends_early_goes_on(world):
    world.pace(rpm=6).turn(PATIENCE)
    wait = world.wait
    world.wait = lambda seconds: wait(min(seconds, 3))
    world.pace(rpm=6).turn(PATIENCE)

    assert world.now - NOON == pytest.approx(10 / MARGIN)


def test_a_slot_that_is_given_back_is_had_by_the_next(world):
    pace = world.pace(rpm=6)
    pace.turn(PATIENCE).give_back()
    pace.turn(PATIENCE)

    assert world.now == NOON
    assert world.ledger.gate.starts == 1


def test_what_ends_otherwise_says_nothing_about_the_quota(world):
    slot = world.pace().turn(PATIENCE)
    before = world.ledger.data
    slot.ended()
    slot.ended()

    assert world.ledger.data == before


def test_what_is_known_can_be_asked_for(world):
    pace = world.pace()
    assert (pace.rate, pace.spacing_seconds, pace.latency_seconds) == (None, 0, None)

    pace.turn(PATIENCE).accepted(31.5)
    assert pace.latency_seconds == 31.5
    assert world.pace(rpm=6).rate == pytest.approx(6 * MARGIN)

    world.ledger.data = replace(world.ledger.gate, rate=0.05, limit=0.05).to_json()
    assert pace.rate == pytest.approx(3)
    assert pace.spacing_seconds == pytest.approx(20)


@pytest.mark.parametrize(("rpm", "rate"), [(None, 3.009), (3.2, 3.2 * MARGIN), (6, 3.3)])
def test_what_is_accepted_raises_a_rate_fast_to_what_the_user_has_set_else_slowly(world, rpm, rate):
    world.ledger.data = replace(Gate(), rate=0.05, limit=0.05, changed_at=NOON).to_json()
    pace = world.pace(rpm=rpm)
    for slot in [pace.turn(PATIENCE) for _ in range(2)]:
        slot.accepted(30)

    assert world.ledger.gate.rate * 60 == pytest.approx(rate)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_ledger_that_cannot_be_written_does_not_stop_a_run(world, fault):
    pace = world.pace(rpm=6)
    pace.turn(PATIENCE)
    world.ledger.fault = fault
    for _ in range(2):
        pace.turn(PATIENCE).accepted(30)

    reason = f"The pace is not shared with other runs: {os.strerror(fault)}."
    assert world.told.count(reason) == 1
    assert world.now - NOON == pytest.approx(20 / MARGIN)
    assert pace.latency_seconds == 30
    assert world.told.count(reason) == 1


def test_a_ledger_that_cannot_be_read_does_not_stop_a_run(world):
    pace = world.pace(rpm=6)
    world.ledger.fault = errno.EACCES

    assert (pace.rate, pace.latency_seconds) == (pytest.approx(6 * MARGIN), None)
    assert world.told == ["The pace is not shared with other runs: Permission denied."]


def test_what_has_no_quota_waits_for_nothing_but_a_stop(world):
    pace = NoPace(world.wait)
    slot = pace.turn(PATIENCE)
    for end in (lambda: slot.accepted(30), slot.ended, slot.give_back):
        end()

    assert slot.refused(30) == 0
    assert (world.now, pace.rate, pace.latency_seconds) == (NOON, None, None)

    world.stop_at = NOON
    with pytest.raises(StoppedError) as caught:
        pace.turn(PATIENCE)
    assert (caught.value.code, str(caught.value)) == ("stopped", "Stopped. Nothing was drawn.")


def test_while_nothing_is_known_few_are_in_flight_and_each_that_is_accepted_makes_room(crew):
    pace, slots = crew.pace(Memory()), []
    crew.start(FIRST_BURST + 4, lambda: slots.append(pace.turn(PATIENCE)))
    wait_until(lambda: len(slots) == FIRST_BURST)
    time.sleep(0.05)
    assert len(slots) == FIRST_BURST

    slots[0].accepted(30)
    wait_until(lambda: len(slots) == FIRST_BURST + 2)
    slots[1].ended()
    wait_until(lambda: len(slots) == FIRST_BURST + 3)
    time.sleep(0.05)
    assert len(slots) == FIRST_BURST + 3


def test_room_is_not_waited_for_without_end(crew, monkeypatch):
    # Who is in flight may wait for the budget of whoever waits here, to try again.
    monkeypatch.setattr(pacing, "LONGEST_ROOM_WAIT_SECONDS", 0.2)
    pace, slots = crew.pace(Memory()), []
    crew.start(FIRST_BURST + 2, lambda: slots.append(pace.turn(PATIENCE)))

    wait_until(lambda: len(slots) == FIRST_BURST + 2)


def test_where_the_user_has_set_the_quota_any_number_may_be_in_flight(crew):
    pace, slots = crew.pace(Memory(), rpm=60_000), []
    crew.start(FIRST_BURST + 4, lambda: slots.append(pace.turn(PATIENCE)))

    wait_until(lambda: len(slots) == FIRST_BURST + 4)


def test_without_retry_after_no_more_are_in_flight_than_were(world):
    pace = world.pace()
    slots = [pace.turn(PATIENCE) for _ in range(4)]

    assert slots[3].refused(None) == 1
    assert world.ledger.gate.room_for(None) == 3


def test_a_request_that_has_ended_is_not_in_flight_any_more(world):
    pace = world.pace()
    slots = [pace.turn(PATIENCE) for _ in range(5)]
    for end in (slots[0].ended, slots[0].ended, lambda: slots[1].accepted(1), slots[1].ended):
        end()
    slots[2].refused(None)

    assert world.ledger.gate.room_for(None) == 2


def test_what_was_given_back_or_refused_is_not_in_flight_either(world):
    pace = world.pace()
    slots = [pace.turn(PATIENCE) for _ in range(5)]
    slots[0].give_back()
    slots[1].refused(None)
    assert world.ledger.gate.room_for(None) == 3

    slots[2].ended()
    slots[3].ended()
    pace.turn(PATIENCE).refused(None)
    assert world.ledger.gate.room_for(None) == 1


def test_threads_of_a_process_have_one_slot_reserved_at_most(crew):
    ledger = Memory()
    pace = crew.pace(ledger, rpm=6)
    pace.turn(PATIENCE)
    free = ledger.gate.next_at
    crew.start(16, pace.turn, PATIENCE)
    wait_until(lambda: ledger.gate.next_at > free)
    time.sleep(0.05)

    assert ledger.gate.next_at == pytest.approx(free + 10 / MARGIN, abs=0.01)


def test_a_stop_reaches_all_who_wait_behind_the_first(crew):
    ledger = Memory()
    pace = crew.pace(ledger, rpm=1)
    pace.turn(PATIENCE)
    free = ledger.gate.next_at
    crew.start(16, pace.turn, PATIENCE)
    wait_until(lambda: ledger.gate.next_at > free)
    crew.stop()

    assert crew.stopped == 16
    assert ledger.gate.next_at == free


def test_a_stop_reaches_those_who_wait_for_another_to_end(crew):
    pace = crew.pace(Memory())
    crew.start(FIRST_BURST + 5, pace.turn, PATIENCE)
    time.sleep(0.05)
    crew.stop()

    assert crew.stopped == 5


def test_threads_of_several_processes_keep_the_spacing(crew, tmp_path):
    path, rpm = tmp_path / "pace.json", 6000
    began = time.monotonic()
    for _ in range(2):  # each with a ledger of its own, as processes have
        pace = crew.pace(Ledger(path, durable=False), rpm)
        crew.start(4, lambda pace=pace: [pace.turn(PATIENCE).accepted(0.01) for _ in range(5)])
    crew.join()

    assert Gate.from_json(Ledger(path, durable=False).read()).starts == 40
    assert time.monotonic() - began >= 38 * 60 / rpm


def test_a_single_picture_waits_for_two_of_a_batch_at_most(crew):
    ledger = Memory()
    batch, single = crew.pace(ledger, rpm=600), crew.pace(ledger, rpm=600)
    started, waited_for = [], []

    def work():
        while True:
            slot = batch.turn(PATIENCE)
            started.append(slot)
            slot.accepted(1)

    crew.start(16, work)
    for _ in range(5):
        before = len(started)
        single.turn(PATIENCE).accepted(1)
        waited_for.append(len(started) - before)
        time.sleep(0.03)

    assert max(waited_for) <= 2
    assert len(started) >= 5
