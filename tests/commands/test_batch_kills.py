"""``mai batch`` killed at random moments and started again: paid once, never lost, never torn."""

import hashlib
import json
import logging
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.chunks import without_texts
from tests.conftest import MAI
from tests.emulator import Did, Emulator, Fault, Faults, Served

LOG = logging.getLogger(__name__)  # shown with -rP --log-level=INFO
KILLED = -signal.SIGKILL
BUSY_ONES = 5  # the last digit of their numbers


def prompt_of(name: str) -> str:
    return f"picture of {name}"


def name_of(served: Served) -> str:
    return served.prompt.rpartition(" ")[2]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir()
    assets = [
        {
            "name": name,
            "prompt": prompt_of(name),
            # The quota of this one is used up at times, which slows down its pictures only.
            "deployment": "mai-image-26-flash" if number % 10 == BUSY_ONES else "mai-image-26",
            "outputs": [f"out/{name}.png", {"path": f"out/{name}.jpg", "width": 192}],
        }
        for number, name in enumerate(names)
    ]
    manifest = folder / "assets.json"
    manifest.write_text(json.dumps({"defaults": {"size": "768x768"}, "assets": assets}))
    return manifest


class Site:
    """A folder with a manifest, and what runs of it leave there and in the home."""

    def __init__(
        self, folder: Path, home: Path, env: dict[str, str], foundry: Emulator, count: int
    ) -> None:
        self.names = [f"a{number:02}" for number in range(count)]
        self.manifest = write_manifest(folder, self.names)
        self.folder = folder
        self.home = home
        self.env = env | {"MAI_HOME": str(home)}
        self.foundry = foundry
        self.kills = 0
        self.removed: set[str] = set()  # outputs that went away since

    # What there is.

    def records(self) -> dict[str, list[dict]]:
        """The state of each record, by the name of its asset, the oldest first."""
        path = self.home / "history.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        states = {record["id"]: record for record in map(json.loads, lines)}
        records: dict[str, list[dict]] = {}
        for state in states.values():
            records.setdefault(state["batch"]["asset"], []).append(state)
        return records

    def made(self) -> dict[str, dict]:
        """The record with a picture of each asset that has one."""
        records = self.records().items()
        return {
            name: next(state for state in states if state["status"] == "ok")
            for name, states in records
            if any(state["status"] == "ok" for state in states)
        }

    def in_flight(self) -> Counter[str]:
        """How many requests were in flight when a run was killed, by the name of the asset."""
        return Counter(
            name
            for name, states in self.records().items()
            for state in states
            if state["status"] == "sent"
        )

    def lock(self) -> dict[str, dict]:
        path = self.manifest.with_name("assets.lock.json")
        return json.loads(path.read_bytes())["assets"] if path.exists() else {}

    def locks(self) -> list[dict[str, dict]]:
        fragments = self.folder.glob("assets.lock.d/*-of-*.json")
        return [self.lock(), *(json.loads(path.read_bytes())["assets"] for path in fragments)]

    def outputs(self) -> list[Path]:
        """The files that were put in place; what is hidden is not."""
        return sorted(path for path in self.folder.glob("out/*") if path.name[0] != ".")

    # Runs.

    def start(self, *args: str) -> subprocess.Popen:
        command = [*MAI, "batch", str(self.manifest), *args]
        return subprocess.Popen(
            command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process: subprocess.Popen) -> int:
        _, errors = process.communicate(timeout=300)
        assert "Traceback" not in errors, errors
        return process.returncode

    def run(self, *args: str) -> int:
        """A run that nobody kills."""
        before = Before(self)
        code = self.finish(self.start(*args))
        before.check(may_resend="--retry-lost" in args)
        return code

    def remove(self, dice: random.Random) -> None:
        """Remove some outputs, which can be made again without paying."""
        for path in dice.sample(self.outputs(), len(self.outputs()) // 3):
            path.unlink()
            self.removed.add(str(path.relative_to(self.folder)))

    def kill(self, moment: Callable[[], bool], *works: tuple[str, ...]) -> None:
        """Start these runs at once, and kill them as soon as it is the moment."""
        before = Before(self)
        processes = [self.start(*args) for args in works]
        while not moment() and any(process.poll() is None for process in processes):
            time.sleep(0.002)
        for process in processes:
            process.kill()
        codes = [self.finish(process) for process in processes]
        assert set(codes) <= {KILLED, 0, 8, 11}
        self.kills += codes.count(KILLED)
        self.foundry.settle()
        before.check(may_resend=any("--retry-lost" in args for args in works), was_killed=True)


class Before:
    """What was known before a run, against which it is judged."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._count = len(site.foundry.served)
        self._made = set(site.made())
        self._in_flight = site.in_flight()
        self._drawn = {name_of(served) for served in site.foundry.served if served.sha256}

    def check(self, *, may_resend: bool, was_killed: bool = False) -> None:
        """See that nothing was paid twice, lost or torn."""
        site = self._site
        served = site.foundry.served[self._count :]
        records, made = site.records(), site.made()

        # Never what has a picture; nor what may have one, unless told to.
        asked = {name_of(one) for one in served}
        assert not asked & (self._made if may_resend else self._drawn)
        drawn = Counter(name_of(one) for one in served if one.sha256)
        assert all(count == 1 for count in drawn.values()), drawn
        # The history knows of every request, and of every picture that was drawn.
        assert asked <= records.keys()
        for name in drawn:
            assert records[name][-1]["status"] in ("ok", "sent"), name
        # What was acknowledged is on disk, as it was sent; so is all that the lock knows of.
        assert self._made <= made.keys()
        sent = {one.sha256 for one in site.foundry.served}
        for state in made.values():
            master = Path(state["master"]["gallery"], state["master"]["path"])
            assert digest(master) == state["master"]["sha256"] in sent
        for lock in site.locks():
            for name, locked in lock.items():
                assert locked["master"] == made[name]["master"]["sha256"]
                for path, facts in locked["outputs"].items():
                    is_gone = path in site.removed and not (site.folder / path).exists()
                    assert is_gone or digest(site.folder / path) == facts["sha256"], path
        assert was_killed or site.in_flight() == self._in_flight


def pixels(path: Path) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(path) as picture:
        return picture.mode, picture.size, picture.tobytes()


def check_whole(site: Site, undisturbed: Site) -> None:
    """Everything is as if nobody had killed anything."""
    lock, made = site.lock(), site.made()
    assert set(lock) == set(site.names)
    assert len(site.outputs()) == 2 * len(site.names)
    for name, locked in lock.items():
        state = made[name]["master"]
        master = Path(state["gallery"], state["path"])
        copy = (site.folder / f"out/{name}.png").read_bytes()
        assert without_texts(copy) == master.read_bytes()
        for path, facts in locked["outputs"].items():
            assert digest(site.folder / path) == facts["sha256"]
            assert pixels(site.folder / path) == pixels(undisturbed.folder / path)

    def structure(lock: dict[str, dict]) -> dict[str, object]:
        return {
            name: (
                locked["request"],
                locked["offline"],
                {path: facts["recipe"] for path, facts in locked["outputs"].items()},
            )
            for name, locked in lock.items()
        }

    assert structure(lock) == structure(undisturbed.lock())
    assert {path.name for path in site.outputs()} == {path.name for path in undisturbed.outputs()}
    sent = {served.sha256 for served in site.foundry.served}
    for path in site.home.glob("gallery/**/*.png"):
        assert path.name[0] == "." or digest(path) in sent, path
    assert site.run("--check") == 0
    count = len(site.foundry.served)
    assert site.run() == 0
    assert len(site.foundry.served) == count


@pytest.fixture
def count(request):
    """How many assets there are."""
    return 60 if request.node.get_closest_marker("slow") else 24


@pytest.fixture
def undisturbed(env, tmp_path, count):
    """A site that was made in one go."""
    with Emulator() as foundry:
        foundry.distinct = True
        site = Site(tmp_path / "other", tmp_path / "other-home", env, foundry, count)
        site.env["MAI_ENDPOINT"] = foundry.url
        assert site.run() == 0
        yield site


@pytest.fixture
def site(env, foundry, home, tmp_path, count):
    """A site at a service that takes its time and is busy now and then."""
    site = Site(tmp_path / "project", home, env, foundry, count)
    foundry.distinct = True
    foundry.latency = 0.05
    foundry.jitter = 0.15
    faults = [Fault.BUSY, Fault.DOWN, Fault.BUSY, Fault.FAILED, Fault.TIMEOUT]
    busy = zip(site.names[BUSY_ONES::10], faults, strict=False)
    foundry.faults = Faults(0, {}, orders={prompt_of(name): [fault] for name, fault in busy})
    return site


def a_moment(site: Site, dice: random.Random) -> Callable[[], bool]:
    """Some time after the start, after so many requests, or after so many files."""
    if dice.random() < 0.2:
        return once_over(time.monotonic, dice.uniform(0.1, 1.5), 0)
    if dice.random() < 0.4:
        requests = dice.choice([1, 1, 2, 3, 5])
        return once_over(lambda: len(site.foundry.served), requests, dice.uniform(0, 0.2))
    files = dice.choice([1, 1, 1, 2, 3])
    return once_over(lambda: len(site.outputs()), files, dice.choice([0, 0, 0.005, 0.01, 0.03]))


def once_over(value: Callable[[], float], more: float, delay: float) -> Callable[[], bool]:
    """Whether ``value`` has grown by so much, and so many seconds have gone since."""
    enough = value() + more
    since: list[float] = []

    def is_now() -> bool:
        if not since and value() >= enough:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() >= since[0] + delay

    return is_now


def check_paid(site: Site) -> None:
    """Nothing was drawn twice but what was in flight when a run was killed."""
    drawn = Counter(name_of(served) for served in site.foundry.served if served.sha256)
    in_flight = site.in_flight()
    assert set(drawn) == set(site.names)
    for name, count in drawn.items():
        assert count <= 1 + in_flight[name], name
    delivered = {served.sha256 for served in site.foundry.served if served.did is Did.DELIVERED}
    assert {locked["master"] for locked in site.lock().values()} <= delivered
    for states in site.records().values():
        assert [state["status"] for state in states].count("ok") == 1


def killed_and_started_again(site: Site, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    rounds = 0
    while site.kills < kills:
        rounds += 1
        assert rounds < 4 * kills
        if len(site.outputs()) == 2 * len(site.names):
            site.remove(dice)
        args = ["-j", str(dice.choice([1, 2, 3]))] + ["--retry-lost"] * (rounds % 3 == 0)
        site.kill(a_moment(site, dice), tuple(args))
    in_flight = site.in_flight().total()
    LOG.info("%d kills in %d runs, %d in flight", kills, rounds, in_flight)
    assert in_flight > 0
    assert site.run() in (0, 8, 11)
    assert site.run("--retry-lost") == 0
    check_paid(site)


@pytest.mark.slow
def test_a_batch_that_is_killed_again_and_again_ends_as_if_it_were_not(site, undisturbed):
    killed_and_started_again(site, 6, seed=1)
    check_whole(site, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_batch_that_is_killed_fifty_times_ends_as_if_it_were_not(site, undisturbed, seed):
    killed_and_started_again(site, 50, seed)
    check_whole(site, undisturbed)


def through_a_link(site: Site) -> None:
    link = site.folder.with_name("link")
    link.symlink_to(site.folder)
    site.manifest = link / site.manifest.name


def elsewhere(site: Site) -> None:
    site.folder = site.folder.rename(site.folder.with_name("moved"))
    site.manifest = site.folder / site.manifest.name


def with_another_name(site: Site) -> None:
    site.manifest = site.manifest.rename(site.manifest.with_name("other.json"))


def with_other_assets(site: Site) -> None:
    text = site.manifest.read_text()
    site.manifest.write_text(text.replace('"name": "a', '"name": "b'))


MOVES = [
    [elsewhere, through_a_link, with_another_name],
    *(
        pytest.param(moves, marks=pytest.mark.slow)
        for moves in (
            [through_a_link],
            [elsewhere],
            [with_another_name],
            [with_other_assets],
            [elsewhere, with_other_assets],
        )
    ),
]


@pytest.mark.parametrize("moves", MOVES, ids=lambda moves: ", ".join(m.__name__ for m in moves))
def test_what_was_in_flight_is_not_sent_again_however_the_manifest_is_called_now(site, moves):
    site.foundry.faults = None
    made = site.names[:4]
    assert site.run(*(f"--only={name}" for name in made)) == 0
    site.foundry.latency = 0.5
    process = site.start("-j", "3")
    while len(site.foundry.served) < 7:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert site.finish(process) == KILLED
    site.foundry.settle()
    site.foundry.latency = 0.0
    in_flight = [name_of(served) for served in site.foundry.served[4:]]
    for move in moves:
        move(site)

    assert site.finish(site.start()) == 11
    sent = Counter(name_of(served) for served in site.foundry.served)
    assert sent == Counter(site.names)
    assert site.finish(site.start()) == 8
    assert site.finish(site.start("--retry-lost")) == 0
    sent = Counter(name_of(served) for served in site.foundry.served)
    assert sent == Counter([*site.names, *in_flight])
    assert site.finish(site.start("--check")) == 0


@pytest.mark.slow
def test_shards_that_are_killed_end_as_if_they_were_not(site, undisturbed):
    dice = random.Random(4)
    for number in range(12):
        retry = ["--retry-lost"] * (number % 3 == 2)
        shards = [(f"--shard={part}/2", "-j", "1", *retry) for part in (1, 2)]
        site.kill(a_moment(site, dice), *shards)
    assert site.kills > 12
    both = [site.start(f"--shard={part}/2", "--retry-lost") for part in (1, 2)]
    assert [site.finish(process) for process in both] == [0, 0]
    assert site.lock() == {}

    count = len(site.foundry.served)
    assert site.run() == 0
    assert len(site.foundry.served) == count
    assert not (site.folder / "assets.lock.d").exists()
    check_paid(site)
    check_whole(site, undisturbed)


@pytest.mark.parametrize("lost", ["outputs", "outputs and lock"])
@pytest.mark.parametrize(
    "kills", [3, pytest.param(30, marks=pytest.mark.slow)], ids=["a few kills", "many kills"]
)
def test_a_run_that_only_restores_survives_kills(site, undisturbed, lost, kills):
    site.foundry.latency = site.foundry.jitter = 0.0
    assert site.run() == 0
    count = len(site.foundry.served)
    dice = random.Random(kills)
    while site.kills < kills:
        if len(site.outputs()) > len(site.names):
            shutil.rmtree(site.folder / "out")
            if "lock" in lost:
                (site.folder / "assets.lock.json").unlink()
        enough = len(site.outputs()) + dice.randint(1, 20)
        process = site.start()
        while len(site.outputs()) < enough and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        code = site.finish(process)
        assert code in (KILLED, 0)
        site.kills += code == KILLED
        if (site.folder / "assets.lock.json").exists():
            present = {str(path.relative_to(site.folder)) for path in site.outputs()}
            for locked in site.lock().values():
                for path, facts in locked["outputs"].items():
                    if path in present:
                        assert digest(site.folder / path) == facts["sha256"]
    assert site.run() == 0
    assert len(site.foundry.served) == count
    check_whole(site, undisturbed)
