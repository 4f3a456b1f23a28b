import json
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mai_cli.errors import UsageError
from mai_cli.models.recipe import FORMATS, MAX_SIDE
from mai_cli.models.reference import MAX_REFERENCES
from mai_cli.models.request import BACKGROUNDS, OWN_OPTION
from mai_cli.services.asset_outputs import OUTPUT_KEYS
from mai_cli.services.asset_values import ASSET_KEYS, DEFAULT_KEYS, MAX_COUNT, MAX_NAME
from mai_cli.services.assets import build_assets
from mai_cli.stores.manifest import read_manifest

SCHEMA = json.loads((files("mai_cli") / "schemas" / "manifest.json").read_text())
PARTS = SCHEMA["$defs"]


def is_valid(manifest: object) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(manifest)


def is_built(manifest: object, folder: Path) -> bool:
    file = folder / "assets.json"
    file.write_text(json.dumps(manifest))
    mistakes = []
    try:
        read = read_manifest(file, None, None)
    except UsageError:
        return False
    build_assets(read, mistakes, allow_outside=False, read_prompt=str)
    return not mistakes


def with_asset(**values) -> dict:
    return {"assets": [{"name": "fox", "prompt": "a fox", **values}]}


GOOD = [
    {"assets": []},
    [],
    [{"prompt": "a fox"}],
    {"$schema": "manifest.json", "assets": [{"prompt": "a fox"}]},
    {
        "defaults": {"size": "16:9", "deployment": "x", "output": "${name}.png", "count": 2},
        "vars": {"style": "soft", "n": 1.5, "on": True},
        "assets": [{"prompt": "a fox, ${style}"}, {"prompt_file": "p.txt", "outputs": []}],
    },
    {"defaults": {"prompt": "the same"}, "assets": [{"name": "a"}, {"name": "b"}]},
    with_asset(images="a.png", tags="x", alt=""),
    with_asset(images=["a.png", "/b/c.jpg"], tags=["x", "y"], model="MAI-Image-2.6"),
    with_asset(background="opaque", web_grounding="Yes", params={"seed": 1, "x": None}),
    with_asset(background="${b}", web_grounding="${w}", vars={"b": "opaque", "w": False}),
    with_asset(count="${n}", matrix={"n": [1, 2]}, name="a${n}${number}"),
    with_asset(matrix={"a": "x", "b": ["y", 2, True]}, name="${a}${b}"),
    with_asset(output={"path": "a.JPEG", "width": "320", "height": 200, "fit": "contain"}),
    with_asset(outputs={"path": "a.webp", "quality": 80, "max_kb": 100}),
    with_asset(
        outputs=["a/b.avif", {"path": "${e}.jpg", "width": "${w}"}], vars={"e": "c", "w": 1}
    ),
    with_asset(output="${o}", vars={"o": "a.png"}),
]

BAD = [
    3,
    {},
    {"asset": []},
    {"assets": {}},
    {"assets": [3]},
    {"assets": [], "defaults": []},
    {"assets": [{"prompt": "x"}], "defaults": {"name": "x"}},
    {"assets": [{"prompt": "x"}], "defaults": {"vars": {}}},
    {"assets": [{"prompt": "x"}], "defaults": {"prompt": "x", "prompt_file": "y"}},
    {"assets": [{"prompt": "x"}], "vars": {"name": "x"}},
    {"assets": [{"prompt": "x"}], "vars": {"a b": "x"}},
    {"assets": [{"prompt": "x"}], "vars": {"a": []}},
    with_asset(promt="x"),
    with_asset(prompt_file="x"),
    with_asset(prompt=" "),
    with_asset(prompt=None),
    with_asset(name=""),
    with_asset(name=3),
    with_asset(name="x" * 201),
    with_asset(images=["a.png"] * 6),
    with_asset(images=[""]),
    with_asset(images="a\\b.png"),
    with_asset(size=16),
    with_asset(size=""),
    with_asset(deployment=" "),
    with_asset(background="red"),
    with_asset(web_grounding="maybe"),
    with_asset(web_grounding=2),
    with_asset(params=[]),
    with_asset(params={"width": 3}),
    with_asset(params={"": 3}),
    with_asset(count=0),
    with_asset(count=1001),
    with_asset(count=1.5),
    with_asset(count=True),
    with_asset(output="a.png", outputs="b.png"),
    with_asset(output=["a.png"]),
    with_asset(output="a"),
    with_asset(output=".png"),
    with_asset(output="a.gif"),
    with_asset(output="a\\b.png"),
    with_asset(output="a.png/"),
    with_asset(output={"width": 3}),
    with_asset(output={"path": "a.png", "with": 3}),
    with_asset(output={"path": "a.png", "width": 0}),
    with_asset(output={"path": "a.png", "width": 16384}),
    with_asset(output={"path": "a.png", "fit": "cover"}),
    with_asset(output={"path": "a.png", "width": 3, "height": 3, "fit": "crop"}),
    with_asset(output={"path": "a.jpg", "quality": 0}),
    with_asset(output={"path": "a.jpg", "quality": 101}),
    with_asset(output={"path": "a.jpg", "max_kb": 0}),
    with_asset(outputs=[["a.png"]]),
    with_asset(vars=[]),
    with_asset(vars={"number": 1}),
    with_asset(matrix={"x": []}),
    with_asset(matrix={"x": [None]}),
    with_asset(matrix={"x": [1, 1]}),
    with_asset(tags=[""]),
    with_asset(tags=[3]),
    with_asset(alt=3),
]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("manifest", GOOD)
def test_what_the_schema_allows_is_built(tmp_path, manifest):
    assert is_valid(manifest)
    assert is_built(manifest, tmp_path)


@pytest.mark.parametrize("manifest", BAD)
def test_what_the_schema_refuses_is_refused(tmp_path, manifest):
    assert not is_valid(manifest)
    assert not is_built(manifest, tmp_path)


def test_the_schema_has_the_keys_and_limits_of_the_code():
    asset = PARTS["asset"]["properties"]
    output = PARTS["output"]["anyOf"][1]["properties"]
    fields = PARTS["params"]["propertyNames"]["not"]["enum"]

    assert set(asset) == set(ASSET_KEYS)
    assert set(SCHEMA["properties"]["defaults"]["properties"]) == set(DEFAULT_KEYS)
    assert set(output) == set(OUTPUT_KEYS)
    assert set(fields) == set(OWN_OPTION)
    assert asset["name"]["maxLength"] == MAX_NAME
    assert PARTS["count"]["anyOf"][0]["maximum"] == MAX_COUNT
    assert PARTS["side"]["anyOf"][0]["maximum"] == MAX_SIDE
    assert PARTS["images"]["anyOf"][1]["maxItems"] == MAX_REFERENCES
    assert PARTS["background"]["anyOf"][0]["enum"] == list(BACKGROUNDS)
    assert all(is_valid(with_asset(output=f"a{ending}")) for ending in FORMATS)


def test_everything_that_can_be_written_is_described():
    described = [
        *PARTS["asset"]["properties"].values(),
        *PARTS["output"]["anyOf"][1]["properties"].values(),
    ]
    for part in [*described, *SCHEMA["properties"].values()]:
        name = part.get("$ref", "").removeprefix("#/$defs/")
        assert "description" in part or "description" in PARTS[name]
