import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from mai_cli.models.batch import Action, State, Step
from mai_cli.models.lock import LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.recipe import Recipe
from mai_cli.services.ordering import Wanted
from mai_cli.services.planning import NO_FILE, Digests, Known, Wishes, fold, paths_of, plan
from mai_cli.services.recalling import Recalling
from mai_cli.services.selecting import Shard

MANIFEST = "/site/assets.toml"
SOMEBODYS = "somebody's"


@dataclass(frozen=True)
class Spec:
    """What the manifest says of an asset; ``outputs`` are widths by path."""

    prompt: str
    outputs: Mapping[str, int]
    alt: str | None = None


@dataclass
class World:
    """A manifest, its lock, the disk (digests by path), and what this machine remembers.

    ``made`` is every path that a run has ever written, ``looks`` how often history was read.
    """

    manifest: dict[str, Spec] = field(default_factory=dict)
    profiles: tuple[str, ...] = ("one",)
    lock: dict[str, LockedAsset] = field(default_factory=dict)
    disk: dict[str, str] = field(default_factory=dict)
    records: list[dict] = field(default_factory=list)
    gallery: set[Path] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    looks: int = 0

    def recall(self, digests: Collection[str]) -> list[dict]:
        self.looks += 1
        return [
            record
            for record in self.records
            if digests & {record["batch"]["request"], record.get("master", {}).get("sha256")}
        ]

    def wanted(self, has: Callable[[str], bool] = lambda _: True) -> list[Wanted]:
        return [self.want(name, spec) for name, spec in self.manifest.items() if has(name)]

    def want(self, name: str, spec: Spec) -> Wanted:
        outputs = (AssetOutput(path, Recipe("png", w)) for path, w in spec.outputs.items())
        asset = Asset(name, spec.prompt, name, tuple(outputs), alt=spec.alt)
        digests = tuple(f"{spec.prompt} by {profile}" for profile in self.profiles)
        return Wanted(asset, digests, self.profiles, 0.04)

    def digests(self) -> Digests:
        paths = paths_of(self.wanted(), self.lock)
        return {path: self.disk.get(path) for path in paths}

    def plan(
        self,
        *,
        offline: bool = False,
        retry_lost: bool = False,
        prune: bool = False,
        force: Collection[str] = (),
        shard: Shard | None = None,
        is_whole: bool = True,
    ) -> list[Step]:
        recalling = Recalling(self, MANIFEST, offline=offline, is_file=self.gallery.__contains__)
        wishes = Wishes(offline, retry_lost, prune, lambda name: name in force)
        return plan(
            self.wanted(shard.has if shard else lambda _: True),
            self.lock,
            self.digests(),
            recalling.look,
            wishes,
            is_whole=is_whole and shard is None,
        )

    def known(self) -> Known:
        """All that is known of what the manifest asks for, under its names."""
        recalling = Recalling(self, MANIFEST, offline=False, is_file=self.gallery.__contains__)
        keys = {(want.asset.name, digest) for want in self.wanted() for digest in want.digests}
        known = recalling.look(keys, set())
        return Known(
            {key: drawn for key, drawn in known.drawn.items() if key in keys},
            {key: lost for key, lost in known.lost.items() if key in keys},
        )

    def run(
        self,
        *,
        lost: Collection[str] = (),
        killed_after: int | None = None,
        offline: bool = False,
        **wishes,
    ) -> list[Step]:
        """Plan, and carry it out; the answers for ``lost`` do not come.

        A run that is killed has not written the lock for the last that it has drawn.
        """
        steps = self.plan(offline=offline, **wishes)
        if any(step.in_the_way for step in steps):
            return steps
        for number, step in enumerate(steps):
            killed = number == killed_after
            if step.action is Action.DRAW and step.name in lost and not offline:
                self.remember(step, self.request_of(step), "unknown", offline=False)
            elif step.action is Action.DRAW:
                request = self.request_of(step)
                self.finish(step, request, self.draw(step, request, offline=offline), killed=killed)
            elif step.action is Action.EXPORT:
                self.finish(step, step.drawn.request, step.drawn.record, killed=killed)
            elif step.action is Action.PRUNE:
                self.prune(step)
            if killed:
                break
        return steps

    def has_master(self, record: Mapping) -> bool:
        """Whether the picture of ``record`` is still in the gallery."""
        return "master" in record and Path("/gallery", record["master"]["path"]) in self.gallery

    def request_of(self, step: Step) -> str:
        """The digest of the request by the profile that happens to be free."""
        profile = self.profiles[zlib.crc32(step.name.encode()) % len(self.profiles)]
        return f"{step.asset.prompt} by {profile}"

    def draw(self, step: Step, request: str, *, offline: bool) -> dict:
        count = sum(record["batch"]["asset"] == step.name for record in self.records)
        picture = "placeholder" if offline else f"{step.name} {count}"
        sha256 = f"{step.asset.prompt}: {picture}"
        master = {"gallery": "/gallery", "path": f"{step.name}-{count}.png", "sha256": sha256}
        self.gallery.add(Path("/gallery", master["path"]))
        return self.remember(step, request, "ok", offline=offline, master=master)

    def remember(self, step: Step, request: str, status: str, **facts: object) -> dict:
        batch = {"manifest": MANIFEST, "asset": step.name, "request": request}
        record = {"id": f"{len(self.records)}", "created_at": "then", "status": status}
        self.records.append({**record, "batch": batch, **facts})
        return self.records[-1]

    def finish(self, step: Step, request: str, record: Mapping, *, killed: bool) -> None:
        before = self.digests()
        sha256, made = record["master"]["sha256"], {}
        for output in step.outputs:
            content = f"{sha256}, {output.recipe.width}, {step.asset.alt}"
            is_free = output.path not in self.disk or output.path in step.replaces
            if is_free or self.disk[output.path] == content:
                self.disk[output.path] = content
                self.made.add(output.path)
                made[output.path] = LockedOutput(output.recipe, content)
        if killed:
            return
        old = self.lock.get(step.name, LockedAsset("", None))
        named = {output.path for output in step.asset.outputs}
        spare = {p: o for p, o in old.outputs.items() if p not in named and before.get(p)}
        kept = old.outputs if step.action is Action.EXPORT and old.master == sha256 else {}
        self.lock[step.name] = LockedAsset(
            request, sha256, record["offline"], step.asset.alt, {**spare, **kept, **made}
        )

    def prune(self, step: Step) -> None:
        outputs = dict(self.lock[step.name].outputs)
        for output in step.outputs:
            if self.disk.get(output.path) == outputs.pop(output.path).sha256:
                del self.disk[output.path]
        self.lock[step.name] = replace(self.lock[step.name], outputs=outputs)

    def settle(self) -> None:
        """Run until everything is up to date, whatever it takes."""
        for _ in range(3):
            blocked = [step.name for step in self.plan(retry_lost=True) if step.in_the_way]
            self.run(retry_lost=True, force=blocked)

    @property
    def made_files(self) -> dict[str, str]:
        """The asset of each file that the manifest names."""
        return {path: name for name, spec in self.manifest.items() for path in spec.outputs}

    def describe(
        self, name: str, prompt: str, paths: Collection[str], width: int, alt: str | None
    ) -> None:
        """Write an asset into the manifest; outputs that others had are its own now."""
        for other, spec in self.manifest.items():
            outputs = {path: w for path, w in spec.outputs.items() if path not in paths}
            self.manifest[other] = replace(spec, outputs=outputs)
        self.manifest[name] = Spec(prompt, dict.fromkeys(paths, width), alt)

    def drop(self, name: str) -> None:
        self.manifest.pop(name, None)

    def hire(self, profiles: str) -> None:
        self.profiles = tuple(profiles.split())

    def put(self, path: str, content: str | None) -> None:
        self.disk.pop(path, None)
        if content is not None:
            self.disk[path] = content

    def lose_master(self, number: int) -> None:
        self.gallery.discard(next(iter(sorted(self.gallery)[number:]), None))


