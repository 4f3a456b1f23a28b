import json

import pytest

from tests.conftest import NOWHERE
from tests.emulator import KEY


def test_a_profile_makes_the_picture_and_is_in_its_record(run, bare, config, foundry, history):
    config.write_text(
        f'endpoint = "{NOWHERE}"\ndeployment = "a"\nsize = "1:1"\n'
        f'[profiles.work]\nendpoint = "{foundry.url}"\ndeployment = "b"\n'
    )
    env = bare | {"MAI_API_KEY": KEY}
    flag = run(env, "generate", "x", "-p", "work", "--json")
    variable = run(env | {"MAI_PROFILE": "work"}, "generate", "x", "--json")
    nowhere = run(env, "generate", "x", "--json", "--offline")

    assert (flag.code, variable.code, nowhere.code) == (0, 0, 0)
    records = [flag.objects[0], variable.objects[0], nowhere.objects[0]]
    assert [record["profile"] for record in records] == ["work", "work", None]
    assert [record["deployment"] for record in records] == ["b", "b", "a"]
    assert [record["profile"] for record in history().values()] == ["work", "work", None]
    assert [received.json["model"] for received in foundry.received] == ["b", "b"]


def test_a_flag_and_the_environment_win_over_a_profile(run, bare, config, foundry):
    config.write_text('[profiles.work]\ndeployment = "b"\nsize = "1:1"\n')
    env = bare | {"MAI_ENDPOINT": foundry.url, "MAI_API_KEY": KEY, "MAI_SIZE": "1024x768"}
    run(env, "generate", "x", "-p", "work", "-d", "c")

    sent = foundry.received[0].json
    assert (sent["model"], sent["width"], sent["height"]) == ("c", 1024, 768)


def test_generate_with_a_profile_that_does_not_exist_sends_nothing(mai, foundry, history):
    result = mai("generate", "x", "-p", "none")

    assert (result.code, foundry.received, history()) == (2, [], {})


def dry_run(run, env: dict[str, str], *args: str) -> dict:
    result = run(env, "generate", "a lighthouse at dawn", "--dry-run", "--json", *args)
    assert result.code == 0, result.err
    return json.loads(result.out)["items"][0]


def test_what_is_said_of_a_deployment_changes_plan_and_checks(run, env, config):
    unknown = dry_run(run, env, "-d", "pics")
    assert (unknown["model"], unknown["cost_usd"]) == (None, None)

    config.write_text('[deployments.pics]\nmodel = "MAI-Image-2.6"\n')
    known = dry_run(run, env, "-d", "pics", "-s", "16:9")
    assert (known["model"], known["cost_usd"]) == ("MAI-Image-2.6", pytest.approx(0.0876, abs=1e-4))
    assert (known["body"]["width"], known["body"]["height"]) == (2048, 1152)
    too_large = run(env, "generate", "x", "-d", "pics", "-s", "2048x2048", "--dry-run")
    assert too_large.code == 2

    config.write_text(
        '[deployments.pics]\nmodel = "MAI-Image-2.6"\nmax_pixels = 4194304\n'
        "price_image_out = 100\nbackground = true\nauto_size = false\n"
    )
    corrected = dry_run(run, env, "-d", "pics", "-s", "2048x2048", *("--background", "transparent"))
    assert corrected["cost_usd"] == pytest.approx(0.4096, abs=1e-3)
    assert run(env, "generate", "x", "-d", "pics", "-s", "auto", "--dry-run").code == 2


def test_prices_of_an_unknown_model_count_once_all_are_there(run, env, config):
    config.write_text("[deployments.pics]\nprice_text_in = 5\nprice_image_out = 40\n")
    assert dry_run(run, env, "-d", "pics")["cost_usd"] is None

    config.write_text(f"{config.read_text()}price_image_in = 8\n")
    cost = dry_run(run, env, "-d", "pics")["cost_usd"]
    assert cost == pytest.approx(0.041, abs=1e-3)
    made = run(env, "generate", "x", "-d", "pics", "--json").objects[0]
    assert made["cost_usd"] == pytest.approx(0.040965)


def test_config_without_a_command_shows_its_help(run, bare):
    result = run(bare, "config")

    assert (result.code, result.err) == (0, "")
    assert "mai config init" in result.out.decode()
