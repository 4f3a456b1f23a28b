import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.chunks import without_texts
from tests.conftest import MAI
from tests.emulator import FILTERED, KEY, REQUEST_ID, Answer, chunk, error, picture, png


def test_one_picture_end_to_end(mai, foundry, home, history, masters):
    result = mai("generate", "a lighthouse at dawn")

    (master,) = masters()
    (record,) = history().values()
    assert (result.code, result.lines) == (0, [str(master)])
    assert foundry.received[0].json == {
        "model": "mai-image-26",
        "prompt": "a lighthouse at dawn",
        "width": 1024,
        "height": 1024,
    }
    assert foundry.received[0].headers["api-key"] == KEY
    assert record["status"] == "ok"
    assert record["model"] == "MAI-Image-2.6"
    assert record["endpoint"] == foundry.url
    assert record["usage"] == {
        "input_text_tokens": 4,
        "input_image_tokens": 0,
        "output_tokens": 1024,
    }
    assert record["cost_usd"] == pytest.approx((4 * 5 + 1024 * 38) / 1e6)
    assert record["attempts"] == 1
    assert record["error"] is None
    assert home / "gallery" / record["master"]["path"] == master
    assert record["master"]["sha256"] == hashlib.sha256(master.read_bytes()).hexdigest()
    assert record["master"]["path"].endswith(f"-a-lighthouse-at-dawn-{record['id'][:8]}.png")
    assert f"1024x1024, $0.04, 0 s, id {record['id']}" in result.err


def test_the_sent_line_is_on_disk_while_the_service_draws(mai, foundry, home):
    seen = []
    foundry.will(
        Answer(
            body=picture(png(1024, 1024)).body,
            before=lambda: seen.append((home / "history.jsonl").read_text()),
        )
    )
    mai("generate", "x")

    (line,) = seen[0].splitlines()
    assert json.loads(line)["status"] == "sent"


def test_the_master_is_what_the_service_sent_byte_for_byte(mai, foundry, masters):
    sent = png(1024, 1024)
    foundry.will(picture(sent))
    mai("generate", "x")

    assert masters()[0].read_bytes() == sent


@pytest.mark.parametrize("source", ["argument", "dash", "file", "file dash"])
def test_a_prompt_comes_from_where_it_is_said(mai, foundry, tmp_path, source):
    prompt = "un café à l'aube ☕"
    (tmp_path / "prompt.txt").write_text(f"{prompt}\n", encoding="utf-8")
    args = {
        "argument": [prompt],
        "dash": ["-"],
        "file": ["-f", "prompt.txt"],
        "file dash": ["-f", "-"],
    }[source]
    result = mai("generate", *args, stdin=f"{prompt}\n".encode())

    assert result.code == 0, result.err
    assert foundry.received[0].json["prompt"] == prompt


def test_standard_input_is_left_alone_unless_asked_for(mai, foundry):
    mai("generate", "from the command line", stdin=b"not this")

    assert foundry.received[0].json["prompt"] == "from the command line"


def test_a_prompt_that_looks_like_an_option_follows_two_dashes(mai, foundry):
    assert mai("generate", "--", "--json").code == 0
    assert foundry.received[0].json["prompt"] == "--json"


def test_every_option_reaches_the_wire(mai, foundry):
    result = mai(
        *("generate", "x", "-d", "pics", "-m", "MAI-Image-2.7", "-s", "auto"),
        *("--background", "transparent", "--web-grounding"),
        *("--param", "strength=0.5", "--param", "style=vivid", "--param", "list=[1]"),
    )

    assert result.code == 5  # strict: these params are made up
    assert foundry.received[0].json == {
        "model": "pics",
        "prompt": "x",
        "auto_aspect_ratio": True,
        "background": "transparent",
        "web_grounding": True,
        "strength": 0.5,
        "style": "vivid",
        "list": [1],
    }


@pytest.mark.parametrize(
    ("size", "deployment", "expected"),
    [
        ("1280x832", "mai-image-26", (1280, 832)),
        ("16:9", "mai-image-26", (2048, 1152)),
        ("16:9", "mai-image-2-5", (1360, 768)),
        ("landscape", "mai-image-2-5", (1248, 832)),
        ("tall", "mai-image-27", (1536, 2720)),
        ("square", "my-pics", (1024, 1024)),
    ],
)
def test_sizes_reach_the_wire(mai, foundry, size, deployment, expected):
    assert mai("generate", "x", "-s", size, "-d", deployment).code == 0
    assert (foundry.received[0].json["width"], foundry.received[0].json["height"]) == expected


