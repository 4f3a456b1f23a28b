import heapq
import itertools
import json
import math
import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.models.pace import FIRST_BURST, MARGIN, MAX_LATE_SECONDS, MAX_WAIT_SECONDS, Gate

NOON = 1_795_348_800.0


class Service:
    """Serves ``rpm`` requests a minute, counted in one of three ways within ``window`` seconds."""

    def __init__(self, counting, rpm, window, opened_at):
        self.counting = counting
        self.quota = rpm * window / 60
        self.window = window
        self.tokens, self.filled_at = self.quota, opened_at
        self.in_window, self.window_number = 0, None
        self.arrivals = []

    def ask(self, now):
        """``None`` if the request is accepted, else the Retry-After, in whole seconds."""
        wait = getattr(self, self.counting)(now)
        return None if wait <= 0 else math.ceil(wait)

    def bucket(self, now):
        filled = self.tokens + (now - self.filled_at) * self.quota / self.window
        self.tokens, self.filled_at = min(self.quota, filled), now
        if self.tokens < 1:
            return (1 - self.tokens) * self.window / self.quota
        self.tokens -= 1
        return 0

    def fixed(self, now):
        number = now // self.window
        if number != self.window_number:
            self.window_number, self.in_window = number, 0
        if self.in_window >= self.quota:
            return (number + 1) * self.window - now
        self.in_window += 1
        return 0

    def sliding(self, now):
        """Requests that are rejected count too."""
        self.arrivals = [at for at in self.arrivals if at > now - self.window] + [now]
        if len(self.arrivals) <= self.quota:
            return 0
        return self.arrivals[-int(self.quota)] + self.window - now

    def unlimited(self, now):
        return 0


@dataclass(frozen=True)
class Case:
    """A run of ``count`` pictures; latency and window in seconds."""

    rpm: float
    latency: float
    workers: int
    window: float = 60.0
    count: int = 100
    counting: str = "bucket"
    seed: int = 1
    processes: int = 1
    says_when: bool = True

    @property
    def ideal(self):
        workers = self.count * self.latency / (self.workers * self.processes)
        return max(workers, (self.count - 1) * 60 / self.rpm + self.latency)


