import json
from hashlib import sha256
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.filling import fill
from mai_cli.models.manifest import Asset, AssetOutput, Entry, Manifest, Mistake
from mai_cli.models.mistakes import mistakes_error
from mai_cli.models.recipe import Recipe
from mai_cli.models.reference import MAX_REFERENCES
from mai_cli.services.asset_values import ASSET_KEYS, DEFAULT_KEYS
from mai_cli.services.assets import MAX_ASSETS, build_assets
from mai_cli.stores.manifest import read_manifest

FOLDER = Path("/manifest")
ENDINGS = "End it in .png, .webp, .jpg, .jpeg, .avif."
DOLLAR = "Write it as ${name}, or $$ for a dollar sign."
OUTSIDE = "Move it, or add --allow-outside."


def no_files(path: Path) -> str:
    raise UsageError(f"The prompt file {path} cannot be read.", code="bad_prompt", hint="Write it.")


def manifest(*entries, defaults=None, variables=None, folder=FOLDER) -> Manifest:
    placed = [Entry(values, f"asset {number}") for number, values in enumerate(entries, start=1)]
    return Manifest("assets.toml", folder, placed, defaults or {}, variables or {})


def build(
    *entries,
    defaults=None,
    variables=None,
    folder=FOLDER,
    allow_outside=False,
    read_prompt=no_files,
    private=False,
) -> list[Asset]:
    found: list[Mistake] = []
    assets = build_assets(
        manifest(*entries, defaults=defaults, variables=variables, folder=folder),
        found,
        allow_outside=allow_outside,
        read_prompt=read_prompt,
        private=private,
    )
    if found:
        raise mistakes_error("assets.toml", found)
    return assets


def mistakes(*entries, **options) -> list[str]:
    with pytest.raises(UsageError) as caught:
        build(*entries, **options)
    error = caught.value
    number = len(error.details)
    assert error.code == "bad_manifest"
    assert error.message == f"assets.toml has {number} mistake{'s' if number != 1 else ''}."
    assert error.hint == "Correct the manifest. Nothing was sent."
    return list(error.details)


def fox(**values) -> dict:
    return {"name": "fox", "prompt": "a fox", **values}


def paths(asset: Asset) -> list[str]:
    return [output.path for output in asset.outputs]


def test_an_asset_has_what_its_entry_says():
    (asset,) = build(
        fox(
            images=["a.png", "/elsewhere/b.jpg"],
            size="16:9",
            deployment="mai-image-26",
            model="MAI-Image-2.6",
            background="transparent",
            web_grounding=True,
            params={"seed": 7, "more": [None, 1.5, {"x": "y"}]},
            outputs=["out/fox.webp", {"path": "fox.jpg", "width": 320, "quality": 80}],
            tags=["one", "two", "one"],
            alt="A fox.",
        )
    )

    assert asset == Asset(
        name="fox",
        prompt="a fox",
        place="asset 1",
        outputs=(
            AssetOutput("out/fox.webp", Recipe("webp")),
            AssetOutput("fox.jpg", Recipe("jpeg", width=320, quality=80)),
        ),
        images=(FOLDER / "a.png", Path("/elsewhere/b.jpg")),
        size="16:9",
        deployment="mai-image-26",
        model="MAI-Image-2.6",
        background="transparent",
        web_grounding=True,
        params={"seed": 7, "more": [None, 1.5, {"x": "y"}]},
        tags=("one", "two"),
        alt="A fox.",
    )


def test_an_output_may_be_fitted_into_a_width_and_a_height():
    output = {"path": "a.jpg", "fit": "contain", "width": 300, "height": 200}
    (asset,) = build(fox(output=output))
    assert asset.outputs[0].recipe == Recipe("jpeg", 300, 200, "contain")


def test_an_asset_may_have_as_many_references_as_a_model_takes():
    names = [f"{number}.png" for number in range(MAX_REFERENCES)]
    assert len(build(fox(images=names))[0].images) == MAX_REFERENCES


