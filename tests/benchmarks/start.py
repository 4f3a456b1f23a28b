"""How long it takes until the program is there."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.history import lines
from tests.benchmarks.measuring import MAI, UNIT, Command, Goal, Row, print_table, take_turns

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
_COMPLETION = Goal(ms=5)


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the table; ``env`` has no endpoint."""
    program = folder / "smallest.py"
    program.write_text(_TYPER)
    # What the completion script for bash that Typer generates asks for after "mai generate --s".
    tab = {"_MAI_COMPLETE": "complete_bash", "COMP_WORDS": "mai\ngenerate\n--s", "COMP_CWORD": "2"}
    used = folder / "used"
    used.mkdir()
    (used / "history.jsonl").write_bytes(b"".join(lines(20)))
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
            Command([MAI, "history", "list", "--json"], {**env, "MAI_HOME": str(used)}, folder),
            _START,
        ),
        "mai generate, no endpoint": (
            Command([MAI, "generate", "a lighthouse"], env, folder, exit_code=3),
            _START,
        ),
        "one completion": (Command([MAI], {**env, **tab}, folder), _COMPLETION),
    }
    taken = take_turns({name: command for name, (command, _) in plan.items()}, runs)
    rows = [Row(name, taken[name], goal) for name, (_, goal) in plan.items()]
    print_table(f"Start ({runs} runs each, in turns; x: to {UNIT})", rows, taken[UNIT])
