import errno
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import BudgetError, ConfigError, StoppedError
from mai_cli.services.budgeting import Budget
from mai_cli.stores.ledger import Ledger

PROMPTLY = 10  # seconds; for what should take none
LIMITS_OF_COST = ("max_cost", "max_cost_per_day")

SPEND = """
import os, sys
from datetime import date
from pathlib import Path
from mai_cli.errors import BudgetError
from mai_cli.services.budgeting import Budget
from mai_cli.stores.ledger import Ledger

budget = Budget(
    max_cost=None, max_images=None, max_cost_per_day=1.0,
    ledger=Ledger(Path(sys.argv[1]), durable=True),
    today=lambda: date(2026, 11, 22), new_id=lambda: os.urandom(6).hex(), tell=print,
)
try:
    while True:
        reservation = budget.reserve(0.05)
        if sys.argv[2] == "die":
            os._exit(9)
        reservation.settle(0.03)
except BudgetError:
    print(budget.spent_usd)
"""


class Memory:
    """A ledger in memory; while ``fault`` is set it cannot be used."""

    def __init__(self):
        self.data = None
        self.fault = None
        self.lock = threading.Lock()

    def change(self, step):
        with self.lock:
            if self.fault:
                raise OSError(self.fault, os.strerror(self.fault))
            data, result = step(json.loads(json.dumps(self.data)))
            self.data = json.loads(json.dumps(data))
            return result


class World:
    def __init__(self):
        self.day = date(2026, 11, 22)
        self.ledger = Memory()
        self.told = []
        self.is_stopped = False
        self.ids = map(str, itertools.count(1))

    def budget(self, max_cost=None, max_images=None, max_cost_per_day=None):
        return Budget(
            max_cost=max_cost,
            max_images=max_images,
            max_cost_per_day=max_cost_per_day,
            ledger=self.ledger,
            today=lambda: self.day,
            new_id=lambda: next(self.ids),
            tell=self.told.append,
            stopped=lambda: self.is_stopped,
        )

    @property
    def counted(self):
        """What the day has cost, with what is set aside."""
        return round(self.ledger.data["spent_usd"] + sum(self.ledger.data["reserved"].values()), 6)


@pytest.fixture
def world():
    return World()


def refused(budget, worst):
    with pytest.raises(BudgetError) as caught:
        budget.reserve(worst)
    return caught.value


def in_thread(work, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append(work(*args)), daemon=True)
    thread.start()
    return thread, results


def test_what_fits_is_reserved_and_what_it_really_cost_is_counted(world):
    budget = world.budget(max_cost=0.1)
    budget.reserve(0.1).settle(0.04)
    budget.reserve(0.06).settle(0.06)

    assert budget.spent_usd == 0.1


def test_what_does_not_fit_says_which_limit_and_what_is_left(world):
    budget = world.budget(max_cost=1.0)
    budget.reserve(0.96).settle(0.96)
    error = refused(budget, 0.1)

    assert error.code == "over_budget"
    assert str(error) == "The picture could cost $0.10, but of max_cost $1.00 only $0.04 is left."
    assert error.hint == "Raise the limit, or ask for smaller or fewer pictures."
    assert budget.spent_usd == 0.96


def test_a_message_is_as_exact_as_it_takes(world):
    budget = world.budget(max_cost=0.05)
    budget.reserve(0.001037).settle(None)

    assert str(refused(budget, 0.048964)) == (
        "The picture could cost $0.048964, but of max_cost $0.05 only $0.048963 is left."
    )


@pytest.mark.parametrize(
    ("cost", "counted"), [(0.07, 0.07), (0.0000012, 0.000002), (1.0000001, 1.000001)]
)
def test_a_part_of_a_millionth_of_a_dollar_counts_as_a_whole(world, cost, counted):
    budget = world.budget()
    budget.reserve(cost).settle(None)

    assert (budget.spent_usd, world.ledger.data["spent_usd"]) == (counted, counted)


@pytest.mark.parametrize(
    ("limit", "spent", "message"),
    [
        (0.04, 0.04, "of max_cost $0.04 only $0.00 is left."),
        (0.04, 0.05, "of max_cost $0.04 only $0.00 is left."),
        (12.5, 0.25, "of max_cost $12.50 only $12.25 is left."),
        (1234.5678, 34.5, "of max_cost $1234.5678 only $1200.0678 is left."),
    ],
)
def test_a_sum_is_told_in_dollars_and_never_below_zero(world, limit, spent, message):
    budget = world.budget(max_cost=limit)
    budget.reserve(0.01).settle(spent)

    assert str(refused(budget, 2000)).endswith(message)