def test_a_model_alone_is_the_deployment_too(mai, foundry, history):
    mai("generate", "x", "-m", "MAI-Image-2.6-Flash", MAI_DEPLOYMENT="")

    assert foundry.received[0].json["model"] == "MAI-Image-2.6-Flash"
    assert next(iter(history().values()))["model"] == "MAI-Image-2.6-Flash"


def test_a_model_nobody_knows_works_with_a_note_and_an_unknown_cost(mai, history):
    result = mai("generate", "x", "-d", "my-pics")

    (record,) = history().values()
    assert result.code == 0
    assert (record["model"], record["cost_usd"]) == (None, None)
    assert "The model behind this deployment is not known" in result.err
    assert "cost unknown" in result.err


def test_a_retired_model_gets_a_note(mai):
    result = mai("generate", "x", "-d", "mai-image-2")

    assert "MAI-Image-2 was due to retire on 2026-08-15; MAI-Image-2.5 replaces it." in result.err


def test_several_pictures_are_several_requests_and_paths(mai, foundry, history):
    result = mai("generate", "x", "-n", "3")

    assert result.code == 0
    assert len(foundry.received) == len(result.lines) == len(history()) == 3
    assert all(Path(line).is_file() for line in result.lines)


def test_several_deployments_get_the_same_prompt(mai, foundry):
    mai("generate", "x", "-d", "mai-image-26", "-d", "mai-image-26-flash", "-n", "2")

    asked = [request.json["model"] for request in foundry.received]
    assert asked == ["mai-image-26"] * 2 + ["mai-image-26-flash"] * 2


def test_outputs_are_copies_and_the_results(mai, masters, tmp_path, history):
    result = mai("generate", "x", "-o", "hero.png", "-o", "new/", "-o", "deep/er/other.PNG")

    (master,) = masters()
    files = [tmp_path / "hero.png", tmp_path / "new" / master.name, tmp_path / "deep/er/other.PNG"]
    assert result.lines == [str(file) for file in files]
    assert all(without_texts(file.read_bytes()) == master.read_bytes() for file in files)
    (record,) = history().values()
    assert [export["path"] for export in record["exports"]] == result.lines
    assert record["exports"][0] == {
        "path": str(files[0]),
        "format": "png",
        "width": 1024,
        "height": 1024,
        "bytes": files[0].stat().st_size,
        "sha256": hashlib.sha256(files[0].read_bytes()).hexdigest(),
        "content_credentials": False,
    }


def test_an_existing_folder_is_an_output_too(mai, tmp_path):
    (tmp_path / "pictures.png").mkdir()
    result = mai("generate", "x", "-o", "pictures.png")

    assert Path(result.lines[0]).parent == tmp_path / "pictures.png"


def test_several_pictures_into_one_name_are_numbered(mai, tmp_path):
    result = mai("generate", "x", "-n", "2", "-o", "hero.png")

    assert result.lines == [str(tmp_path / "hero-1.png"), str(tmp_path / "hero-2.png")]


def test_the_picture_itself_goes_to_stdout_with_a_dash(mai, masters):
    result = mai("generate", "x", "-o", "-", "-o", "copy.png")

    assert result.out == masters()[0].read_bytes()


@pytest.mark.parametrize("existing", ["hero.png", "hero-2.png"])
def test_an_output_that_exists_is_refused_before_anything_is_sent(
    mai, foundry, tmp_path, existing, history
):
    (tmp_path / existing).write_text("mine")
    many = ["-n", "2"] if existing == "hero-2.png" else []
    result = mai("generate", "x", "-o", "hero.png", *many)

    assert result.code == 2
    assert f"The output exists: {tmp_path / existing}" in result.err
    assert (foundry.received, history()) == ([], {})
    assert (tmp_path / existing).read_text() == "mine"


def test_overwrite_replaces_it(mai, tmp_path, masters):
    (tmp_path / "hero.png").write_text("old")
    assert mai("generate", "x", "-o", "hero.png", "--overwrite").code == 0
    assert without_texts((tmp_path / "hero.png").read_bytes()) == masters()[0].read_bytes()


