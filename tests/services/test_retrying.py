import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import (
    AuthError,
    ConfigError,
    MaiError,
    RefusedError,
    Retry,
    StoppedError,
    UnavailableError,
    UnknownError,
)
from mai_cli.services.retrying import Attempts, Patience, ask

FILTERED = RefusedError("The content filter declined it.", code="content_filter")
LOST = UnknownError("The answer was lost.", code="lost_answer", retry=Retry.IF_TOLD)
NOT_STORED = UnknownError("No place could take it.", code="not_stored")
STOPPED = StoppedError("Stopped. Nothing was drawn.", code="stopped")
GATE_WAIT = 9


def quota(wait_seconds: float | None = None) -> MaiError:
    return UnavailableError(
        "The quota is used up.", code="quota", retry=Retry.LATER, wait_seconds=wait_seconds
    )


def failure(wait_seconds: float | None = None) -> MaiError:
    return UnavailableError(
        "The service failed.", code="service_failure", retry=Retry.SOON, wait_seconds=wait_seconds
    )


def stale_token() -> MaiError:
    return AuthError("Not accepted.", code="bad_credential", retry=Retry.WITH_FRESH_TOKEN)


class World:
    """A clock that waiting moves, a gate, and a service that does what it is told, then answers.

    Each request takes 2 seconds. ``steps`` is what was done, in order; ``fails`` is what goes
    wrong at some of them. ``slept`` are the waits of the loop, ``held`` those at the gate, which
    a 429 closes for as long as the service asks, else for ``GATE_WAIT`` seconds.
    """

    def __init__(self, answer, *todo, jitter=1.0):
        self.answer = answer
        self.todo = list(todo)
        self.jitter = jitter
        self.now = 1000.0
        self.opens_at = 0.0
        self.slept = []
        self.held = []
        self.told = []
        self.steps = []
        self.fails = {}
        self.patience_seconds = []
        self.attempts = Attempts()

    def ask(self, **patience):
        return ask(
            self.send,
            self.attempts,
            pace=self,
            steps=self,
            patience=Patience(**patience),
            tell=self.told.append,
            sleep=self.sleep,
            clock=lambda: self.now,
            jitter=lambda: self.jitter,
        )

    def happen(self, step):
        self.steps.append(step)
        if step in self.fails:
            raise self.fails[step]

    def turn(self, patience_seconds):
        assert not self.attempts.maybe_drawn
        self.happen("turn")
        self.patience_seconds.append(patience_seconds)
        closed = max(0.0, self.opens_at - self.now)
        if closed > patience_seconds:
            raise UnavailableError("It stays closed for too long.", code="quota")
        if closed:
            self.held.append(closed)
            self.now += closed
        return self

    def accepted(self, seconds):
        self.happen(f"accepted after {seconds:g} s")

    def refused(self, retry_after):
        self.happen(f"refused for {retry_after} s")
        closed = GATE_WAIT if retry_after is None else retry_after
        self.opens_at = self.now + closed
        return closed

    def ended(self):
        self.happen("ended")

    def give_back(self):
        self.happen("give back")

    def begin(self):
        assert not self.attempts.maybe_drawn
        self.happen(f"begin {self.attempts.count + 1}")

    def pause(self, error):
        assert not self.attempts.maybe_drawn
        self.happen(f"pause {error.code}")

    def send(self):
        assert self.attempts.maybe_drawn
        self.happen("send")
        self.now += 2
        if self.todo and (error := self.todo.pop(0)):
            raise error
        return self.answer

    def sleep(self, seconds):
        assert not self.attempts.maybe_drawn
        self.happen("sleep")
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def world(answer):
    return lambda *todo, **options: World(answer, *todo, **options)


def test_an_answer_is_asked_for_once(world, answer):
    one = world()

    assert one.ask() is answer
    assert (one.attempts.count, one.attempts.seconds) == (1, 2.0)
    assert (one.slept, one.held, one.told) == ([], [], [])


def test_a_request_has_its_slot_and_its_line_before_it_leaves(world):
    one = world()
    one.ask()

    assert one.steps == ["turn", "begin 1", "send", "accepted after 2 s"]