NAMES = "abc"
PATHS = [f"{number}.png" for number in range(5)]
FRESH = "another"

WISHES = [
    {},
    {"offline": True},
    {"retry_lost": True},
    {"prune": True},
    {"offline": True, "prune": True},
    {"force": "a"},
    {"shard": Shard(1, 2)},
]
RUNS = [*WISHES, {"lost": NAMES}, {"killed_after": 0}, {"killed_after": 1}]
DESCRIPTIONS = [
    ("describe", name, prompt, paths, width, alt)
    for name in NAMES
    for prompt in "xy"
    for paths in ((), PATHS[:1], PATHS[1:3], PATHS[2:4], PATHS[4:])
    for width, alt in ((320, None), (640, None), (320, "A fox."))
]
DRAWN, PRETENDED = ("run", {}), ("run", {"offline": True})
PASTS = [[], [DRAWN], [PRETENDED], [PRETENDED, DRAWN]]
EVENTS = [
    *DESCRIPTIONS,
    *[("run", options) for options in RUNS] * 12,
    *[("drop", name) for name in NAMES] * 5,
    *[("hire", profiles) for profiles in ("one", "two", "one two")] * 3,
    *[("put", path, content) for path in PATHS for content in (None, SOMEBODYS, NO_FILE)] * 2,
    *[("lose_master", number) for number in range(3)] * 6,
]
wishes = st.sampled_from(WISHES)
descriptions = st.lists(st.sampled_from(DESCRIPTIONS), min_size=1, max_size=3)
events = st.lists(st.sampled_from(EVENTS), max_size=8)


