from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.models.catalogue import Model, Price, find
from mai_cli.models.settings import DEFAULT, ConfigFile, Deployment, Origin, Settings

KNOWN = find("MAI-Image-2.5")
UNKNOWN = Model.unknown("x")
LIMITS = {
    "max_pixels": 2_000_000,
    "edits": False,
    "auto_size": True,
    "web_grounding": True,
    "background": False,
}
PRICES = {"price_text_in": 1.0, "price_image_in": 2.0, "price_image_out": 3.0}


def test_a_key_is_not_shown_with_the_settings():
    shown = repr(Settings(Path("g"), Path("h"), api_key="key-0123456789abcdef"))

    assert "key-0123456789abcdef" not in shown


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (DEFAULT, "default"),
        (Origin("flag", "--size"), "--size"),
        (Origin("environment", "MAI_SIZE"), "MAI_SIZE"),
        (Origin("user", "/c.toml", 7, "work"), "/c.toml, line 7"),
        (Origin("project", "/p/.mai.toml"), "/p/.mai.toml"),
        (Origin("keyring", "the system keyring"), "the system keyring"),
    ],
)
def test_an_origin_is_told_in_a_few_words(origin, text):
    assert str(origin) == text


def test_a_picture_tells_where_it_comes_from_unless_told_otherwise():
    usual = Settings(Path("g"), Path("h"))

    assert (usual.metadata, usual.private, usual.preview) == (True, False, None)


def test_a_setting_without_an_origin_is_a_default():
    size = Origin("flag", "--size")
    settings = Settings(Path("g"), Path("h"), origins={"size": size})

    assert (settings.origin("size"), settings.origin("auth")) == (size, DEFAULT)


@pytest.mark.parametrize("is_project", [True, False])
def test_a_file_knows_where_its_keys_stand(is_project):
    lines = {("size",): 2, ("profiles", "work", "size"): 5}
    file = ConfigFile(Path("/c.toml"), is_project, lines=lines)
    kind = "project" if is_project else "user"

    assert file.origin("size") == Origin(kind, "/c.toml", 2)
    assert file.origin("profiles", "work", "size") == Origin(kind, "/c.toml", 5, "work")
    assert file.origin("deployments", "work", "model") == Origin(kind, "/c.toml")


@given(st.dictionaries(st.sampled_from(list(LIMITS)), st.booleans() | st.integers(1)))
def test_a_limit_that_the_user_gives_holds_against_the_catalogue(values):
    corrected = Deployment(values).correct(KNOWN)

    assert {name: getattr(corrected, name) for name in values} == values
    for name in ("name", "price", "retires_on", *(LIMITS.keys() - values.keys())):
        assert getattr(corrected, name) == getattr(KNOWN, name)


@pytest.mark.parametrize("model", [KNOWN, UNKNOWN])
def test_nothing_said_changes_nothing(model):
    assert Deployment().correct(model) == model
    assert Deployment({"model": "another"}).correct(model) == model


def test_a_part_of_a_price_takes_the_rest_from_the_catalogue():
    known = KNOWN.price

    assert Deployment({"price_image_out": 3.0}).correct(KNOWN).price == Price(
        known.text_in, known.image_in, 3.0, None, "settings"
    )
    assert Deployment(PRICES).correct(KNOWN).price == Price(1.0, 2.0, 3.0, None, "settings")


@given(st.sets(st.sampled_from(list(PRICES))))
def test_a_price_is_whole_or_unknown(parts):
    price = Deployment({name: PRICES[name] for name in parts}).correct(UNKNOWN).price

    assert price == (Price(1.0, 2.0, 3.0, None, "settings") if parts == PRICES.keys() else None)


def test_a_price_of_nothing_is_a_price():
    free = dict.fromkeys(PRICES, 0.0)

    assert Deployment(free).correct(UNKNOWN).price == Price(0.0, 0.0, 0.0, None, "settings")


def test_a_deployment_names_its_model_or_none():
    assert Deployment({"model": "MAI-Image-2.6"}).model == "MAI-Image-2.6"
    assert Deployment({"edits": True}).model is None