def test_what_is_not_said_is_left_to_the_settings():
    assert build(fox()) == [Asset("fox", "a fox", "asset 1")]


def test_text_is_taken_for_numbers_switches_and_lists():
    (asset,) = build(
        fox(
            images="a.png",
            tags="x",
            web_grounding="Yes",
            count="1",
            outputs={"path": "a.jpg", "width": " 320 ", "height": 200.0, "max_kb": "${kb}"},
            vars={"kb": 50},
        )
    )

    assert asset.images == (FOLDER / "a.png",)
    assert asset.tags == ("x",)
    assert asset.web_grounding is True
    assert asset.outputs == (AssetOutput("a.jpg", Recipe("jpeg", 320, 200, max_kb=50)),)


def test_defaults_are_for_what_an_entry_does_not_say():
    assets = build(
        {"name": "a"},
        {"name": "b", "prompt": "b", "output": "b.png", "tags": ["y"], "params": {"q": 1}},
        {"name": "c", "prompt_file": "c.txt", "outputs": []},
        defaults={
            "prompt": "the same",
            "outputs": ["${name}.webp", "${name}.png"],
            "tags": "x",
            "params": {"p": 1},
        },
        read_prompt=str,
    )

    assert [asset.prompt for asset in assets] == ["the same", "b", "/manifest/c.txt"]
    assert [paths(asset) for asset in assets] == [["a.webp", "a.png"], ["b.png"], []]
    assert [asset.tags for asset in assets] == [("x",), ("y",), ("x",)]
    assert [asset.params for asset in assets] == [{"p": 1}, {"q": 1}, {"p": 1}]


def test_names_are_filled_in_everywhere_but_never_twice():
    (asset,) = build(
        {
            "name": "${kind}-1",
            "prompt": "a ${kind}, ${style}, $5, $$5, $${kind}, ${odd}, ${on}",
            "output": "${kind}/${name}.${ending}",
            "tags": ["${kind}"],
            "params": {"a": ["is ${kind}"], "seed": "${n}", "t": "n${n}"},
            "alt": "${on}",
            "vars": {"kind": "fox", "ending": "png", "odd": "$${kind} $$", "on": True, "n": 7},
        },
        variables={"kind": "hare", "style": "soft"},
    )

    assert asset.name == "fox-1"
    assert asset.prompt == "a fox, soft, $5, $5, ${kind}, $${kind} $$, true"
    assert paths(asset) == ["fox/fox-1.png"]
    assert asset.tags == ("fox",)
    assert asset.params == {"a": ["is fox"], "seed": 7, "t": "n7"}
    assert asset.alt == "true"


def test_a_matrix_makes_every_combination_the_last_key_fastest():
    assets = build(
        {
            "name": "${a}-${b}",
            "prompt": "${a} ${b}",
            "matrix": {"b": ["x", "y"], "a": [1, True]},
            "deployment": "${b}",
        },
        variables={"a": "never"},
    )

    assert [asset.name for asset in assets] == ["1-x", "true-x", "1-y", "true-y"]
    assert [asset.deployment for asset in assets] == ["x", "x", "y", "y"]
    assert {asset.place for asset in assets} == {"asset 1"}


def test_several_of_a_kind_are_numbered():
    outputs = ["a.png", "${name}.png", "of-${number}.png", {"path": "$${number}.png"}]
    assets = build(fox(count=2, outputs=outputs))

    assert [asset.name for asset in assets] == ["fox-1", "fox-2"]
    assert [paths(asset) for asset in assets] == [
        ["a-1.png", "fox-1.png", "of-1.png", "${number}-1.png"],
        ["a-2.png", "fox-2.png", "of-2.png", "${number}-2.png"],
    ]