def world_after(*histories: Collection[tuple]) -> World:
    world = World()
    for name, *arguments in chain(*histories):
        options = arguments.pop() if name == "run" else {}
        getattr(world, name)(*arguments, **options)
    world.looks = 0
    return world


worlds = st.builds(world_after, descriptions, st.sampled_from(PASTS), events)
"""What may come of editing, running, losing and meddling."""


def settled(world: World) -> World:
    world.settle()
    world.looks = 0
    assume(world.manifest)
    assume(all(step.state is State.UP_TO_DATE for step in world.plan() if step.asset))
    return world


settled_worlds = worlds.map(settled)
laws = settings(max_examples=100, deadline=None)


def todo(steps: Collection[Step]) -> dict[str, Action]:
    return {
        step.name: step.action for step in steps if step.asset and step.action is not Action.NONE
    }


def left_over(steps: Collection[Step]) -> set[str]:
    return {o.path for step in steps if step.state is State.LEFT_OVER for o in step.outputs}


def fails(world: World, steps: Collection[Step]) -> bool:
    """Whether a file that nobody knows is where an output should be."""
    exports = [step for step in steps if step.action is Action.EXPORT]
    return any(step.in_the_way for step in steps) or any(
        output.path in world.disk and output.path not in step.replaces
        for step in exports
        for output in step.outputs
    )


@laws
@given(worlds)
def test_the_steps_are_the_assets_of_the_manifest_in_its_order_and_then_what_is_left(world):
    steps = world.plan()
    count = len(world.manifest)

    assert [step.name for step in steps[:count]] == list(world.manifest)
    assert all(step.asset is None for step in steps[count:])
    assert all((step.state is State.LEFT_OVER) is (step.asset is None) for step in steps)
    assert world.looks <= 1


@laws
@given(worlds, st.booleans())
def test_after_a_full_run_everything_is_up_to_date_and_nobody_looks_it_up(world, offline):
    steps = world.plan(retry_lost=True, offline=offline)
    assume(not fails(world, steps))
    for action in {step.action for step in steps}:
        event(action)
    world.run(retry_lost=True, offline=offline)
    real = {step.name for step in steps if step.reason.endswith("leaves real pictures alone")}
    world.looks = 0

    again = [step for step in world.plan(offline=offline) if step.asset]

    assert {step.name for step in again if step.state is not State.UP_TO_DATE} == real
    assert world.looks == (1 if real else 0)


