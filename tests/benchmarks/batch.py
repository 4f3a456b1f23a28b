"""What `mai batch` makes of a quota, of several pictures in flight, and of many assets.

Run as a program, this is the far end: an emulator that keeps a quota, in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.measuring import MAI, Command, Run
from tests.emulator import KEY, Emulator, picture, png
from tests.quotas import FixedWindow, SlidingWindow, TokenBucket

_PROJECT = Path(__file__).parents[2]
_COUNTS = {"bucket": TokenBucket, "fixed": FixedWindow, "sliding": SlidingWindow}
_WINDOW_SECONDS = 6.0  # instead of 60
_SIDE = 768

_HEADING = (
    f"{'quota':<12} {'pace':<8} {'count':<8} {'seconds':>8} {'ideal':>8} {'x':>6} {'429s':>6}"
)

_HASHING = """
import hashlib, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

paths = sorted(Path("out").iterdir())
if sys.argv[1:] == ["threads"]:
    with ThreadPoolExecutor() as pool:
        list(pool.map(digest, paths))
else:
    for path in paths:
        digest(path)
"""


@dataclass(frozen=True)
class Served:
    """What the far end saw: pictures that it sent, and requests beyond the quota."""

    pictures: int
    rejected: int


@dataclass
class FarEnd:
    """An emulator in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def count(self) -> Served:
        assert self.process.stdin
        assert self.process.stdout
        print("count", file=self.process.stdin, flush=True)
        return Served(*map(int, self.process.stdout.readline().split()))


