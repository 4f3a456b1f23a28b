"""What ``mai batch`` finds out of date, and what it does about it: drawing, restoring, nothing."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mai_cli.adapters.identity import embedded_id
from tests.conftest import Result
from tests.emulator import picture, png

SMALL = "768x768"
TWO = """
[[assets]]
name = "fox"
prompt = "a red fox"
deployment = "mai-image-27"
outputs = ["fox.png", { path = "small/fox.webp", width = 96 }]

[[assets]]
name = "owl"
prompt = "a grey owl"
output = "owl.png"
"""
ALL_IS_WELL = (0, ["All 2 assets are up to date."])


@pytest.fixture(autouse=True)
def every_picture_is_another_one(foundry):
    """As the service draws, also where the prompt is the same."""
    foundry.distinct = True


@pytest.fixture
def batch(mai, tmp_path):
    """Run the manifest of the test, which is written where it is given."""

    def batch(*args: str, text: str = "", **more: str) -> Result:
        if text:
            (tmp_path / "assets.toml").write_text(text)
        return mai("batch", "assets.toml", *args, **{"MAI_SIZE": SMALL} | more)

    return batch


@pytest.fixture
def check(batch):
    """The exit code and the lines of ``--check``."""

    def check(*args: str, **more: str) -> tuple[int, list[str]]:
        result = batch("--check", *args, **more)
        assert result.err == ""
        return result.code, result.lines

    return check


@pytest.fixture
def made(batch, tmp_path):
    """The lock of two assets that were made."""
    result = batch(text=TWO)
    assert result.code == 0, result.err
    return tmp_path / "assets.lock.json"


def prompts(foundry) -> list[str]:
    return [request.json["prompt"] for request in foundry.received]


def locked(lock: Path) -> dict[str, dict]:
    return json.loads(lock.read_text())["assets"]


def tree(folder: Path) -> dict[str, object]:
    """All that can be told of the files below ``folder``, and of the folders."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in [folder, *folder.rglob("*")]
    }


def test_what_is_new_is_named_and_made(batch, check, foundry, tmp_path):
    (tmp_path / "assets.toml").write_text(TWO)

    assert check() == (10, ["new         fox", "new         owl", "2 new."])
    assert foundry.received == []
    assert sorted(batch().lines) == [
        str(tmp_path / name) for name in ("fox.png", "owl.png", "small/fox.webp")
    ]
    assert check() == ALL_IS_WELL


@pytest.mark.parametrize(
    "edit",
    [
        ('"a red fox"', '"a red fox at night"'),
        ('name = "fox"', 'name = "fox"\nsize = "768x1024"'),
        ('name = "fox"', 'name = "fox"\nbackground = "opaque"'),
        ('name = "fox"', 'name = "fox"\nparams = { style = "vivid" }'),
        ("mai-image-27", "prod-mai-image-27"),
        ('"mai-image-27"', '"mai-image-27"\nmodel = "MAI-Image-2.6"'),
    ],
    ids=["prompt", "size", "background", "params", "deployment", "model"],
)
def test_a_changed_request_is_drawn_again_and_nothing_else_is(
    batch, check, foundry, tmp_path, made, edit
):
    before = {path: path.read_bytes() for path in (tmp_path / "fox.png", tmp_path / "owl.png")}
    if "params" in edit[1]:
        foundry.will(picture(png(768, 768)))  # the emulator knows no such field
    (tmp_path / "assets.toml").write_text(TWO.replace(*edit))

    stale = ["changed     fox: the request has changed", "1 changed, 1 up to date."]
    assert check() == (10, stale)
    result = batch()
    assert (result.code, result.lines) == (
        0,
        [str(tmp_path / "fox.png"), str(tmp_path / "small" / "fox.webp")],
    ), result.err
    assert len(foundry.received) == 3
    assert [path for path in before if path.read_bytes() != before[path]] == [tmp_path / "fox.png"]
    assert check() == ALL_IS_WELL