@laws
@given(worlds, wishes)
def test_carrying_out_twice_changes_nothing(world, options):
    assume("force" not in options)
    assume(not fails(world, world.plan(**options)))
    world.run(**options)
    before = deepcopy(world)
    steps = world.run(**options)

    assert Action.DRAW not in todo(steps).values()
    assert Action.EXPORT not in todo(steps).values()
    assert (world.disk, world.records) == (before.disk, before.records)
    assert list(world.lock.items()) == list(before.lock.items())


@laws
@given(settled_worlds, st.data())
def test_another_prompt_changes_just_that_asset(world, data):
    name = data.draw(st.sampled_from(sorted(world.manifest)))
    before = world.plan()
    world.manifest[name] = replace(world.manifest[name], prompt=FRESH)
    after = world.plan()

    (changed,) = [step for step, old in zip(after, before, strict=True) if step != old]
    assert (changed.name, changed.state, changed.action) == (name, State.CHANGED, Action.DRAW)
    assert changed.replaces == tuple(world.manifest[name].outputs)
    assert changed.in_the_way == ()


@laws
@given(settled_worlds, st.data())
def test_an_asset_that_is_removed_leaves_just_its_files_over(world, data):
    name = data.draw(st.sampled_from(sorted(world.manifest)))
    before = left_over(world.plan())
    removed = world.manifest.pop(name)
    after = world.plan()

    assert left_over(after) == before | removed.outputs.keys()
    assert todo(after) == {}
    assert world.looks == 0

    world.run(prune=True)
    assert removed.outputs.keys() & world.disk.keys() == set()
    assert all(path in world.disk for spec in world.manifest.values() for path in spec.outputs)


@laws
@given(settled_worlds, st.data())
def test_an_asset_that_comes_back_is_made_without_paying(world, data):
    name = data.draw(st.sampled_from(sorted(world.manifest)))
    removed = world.manifest.pop(name)
    world.run(prune=True)
    world.manifest[name] = removed
    assume(any(known == name for known, _ in world.known().drawn))

    assert todo(world.plan()).get(name, Action.EXPORT) is Action.EXPORT


def rename(world: World, names: Collection[str]) -> None:
    """Give the assets other names, each with all that the manifest says of it."""
    world.manifest = dict(zip(names, world.manifest.values(), strict=True))


@laws
@given(settled_worlds, st.data())
def test_assets_with_other_names_are_made_without_paying(world, data):
    masters = {record["master"]["sha256"] for record in world.records if world.has_master(record)}
    locked = [world.lock[name].master for name in world.manifest]
    assume(masters.issuperset(locked))
    assume(len(set(locked)) == len(locked))  # each has a picture of its own
    names = [*world.manifest, "d", "e"]
    rename(world, data.draw(st.permutations(names))[: len(world.manifest)])
    steps = world.plan()
    for step in steps:
        event(f"{step.state} {step.action}")

    assert {*todo(steps).values()} <= {Action.EXPORT}
    assume(not fails(world, steps))
    world.run()
    assert todo(world.plan()) == {}


@laws
@given(settled_worlds, st.data(), st.sampled_from([None, SOMEBODYS, NO_FILE]))
def test_a_file_that_is_deleted_or_changed_makes_just_its_asset_not_up_to_date(
    world, data, content
):
    assume(world.made_files)
    path = data.draw(st.sampled_from(sorted(world.made_files)))
    world.put(path, content)
    steps = [step for step in world.plan() if step.asset]

    state = State.MISSING if content is None else State.MODIFIED
    (wrong,) = [step for step in steps if step.state is not State.UP_TO_DATE]
    assert wrong.name == world.made_files[path]
    assert (wrong.action, wrong.state) in {(Action.EXPORT, State.RESTORABLE), (Action.DRAW, state)}
    assert path in [output.path for output in wrong.outputs]
    assert (path in wrong.in_the_way) is (content == NO_FILE)


