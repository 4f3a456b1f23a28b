"""``python -m tests.benchmarks``: tables of how fast and how big, against the goals.

Nothing here fails because something is slow; the figures are for people to judge.
"""

import argparse
import os
import tempfile
from pathlib import Path

from tests.benchmarks import batch, generate, history, pictures, start
from tests.benchmarks.measuring import machine

BENCHMARKS = {
    "start": start,
    "generate": generate,
    "pictures": pictures,
    "history": history,
    "batch": batch,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="of each command (20)")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all without one"
    )
    options = parser.parse_args()
    runs = max(1, options.runs)
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        env = {"PATH": os.environ["PATH"], "HOME": place, "MAI_HOME": str(folder / "home")}
        for name in options.names or BENCHMARKS:
            BENCHMARKS[name].run(folder, env, runs)


if __name__ == "__main__":
    main()