def remove(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_bytes(b"mine")


@pytest.mark.parametrize(("harm", "what"), [(remove, "is missing"), (spoil, "was modified")])
def test_an_output_is_restored_from_the_gallery_without_paying(
    batch, check, foundry, tmp_path, made, history, harm, what
):
    files = {name: (tmp_path / name).read_bytes() for name in ("fox.png", "small/fox.webp")}
    lock = made.read_bytes()
    harm(tmp_path / "small" / "fox.webp")

    assert check() == (
        10,
        [f"restorable  fox: small/fox.webp {what}", "1 restorable, 1 up to date."],
    )
    result = batch()
    assert (result.code, result.lines) == (0, [str(tmp_path / "small" / "fox.webp")])
    assert "fox: restored" in result.err.splitlines()
    assert len(foundry.received) == len(history()) == 2
    assert files == {name: (tmp_path / name).read_bytes() for name in files}
    assert made.read_bytes() == lock
    assert check() == ALL_IS_WELL


@pytest.mark.parametrize(
    ("harm", "state", "what"),
    [(remove, "missing", "is missing"), (spoil, "modified", "was modified")],
)
def test_what_cannot_be_restored_is_drawn_again(
    batch, check, foundry, tmp_path, made, home, harm, state, what
):
    shutil.rmtree(home / "gallery")
    harm(tmp_path / "fox.png")

    assert check() == (10, [f"{state:<12}fox: fox.png {what}", f"1 {state}, 1 up to date."])
    result = batch()
    assert (result.code, len(result.lines)) == (0, 2)
    assert prompts(foundry)[2:] == ["a red fox"]
    assert check() == ALL_IS_WELL


def test_a_master_that_was_damaged_makes_no_output(batch, foundry, tmp_path, made, masters):
    remove(tmp_path / "owl.png")
    (master,) = [path for path in masters() if "owl" in path.name]
    master.write_bytes(png(768, 768))
    result = batch()

    assert (result.code, result.out, len(foundry.received)) == (7, b"", 2)
    assert f"owl: failed: The master {master} is damaged." in result.err.splitlines()
    assert "Draw it again with --force owl; that is paid for." in result.err.splitlines()
    assert batch("--force", "owl").lines == [str(tmp_path / "owl.png")]


@pytest.mark.parametrize(
    ("edit", "reason", "written"),
    [
        (("width = 96", "width = 64"), "small/fox.webp is made differently now", "small/fox.webp"),
        (('"fox.png",', '"fox.png", "fox.jpg",'), "fox.jpg is missing", "fox.jpg"),
    ],
    ids=["recipe", "output"],
)
def test_a_changed_recipe_and_a_new_output_are_free(
    batch, check, foundry, tmp_path, made, edit, reason, written
):
    (tmp_path / "assets.toml").write_text(TWO.replace(*edit))

    assert check() == (10, [f"restorable  fox: {reason}", "1 restorable, 1 up to date."])
    result = batch()
    assert (result.code, result.lines) == (0, [str(tmp_path / written)])
    with Image.open(tmp_path / written) as opened:
        assert opened.size == ((64, 64) if written == "small/fox.webp" else (768, 768))
    assert len(foundry.received) == 2
    assert check() == ALL_IS_WELL


def test_a_new_alternative_text_goes_into_the_outputs_without_paying(
    batch, check, foundry, tmp_path, made
):
    (tmp_path / "assets.toml").write_text(TWO.replace('"owl"', '"owl"\nalt = "An owl, asleep"'))

    reason = "its alternative text has changed"
    assert check() == (10, [f"restorable  owl: {reason}", "1 restorable, 1 up to date."])
    result = batch("--json")
    assert (result.code, len(foundry.received)) == (0, 2)
    assert b"An owl, asleep" in (tmp_path / "owl.png").read_bytes()
    assert [record["alt"] for record in result.objects[:-1]] == ["An owl, asleep"]
    assert result.objects[-1]["assets"][0]["alt"] == "An owl, asleep"
    assert locked(made)["owl"]["alt"] == "An owl, asleep"
    assert check() == ALL_IS_WELL


WITHOUT_SMALL = TWO.replace(', { path = "small/fox.webp", width = 96 }', "")
WITHOUT_OWL = TWO[: TWO.index('[[assets]]\nname = "owl"')]


@pytest.mark.parametrize(
    ("text", "name", "file", "rest"),
    [
        (WITHOUT_SMALL, "fox", "small/fox.webp", "2 up to date, 1 left over."),
        (WITHOUT_OWL, "owl", "owl.png", "1 up to date, 1 left over."),
    ],
    ids=["output", "asset"],
)
def test_what_left_the_manifest_is_left_over_until_it_is_pruned(
    batch, check, foundry, tmp_path, made, text, name, file, rest
):
    (tmp_path / "assets.toml").write_text(text)
    shown = [f"left over   {name}: no longer in the manifest", f"            file: {file}", rest]

    assert check() == (10, shown)
    plain = batch()
    assert (plain.code, plain.out) == (0, b"")
    assert "left over   1, which --prune removes" in plain.err.splitlines()
    assert (tmp_path / file).is_file()
    assert check() == (10, shown)

    pruned = batch("--prune")
    assert (pruned.code, pruned.out) == (0, b"")
    assert f"{tmp_path / file} was removed." in pruned.err.splitlines()
    assert "left over" not in pruned.err
    assert not (tmp_path / file).exists()
    assert (tmp_path / "fox.png").is_file()
    assert len(foundry.received) == 2
    assert file not in made.read_text()
    assert check()[0] == 0


def test_prune_leaves_a_modified_file_alone_and_says_so(batch, check, tmp_path, made):
    (tmp_path / "assets.toml").write_text(WITHOUT_OWL)
    spoil(tmp_path / "owl.png")
    (tmp_path / "nobody.png").write_bytes(b"nobody's")
    result = batch("--prune")

    assert result.code == 0
    assert f"{tmp_path / 'owl.png'} was modified, and was left alone." in result.err.splitlines()
    assert (tmp_path / "owl.png").read_bytes() == b"mine"
    assert (tmp_path / "nobody.png").read_bytes() == b"nobody's"
    assert list(locked(made)) == ["fox"]


def test_a_dry_run_of_prune_removes_nothing(batch, tmp_path, made):
    (tmp_path / "assets.toml").write_text(WITHOUT_OWL)
    result = batch("--prune", "--dry-run")

    assert result.lines == [
        "left over   owl: no longer in the manifest",
        "            file: owl.png",
        "1 up to date, 1 to remove. Nothing was sent.",
    ]
    assert (tmp_path / "owl.png").is_file()


def test_what_left_the_manifest_and_the_disk_is_forgotten(batch, check, tmp_path, made):
    (tmp_path / "assets.toml").write_text(WITHOUT_OWL)
    (tmp_path / "owl.png").unlink()

    assert check() == (0, ["The asset is up to date."])
    assert batch().code == 0
    assert list(locked(made)) == ["fox"]


def test_a_renamed_asset_takes_its_picture_with_it(batch, check, foundry, tmp_path, made):
    (tmp_path / "assets.toml").write_text(TWO.replace('"owl"', '"uhu"'))

    shown = ["restorable  uhu: drawn before, but not finished", "1 restorable, 1 up to date."]
    assert check() == (10, shown)
    assert batch().lines == [str(tmp_path / "owl.png")]
    assert len(foundry.received) == 2
    assert check() == ALL_IS_WELL
    assert batch().code == 0
    assert list(locked(made)) == ["fox", "uhu"]


def test_a_renamed_asset_with_a_new_file_leaves_the_old_one_to_prune(
    batch, check, foundry, tmp_path, made
):
    (tmp_path / "assets.toml").write_text(
        TWO.replace('"owl"', '"uhu"').replace("owl.png", "uhu.png")
    )
    result = batch("--prune")

    assert (result.code, result.lines) == (0, [str(tmp_path / "uhu.png")]), result.err
    assert len(foundry.received) == 2
    assert not (tmp_path / "owl.png").exists()
    assert check() == ALL_IS_WELL
    assert list(locked(made)) == ["fox", "uhu"]


def test_what_is_left_over_can_be_pruned_while_others_are_forced(batch, foundry, tmp_path, made):
    result = batch("--force", "--prune", text=WITHOUT_OWL)

    assert (result.code, len(foundry.received)) == (0, 3)
    assert not (tmp_path / "owl.png").exists()


@pytest.mark.parametrize(
    "names", [("owl", "fox"), ("owl", "uhu"), ("uhu", "fox")], ids=["swapped", "chain", "back"]
)
def test_assets_that_change_their_names_take_their_pictures_along(
    batch, check, foundry, tmp_path, made, names
):
    before = {name: embedded_id(tmp_path / name) for name in ("fox.png", "owl.png")}
    fox, owl = names
    text = TWO.replace('"fox"', "FOX").replace('"owl"', f'"{owl}"').replace("FOX", f'"{fox}"')
    assert check("--prune", text=text)[0] == 10
    result = batch("--prune")

    assert (result.code, len(foundry.received)) == (0, 2), result.err
    assert {name: embedded_id(tmp_path / name) for name in before} == before
    assert check() == ALL_IS_WELL
    assert sorted(locked(made)) == sorted(names)


def test_of_a_picture_that_was_renamed_no_second_asset_is_made(batch, foundry, tmp_path, made):
    moved = TWO.replace('"owl"', '"uhu"').replace("owl.png", "uhu.png")
    another = '[[assets]]\nname = "another"\nprompt = "a grey owl"\noutput = "another.png"\n'
    batch(text=moved)  # owl.png is left over, and the lock knows it still
    result = batch(text=moved + another)

    assert (result.code, result.lines) == (0, [str(tmp_path / "another.png")])
    assert len(foundry.received) == 3
    assert embedded_id(tmp_path / "another.png") != embedded_id(tmp_path / "uhu.png")


def test_what_a_renamed_asset_leaves_is_left_over_once(batch, check, tmp_path, made):
    renamed = WITHOUT_SMALL.replace('"owl"', '"uhu"')
    batch(text=WITHOUT_SMALL.replace('"owl"', '"uhu"'))
    batch(text=renamed.replace('"a grey owl"', '"a white owl"'))
    moved = renamed.replace('"a grey owl"', '"a white owl"').replace("owl.png", "uhu.png")
    result = batch("--prune", text=moved)

    assert (result.code, result.lines) == (0, [str(tmp_path / "uhu.png")])
    assert not (tmp_path / "owl.png").exists()
    assert "was modified, and was left alone" not in result.err


def test_two_assets_may_swap_their_files_without_paying(batch, check, foundry, tmp_path):
    text = (
        '[[assets]]\nname = "a"\nprompt = "first"\noutput = "1.png"\n'
        '[[assets]]\nname = "b"\nprompt = "second"\noutput = "2.png"\n'
    )
    batch(text=text)
    before = {name: embedded_id(tmp_path / name) for name in ("1.png", "2.png")}
    swapped = text.replace("1.png", "x").replace("2.png", "1.png").replace("x", "2.png")
    result = batch(text=swapped)

    assert (result.code, len(foundry.received)) == (0, 2), result.err
    assert embedded_id(tmp_path / "1.png") == before["2.png"]
    assert embedded_id(tmp_path / "2.png") == before["1.png"]
    assert check() == ALL_IS_WELL


def test_a_placeholder_is_replaced_by_a_real_run(batch, check, foundry, tmp_path, history):
    assert batch("--offline", text=TWO).code == 0
    placeholder = (tmp_path / "owl.png").read_bytes()

    assert check("--offline") == ALL_IS_WELL
    assert check() == (
        10,
        [
            "changed     fox: it is a placeholder",
            "changed     owl: it is a placeholder",
            "2 changed.",
        ],
    )
    assert batch().code == 0
    assert len(foundry.received) == 2
    assert (tmp_path / "owl.png").read_bytes() != placeholder
    assert {one["offline"] for one in locked(tmp_path / "assets.lock.json").values()} == {False}
    assert check() == check("--offline") == ALL_IS_WELL


def test_offline_never_replaces_a_real_picture_unless_forced(batch, check, foundry, tmp_path, made):
    changed = TWO.replace('"a grey owl"', '"a white owl"')
    before = (tmp_path / "owl.png").read_bytes()
    lock = made.read_bytes()
    left = batch("--offline", text=changed)

    reason = "the request has changed; --offline leaves real pictures alone"
    assert (left.code, left.out) == (0, b"")
    assert f"owl: {reason}." in left.err.splitlines()
    assert (tmp_path / "owl.png").read_bytes() == before
    assert made.read_bytes() == lock
    assert check("--offline") == (10, [f"changed     owl: {reason}", "1 changed, 1 up to date."])

    forced = batch("--offline", "--force", "owl")
    assert (forced.code, forced.lines) == (0, [str(tmp_path / "owl.png")])
    assert b"placeholder" in (tmp_path / "owl.png").read_bytes()
    assert locked(made)["owl"]["offline"] is True
    assert len(foundry.received) == 2


def test_without_its_lock_a_run_finds_in_the_history_what_was_paid(
    batch, check, foundry, tmp_path, made
):
    lock = made.read_bytes()
    files = {name: (tmp_path / name).read_bytes() for name in ("fox.png", "small/fox.webp")}
    made.unlink()
    (tmp_path / "owl.png").unlink()

    assert check() == (
        10,
        [
            "restorable  fox: drawn before, but not finished",
            "restorable  owl: drawn before, but not finished",
            "2 restorable.",
        ],
    )
    result = batch()
    assert (result.code, len(result.lines)) == (0, 3), result.err
    assert len(foundry.received) == 2
    assert made.read_bytes() == lock
    assert files == {name: (tmp_path / name).read_bytes() for name in files}
    assert check() == ALL_IS_WELL


def test_a_prompt_that_comes_back_is_not_paid_for_again(batch, check, foundry, tmp_path, made):
    first = (tmp_path / "owl.png").read_bytes()
    lock = made.read_bytes()
    batch(text=TWO.replace('"a grey owl"', '"a white owl"'))
    second = (tmp_path / "owl.png").read_bytes()
    (tmp_path / "assets.toml").write_text(TWO)

    shown = ["restorable  owl: the request has changed", "1 restorable, 1 up to date."]
    assert check() == (10, shown)
    assert batch().lines == [str(tmp_path / "owl.png")]
    assert len(foundry.received) == 3
    assert second != first == (tmp_path / "owl.png").read_bytes()
    assert made.read_bytes() == lock
    assert check() == ALL_IS_WELL


@pytest.fixture
def in_the_way(batch, tmp_path):
    """Two files and a folder that nobody has made, where outputs are to go."""
    (tmp_path / "small" / "fox.webp").mkdir(parents=True)
    for name in ("fox.png", "owl.png"):
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "assets.toml").write_text(TWO)