def test_the_limit_of_the_day_counts_what_other_runs_have_spent(world):
    world.budget().reserve(0.9).settle(0.9)

    assert str(refused(world.budget(max_cost_per_day=1.0), 0.2)) == (
        "The picture could cost $0.20, but of max_cost_per_day $1.00 only $0.10 is left."
    )


def test_more_pictures_than_allowed_are_refused(world):
    budget = world.budget(max_images=2)
    budget.reserve(0.05).settle(0.04)
    budget.reserve(None).settle(None)

    error = refused(budget, 0.05)
    assert str(error) == "The picture would be one more than --max-images 2."
    assert error.hint == "Raise the limit, or ask for fewer pictures."


def test_a_request_that_surely_drew_nothing_gives_its_picture_back(world):
    budget = world.budget(max_images=1)
    budget.reserve(0.05).settle(0.0)
    budget.reserve(None).settle(0.0)
    budget.reserve(0.05).settle(0.04)

    assert refused(budget, 0.05).code == "over_budget"


def test_pictures_that_are_free_are_counted_but_no_money_is(world):
    budget = world.budget(max_cost=0.0, max_images=2, max_cost_per_day=0.0)
    for _ in range(2):
        budget.reserve(0.0).settle(0.0)

    assert refused(budget, 0.0).code == "over_budget"
    assert (budget.spent_usd, world.ledger.data) == (0.0, None)


@pytest.mark.parametrize("limit", ["max_cost", "max_cost_per_day"])
def test_an_unknown_price_is_refused_under_a_limit_of_cost(world, limit):
    error = refused(world.budget(**{limit: 1.0}), None)

    assert error.code == "unknown_price"
    assert str(error) == "The picture has no known price, so it cannot be kept within a limit."
    assert error.hint == (
        "Set price_text_in, price_image_in and price_image_out "
        "in [deployments.NAME] of the configuration, or no limit."
    )


def test_an_unknown_price_passes_without_a_limit_of_cost(world):
    budget = world.budget(max_images=5)
    budget.reserve(None).settle(None)

    assert budget.spent_usd == 0.0


def test_what_is_unknown_stays_counted_in_full(world):
    budget = world.budget(max_cost=0.1, max_cost_per_day=5)
    budget.reserve(0.06).settle(None)

    assert budget.spent_usd == 0.06
    assert world.counted == 0.06
    assert refused(budget, 0.05).code == "over_budget"


def test_settling_twice_counts_once(world):
    budget = world.budget(max_images=1)
    reservation = budget.reserve(0.06)
    for cost in (0.0, 0.06, None):
        reservation.settle(cost)

    assert budget.spent_usd == 0.0
    assert world.counted == 0.0
    budget.reserve(0.06)


def test_sums_do_not_drift(world):
    budget = world.budget(max_cost=30.0)
    for _ in range(300):
        budget.reserve(0.1).settle(0.1)

    assert budget.spent_usd == 30.0
    assert world.ledger.data == {"day": "2026-11-22", "spent_usd": 30.0, "reserved": {}}


@pytest.mark.parametrize("limits", [("max_cost",), ("max_cost_per_day",), LIMITS_OF_COST])
@pytest.mark.parametrize(
    ("held", "cost", "worst"), [(0.08, 0.04, 0.05), (0.05, 0.01, 0.09), (0.05, 0, 0.1)]
)
def test_what_does_not_fit_yet_waits_for_others_that_may_settle_lower(
    world, limits, held, cost, worst
):
    budget = world.budget(**dict.fromkeys(limits, 0.1))
    first = budget.reserve(held)
    thread, results = in_thread(budget.reserve, worst)
    thread.join(0.05)
    assert not results

    first.settle(cost)
    thread.join(PROMPTLY)
    results[0].settle(worst)
    assert budget.spent_usd == pytest.approx(cost + worst)


@pytest.mark.parametrize("worst", [0.08, None])
def test_pictures_wait_too_for_others_that_may_draw_nothing(world, worst):
    budget = world.budget(max_images=1)
    first = budget.reserve(worst)
    thread, results = in_thread(budget.reserve, worst)
    thread.join(0.05)
    assert not results

    first.settle(0.0)
    thread.join(PROMPTLY)
    assert results


def test_what_does_not_fit_when_all_others_have_settled_is_refused(world):
    budget = world.budget(max_cost_per_day=0.1)
    first = budget.reserve(0.08)
    thread, results = in_thread(refused, budget, 0.05)
    thread.join(0.05)
    assert not results

    first.settle(0.06)
    thread.join(PROMPTLY)
    assert "only $0.04 is left" in str(results[0])


