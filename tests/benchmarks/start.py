"""How long it takes until the program is there."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.history import lines
from tests.benchmarks.measuring import (
    MAI,
    UNIT,
    Command,
    Goal,
    Row,
    Run,
    difference,
    print_table,
    take_turns,
)

_TYPER = """
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def hello(name: str = "world") -> None:
    print(f"hello {name}")


app()
"""
_VERSION = Goal(ratio=1.2)
_START = Goal(ratio=6.5, mib=20)
_LIVING = Goal(ratio=3.5, mib=15)
_TAB = Goal(ms=5)
_TABS = 200
_LOOP = r"""
. "$1"
COMP_WORDS=(mai generate "a lighthouse" --s)
COMP_CWORD=3
for ((number = 0; number < $2; number++)); do $3; done
"""
_SCRIPT = Path(__file__).parents[2] / "completions" / "mai.bash"


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the table; ``env`` has no endpoint."""
    program = folder / "smallest.py"
    program.write_text(_TYPER)
    used = folder / "used"
    used.mkdir()
    (used / "history.jsonl").write_bytes(b"".join(lines(20)))
    full = {**env, "MAI_HOME": str(used)}
    python = sys.executable
    plan = {
        UNIT: (Command([python, "-c", "pass"], env, folder), Goal()),
        "smallest Typer program": (Command([python, str(program)], env, folder), Goal()),
        "mai --version": (Command([MAI, "--version"], env, folder), _VERSION),
        "mai --help": (Command([MAI, "--help"], env, folder), _START),
        "mai generate --help": (Command([MAI, "generate", "--help"], env, folder), _START),
        "mai config get": (Command([MAI, "config", "get", "size"], env, folder), _START),
        "mai config list": (Command([MAI, "config", "list"], env, folder), _START),
        "mai history list --json": (
            Command([MAI, "history", "list", "--json"], full, folder),
            _START,
        ),
        "mai --values ids, at a TAB": (
            Command([MAI, "--values", "ids"], full, folder),
            _LIVING,
        ),
        "mai generate, no endpoint": (
            Command([MAI, "generate", "a lighthouse"], env, folder, exit_code=3),
            _START,
        ),
    }
    taken = take_turns({name: command for name, (command, _) in plan.items()}, runs)
    rows = [Row(name, taken[name], goal) for name, (_, goal) in plan.items()]
    if bash := shutil.which("bash"):
        rows.append(Row("a TAB after generate --s, bash", _tabs(bash, env, folder, runs), _TAB))
    print_table(f"Start ({runs} runs each, in turns; x: to {UNIT})", rows, taken[UNIT])


def _tabs(bash: str, env: Mapping[str, str], folder: Path, runs: int) -> list[Run]:
    """What one completion takes in a bash that is there; the loop around it is taken off."""

    def loop(call: str) -> Command:
        return Command(
            [bash, "--norc", "-c", _LOOP, "bash", str(_SCRIPT), str(_TABS), call], env, folder
        )

    taken = take_turns({"with": loop("_mai"), "without": loop(":")}, runs)
    return [Run(run.wall / _TABS) for run in difference(taken["with"], taken["without"])]