def test_files_that_nobody_made_are_named_and_left_alone(
    batch, foundry, tmp_path, history, in_the_way
):
    result = batch()
    told = batch("--json")

    lines = ["fox: fox.png", "fox: small/fox.webp", "owl: owl.png"]
    message = "3 outputs exist already, and the lock does not know of them. Nothing was sent."
    assert (result.code, result.out, foundry.received, history()) == (2, b"", [], {})
    assert result.err.splitlines() == [
        f"Error: {message}",
        *(f"  {line}" for line in lines),
        "Move them away, take them into the lock with --adopt, or replace them with --force NAME.",
    ]
    (error,) = told.objects
    assert error["error"]["code"] == "output_exists"
    assert error["error"]["details"] == lines
    assert (tmp_path / "owl.png").read_bytes() == b"mine"
    assert not (tmp_path / "assets.lock.json").exists()


def test_a_plan_names_what_is_in_the_way(batch, check, in_the_way):
    lines = [
        "new         fox",
        "            in the way: fox.png",
        "            in the way: small/fox.webp",
        "new         owl",
        "            in the way: owl.png",
        "2 new.",
    ]

    assert check() == (10, lines)


def test_adopt_takes_files_into_the_lock_as_they_are(batch, check, foundry, tmp_path, in_the_way):
    result = batch("--adopt")

    assert (result.code, result.out, foundry.received) == (0, b"", [])
    assert result.err.splitlines() == [
        "fox: not all of its files are there",
        "owl: taken as it is",
    ]
    assert (tmp_path / "owl.png").read_bytes() == b"mine"
    assert locked(tmp_path / "assets.lock.json")["owl"]["master"] is None
    assert check("--only", "owl") == (0, ["The asset is up to date."])

    (tmp_path / "assets.toml").write_text(TWO.replace('"a grey owl"', '"a white owl"'))
    assert batch("--only", "owl").lines == [str(tmp_path / "owl.png")]
    assert len(foundry.received) == 1
    assert (tmp_path / "owl.png").read_bytes() != b"mine"


