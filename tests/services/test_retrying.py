import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import AuthError, MaiError, RefusedError, Retry, UnavailableError, UnknownError
from mai_cli.services.retrying import Attempts, Patience, ask

FILTERED = RefusedError("The content filter declined it.", code="content_filter")
LOST = UnknownError("The answer was lost.", code="lost_answer", retry=Retry.IF_TOLD)
NOT_STORED = UnknownError("No place could take it.", code="not_stored")


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
    """A clock that sleeping moves, and a service that does what it is told, then answers.

    Each request takes 2 seconds.
    """

    def __init__(self, answer, *todo, jitter=1.0):
        self.answer = answer
        self.todo = list(todo)
        self.jitter = jitter
        self.now = 1000.0
        self.slept = []
        self.told = []
        self.attempts = Attempts()

    def ask(self, **patience):
        return ask(
            self.send,
            self.attempts,
            patience=Patience(**patience),
            tell=self.told.append,
            sleep=self.sleep,
            clock=lambda: self.now,
            jitter=lambda: self.jitter,
        )

    def send(self):
        assert self.attempts.maybe_drawn
        self.now += 2
        if self.todo and (error := self.todo.pop(0)):
            raise error
        return self.answer

    def sleep(self, seconds):
        assert not self.attempts.maybe_drawn
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def world(answer):
    return lambda *todo, **options: World(answer, *todo, **options)


def test_an_answer_is_asked_for_once(world, answer):
    one = world()

    assert one.ask() is answer
    assert (one.attempts.count, one.attempts.seconds) == (1, 2.0)
    assert (one.slept, one.told) == ([], [])


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
    assert one.slept == [1.0, 2.0]


def test_the_service_says_how_long_to_wait(world, answer):
    one = world(quota(7), failure(0), quota(), quota(30.5))

    assert one.ask() is answer
    assert one.slept == [7, 0, 4.0, 30.5]
    assert one.told == [
        "The quota is used up. Trying again in 7 s.",
        "The service failed. Trying again in 0 s.",
        "The quota is used up. Trying again in 4 s.",
        "The quota is used up. Trying again in 31 s.",
    ]


def test_waits_double_up_to_a_longest_one(world):
    one = world(*[quota()] * 7)
    one.ask(longest_wait=20)

    assert one.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 20, 20]


@pytest.mark.parametrize(("jitter", "slept"), [(0.0, [0.5, 1, 2]), (0.5, [0.75, 1.5, 3])])
def test_jitter_shortens_a_wait_to_its_half_at_most(world, jitter, slept):
    one = world(*[quota()] * 3, jitter=jitter)
    one.ask()

    assert one.slept == slept


@given(attempts=st.integers(1, 100), jitter=st.floats(0, 1))
@settings(deadline=None)
def test_any_jitter_keeps_a_wait_within_its_bounds(attempts, jitter):
    patience = Patience()
    longest = min(patience.longest_wait, 2 ** (attempts - 1))

    assert longest / 2 <= patience.wait(quota(), attempts, lambda: jitter) <= longest
    assert patience.wait(quota(7.5), attempts, lambda: jitter) == 7.5


@pytest.mark.parametrize(("error", "most"), [(quota(0), 8), (failure(0), 5)])
def test_tries_are_limited_and_the_last_failure_is_told(world, error, most):
    one = world(*[error] * 20)

    with pytest.raises(UnavailableError) as caught:
        one.ask()

    assert caught.value is error
    assert one.attempts.count == most
    assert len(one.slept) == most - 1


@pytest.mark.parametrize(
    ("seconds", "slept"), [(100, 3), (301, 0), (300, 1), (149, 2), (float("inf"), 0)]
)
def test_waiting_is_limited_and_never_begun_in_vain(world, seconds, slept):
    one = world(*[quota(seconds)] * 20)

    with pytest.raises(UnavailableError):
        one.ask()

    assert one.slept == [seconds] * slept
    assert one.attempts.count == slept + 1


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