@contextmanager
def far_end(latency: float, count: str = "", requests: int = 0) -> Iterator[FarEnd]:
    """``requests`` in a window, counted that way; no quota where there is none."""
    argv = [sys.executable, "-m", "tests.benchmarks.batch", str(latency), count, str(requests)]
    with subprocess.Popen(
        argv, cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield FarEnd(process, process.stdout.readline().strip())


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the tables; ``env`` has no endpoint yet."""
    bench = _Bench(folder / "batch", env)
    bench.without_quota(min(runs, 3))
    bench.with_quota()
    bench.together()
    bench.memory()
    bench.planning(min(runs, 5))


class _Bench:
    """Runs batches in a folder of its own, each with a home of its own."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = {**env, "MAI_API_KEY": KEY, "MAI_DEPLOYMENT": "mai-image-26"}
        self._number = 0

    def without_quota(self, runs: int) -> None:
        """Eight in flight, 200 ms each."""
        print(f"\nBatch without a quota ({runs} runs, 200 ms latency, 8 in flight)\n")
        print(f"{'':<12} {'seconds':>8} {'ideal':>8} {'x':>6}  goal")
        for count in (200, 2000):
            taken = []
            for _ in range(runs):
                with far_end(0.2) as service:
                    taken.append(self._batch(self._home(), service, count, "-j", "8").wall)
            ideal = count * 0.2 / 8
            times = median(taken) / ideal
            verdict = "ok" if times <= 1.15 else "over"
            print(
                f"N = {count:<8} {median(taken):8.2f} {ideal:8.2f} {times:6.2f}  <= 1.15 {verdict}"
            )

    def with_quota(self) -> None:
        """Known, unknown, and learned in the run before."""
        print(f"\nBatch on a quota (windows of {_WINDOW_SECONDS:g} s, 16 in flight at most)\n")
        print(_HEADING)
        for rpm, count, latency in ((60, 40, 0.5), (600, 300, 0.5)):
            for kind in _COUNTS:
                home = self._home()
                for pace in ("known", "unknown", "learned"):
                    home = home if pace == "learned" else self._home()
                    requests = round(rpm * _WINDOW_SECONDS / 60)
                    with far_end(latency, kind, requests) as service:
                        options = ["--rpm", str(rpm)] if pace == "known" else []
                        taken = self._batch(home, service, count, *options)
                        served = service.count()
                    self._print(f"{rpm}/min", pace, kind, taken.wall, (count, rpm, latency), served)

    def together(self) -> None:
        """Two processes on one quota."""
        print("\nTwo batches at once on one quota of 600 a minute\n")
        print(_HEADING)
        count = 300
        for kind in _COUNTS:
            for pace in ("known", "unknown"):
                options = ["--rpm", "600"] if pace == "known" else []
                home = self._home()
                with far_end(0.5, kind, 60) as service:
                    started = time.perf_counter()
                    both = [
                        subprocess.Popen(
                            self._argv(self._manifest(count // 2), *options),
                            env={**self._env, "MAI_HOME": str(home), "MAI_ENDPOINT": service.url},
                            stdout=subprocess.DEVNULL,
                        )
                        for _ in range(2)
                    ]
                    assert [one.wait() for one in both] == [0, 0]
                    taken = time.perf_counter() - started
                    served = service.count()
                self._print("600/min", pace, kind, taken, (count, 600, 0.5), served)

    def memory(self) -> None:
        """32 in flight."""
        print("\nMemory with 32 in flight\n")
        for count in (100, 10_000):
            with far_end(0.05) as service:
                taken = self._batch(self._home(), service, count, "-j", "32")
            verdict = "ok" if (taken.peak or 0) <= 60 else "over"
            print(
                f"N = {count:<8} {taken.peak:6.1f} MiB  goal <= 60 {verdict}  ({taken.wall:.1f} s)"
            )

    def planning(self, runs: int) -> None:
        """10 000 assets that are up to date, against reading and hashing their files."""
        count = 10_000
        folder = self._manifest(count).parent
        (folder / "out").mkdir()
        for number in range(count):
            (folder / f"out/{number}.png").write_bytes(os.urandom(100_000))
        env = {**self._env, "MAI_HOME": str(self._home())}
        Command(self._argv(folder / "assets.jsonl", "--adopt"), env, folder)()
        (folder / "hashing.py").write_text(_HASHING)
        hashing = [sys.executable, "-I", "-S", "hashing.py"]
        subjects = {
            "hashing": Command(hashing, env, folder),
            "hashing in threads": Command([*hashing, "threads"], env, folder),
            "--check": Command(self._argv(folder / "assets.jsonl", "--check"), env, folder),
            "--dry-run": Command(self._argv(folder / "assets.jsonl", "--dry-run"), env, folder),
            "a run": Command(self._argv(folder / "assets.jsonl"), env, folder),
        }
        print(f"\n{count} assets up to date, files of 100 kB ({runs} runs each, in turns)\n")
        taken: dict[str, list[Run]] = {name: [] for name in subjects}
        for _ in range(runs):
            for name, subject in subjects.items():
                taken[name].append(subject())
        unit = median(one.wall for one in taken["hashing"])
        for name, its in taken.items():
            wall = median(one.wall for one in its)
            peak = median(one.peak or 0 for one in its)
            verdict = (
                "" if "hashing" in name else f"goal <= 2 {'ok' if wall <= 2 * unit else 'over'}"
            )
            print(f"{name:<20} {wall:6.2f} s {wall / unit:6.2f} x {peak:6.1f} MiB  {verdict}")
        shutil.rmtree(folder)

    def _batch(self, home: Path, service: FarEnd, count: int, *options: str) -> Run:
        manifest = self._manifest(count)
        env = {**self._env, "MAI_HOME": str(home), "MAI_ENDPOINT": service.url}
        taken = Command(self._argv(manifest, *options), env, manifest.parent)()
        assert len(list((manifest.parent / "out").iterdir())) == count
        shutil.rmtree(manifest.parent)
        shutil.rmtree(home / "gallery")
        return taken

    def _argv(self, manifest: Path, *options: str) -> Sequence[str]:
        return [MAI, "batch", str(manifest), "-q", *options]

    def _home(self) -> Path:
        self._number += 1
        return self._folder / f"home-{self._number}"

    def _manifest(self, count: int) -> Path:
        """A manifest of that many assets, in a folder of its own."""
        self._number += 1
        folder = self._folder / f"assets-{self._number}"
        folder.mkdir(parents=True)
        lines = [
            json.dumps(
                {
                    "name": f"asset-{number}",
                    "prompt": f"a lighthouse at dawn, number {number}, {folder.name}",
                    "output": f"out/{number}.png",
                }
            )
            for number in range(count)
        ]
        manifest = folder / "assets.jsonl"
        manifest.write_text("\n".join(lines))
        return manifest

    def _print(
        self,
        quota: str,
        pace: str,
        kind: str,
        seconds: float,
        sizes: tuple[int, int, float],
        served: Served,
    ) -> None:
        count, rpm, latency = sizes
        ideal = max(count * latency / 16, (count - 1) * 60 / rpm + latency)
        times, rejected = seconds / ideal, served.rejected / count
        goal = (1.06, 0.01) if pace == "known" else (1.4, 0.2)
        verdict = "ok" if times <= goal[0] and rejected <= goal[1] else "over"
        assert served.pictures == count
        print(
            f"{quota:<12} {pace:<8} {kind:<8} {seconds:8.1f} {ideal:8.1f} {times:6.2f} "
            f"{rejected:6.3f}  <= {goal[0]}, {goal[1]} {verdict}"
        )


def _serve(latency: float, kind: str, requests: int) -> None:
    """Serve until standard input ends; each line there asks for the counts."""
    with Emulator(latency=latency) as emulator:
        if kind:
            emulator.quota = _COUNTS[kind](requests, _WINDOW_SECONDS)
        usage = {"num_input_text_tokens": 6, "num_output_tokens": 576}
        emulator.always(picture(png(_SIDE, _SIDE), usage=usage))
        print(emulator.url, flush=True)
        for _ in sys.stdin:
            quota = emulator.quota
            rejected = quota.rejected if quota else 0
            print(len(emulator.received) - rejected, rejected, flush=True)


if __name__ == "__main__":
    _serve(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