def test_force_replaces_what_is_in_the_way_of_the_named_ones_only(
    batch, foundry, tmp_path, in_the_way
):
    refused = batch("--force", "owl")
    forced = batch("--force", "owl", "--only", "owl")

    assert (refused.code, forced.code) == (2, 0)
    assert "owl: owl.png" not in refused.err
    assert forced.lines == [str(tmp_path / "owl.png")]
    assert prompts(foundry) == ["a grey owl"]
    assert (tmp_path / "fox.png").read_bytes() == b"mine"


@pytest.mark.parametrize(("names", "again"), [([], ["fox", "owl"]), (["o*"], ["owl"])])
def test_force_draws_again_what_is_up_to_date(batch, foundry, made, names, again):
    result = batch("--force", *names, "--json")

    assert result.code == 0
    assert sorted(one["batch"]["asset"] for one in result.objects[:-1]) == again
    assert len(foundry.received) == 2 + len(again)


@pytest.mark.parametrize("how", ["--check", "--dry-run"])
def test_a_plan_needs_nothing_and_writes_nothing(run, tmp_path, home, made, how):
    (tmp_path / "assets.toml").write_text(
        TWO.replace('"a grey owl"', '"a white owl"')
        + '[[assets]]\nname = "elk"\nprompt = "an elk"\noutput = "new/elk.png"\n'
    )
    remove(tmp_path / "fox.png")
    env = {
        "PATH": os.environ["PATH"],
        "MAI_HOME": str(home),
        "MAI_DEPLOYMENT": "other-26",
        "MAI_SIZE": SMALL,
    }
    before = tree(tmp_path)
    plain = run(env, "batch", "assets.toml", how)
    told = run(env, "batch", "assets.toml", how, "--json")
    after = tree(tmp_path)

    (plan,) = told.objects
    assert (plain.code, plain.err) == (10 if how == "--check" else 0, "")
    assert told.code == plain.code
    assert after == before
    assert [(item["name"], item["state"], item["action"]) for item in plan["items"]] == [
        ("fox", "restorable", "export"),
        ("owl", "changed", "draw"),
        ("elk", "new", "draw"),
    ]


