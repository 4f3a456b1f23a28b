"""``python -m tests.benchmarks``: tables of how fast and how big, against the goals.

Nothing here fails because something is slow; the figures are for people to judge.
"""

import argparse
import os
import tempfile
from pathlib import Path

from tests.benchmarks import generate, pictures, start
from tests.benchmarks.measuring import machine


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="of each command (20)")
    runs = max(1, parser.parse_args().runs)
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {"PATH": os.environ["PATH"], "HOME": name, "MAI_HOME": str(folder / "home")}
        for benchmark in (start, generate, pictures):
            benchmark.run(folder, env, runs)


if __name__ == "__main__":
    main()
