"""Whatever stands in a manifest or in the settings: it is named, refused or used; never a bug."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS
from mai_cli.services.asset_outputs import OUTPUT_KEYS
from mai_cli.services.asset_values import ASSET_KEYS
from tests import schemas
from tests.commands.inside import assert_calm, run_inside
from tests.emulator import KEY

ENV = {"PATH": "/nowhere", "MAI_ENDPOINT": "http://127.0.0.1:9", "MAI_API_KEY": KEY}

GOOD = {
    "toml": b"""\
[defaults]
size = "16:9"
[vars]
style = "soft"
[[assets]]
name = "a-${season}"
prompt = "a ${season}, ${style}"
matrix = { season = ["spring", "autumn"] }
outputs = ["a-${season}.png", { path = "b-${season}.jpg", width = 320, quality = 80 }]
""",
    "yaml": b"""\
vars: &v {style: soft}
assets:
  - name: a-${season}
    prompt: a ${season}, ${style}
    matrix: {season: [spring, autumn]}
    vars: *v
    output: a-${season}.png
""",
    "json": b'{"assets": [{"name": "a", "prompt": "a fox", "count": 2, "output": "a.png"}]}',
    "jsonl": b'{"prompt": "a fox", "output": "a.png"}\n{"prompt": "a dog", "tags": ["x"]}\n',
    "csv": b'name,prompt,output,width\na,"a fox, red",a.png,\nb,a dog,b.webp,""\n',
    "tsv": b"name\tprompt\toutput\na\ta fox\ta.png\n",
    "txt": b"# prompts\na fox\na dog\n",
}
ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["${a}", "${", "../x.png", "/etc/x.png", "a\0b", "\x1b[31m.png", "\ud800"])
    | st.sampled_from(["16:9", "a.png", "a.png/b.png", "~/x.png", "CON.png", "a\nb.png", 10**400])
)
NAMES = st.sampled_from(ASSET_KEYS + OUTPUT_KEYS) | st.text(max_size=3)
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
ASSETS = st.dictionaries(NAMES, VALUES, max_size=5).map(lambda asset: {"prompt": "a fox", **asset})
TABLES = st.fixed_dictionaries(
    {"assets": st.lists(ASSETS, max_size=3) | VALUES},
    optional={"defaults": st.dictionaries(NAMES, VALUES, max_size=3) | VALUES, "vars": VALUES},
)
SPARKS = st.binary(max_size=3) | st.sampled_from(
    [
        b"[",
        b"{",
        b"]",
        b'"',
        b"'",
        b"*",
        b"&a",
        b"<<: ",
        b"\t",
        b"\r\n",
        b"\xff\xfe",
        b"\0",
        b"!!x ",
    ]
)


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """``data`` with something else in a few places."""
    for _ in range(draw(st.integers(1, 3))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
        data = data[:at] + draw(SPARKS) + data[at + size :]
    return data


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


MANIFESTS = st.sampled_from(sorted(GOOD)).flatmap(
    lambda format_: st.tuples(st.just(format_), st.binary(max_size=80) | spoiled(GOOD[format_]))
) | st.one_of(
    st.tuples(st.sampled_from(["json", "yaml"]), TABLES.map(as_json)),
    st.tuples(st.just("jsonl"), ASSETS.map(as_json)),
)


@given(
    manifest=MANIFESTS,
    args=st.sampled_from(
        [("--dry-run", "--json"), ("--check",), ("--offline", "--max-images", "2")]
    ),
)
@settings(max_examples=250, deadline=None)
def test_no_manifest_is_too_odd(manifest, args):
    format_, data = manifest
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name, "in"), Path(name, "home")
        folder.mkdir()
        (folder / f"m.{format_}").write_bytes(data)
        env = ENV | {"MAI_HOME": str(home), "MAI_DEPLOYMENT": "mai-image-26"}
        result = run_inside(env, folder, "batch", f"m.{format_}", *args)
        left = {path.name for path in Path(name).iterdir()}

    assert result.code in (0, 2, 3, 5, 7, 9, 10, 11), result
    assert left <= {"in", "home"}
    assert_calm(result)
    if "--json" in args:
        schemas.hold_lines(result.out.splitlines())


COMMANDS = [
    "config list",
    "config list --json",
    "config get size --json",
    "config profiles --json",
    "config path",
    "config set size 16:9",
    "config unset size",
    "generate x --dry-run --json",
    "generate x --offline --dry-run -p work",
    "history list",
]


def as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{as_toml(key)} = {as_toml(value[key])}' for key in value)}}}"
        case None:
            return "1979-05-27"
        case _:
            return repr(value)


SETTINGS = st.dictionaries(
    st.sampled_from([key.name for key in (*KEYS, *DEPLOYMENT_KEYS)]) | st.text(max_size=3),
    VALUES,
    max_size=3,
).map(lambda table: "\n".join(f"{as_toml(name)} = {as_toml(table[name])}" for name in table))
FILES = st.builds(
    lambda top, name, table: f"{top}\n[{name}]\n{table}".encode(errors="surrogatepass"),
    SETTINGS,
    st.sampled_from(["profiles.work", "deployments.x", 'profiles."\\u009b"', "profiles", "x"]),
    SETTINGS,
)


@given(
    command=st.sampled_from(COMMANDS),
    data=FILES | FILES | st.binary(max_size=60),
    is_project=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_no_settings_are_too_odd(command, data, is_project):
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name, "in"), Path(name, "home")
        folder.mkdir()
        home.mkdir()
        (folder / ".mai.toml" if is_project else home / "config.toml").write_bytes(data)
        result = run_inside(ENV | {"MAI_HOME": str(home)}, folder, *command.split())

    assert result.code in (0, 2, 3), result
    assert_calm(result)
    if "--json" in command:
        schemas.hold_lines(result.out.splitlines())