def test_a_dry_run_writes_nothing_where_all_is_set_up(batch, tmp_path, made):
    before = tree(tmp_path)
    result = batch("--dry-run", MAI_DEPLOYMENT="mai-image-26-flash")
    after = tree(tmp_path)

    assert result.lines[-1].startswith("1 to draw, 1 up to date. ")
    assert sorted(after) == sorted(before)
    assert after == before


def test_a_plan_of_a_home_that_is_not_there_makes_none(run, tmp_path):
    (tmp_path / "assets.toml").write_text(TWO)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MAI_DEPLOYMENT": "mai-image-26"}
    for how in ("--check", "--dry-run"):
        result = run(env, "batch", "assets.toml", how)
        assert "2 " in result.lines[-1]

    assert [path.name for path in tmp_path.iterdir()] == ["assets.toml"]


def test_a_plan_as_json_says_all(batch, made, tmp_path):
    (tmp_path / "assets.toml").write_text(
        WITHOUT_OWL.replace("width = 96", "width = 64")
        + '[[assets]]\nname = "elk"\nprompt = "an elk"\noutput = "elk.png"\n'
        + '[[assets]]\nname = "who"\nprompt = "?"\ndeployment = "pics"\n'
    )
    (check,) = batch("--check", "--json").objects
    (dry_run,) = batch("--dry-run", "--json").objects

    seconds = dry_run["seconds"]
    assert seconds is None or seconds >= 0
    cost = round((2 * 5 + 576 * 38) / 1e6, 6)
    expected = {
        "schema": "mai/plan/1",
        "manifest": "assets.toml",
        "items": [
            {
                "name": "fox",
                "state": "restorable",
                "action": "export",
                "reason": "small/fox.webp is made differently now",
                "outputs": ["small/fox.webp"],
                "cost_usd": 0.0,
            },
            {
                "name": "elk",
                "state": "new",
                "action": "draw",
                "reason": None,
                "outputs": ["elk.png"],
                "cost_usd": cost,
            },
            {
                "name": "who",
                "state": "new",
                "action": "draw",
                "reason": None,
                "outputs": [],
                "cost_usd": None,
            },
            {
                "name": "owl",
                "state": "left_over",
                "action": "none",
                "reason": "no longer in the manifest",
                "outputs": ["owl.png"],
                "cost_usd": 0.0,
            },
        ],
        "counts": {
            "new": 2,
            "changed": 0,
            "missing": 0,
            "modified": 0,
            "restorable": 1,
            "up_to_date": 0,
            "left_over": 1,
        },
        "cost_usd": None,
    }
    assert check == expected | {"seconds": None}
    assert dry_run == expected | {"seconds": seconds}


