"""``mai batch``: from a manifest, in any format, to the files that it describes."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Result
from tests.emulator import chunk, picture, png
from tests.pictures import encoded, smooth

SMALL = "768x768"

EXAMPLE = """\
# assets.toml
[defaults]
size = "16:9"
deployment = "mai-image-26"

[vars]
style = "soft morning light, 35 mm photograph"

[[assets]]
name = "hero"
prompt = "a wooden desk by a window, ${style}"
outputs = ["public/hero.avif", "public/hero.webp", { path = "public/hero-thumb.jpg", width = 320, quality = 80 }]

[[assets]]
name = "season-${season}"
prompt = "the same valley in ${season}, ${style}"
matrix = { season = ["spring", "summer", "autumn", "winter"] }
output = "public/valley-${season}.png"
"""  # noqa: E501 - as it stands in the contract
SEASONS = ("spring", "summer", "autumn", "winter")


@pytest.fixture
def batch(mai, tmp_path):
    """Write a manifest and run it; small pictures are enough where nothing else is said."""

    def batch(text: str, *args: str, name: str = "assets.toml", **more: str) -> Result:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return mai("batch", name, *args, **{"MAI_SIZE": SMALL} | more)

    return batch


def told_by_exiftool(file: Path) -> dict[str, object]:
    done = subprocess.run(["exiftool", "-j", "-G1", str(file)], capture_output=True, check=True)
    (facts,) = json.loads(done.stdout)
    return facts


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_example_is_made_as_it_stands_and_only_once(
    batch, mai, foundry, tmp_path, masters, history
):
    made = batch(EXAMPLE, MAI_SIZE="", MAI_DEPLOYMENT="")

    style = "soft morning light, 35 mm photograph"
    public = tmp_path / "public"
    hero = [public / name for name in ("hero.avif", "hero.webp", "hero-thumb.jpg")]
    valleys = [public / f"valley-{season}.png" for season in SEASONS]
    assert made.code == 0, made.err
    assert sorted(made.lines) == sorted(map(str, hero + valleys))
    assert sorted(request.json["prompt"] for request in foundry.received) == sorted(
        [
            f"a wooden desk by a window, {style}",
            *(f"the same valley in {season}, {style}" for season in SEASONS),
        ]
    )
    assert {(r.json["model"], r.json["width"], r.json["height"]) for r in foundry.received} == {
        ("mai-image-26", 2048, 1152)
    }
    seen = {}
    for file in hero + valleys:
        with Image.open(file) as opened:
            seen[file.name] = opened.format, opened.size
    assert seen == {
        "hero.avif": ("AVIF", (2048, 1152)),
        "hero.webp": ("WEBP", (2048, 1152)),
        "hero-thumb.jpg": ("JPEG", (320, 180)),
        **{f"valley-{season}.png": ("PNG", (2048, 1152)) for season in SEASONS},
    }
    assert len(masters()) == len(history()) == 5
    for line in ("made        5", "cost        about $0.44"):
        assert line in made.err.splitlines()

    lock = (tmp_path / "assets.lock.json").read_text()
    assets = json.loads(lock)["assets"]
    assert list(assets) == ["hero", *sorted(f"season-{season}" for season in SEASONS)]
    assert {
        path: output["sha256"]
        for asset in assets.values()
        for path, output in asset["outputs"].items()
    } == {f"public/{file.name}": sha256(file) for file in hero + valleys}
    assert {asset["master"] for asset in assets.values()} == set(map(sha256, masters()))

    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = mai("batch", "assets.toml", MAI_DEPLOYMENT="")
    check = mai("batch", "assets.toml", "--check", MAI_DEPLOYMENT="")

    assert (again.code, again.out) == (0, b"")
    assert (check.code, check.lines) == (0, ["All 5 assets are up to date."])
    assert len(foundry.received) == 5
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


HERO = {
    "name": "hero",
    "prompt": "a ${place} at dawn",
    "size": SMALL,
    "deployment": "mai-image-27",
    "background": "opaque",
    "web_grounding": True,
    "outputs": ["out/hero.png", "out/hero.webp"],
    "tags": ["site", "top"],
    "alt": "Boats, at rest",
    "vars": {"place": "harbour"},
}
SEASON = {
    "name": "season-${season}",
    "prompt": "a valley in ${season}",
    "size": SMALL,
    "matrix": {"season": ["spring", "autumn"]},
    "output": "out/${name}.png",
}
ROWS = [
    (
        "name|prompt|size|deployment|background|web_grounding|outputs|tags|alt|vars.place|output"
        "|matrix.season"
    ),
    (
        f"hero|a ${{place}} at dawn|{SMALL}|mai-image-27|opaque|true|out/hero.png;out/hero.webp"
        '|site;top|"Boats, at rest"|harbour||'
    ),
    f"season-${{season}}|a valley in ${{season}}|{SMALL}||||||||out/${{name}}.png|spring;autumn",
]
SAME = {
    "toml": f"""\
