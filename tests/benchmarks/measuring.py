"""Running commands in turns, and tables of what they took. POSIX only."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

MAI = str(Path(sys.executable).with_name("mai"))
UNIT = "python -c pass"

# Linux counts the memory of the process that starts a program as the program's own peak. So each
# is started by a Python that holds next to nothing, less than any program that is measured.
_LAUNCHER = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - started
exit_code = os.waitstatus_to_exitcode(status)
print(exit_code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_MIB = 1 << 20


@dataclass(frozen=True)
class Run:
    """What one run took: seconds of time and of CPU (user and system), MiB at the peak."""

    wall: float
    cpu: float | None = None
    peak: float | None = None


Subject = Callable[[], Run]


@dataclass(frozen=True)
class Command:
    """A program to measure; its exit code must be ``exit_code``."""

    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    exit_code: int = 0

    def __call__(self) -> Run:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *self.argv],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        exit_code, wall, cpu, peak = done.stdout.split()
        if int(exit_code) != self.exit_code:
            raise RuntimeError(f"{self.argv} ended with {exit_code}:\n{done.stderr}")
        return Run(float(wall), float(cpu), float(peak) * _MAXRSS_UNIT / _MIB)


def take_turns(subjects: Mapping[str, Subject], runs: int) -> dict[str, list[Run]]:
    """Each subject once in every round, after a round that warms up and writes the .pyc files."""
    taken: dict[str, list[Run]] = {name: [] for name in subjects}
    for number in range(runs + 1):
        for name, subject in subjects.items():
            run = subject()
            if number:
                taken[name].append(run)
    return taken


@dataclass(frozen=True)
class Goal:
    """What a row should stay below, as far as given."""

    ratio: float | None = None
    mib: float | None = None
    ms: float | None = None

    def __str__(self) -> str:
        limits = {" x": self.ratio, " MiB": self.mib, " ms": self.ms}
        return ", ".join(f"<= {limit:g}{unit}" for unit, limit in limits.items() if limit)

    def verdict(self, *, ratio: float, mib: float, ms: float) -> str:
        pairs = ((ratio, self.ratio), (mib, self.mib), (ms, self.ms))
        met = [value <= limit for value, limit in pairs if limit]
        return ("ok" if all(met) else "over") if met else ""


@dataclass(frozen=True)
class Row:
    """A line of a table: runs, one for each round."""

    name: str
    runs: Sequence[Run]
    goal: Goal = Goal()


def ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """The median of how many times longer a run took than the other one of its round."""
    pairs = zip(runs, others, strict=True)
    return median(run.wall / other.wall for run, other in pairs)


def difference(runs: Sequence[Run], others: Sequence[Run]) -> list[Run]:
    """How much longer each run took than the other one of its round."""
    return [Run(run.wall - other.wall) for run, other in zip(runs, others, strict=True)]


def print_table(heading: str, rows: Sequence[Row], unit: Sequence[Run]) -> None:
    """Medians; times with their quartiles; ratios to the runs of ``unit``."""
    print(f"\n{heading}\n")
    layout = "{:<32} {:>8} {:>15} {:>8} {:>6} {:>6}  {:<19} {}"
    titles = ("", "wall ms", "quartiles", "CPU ms", "MiB", "x", "goal", "")
    print(layout.format(*titles).rstrip())
    for row in rows:
        walls = [run.wall * 1000 for run in row.runs]
        low, _, high = quantiles(walls, n=4) if len(walls) > 1 else walls * 3
        cpu = [run.cpu * 1000 for run in row.runs if run.cpu is not None]
        peak = [run.peak for run in row.runs if run.peak is not None]
        times = ratio(row.runs, unit)
        verdict = row.goal.verdict(ratio=times, mib=median(peak) if peak else 0, ms=median(walls))
        print(
            layout.format(
                row.name,
                f"{median(walls):.1f}",
                f"{low:.1f} to {high:.1f}",
                f"{median(cpu):.1f}" if cpu else "",
                f"{median(peak):.1f}" if peak else "",
                f"{times:.2f}",
                str(row.goal),
                verdict,
            ).rstrip()
        )


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":") for line in cpuinfo.read_text().splitlines()]
        names = [value.strip() for key, _, value in lines if key.strip() == "model name"]
        model = names[0] if names else model
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("mai-cli", "typer", "httpx"))
    return f"{os.cpu_count()} cores, {model}, {system}, {python}; {packages}"
