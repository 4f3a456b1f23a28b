import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    MaiError,
    RefusedError,
    Retry,
    StoppedError,
    StorageError,
    UnavailableError,
    UnknownError,
    UsageError,
)
from mai_cli.models.answer import Answer, Kept
from mai_cli.models.batch import Action, Drawn, Ended, Result, State, Step
from mai_cli.models.catalogue import find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.lock import LockedAsset
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.outcome import Outcome
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.services import batching
from mai_cli.services.batching import PATIENCE, Batch, Lane, Terms
from mai_cli.services.finishing import Finished
from mai_cli.services.generation import Generation, Order
from mai_cli.services.lining import FRESH_SECONDS
from mai_cli.services.outputs import Target, Targets
from mai_cli.services.queueing import Queue, Route

MANIFEST = "/site/assets.toml"
ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")
SECONDS = 20  # for what should take none; then it hangs
PATIENT_SECONDS = 1  # then what waits in vain is let go

FILTERED = RefusedError("Declined.", code="content_filter")
BLOCKED = RefusedError("Blocked.", code="resource_blocked")
LOST = UnknownError("Lost.", code="lost_answer", retry=Retry.IF_TOLD)
QUOTA = UnavailableError("Used up.", code="quota", retry=Retry.LATER)
QUOTA_ENDED = UnavailableError("Used up for too long.", code="quota", retry=Retry.LATER)
DOWN = UnavailableError("Down.", code="no_connection")
DENIED = AuthError("No.", code="bad_credential")
UNSET = ConfigError("Elsewhere.", code="redirected")
DEAR = BudgetError("Too dear.", code="over_budget")
STOPPED = StoppedError("Stopped.", code="stopped")
FULL = StorageError("Full.", code="lock_failed")
HICCUP = UnavailableError("Once more.", code="service_failure", retry=Retry.SOON)

DANGER = "Nothing more is sent: going on could lock the resource for days."
USELESS = "Nothing more is sent, since what comes could not be kept."
TOLD_SO = "Nothing more is sent, as --fail-fast says."


