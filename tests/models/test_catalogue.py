from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.models.catalogue import MODELS, NEWEST, Model, Price, find

TODAY = date(2026, 11, 22)
SMALL, MIDDLE, LARGE = 1_048_576, 2_359_296, 4_194_304
FEBRUARY, APRIL = date(2026, 2, 20), date(2026, 4, 9)
JUNE, LATE_JUNE, JULY = date(2026, 6, 2), date(2026, 6, 19), date(2026, 7, 31)
AUGUST_15, OCTOBER_1 = date(2026, 8, 15), date(2026, 10, 1)


@pytest.mark.parametrize(
    ("name", "version", "pixels", "offers", "price", "retires"),
    [
        ("MAI-Image-2", FEBRUARY, SMALL, "", (5, 0, 33), AUGUST_15),
        ("MAI-Image-2e", APRIL, SMALL, "", (5, 0, 19.50), AUGUST_15),
        ("MAI-Image-2.5", JUNE, SMALL, "edits", (5, 8, 47), OCTOBER_1),
        ("MAI-Image-2.5-Flash", JUNE, SMALL, "edits", (1.75, 1.75, 19.50), OCTOBER_1),
        ("MAI-Image-2.5-Pro", LATE_JUNE, SMALL, "edits", (5, 8, 106), OCTOBER_1),
        ("MAI-Image-2.6", JULY, MIDDLE, "edits auto web", (5, 8, 38), None),
        ("MAI-Image-2.6-Flash", JULY, MIDDLE, "edits auto web", (1.75, 2.50, 19), None),
        ("MAI-Image-2.7", None, LARGE, "edits auto web background", (5, 8, 34), None),
        ("MAI-Image-2.7-Flash", None, LARGE, "edits auto web background", None, None),
    ],
)
def test_each_model_is_described_as_published(name, version, pixels, offers, price, retires):
    model = find(name)
    assert (model.name, model.version, model.max_pixels) == (name, version, pixels)
    abilities = {
        "edits": model.edits,
        "auto": model.auto_size,
        "web": model.web_grounding,
        "background": model.background,
    }
    assert [word for word, offered in abilities.items() if offered] == offers.split()
    known = model.price and (model.price.text_in, model.price.image_in, model.price.image_out)
    assert known == price
    assert model.retires_on == retires
    assert model.is_known
    assert model.source


def test_there_are_nine_models_and_each_price_says_when_and_where_it_was_read():
    assert len({model.name for model in MODELS}) == len(MODELS) == 9
    prices = [model.price for model in MODELS if model.price]
    assert all(price.source and price.read_on <= TODAY for price in prices)
    assert NEWEST.name == "MAI-Image-2.7"


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("MAI-Image-2", 0.0338),
        ("MAI-Image-2e", 0.0200),
        ("MAI-Image-2.5", 0.0481),
        ("MAI-Image-2.5-Flash", 0.0200),
        ("MAI-Image-2.5-Pro", 0.1085),
        ("MAI-Image-2.6", 0.0389),
        ("MAI-Image-2.6-Flash", 0.0195),
        ("MAI-Image-2.7", 0.0348),
    ],
)
def test_a_picture_of_one_megapixel_costs_what_the_price_list_says(name, dollars):
    price = find(name).price
    assert price is not None
    cost = price.cost(text_tokens=0, image_tokens=0, output_tokens=1024)
    assert round(cost, 4) == dollars


def test_the_cost_of_a_picture_counts_all_three_kinds_of_tokens():
    price = find("MAI-Image-2.6").price
    assert price is not None
    assert price.cost(text_tokens=10, image_tokens=0, output_tokens=1024) == 0.038962
    assert price.cost(text_tokens=252, image_tokens=1600, output_tokens=1020) == 0.05282


