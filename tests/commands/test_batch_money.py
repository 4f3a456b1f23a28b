"""The limits of ``mai batch``, and of ``mai generate``: what a run may cost, and what it did."""

import json
from datetime import UTC, datetime

import pytest

from tests.conftest import Result
from tests.emulator import FILTERED

SMALL = "768x768"
NAMES = ("ant", "bee", "cat", "dog")
FOUR = "".join(
    f'[[assets]]\nname = "{name}"\nprompt = "{name}"\noutput = "{name}.png"\n' for name in NAMES
)
PRICE = (1 * 5 + 576 * 38) / 1e6  # of a picture, as the emulator counts
WORST = (303 * 5 + 576 * 38) / 1e6  # before it is drawn: a prompt may have grown by 300 tokens


@pytest.fixture
def batch(mai, tmp_path):
    """Run the manifest of the test, which is written where it is given."""

    def batch(*args: str, text: str = "", **more: str) -> Result:
        if text:
            (tmp_path / "assets.toml").write_text(text)
        return mai("batch", "assets.toml", *args, **{"MAI_SIZE": SMALL} | more)

    return batch


@pytest.fixture
def spending(home):
    def spending() -> dict[str, object]:
        return json.loads((home / "state" / "spending.json").read_text())

    return spending


@pytest.fixture
def config(home):
    """Write the user's configuration."""

    def config(text: str) -> None:
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(text)

    return config


def test_a_limit_lets_pass_only_what_surely_fits(batch, foundry, tmp_path):
    limit = 2 * PRICE + WORST + 0.0001
    first = batch("--max-cost", f"{limit:.6f}", "--json", text=FOUR)
    second = batch("--max-cost", "1")

    summary = first.objects[-1]
    assert (first.code, second.code) == (11, 0)
    assert (summary["counts"]["made"], summary["counts"]["not_sent"]) == (3, 1)
    assert summary["cost_usd"] == pytest.approx(3 * PRICE)
    assert summary["exit_code"] == 11
    assert [one["error"]["code"] for one in summary["assets"] if one["error"]] == ["over_budget"]
    assert len(second.lines) == 1
    assert len(foundry.received) == 4


def test_a_limit_that_is_too_low_for_one_picture_sends_none(batch, foundry, history, tmp_path):
    result = batch("--max-cost", "0.02", "-j", "1", text=FOUR)

    assert (result.code, result.out, foundry.received, history()) == (9, b"", [], {})
    assert (
        "The picture could cost $0.023403, but of max_cost $0.02 only $0.02 is left." in result.err
    )
    assert "not sent    4" in result.err.splitlines()
    assert "cost        nothing" in result.err.splitlines()


@pytest.mark.parametrize("key", ["max_cost", "max_cost_per_day"])
def test_the_limit_of_any_profile_of_a_batch_holds(batch, config, foundry, history, key):
    config(f"[profiles.a]\n{key} = 5\n[profiles.b]\n{key} = 0.001\n")
    result = batch("-p", "a", "-p", "b", text=FOUR, MAI_PROFILE="gone")

    assert (result.code, foundry.received, history()) == (9, [], {})


def test_only_so_many_pictures_are_asked_for(batch, foundry):
    first = batch("--max-images", "3", text=FOUR)
    none = batch("--max-images", "0")
    again = batch("--max-images", "3")

    assert (first.code, len(first.lines)) == (11, 3)
    assert (none.code, none.out) == (9, b"")
    assert "would be one more than --max-images 0." in none.err
    assert (again.code, len(again.lines), len(foundry.received)) == (0, 1, 4)


def test_what_was_refused_gives_its_place_to_another(batch, foundry):
    foundry.will(FILTERED)
    result = batch("--max-images", "3", "-j", "1", text=FOUR)

    assert (result.code, len(result.lines), len(foundry.received)) == (11, 3, 4)


def test_a_limit_of_the_day_holds_for_all_runs(batch, mai, foundry, spending):
    limit = f"{2 * PRICE + WORST + 0.0001:.6f}"
    first = batch("--only", "ant", "--only", "bee", text=FOUR, MAI_MAX_COST_PER_DAY=limit)
    day = datetime.now(UTC).date().isoformat()
    spent = spending()
    second = batch(MAI_MAX_COST_PER_DAY=limit)
    third = mai("generate", "x", MAI_SIZE=SMALL, MAI_MAX_COST_PER_DAY=limit)

    assert (first.code, second.code, third.code) == (0, 11, 9)
    assert spent["reserved"] == {}
    assert spent["spent_usd"] == pytest.approx(2 * PRICE)
    assert spent["day"] == day
    assert len(foundry.received) == 3
    assert "max_cost_per_day" in second.err
    assert spending()["spent_usd"] == pytest.approx(3 * PRICE)


def test_the_day_is_counted_without_a_limit_too(batch, spending, foundry):
    batch(text=FOUR)
    result = batch("--force", MAI_MAX_COST_PER_DAY=f"{4 * PRICE + 0.01:.6f}")

    assert (result.code, result.out, len(foundry.received)) == (9, b"", 4)
    assert spending()["spent_usd"] == pytest.approx(4 * PRICE)


DAMAGES = {"empty": "", "garbage": '{"day":"20', "another shape": '{"day":"2026-11-22"}\n'}
damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