def test_a_name_or_prompt_with_its_number_is_not_numbered_again():
    assets = build(
        {"name": "${number}th", "prompt": "fox ${number}", "count": 2},
        {"name": "hare", "prompt": "hare ${number}", "count": 1, "output": "hare.png"},
    )

    assert [(asset.name, asset.prompt) for asset in assets] == [
        ("1th", "fox 1"),
        ("2th", "fox 2"),
        ("hare", "hare 1"),
    ]
    assert paths(assets[2]) == ["hare.png"]


def test_a_name_is_made_from_the_prompt_where_it_is_missing():
    digits = sha256(b"A fox, in snow").hexdigest()[:10]

    assert [
        asset.name for asset in build({"prompt": "A fox, ${x}"}, variables={"x": "in snow"})
    ] == [f"a-fox-in-snow-{digits}"]
    assert [asset.name for asset in build({"prompt": "A fox, in snow", "count": 2})] == [
        f"a-fox-in-snow-{digits}-1",
        f"a-fox-in-snow-{digits}-2",
    ]
    assert build({"prompt": "A fox, in snow"}, private=True)[0].name == f"picture-{digits}"
    assert (
        build({"prompt": "A fox", "output": "${name}.png"})[0].outputs[0].path.startswith("a-fox-")
    )


def test_prompts_may_be_in_files_which_are_read_once_and_filled_in():
    read = []

    def read_prompt(path: Path) -> str:
        read.append(path)
        return "a ${kind}\n"

    assets = build(
        {"name": "${kind}", "matrix": {"kind": ["fox", "hare"]}},
        {"name": "c", "prompt_file": "${kind}.txt", "vars": {"kind": "cat"}},
        defaults={"prompt_file": "texts/p.txt"},
        read_prompt=read_prompt,
    )

    assert [asset.prompt for asset in assets] == ["a fox", "a hare", "a cat"]
    assert read == [FOLDER / "texts/p.txt", FOLDER / "cat.txt"]


def test_the_white_space_around_a_prompt_is_dropped():
    assert build(fox(prompt="\n  a fox,\n in snow \n"))[0].prompt == "a fox,\n in snow"


def test_every_mistake_of_a_manifest_is_told_at_once():
    found = mistakes(
        {"name": "a", "promt": "x"},
        {"prompt": "x", "prompt_file": "y", "output": "a.png", "outputs": "b.png"},
        fox(size="huge", count=0, background="red", web_grounding="maybe", tags=[""], alt=3),
        {"prompt": "${stile}"},
        defaults={"name": "x", "sise": "16:9", "matrix": {}},
        variables={"style": "soft", "number": 1, "a b": "x", "list": [], "look": "${style}"},
    )

    assert found == [
        "defaults: 'name' belongs to a single asset. Move it there.",
        "defaults: there is no key 'sise'. Did you mean 'size'?",
        "defaults: 'matrix' belongs to a single asset. Move it there.",
        "top level: 'vars' has 'number', which mai fills in itself. Choose another name.",
        (
            "top level: 'vars' has 'a b', which is no name. "
            "Use letters, digits, - and _, and begin with a letter."
        ),
        "top level: 'vars' has for 'list' no text, number or switch.",
        (
            "top level: 'vars' 'look' uses ${style}, and nothing is filled into values. "
            "Put both into the text that uses it."
        ),
        "asset 1 (a): there is no key 'promt'. Did you mean 'prompt'?",
        "asset 1 (a): there is no prompt. Add 'prompt' or 'prompt_file'.",
        "asset 2: 'prompt' and 'prompt_file' exclude each other. Keep one of them.",
        "asset 2: 'output' and 'outputs' exclude each other. Keep one of them.",
        "asset 3 (fox): 'count' must be a whole number from 1 to 1000.",
        (
            "asset 3 (fox): 'size' is wrong: 'huge' is not a size. Write it as 1280x832, "
            "as a ratio such as 16:9, or as one of square, landscape, portrait, wide, tall, auto."
        ),
        "asset 3 (fox): 'background' must be transparent or opaque.",
        "asset 3 (fox): 'web_grounding' must be true or false.",
        "asset 3 (fox): 'tags' must be one line of text that can be shown.",
        "asset 3 (fox): 'alt' must be text. Put it in quotes.",
        "asset 4: 'prompt' uses ${stile}, which has no value. Did you mean 'style'?",
    ]