@pytest.mark.parametrize("limit", ["max_cost", "max_cost_per_day"])
def test_what_can_never_fit_is_refused_without_a_wait(world, limit):
    budget = world.budget(**{limit: 0.1})
    budget.reserve(0.08)

    assert refused(budget, 0.11).code == "over_budget"


def stopped(budget, worst):
    with pytest.raises(StoppedError) as caught:
        budget.reserve(worst)
    return caught.value


def test_a_stop_ends_the_wait(world):
    budget = world.budget(max_cost=0.1)
    budget.reserve(0.08)
    thread, results = in_thread(stopped, budget, 0.05)
    thread.join(0.05)
    assert not results

    world.is_stopped = True
    thread.join(PROMPTLY)
    assert [(one.code, str(one)) for one in results] == [("stopped", "Stopped. Nothing was drawn.")]


def test_nothing_is_waited_for_once_the_run_is_stopped(world):
    budget = world.budget(max_cost=0.1)
    budget.reserve(0.08)
    world.is_stopped = True

    assert stopped(budget, 0.05).code == "stopped"


def test_reservations_of_other_runs_are_not_waited_for(world):
    world.budget().reserve(0.08)

    assert refused(world.budget(max_cost_per_day=0.1), 0.05).code == "over_budget"


def test_a_new_day_starts_empty(world):
    world.budget().reserve(0.9).settle(0.9)
    world.budget().reserve(0.1)
    world.day = date(2026, 11, 23)
    world.budget(max_cost_per_day=1.0).reserve(1.0)

    assert world.ledger.data["day"] == "2026-11-23"
    assert world.counted == 1.0


@pytest.mark.parametrize("someone_else_began_the_day", [True, False])
def test_what_is_settled_after_midnight_belongs_to_the_day_before(
    world, someone_else_began_the_day
):
    budget = world.budget(max_cost=1.0)
    reservation = budget.reserve(0.9)
    world.day = date(2026, 11, 23)
    if someone_else_began_the_day:
        world.budget().reserve(0.3).settle(0.2)
    reservation.settle(0.8)
    world.budget(max_cost_per_day=1.0).reserve(0.1).settle(0.1)

    expected = 0.3 if someone_else_began_the_day else 0.1
    assert world.ledger.data == {"day": "2026-11-23", "spent_usd": expected, "reserved": {}}
    assert budget.spent_usd == 0.8


def test_a_clock_that_is_set_back_over_midnight_makes_no_room(world):
    world.budget().reserve(0.9).settle(0.9)
    world.day = date(2026, 11, 21)
    assert refused(world.budget(max_cost_per_day=1.0), 0.2).code == "over_budget"

    world.day = date(2026, 11, 20)
    world.budget(max_cost_per_day=1.0).reserve(0.2)
    assert world.ledger.data["day"] == "2026-11-20"


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"day": "2026-11-22"},
        {"day": "someday", "spent_usd": 0.9, "reserved": {}},
        {"day": "2026-11-22", "spent_usd": -5, "reserved": {}},
        {"day": "2026-11-22", "spent_usd": 1e300, "reserved": {}},
        {"day": "2026-11-22", "spent_usd": 0.9, "reserved": {"a": "b"}},
        {"day": "2026-11-22", "spent_usd": 0.9, "reserved": []},
    ],
)
def test_a_ledger_that_makes_no_sense_stays_as_it_is_and_nothing_fits_a_limit(world, data):
    world.ledger.data = data
    with pytest.raises(ConfigError) as caught:
        world.budget(max_cost_per_day=1.0).reserve(0.2)
    assert caught.value.code == "cannot_store"
    assert str(caught.value) == (
        "The spending of the day cannot be recorded: the file makes no sense. Nothing was sent."
    )

    budget = world.budget()
    for _ in range(2):
        budget.reserve(0.2).settle(0.1)
    assert world.told == ["The spending of the day cannot be recorded: the file makes no sense."]
    assert world.ledger.data == data


def test_a_ledger_that_is_damaged_meanwhile_stays_as_it_is(world):
    reservation = world.budget(max_cost_per_day=1.0).reserve(0.2)
    world.ledger.data = []
    reservation.settle(0.1)

    assert world.ledger.data == []
    assert world.told == ["The spending of the day cannot be recorded: the file makes no sense."]