@damages
def test_where_it_is_not_known_what_the_day_has_cost_its_limit_lets_nothing_pass(
    batch, mai, foundry, history, home, damage
):
    (home / "state").mkdir(parents=True)
    (home / "state" / "spending.json").write_text(damage)
    pictures = batch(text=FOUR, MAI_MAX_COST_PER_DAY="5")
    picture = mai("generate", "x", MAI_SIZE=SMALL, MAI_MAX_COST_PER_DAY="5")

    assert (pictures.code, picture.code, foundry.received, history()) == (3, 3, [], {})
    for result in (pictures, picture):
        assert "The spending of the day cannot be recorded: " in result.err
    assert (home / "state" / "spending.json").read_text() == damage


def test_without_a_limit_it_is_told_once_that_nobody_knows_what_the_day_has_cost(
    batch, foundry, home
):
    damage = DAMAGES["another shape"]  # what is torn may be by a crash, and is begun anew
    (home / "state").mkdir(parents=True)
    (home / "state" / "spending.json").write_text(damage)
    result = batch(text=FOUR)

    assert (result.code, len(foundry.received)) == (0, 4)
    assert result.err.count("The spending of the day cannot be recorded: ") == 1
    assert (home / "state" / "spending.json").read_text() == damage


@pytest.mark.parametrize(
    ("args", "more"),
    [(["--max-cost", "5"], {}), ([], {"MAI_MAX_COST_PER_DAY": "5"}), ([], {"MAI_MAX_COST": "5"})],
)
def test_under_a_limit_a_picture_without_a_price_is_refused(
    batch, mai, foundry, history, args, more
):
    text = '[[assets]]\nname = "x"\nprompt = "x"\n'
    pictures = batch(*args, "--json", text=text, MAI_DEPLOYMENT="pics", **more)
    picture = mai("generate", "x", *args, "--json", MAI_DEPLOYMENT="pics", **more)

    assert (pictures.code, picture.code, foundry.received, history()) == (9, 9, [], {})
    assert pictures.objects[0]["error"]["code"] == "unknown_price"
    assert picture.objects[-1]["error"]["code"] == "unknown_price"


def test_a_price_that_the_user_gives_counts(batch, foundry, config, history):
    config(
        "[deployments.pics]\nprice_text_in = 1\nprice_image_in = 1\nprice_image_out = 1000\n"
        "max_pixels = 1048576\n"
    )
    text = '[[assets]]\nname = "x"\nprompt = "x"\n'
    low = batch("--max-cost", "0.5", text=text, MAI_DEPLOYMENT="pics")
    high = batch("--max-cost", "0.6", "--json", MAI_DEPLOYMENT="pics")

    assert (low.code, high.code, len(foundry.received)) == (9, 0, 1)
    assert high.objects[0]["cost_usd"] == pytest.approx(0.576001)
    assert high.objects[-1]["cost_usd"] == pytest.approx(0.576001)


def test_an_unknown_cost_is_never_shown_as_zero(batch):
    text = '[[assets]]\nname = "x"\nprompt = "x"\ndeployment = "pics"\n'
    both = text + '[[assets]]\nname = "y"\nprompt = "y"\n'
    alone = batch("--force", text=text)
    mixed = batch("--force", text=both)
    told = batch("--force", "--json", text=both)

    assert "x: made, cost unknown, 0 s" in alone.err.splitlines()
    assert "cost        unknown" in alone.err.splitlines()
    assert "cost        at least $0.02, some of it unknown" in mixed.err.splitlines()
    summary = told.objects[-1]
    assert summary["cost_usd"] == pytest.approx(PRICE)
    assert summary["cost_is_whole"] is False


def test_a_placeholder_is_free_whatever_the_limit(run, bare, tmp_path, home):
    (tmp_path / "assets.toml").write_text(FOUR.replace("name", 'deployment = "pics"\nname', 1))
    env = bare | {"MAI_SIZE": SMALL, "MAI_MAX_COST_PER_DAY": "0"}
    result = run(env, "batch", "assets.toml", "--offline", "--max-cost", "0", "--json")

    summary = result.objects[-1]
    assert (result.code, summary["cost_usd"], summary["cost_is_whole"]) == (0, 0.0, True)
    assert summary["counts"]["made"] == 4
    assert not (home / "state" / "spending.json").exists()


def test_what_is_restored_costs_nothing_and_needs_no_room(batch, foundry, tmp_path):
    batch(text=FOUR)
    for name in NAMES:
        (tmp_path / f"{name}.png").unlink()
    result = batch("--max-cost", "0", "--max-images", "0", "--json")

    summary = result.objects[-1]
    assert (result.code, summary["counts"]["restored"], summary["cost_usd"]) == (0, 4, 0.0)
    assert len(foundry.received) == 4


def test_several_pictures_of_generate_stay_below_a_limit(mai, foundry, history, spending):
    result = mai(
        *("generate", "ant", "-n", "4", "--max-cost", f"{PRICE + WORST + 0.0001:.6f}"),
        MAI_SIZE=SMALL,
    )

    assert (result.code, len(result.lines), len(foundry.received)) == (11, 2, 2)
    assert "could cost $0.023403, but of max_cost" in result.err
    assert len(history()) == 2
    assert spending()["spent_usd"] == pytest.approx(2 * PRICE)