@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        (
            {"name": ""},
            "asset 1: 'name' must be a line of text without space around it.",
        ),
        (
            {"name": " a"},
            "asset 1 (a): 'name' must be a line of text without space around it.",
        ),
        (
            {"name": "a\nb"},
            "asset 1 (a b): 'name' must be a line of text without space around it.",
        ),
        ({"name": 7}, "asset 1: 'name' must be text. Put it in quotes."),
        (
            {"name": "x" * 199, "count": 2},
            f"asset 1 ({'x' * 60}...): 'name' is longer than 200 characters.",
        ),
        ({"prompt": " \n"}, "asset 1 (fox): 'prompt' is empty. Say what to draw."),
        ({"prompt": "\0\u200b"}, "asset 1 (fox): 'prompt' is empty. Say what to draw."),
        ({"prompt": None}, "asset 1 (fox): 'prompt' has no value. Give it one, or leave it out."),
        (
            {"prompt": "\ud800"},
            "asset 1 (fox): 'prompt' has half a character. Write it as \\u and both its halves.",
        ),
        (
            {"params": {"\ud800": 1}},
            "asset 1 (fox): 'params' has half a character. Write it as \\u and both its halves.",
        ),
        ({"prompt": "a ${"}, f"asset 1 (fox): 'prompt' has a '${{' that is not closed. {DOLLAR}"),
        (
            {"prompt": "a ${b c}"},
            f"asset 1 (fox): 'prompt' has '${{b c}}', which is no name. {DOLLAR}",
        ),
        ({"prompt": "a ${}"}, f"asset 1 (fox): 'prompt' has '${{}}', which is no name. {DOLLAR}"),
        (
            {"prompt": "${number}"},
            (
                "asset 1 (fox): 'prompt' uses ${number}, which has no value. "
                "It is there for an asset with a count."
            ),
        ),
        (
            {"name": "${name}"},
            (
                "asset 1 (${name}): 'name' uses ${name}, which has no value. "
                "It is the name that the asset is given."
            ),
        ),
        (
            {"name": "${x}"},
            (
                "asset 1 (${x}): 'name' uses ${x}, which has no value. "
                "Give it one in vars, or write $$ for a dollar sign."
            ),
        ),
        ({"images": ["x.png"] * 6}, "asset 1 (fox): 'images' are 6, and a model takes 5 at most."),
        (
            {"images": ["a\\b.png"]},
            "asset 1 (fox): 'images' has a backslash: 'a\\b.png'. Use forward slashes.",
        ),
        ({"images": [3]}, "asset 1 (fox): 'images' must be text. Put it in quotes."),
        ({"params": []}, "asset 1 (fox): 'params' must be a table."),
        (
            {"params": {"width": 3}},
            "asset 1 (fox): 'params' cannot set 'width'. Use the key 'size'.",
        ),
        (
            {"params": {"background": "opaque"}},
            "asset 1 (fox): 'params' cannot set 'background'. Use the key 'background'.",
        ),
        ({"params": {"": 3}}, "asset 1 (fox): 'params' has a field without a name."),
        ({"vars": 3}, "asset 1 (fox): 'vars' must be a table."),
        (
            {"vars": {"name": "x"}},
            "asset 1 (fox): 'vars' has 'name', which mai fills in itself. Choose another name.",
        ),
        (
            {"vars": {"kind": "fox", "x": "a ${style} ${kind}"}, "prompt": "${x}"},
            (
                "asset 1 (fox): 'vars' 'x' uses ${kind}, and nothing is filled into values. "
                "Put both into the text that uses it."
            ),
        ),
        ({"matrix": {"x": []}, "prompt": "${x}"}, "asset 1 (fox): 'matrix' has no values for 'x'."),
        (
            {"matrix": {"x": [1, "1"]}, "prompt": "${x}"},
            "asset 1 (fox): 'matrix' has '1' twice in 'x'. Keep one of them.",
        ),
        ({"matrix": {"x": [[]]}}, "asset 1 (fox): 'matrix' has for 'x' no text, number or switch."),
        (
            {"matrix": {"x": ["a"]}, "vars": {"x": "b"}},
            "asset 1 (fox): 'vars' and 'matrix' both have 'x'. Keep one of them.",
        ),
        (
            {"matrix": {"x": ["a", "b"]}},
            "asset 1 (fox): the name 'fox' stands for several pictures. Put ${x} into the name.",
        ),
        ({"count": "many"}, "asset 1 (fox): 'count' must be a whole number from 1 to 1000."),
        ({"count": True}, "asset 1 (fox): 'count' must be a whole number from 1 to 1000."),
        ({"output": ["a.png"]}, "asset 1 (fox): 'output' is a list. Write it as 'outputs'."),
    ],
)
def test_a_wrong_value_is_told_with_what_it_must_be(values, mistake):
    assert mistakes(fox(**values)) == [mistake]