@laws
@given(worlds, wishes, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_lock(world, options, random):
    expected = world.plan(**options)

    def shuffled(facts: Mapping) -> dict:
        return dict(random.sample(sorted(facts.items()), len(facts)))

    world.lock = {
        name: replace(locked, outputs=shuffled(locked.outputs))
        for name, locked in shuffled(world.lock).items()
    }
    assert world.plan(**options) == expected


@laws
@given(worlds, st.booleans())
def test_what_was_never_answered_is_never_drawn_again_unless_told(world, prune):
    known = world.known()
    held = {name for name, _ in known.lost}
    steps = world.plan(prune=prune)
    for step in steps:
        if step.name in held and step.asset:
            event(step.action)
            assert step.action is not Action.DRAW
    before = len(world.records)
    world.run(prune=prune)

    assert held.isdisjoint(record["batch"]["asset"] for record in world.records[before:])


@laws
@given(worlds, st.booleans())
def test_what_was_paid_for_and_is_still_there_is_never_drawn_again(world, retry_lost):
    paid = {name for name, _ in world.known().drawn}
    steps = world.plan(retry_lost=retry_lost)

    assert not [step for step in steps if step.action is Action.DRAW and step.name in paid]


@example(
    world_after(
        [("describe", "a", "x", PATHS[:2], 320, None), PRETENDED, DRAWN],
        [("put", PATHS[0], None), ("lose_master", 1)],
    ),
    False,  # noqa: FBT003 - as hypothesis hands it in
)
@laws
@given(worlds, st.booleans())
def test_an_offline_run_never_replaces_a_real_asset(world, prune):
    real = {
        name: locked
        for name, locked in world.lock.items()
        if not locked.offline and locked.master and name in world.manifest
    }
    world.run(offline=True, prune=prune)

    assert {name for name in real if world.lock[name].offline} == set()


@laws
@given(worlds, st.booleans())
def test_an_offline_run_never_writes_over_a_file_of_a_real_picture(world, prune):
    real = {
        path: output.sha256
        for locked in world.lock.values()
        if not locked.offline
        for path, output in locked.outputs.items()
        if world.disk.get(path) == output.sha256 and "placeholder" not in output.sha256
    }
    world.run(offline=True, prune=prune)

    now = {path: world.disk.get(path, "") for path in real}
    assert not [path for path, content in now.items() if "placeholder" in content]


@laws
@given(worlds, wishes)
def test_whatever_is_where_something_is_drawn_is_replaced_or_in_the_way(world, options):
    for step in world.plan(**options):
        there = [output.path for output in step.outputs if output.path in world.disk]
        assert set(step.replaces).isdisjoint(step.in_the_way)
        assert {*step.replaces, *step.in_the_way} <= set(there)
        if step.action is Action.DRAW:
            assert {*step.replaces, *step.in_the_way} == set(there)
        if step.action in {Action.HOLD, Action.NONE, Action.PRUNE}:
            assert step.replaces == step.in_the_way == ()


@laws
@given(worlds, wishes)
def test_what_no_batch_has_made_is_never_replaced_unless_forced(world, options):
    for step in world.plan(**options):
        assert NO_FILE not in [world.disk[path] for path in step.replaces]
        if step.name not in options.get("force", ()):
            assert set(step.replaces) <= world.made


@laws
@given(worlds)
def test_what_is_forced_is_drawn(world):
    for step in world.plan(force=NAMES):
        assert step.asset is None or step.action is Action.DRAW
        assert step.asset is None or step.outputs == step.asset.outputs


@laws
@given(worlds, st.integers(0, 4))
def test_a_run_that_was_killed_is_simply_started_again(world, number):
    assume(not fails(world, world.plan(retry_lost=True)))
    draws = sum(step.action is Action.DRAW for step in world.plan(retry_lost=True))
    before = len(world.records)
    world.run(retry_lost=True, killed_after=number)
    world.run(retry_lost=True)

    assert len(world.records) - before == draws
    assert todo(world.plan()) == {}


@laws
@given(descriptions.map(world_after), st.integers(0, 2))
def test_a_run_that_was_killed_is_not_paid_again_under_other_names(world, number):
    draws = len(world.run(killed_after=number))
    rename(world, "def"[: len(world.manifest)])
    steps = world.run()
    event(f"{Counter(step.action for step in steps if step.asset)}")

    assert len(world.records) == draws


def sharded(world: World, count: int) -> Iterator[tuple[str, World]]:
    """The world as each job leaves it, which starts from a copy of its own."""
    for number in range(1, count + 1):
        shard = Shard(number, count)
        copy = deepcopy(world)
        copy.run(shard=shard, retry_lost=True)
        copy.lock = {name: locked for name, locked in copy.lock.items() if shard.has(name)}
        yield f"{shard}.json", copy


@laws
@given(worlds, st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_jobs_of_a_sharded_run_do_what_a_single_run_does(world, count, random):
    assume(not fails(world, world.plan(retry_lost=True, is_whole=False)))
    jobs = list(sharded(world, count))
    random.shuffle(jobs)
    together = deepcopy(world)
    for _, job in jobs:
        together.disk |= {p: c for p, c in job.disk.items() if world.disk.get(p) != c}
    fragments = {name: job.lock for name, job in jobs}
    together.lock = fold(world.lock, fragments, world.wanted(), together.digests())

    world.run(retry_lost=True, is_whole=False)

    assert together.disk == world.disk
    assert together.lock == world.lock
    assert together.plan() == world.plan()
    drawn = [record for _, job in jobs for record in job.records[len(together.records) :]]
    assert len(drawn) == len(world.records) - len(together.records)


SHA = st.sampled_from("123")
locked_assets = st.builds(
    LockedAsset,
    request=st.sampled_from("AB"),
    master=st.sampled_from("MNO"),
    outputs=st.dictionaries(
        st.sampled_from(PATHS[:3]), st.builds(LockedOutput, st.just(Recipe("png")), SHA)
    ),
)
locks = st.dictionaries(st.sampled_from(NAMES), locked_assets)
disks = st.dictionaries(st.sampled_from(PATHS[:3]), SHA | st.none())
fragments_ = st.dictionaries(st.sampled_from(["1-of-2", "2-of-2", "1-of-1"]), locks)
askings = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("AB"))


def asking(asked: Mapping[str, str]) -> list[Wanted]:
    return [
        Wanted(Asset(name, "a fox", name), (request,), ("one",), None)
        for name, request in asked.items()
    ]


@laws
@given(locks, fragments_, askings, disks)
def test_folding_twice_is_folding_once(lock, fragments, asked, disk):
    wanted = asking(asked)
    folded = fold(lock, fragments, wanted, disk)

    assert fold(folded, fragments, wanted, disk) == folded
    assert fold(folded, {}, wanted, disk) == folded
    assert folded.keys() == lock.keys() | {name for one in fragments.values() for name in one}
    for name, locked in folded.items():
        assert locked in [one[name] for one in (lock, *fragments.values()) if name in one]


@laws
@given(locks, fragments_, askings, disks, st.data())
def test_the_order_of_fragments_matters_only_where_they_are_tied(
    lock, fragments, asked, disk, data
):
    wanted = asking(asked)
    order = data.draw(st.permutations(sorted(fragments)))
    folded = fold(lock, fragments, wanted, disk)
    other = fold(lock, {name: fragments[name] for name in order}, wanted, disk)

    def worth(name: str, locked: LockedAsset) -> tuple[bool, bool]:
        is_there = all(disk.get(path) == one.sha256 for path, one in locked.outputs.items())
        return is_there, asked.get(name) == locked.request

    for name in folded:
        assert worth(name, other[name]) == worth(name, folded[name])
        candidates = [one[name] for one in fragments.values() if name in one]
        best = [one for one in candidates if worth(name, one) == worth(name, folded[name])]
        if len({repr(one) for one in best}) == 1:
            assert other[name] == folded[name]
