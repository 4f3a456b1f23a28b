"""``mai batch`` against a service at its worst: every kind of fault, at random, many at once."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mai_cli.services.batching import PATIENCE
from mai_cli.services.generation import MAX_LOST, MAX_REFUSALS
from tests.chunks import without_texts
from tests.emulator import FILTERED, Did, Emulator, Fault, Faults, Served, error, picture, png
from tests.quotas import FixedWindow, SlidingWindow, TokenBucket

DEPLOYMENT = "mai-image-26"
WORDS = 3  # of a prompt
CENTS = (WORDS * 5 + 768 * 768 // 1024 * 38) / 1e6  # what a picture costs

LIKELY = {
    Fault.TIMEOUT: 0.03,
    Fault.HUNG_UP: 0.03,
    Fault.FAILED: 0.03,
    Fault.DOWN: 0.03,
    Fault.GATEWAY: 0.015,
    Fault.GAVE_UP: 0.015,
    Fault.LOST: 0.015,
    Fault.RESET: 0.015,
    Fault.TORN: 0.015,
    Fault.CUT: 0.015,
    Fault.NO_JSON: 0.015,
    Fault.NO_PNG: 0.015,
    Fault.FILTERED: 0.03,  # five in a row would stop it
    Fault.SLOW: 0.02,
    Fault.DRIPPING: 0.02,
}


Fate = tuple[str, int]
"""What became of an asset, and how many requests that took."""


@dataclass(frozen=True)
class Storm:
    """A manifest of so many assets, and what befalls them."""

    folder: Path
    names: Sequence[str]
    faults: Faults

    @property
    def manifest(self) -> Path:
        return self.folder / "assets.json"

    @property
    def lock(self) -> dict:
        return json.loads((self.folder / "assets.lock.json").read_bytes())["assets"]

    def files(self) -> dict[Path, tuple[int, bytes]]:
        """Everything in the folder: when it was written, and what is in it."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def prompt_of(name: str) -> str:
    return f"picture of {name}"