class Run:
    """A simulation of ``case``: processes of several workers each, which share one gate.

    In each process one worker at a time waits at the gate, and the others behind it.
    """

    def __init__(self, case, *, rpm=None, gate=None, begins_at=NOON):
        self.case = case
        self.rpm = rpm
        self.gate = gate or Gate()
        self.chance = random.Random(case.seed)
        self.begins_at = begins_at + self.chance.uniform(0, case.window)
        self.service = Service(case.counting, case.rpm, case.window, self.begins_at)
        self.events = []
        self.order = itertools.count()
        self.starts = []
        self.refusals = 0
        self.ended_at = 0.0
        self.processes = [
            Process(self, case.count // case.processes) for _ in range(case.processes)
        ]
        self.go()

    def at(self, moment, do, *args):
        heapq.heappush(self.events, (moment, next(self.order), do, args))

    def go(self):
        self.wake_all(self.begins_at)
        while self.events:
            now, _, do, args = heapq.heappop(self.events)
            assert now < self.begins_at + 10 * self.case.ideal, "it never ends"
            do(now, *args)

    def wake_all(self, now):
        for process in self.processes:
            process.go_to_the_gate(now)

    @property
    def makespan(self):
        """As a part of the ideal."""
        return (self.ended_at - self.begins_at) / self.case.ideal

    @property
    def refusals_each(self):
        return self.refusals / self.case.count


class Process:
    def __init__(self, run, count):
        self.run = run
        self.to_do = count
        self.idle = run.case.workers
        self.in_flight = 0
        self.someone_waits = False

    def go_to_the_gate(self, now):
        room = self.run.gate.room_for(self.run.rpm)
        is_full = room is not None and self.in_flight >= room
        if self.to_do and self.idle and not self.someone_waits and not is_full:
            self.to_do -= 1
            self.idle -= 1
            self.someone_waits = True
            self.reserve(now)

    def reserve(self, now):
        self.run.gate, ticket = self.run.gate.reserve(now, self.run.rpm)
        self.run.at(ticket.at, self.start, ticket)

    def start(self, now, ticket):
        started = self.run.gate.start(ticket, now)
        if started is None:
            self.reserve(now)
            return
        run, case = self.run, self.run.case
        run.gate = started
        run.starts.append(now)
        self.someone_waits = False
        self.in_flight += 1
        retry_after = run.service.ask(now)
        if retry_after is None:
            run.at(now + case.latency * run.chance.uniform(0.9, 1.1), self.accepted, ticket, now)
        else:
            run.at(now + case.latency / 20, self.refused, ticket, retry_after)
        self.go_to_the_gate(now)

    def accepted(self, now, ticket, sent_at):
        self.in_flight -= 1
        self.idle += 1
        self.run.gate = self.run.gate.accept(ticket, now, now - sent_at, self.run.rpm)
        self.run.ended_at = now
        self.run.wake_all(now)

    def refused(self, now, ticket, retry_after):
        self.in_flight -= 1
        self.idle += 1
        self.to_do += 1
        self.run.refusals += 1
        wait = retry_after if self.run.case.says_when else None
        self.run.gate = self.run.gate.refuse(ticket, now, wait, self.in_flight)
        self.run.wake_all(now)


QUOTAS = [
    Case(rpm=2, latency=30, workers=8),
    Case(rpm=6, latency=30, workers=8),
    Case(rpm=12, latency=30, workers=16),
    Case(rpm=30, latency=30, workers=16),
    Case(rpm=60, latency=5, workers=12),
    Case(rpm=60, latency=0.5, workers=8, window=6),
    Case(rpm=600, latency=0.2, workers=8, window=6),
    Case(rpm=600, latency=0.5, workers=16, window=6),
]
COUNTINGS = ["bucket", "fixed", "sliding"]
SEEDS = range(1, 6)

each_counting = pytest.mark.parametrize("counting", COUNTINGS)
each_quota = pytest.mark.parametrize(
    "case", QUOTAS, ids=lambda case: f"{case.rpm} rpm, {case.latency} s, {case.workers} workers"
)


@each_counting
@each_quota
def test_a_quota_that_is_known_is_used_up_without_a_refusal(case, counting):
    for seed in SEEDS:
        run = Run(replace(case, counting=counting, seed=seed), rpm=case.rpm)

        assert run.makespan <= 1.06
        assert run.refusals_each <= 0.01


@each_counting
@each_quota
def test_a_quota_that_is_not_known_is_learned(case, counting):
    for seed in SEEDS:
        run = Run(replace(case, counting=counting, seed=seed))

        assert run.makespan <= 1.4
        assert run.refusals_each <= 0.2


@each_counting
@each_quota
def test_what_was_learned_helps_the_next_run(case, counting):
    for seed in SEEDS:
        first = Run(replace(case, counting=counting, seed=seed))
        kept = Gate.from_json(json.loads(json.dumps(first.gate.to_json())))
        run = Run(first.case, gate=kept, begins_at=first.ended_at + 3600)

        assert run.makespan <= 1.25
        assert run.refusals_each <= 0.08


@each_counting
@each_quota
def test_two_processes_share_a_quota_that_is_known(case, counting):
    run = Run(replace(case, counting=counting, processes=2), rpm=case.rpm)

    assert run.makespan <= 1.1
    assert run.refusals_each <= 0.01


@each_counting
@each_quota
def test_two_processes_learn_a_quota_together(case, counting):
    run = Run(replace(case, counting=counting, processes=2))

    assert run.makespan <= 1.4
    assert run.refusals_each <= 0.25


@each_counting
@pytest.mark.parametrize(("rpm", "true_rpm"), [(6, 4), (12, 6)])
def test_an_rpm_that_is_set_too_high_is_corrected(rpm, true_rpm, counting):
    run = Run(Case(rpm=true_rpm, latency=30, workers=8, counting=counting), rpm=rpm)

    assert run.makespan <= 1.4
    assert run.refusals_each <= 0.2


@each_counting
@pytest.mark.parametrize("learned", [3, 5])
def test_an_rpm_that_is_set_overrules_what_was_learned_before(learned, counting):
    gate = replace(Gate(), rate=learned / 60, limit=learned / 60, is_new=False, room=0.0)
    run = Run(Case(rpm=6, latency=30, workers=8, counting=counting), rpm=6, gate=gate)

    assert run.makespan <= 1.1
    assert run.refusals == 0
    assert run.gate.rate == pytest.approx(6 * MARGIN / 60)


@each_counting
def test_a_service_that_does_not_say_how_long_to_wait_is_served_all_the_same(counting):
    for quota in QUOTAS:
        run = Run(replace(quota, counting=counting, says_when=False))

        assert run.makespan <= 3
        assert run.refusals_each <= 0.3


@pytest.mark.parametrize("workers", [8, 16])
def test_without_a_quota_all_workers_are_soon_at_work(workers):
    run = Run(Case(1e6, 0.2, workers, count=200, counting="unlimited"))

    assert run.makespan <= 1.15


def test_nothing_known_begins_with_a_small_burst():
    run = Run(Case(rpm=6, latency=30, workers=16))

    assert len([at for at in run.starts if at < run.begins_at + 25]) == FIRST_BURST


@settings(deadline=None, max_examples=20)
@given(st.floats(1, 120), st.integers(1, 3), st.integers(0, 100))
def test_starts_at_a_known_rpm_are_never_closer_than_the_spacing(rpm, processes, seed):
    case = Case(rpm, 20, 8, count=40 * processes, processes=processes, seed=seed)
    starts = Run(replace(case, counting="unlimited"), rpm=rpm).starts

    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert min(gaps) >= 60 / (rpm * MARGIN) - 1e-6


@settings(deadline=None, max_examples=50)
@given(st.floats(1, 30), st.lists(st.floats(0, 3), min_size=31, max_size=60))
def test_no_minute_holds_more_than_rpm_however_late_those_who_wait_wake_up(rpm, delays):
    gate, now, starts = Gate(), NOON, []
    for delay in delays:
        gate, ticket = gate.reserve(now, rpm)
        now = ticket.at + delay
        if (started := gate.start(ticket, now)) is None:
            gate, ticket = gate.reserve(now, rpm)
            now = ticket.at
            started = gate.start(ticket, now)
        gate = started
        starts.append(now)

    for first in starts:
        assert len([at for at in starts if first <= at < first + 60]) <= math.ceil(rpm)


def test_a_start_that_is_missed_must_come_again():
    gate, _ = Gate().reserve(NOON, 6)
    gate, ticket = gate.reserve(NOON, 6)

    assert gate.start(ticket, ticket.at + MAX_LATE_SECONDS - 0.01) is not None
    assert gate.start(ticket, ticket.at + MAX_LATE_SECONDS + 0.01) is None


def test_a_refusal_closes_the_gate_for_all_and_voids_what_is_reserved():
    gate, first = Gate().reserve(NOON, 6)
    gate = gate.start(first, NOON)
    gate, second = gate.reserve(NOON, 6)
    gate = gate.refuse(first, NOON + 1, 30, 0)

    assert gate.closed_for(NOON + 1) == 30
    assert gate.start(second, second.at) is None
    assert gate.reserve(NOON + 2, 6)[1].at == NOON + 31


def test_a_late_refusal_keeps_it_closed_for_longer_but_never_for_shorter():
    gate, tickets = started(3)
    gate = gate.refuse(tickets[0], NOON + 1, 30, 2)

    assert gate.refuse(tickets[1], NOON + 2, 40, 1).closed_for(NOON + 2) == 40
    assert gate.refuse(tickets[1], NOON + 2, 5, 1).closed_for(NOON + 2) == 29


def test_a_late_refusal_does_not_close_a_gate_that_is_open_again():
    gate, tickets = started(2)
    gate = gate.refuse(tickets[0], NOON + 1, 10, 1)
    gate, again = gate.reserve(NOON + 1, None)
    gate = gate.start(again, again.at)

    assert gate.refuse(tickets[1], NOON + 12, 40, 1).closed_for(NOON + 12) == 0


def test_waits_that_the_service_does_not_name_double_up_to_a_minute():
    gate, now, waits = Gate(), NOON, []
    for _ in range(8):
        gate, ticket = gate.reserve(now, None)
        now = ticket.at
        gate = gate.start(ticket, now).refuse(ticket, now, None, 3)
        waits.append(gate.closed_for(now))

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert gate.room_for(None) == 3


def test_waits_begin_anew_once_a_request_was_accepted():
    gate, [ticket] = started(1)
    gate = gate.refuse(ticket, NOON, None, 0)
    gate, ticket = gate.reserve(NOON, None)
    gate = gate.start(ticket, ticket.at).accept(ticket, NOON + 30, 29, None)

    assert gate.refuse(ticket, NOON + 30, None, 0).closed_for(NOON + 30) == 1


def test_no_wait_is_longer_than_a_day():
    gate, [ticket] = started(1)

    assert gate.refuse(ticket, NOON, 1e9, 0).closed_for(NOON) == MAX_WAIT_SECONDS
    assert gate.refuse(ticket, NOON, -5, 0).closed_for(NOON) == 0


def test_a_slot_that_is_given_back_goes_to_the_next():
    gate, ticket = Gate().reserve(NOON, 6)

    for was_started in (True, False):
        held = gate.start(ticket, NOON) if was_started else gate
        assert held.give_back(ticket, was_started=was_started).reserve(NOON, 6)[1].at == NOON


def test_a_slot_before_others_cannot_be_given_back():
    gate, first = Gate().reserve(NOON, 6)
    gate, _ = gate.reserve(NOON, 6)

    assert gate.give_back(first, was_started=False).next_at == gate.next_at


def test_a_slot_that_is_void_cannot_be_given_back():
    gate, tickets = started(3)
    gate = gate.refuse(tickets[0], NOON, 30, 2)

    assert gate.give_back(tickets[2], was_started=True) == gate


def test_the_latency_is_an_average_of_what_was_accepted():
    gate, tickets = started(2)
    gate = gate.accept(tickets[0], NOON + 30, 30, None)
    assert gate.latency_seconds == 30

    gate = gate.accept(tickets[1], NOON + 40, 40, None)
    assert gate.latency_seconds == 32


def test_requests_that_nothing_held_up_do_not_raise_the_rate():
    gate = replace(Gate(), rate=0.1, limit=0.1)
    for minute in range(1, 50):
        gate, ticket = gate.reserve(NOON + 60 * minute, None)
        gate = gate.start(ticket, ticket.at).accept(ticket, ticket.at + 30, 30, None)

    assert gate.rate == 0.1


def test_one_refusal_after_a_long_pause_does_not_ruin_the_rate():
    gate = replace(Gate(), rate=0.1, limit=0.1, opened_at=NOON - 86400, starts=3.0)
    gate, ticket = gate.reserve(NOON, None)
    gate = gate.start(ticket, NOON).refuse(ticket, NOON, 10, 0)

    assert gate.spacing(None) <= 20


def test_no_rate_that_is_learned_is_slower_than_one_a_minute():
    gate, now = Gate(), NOON
    for _ in range(20):
        gate, ticket = gate.reserve(now, None)
        now = ticket.at
        gate = gate.start(ticket, now).refuse(ticket, now, 600, 0)

    assert gate.spacing(None) == 60


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_a_clock_that_is_set_back_takes_the_gate_along(hours):
    gate, [ticket] = started(1)
    gate = gate.refuse(ticket, NOON, 30, 0)
    now = NOON - 3600 * hours

    assert gate.closed_for(now) == 30
    gate, ticket = gate.reserve(now, 6)
    assert ticket.at == now + 30
    assert gate.start(ticket, ticket.at) is not None


def test_a_slot_of_before_the_clock_was_set_back_is_void():
    gate, _ = Gate().reserve(NOON, 6)
    gate, ticket = gate.reserve(NOON, 6)

    assert gate.start(ticket, NOON - 3600) is None


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("srabg"), st.floats(0, 100), st.none() | st.floats(0, 200)))
)
def test_every_gate_survives_its_json_form(steps):
    gate, now = Gate(), NOON
    gate, ticket = gate.reserve(now, None)
    for step, seconds, wait in steps:
        now += seconds
        match step:
            case "s":
                gate, ticket = gate.reserve(now, None)
                now = ticket.at
                gate = gate.start(ticket, now) or gate
            case "r":
                gate = gate.refuse(ticket, now, wait, 2)
            case "a":
                gate = gate.accept(ticket, now, seconds, None)
            case "b":
                now -= 50 * seconds
            case "g":
                gate = gate.give_back(ticket, was_started=True)

    assert Gate.from_json(json.loads(json.dumps(gate.to_json()))) == gate


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(json_values)
def test_anything_else_is_read_as_a_new_gate(data):
    assert Gate.from_json(data) == Gate()


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(Gate().to_json())), json_values)
def test_a_gate_that_was_tampered_with_never_blocks_for_more_than_a_day(name, value):
    gate, [ticket] = started(1)
    data = gate.refuse(ticket, NOON, 30, 0).to_json() | {name: value}
    gate = Gate.from_json(data)

    reserved, ticket = gate.reserve(NOON, None)
    assert NOON <= ticket.at <= NOON + MAX_WAIT_SECONDS
    assert reserved.spacing(None) <= 60
    assert gate.room_for(None) is None or gate.room_for(None) > 0


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"closed_until": NOON + 2 * MAX_WAIT_SECONDS},
        {"next_at": NOON + 2 * MAX_WAIT_SECONDS},
        {"rate": 1e-9},
        {"rate": math.nan},
        {"room": -1.0},
        {"is_shut": 1},
        {"episode": 1.5},
        {"episode": 10**400},
    ],
)
def test_a_gate_that_makes_no_sense_is_read_as_a_new_one(change):
    gate, _ = started(1)

    assert Gate.from_json(gate.to_json()) == gate
    assert Gate.from_json(gate.to_json() | change) == Gate()


def started(count):
    """A gate at noon from which ``count`` requests have started, and their tickets."""
    gate, tickets = Gate(), []
    for _ in range(count):
        gate, ticket = gate.reserve(NOON, None)
        gate = gate.start(ticket, NOON)
        tickets.append(ticket)
    return gate, tickets