def test_an_output_that_appears_meanwhile_is_left_alone(mai, foundry, tmp_path, masters, history):
    foundry.will(
        Answer(
            body=picture(png(1024, 1024)).body,
            before=lambda: (tmp_path / "hero.png").write_text("mine"),
        )
    )
    result = mai("generate", "x", "-o", "hero.png", "-o", "second.png")

    (record,) = history().values()
    assert (tmp_path / "hero.png").read_text() == "mine"
    assert (result.code, result.lines) == (7, [str(tmp_path / "second.png")])
    assert f"The picture is safe at {masters()[0]}" in result.err
    assert (record["status"], record["error"]["code"]) == ("ok", "export_failed")


def test_private_writes_the_prompt_into_no_file(mai, home, tmp_path):
    result = mai("generate", "a secret garden party", "--private", "-o", "out/")

    assert result.code == 0
    for path in [*home.rglob("*"), *(tmp_path / "out").rglob("*")]:
        assert "secret" not in str(path)
        assert not path.is_file() or b"secret" not in path.read_bytes()


def test_private_holds_even_where_the_service_repeats_the_prompt(mai, foundry, home):
    foundry.will(error(400, "bad", "I do not like 'a secret garden party' at all."))
    result = mai("generate", "a secret garden party", "--private")

    assert result.code == 5
    assert b"secret" not in (home / "history.jsonl").read_bytes()


def test_tags_go_into_the_history(mai, history):
    mai("generate", "x", "--tag", "blog", "--tag", "draft")

    assert next(iter(history().values()))["tags"] == ["blog", "draft"]


def test_json_prints_the_record_of_the_history(mai, history):
    result = mai("generate", "x", "-n", "2", "--json")

    assert result.objects == list(history().values())


def test_a_refusal_does_not_keep_the_others_from_their_chance(mai, foundry, history):
    foundry.will(FILTERED)
    result = mai("generate", "x", "-n", "3")

    assert result.code == 11
    assert len(result.lines) == 2
    assert [record["status"] for record in history().values()] == ["refused", "ok", "ok"]


def test_after_five_refusals_in_a_row_nothing_more_is_sent(mai, foundry):
    foundry.will(FILTERED, FILTERED)
    foundry.will(picture(png(1024, 1024)))
    foundry.always(FILTERED)
    result = mai("generate", "x", "-n", "20")

    assert (result.code, len(foundry.received)) == (11, 8)
    assert "Nothing more is sent" in result.err


def test_after_any_other_failure_nothing_more_is_sent(mai, foundry, history):
    foundry.will(error(504, "x", "gateway"))
    result = mai("generate", "x", "-n", "3")

    assert (result.code, len(foundry.received)) == (8, 1)
    assert [record["status"] for record in history().values()] == ["unknown"]


@pytest.mark.parametrize("way", ["option", "variable", "file", "day"])
def test_what_could_cost_more_than_a_limit_is_not_sent(mai, foundry, home, history, way):
    args, env = {
        "option": (["--max-cost", "0.04"], {}),
        "variable": ([], {"MAI_MAX_COST": "0.04"}),
        "file": ([], {}),
        "day": ([], {"MAI_MAX_COST_PER_DAY": "0.04"}),
    }[way]
    if way == "file":
        home.mkdir()
        (home / "config.toml").write_text("max_cost = 0.04\n")
    result = mai("generate", "x", *args, "--json", **env)

    assert (result.code, foundry.received) == (9, [])
    (told,) = result.objects
    limit = "max_cost_per_day" if way == "day" else "max_cost"
    assert told == {
        "schema": "mai/error/1",
        "error": {
            "code": "over_budget",
            "message": (
                f"The picture could cost $0.040417, but of {limit} $0.04 only $0.04 is left."
            ),
            "hint": "Raise the limit, or ask for smaller or fewer pictures.",
            "exit_code": 9,
        },
    }
    assert history() == {}


def test_a_limit_lets_through_what_fits(mai, foundry, history):
    result = mai("generate", "x", "-n", "3", "--max-cost", "0.10")

    assert (result.code, len(foundry.received), len(result.lines)) == (11, 2, 2)
    assert [record["status"] for record in history().values()] == ["ok", "ok"]
    assert "The picture could cost $0.040417, but of max_cost $0.10 only " in result.err