@pytest.mark.parametrize(
    ("output", "mistake"),
    [
        ("", "the path of an output must not be empty"),
        ("a\\b.png", "the path of an output has a backslash: 'a\\b.png'. Use forward slashes"),
        ("a\0.png", "the path of an output has a control character: 'a\0.png'"),
        (3, "the path of an output must be text. Put it in quotes"),
        ({"width": 3}, "an output has no path"),
        ("a", f"the output 'a' has no ending. {ENDINGS[:-1]}"),
        (".png", f"the output '.png' has no ending. {ENDINGS[:-1]}"),
        ("a.png/", f"the output 'a.png/' has no ending. {ENDINGS[:-1]}"),
        ("a.gif", f"the output 'a.gif' ends in '.gif', which mai cannot write. {ENDINGS[:-1]}"),
        ("é" * 119 + ".png", f"the output '{'é' * 60}...' has a name that is too long. Shorten it"),
        (
            "a/" * 2000 + "a.png",
            f"the output '{'a/' * 30}...' has a name that is too long. Shorten it",
        ),
        (
            "/a.png",
            (
                "the output '/a.png' is an absolute path. "
                "Write it from the manifest's folder, or add --allow-outside"
            ),
        ),
        (
            "b/../../a.png",
            f"the output 'b/../../a.png' is outside of the manifest's folder. {OUTSIDE[:-1]}",
        ),
        (
            {"path": "a.png", "with": 3},
            "the output 'a.png' has an unknown key 'with'. Did you mean 'width'?",
        ),
        (
            {"path": "a.jpg", "width": 0},
            "the output 'a.jpg' has a wrong width: it must be a whole number from 1 to 16383",
        ),
        (
            {"path": "a.jpg", "height": 16384},
            "the output 'a.jpg' has a wrong height: it must be a whole number from 1 to 16383",
        ),
        (
            {"path": "a.jpg", "quality": 101},
            "the output 'a.jpg' has a wrong quality: it must be a whole number from 1 to 100",
        ),
        (
            {"path": "a.jpg", "max_kb": "x"},
            "the output 'a.jpg' has a wrong max_kb: it must be a whole number of 1 or more",
        ),
        (
            {"path": "a.jpg", "fit": "x", "width": 3, "height": 3},
            "the output 'a.jpg' has a wrong fit: it must be cover or contain or stretch",
        ),
        (
            {"path": "a.jpg", "fit": "cover", "width": 3},
            "the output 'a.jpg' has a fit, which needs a width and a height",
        ),
        (
            {"path": "a.png", "quality": 80},
            "the output 'a.png' has a quality, which means nothing for PNG. Leave it out",
        ),
        (
            {"path": "a.jpg", "width": 16000, "height": 16000},
            (
                "the output 'a.jpg' would be 16000x16000, "
                "more than 16383 pixels a side and 50 million in all. Ask for less"
            ),
        ),
    ],
)
def test_an_output_that_cannot_be_made_is_told(output, mistake):
    end = "" if mistake.endswith("?") else "."
    assert mistakes(fox(outputs=[output, "b.png"])) == [f"asset 1 (fox): {mistake}{end}"]


