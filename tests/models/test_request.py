import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.catalogue import MODELS, Model, find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest, parse_params
from mai_cli.models.size import Size

SQUARE = Size(1024, 1024)
FOX = Reference(Path("/pictures/fox.png"), "ab" * 32, "PNG")
HARE = Reference(Path("/pictures/hare.webp"), "cd" * 32, "WEBP")
ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")
any_text = st.text(st.characters(exclude_categories=()))


def request(**changes: object) -> ImageRequest:
    facts = {
        "prompt": "a lighthouse at dawn",
        "deployment": "pictures",
        "model": find("MAI-Image-2.7"),
        "size": SQUARE,
    }
    return ImageRequest(**(facts | changes))


def refused(**changes: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        request(**changes)
    return caught.value


def test_the_body_has_the_documented_fields_and_no_others():
    assert request().body == {
        "model": "pictures",
        "prompt": "a lighthouse at dawn",
        "width": 1024,
        "height": 1024,
    }


def test_the_body_has_what_newer_models_offer_where_it_is_asked_for():
    body = request(background="transparent", web_grounding=True, params={"style": "vivid"}).body

    assert list(body) == [
        "model",
        "prompt",
        "width",
        "height",
        "background",
        "web_grounding",
        "style",
    ]
    assert (body["background"], body["web_grounding"]) == ("transparent", True)
    assert body["style"] == "vivid"


def test_no_sides_are_sent_where_the_service_chooses_them():
    assert request(size=None, auto_size=True).settings == {"auto_aspect_ratio": True}


def test_the_settings_are_the_body_without_deployment_and_prompt():
    asked = request(background="opaque")

    assert asked.body == {"model": "pictures", "prompt": asked.prompt, **asked.settings}
    assert not {"model", "prompt"} & asked.settings.keys()


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n\t \u2003", "\0", "\x01\x9b", "\ufeff", " \u200b\u200d", "\U000e0041"]
)
def test_an_empty_prompt_is_refused(prompt):
    error = refused(prompt=prompt)

    assert (error.code, error.message) == ("bad_prompt", "The prompt is empty.")


@pytest.mark.parametrize("prompt", ["a \udcff fox", "\ud800", "fox\udfff"])
def test_a_prompt_that_is_not_utf8_is_refused(prompt):
    error = refused(prompt=prompt)

    assert (error.code, error.message) == ("bad_prompt", "The prompt is not valid UTF-8.")


@pytest.mark.parametrize(
    "prompt",
    ["雪の中の狐", "a\0b", "🦊\u200d", "line\nline\u2028line", "e\u0301", "\U0001faff", "\ue000"],
)
def test_a_prompt_is_sent_as_it_is(prompt):
    assert request(prompt=prompt).body["prompt"] == prompt


def test_a_deployment_that_is_not_utf8_is_refused():
    assert isinstance(refused(deployment="pictures-\udcff"), UsageError)


@pytest.mark.parametrize(
    ("model", "changes", "option"),
    [
        ("MAI-Image-2.6", {"background": "opaque"}, "--background"),
        ("MAI-Image-2.5", {"background": "transparent"}, "--background"),
        ("MAI-Image-2.5", {"web_grounding": True}, "--web-grounding"),
        ("MAI-Image-2e", {"web_grounding": True}, "--web-grounding"),
    ],
)
def test_what_the_model_does_not_offer_is_refused(model, changes, option):
    error = refused(model=find(model), **changes)

    assert (error.code, error.message) == ("not_offered", f"{model} does not offer {option}.")


def test_everything_may_be_asked_of_a_model_that_is_not_known():
    asked = request(
        model=Model.unknown(),
        size=None,
        auto_size=True,
        background="opaque",
        web_grounding=True,
    )

    assert asked.settings == {
        "auto_aspect_ratio": True,
        "background": "opaque",
        "web_grounding": True,
    }


@pytest.mark.parametrize(
    ("model", "size", "dollars"),
    [
        ("MAI-Image-2.6", SQUARE, 0.038937),
        ("MAI-Image-2.6", Size(1360, 768), 0.038785),
        ("MAI-Image-2.6", None, 0.087577),
        ("MAI-Image-2.7-Flash", SQUARE, None),
        ("no such model", SQUARE, None),
        ("no such model", None, None),
    ],
)
def test_the_estimate_is_by_the_price_list_and_the_worst_case(model, size, dollars):
    assert request(model=find(model), size=size).estimated_cost == dollars


def test_a_request_with_references_is_an_edit():
    base = "https://contoso.services.ai.azure.com/mai/v1/images"

    assert request().url(ENDPOINT) == f"{base}/generations"
    assert request(images=[FOX]).url(ENDPOINT) == f"{base}/edits"


def test_references_stand_beside_the_fields_and_not_among_them():
    asked = request(images=[FOX, HARE], size=None, background="opaque")

    assert asked.images == [FOX, HARE]
    assert asked.body == {
        "model": "pictures",
        "prompt": "a lighthouse at dawn",
        "background": "opaque",
    }