[[assets]]
name = "hero"
prompt = "a ${{place}} at dawn"
size = "{SMALL}"
deployment = "mai-image-27"
background = "opaque"
web_grounding = true
outputs = ["out/hero.png", "out/hero.webp"]
tags = ["site", "top"]
alt = "Boats, at rest"
vars.place = "harbour"

[[assets]]
name = "season-${{season}}"
prompt = "a valley in ${{season}}"
size = "{SMALL}"
matrix.season = ["spring", "autumn"]
output = "out/${{name}}.png"
""",
    "yaml": f"""\
assets:
  - name: hero
    prompt: a ${{place}} at dawn
    size: {SMALL}
    deployment: mai-image-27
    background: opaque
    web_grounding: true
    outputs: [out/hero.png, out/hero.webp]
    tags: [site, top]
    alt: Boats, at rest
    vars:
      place: harbour
  - name: season-${{season}}
    prompt: a valley in ${{season}}
    size: {SMALL}
    matrix:
      season: [spring, autumn]
    output: out/${{name}}.png
""",
    "json": json.dumps({"assets": [HERO, SEASON]}, indent=2),
    "jsonl": f"{json.dumps(HERO)}\n\n{json.dumps(SEASON)}\n",
    "csv": "\n".join(ROWS).replace("|", ","),
    "tsv": "\n".join(ROWS).replace("|", "\t"),
}


def test_every_format_says_the_same(run, bare, tmp_path, history):
    locks, tags = {}, {}
    for kind, text in SAME.items():
        folder = tmp_path / kind
        folder.mkdir()
        (folder / f"assets.{kind}").write_text(text)
        env = bare | {"MAI_HISTORY": str(tmp_path / f"{kind}.jsonl")}
        result = run(env, "batch", f"{kind}/assets.{kind}", "--offline", "--no-metadata")
        assert result.code == 0, result.err
        assert sorted(result.lines) == sorted(
            str(folder / "out" / name)
            for name in ("hero.png", "hero.webp", "season-autumn.png", "season-spring.png")
        )
        lock = (folder / "assets.lock.json").read_text()
        assert lock.count(f"assets.{kind}") == 1
        locks[kind] = lock.replace(f"assets.{kind}", "assets.toml")
        records = map(json.loads, (tmp_path / f"{kind}.jsonl").read_text().splitlines())
        tags[kind] = {
            (record["batch"]["asset"], record["alt"], tuple(record["tags"])) for record in records
        }

    assert set(locks.values()) == {locks["toml"]}
    assert list(json.loads(locks["toml"])["assets"]) == ["hero", "season-autumn", "season-spring"]
    assert set(map(frozenset, tags.values())) == {
        frozenset(
            [
                ("hero", "Boats, at rest", ("site", "top")),
                ("season-spring", None, ()),
                ("season-autumn", None, ()),
            ]
        )
    }


@pytest.mark.parametrize("kind", ["yaml", "csv"])
def test_a_manifest_may_come_from_standard_input(run, bare, tmp_path, kind):
    text = SAME[kind].encode()
    result = run(bare, "batch", "-", "--format", kind, "--check", "--json", "--offline", stdin=text)

    (plan,) = result.objects
    assert result.code == 10
    assert [item["name"] for item in plan["items"]] == ["hero", "season-spring", "season-autumn"]
    assert plan["manifest"] == "standard input"


@pytest.mark.parametrize("args", [[], ["--check"], ["--dry-run"]])
def test_nothing_is_pruned_by_a_manifest_from_standard_input(run, bare, tmp_path, args):
    made = run(bare, "batch", "-", "--format=json", "--offline", stdin=SAME["json"].encode())
    pruned = run(
        bare, "batch", "-", "--format=jsonl", "--offline", "--prune", *args, stdin=b'{"prompt":"x"}'
    )

    assert (made.code, pruned.code, pruned.out) == (0, 2, b"")
    assert "--prune needs a manifest in a file." in pruned.err
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_standard_input_needs_a_format(run, bare):
    result = run(bare, "batch", "-", "--offline", stdin=b"a fox\n")

    assert result.code == 2
    assert "The format of a manifest from standard input is not known." in result.err


def test_a_list_of_prompts_is_a_manifest_whose_pictures_are_in_the_gallery(
    batch, mai, foundry, masters, history, tmp_path
):
    text = "# animals\na red fox\n\n   a grey owl  \n# the end\n"
    made = batch(text, name="prompts.txt")
    again = mai("batch", "prompts.txt", MAI_SIZE=SMALL)

    assert (made.code, again.code) == (0, 0)
    assert sorted(made.lines) == sorted(map(str, masters()))
    assert sorted(request.json["prompt"] for request in foundry.received) == [
        "a grey owl",
        "a red fox",
    ]
    names = sorted(record["batch"]["asset"] for record in history().values())
    assert [name.rpartition("-")[0] for name in names] == ["a-grey-owl", "a-red-fox"]
    assert list(json.loads((tmp_path / "prompts.lock.json").read_text())["assets"]) == names


def test_paths_start_where_the_manifest_is(batch, foundry, tmp_path):
    folder = tmp_path / "site" / "art"
    (folder / "refs").mkdir(parents=True)
    (folder / "prompts").mkdir()
    (folder / "refs" / "sketch.png").write_bytes(encoded(smooth(96, 64)))
    (folder / "prompts" / "hero.txt").write_text("a ${colour} fox\n")
    result = batch(
        '[[assets]]\nname = "hero"\nprompt_file = "prompts/hero.txt"\nimages = ["refs/sketch.png"]'
        '\nvars = { colour = "red" }\noutput = "public/hero.png"\n',
        name="site/art/assets.toml",
    )

    (request,) = foundry.received
    assert (result.code, result.lines) == (0, [str(folder / "public" / "hero.png")])
    assert request.path == "/mai/v1/images/edits"
    assert b"a red fox" in request.body
    assert (folder / "refs" / "sketch.png").read_bytes() in request.body
    assert (folder / "assets.lock.json").is_file()
    assert not (tmp_path / "public").exists()


ALT = 'A desk: "wooden", by a window & a <plant>'
OUTPUTS = """
[[assets]]
name = "hero"
prompt = "a wooden desk"
alt = 'A desk: "wooden", by a window & a <plant>'
tags = ["site", "${name}"]
outputs = [
  "hero.png",
  "hero.webp",
  { path = "thumb.jpg", width = 96, height = 96 },
  { path = "inside.avif", width = 90, height = 90, fit = "contain" },
  { path = "small.webp", height = 40, max_kb = 3 },
]
"""


def test_outputs_have_the_format_and_size_and_words_that_were_asked_for(
    batch, foundry, tmp_path, history
):
    master = encoded(smooth(1024, 768))
    foundry.will(picture(master))
    result = batch(OUTPUTS, MAI_SIZE="1024x768")

    (record,) = history().values()
    expected = {
        "hero.png": ("PNG", (1024, 768)),
        "hero.webp": ("WEBP", (1024, 768)),
        "thumb.jpg": ("JPEG", (96, 96)),
        "inside.avif": ("AVIF", (90, 68)),
        "small.webp": ("WEBP", (53, 40)),
    }
    assert (result.code, result.lines) == (0, [str(tmp_path / name) for name in expected])
    for name, (kind, size) in expected.items():
        with Image.open(tmp_path / name) as opened:
            assert (name, opened.format, opened.size) == (name, kind, size)
        facts = told_by_exiftool(tmp_path / name)
        assert facts["XMP-iptcCore:AltTextAccessibility"] == ALT
        assert facts["XMP-dc:Description"] == "a wooden desk"
        assert facts["XMP-iptcExt:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert (tmp_path / "small.webp").stat().st_size <= 3000
    assert (record["tags"], record["alt"]) == (["site", "hero"], ALT)
    assert record["batch"]["asset"] == "hero"
    assert record["batch"]["manifest"] == str(tmp_path / "assets.toml")
    assert [export["path"] for export in record["exports"]] == result.lines


def test_every_key_reaches_the_wire(batch, foundry):
    result = batch(
        """
        [defaults]
        size = "1024x768"
        deployment = "pics"
        [[assets]]
        name = "all"
        prompt = "costs $$5 and ${what}"
        model = "MAI-Image-2.7"
        background = "transparent"
        web_grounding = true
        params = { strength = 0.5, style = "${what}" }
        vars = { what = "vivid" }
        """
    )

    assert result.code == 5  # strict: these params are made up
    assert foundry.received[0].json == {
        "model": "pics",
        "prompt": "costs $5 and vivid",
        "width": 1024,
        "height": 768,
        "background": "transparent",
        "web_grounding": True,
        "strength": 0.5,
        "style": "vivid",
    }


def test_a_count_makes_that_many_pictures_each_with_a_number(batch, mai, foundry, tmp_path):
    text = (
        '[[assets]]\nname = "fox"\nprompt = "a fox"\ncount = 2\noutput = "fox.png"\n'
        '[[assets]]\nname = "owl-${number}"\nprompt = "owl number ${number}"\ncount = 2\n'
        'output = "owls/${number}.png"\n'
    )
    made = batch(text)
    more = batch(text.replace("count = 2", "count = 3", 1))

    assert made.code == more.code == 0
    assert sorted(made.lines) == [
        str(tmp_path / name) for name in ("fox-1.png", "fox-2.png", "owls/1.png", "owls/2.png")
    ]
    assert more.lines == [str(tmp_path / "fox-3.png")]
    assert sorted(request.json["prompt"] for request in foundry.received) == [
        *["a fox"] * 3,
        "owl number 1",
        "owl number 2",
    ]
    assets = json.loads((tmp_path / "assets.lock.json").read_text())["assets"]
    assert list(assets) == ["fox-1", "fox-2", "fox-3", "owl-1", "owl-2"]


def test_a_matrix_over_the_deployment_compares_models(batch, foundry, history, tmp_path):
    result = batch(
        """
        [[assets]]
        name = "fox-${deployment}"
        prompt = "a fox"
        deployment = "${deployment}"
        matrix = { deployment = ["mai-image-26", "mai-image-26-flash", "mai-image-27"] }
        output = "compare/${deployment}.png"
        """,
        MAI_DEPLOYMENT="",
    )

    models = ["mai-image-26", "mai-image-26-flash", "mai-image-27"]
    assert result.code == 0
    assert set(result.lines) == {str(tmp_path / f"compare/{model}.png") for model in models}
    assert sorted(request.json["model"] for request in foundry.received) == models
    assert {record["model"] for record in history().values()} == {
        "MAI-Image-2.6",
        "MAI-Image-2.6-Flash",
        "MAI-Image-2.7",
    }


EDIT = """
[[assets]]
name = "night"
prompt = "make it night"
images = ["one.png", "two.jpg"]
output = "night.png"
[[assets]]
name = "plain"
prompt = "a fox"
"""


def test_references_count_by_their_content_and_not_by_their_names(
    batch, mai, foundry, tmp_path, history
):
    (tmp_path / "one.png").write_bytes(encoded(smooth(96, 64)))
    (tmp_path / "two.jpg").write_bytes(encoded(smooth(64, 96), "JPEG"))
    assert batch(EDIT).code == 0
    (tmp_path / "two.jpg").rename(tmp_path / "renamed.jpg")
    renamed = batch(EDIT.replace("two.jpg", "renamed.jpg"), "--check")
    (tmp_path / "one.png").write_bytes(encoded(smooth(96, 65)))
    check = mai("batch", "assets.toml", "--check", MAI_SIZE=SMALL)
    again = mai("batch", "assets.toml", MAI_SIZE=SMALL)

    assert (renamed.code, renamed.lines) == (0, ["All 2 assets are up to date."])
    assert (check.code, check.lines) == (
        10,
        ["changed     night: the request has changed", "1 changed, 1 up to date."],
    )
    assert again.lines == [str(tmp_path / "night.png")]
    edits = [request for request in foundry.received if request.path.endswith("/edits")]
    assert (len(edits), len(foundry.received)) == (2, 3)
    assert (tmp_path / "one.png").read_bytes() in edits[1].body


@pytest.mark.parametrize("damage", ["missing", "torn", "no picture"])
def test_a_damaged_reference_stops_the_run_before_anything_is_sent(
    batch, foundry, tmp_path, history, damage
):
    (tmp_path / "one.png").write_bytes(encoded(smooth(96, 64)))
    if damage != "missing":
        whole = encoded(smooth(64, 96), "JPEG")
        (tmp_path / "two.jpg").write_bytes(whole[:300] if damage == "torn" else b"not a picture")
    result = batch(EDIT)

    assert (result.code, result.out, foundry.received, history()) == (2, b"", [], {})
    assert "Error: assets.toml has 1 mistake.\n  asset 1 (night): " in result.err
    assert str(tmp_path / "two.jpg") in result.err
    assert not (tmp_path / "assets.lock.json").exists()


WRONG = """
[defaults]
size = "900x900"
nmae = "x"