def test_every_mistake_of_an_output_is_told():
    assert mistakes(fox(output={"path": "/a.gif", "width": 0, "fit": 1})) == [
        (
            "asset 1 (fox): the output '/a.gif' has a wrong width: "
            "it must be a whole number from 1 to 16383."
        ),
        (
            "asset 1 (fox): the output '/a.gif' has a wrong fit: "
            "it must be cover or contain or stretch."
        ),
        f"asset 1 (fox): the output '/a.gif' ends in '.gif', which mai cannot write. {ENDINGS}",
        (
            "asset 1 (fox): the output '/a.gif' is an absolute path. "
            "Write it from the manifest's folder, or add --allow-outside."
        ),
    ]


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("a.PNG", "a.PNG"),
        ("./b/.././c//a.png", "c/a.png"),
        ("../a.png", "../a.png"),
        ("b/../../x/a.png", "../x/a.png"),
        ("/manifest/b/a.png", "b/a.png"),
        ("../manifest/a.png", "a.png"),
        ("/other/a.png", "../other/a.png"),
        ("a..png", "a..png"),
    ],
)
def test_paths_of_outputs_are_short_and_relative(path, short):
    assert paths(build(fox(output=path), allow_outside=True)[0]) == [short]


def test_a_link_that_leads_outside_is_outside(tmp_path):
    folder = tmp_path / "in"
    (folder / "real").mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path)
    (folder / "loop").symlink_to("loop")
    (folder / "inner").symlink_to("real")
    (folder / "real" / "out").symlink_to(tmp_path)

    for path in ("out/a.png", "out/b/a.png", "real/out/a.png", "inner/out/b/a.png"):
        assert mistakes(fox(output=path), folder=folder) == [
            f"asset 1 (fox): the output '{path}' is outside of the manifest's folder. {OUTSIDE}"
        ]
        assert build(fox(output=path), folder=folder, allow_outside=True)
    assert build(fox(outputs=["inner/a.png", "loop/a.png", "new/er/a.png"]), folder=folder)
    (tmp_path / "link").symlink_to("in")
    assert paths(build(fox(output="a/a.png"), folder=tmp_path / "link")[0]) == ["a/a.png"]
    assert mistakes(fox(output="../in/a.png"), folder=tmp_path / "link") == [
        f"asset 1 (fox): the output '../in/a.png' is outside of the manifest's folder. {OUTSIDE}"
    ]


