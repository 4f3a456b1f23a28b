"""Whatever stands in the history: every command that reads it ends as it should."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.inside import assert_calm, run_inside
from tests.commands.records import record
from tests.emulator import KEY

COMMANDS = [
    "history list --all",
    "history list --all --json",
    "history list --since 30d --tag a",
    "history list --status ok --model x --until 2026-11-22",
    "history search fox --json",
    "history show last",
    "history show last --json",
    "history stats",
    "history stats --by day",
    "history stats --by tag --json",
    "history export --format json",
    "history export --format csv",
    "history export --to copies",
    "history verify --json",
    "history recover",
    "history recover --forget --json",
    "history gallery -o page",
    "history tag last +a",
    "history remove last --yes",
    "history prune --keep 1 --yes",
    "history prune --older-than 1d --dry-run",
    "history rerun last --dry-run --json",
    "history rerun last --offline --dry-run",
]
ENV = {"PATH": "/nowhere", "MAI_ENDPOINT": "http://127.0.0.1:9", "MAI_API_KEY": KEY}
ENDS = {0, 2, 3, 5, 7, 8}
GOOD = record(1)

ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, 1e308, "\x1b[31m", "\u202e", "/etc/passwd", "../../x", "\ud800"])
)
KEYS = st.sampled_from([*GOOD, "path", "gallery", "sha256", "width", "code"])
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn) -> dict:
    """A good record with a few things that are not as they should be, or not there."""
    state = dict(GOOD)
    names = st.sampled_from(sorted(GOOD))
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        if draw(st.booleans()):
            state[name] = draw(VALUES)
        elif isinstance(state[name], dict) and state[name]:
            inner = draw(st.sampled_from(sorted(state[name])))
            state[name] = {**state[name], inner: draw(VALUES)}
        else:
            del state[name]
    return state


LINES = st.binary(max_size=60) | st.builds(
    lambda value, is_ascii: json.dumps(value, ensure_ascii=is_ascii).encode(errors="surrogatepass"),
    changed() | changed() | VALUES,
    st.booleans(),
)
HISTORIES = st.lists(LINES, max_size=5).map(b"\n".join) | st.sampled_from(
    [
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).replace("0.04", "1e999").encode(),
        json.dumps(GOOD).encode()[:-40],
        b"\0" * 5000,
        b"[" * 70_000,
        b'{"id":"' + b"x" * 200_000 + b'"}\n',
        b'{"id":"a","n":' + b"9" * 10_000 + b"}\n",
    ]
)


def refuse(constant: str) -> None:
    raise AssertionError(constant)


@given(
    command=st.sampled_from(COMMANDS),
    history=HISTORIES,
    end=st.sampled_from([b"", b"\n", b"\r\n", b"\0"]),
)
@settings(max_examples=200, deadline=None)
def test_no_history_is_too_odd(command, history, end):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "history.jsonl").write_bytes(history + end)
        env = ENV | {"MAI_HOME": str(folder / "home"), "MAI_DEPLOYMENT": "mai-image-26"}
        result = run_inside(env, folder, *command.split())
        left = {path.name for path in folder.iterdir()}

    assert result.code in ENDS, result
    assert left <= {"home", "copies", "page"}
    if "--format" not in command:
        assert_calm(result)
    if command.endswith("--json") and result.out:
        for line in result.out.splitlines():
            json.loads(line, parse_constant=refuse)
    if command.endswith("--format json"):
        json.loads(result.out, parse_constant=refuse)