def test_a_picture_that_was_refused_leaves_its_money_for_the_next(mai, foundry, history):
    foundry.will(FILTERED)
    result = mai("generate", "x", "-n", "2", "--max-cost", "0.05")

    assert (result.code, len(foundry.received)) == (11, 2)
    assert [record["status"] for record in history().values()] == ["refused", "ok"]


def test_the_limit_of_the_day_counts_all_runs_of_the_day(mai, foundry):
    codes = [mai("generate", "x", MAI_MAX_COST_PER_DAY="0.1").code for _ in range(3)]

    assert (codes, len(foundry.received)) == ([0, 0, 9], 2)


def test_an_unknown_price_cannot_be_kept_within_a_limit(mai, foundry):
    result = mai("generate", "x", "-d", "my-pics", "--max-cost", "5")

    assert (result.code, foundry.received) == (9, [])
    assert "The picture has no known price" in result.err


def test_what_is_drawn_on_this_machine_fits_every_limit(run, bare):
    assert run(bare, "generate", "x", "-n", "2", "--offline", "--max-cost", "0").code == 0


def test_a_limit_that_is_no_amount_is_a_wrong_command_line(mai, foundry):
    result = mai("generate", "x", "--max-cost", "-1")

    assert (result.code, foundry.received) == (2, [])
    assert "The max_cost '-1.0' must be a number of US dollars from 0 to 1000000." in result.err


def test_a_size_other_than_asked_for_is_kept_and_said(mai, foundry, history, masters):
    foundry.will(picture(png(1008, 1024)))
    result = mai("generate", "x")

    (record,) = history().values()
    assert result.code == 0
    assert "The service drew 1008x1024 instead of 1024x1024." in result.err
    assert (record["master"]["width"], record["master"]["height"]) == (1008, 1024)
    assert len(masters()) == 1


def test_dry_run_shows_everything_and_sends_nothing(mai, foundry, home, tmp_path):
    result = mai("generate", "x", "-n", "2", "-o", "new/hero.png", "--dry-run")

    assert result.code == 0
    assert result.lines == [
        f"POST {foundry.url}/mai/v1/images/generations",
        '{"model": "mai-image-26", "prompt": "x", "width": 1024, "height": 1024}',
        f"Output: {tmp_path / 'new/hero-1.png'}",
        f"POST {foundry.url}/mai/v1/images/generations",
        '{"model": "mai-image-26", "prompt": "x", "width": 1024, "height": 1024}',
        f"Output: {tmp_path / 'new/hero-2.png'}",
        "2 pictures, about $0.08. Nothing was sent.",
    ]
    assert foundry.received == []
    assert not home.exists()
    assert not (tmp_path / "new").exists()


def test_dry_run_needs_no_credential(mai, foundry):
    (plan,) = mai("generate", "x", "--dry-run", "--json", MAI_API_KEY="").objects

    assert plan["schema"] == "mai/plan/1"
    assert plan["cost_usd"] == pytest.approx(0.0389, abs=1e-4)
    assert plan["items"][0]["body"]["prompt"] == "x"


def test_offline_needs_nothing_and_draws_the_same_bytes_again(run, bare, history, masters):
    for _ in range(2):
        result = run(bare, "generate", "a lighthouse at dawn", "--offline", "-s", "768x1024")
        assert (result.code, len(result.lines)) == (0, 1), result.err

    first, second = masters()
    assert first.read_bytes() == second.read_bytes()
    record = next(iter(history().values()))
    assert (record["offline"], record["endpoint"], record["cost_usd"]) == (True, None, 0.0)
    assert (record["master"]["width"], record["master"]["height"]) == (768, 1024)


def test_offline_by_environment(run, bare):
    assert run(bare | {"MAI_OFFLINE": "1"}, "generate", "x", "-q").code == 0