[[assets]]
name = "no-prompt"

[[assets]]
name = "unknown"
prompt = "a ${colour} fox"

[[assets]]
name = "twice"
prompt = "a fox"
size = "1:1"

[[assets]]
name = "twice"
prompt = "a fox"
size = "1:1"
outputs = ["a.png", { path = "./A.png", width = 9 }]

[[assets]]
name = "format"
prompt = "a fox"
outputs = ["fox.bmp", { path = "b.png", quality = 80 }]

[[assets]]
name = "outside"
prompt = "a fox"
output = "../fox.png"

[[assets]]
name = "both"
prompt = "a fox"
prompt_file = "fox.txt"
count = "many"

[[assets]]
name = "many-${size}"
prompt = "a fox"
matrix = { size = [] }
background = "green"
images = ["1.png", "2.png", "3.png", "4.png", "5.png", "6.png"]
"""
MISTAKES = [
    "defaults: there is no key 'nmae'. Did you mean 'images'?",
    "asset 1 (no-prompt): there is no prompt. Add 'prompt' or 'prompt_file'.",
    (
        "defaults, for asset 1 (no-prompt): 'size' is wrong: 900x900 cannot be drawn: both sides "
        "must be multiples of 16. The nearest size that works is 896x896."
    ),
    "asset 2 (unknown): 'prompt' uses ${colour}, which has no value. There are: name.",
    "asset 4 (twice): the name 'twice' is also that of asset 3. Give one of them another name.",
    "asset 4: 'twice' has the output 'a.png' twice. Rename one.",
    (
        "asset 5 (format): the output 'fox.bmp' ends in '.bmp', which mai cannot write. "
        "End it in .png, .webp, .jpg, .jpeg, .avif."
    ),
    (
        "asset 5 (format): the output 'b.png' has a quality, which means nothing for PNG. "
        "Leave it out."
    ),
    (
        "asset 6 (outside): the output '../fox.png' is outside of the manifest's folder. "
        "Move it, or add --allow-outside."
    ),
    "asset 7 (both): 'prompt' and 'prompt_file' exclude each other. Keep one of them.",
    "asset 7 (both): 'count' must be a whole number from 1 to 1000.",
    "asset 8 (many-${size}): 'matrix' has no values for 'size'.",
    "asset 8 (many-${size}): 'background' must be transparent or opaque.",
    "asset 8 (many-${size}): 'images' are 6, and a model takes 5 at most.",
]


def test_a_wrong_manifest_is_refused_whole_with_all_its_mistakes(batch, foundry, home, tmp_path):
    (tmp_path / "fox.txt").write_text("a fox")
    shown = batch(WRONG)
    told = batch(WRONG, "--json")

    assert (shown.code, told.code, shown.out, foundry.received) == (2, 2, b"", [])
    assert shown.err.splitlines() == [
        "Error: assets.toml has 14 mistakes.",
        *(f"  {mistake}" for mistake in MISTAKES),
        "Correct the manifest. Nothing was sent.",
    ]
    assert told.objects == [
        {
            "schema": "mai/error/1",
            "error": {
                "code": "bad_manifest",
                "message": "assets.toml has 14 mistakes.",
                "hint": "Correct the manifest. Nothing was sent.",
                "exit_code": 2,
                "details": MISTAKES,
            },
        }
    ]
    assert not (tmp_path / "assets.lock.json").exists()
    assert not (home / "history.jsonl").exists()


def test_what_two_assets_share_is_told_although_one_has_another_mistake(batch):
    result = batch(
        '[[assets]]\nname = "a"\nprompt = "x"\noutput = "a.png"\n'
        '[[assets]]\nname = "a"\nprompt = "x"\nsize = "900x900"\noutput = "a.png"\n'
    )

    assert result.code == 2
    assert "'size' is wrong" in result.err
    assert "asset 2 (a): the name 'a' is also that of asset 1." in result.err


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        (
            "a.toml",
            'assets = [\n{ prompt = "x" }\n{',
            "a.toml has 1 mistake.\n  line 3: is not TOML",
        ),
        ("a.yaml", "assets:\n  - prompt: [x\n", "a.yaml has 1 mistake.\n  line "),
        (
            "a.json",
            '{"assets": [\n{"prompt": "x",}]}',
            "a.json has 1 mistake.\n  line 2: is not JSON",
        ),
        (
            "a.jsonl",
            '{"prompt": "x"}\n{"prompt": 5}\n',
            "a.jsonl has 1 mistake.\n  line 2: 'prompt'",
        ),
        (
            "a.csv",
            "name,promt\nx,y\n",
            "a.csv has 2 mistakes.\n  line 2 (x): there is no key 'promt'",
        ),
        ("a.gif", "x", "The name of the manifest does not end in a format that mai reads: a.gif"),
    ],
)
def test_a_mistake_is_named_with_its_line(batch, foundry, name, text, what):
    result = batch(text, name=name)

    assert (result.code, foundry.received) == (2, [])
    assert f"Error: {what}" in result.err


def test_what_a_model_does_not_offer_is_told_for_all_assets_at_once(batch, foundry):
    result = batch(
        '[[assets]]\nname = "a"\nprompt = "x"\nbackground = "transparent"\n'
        '[[assets]]\nname = "b"\nprompt = "y"\nsize = "4096x4096"\n'
        '[[assets]]\nname = "c"\nprompt = "z"\n'
    )

    assert (result.code, foundry.received) == (2, [])
    assert "Error: assets.toml has 2 mistakes.\n  asset 1 (a): MAI-Image-2.6" in result.err
    assert "\n  asset 2 (b): " in result.err


def test_what_a_model_does_not_offer_is_told_with_the_mistakes_of_the_file(batch, foundry):
    result = batch(
        '[[assets]]\nname = "a"\nprompt = "x"\nsize = "4096x4096"\nimages = ["none.png"]\n'
        '[[assets]]\nname = "b"\nprompt = "y"\ncolour = "red"\n'
        '[[assets]]\nname = "c"\nprompt = "z"\nimages = ["none.png"]\n'
    )

    assert (result.code, foundry.received) == (2, [])
    lines = result.err.splitlines()
    assert lines[0] == "Error: assets.toml has 3 mistakes."
    assert lines[1].startswith("  asset 2 (b): there is no key 'colour'.")
    assert lines[2].startswith("  asset 1 (a): ")
    assert "  asset 3 (c): The reference " in lines[3]


def test_an_output_elsewhere_needs_leave(batch, tmp_path, foundry):
    text = '[[assets]]\nname = "a"\nprompt = "x"\noutput = "../public/a.png"\n'
    refused = batch(text, name="art/assets.toml")
    allowed = batch(text, "--allow-outside", name="art/assets.toml")
    check = batch(text, "--allow-outside", "--check", name="art/assets.toml")

    assert refused.code == 2
    assert "is outside of the manifest's folder. Move it, or add --allow-outside." in refused.err
    assert allowed.code == 0
    assert [Path(line).resolve() for line in allowed.lines] == [tmp_path / "public" / "a.png"]
    assert (check.code, len(foundry.received)) == (0, 1)


def test_a_link_does_not_lead_an_output_out_of_the_folder(batch, tmp_path, foundry):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "public").symlink_to(tmp_path / "elsewhere")
    result = batch(
        '[[assets]]\nname = "a"\nprompt = "x"\noutput = "public/a.png"\n', name="art/assets.toml"
    )

    assert (result.code, foundry.received) == (2, [])
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("args", [[], ["--force"], ["--force", "a"]])
@pytest.mark.parametrize("target", ["nowhere.png", "nowhere/a.png", "/nowhere/a.png"])
def test_a_link_to_nothing_is_in_the_way_of_an_output(batch, tmp_path, foundry, args, target):
    (tmp_path / "a.png").symlink_to(target)
    result = batch('[[assets]]\nname = "a"\nprompt = "x"\noutput = "a.png"\n', *args)

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert "  a: a.png" in result.err.splitlines()
    assert (tmp_path / "a.png").readlink() == Path(target)


def test_a_link_to_nothing_where_an_output_was_is_in_its_way(batch, mai, tmp_path, foundry):
    batch('[[assets]]\nname = "a"\nprompt = "x"\noutput = "a.png"\n')
    (tmp_path / "a.png").unlink()
    (tmp_path / "a.png").symlink_to("nowhere.png")
    result = mai("batch", "assets.toml", MAI_SIZE=SMALL)

    assert (result.code, len(foundry.received)) == (2, 1)
    assert (tmp_path / "a.png").is_symlink()


@pytest.mark.parametrize(
    "output", ["assets.toml", "ref.png", "out.png/x.png", "home/gallery/a.png"]
)
def test_no_output_destroys_what_the_run_needs(batch, foundry, tmp_path, output):
    (tmp_path / "ref.png").write_bytes(encoded(smooth(96, 64)))
    text = (
        '[[assets]]\nname = "a"\nprompt = "x"\nimages = ["ref.png"]\noutput = "out.png"\n'
        f'[[assets]]\nname = "b"\nprompt = "y"\noutput = "{output}"\n'
    )
    result = batch(text)

    assert (result.code, foundry.received) == (2, [])
    assert "Error: assets.toml has 1 mistake.\n  asset " in result.err


def test_a_private_batch_writes_its_prompts_into_no_file(batch, tmp_path, home):
    result = batch(
        "name,prompt,output\n,a secret garden,\nopen,a secret fox,fox.png\n",
        "--private",
        name="assets.csv",
    )

    assert result.code == 0, result.err
    for path in tmp_path.rglob("*"):
        if path.name != "assets.csv":
            assert "secret" not in str(path)
            assert not path.is_file() or b"secret" not in path.read_bytes()


def test_a_signed_master_is_copied_as_it_is(batch, foundry, tmp_path, masters):
    foundry.will(picture(png(768, 768, extra=chunk(b"caBX", b"signed"))))
    text = '[[assets]]\nname = "a"\nprompt = "x"\noutputs = ["a.png", "a.webp"]\n'
    result = batch(text)

    assert result.code == 0
    assert (tmp_path / "a.png").read_bytes() == masters()[0].read_bytes()
    assert "a: " not in result.out.decode()
    assert result.err.count("This picture has content credentials.") == 1