@pytest.mark.parametrize("images", [[], [FOX]])
@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"size": None}, {}),
        ({"size": SQUARE}, {"width": 1024, "height": 1024}),
        ({"size": None, "auto_size": True}, {"auto_aspect_ratio": True}),
        ({"size": SQUARE, "auto_size": True}, {"width": 1024, "height": 1024}),
    ],
)
def test_a_size_is_asked_for_or_chosen_or_left_alone(images, asked, sent):
    assert request(images=images, **asked).settings == sent


@pytest.mark.parametrize("count", [1, 5])
def test_one_to_five_references_may_be_given(count):
    assert len(request(images=[FOX] * count).images) == count


@pytest.mark.parametrize("count", [6, 100])
@pytest.mark.parametrize("model", ["MAI-Image-2.7", "MAI-Image-2", "no such model"])
def test_more_references_than_any_model_takes_are_refused(count, model):
    error = refused(images=[FOX] * count, model=find(model))

    assert error.code == "bad_option"
    assert error.message == f"There are {count} reference pictures."
    assert error.hint == "A model takes 5 at most."


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_only_a_model_that_edits_takes_references(model):
    if model.edits:
        assert request(images=[FOX], size=None, model=model).images == [FOX]
        return
    error = refused(images=[FOX], size=None, model=model)

    assert (error.code, error.message) == ("not_offered", f"{model.name} does not offer --image.")


@pytest.mark.parametrize("model", [model for model in MODELS if model.edits], ids=lambda m: m.name)
def test_only_some_models_take_a_size_with_references(model):
    assert request(images=[], model=model).size == SQUARE
    if model.edit_size:
        assert request(images=[FOX], model=model).size == SQUARE
        return
    error = refused(images=[FOX], model=model)

    assert error.code == "not_offered"
    assert error.message == f"{model.name} takes no size together with reference pictures."
    assert "Leave out --size" in error.hint


def test_the_models_that_edit_are_those_that_are_documented():
    assert [model.name for model in MODELS if not model.edits] == ["MAI-Image-2", "MAI-Image-2e"]
    assert {model.name for model in MODELS if model.edit_size} == {
        "MAI-Image-2.6",
        "MAI-Image-2.6-Flash",
        "MAI-Image-2.7",
        "MAI-Image-2.7-Flash",
    }


def test_a_model_that_is_not_known_may_edit_in_any_size():
    asked = request(model=Model.unknown(), images=[FOX] * 5, size=Size(1280, 832))

    assert asked.settings == {"width": 1280, "height": 832}


@pytest.mark.parametrize(
    ("facts", "changes", "what"),
    [
        ({"edits": False}, {"size": None}, "does not offer --image."),
        ({"edit_size": False}, {}, "takes no size together with reference pictures."),
    ],
)
def test_a_model_without_a_name_is_spoken_of_without_one(facts, changes, what):
    error = refused(model=Model(None, **facts), images=[FOX], **changes)

    assert error.message == f"The model behind this deployment {what}"


@pytest.mark.parametrize(
    ("model", "changes", "dollars"),
    [
        ("MAI-Image-2.6", {"images": [FOX]}, (25 + 1024 * 8 + 1024 * 38) / 1e6),
        ("MAI-Image-2.6", {"images": [FOX] * 5}, (25 + 5 * 1024 * 8 + 1024 * 38) / 1e6),
        (
            "MAI-Image-2.6",
            {"images": [FOX], "size": Size(1536, 1536)},
            (25 + 1024 * 8 + 2304 * 38) / 1e6,
        ),
        (
            "MAI-Image-2.6",
            {"images": [FOX], "auto_size": True},
            (25 + 1024 * 8 + 2304 * 38) / 1e6,
        ),
        ("MAI-Image-2.6", {"auto_size": True}, (25 + 2304 * 38) / 1e6),
        ("MAI-Image-2.5-Flash", {"images": [FOX]}, (5 * 1.75 + 1024 * (1.75 + 19.5)) / 1e6),
        ("MAI-Image-2.7-Flash", {"images": [FOX]}, None),
        ("no such model", {"images": [FOX]}, None),
    ],
)
def test_the_estimate_of_an_edit_counts_the_references_and_a_megapixel(model, changes, dollars):
    estimate = request(model=find(model), **{"size": None, **changes}).estimated_cost

    assert estimate == (dollars and pytest.approx(dollars, abs=1e-6))


@pytest.mark.parametrize(
    ("model", "changes", "dollars"),
    [
        ("MAI-Image-2.6", {}, (320 * 5 + 1024 * 38) / 1e6),
        ("MAI-Image-2.6", {"prompt": "\N{FOX FACE}" * 10}, (340 * 5 + 1024 * 38) / 1e6),
        ("MAI-Image-2.6", {"size": None}, (320 * 5 + 2304 * 38) / 1e6),
        ("MAI-Image-2.6", {"size": None, "auto_size": True}, (320 * 5 + 2304 * 38) / 1e6),
        (
            "MAI-Image-2.6",
            {"images": [FOX, HARE], "size": None},
            (320 * 5 + 2 * 4096 * 8 + 2304 * 38) / 1e6,
        ),
        ("MAI-Image-2.7-Flash", {}, None),
        ("no such model", {}, None),
        ("no such model", {"size": None}, None),
    ],
)
def test_the_worst_cost_counts_each_byte_of_the_prompt_and_all_that_may_be_drawn(
    model, changes, dollars
):
    worst = request(model=find(model), **changes).worst_cost

    assert worst == (dollars and pytest.approx(dollars, abs=1e-6))