def test_a_file_belongs_to_one_asset(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = mistakes(
        {"name": "a", "prompt": "a", "outputs": ["x/caf\u00e9.png", "y.png", "./y.png"]},
        {"name": "b", "prompt": "b", "output": "X/CAFE\u0301.png"},
        {"name": "c", "prompt": "c", "output": "real/z.png"},
        {"name": "d", "prompt": "d", "output": "link/Z.png"},
        {"name": "e${n}", "prompt": "e", "output": "e.png", "matrix": {"n": [1, 2]}},
        {"name": "f", "prompt": "f", "outputs": ["dir.png", "dir.png/f.png"]},
        {"name": "g", "prompt": "g", "outputs": ["deep.png", "deep.png/x/y/g.png"]},
        folder=tmp_path,
    )

    assert found == [
        "asset 1: 'a' has the output 'y.png' twice. Rename one.",
        "asset 2: 'b' has the same output as 'a' (asset 1): 'x/caf\u00e9.png'. Rename one.",
        "asset 4: 'd' has the same output as 'c' (asset 3): 'real/z.png'. Rename one.",
        "asset 5: 'e2' has the same output as 'e1' (asset 5): 'e.png'. Put ${name} into the path.",
        "asset 6: the output 'dir.png' of 'f' is the folder of another. Rename one.",
        "asset 7: the output 'deep.png' of 'g' is the folder of another. Rename one.",
    ]


def test_an_output_replaces_neither_a_reference_nor_the_manifest(tmp_path):
    (tmp_path / "b.png").symlink_to("c.png")
    entries = [
        {"name": "a", "prompt": "a", "outputs": ["A.png", "c.png", "assets.png"]},
        {"name": "b", "prompt": "b", "images": ["a.png", "./b.png"]},
    ]
    named = Manifest("assets.png", tmp_path, [Entry(entry, "here") for entry in entries])

    found: list[Mistake] = []
    build_assets(named, found, allow_outside=False, read_prompt=no_files)

    assert [str(mistake) for mistake in found] == [
        "here: the output 'A.png' of 'a' is the reference picture 'a.png'. Rename the output.",
        "here: the output 'c.png' of 'a' is the reference picture 'b.png'. Rename the output.",
        "here: the output 'assets.png' of 'a' is the manifest itself. Rename the output.",
    ]


def test_names_are_unique():
    found = mistakes(
        fox(),
        {"name": "hare", "prompt": "a hare"},
        fox(),
        {"prompt": "same"},
        {"prompt": "same"},
        {"prompt": "matrix", "matrix": {"x": [1, 2]}},
    )

    assert found == [
        "asset 3 (fox): the name 'fox' is also that of asset 1. Give one of them another name.",
        (
            "asset 5: the prompt gives the same name as that of asset 4. "
            "Give them names, or use count."
        ),
        (
            "asset 6: the prompt gives the same name as that of asset 6. "
            "Give them names, or use count."
        ),
    ]


def test_a_mistake_in_the_defaults_is_told_once():
    found = mistakes(
        *[{"name": f"a{number}", "prompt": "x"} for number in range(50)],
        defaults={"size": "huge", "output": {"path": "${name}.png", "width": "${w}"}, "tags": 3},
    )

    assert [mistake.partition(": ")[0] for mistake in found] == ["defaults, for asset 1 (a0)"] * 3


def test_a_prompt_file_that_cannot_be_read_is_a_mistake():
    assert mistakes(
        {"name": "a", "prompt_file": "a.txt"},
        {"name": "b", "prompt_file": "x\\a.txt"},
        {"name": "c", "prompt_file": "a.txt"},
    ) == [
        "asset 1 (a): The prompt file /manifest/a.txt cannot be read. Write it.",
        "asset 2 (b): 'prompt_file' has a backslash: 'x\\a.txt'. Use forward slashes.",
        "asset 3 (c): The prompt file /manifest/a.txt cannot be read. Write it.",
    ]


def test_more_pictures_than_the_limit_are_refused_before_they_are_made():
    numbers = list(range(1000))
    too_many = {"name": "${a}${b}${c}", "prompt": "x", "matrix": {"a": numbers, "b": numbers}}

    assert mistakes(fox(), too_many, {"unread": 1}) == [
        (
            "asset 2 (${a}${b}${c}): with this there are more than 100,000 pictures. "
            "Split the manifest."
        )
    ]


@pytest.mark.slow
def test_as_many_pictures_as_the_limit_are_made_and_not_one_more():
    counted = {"name": "${a}", "prompt": "x", "matrix": {"a": list(range(101))}, "count": 1000}

    assert mistakes(counted)[-1] == (
        "asset 1 (${a}): with this there are more than 100,000 pictures. Split the manifest."
    )
    counted["matrix"] = {"a": list(range(100))}
    assert len(build(counted)) == MAX_ASSETS


def test_an_empty_manifest_describes_nothing():
    assert build() == []


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
texts = st.sampled_from(["${x}", "${", "$$", "a.png", "/a.png", "../a.jpg", "1", "\ud800", "a;b"])
things = st.recursive(
    leaves | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["path", "width", "fit", "x"]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(
    entries=st.lists(
        st.dictionaries(st.sampled_from(ASSET_KEYS) | st.text(max_size=3), things, max_size=6),
        max_size=4,
    ),
    defaults=st.dictionaries(
        st.sampled_from(DEFAULT_KEYS) | st.text(max_size=3), things, max_size=3
    ),
    variables=st.dictionaries(
        st.sampled_from(["x", "y"]) | st.text(max_size=3), things, max_size=3
    ),
)
@settings(deadline=None, max_examples=150)
def test_no_entries_end_in_anything_but_assets_or_a_usage_error(entries, defaults, variables):
    try:
        assets = build(*entries, defaults=defaults, variables=variables, read_prompt=str)
    except UsageError as error:
        details = error.details
    else:
        details = ["none"]
        names = [asset.name for asset in assets]
        files = [path.lower() for asset in assets for path in paths(asset)]
        assert len(set(names)) == len(names)
        assert len(set(files)) == len(files)
        assert not any(path.startswith(("/", "../")) for path in files)
    assert details


@given(
    text=st.text(st.sampled_from("$ab{} ")),
    values=st.dictionaries(st.sampled_from(["a", "b"]), st.text()),
)
def test_what_is_filled_in_is_what_was_written_with_values_for_names(text, values):
    problems = []
    filled = fill(text.replace("$", "$$"), values, lambda *problem: problems.append(problem))

    assert (filled, problems) == (text, [])
    assert fill("<${a}>", {"a": text}, problems.append) == f"<{text}>"


words = st.text("abcxyz ", min_size=1).filter(str.strip)
plain_entries = st.lists(
    st.fixed_dictionaries(
        {"prompt": words},
        optional={
            "size": st.sampled_from(["16:9", "1024x1024", "wide"]),
            "web_grounding": st.booleans(),
            "count": st.integers(1, 3),
            "tags": st.lists(words, max_size=2),
            "params": st.dictionaries(st.sampled_from(["seed", "style"]), st.integers() | words),
            "outputs": st.just(["${name}.png", {"path": "${name}.jpg", "width": 320}]),
        },
    ),
    min_size=1,
    max_size=4,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


@given(entries=plain_entries)
@settings(deadline=None)
def test_the_same_manifest_gives_the_same_assets_in_every_format(entries):
    assume(
        all(
            abs(number) < 1 << 63
            for entry in entries
            for number in entry.get("params", {}).values()
            if isinstance(number, int)
        )
    )
    for number, entry in enumerate(entries):
        entry["name"] = f"asset {number}"
    texts = {
        "toml": f"assets = {toml(entries)}",
        "yaml": yaml.safe_dump({"assets": entries}),
        "json": json.dumps({"assets": entries}),
        "jsonl": "\n".join(map(json.dumps, entries)),
    }
    found = []
    for format, text in texts.items():
        stdin = TextIOWrapper(BytesIO(text.encode()))
        read = read_manifest(None, format, stdin)
        assets = build_assets(read, [], allow_outside=False, read_prompt=no_files)
        found.append(
            [
                (
                    asset.name,
                    asset.prompt,
                    asset.outputs,
                    asset.size,
                    asset.tags,
                    asset.params,
                    asset.web_grounding,
                )
                for asset in assets
            ]
        )

    assert all(assets == found[0] for assets in found)
    assert len(found[0]) == sum(entry.get("count", 1) for entry in entries)