def test_a_dry_run_tells_what_it_would_cost(batch, foundry, tmp_path):
    result = batch(
        "--dry-run", text=TWO.replace('name = "owl"', 'name = "owl"\nsize = "2048x1152"')
    )
    unknown = batch("--dry-run", text=TWO.replace("mai-image-27", "pics"))

    assert (result.code, foundry.received) == (0, [])
    assert result.lines == [
        "new         fox: about $0.02",
        "new         owl: about $0.09",
        "2 to draw. About $0.11. Nothing was sent.",
    ]
    assert unknown.lines == [
        "new         fox: cost unknown",
        "new         owl: about $0.02",
        "2 to draw. About $0.02 for 1 of them, unknown for 1. Nothing was sent.",
    ]


def test_a_dry_run_tells_how_long_it_takes_once_that_is_known(batch, made, tmp_path):
    more = '[[assets]]\nname = "elk-${n}"\nprompt = "elk ${n}"\nmatrix = { n = [1, 2, 3, 4] }\n'
    result = batch("--dry-run", "--json", "--rpm", "2", text=TWO + more)

    (plan,) = result.objects
    assert plan["seconds"] >= 90  # four pictures, two a minute


@pytest.mark.parametrize(
    "args",
    [
        ["--check", "--dry-run"],
        ["--adopt", "--check"],
        ["--adopt", "--force"],
        ["--adopt", "--force", "fox"],
        ["--adopt", "--prune"],
        ["--junit", "mai.xml", "--dry-run"],
        ["--junit", "mai.xml", "--adopt"],
        ["hero"],
        ["--shard", "4/3"],
        ["--shard", "x"],
        ["--only", "nobody"],
        ["--force", "nobody"],
        ["--max-images", "-1"],
        ["-j", "0"],
    ],
)
def test_options_that_make_no_sense_are_refused(batch, foundry, tmp_path, args):
    result = batch(*args, text=TWO)

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert result.err.startswith("Error: ")
    assert not (tmp_path / "assets.lock.json").exists()