@given(
    prompt=any_text.filter(lambda text: text.strip() and text.isprintable()),
    images=st.lists(st.sampled_from([FOX, HARE]), max_size=2),
    size=st.sampled_from([None, SQUARE]),
)
@settings(deadline=None)
def test_no_estimate_is_above_the_worst_cost(prompt, images, size):
    facts = {"edit_size": True, "auto_size": True}
    model = replace(find("MAI-Image-2.6"), **facts)
    asked = request(model=model, prompt=prompt, images=images, size=size)

    assert asked.estimated_cost <= asked.worst_cost


def test_a_request_has_a_digest_that_is_the_same_in_all_versions_and_on_all_machines():
    assert request(images=[FOX], size=None, params={"seed": 7, "a": 1}).digest == (
        "d8f25f60f466423db56c4b5435a3ba4a6228b84c3c278c6742da5236f48f1098"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a lighthouse at dusk"},
        {"deployment": "other"},
        {"model": find("MAI-Image-2.7-Flash")},
        {"size": Size(768, 1024)},
        {"size": None, "auto_size": True},
        {"background": "opaque"},
        {"web_grounding": True},
        {"params": {"seed": 7}},
        {"images": [FOX], "size": None},
    ],
)
def test_whatever_changes_the_picture_changes_the_digest(changes):
    assert request(**changes).digest != request().digest


def test_references_count_by_what_they_show_in_their_order_and_not_by_where_they_are():
    def digest(*images: Reference) -> str:
        return request(images=list(images), size=None).digest

    assert digest(FOX) == digest(replace(FOX, path=Path("/elsewhere/fox.png")))
    assert len({digest(FOX), digest(HARE), digest(FOX, HARE), digest(HARE, FOX)}) == 4


def test_the_order_of_params_does_not_change_the_digest():
    first = request(params={"seed": 7, "style": "vivid"}).digest

    assert request(params={"style": "vivid", "seed": 7}).digest == first


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("style=vivid", "style", "vivid"),
        ("seed=7", "seed", 7),
        ("scale=0.5", "scale", 0.5),
        ("fast=true", "fast", True),
        ("extra=null", "extra", None),
        ('extra={"a": [1, "é"]}', "extra", {"a": [1, "é"]}),
        ('quoted="7"', "quoted", "7"),
        ("empty=", "empty", ""),
        ("a=b=c", "a", "b=c"),
        (" spaced = x", "spaced", " x"),
        ("bad=NaN", "bad", "NaN"),
        ("bad=[Infinity]", "bad", "[Infinity]"),
        ('bad="\\ud800"', "bad", '"\\ud800"'),
        (f"deep={'[' * 100_000}", "deep", "[" * 100_000),
        (f"long={'1' * 5000}", "long", "1" * 5000),
    ],
)
def test_a_parameter_is_sent_as_json_where_it_is_json_that_can_be_sent(text, key, value):
    assert parse_params([text]) == {key: value}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["style"], "'style' is not a parameter."),
        (["=vivid"], "'=vivid' is not a parameter."),
        ([" =vivid"], "' =vivid' is not a parameter."),
        (["a=1", "b=2", "a=1"], "--param sets 'a' twice."),
        (["a=\udcff"], "The value of 'a' is not valid UTF-8."),
    ],
)
def test_what_is_no_parameter_is_refused(texts, message):
    with pytest.raises(UsageError) as caught:
        parse_params(texts)

    assert (caught.value.code, caught.value.message) == ("bad_option", message)


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("model", "--deployment"),
        ("prompt", "PROMPT"),
        ("width", "--size"),
        ("height", "--size"),
        ("size", "--size"),
        ("auto_aspect_ratio", "--size auto"),
        ("background", "--background"),
        ("web_grounding", "--web-grounding"),
        ("n", "--count"),
        (" width ", "--size"),
    ],
)
def test_a_field_with_an_option_of_its_own_is_no_parameter(key, option):
    with pytest.raises(UsageError) as caught:
        parse_params([f"{key}=1"])

    assert caught.value.message == f"--param cannot set '{key.strip()}'."
    assert caught.value.hint == f"Use {option}."


@given(texts=st.lists(st.builds("{}={}".format, any_text, any_text) | any_text, max_size=4))
@example(texts=['a="\\udcff"'])
@example(texts=["\udcff=1"])
@settings(deadline=None)
def test_parameters_can_be_sent_or_are_refused(texts):
    try:
        params = parse_params(texts)
    except UsageError:
        return
    body = request(params=params).body
    sent = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(sent) == body
    assert (body["model"], body["width"], body["height"]) == ("pictures", 1024, 1024)
