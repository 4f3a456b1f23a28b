import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NAMES = ["start", "generate", "pictures", "history"]  # batches take minutes


@pytest.mark.slow
def test_the_benchmarks_run_and_print_their_tables():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--runs", "1", *NAMES],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nStart (1 runs each" in done.stdout
    assert "\nOne picture (1 runs each" in done.stdout
    assert "\nHistory (1 runs each" in done.stdout
    assert "\nThe web page of a gallery" in done.stdout
    assert "\nExports, for each megapixel of the master (1 runs each" in done.stdout
    assert "\nMetadata into a PNG of 512x512, " in done.stdout
    assert "\nOne picture of 512x512 and its outputs (1 runs each" in done.stdout