@pytest.mark.parametrize(
    ("deployment", "model"),
    [
        ("mai-image-2-6-flash-prod", "MAI-Image-2.6-Flash"),
        ("MAI-Image-2.6-Flash", "MAI-Image-2.6-Flash"),
        ("prod-mai-image-2-5-flash-eastus", "MAI-Image-2.5-Flash"),
        ("mai-image-26-flash", "MAI-Image-2.6-Flash"),
        ("maiimage25pro", "MAI-Image-2.5-Pro"),
        ("mai-image-2-5-prod", "MAI-Image-2.5"),
        ("mai-image-2-prod", "MAI-Image-2"),
        ("mai-image-2-eastus", "MAI-Image-2"),
        ("mai-image-2-2026-02-20", "MAI-Image-2"),
        ("mai-image-2e", "MAI-Image-2e"),
        ("mai-image-2e-westus", "MAI-Image-2e"),
        ("mai_image_2_7", "MAI-Image-2.7"),
        ("mai-image-26", "MAI-Image-2.6"),
        ("mai-image-26-2026-07-31", "MAI-Image-2.6"),
        ("Mai Image 2.7 Flash (west)", "MAI-Image-2.7-Flash"),
        ("mai-image-2.8", None),
        ("mai-image-3", None),
        ("mai-image-256", None),
        ("mai-image-2-flash", None),
        ("mai-image-2.6-pro", None),
        ("mai-image-2.5e", None),
        ("mai-image", None),
        ("my-pics", None),
        ("gpt-image-2", None),
        ("", None),
    ],
)
def test_the_name_of_a_deployment_tells_its_model_or_nothing(deployment, model):
    assert find(deployment).name == model


@given(
    model=st.sampled_from(MODELS),
    separator=st.sampled_from(["-", "_", ".", " ", ""]),
    before=st.sampled_from(["", "prod-", "team.a_", "1-"]),
    after=st.sampled_from(["", "-prod", "-eastus", "_v3", "-2026-07-31", " (west)", "/x"]),
    is_upper=st.booleans(),
)
@settings(deadline=None)
def test_a_model_is_found_however_its_name_is_spelt(model, separator, before, after, is_upper):
    name = before + str(model.name).replace("-", separator).replace(".", separator) + after
    assert find(name.upper() if is_upper else name.lower()) is model


@given(name=st.text() | st.text("mai-image256flproe. _", max_size=24))
@settings(deadline=None)
def test_any_name_is_one_of_the_models_or_not_known(name):
    model = find(name)
    assert model in MODELS or model == Model.unknown()


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (
            find("MAI-Image-2"),
            "MAI-Image-2 was due to retire on 2026-08-15; MAI-Image-2.5 replaces it.",
        ),
        (
            find("MAI-Image-2e"),
            "MAI-Image-2e was due to retire on 2026-08-15; MAI-Image-2.5-Flash replaces it.",
        ),
        (find("MAI-Image-2.5-Pro"), "MAI-Image-2.5-Pro was due to retire on 2026-10-01."),
        (find("MAI-Image-2.6"), ""),
        (find("MAI-Image-2.7-Flash"), ""),
        (
            Model.unknown(),
            (
                "The model behind this deployment is not known: its limits are not checked, cost "
                "unknown; name it with --model."
            ),
        ),
        (
            Model.unknown("MAI-Image-9"),
            "The model MAI-Image-9 is not known: its limits are not checked, cost unknown.",
        ),
    ],
)
def test_a_note_says_what_to_know_before_paying(model, note):
    assert model.note(TODAY) == note


def test_a_cost_that_is_known_or_nothing_is_not_called_unknown():
    priced = replace(Model.unknown("MAI-Image-9"), price=Price(5, 8, 34, None, "the user"))
    note = "The model MAI-Image-9 is not known: its limits are not checked."
    assert priced.note(TODAY) == note
    assert Model.unknown("MAI-Image-9").note(TODAY, is_free=True) == note


@pytest.mark.parametrize(
    ("today", "tense"),
    [(date(2026, 8, 14), "is due"), (date(2026, 8, 15), "was due"), (date(2026, 8, 16), "was due")],
)
def test_a_model_has_retired_from_that_day_on(today, tense):
    assert f" {tense} to retire" in find("MAI-Image-2").note(today)


def test_a_model_that_nobody_knows_is_left_to_the_service():
    model = Model.unknown("MAI-Image-9")
    assert not model.is_known
    assert (model.max_pixels, model.price, model.retires_on) == (None, None, None)
    assert model.edits
    assert model.auto_size
    assert model.web_grounding
    assert model.background
