"""The same request again, and what is different about it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from mai_cli.commands.generate import generate
from mai_cli.commands.history import app
from tests.commands.records import drawn, record, remember, unmade
from tests.conftest import MAI, NOWHERE, Result
from tests.emulator import FILTERED, KEY, Emulator, picture, png

SMALL = ["-s", "768x768"]
NEWEST = ["-d", "mai-image-27"]
DRAWN = picture(png(768, 768))


@pytest.fixture
def again(mai, foundry: Emulator):
    """Ask for a picture, then for the same again; what was sent both times."""

    def again(*args: str, changes: tuple[str, ...] = (), **more: str) -> tuple[Result, list[bytes]]:
        foundry.always(DRAWN)  # whatever the field, which may be one of tomorrow
        made = mai("generate", "a fox", "-q", *args)
        assert made.code == 0, made.err
        result = mai("history", "rerun", "last", *changes, **more)
        assert result.code == 0, result.err
        foundry.settle()
        return result, [_sent(received) for received in foundry.received]

    return again


def _sent(received) -> bytes:
    """A request without the boundary of its form, which is made by chance."""
    boundary = received.headers.get("content-type", "").partition("boundary=")[2]
    body = received.body.replace(boundary.encode(), b"") if boundary else received.body
    return received.path.encode() + body


def differences(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if " -> " in line]


@pytest.mark.parametrize(
    "args",
    [
        SMALL,
        [*NEWEST, "-s", "auto", "--web-grounding"],
        [
            *SMALL,
            *NEWEST,
            "--background",
            "opaque",
            "--param",
            "style=vivid",
            "--param",
            "seed=[1]",
        ],
        ["-i", "a.png", "-i", "b.png"],
        ["-i", "a.png", "-i", "a.png", *SMALL],
    ],
)
def test_the_same_request_is_sent_again(again, history, tmp_path, args):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(320, 320 + len(name)))
    result, (first, second) = again(*args)
    assert second == first
    assert differences(result) == []
    old, new = history().values()
    assert new["rerun_of"] == old["id"]
    assert old["rerun_of"] is None
    same = ("prompt", "request", "images", "deployment", "model", "endpoint")
    assert [new[key] for key in same] == [old[key] for key in same]


def test_settings_that_were_changed_since_change_nothing(again):
    result, (first, second) = again(*SMALL, MAI_SIZE="16:9", MAI_DEPLOYMENT="mai-image-2e")
    assert second == first
    assert differences(result) == []


@pytest.mark.parametrize(
    ("changes", "fields", "told"),
    [
        (("a hare",), {"prompt": "a hare"}, ["prompt: a fox -> a hare"]),
        (("-f", "p.txt"), {"prompt": "a crow"}, ["prompt: a fox -> a crow"]),
        (
            ("-s", "1024x768"),
            {"width": 1024},
            ["width: 768 -> 1024"],
        ),
        (("--background", "opaque"), {"background": "opaque"}, ["background: (none) -> opaque"]),
        (("--web-grounding",), {"web_grounding": True}, ["web_grounding: (none) -> true"]),
        (
            ("--param", "style=calm", "--param", "new=1"),
            {"style": "calm", "new": 1},
            ["style: vivid -> calm", "new: (none) -> 1"],
        ),
        (
            ("-d", "pics", "-m", "MAI-Image-2.6"),
            {"model": "pics"},
            ["deployment: mai-image-27 -> pics", "model: MAI-Image-2.7 -> MAI-Image-2.6"],
        ),
    ],
)
def test_an_option_changes_what_it_says_and_it_is_told(
    again, foundry, tmp_path, changes, fields, told
):
    (tmp_path / "p.txt").write_text("a crow\n")
    result, _ = again(*SMALL, *NEWEST, "--param", "style=vivid", changes=changes)
    first, second = (received.json for received in foundry.received)
    assert second == first | fields
    assert differences(result) == told
    assert [line for line in result.lines if "->" in line] == []


def test_several_pictures_all_point_to_the_old_record(mai, history, tmp_path):
    assert mai("generate", "a fox", *SMALL, "--tag", "old").code == 0
    (first,) = history().values()
    options = ["-n", "2", "-o", "x.webp", "--tag", "new", "--json"]
    result = mai("history", "rerun", first["id"][:5], *options)
    assert result.code == 0
    assert [made["rerun_of"] for made in result.objects] == [first["id"]] * 2
    assert [made["tags"] for made in result.objects] == [["new"]] * 2
    assert sorted(path.name for path in tmp_path.glob("x*")) == ["x-1.webp", "x-2.webp"]
    assert history()[first["id"]] == first


def test_a_record_is_found_by_its_picture_under_another_name(mai, history, tmp_path):
    assert mai("generate", "a fox", *SMALL, "-o", "fox.webp").code == 0
    shutil.move(tmp_path / "fox.webp", tmp_path / "other.bin")
    assert mai("history", "rerun", "./other.bin").code == 0
    old, new = history().values()
    assert new["rerun_of"] == old["id"]


def test_a_refused_request_may_be_sent_again(mai, foundry, history):
    foundry.will(FILTERED)
    assert mai("generate", "a fox", *SMALL).code == 5
    assert mai("history", "rerun", "last").code == 0
    old, new = history().values()
    assert (old["status"], new["status"], new["rerun_of"]) == ("refused", "ok", old["id"])


def test_a_dry_run_sends_nothing_and_tells_the_differences(mai, foundry, history, home):
    remember(home, [record(0)])
    result = mai("history", "rerun", "last", "-s", "768x768", "--dry-run")
    assert result.code == 0
    assert differences(result)[1:] == ["width: 1024 -> 768", "height: 1024 -> 768"]
    assert foundry.received == []
    assert len(history()) == 1


def test_a_private_prompt_has_to_be_given_again(mai, foundry, home, history):
    remember(home, [record(0, prompt=None)])
    result = mai("history", "rerun", "last")
    assert (result.code, result.out) == (2, b"")
    assert f'mai history rerun {record(0)["id"]} "PROMPT"' in result.err
    assert foundry.received == []
    assert mai("history", "rerun", "last", "a secret", *SMALL, "--private").code == 0
    assert foundry.received[0].json["prompt"] == "a secret"
    assert b"secret" not in (home / "history.jsonl").read_bytes()
    assert [*history().values()][-1]["rerun_of"] == record(0)["id"]


@pytest.mark.parametrize("options", [[], ["--private"], ["-d", "pics"]])
def test_what_follows_a_private_record_is_private(mai, home, history, options):
    remember(home, [record(0, prompt=None)])
    result = mai("history", "rerun", "last", "a secret", *SMALL, *options)
    assert result.code == 0, result.err
    _, new = history().values()
    assert (new["status"], new["prompt"]) == ("ok", None)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in files if "secret" in path.name or b"secret" in path.read_bytes()] == []


def test_what_follows_a_record_with_a_prompt_is_not_private(mai, home, history):
    remember(home, [record(0)])
    assert mai("history", "rerun", "last", "no secret", *SMALL).code == 0
    assert [*history().values()][-1]["prompt"] == "no secret"


# With profiles.


@pytest.fixture
def profiled(run, bare, foundry: Emulator, home, history):
    """Ask for a picture with the profile ``work``, then for the same again; the new record."""
    home.mkdir()
    (home / "config.toml").write_text(
        f'endpoint = "{foundry.url}"\ndeployment = "usual"\n'
        '[profiles.work]\ndeployment = "of-work"\n'
        '[profiles.other]\ndeployment = "of-other"\n'
    )
    env = bare | {"MAI_API_KEY": KEY}

    def profiled(*args: str, **more: str) -> dict:
        assert run(env, "generate", "a fox", "-p", "work", *SMALL).code == 0
        result = run(env | more, "history", "rerun", "last", *args)
        assert result.code == 0, result.err
        return [*history().values()][-1]

    return profiled


@pytest.mark.parametrize(
    ("options", "profile", "deployment"),
    [
        ([], "work", "of-work"),
        (["-p", "work"], "work", "of-work"),
        (["-p", "other"], "other", "of-other"),
        (["-d", "pics"], None, "pics"),
        (["-m", "MAI-Image-2.6"], None, "usual"),
        (["-p", "other", "-d", "pics"], "other", "pics"),
    ],
)
def test_the_profile_is_used_again_unless_another_place_is_named(
    profiled, foundry, options, profile, deployment
):
    new = profiled(*options)
    assert (new["profile"], new["deployment"]) == (profile, deployment)
    assert [sent.json["model"] for sent in foundry.received] == ["of-work", deployment]


@pytest.mark.parametrize(
    ("options", "profile", "deployment"),
    [([], "work", "of-work"), (["-d", "pics"], "other", "pics")],
)
def test_the_profile_of_a_record_wins_over_that_of_the_environment(
    profiled, options, profile, deployment
):
    new = profiled(*options, MAI_PROFILE="other")
    assert (new["profile"], new["deployment"]) == (profile, deployment)


def test_the_resource_is_that_of_the_profile(run, bare, foundry, home, history):
    home.mkdir()
    (home / "config.toml").write_text(
        f'endpoint = "{NOWHERE}"\n[profiles.work]\nendpoint = "{foundry.url}"\n'
    )
    remember(home, [record(0, profile="work", endpoint=foundry.url)])
    result = run(bare | {"MAI_API_KEY": KEY}, "history", "rerun", "last", *SMALL)
    assert (result.code, len(foundry.received)) == (0, 1), result.err
    assert [*history().values()][-1]["profile"] == "work"


@pytest.mark.parametrize("profile", ["gone", 7, ["work"], {"a": 1}])
def test_a_profile_that_is_not_there_sends_nothing(mai, foundry, home, profile):
    path = remember(home, [record(0, profile=profile)])
    before = path.read_bytes()
    result = mai("history", "rerun", "last")
    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert "Traceback" not in result.err
    assert path.read_bytes() == before
    assert mai("history", "rerun", "last", "-d", "mai-image-26").code == 0


@pytest.fixture
def edited(mai, tmp_path) -> Path:
    path = tmp_path / "sketch.png"
    path.write_bytes(png(320, 320))
    assert mai("generate", "a fox", "-i", "sketch.png").code == 0
    return path


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_reference_picture_that_is_not_what_it_was_stops_it(mai, foundry, edited, change):
    if change == "gone":
        edited.unlink()
    else:
        edited.write_bytes(png(320, 640))
    result = mai("history", "rerun", "last")
    assert (result.code, result.out) == (2, b"")
    assert str(edited) in result.err
    assert len(foundry.received) == 1


def test_another_reference_picture_may_be_given(mai, foundry, edited, history, tmp_path):
    edited.unlink()
    (tmp_path / "new.png").write_bytes(png(640, 320))
    result = mai("history", "rerun", "last", "-i", "new.png")
    assert result.code == 0
    old, new = ([image["sha256"][:8] for image in one["images"]] for one in history().values())
    assert f"references: {json.dumps(old)} -> {json.dumps(new)}" in differences(result)
    assert png(640, 320) in foundry.received[1].body


def test_a_reference_picture_is_found_from_any_folder(edited, foundry, env, home):
    command = [*MAI, "history", "rerun", "last"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, check=True, timeout=30)
    assert b" -> " not in done.stderr
    assert len(foundry.received) == 2


def test_that_a_placeholder_becomes_a_paid_picture_is_told(mai, home, foundry):
    offline = {"offline": True, "endpoint": None, "cost_usd": 0.0}
    remember(home, [record(0, **offline, request={"width": 768, "height": 768})])
    result = mai("history", "rerun", "last")
    assert (result.code, len(foundry.received)) == (0, 1)
    assert differences(result) == [f"endpoint: this machine (offline) -> {foundry.url}"]


def test_that_another_resource_is_asked_is_told(mai, home, foundry):
    remember(home, [record(0)])
    result = mai("history", "rerun", "last", "--dry-run")
    assert differences(result) == [f"endpoint: {record(0)['endpoint']} -> {foundry.url}"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"id": "ffff00000000"}, "The record ffff00000000 cannot be understood."),
        (record(0, request=["x"]), f"The record {record(0)['id']} cannot be understood."),
        (record(0, images=[{"path": "x"}]), f"The record {record(0)['id']} cannot be understood."),
    ],
)
def test_a_record_that_is_not_understood_is_not_guessed_at(mai, home, foundry, state, message):
    remember(home, [])
    (home / "history.jsonl").write_text(json.dumps(state) + "\n")
    result = mai("history", "rerun", state["id"])
    assert (result.code, result.err.splitlines()[0]) == (2, f"Error: {message}")
    assert foundry.received == []


@pytest.mark.parametrize("text", ["last~5", "ffffffff", "nothing.png", "abc"])
def test_what_means_no_record_is_told_before_anything_else(run, bare, home, text):
    remember(home, [drawn(home, 0), unmade(1, "sent")])
    result = run(bare, "history", "rerun", text, "--json")
    assert (result.code, result.objects[0]["error"]["code"]) == (2, "no_record")


def test_it_takes_the_options_of_generate_and_no_others():
    alone = typer.Typer(add_completion=False)
    alone.command()(generate)

    def told(command) -> dict[str, tuple]:
        return {
            param.name: (
                *(param.opts, param.secondary_opts, param.multiple, param.is_flag),
                *(type(param.type), getattr(param, "help", None), param.default),
            )
            for param in command.params
            if param.param_type_name == "option"
        }

    of_generate = typer.main.get_command(alone)
    of_rerun = typer.main.get_command(app).get_command(None, "rerun")
    assert told(of_rerun) == told(of_generate)
    arguments = [
        [param.name for param in command.params if param.param_type_name == "argument"]
        for command in (of_rerun, of_generate)
    ]
    assert arguments == [["id_", "prompt"], ["prompt"]]