def test_only_makes_what_fits_a_pattern_and_leaves_the_others(batch, check, foundry, tmp_path):
    text = "".join(
        f'[[assets]]\nname = "{name}"\nprompt = "{name}"\noutput = "{name}.png"\n'
        for name in ("sea-1", "sea-2", "wood-1", "[x]")
    )
    first = batch("--only", "sea-*", "--only", "[x]", text=text)
    second = batch("--only", "*-1")

    assert first.code == second.code == 0
    assert sorted(prompts(foundry)[:3]) == ["[x]", "sea-1", "sea-2"]
    assert prompts(foundry)[3:] == ["wood-1"]
    assert second.lines == [str(tmp_path / "wood-1.png")]
    assert check() == (0, ["All 4 assets are up to date."])


def test_placeholders_with_the_same_bytes_are_not_mixed_up(batch, check, tmp_path):
    text = '[[assets]]\nname = "fox"\nprompt = "a fox"\ncount = 2\noutput = "fox.png"\n'
    batch("--offline", text=text)
    before = {name: (tmp_path / name).read_bytes() for name in ("fox-1.png", "fox-2.png")}
    for name in before:
        (tmp_path / name).unlink()
    assert batch("--offline").code == 0

    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_placeholder_of_another_deployment_says_so_after_all(batch, tmp_path):
    text = '[[assets]]\nname = "fox"\nprompt = "a fox"\noutput = "fox.png"\n'
    batch("--offline", text=text, MAI_DEPLOYMENT="mai-image-26")
    first = embedded_id(tmp_path / "fox.png")
    batch("--offline", MAI_DEPLOYMENT="mai-image-27")
    second = embedded_id(tmp_path / "fox.png")
    batch("--offline", MAI_DEPLOYMENT="mai-image-26")

    assert second != first == embedded_id(tmp_path / "fox.png")


def test_an_empty_manifest_has_nothing_to_make(batch, check):
    assert batch(text="assets = []\n").code == 0
    assert check() == (0, ["No assets to make in assets.toml."])