def storm(folder: Path, count: int, seed: int) -> Storm:
    """Assets with every fault there is; some fail each time, and once the quota is used up."""
    names = [f"a{number:03}" for number in range(count)]
    stubborn = {prompt_of(name): Fault.FAILED for name in names[7::50]}
    stubborn |= {prompt_of(name): Fault.DOWN for name in names[31::80]}
    busy = names[2 * count // 3 :][:6]
    orders = {prompt_of(name): [Fault.BUSY] for name in busy}
    others = [fault for fault in Fault if fault is not Fault.BUSY]
    orders |= {prompt_of(name): [fault] for name, fault in zip(names[10:], others, strict=False)}
    faults = Faults(seed, LIKELY, stubborn=stubborn, orders=orders)
    folder.mkdir()
    outputs = [
        [f"out/{name}.png"]
        + [{"path": f"out/{name}.jpg", "width": 96, "quality": 70}] * (number % 10 == 0)
        for number, name in enumerate(names)
    ]
    assets = [
        {"name": name, "prompt": prompt_of(name), "outputs": files}
        for name, files in zip(names, outputs, strict=True)
    ]
    manifest = {"defaults": {"size": "768x768", "deployment": DEPLOYMENT}, "assets": assets}
    (folder / "assets.json").write_text(json.dumps(manifest))
    return Storm(folder, names, faults)


def fate(faults: Faults, prompt: str, first: int = 1) -> Fate:
    """What must become of a request whose first attempt has that number."""
    attempt = first
    tries = Counter[bool]()
    while True:
        fault = faults.of(prompt, attempt)
        if fault is Fault.FILTERED:
            return "refused", attempt
        if fault and fault.is_loss:
            return "unknown", attempt
        if not (fault and fault.is_transient):
            return "made", attempt
        is_busy = fault is Fault.BUSY
        tries[is_busy] += 1
        if tries[is_busy] >= (PATIENCE.attempts_for_quota if is_busy else PATIENCE.attempts):
            return "failed", attempt
        attempt += 1


def fate_with_retry_lost(faults: Faults, prompt: str) -> Fate:
    """The same for one that is asked for again after a loss, which only a picture makes up for."""
    first, last = result, _ = fate(faults, prompt)
    for _ in range(MAX_LOST - 1):
        if result == "unknown":
            result, last = fate(faults, prompt, last + 1)
    return (result if result == "made" else first), last


class Campaign:
    """Runs of one manifest, and what the service saw of them."""

    def __init__(self, weather: Storm, foundry: Emulator, home: Path, start: Callable) -> None:
        self.weather = weather
        self.foundry = foundry
        self.home = home
        self._start = start
        foundry.distinct = True
        foundry.faults = weather.faults
        foundry.latency = 0.02

    def batch(self, *args: str) -> tuple[dict, list[Served]]:
        """One run: its summary, and what was sent."""
        before = len(self.foundry.served)
        result = self._start("batch", str(self.weather.manifest), "--json", *args)
        assert "Traceback" not in result.err, result.err
        *_, summary = result.objects
        assert summary["schema"] == "mai/summary/1", summary
        assert summary["exit_code"] == result.code
        named = Counter(asset["result"] for asset in summary["assets"])
        assert named == {
            key: count for key, count in summary["counts"].items() if count and key != "up_to_date"
        }
        return summary, self.foundry.served[before:]

    def seen(self, did: Did) -> list[Served]:
        return [served for served in self.foundry.served if served.did is did]

    def check_pictures(self) -> None:
        """Whatever was sent whole is in the gallery, and its exports are where they belong."""
        folder = self.weather.folder
        masters = {digest(path): path for path in (self.home / "gallery").rglob("*.png")}
        delivered = {served.sha256: name_of(served) for served in self.seen(Did.DELIVERED)}
        assert delivered.keys() == masters.keys()
        lock = self.weather.lock
        for sha256, name in delivered.items():
            assert lock[name]["master"] == sha256
            outputs = lock[name]["outputs"]
            assert f"out/{name}.png" in outputs
            for path, facts in outputs.items():
                assert digest(folder / path) == facts["sha256"]
            copy = (folder / f"out/{name}.png").read_bytes()
            assert without_texts(copy) == masters[sha256].read_bytes()
        assert {path.stem for path in (folder / "out").iterdir()} == set(delivered.values())

    def check_history(self) -> None:
        """One final state for each request, and as many attempts as the service saw."""
        lines = (self.home / "history.jsonl").read_bytes().splitlines()
        states = list({record["id"]: record for record in map(json.loads, lines)}.values())
        found = Counter(state["status"] for state in states)
        assert found.keys() <= {"ok", "unknown", "refused", "failed"}
        assert sum(state["attempts"] for state in states) == len(self.foundry.served)
        assert found["ok"] == len(self.seen(Did.DELIVERED))
        assert found["unknown"] == len(self.seen(Did.LOST))
        assert found["refused"] == len(self.seen(Did.REFUSED))
        masters = {state["master"]["sha256"] for state in states if state["status"] == "ok"}
        assert masters == {served.sha256 for served in self.seen(Did.DELIVERED)}


def name_of(served: Served) -> str:
    return served.prompt.rpartition(" ")[2]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def results_of(summary: dict) -> dict[str, str]:
    return {asset["name"]: asset["result"] for asset in summary["assets"]}


def known_cost(delivered: Sequence[Served]) -> object:
    """What pictures cost whose tokens could be read."""
    return pytest.approx(sum(served.fault is not Fault.CUT for served in delivered) * CENTS)


def in_the_storm(campaign: Campaign) -> dict[str, str]:
    """Every asset ends as its faults say it must; returns how."""
    weather = campaign.weather
    fates = {name: fate(weather.faults, prompt_of(name)) for name in weather.names}
    summary, served = campaign.batch()
    results = {name: result for name, (result, _) in fates.items()}
    assert results_of(summary) == results
    assert set(results.values()) == {"made", "refused", "failed", "unknown"}
    assert summary["exit_code"] == 11
    assert {one.fault for one in served if one.fault} == set(Fault)
    # Nothing that may have been drawn was asked for again.
    assert Counter(map(name_of, served)) == {name: last for name, (_, last) in fates.items()}
    assert max(Counter(one.prompt for one in served if one.sha256).values()) == 1
    counts = Counter(results.values())
    delivered = campaign.seen(Did.DELIVERED)
    assert len(delivered) == counts["made"]
    assert len(campaign.seen(Did.LOST)) == counts["unknown"]
    assert summary["cost_usd"] == known_cost(delivered)
    assert summary["cost_is_whole"] is False
    campaign.check_pictures()
    campaign.check_history()
    return results


def in_the_calm(campaign: Campaign, results: dict[str, str]) -> None:
    """Only what surely was not drawn is sent, what may have been is held until told otherwise."""
    campaign.foundry.faults = None
    to_do = {name for name, result in results.items() if result in ("refused", "failed")}
    lost = {name for name, result in results.items() if result == "unknown"}
    held = dict.fromkeys(lost, "unknown")

    summary, served = campaign.batch()
    assert Counter(map(name_of, served)) == dict.fromkeys(to_do, 1)
    assert results_of(summary) == dict.fromkeys(to_do, "made") | held
    assert summary["counts"]["up_to_date"] == len(results) - len(to_do) - len(lost)
    assert (summary["exit_code"], summary["cost_usd"]) == (11, known_cost(served))

    summary, served = campaign.batch()
    assert (summary["exit_code"], results_of(summary), served) == (8, held, [])

    summary, served = campaign.batch("--retry-lost")
    assert Counter(map(name_of, served)) == dict.fromkeys(lost, 1)
    assert (summary["exit_code"], results_of(summary)) == (0, dict.fromkeys(lost, "made"))
    assert (summary["cost_usd"], summary["cost_is_whole"]) == (known_cost(served), True)
    campaign.check_pictures()
    campaign.check_history()
    assert campaign.weather.lock.keys() == set(campaign.weather.names)


def at_last(campaign: Campaign) -> None:
    """A run that finds everything there sends nothing and changes no byte."""
    history = campaign.home / "history.jsonl"

    def everything() -> tuple[object, ...]:
        return campaign.weather.files(), history.read_bytes(), history.stat().st_mtime_ns

    before = everything()
    summary, served = campaign.batch()
    assert (summary["exit_code"], served) == (0, [])
    assert summary["counts"]["up_to_date"] == len(campaign.weather.names)
    assert everything() == before


@pytest.fixture
def campaign(run, env, foundry, home, tmp_path):
    """A campaign in a storm over so many assets."""

    def campaign(count: int, seed: int) -> Campaign:
        weather = storm(tmp_path / "project", count, seed)
        return Campaign(weather, foundry, home, lambda *args: run(env, *args, timeout=600))

    return campaign


@pytest.mark.slow
def test_a_storm_is_weathered(campaign):
    runs = campaign(150, seed=5)
    in_the_calm(runs, in_the_storm(runs))
    at_last(runs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_storm_over_five_hundred_assets_is_weathered(campaign, seed):
    runs = campaign(500, seed)
    in_the_calm(runs, in_the_storm(runs))
    at_last(runs)


RESULTS = {
    Did.DELIVERED: "made",
    Did.LOST: "unknown",
    Did.REFUSED: "refused",
    Did.NOTHING: "failed",
}


@pytest.mark.slow
@pytest.mark.parametrize("quota", [TokenBucket, FixedWindow, SlidingWindow])
def test_a_storm_under_a_quota_is_weathered(campaign, foundry, quota):
    runs = campaign(500, seed=7)
    foundry.quota = quota(80, 2.0)
    summary, served = runs.batch()

    last = {name_of(one): one for one in served}
    assert results_of(summary) == {name: RESULTS[one.did] for name, one in last.items()}
    assert last.keys() == set(runs.weather.names)
    ended = {name: one for name, one in last.items() if one.did is not Did.NOTHING}
    first = {name_of(one): one for one in reversed(served) if one.did is not Did.NOTHING}
    assert first == ended  # nothing came after what was drawn or refused
    runs.check_pictures()
    runs.check_history()
    foundry.quota = None
    in_the_calm(runs, results_of(summary))
    at_last(runs)


@pytest.mark.slow
def test_in_a_storm_lost_answers_are_asked_for_again_a_few_times_if_told(campaign):
    runs = campaign(500, seed=6)
    weather = runs.weather
    fates = {name: fate_with_retry_lost(weather.faults, prompt_of(name)) for name in weather.names}
    summary, served = runs.batch("--retry-lost")

    assert results_of(summary) == {name: result for name, (result, _) in fates.items()}
    assert Counter(map(name_of, served)) == {name: last for name, (_, last) in fates.items()}
    assert max(Counter(one.prompt for one in served if one.sha256).values()) in (2, 3)
    runs.check_pictures()
    runs.check_history()


@pytest.fixture
def listed(tmp_path):
    """A manifest of so many assets."""

    def listed(count: int) -> str:
        names = [f"a{number:03}" for number in range(count)]
        assets = [
            {"name": name, "prompt": prompt_of(name), "output": f"{name}.png"} for name in names
        ]
        manifest = {"defaults": {"size": "768x768", "deployment": DEPLOYMENT}, "assets": assets}
        (tmp_path / "assets.json").write_text(json.dumps(manifest))
        return "assets.json"

    return listed


def test_what_a_lost_answer_costs_is_not_known(mai, foundry, listed):
    foundry.faults = Faults(0, {}, orders={prompt_of("a001"): [Fault.LOST]})
    summary = mai("batch", listed(3), "--json").objects[-1]
    assert (summary["cost_usd"], summary["cost_is_whole"]) == (pytest.approx(2 * CENTS), False)
    summary = mai("batch", listed(3), "--json", "--retry-lost").objects[-1]
    assert (summary["cost_usd"], summary["cost_is_whole"]) == (pytest.approx(CENTS), True)


BLOCKED = error(403, "Forbidden", "Your resource has been temporarily blocked.")
GOOD = picture(png(768, 768))


def test_five_refusals_in_a_row_stop_a_batch(mai, foundry, listed, home, tmp_path):
    foundry.will(GOOD, FILTERED, FILTERED, GOOD, *[FILTERED] * MAX_REFUSALS)
    result = mai("batch", listed(20), "-j", "1", "--json")

    counts = result.objects[-1]["counts"]
    assert len(foundry.received) == 4 + MAX_REFUSALS
    assert (counts["made"], counts["refused"], counts["not_sent"]) == (2, 2 + MAX_REFUSALS, 11)
    assert result.code == 11
    assert result.err.count("going on could lock the resource for days") == 1
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_refusals_of_many_at_once_stop_a_batch_soon(mai, foundry, listed):
    foundry.always(FILTERED)
    foundry.latency = 0.1
    result = mai("batch", listed(60), "-j", "8", "--json")

    counts = result.objects[-1]["counts"]
    assert result.code == 5
    assert MAX_REFUSALS <= counts["refused"] == len(foundry.received) < MAX_REFUSALS + 8
    assert counts["not_sent"] == 60 - counts["refused"]


def test_refusals_with_pictures_in_between_do_not_stop_a_batch(mai, foundry, listed):
    foundry.will(*([FILTERED] * (MAX_REFUSALS - 1) + [GOOD]) * 4)
    result = mai("batch", listed(20), "-j", "1", "--json")

    counts = result.objects[-1]["counts"]
    assert (counts["made"], counts["refused"], counts["not_sent"]) == (4, 16, 0)


def test_a_blocked_resource_stops_a_batch_and_what_is_in_flight_is_kept(
    mai, foundry, listed, tmp_path
):
    def all_are_in_flight() -> None:
        end = time.monotonic() + 20
        while len(foundry.received) < 4 and time.monotonic() < end:
            time.sleep(0.01)

    foundry.will(replace(BLOCKED, before=all_are_in_flight))
    foundry.always(replace(GOOD, before=lambda: time.sleep(1.5)))
    result = mai("batch", listed(40), "-j", "4", "--json")

    counts = result.objects[-1]["counts"]
    assert (result.code, counts["refused"], counts["made"]) == (11, 1, 3)
    assert len(foundry.received) == 4
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert counts["not_sent"] == 36
    assert result.err.count("going on could lock the resource for days") == 1


def test_a_run_that_only_finds_the_resource_blocked_says_so(mai, foundry, listed):
    foundry.always(BLOCKED)
    result = mai("batch", listed(10), "-j", "1", "--json")

    assert (result.code, len(foundry.received)) == (5, 1)
    assert result.objects[-1]["counts"]["not_sent"] == 9


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.FILTERED, 5), (Fault.FAILED, 6), (Fault.LOST, 8)],
)
def test_the_first_failure_ends_a_batch_if_told_so(mai, foundry, listed, fault, code):
    foundry.faults = Faults(0, {}, stubborn={prompt_of("a003"): fault, prompt_of("a004"): fault})
    result = mai("batch", listed(12), "-j", "1", "--fail-fast", "--json")

    counts = result.objects[-1]["counts"]
    assert (result.code, counts["made"], counts["not_sent"]) == (11, 3, 8)
    assert {served.prompt for served in foundry.served} == {
        prompt_of(f"a{number:03}") for number in range(4)
    }
    errors = {asset["name"]: asset["error"] for asset in result.objects[-1]["assets"]}
    assert errors["a003"]["exit_code"] == code

    foundry.faults = None
    assert mai("batch", listed(12), "-j", "1").code == (11 if code == 8 else 0)