def test_the_config_file_of_the_user_is_read(run, bare, foundry, home):
    home.mkdir()
    (home / "config.toml").write_text(
        f'endpoint = "{foundry.url}/mai/v1"\ndeployment = "from-file"\nsize = "16:9"\n'
        'filename = "{id}"\ngallery = "pics"\n'
    )
    result = run(bare | {"MAI_API_KEY": KEY}, "generate", "x")

    assert result.code == 0, result.err
    assert foundry.received[0].json["model"] == "from-file"
    assert Path(result.lines[0]).parent == home / "pics"


def test_flags_win_over_environment_and_file(mai, foundry, home):
    home.mkdir()
    (home / "config.toml").write_text('deployment = "from-file"\nsize = "4:3"\n')
    mai("generate", "x", "-d", "from-flag", MAI_DEPLOYMENT="from-environment", MAI_SIZE="768x768")

    sent = foundry.received[0].json
    assert (sent["model"], sent["width"]) == ("from-flag", 768)


def test_the_request_id_of_the_service_is_recorded(mai, foundry, history):
    foundry.will(picture(png(1024, 1024)))
    mai("generate", "x")

    assert next(iter(history().values()))["request_id"] == REQUEST_ID


def test_a_signed_picture_is_noticed(mai, foundry, history):
    foundry.will(picture(png(1024, 1024, extra=chunk(b"caBX", b"signed"))))
    mai("generate", "x")

    assert next(iter(history().values()))["master"]["content_credentials"] is True


def test_two_pictures_with_one_name_are_both_kept(mai, masters):
    mai("generate", "x", "-n", "2", MAI_FILENAME="same")

    assert [path.name for path in masters()] == ["same-2.png", "same.png"]


def test_eight_processes_lose_nothing(env, foundry, home, history, masters, tmp_path):
    running = [
        subprocess.Popen([*MAI, "generate", f"x{n}", "-n", "4", "-q"], env=env, cwd=tmp_path)
        for n in range(8)
    ]
    assert [process.wait(60) for process in running] == [0] * 8
    assert len(foundry.received) == len(history()) == len(masters()) == 32
    assert {record["status"] for record in history().values()} == {"ok"}
    assert len((home / "history.jsonl").read_bytes().splitlines()) == 64


def test_a_picture_that_is_made_has_ordinary_permissions(mai, masters):
    mai("generate", "x")

    mask = os.umask(0)
    os.umask(mask)
    assert masters()[0].stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_copy_in_a_folder_goes_beside_what_is_there(mai, tmp_path, masters):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "same.png").write_text("mine")
    result = mai("generate", "x", "-o", "out", MAI_FILENAME="same")

    assert (result.code, result.lines) == (0, [str(tmp_path / "out" / "same-2.png")])
    assert (tmp_path / "out" / "same.png").read_text() == "mine"


def test_a_name_that_tells_the_model_beats_another_setting(mai, history):
    mai("generate", "x", "-d", "mai-image-2-7-flash", MAI_MODEL="MAI-Image-2.6")
    mai("generate", "x", "-d", "mai-image-2-7-flash", "-m", "MAI-Image-2.6")

    models = [record["model"] for record in history().values()]
    assert models == ["MAI-Image-2.7-Flash", "MAI-Image-2.6"]


def test_a_failure_between_two_pictures_does_not_hide_the_first(mai, foundry, home):
    (home / "gallery").mkdir(parents=True)
    (home / "gallery" / "mai-image-27").touch()  # in the way of the second picture's folder
    two = ["-d", "mai-image-26", "-d", "mai-image-27"]
    result = mai("generate", "x", *two, "--json", MAI_FILENAME="{deployment}/{id}")

    assert result.code == 11
    assert [line["schema"] for line in result.objects] == ["mai/record/1", "mai/error/1"]
    assert len(foundry.received) == 1


def test_values_are_filled_into_the_prompt(mai, foundry, history):
    assert mai("generate", "a ${x} for $$5", "--var", "x=red fox").code == 0
    assert mai("generate", "a ${x} for $$5").code == 0
    prompts = ["a red fox for $5", "a ${x} for $$5"]
    assert [json.loads(one.body)["prompt"] for one in foundry.received] == prompts
    assert [one["prompt"] for one in history().values()] == prompts


@pytest.mark.parametrize("args", [("a ${y}", "--var", "x=1"), ("a", "--var", "x")])
def test_what_cannot_be_filled_in_sends_nothing(mai, foundry, args):
    assert (mai("generate", *args).code, foundry.received) == (2, [])