@pytest.mark.parametrize("text", ['{"day": "2026-11-22", "spent_usd": NaN, "reserved": {}}', "[1]"])
def test_a_file_that_makes_no_sense_spoils_nothing_after_a_picture_was_paid(world, tmp_path, text):
    path = tmp_path / "spending.json"
    path.write_text(text)
    world.ledger = Ledger(path, durable=False)
    world.budget().reserve(0.2).settle(0.1)

    assert world.told == ["The spending of the day cannot be recorded: the file makes no sense."]
    assert path.read_text() == text


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS])
def test_under_a_limit_for_the_day_nothing_is_sent_that_cannot_be_recorded(world, fault):
    world.ledger.fault = fault
    budget = world.budget(max_cost_per_day=1.0)
    with pytest.raises(ConfigError) as caught:
        budget.reserve(0.1)

    assert caught.value.code == "cannot_store"
    assert str(caught.value) == (
        f"The spending of the day cannot be recorded: {os.strerror(fault)}. Nothing was sent."
    )
    assert caught.value.hint == (
        "Make room, remove a damaged file, or set MAI_HOME to another folder."
    )
    assert budget.spent_usd == 0.0


def test_without_one_it_is_told_once(world):
    budget = world.budget(max_cost=1.0)
    world.ledger.fault = errno.ENOSPC
    for _ in range(2):
        budget.reserve(0.1).settle(0.05)

    assert budget.spent_usd == 0.1
    assert world.told == [
        f"The spending of the day cannot be recorded: {os.strerror(errno.ENOSPC)}."
    ]


def test_what_cannot_be_settled_stays_counted_for_the_day(world):
    budget = world.budget(max_cost_per_day=1.0)
    reservation = budget.reserve(0.1)
    world.ledger.fault = errno.ENOSPC
    reservation.settle(0.05)

    assert budget.spent_usd == 0.05
    assert world.counted == 0.1
    reason = os.strerror(errno.ENOSPC)
    assert world.told == [f"The spending of the day cannot be recorded: {reason}."]


def test_processes_never_spend_more_than_the_day_allows_and_the_dead_count_in_full(tmp_path):
    path = tmp_path / "spending.json"
    ways = ["live", "die", "live", "die", "live"]
    processes = [
        subprocess.Popen([sys.executable, "-c", SPEND, path, way], stdout=subprocess.PIPE)
        for way in ways
    ]
    spent = [float(process.communicate(timeout=60)[0] or 0) for process in processes]

    day = Ledger(path, durable=True).read()
    died = [process.returncode for process in processes].count(9)
    assert sorted(day["reserved"].values()) == [0.05] * died
    assert day["spent_usd"] == pytest.approx(sum(spent))
    assert 0.95 < day["spent_usd"] + 0.05 * died <= 1.0


@pytest.mark.parametrize("limit", ["max_cost", "max_cost_per_day"])
def test_threads_never_have_more_under_way_than_the_limit(world, limit):
    budget, lock = world.budget(**{limit: 1.0}), threading.Lock()
    under_way, most, made = 0.0, 0.0, 0

    def work():
        nonlocal under_way, most, made
        while True:
            try:
                reservation = budget.reserve(0.09)
            except BudgetError:
                return
            with lock:
                under_way += 0.09
                most = max(most, under_way)
                made += 1
            time.sleep(0.001)
            with lock:
                under_way -= 0.09 - 0.02
            reservation.settle(0.02)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PROMPTLY)

    assert most <= 1.0 + 1e-9
    assert made == 46  # of two cents each; then nine do not fit any more
    assert budget.spent_usd == 0.92


costs = st.integers(0, 40).map(lambda cents: cents / 100)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("rs"), costs, st.none() | st.floats(0, 1), st.integers(0, 9)),
        max_size=60,
    )
)
def test_whatever_the_order_no_limit_is_ever_crossed(steps):
    world = World()
    budget = world.budget(max_cost=1.0, max_images=8, max_cost_per_day=0.9)
    world.budget().reserve(0.1).settle(0.1)
    world.is_stopped = True  # what would wait is given up instead
    under_way, spent, images = [], 0.0, 0
    for step, worst, part, index in steps:
        if step == "r":
            try:
                under_way.append((worst, budget.reserve(worst)))
            except (BudgetError, StoppedError):
                fits = spent + sum(one for one, _ in under_way) + worst <= 0.8 + 1e-9
                assert not fits or images + len(under_way) >= 8
        elif under_way:
            most, reservation = under_way.pop(index % len(under_way))
            cost = None if part is None else round(part * most, 6)
            reservation.settle(cost)
            spent += most if cost is None else cost
            images += cost != 0 or most == 0

        reserved = sum(worst for worst, _ in under_way)
        assert spent + reserved <= 0.8 + 1e-9
        assert images + len(under_way) <= 8
        assert budget.spent_usd == pytest.approx(spent)
        assert world.counted == pytest.approx(0.1 + spent + reserved)