class Slot:
    """``ends`` is how it ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def accepted(self, _seconds: float) -> None:
        self.ends.append("accepted")

    def refused(self, _retry_after: float | None) -> float:
        self.ends.append("refused")
        return 0.0

    def ended(self) -> None:
        self.ends.append("ended")

    def give_back(self) -> None:
        self.ends.append("given back")


class Pace:
    """Of one deployment; ``gate`` may be shut, and ``error`` is what keeps it from opening."""

    def __init__(self, stopping: threading.Event) -> None:
        self.stopping = stopping
        self.slots: list[Slot] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.patience: set[float] = set()
        self.seconds = 0.0

    def turn(self, patience_seconds: float) -> Slot:
        if self.seconds:
            time.sleep(self.seconds)
        self.patience.add(patience_seconds)
        while not self.gate.wait(0.005):
            if self.stopping.is_set():
                raise STOPPED
        if self.stopping.is_set():
            raise STOPPED
        if self.error:
            raise self.error
        self.slots.append(Slot())
        return self.slots[-1]


class Painter:
    """What draws in one lane; how each picture ends is in ``world.todo``."""

    def __init__(self, world: "World", lane: int) -> None:
        self.world = world
        self.lane = lane

    def one(self, order: Order, request: ImageRequest, number: None, pace) -> Iterator[Outcome]:
        assert number is None
        world, name = self.world, order.batch["asset"]
        world.orders[name] = order
        if problem := world.unsent.get(name):
            raise problem
        while True:
            slot = pace.turn(PATIENCE.max_wait)
            try:
                with world.flight(name, self.lane, request.deployment):
                    end = world.todo.get(name)
                    error = end(self.lane) if callable(end) else end
            except BaseException:
                slot.ended()
                raise
            if error is QUOTA:
                slot.refused(None)
            elif error is HICCUP:
                slot.ended()
            else:
                break
        if error and not isinstance(error, StorageError):
            slot.ended()
        else:
            slot.accepted(1.0)
        yield world.outcome(name, request, error)
        if name in world.again:
            yield from self.one(order, request, number, pace)


class World:
    """The parts of a batch, each of which tells what it does."""

    def __init__(self, lanes: int = 1) -> None:
        self.stopping = threading.Event()
        self.lanes = lanes
        self.now = 0.0
        self.request = ImageRequest("a fox", "one", find("mai-image-26"))
        self.paces: dict[tuple[int, str], Pace] = {}
        self.todo: dict[str, MaiError | Callable[[int], MaiError | None] | None] = {}
        self.unsent: dict[str, MaiError] = {}
        self.wrong: dict[str, BaseException] = {}
        self.again: set[str] = set()
        self.exports: dict[str, Callable[[], MaiError | None]] = {}
        self.orders: dict[str, Order] = {}
        self.sent: list[tuple[str, int, str]] = []
        self.told: list[str] = []
        self.hung_up: list[int] = []
        self.prepared: list[str] = []
        self.in_flight: list[str] = []
        self.most = 0
        self.exporting = self.most_exporting = 0
        self.lock: dict[str, LockedAsset] = {}
        self.written: dict[str, LockedAsset] = {}
        self.writes = 0
        self.lock_fails: Callable[[int], bool] = lambda _: False
        self.lock_errors = [FULL]
        self.ended: list[Ended] = []
        self.watch: Callable[[Ended], object] = lambda _: None
        self.release = threading.Event()
        self.guard = threading.Lock()

    def batch(self, **terms) -> Batch:
        terms = {"concurrency": 2, "exporters": 2} | terms
        lanes = [
            Lane(
                Painter(self, lane),
                lambda deployment, lane=lane: self.pace(lane, deployment),
                ENDPOINT,
                f"profile {lane}",
                lambda lane=lane: self.hung_up.append(lane),
            )
            for lane in range(self.lanes)
        ]
        return Batch(
            lanes=lanes,
            request=self.make,
            finishing=self,
            lock_file=self,
            terms=Terms(MANIFEST, **terms),
            tell=self.told.append,
            stopping=self.stopping,
            clock=lambda: self.now,
        )

    def run(self, steps: Sequence[Step], batch: Batch | None = None, **terms) -> list[Ended]:
        """All that is yielded; it fails if it hangs, and raises what is raised."""
        batch = batch or self.batch(**terms)
        problems: list[BaseException] = []

        def work() -> None:
            try:
                for ended in batch.run(steps):
                    self.ended.append(ended)
                    self.watch(ended)
            except BaseException as error:  # noqa: BLE001 - raised below
                problems.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(SECONDS)
        assert not thread.is_alive(), f"it hangs after {self.ended}"
        if problems:
            raise problems[0]
        return self.ended

    @property
    def results(self) -> dict[str, str]:
        return {ended.name: str(ended.result) for ended in self.ended}

    @property
    def restored(self) -> list[str]:
        return [ended.name for ended in self.ended if ended.result is Result.RESTORED]

    @property
    def slots(self) -> Counter[tuple[str, ...]]:
        return Counter(tuple(slot.ends) for pace in self.paces.values() for slot in pace.slots)

    def pace(self, lane: int, deployment: str) -> Pace:
        return self.paces.setdefault((lane, deployment), Pace(self.stopping))

    def make(self, asset: Asset, lane: int) -> ImageRequest:
        if asset.name in self.wrong:
            raise self.wrong[asset.name]
        return replace(self.request, prompt=asset.prompt, deployment=f"of {lane}")

    @contextmanager
    def flight(self, name: str, lane: int, deployment: str) -> Iterator[None]:
        with self.guard:
            self.sent.append((name, lane, deployment))
            self.in_flight.append(name)
            self.most = max(self.most, len(self.in_flight))
        try:
            yield
        finally:
            with self.guard:
                self.in_flight.remove(name)

    def hang(self, _lane: int = 0) -> None:
        assert self.release.wait(SECONDS)

    def outcome(self, name: str, request: ImageRequest, error: MaiError | None) -> Outcome:
        record = Record.sent(
            request, id=f"id of {name}", created_at=datetime(2026, 11, 22, tzinfo=UTC), endpoint="x"
        )
        if error and not isinstance(error, StorageError):
            return Outcome(record.failed(error, seconds=1, attempts=1), error=error)
        master = Master(f"{name}.png", "/gallery", name, 1, 1, 1, content_credentials=False)
        made = replace(record, status="ok", master=master, cost_usd=0.04)
        return Outcome(made, Path(f"/gallery/{name}.png"), error)

    def prepare(self, steps: Sequence[Step]) -> None:
        self.prepared = [step.name for step in steps]
        if "prepare" in self.wrong:
            raise self.wrong["prepare"]

    def targets(self, step: Step) -> Targets:
        return Targets([Target(Path(output.path), is_folder=False) for output in step.outputs])

    def drawn(self, step: Step, request: str, outcome: Outcome) -> Finished:
        if "drawn" in self.wrong:
            raise self.wrong["drawn"]
        ended = Ended.of(step.name, outcome, step.asset.alt)
        return Finished(ended, self.locked(step, request) if outcome.record.master else None)

    def locked(self, step: Step, request: str) -> LockedAsset:
        return LockedAsset(request, f"master of {step.name}")

    def export(self, step: Step) -> Finished:
        with self.guard:
            self.exporting += 1
            self.most_exporting = max(self.most_exporting, self.exporting)
        error = self.exports.get(step.name, lambda: None)()
        with self.guard:
            self.exporting -= 1
        if error:
            return Finished(Ended(step.name, Result.FAILED, error=error))
        return Finished(Ended(step.name, Result.RESTORED), self.locked(step, step.drawn.request))

    def change(self, changed: Mapping[str, LockedAsset]) -> None:
        self.writes += 1
        self.lock |= changed
        if self.lock_fails(self.writes):
            raise self.lock_errors.pop(0)
        self.written = dict(self.lock)


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.stopping.set()
        world.release.set()


@pytest.fixture
def world(worlds) -> World:
    worlds.append(World())
    return worlds[-1]


@pytest.fixture
def two(worlds) -> World:
    worlds.append(World(lanes=2))
    return worlds[-1]


def draw(name: str, *deployments: str, **facts) -> Step:
    asset = Asset(name, f"a {name}", f"asset {name}", **facts)
    return Step(name, State.NEW, Action.DRAW, asset=asset, deployments=deployments or ("one",))


def draws(count: int, *deployments: str) -> list[Step]:
    return [draw(f"{number}", *deployments) for number in range(count)]


def export(name: str) -> Step:
    drawn = Drawn({}, Path("/gallery/x.png"), f"request of {name}")
    asset = Asset(name, f"a {name}", f"asset {name}")
    return Step(name, State.RESTORABLE, Action.EXPORT, asset=asset, drawn=drawn)


def wait_for(thing: threading.Event | threading.Barrier) -> Callable[..., None]:
    """What waits for ``thing`` and then makes a picture."""

    def wait(*_: object) -> None:
        thing.wait(SECONDS)

    return wait


def eventually(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(holds())


def of(result: Result, *names: object) -> dict[str, str]:
    return {str(name): str(result) for name in names}


def names(ended: Sequence[Ended]) -> list[str]:
    return sorted(one.name for one in ended)


def test_everything_is_drawn_or_exported_once_and_locked(world):
    steps = [*draws(5), export("a"), export("b")]
    world.run(steps)

    assert names(world.ended) == ["0", "1", "2", "3", "4", "a", "b"]
    assert world.results == of(Result.MADE, *range(5)) | of(Result.RESTORED, "a", "b")
    assert sorted(name for name, _, _ in world.sent) == ["0", "1", "2", "3", "4"]
    assert world.prepared == [step.name for step in steps]
    assert world.lock == world.written
    assert world.lock == {
        step.name: LockedAsset(
            f"request of {step.name}"
            if step.action is Action.EXPORT
            else world.make(step.asset, 0).digest,
            f"master of {step.name}",
        )
        for step in steps
    }
    assert world.slots == {("accepted",): 5}
    assert world.told == []


def test_nothing_to_do_ends_at_once_and_writes_nothing(world):
    assert world.run([]) == []
    assert world.writes == 0
    assert world.paces == {}


def test_what_nothing_is_done_about_comes_first_and_before_anything_is_sent(world):
    steps = [
        draw("new"),
        Step("good", State.UP_TO_DATE, Action.NONE),
        Step("held", State.NEW, Action.HOLD, "sent at noon and never answered, id b7"),
        Step("real", State.CHANGED, Action.NONE, "it changed; --offline leaves it alone"),
        Step("old", State.LEFT_OVER, Action.PRUNE),
        Step("older", State.LEFT_OVER, Action.NONE),
    ]
    endings = world.batch().run(steps)
    good, held, real = (next(endings) for _ in range(3))

    assert good == Ended("good", Result.UP_TO_DATE)
    assert held == Ended("held", Result.UNKNOWN, error=held.error)
    assert (held.error.code, held.error.message) == (
        "lost_answer",
        "Sent at noon and never answered, id b7; it may have been billed.",
    )
    assert real == Ended(
        "real", Result.NOT_SENT, notes=("real: it changed; --offline leaves it alone.",)
    )
    assert world.sent == []
    assert names(endings) == ["new"]


def test_what_cannot_be_written_is_found_out_before_anything_is_sent(world):
    world.wrong["prepare"] = UsageError("No.", code="bad_output")
    with pytest.raises(UsageError):
        world.run([*draws(2), Step("good", State.UP_TO_DATE, Action.NONE)])

    assert (world.ended, world.sent, world.paces) == ([], [], {})


def test_each_picture_is_ordered_with_all_that_holds_for_it(world):
    outputs = (AssetOutput("hero.png", Recipe("png")),)
    step = replace(draw("hero", tags=("a",), alt="A fox.", outputs=outputs), outputs=outputs)
    world.run([step], metadata=False, private=True, retry_lost=True)

    request = world.make(step.asset, 0)
    assert world.orders["hero"] == Order(
        [request],
        Targets([Target(Path("hero.png"), is_folder=False)]),
        ENDPOINT,
        profile="profile 0",
        metadata=False,
        private=True,
        tags=("a",),
        batch={"manifest": MANIFEST, "asset": "hero", "request": request.digest},
        alt="A fox.",
        retry_lost=True,
        patience=PATIENCE,
    )
    assert world.paces[0, "one"].patience == {PATIENCE.max_wait}


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_as_many_as_allowed_are_in_flight_and_never_more(worlds, lanes, concurrency):
    world = World(lanes)
    worlds.append(world)
    meeting = threading.Barrier(concurrency)
    steps = draws(3 * concurrency, *["one", "two", "one"][:lanes])
    for step in steps:
        world.todo[step.name] = lambda _: (meeting.wait(SECONDS), None)[1]

    world.run(steps, concurrency=concurrency)

    assert world.results == of(Result.MADE, *range(3 * concurrency))
    assert world.most == concurrency


@pytest.mark.parametrize(("exporters", "most"), [(1, 1), (3, 3), (16, 5)])
def test_as_many_as_allowed_are_exported_at_once(world, exporters, most):
    meeting = threading.Barrier(most)
    steps = [export(f"{number}") for number in range(most * (3 if most < 5 else 1))]
    world.exports = {step.name: lambda: (meeting.wait(SECONDS), None)[1] for step in steps}

    world.run(steps, exporters=exporters)

    assert world.most_exporting == most


def test_exports_do_not_wait_for_what_is_drawn_nor_the_other_way_round(world):
    done = threading.Event()
    world.exports["export"] = world.hang
    world.todo["0"] = wait_for(done)
    world.watch = lambda _: world.release.set()

    def finish(lane: int) -> None:
        done.set()

    world.todo["1"] = finish
    world.run([export("export"), *draws(2)])

    assert world.results == of(Result.RESTORED, "export") | of(Result.MADE, 0, 1)


def test_a_faster_lane_draws_more(two):
    two.pace(0, "slow").gate.clear()
    two.watch = lambda _: two.pace(0, "slow").gate.set() if len(two.ended) == 9 else None
    two.todo["last"] = lambda _: two.hang()
    two.run([*draws(9, "slow", "fast"), draw("own", "slow", "gone")], concurrency=2)

    assert Counter(lane for name, lane, _ in two.sent if name != "own") == {1: 9}
    assert len(two.ended) == 10


@contextmanager
def opened_at_last(pace: Pace) -> Iterator[None]:
    """Let nothing hang that waits for ``pace`` where it should not."""
    timer = threading.Timer(PATIENT_SECONDS, pace.gate.set)
    timer.start()
    yield
    timer.cancel()


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_a_lane_that_waits_for_its_quota_leaves_room_to_the_other(two, concurrency):
    slow = two.pace(0, "slow")
    slow.gate.clear()
    with opened_at_last(slow):
        two.run(draws(6, "slow", "fast"), concurrency=concurrency)

    assert Counter(lane for _, lane, _ in two.sent) == {1: 6}


@pytest.mark.parametrize("concurrency", [2, 4])
def test_pictures_that_wait_for_their_quota_again_leave_room_to_the_other_lane(two, concurrency):
    slow, fast = two.pace(0, "slow"), two.pace(1, "fast")
    fast.gate.clear()
    two.pace(1, "closed").error = DOWN
    meeting = threading.Barrier(concurrency - 1, lambda: (slow.gate.clear(), fast.gate.set()))
    own = [draw(f"own {number}", "slow", "closed") for number in range(concurrency - 1)]
    answers = {step.name: [None, QUOTA] for step in own}

    def use_up(name: str) -> MaiError | None:
        if len(answers[name]) > 1:
            meeting.wait(SECONDS)
        return answers[name].pop()

    two.todo = {step.name: lambda _, name=step.name: use_up(name) for step in own}
    two.watch = lambda _: slow.gate.set() if len(two.ended) == 30 else None
    with opened_at_last(slow):
        two.run([*own, *draws(30, "slow", "fast")], concurrency=concurrency)

    assert Counter(lane for name, lane, _ in two.sent if name.isdecimal()) == {1: 30}


def test_a_lane_that_is_closed_strands_only_what_has_no_other_way(two):
    two.pace(0, "own").error = QUOTA
    two.pace(0, "shared").error = QUOTA
    steps = [
        *(draw(f"own {number}", "own", "own") for number in range(3)),
        *(draw(f"shared {number}", "shared", "other") for number in range(3)),
        draw("open", "open", "gone"),
    ]
    two.pace(1, "own").error = DOWN
    two.pace(1, "gone").error = DOWN
    two.run(steps)

    assert two.results == (
        of(Result.NOT_SENT, "own 0", "own 1", "own 2")
        | of(Result.MADE, "shared 0", "shared 1", "shared 2", "open")
    )
    assert {one.error for one in two.ended if one.error} <= {QUOTA, DOWN}
    assert {(name, lane) for name, lane, _ in two.sent} == {
        *(("shared 0", 1), ("shared 1", 1), ("shared 2", 1), ("open", 0)),
    }


def test_with_its_only_lane_closed_nothing_is_sent_and_the_run_ends(world):
    world.pace(0, "one").error = QUOTA
    ended = world.run(draws(3))

    assert sorted(ended, key=lambda one: one.name) == [
        Ended(f"{number}", Result.NOT_SENT, error=QUOTA) for number in range(3)
    ]
    assert world.sent == []


@pytest.mark.parametrize("error", [DENIED, UNSET])
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_lane_that_is_not_let_in_is_closed_and_the_other_goes_on(two, error, is_sent):
    own, shared = [draw(f"own {n}", "one", "gone") for n in range(3)], draws(6, "one", "two")
    two.pace(1, "gone").error = DOWN

    def refuse(lane: int) -> MaiError | None:
        if lane == 0 and not is_sent:
            raise error
        return error if lane == 0 else None

    two.todo = {step.name: refuse for step in [*own, *shared]}
    two.run([*own, *shared], concurrency=1, exporters=0)

    assert names(two.ended) == names([*own, *shared])
    assert sum(lane == 0 for _, lane, _ in two.sent) == 1
    for one in two.ended:
        if one.name.startswith("own"):
            assert one.result in {Result.FAILED, Result.NOT_SENT}
            assert one.error in {error, DOWN}
        else:
            assert one.result is Result.MADE
    assert two.told in ([], [f"{error.message} The other profiles take over."])


@pytest.mark.parametrize("error", [DENIED, UNSET, QUOTA_ENDED])
def test_a_picture_goes_to_the_other_lane_if_one_is_not_let_in(two, error):
    two.pace(1, "two").gate.clear()

    def refuse(lane: int) -> MaiError | None:
        two.pace(1, "two").gate.set()
        return error if lane == 0 else None

    two.todo = {"0": refuse}
    two.run(draws(1, "one", "two"), fail_fast=True)

    assert two.results == of(Result.MADE, 0)
    assert [(name, lane) for name, lane, _ in two.sent] == [("0", 0), ("0", 1)]
    assert two.told == [f"{error.message} The other profiles take over."]
    assert two.slots == {("ended",): 1, ("accepted",): 1}


@pytest.mark.parametrize("error", [DENIED, QUOTA_ENDED])
def test_a_picture_that_no_lane_lets_in_failed(two, error):
    two.todo = {f"{number}": error for number in range(3)}
    two.run(draws(3, "one", "two"), concurrency=1)

    results = Counter(two.results.values())
    assert results["made"] == 0
    assert results["failed"] >= 1
    assert {one.error for one in two.ended} == {error}


def test_a_quota_that_is_used_up_for_too_long_closes_its_deployment_only(two):
    two.pace(1, "two").gate.clear()
    two.pace(0, "other").gate.clear()
    two.pace(1, "shut").gate.clear()

    def use_up(lane: int) -> MaiError | None:
        two.pace(1, "two").gate.set()
        return QUOTA_ENDED if lane == 0 else None

    two.todo = {"shared": use_up}
    two.watch = lambda _: two.pace(0, "other").gate.set()
    two.run([draw("shared", "one", "two"), draw("other", "other", "shut")])

    assert two.results == of(Result.MADE, "shared", "other")
    assert [(name, lane) for name, lane, _ in two.sent] == [
        *(("shared", 0), ("shared", 1), ("other", 0)),
    ]


def test_a_lane_that_is_not_let_in_is_closed_for_all_of_its_deployments(two):
    two.pace(0, "other").gate.clear()
    two.pace(1, "closed").error = DOWN
    two.todo = {"0": lambda lane: DENIED if lane == 0 else None}
    two.watch = lambda ended: ended.name == "0" and two.pace(0, "other").gate.set()
    two.run([draw("0", "one", "two"), draw("other", "other", "closed")])

    assert two.results == of(Result.MADE, 0) | of(Result.NOT_SENT, "other")


def test_a_picture_goes_to_the_other_lane_even_if_that_had_nothing_left_to_do(two):
    two.pace(1, "two").gate.clear()

    def refuse(lane: int) -> MaiError | None:
        two.pace(1, "two").gate.set()
        time.sleep(0.1)  # the other lane finds nothing
        return DENIED if lane == 0 else None

    two.todo = {"0": refuse}
    two.run(draws(1, "one", "two"), exporters=0)

    assert two.results == of(Result.MADE, 0)
    assert [(name, lane) for name, lane, _ in two.sent] == [("0", 0), ("0", 1)]


def test_that_others_take_over_is_told_once(two):
    two.pace(1, "two").gate.clear()
    both = threading.Barrier(2)

    def refuse(lane: int) -> MaiError | None:
        if lane == 0:
            both.wait(SECONDS)
            two.pace(1, "two").gate.set()
        return DENIED if lane == 0 else None

    two.todo = {"0": refuse, "1": refuse}
    two.run(draws(2, "one", "two"), concurrency=3)

    assert two.results == of(Result.MADE, 0, 1)
    assert two.told == ["No. The other profiles take over."]


def test_a_picture_that_would_go_to_another_lane_is_not_sent_after_a_stop(two, monkeypatch):
    def put_back_late(queue: Queue, step: Step) -> list[Route]:
        time.sleep(0.05)
        return put_back(queue, step)

    put_back = Queue.put_back
    monkeypatch.setattr(Queue, "put_back", put_back_late)
    two.pace(1, "two").gate.clear()
    batch = two.batch(concurrency=1)

    def refuse(_lane: int) -> MaiError:
        batch.drain()
        assert eventually(lambda: len(two.ended) == 2)
        return DENIED

    two.todo = {f"{number}": refuse for number in range(3)}
    two.run(draws(3, "one", "two"), batch)

    assert two.results == of(Result.NOT_SENT, 0, 1, 2)
    assert names(two.ended) == ["0", "1", "2"]


def test_every_picture_has_its_chance_whatever_becomes_of_the_others(world):
    failures = [FILTERED, LOST, DOWN, QUOTA_ENDED, FILTERED]
    world.todo = {f"{number}": error for number, error in enumerate(failures)}
    world.run(draws(7))

    assert world.results == (
        of(Result.REFUSED, 0, 4)
        | of(Result.UNKNOWN, 1)
        | of(Result.FAILED, 2, 3)
        | of(Result.MADE, 5, 6)
    )
    assert world.lock.keys() == {"5", "6"}
    assert world.told == []


def test_a_picture_that_has_no_request_fails_alone_and_its_slot_is_given_back(world):
    world.wrong["1"] = UsageError("Torn.", code="bad_image")
    world.run(draws(3))

    assert world.results == of(Result.MADE, 0, 2) | of(Result.FAILED, 1)
    assert world.slots == {("accepted",): 2, ("given back",): 1}


def test_what_is_beyond_a_limit_is_not_sent_and_what_is_cheaper_has_its_chance(world):
    world.unsent = {"1": DEAR, "3": DEAR}
    world.run(draws(5))

    assert world.results == of(Result.MADE, 0, 2, 4) | of(Result.NOT_SENT, 1, 3)
    assert {one.error for one in world.ended if one.result is Result.NOT_SENT} == {DEAR}
    assert world.slots == {("accepted",): 3, ("given back",): 2}


def test_what_may_have_been_billed_twice_has_no_known_cost(world):
    world.again = {"0"}
    answers = [LOST, None]

    def answer(_lane: int) -> MaiError | None:
        error = answers.pop(0)
        world.again.clear() if error is None else None
        return error

    world.todo["0"] = answer
    (ended,) = world.run(draws(1))

    assert (ended.result, ended.cost_usd) == (Result.MADE, None)
    assert world.slots == {("ended",): 1, ("accepted",): 1}


def test_what_was_lost_stays_unknown_where_it_is_not_asked_for_again(world):
    world.again = {"0"}

    def answer(_lane: int) -> MaiError | None:
        world.unsent["0"] = DEAR
        return LOST

    world.todo["0"] = answer
    (ended,) = world.run(draws(1))

    assert (ended.result, ended.error, ended.cost_usd) == (Result.UNKNOWN, LOST, None)


@pytest.mark.parametrize("last", [FILTERED, DOWN, QUOTA_ENDED, DENIED, LOST])
def test_what_was_lost_stays_unknown_where_no_picture_came_of_asking_again(two, last):
    two.again = {"0"}
    answers = [LOST, last]
    made = []

    def answer(_lane: int) -> MaiError | None:
        if len(answers) == 1:
            two.again.clear()
        return answers.pop(0)

    def outcome(name: str, request: ImageRequest, error: MaiError | None) -> Outcome:
        made.append(World.outcome(two, name, request, error))
        return made[-1]

    two.outcome = outcome
    two.todo["0"] = answer
    (ended,) = two.run(draws(1, "one", "one"))

    assert (ended.result, ended.error, ended.cost_usd) == (Result.UNKNOWN, LOST, None)
    assert ended.record == made[0].record.to_json()
    assert len(two.sent) == 2


def test_a_blocked_resource_stops_it_also_where_it_is_met_after_a_loss(world):
    world.again = {"0"}
    answers = [LOST, BLOCKED]

    def answer(_lane: int) -> MaiError | None:
        if len(answers) == 1:
            world.again.clear()
        return answers.pop(0)

    world.todo["0"] = answer
    world.run(draws(3), concurrency=1)

    assert world.results == of(Result.UNKNOWN, 0) | of(Result.NOT_SENT, 1, 2)
    assert world.told == [DANGER]


def test_a_refusal_counts_also_where_it_is_met_after_a_loss(world):
    answers = [LOST, FILTERED]

    def answer(_lane: int) -> MaiError | None:
        if len(answers) == 1:
            world.again.clear()
        return answers.pop(0)

    world.again = {"0"}
    world.todo = {f"{number}": FILTERED for number in range(9)} | {"0": answer}
    world.run(draws(9), concurrency=1)

    assert world.results == (
        of(Result.UNKNOWN, 0) | of(Result.REFUSED, *range(1, 5)) | of(Result.NOT_SENT, *range(5, 9))
    )


def test_an_asset_is_in_the_lock_on_disk_before_it_is_told(world):
    seen = []
    world.watch = lambda ended: seen.append(ended.name in world.written)
    world.run([*draws(20), *(export(f"export {number}") for number in range(5))])

    assert seen == [True] * 25


def test_what_was_in_the_lock_stays_there(world):
    world.lock = {"old": LockedAsset("x", "y")}
    world.run(draws(2))

    assert world.written.keys() == {"old", "0", "1"}
    assert world.written["old"] == LockedAsset("x", "y")


def test_what_has_no_picture_does_not_touch_the_lock(world):
    world.todo = {"0": FILTERED, "1": LOST}
    world.run(draws(2))

    assert (world.writes, world.lock) == (0, {})


def test_a_lock_that_cannot_be_written_stops_the_sending_and_loses_nothing(world):
    world.lock_fails = lambda number: number == 1
    world.todo["1"] = world.hang
    world.watch = lambda ended: ended.name == "0" and world.release.set()
    with pytest.raises(StorageError) as caught:
        world.run(draws(9), concurrency=1)

    assert caught.value is FULL
    made = {one.name for one in world.ended if one.result is Result.MADE}
    assert names(world.ended) == [f"{number}" for number in range(9)]
    assert made == {name for name, _, _ in world.sent}
    assert {"0"} <= made <= {"0", "1"}
    assert world.lock.keys() == made
    assert set(world.results.values()) == {"made", "not_sent"}


def test_of_several_failures_of_the_lock_the_first_is_told(world):
    in_flight = threading.Barrier(2)
    first = threading.Event()
    world.lock_fails = lambda _: True
    world.lock_errors.append(StorageError("Fuller.", code="lock_failed"))
    world.todo = {
        "0": wait_for(in_flight),
        "1": lambda _: (in_flight.wait(SECONDS), wait_for(first)())[1],
    }
    world.watch = lambda _: first.set()
    with pytest.raises(StorageError) as caught:
        world.run(draws(2))

    assert caught.value is FULL
    assert (world.writes, world.lock_errors) == (2, [])


def test_a_lock_that_can_be_written_again_gets_all_that_it_missed(world):
    in_flight = threading.Barrier(2)
    first = threading.Event()
    world.lock_fails = lambda number: number == 1
    world.todo = {
        "0": lambda _: (in_flight.wait(SECONDS), None)[1],
        "1": lambda _: (in_flight.wait(SECONDS), wait_for(first)())[1],
    }
    world.watch = lambda _: first.set()
    with pytest.raises(StorageError):
        world.run(draws(2))

    assert world.written.keys() == world.lock.keys() == {"0", "1"}


def test_after_five_refusals_in_a_row_nothing_more_is_sent(world):
    world.todo = {f"{number}": FILTERED for number in range(9)}
    world.run(draws(9), concurrency=1)

    assert world.results == of(Result.REFUSED, *range(5)) | of(Result.NOT_SENT, *range(5, 9))
    assert world.told == [DANGER]
    assert Counter(one.error for one in world.ended) == {FILTERED: 5, None: 4}


@pytest.mark.parametrize("other", [None, DOWN, LOST])
def test_refusals_that_are_not_in_a_row_stop_nothing(world, other):
    world.todo = {f"{number}": FILTERED for number in range(9)} | {"4": other}
    world.run(draws(9), concurrency=1)

    assert Counter(world.results.values())["refused"] == 8
    assert world.told == []


def test_refusals_of_all_lanes_are_in_one_row(two):
    def refuse(lane: int) -> MaiError:
        two.pace(lane, "one").gate.clear()
        two.pace(1 - lane, "one").gate.set()
        return FILTERED

    two.pace(1, "one").gate.clear()
    two.todo = {f"{number}": refuse for number in range(9)}
    two.run(draws(9, "one", "one"), concurrency=2)

    assert Counter(two.results.values()) == {"refused": 5, "not_sent": 4}
    assert Counter(lane for _, lane, _ in two.sent) in ({0: 3, 1: 2}, {0: 2, 1: 3})


def test_an_export_is_no_answer_and_breaks_no_row_of_refusals(world):
    refused = threading.Event()

    def refuse_the_fifth(_lane: int) -> MaiError:
        refused.set()
        assert world.release.wait(SECONDS)
        return FILTERED

    world.exports["export"] = wait_for(refused)
    world.watch = lambda ended: ended.name == "export" and world.release.set()
    world.todo = {f"{number}": FILTERED for number in range(9)} | {"4": refuse_the_fifth}
    world.run([export("export"), *draws(9)], concurrency=1)

    assert Counter(world.results.values()) == {"restored": 1, "refused": 5, "not_sent": 4}


def test_what_was_never_sent_breaks_no_row_of_refusals(world):
    world.todo = {f"{number}": FILTERED for number in range(9)}
    world.unsent["4"] = DEAR
    world.run(draws(9), concurrency=1)

    assert world.results == (of(Result.REFUSED, 0, 1, 2, 3, 5) | of(Result.NOT_SENT, 4, 6, 7, 8))


@pytest.mark.parametrize(
    ("error", "told", "result"),
    [
        (BLOCKED, DANGER, Result.REFUSED),
        (StorageError("Saved.", code="rescued"), USELESS, Result.FAILED),
        (StorageError("No history.", code="history_failed"), USELESS, Result.FAILED),
        (UnknownError("Nowhere.", code="not_stored"), USELESS, Result.UNKNOWN),
    ],
)
def test_where_going_on_would_do_harm_nothing_more_is_sent(world, error, told, result):
    world.todo["1"] = error
    world.run(draws(5), concurrency=1)

    assert world.results == of(Result.MADE, 0) | of(result, 1) | of(Result.NOT_SENT, 2, 3, 4)
    assert world.told == [told]


@pytest.mark.parametrize("error", [FILTERED, DOWN, LOST, DENIED])
def test_the_first_failure_stops_a_run_that_is_told_to(world, error):
    world.todo = {"1": error}
    world.run(draws(5), concurrency=1, fail_fast=True)

    assert world.results == (
        of(Result.MADE, 0)
        | of(Ended.of("1", world.outcome("1", world.request, error)).result, 1)
        | of(Result.NOT_SENT, 2, 3, 4)
    )
    assert world.told == [TOLD_SO]


def test_an_export_that_fails_stops_a_run_that_is_told_to(world):
    world.exports["a"] = lambda: StorageError("No.", code="export_failed")
    world.run([export(name) for name in "abc"], exporters=1, fail_fast=True)

    assert world.results == of(Result.FAILED, "a") | of(Result.NOT_SENT, "b", "c")


def test_an_export_that_fails_stops_nothing_else(world):
    world.exports["a"] = lambda: StorageError("No.", code="export_failed")
    world.run([export("a"), export("b"), *draws(2)], exporters=1)

    assert world.results == (
        of(Result.FAILED, "a") | of(Result.RESTORED, "b") | of(Result.MADE, 0, 1)
    )


def in_the_middle(world: World, steps: Sequence[Step], stop: Callable[[Batch], object], **terms):
    """Run ``steps``; ``stop`` once two are in flight, which then wait for ``release``."""
    batch = world.batch(**terms)
    meeting = threading.Barrier(2, lambda: stop(batch))

    def hang(_lane: int) -> None:
        meeting.wait(SECONDS)
        world.hang()

    world.todo |= {step.name: hang for step in steps if step.action is Action.DRAW}
    return world.run(steps, batch)


def test_a_drain_keeps_what_is_in_flight_and_sends_nothing_new(world):
    def stop(batch: Batch) -> None:
        batch.drain()
        world.release.set()

    in_the_middle(world, draws(9), stop)

    assert names(world.ended) == [f"{number}" for number in range(9)]
    assert Counter(world.results.values()) == {"made": 2, "not_sent": 7}
    assert {one.error for one in world.ended} == {None}
    assert len(world.written) == len(world.sent) == 2
    assert world.hung_up == []


def test_a_drain_tells_at_once_what_is_not_sent(world):
    told = threading.Event()
    world.watch = lambda _: len(world.ended) == 7 and (told.set(), world.release.set())
    in_the_middle(world, draws(9), lambda batch: batch.drain())

    assert told.is_set()
    assert [one.result for one in world.ended] == [Result.NOT_SENT] * 7 + [Result.MADE] * 2


def test_a_drain_may_come_twice_and_before_anything_is_sent(world):
    batch = world.batch()
    batch.drain()
    batch.drain()
    world.run([*draws(3), export("a")], batch)

    assert world.results == of(Result.NOT_SENT, 0, 1, 2, "a")
    assert len(world.ended) == 4
    assert world.sent == []


def test_a_drain_wakes_whoever_waits_for_a_quota(two):
    two.pace(0, "one").gate.clear()
    two.pace(1, "one").gate.clear()
    batch = two.batch()
    threading.Timer(0.05, batch.drain).start()
    two.run(draws(5, "one", "one"), batch)

    assert two.results == of(Result.NOT_SENT, *range(5))
    assert {one.error for one in two.ended} == {None}
    assert two.slots == {}


def test_whoever_stops_listening_lets_what_is_in_flight_be_kept(world):
    flying = threading.Event()

    def hang(_lane: int) -> None:
        flying.set()
        world.hang()

    world.todo = {f"{number}": hang for number in range(1, 9)}
    endings = world.batch().run([*draws(9), Step("good", State.UP_TO_DATE, Action.NONE)])
    assert (next(endings).name, next(endings).name) == ("good", "0")
    flying.wait(SECONDS)
    threading.Timer(0.05, world.release.set).start()
    endings.close()

    assert world.written.keys() == {name for name, _, _ in world.sent}
    assert 2 <= len(world.written) <= 3
    assert ("accepted",) in world.slots


def test_whoever_stops_listening_may_give_up_what_is_in_flight(world, monkeypatch):
    monkeypatch.setattr(batching, "ABORT_SECONDS", 0.05)
    flying = threading.Event()
    world.todo["1"] = lambda _: (flying.set(), world.hang())[1]
    batch = world.batch()
    endings = batch.run(draws(2))
    next(endings)
    flying.wait(SECONDS)
    threading.Timer(0.05, batch.abort).start()
    endings.close()

    assert world.written.keys() == {"0"}


def test_whoever_stops_listening_before_anything_is_sent_waits_for_nothing(world):
    endings = world.batch().run([*draws(9), Step("good", State.UP_TO_DATE, Action.NONE)])
    next(endings)
    endings.close()

    assert world.paces == {}


def test_whoever_waits_for_a_quota_is_no_failure_when_the_run_is_stopped(world):
    batch = world.batch()

    def turn(_patience_seconds: float) -> Slot:
        world.stopping.set()
        raise STOPPED

    world.pace(0, "one").turn = turn
    threading.Timer(0.05, batch.drain).start()

    assert sorted(world.run(draws(3), batch), key=lambda one: one.name) == [
        Ended(f"{number}", Result.NOT_SENT) for number in range(3)
    ]


def test_why_nothing_more_is_sent_is_told_once(world):
    both = threading.Barrier(2)
    world.todo = {
        "0": lambda _: (both.wait(SECONDS), BLOCKED)[1],
        "1": lambda _: (both.wait(SECONDS), world.hang(), BLOCKED)[2],
    }
    world.watch = lambda _: world.release.set()
    world.run(draws(2), fail_fast=True)

    assert world.results == of(Result.REFUSED, 0, 1)
    assert world.told == [DANGER]


def test_an_abort_ends_in_time_even_if_a_request_hangs(world, monkeypatch):
    monkeypatch.setattr(batching, "ABORT_SECONDS", 0.1)
    in_the_middle(world, draws(9), lambda batch: batch.abort())

    hanging = sorted(name for name, _, _ in world.sent)
    assert names(world.ended) == [f"{number}" for number in range(9)]
    assert world.ended[-2:] == [
        Ended(name, Result.UNKNOWN, cost_usd=None, error=one.error)
        for name, one in zip(hanging, world.ended[-2:], strict=True)
    ]
    assert {one.error.code for one in world.ended[-2:]} == {"interrupted"}
    assert Counter(world.results.values()) == {"unknown": 2, "not_sent": 7}
    assert world.hung_up == [0]


def test_an_abort_after_a_drain_keeps_what_comes_in_time(world):
    def stop(batch: Batch) -> None:
        batch.drain()
        batch.abort()
        world.release.set()

    in_the_middle(world, draws(9), stop)

    assert Counter(world.results.values()) == {"made": 2, "not_sent": 7}
    assert len(world.written) == 2


def test_an_abort_cuts_the_connections_of_all_lanes_and_what_they_say_counts(two):
    def stop(batch: Batch) -> None:
        batch.abort()
        two.todo.clear()
        two.release.set()

    cut = UnknownError("Cut off.", code="interrupted")
    batch = two.batch()
    meeting = threading.Barrier(2, lambda: stop(batch))

    def hang(_lane: int) -> MaiError:
        meeting.wait(SECONDS)
        two.hang()
        return cut

    two.todo = {step.name: hang for step in draws(5)}
    two.run(draws(5, "one", "two"), batch)

    assert Counter(one.error for one in two.ended) == {cut: 2, None: 3}
    assert two.hung_up == [0, 1]


def test_an_export_that_is_cut_off_is_nothing_that_may_be_billed(world, monkeypatch):
    monkeypatch.setattr(batching, "ABORT_SECONDS", 0.05)
    batch = world.batch()

    def hang() -> None:
        batch.abort()
        world.hang()

    world.exports["a"] = hang
    (ended,) = world.run([export("a")], batch)

    assert (ended.result, ended.cost_usd) == (Result.NOT_SENT, 0.0)


def test_a_slot_that_was_waited_for_is_used_if_it_is_fresh(world):
    def make(asset: Asset, lane: int) -> ImageRequest:
        world.now += FRESH_SECONDS
        return World.make(world, asset, lane)

    world.make = make
    world.run(draws(1))

    assert world.slots == {("accepted",): 1}


def test_no_slot_is_taken_while_there_is_no_room(world):
    seen = []

    def look(_lane: int) -> None:
        time.sleep(0.05)
        seen.append(len(world.pace(0, "one").slots))

    world.todo = {f"{number}": look for number in range(2)}
    world.run(draws(2), concurrency=1)

    assert seen == [1, 2]


def test_a_slot_for_which_there_is_no_room_any_more_is_given_back(two):
    slow = two.pace(0, "one")
    slow.gate.clear()
    given_back = []

    def open_other(lane: int) -> None:
        slow.gate.set()
        if lane == 1:
            given_back.append(eventually(lambda: slow.slots and slow.slots[0].ends))

    two.todo["0"] = open_other
    two.run(draws(2, "one", "two"), concurrency=1)

    assert given_back == [True]
    assert slow.slots[0].ends == ["given back"]
    assert two.results == of(Result.MADE, 0, 1)


def test_others_may_be_in_flight_while_a_picture_is_finished(world):
    second = threading.Event()

    def drawn(step: Step, request: str, outcome: Outcome) -> Finished:
        assert step.name != "0" or second.wait(SECONDS)
        return World.drawn(world, step, request, outcome)

    world.drawn = drawn
    world.todo["1"] = lambda _: second.set()
    world.run(draws(2), concurrency=1)

    assert world.results == of(Result.MADE, 0, 1)


def test_nothing_is_sent_until_a_failure_is_judged(world):
    second = threading.Event()

    def drawn(step: Step, request: str, outcome: Outcome) -> Finished:
        second.wait(0.05)
        return World.drawn(world, step, request, outcome)

    world.drawn = drawn
    world.todo = {"0": DOWN, "1": lambda _: second.set()}
    world.run(draws(2), concurrency=1, fail_fast=True)

    assert world.results == of(Result.FAILED, 0) | of(Result.NOT_SENT, 1)


def test_a_slot_that_has_grown_old_is_given_back_for_a_new_one(world):
    def make(asset: Asset, lane: int) -> ImageRequest:
        world.now += FRESH_SECONDS + 0.01
        return World.make(world, asset, lane)

    world.make = make
    world.run(draws(2), concurrency=1)

    assert world.slots == {("given back",): 2, ("accepted",): 2}


def test_a_picture_that_fails_after_it_waited_again_leaves_room_to_others(world):
    answers = [DOWN, QUOTA, QUOTA]
    world.todo["0"] = lambda _: answers.pop()
    world.run(draws(3), concurrency=1, exporters=0)

    assert world.results == of(Result.FAILED, 0) | of(Result.MADE, 1, 2)
    assert world.slots == {("refused",): 2, ("ended",): 1, ("accepted",): 2}


def test_a_picture_that_is_tried_again_keeps_its_room(world):
    world.pace(0, "one").seconds = 0.01
    answers = [None, HICCUP, HICCUP, HICCUP]
    world.todo["0"] = lambda _: answers.pop()
    world.run(draws(3), concurrency=1)

    assert [name for name, _, _ in world.sent] == ["0", "0", "0", "0", "1", "2"]
    assert world.slots == {("ended",): 3, ("accepted",): 3}


def test_a_stop_between_a_slot_and_its_request_sends_nothing(world):
    made = []

    def make(asset: Asset, lane: int) -> ImageRequest:
        batch.drain()
        made.append(asset.name)
        return World.make(world, asset, lane)

    world.make = make
    batch = world.batch(concurrency=1)
    world.run(draws(3), batch)

    assert made == ["0"]
    assert world.results == of(Result.NOT_SENT, 0, 1, 2)
    assert names(world.ended) == ["0", "1", "2"]
    assert (world.sent, world.slots) == ([], {("given back",): 1})


def test_a_slot_that_came_too_late_for_any_picture_is_given_back(two):
    two.pace(0, "one").gate.clear()
    two.run(draws(3, "one", "two"), concurrency=2)
    two.pace(0, "one").gate.set()
    slots = two.paces[0, "one"].slots

    assert eventually(lambda: slots and slots[0].ends)
    assert two.slots == {("accepted",): 3, ("given back",): 1}


class UnforeseenError(Exception):
    """What nobody has foreseen."""


@pytest.mark.parametrize("where", ["turn", "make", "paint", "before", "drawn", "export", "write"])
def test_what_nobody_has_foreseen_reaches_whoever_iterates(world, where):
    bug = UnforeseenError()

    def fail(*_: object) -> None:
        raise bug

    if where == "turn":
        world.pace(0, "one").error = bug
    elif where == "make":
        world.wrong = {"0": bug}
    elif where == "paint":
        world.todo["0"] = fail
    elif where == "before":
        world.unsent["0"] = bug
    elif where == "drawn":
        world.wrong = {"drawn": bug}
    elif where == "export":
        world.exports["a"] = fail
    else:
        world.lock_fails = fail
    with pytest.raises(UnforeseenError) as caught:
        world.run([*draws(3), export("a")])

    assert caught.value is bug


@pytest.mark.parametrize("where", ["turn", "paint", "drawn", "export", "write"])
def test_something_unforeseen_stops_the_sending_and_loses_nothing_in_flight(world, where):
    bug = UnforeseenError()
    in_flight = threading.Barrier(3)
    is_first = iter([True])

    def fail(*_: object) -> None:
        in_flight.wait(SECONDS)
        threading.Timer(0.1, world.release.set).start()
        raise bug

    def hang(*_: object) -> None:
        in_flight.wait(SECONDS)
        world.hang()

    def drawn(step: Step, request: str, outcome: Outcome) -> Finished:
        return fail() if step.name == "0" else World.drawn(world, step, request, outcome)

    world.todo = {"1": hang, "2": hang}
    steps, lost = draws(9), {"0"}
    if where == "turn":
        steps = [draw("1"), draw("2"), draw("0", "two"), draw("3", "two")]
        world.pace(0, "two").turn, lost = fail, set()
    elif where == "paint":
        world.todo["0"] = fail
    elif where == "drawn":
        world.drawn = drawn
    elif where == "export":
        steps, lost = [*steps[1:], export("a")], {"a"}
        world.exports["a"] = fail
    else:
        world.lock_fails, lost = lambda _: next(is_first, False) and fail(), set()
    with pytest.raises(UnforeseenError) as caught:
        world.run(steps, concurrency=3 if where != "export" else 2, exporters=1)

    assert caught.value is bug
    assert names(world.ended) == sorted({step.name for step in steps} - lost)
    made = {one.name for one in world.ended if one.result is Result.MADE}
    assert {"1", "2"} <= made == world.written.keys()
    assert set(world.results.values()) <= {"made", "not_sent"}


def test_of_several_things_that_nobody_has_foreseen_the_first_is_raised(world):
    both = threading.Barrier(2)
    first, second = UnforeseenError(), UnforeseenError()

    def fail(error: Exception, seconds: float) -> None:
        both.wait(SECONDS)
        time.sleep(seconds)
        raise error

    world.todo = {"0": lambda _: fail(second, 0.1), "1": lambda _: fail(first, 0)}
    with pytest.raises(UnforeseenError) as caught:
        world.run(draws(2))

    assert caught.value is first


ENDS = {
    "made": None,
    "refused": FILTERED,
    "lost": LOST,
    "down": DOWN,
    "denied": DENIED,
    "used up": QUOTA_ENDED,
    "blocked": BLOCKED,
    "rescued": StorageError("Saved.", code="rescued"),
}
ways = st.sampled_from(["made"] * 8 + ["refused", "lost", "down"] * 2 + [*ENDS, "dear", "wrong"])
routes = st.lists(st.sampled_from(["one", "two"]), min_size=2, max_size=2).map(tuple)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(ways, routes), max_size=12),
    st.lists(st.booleans(), max_size=4),
    st.integers(1, 4),
    st.booleans(),
    st.none() | st.integers(1, 8),
    st.none() | st.integers(1, 4),
    st.sets(st.tuples(st.integers(0, 1), st.sampled_from(["one", "two"])), max_size=2),
)
def test_every_asset_ends_once_whatever_happens(
    drawn, exported, concurrency, fail_fast, stop_after, lock_fails, closed
):
    world = World(lanes=2)
    steps = [draw(f"draw {number}", *by) for number, (_, by) in enumerate(drawn)]
    for step, (way, _) in zip(steps, drawn, strict=True):
        if way == "dear":
            world.unsent[step.name] = DEAR
        elif way == "wrong":
            world.wrong[step.name] = UsageError("Torn.", code="bad_image")
        else:
            world.todo[step.name] = ENDS[way]
    for number, fails in enumerate(exported):
        steps.append(export(f"export {number}"))
        if fails:
            world.exports[f"export {number}"] = lambda: StorageError("No.", code="export_failed")
    for lane, deployment in closed:
        world.pace(lane, deployment).error = QUOTA
    world.lock_fails = lambda count: count == lock_fails
    batch = world.batch(concurrency=concurrency, fail_fast=fail_fast)
    world.watch = lambda _: len(world.ended) == stop_after and batch.drain()
    try:
        world.run(steps, batch)
    except StorageError as error:
        assert error is FULL  # noqa: PT017 - it need not come

    assert names(world.ended) == sorted(step.name for step in steps)
    assert world.most <= concurrency
    assert STOPPED not in [one.error for one in world.ended]
    assert len(world.sent) == len({(name, lane) for name, lane, _ in world.sent})
    kept = {n for n, end in world.results.items() if end in {"made", "restored"}}
    kept |= {one.name for one in world.ended if one.error and one.error.code == "rescued"}
    assert world.lock.keys() == kept
    assert world.lock.keys() == world.written.keys() or lock_fails
    assert all(len(ends) == 1 for ends in world.slots if ends)
    unused = world.slots[()]  # of threads that have not yet seen that it is over
    assert unused <= concurrency


class Studio:
    """The parts of a real generation; what each request meets is taken from ``meets``."""

    folder = Path("/gallery")

    def __init__(self, answer: Answer, meets: Sequence[BaseException | None]) -> None:
        self.answer = answer
        self.meets = list(meets)
        self.records: list[Record] = []
        self.guard = threading.Lock()
        self.path, self.size = Path("/gallery/.part"), 0

    def sign_in(self) -> None:
        self.meet("sign in")

    def meet(self, _step: str) -> None:
        with self.guard:
            problem = self.meets.pop() if self.meets else None
        if problem:
            raise problem

    @contextmanager
    def receive(self, record: Record) -> Iterator["Studio"]:
        self.meet("open")
        yield self

    def keep(self) -> Kept:
        return Kept(Path("/gallery/x.png"), "x.png", None)

    def paint(self, request: ImageRequest, sink: "Studio") -> Answer:
        self.meet("paint")
        return self.answer

    def append(self, record: Record, *, is_detail: bool = False) -> None:
        with self.guard:
            self.records.append(record)

    def reserve(self, worst_cost: float | None) -> "Studio":
        self.meet("reserve")
        return self

    def settle(self, cost_usd: float | None) -> None:
        pass

    def generation(self, world: World) -> Generation:
        return Generation(
            painter=self,
            gallery=self,
            history=self,
            exporter=None,
            pace=None,
            budget=self,
            tell=world.told.append,
            sleep=lambda _: False,
        )


QUOTA_FOR_NOW = UnavailableError("Busy.", code="quota", retry=Retry.LATER, wait_seconds=0)
FAILURE = UnavailableError("Down.", code="service_failure", retry=Retry.SOON, wait_seconds=0)
STALE = AuthError("Old.", code="bad_credential", retry=Retry.WITH_FRESH_TOKEN)
MEETS = [None, QUOTA_FOR_NOW, FAILURE, STALE, LOST, FILTERED, DOWN, DEAR]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), st.randoms(use_true_random=False))
def test_every_slot_ends_once_in_a_real_generation(answer, count, concurrency, retry_lost, chance):
    world = World()
    studio = Studio(answer, [chance.choice(MEETS) for _ in range(60)])
    batch = world.batch(concurrency=concurrency, retry_lost=retry_lost)
    batch._lanes = [replace(batch._lanes[0], generation=studio.generation(world))]
    world.watch = lambda _: chance.random() < 0.1 and batch.drain()
    world.run(draws(count), batch)

    assert names(world.ended) == [f"{number}" for number in range(count)]
    ends = world.slots
    assert all(len(one) == 1 for one in ends if one)
    assert ends[()] <= concurrency
    sent = [record for record in studio.records if record.status == "sent"]
    assert sum(ends.values()) - ends[("given back",)] - ends[()] == len(sent)