def test_each_attempt_has_a_slot_and_a_line_of_its_own_and_tells_how_it_ended(world):
    one = world(quota(7), failure(), stale_token())
    one.ask()

    assert one.steps == [
        *("turn", "begin 1", "send", "refused for 7 s", "pause quota"),
        *("turn", "begin 2", "send", "ended", "pause service_failure", "sleep"),
        *("turn", "begin 3", "send", "ended", "pause bad_credential"),
        *("turn", "begin 4", "send", "accepted after 2 s"),
    ]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (FILTERED, "ended"),
        (LOST, "ended"),
        (quota(999), "refused for 999 s"),
        (quota(7), "refused for 7 s"),
        (failure(), "ended"),
        (KeyboardInterrupt(), "ended"),
        (RuntimeError("a bug"), "ended"),
    ],
)
def test_the_last_attempt_ends_its_slot_once_and_leaves_its_line_to_the_caller(world, error, end):
    one = world(error)

    with pytest.raises(type(error)):
        one.ask(attempts=1, attempts_for_quota=1)

    assert one.steps == ["turn", "begin 1", "send", end]


@pytest.mark.parametrize(
    "error", [ConfigError("No history.", code="cannot_store"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_slot_is_given_back_when_the_line_cannot_be_written(world, error, attempt):
    one = world(quota(7))
    one.fails = {f"begin {attempt}": error}

    with pytest.raises(type(error)):
        one.ask()

    assert one.steps[-3:] == ["turn", f"begin {attempt}", "give back"]
    assert one.steps.count("send") == attempt - 1
    assert (one.attempts.count, one.attempts.maybe_drawn) == (attempt - 1, False)


@pytest.mark.parametrize("error", [STOPPED, KeyboardInterrupt()])
def test_without_a_slot_nothing_is_written_and_nothing_leaves(world, error):
    one = world()
    one.fails = {"turn": error}

    with pytest.raises(type(error)):
        one.ask()

    assert one.steps == ["turn"]
    assert one.attempts == Attempts()


@pytest.mark.parametrize(
    "error", [FILTERED, LOST, NOT_STORED, AuthError("No.", code="bad_credential")]
)
def test_what_is_useless_or_could_be_paid_twice_is_not_asked_again(world, error):
    one = world(error)

    with pytest.raises(MaiError) as caught:
        one.ask()

    assert caught.value is error
    assert (one.attempts.count, one.slept, one.told) == (1, [], [])


@pytest.mark.parametrize("error", [quota(), failure()])
def test_what_surely_drew_nothing_is_asked_again(world, answer, error):
    one = world(error, error)

    assert one.ask() is answer
    assert one.attempts.count == 3


def test_the_service_says_how_long_to_wait(world, answer):
    one = world(quota(7), failure(0), quota(), quota(30.5))

    assert one.ask() is answer
    assert (one.held, one.slept) == ([7, GATE_WAIT, 30.5], [0])
    assert one.told == [
        "The quota is used up. Trying again in 7 s.",
        "The service failed. Trying again in 0 s.",
        "The quota is used up. Trying again in 9 s.",
        "The quota is used up. Trying again in 31 s.",
    ]


def test_the_wait_for_a_quota_is_kept_by_the_gate_and_not_slept_too(world):
    one = world(quota(7), quota())
    one.ask()

    assert (one.held, one.slept) == ([7, GATE_WAIT], [])
    assert one.now == 1000 + 3 * 2 + 7 + GATE_WAIT


def test_the_wait_for_a_service_that_fails_is_slept_and_closes_no_gate(world):
    one = world(failure(7), failure())
    one.ask()

    assert (one.held, one.slept) == ([], [7, 2.0])


def test_waits_double_up_to_a_longest_one(world):
    one = world(*[failure()] * 7)
    one.ask(attempts=8, longest_wait=20)

    assert one.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 20, 20]


@pytest.mark.parametrize(("jitter", "slept"), [(0.0, [0.5, 1, 2]), (0.5, [0.75, 1.5, 3])])
def test_jitter_shortens_a_wait_to_its_half_at_most(world, jitter, slept):
    one = world(*[failure()] * 3, jitter=jitter)
    one.ask()

    assert one.slept == slept


@given(attempts=st.integers(1, 100), jitter=st.floats(0, 1))
@settings(deadline=None)
def test_any_jitter_keeps_a_wait_within_its_bounds(attempts, jitter):
    patience = Patience()
    longest = min(patience.longest_wait, 2 ** (attempts - 1))

    assert longest / 2 <= patience.wait(failure(), attempts, lambda: jitter) <= longest
    assert patience.wait(failure(7.5), attempts, lambda: jitter) == 7.5


@pytest.mark.parametrize(("error", "most"), [(quota(0), 8), (failure(0), 5)])
def test_tries_are_limited_and_the_last_failure_is_told(world, error, most):
    one = world(*[error] * 20)

    with pytest.raises(UnavailableError) as caught:
        one.ask()

    assert caught.value is error
    assert one.attempts.count == most
    assert sum(step.startswith("pause") for step in one.steps) == most - 1


def test_a_quota_and_failures_are_counted_each_by_itself(world, answer):
    one = world(quota(1), failure(), quota(1), failure(), quota(1))
    assert one.ask(attempts_for_quota=4, attempts=3) == answer
    assert (one.slept, one.attempts.count) == ([1, 2], 6)

    other = world(quota(1), quota(1), failure(), failure(), failure())
    with pytest.raises(UnavailableError) as caught:
        other.ask(attempts_for_quota=3, attempts=3)
    assert caught.value.code == "service_failure"
    assert (other.slept, other.attempts.count) == ([1, 2], 5)


@pytest.mark.parametrize("failing", [quota, failure])
@pytest.mark.parametrize(
    ("seconds", "waits"), [(100, 3), (301, 0), (300, 1), (149, 2), (float("inf"), 0)]
)
def test_waiting_is_limited_and_never_begun_in_vain(world, failing, seconds, waits):
    error = failing(seconds)
    one = world(*[error] * 20)

    with pytest.raises(UnavailableError) as caught:
        one.ask()

    assert caught.value is error
    assert one.held + one.slept == [seconds] * waits
    assert len(one.told) == waits
    assert one.attempts.count == waits + 1


def test_a_wait_that_is_told_is_waited_for(world, answer):
    one = world(quota(200))

    assert one.ask() is answer
    assert (one.told, one.held) == (["The quota is used up. Trying again in 200 s."], [200])


def test_what_was_waited_is_taken_off_the_patience_with_the_gate(world):
    one = world(failure(100), failure(50))
    one.ask()

    assert one.patience_seconds == [300, 200, 150]


def test_a_gate_that_stays_closed_for_too_long_is_the_end(world):
    one = world()
    one.opens_at = one.now + 301

    with pytest.raises(UnavailableError) as caught:
        one.ask()

    assert caught.value.message == "It stays closed for too long."
    assert (one.attempts, one.steps) == (Attempts(), ["turn"])


def test_a_fresh_token_is_tried_once_and_at_once(world, answer):
    one = world(stale_token())

    assert one.ask() is answer
    assert (one.attempts.count, one.slept) == (2, [])
    assert one.told == ["The sign-in was not accepted. Trying once more with a fresh token."]


def test_a_second_token_that_is_not_accepted_is_the_end(world):
    one = world(quota(0), stale_token(), quota(0), stale_token())

    with pytest.raises(AuthError):
        one.ask()

    assert one.attempts.count == 4


def test_a_lost_answer_after_others_is_the_end_too(world):
    one = world(quota(0), LOST, quota(0))

    with pytest.raises(UnknownError):
        one.ask()

    assert one.attempts.count == 2
    assert one.attempts.maybe_drawn


@pytest.mark.parametrize(
    ("error", "maybe_drawn"),
    [
        (None, True),
        (LOST, True),
        (KeyboardInterrupt(), True),
        (SystemExit(143), True),
        (RuntimeError(), True),
        (FILTERED, False),
        (quota(999), False),
        (failure(999), False),
        (AuthError("No.", code="no_permission"), False),
        (NOT_STORED, True),
    ],
)
def test_a_picture_may_have_been_drawn_unless_the_answer_says_otherwise(world, error, maybe_drawn):
    one = world(error)
    assert not one.attempts.maybe_drawn

    if error is None:
        one.ask()
    else:
        with pytest.raises(type(error)):
            one.ask()

    assert one.attempts.maybe_drawn is maybe_drawn


def test_a_request_that_is_cut_short_still_has_its_length(world):
    one = world(quota(5), KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        one.ask()

    assert (one.attempts.count, one.attempts.seconds) == (2, 2.0)


def test_waits_between_attempts_are_no_part_of_the_length(world):
    one = world(quota(50))
    one.ask()

    assert one.attempts.seconds == 2.0
