from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.catalogue import Model, find
from mai_cli.models.reference import Reference
from mai_cli.models.settings import Deployment, Origin, Settings
from mai_cli.models.size import Size
from mai_cli.services.requesting import build_request, build_requests, notes

SETTINGS = Settings(Path("g"), Path("h"))
FLAG = Origin("flag", "--model")
VARIABLE = Origin("environment", "MAI_MODEL")
FOX = Reference(Path("/pictures/fox.png"), "ab" * 32, "PNG")
HARE = Reference(Path("/pictures/hare.png"), "cd" * 32, "PNG")


def settings(**changes: object) -> Settings:
    return replace(SETTINGS, **changes)


def test_each_deployment_is_asked_as_often_as_wanted():
    two = settings(deployment=("mai-image-26", "mai-image-2-5-flash"), size="16:9")
    requests = build_requests(two, "a red fox", count=2)

    assert [(r.deployment, r.model.name, str(r.size)) for r in requests] == [
        ("mai-image-26", "MAI-Image-2.6", "2048x1152"),
        ("mai-image-26", "MAI-Image-2.6", "2048x1152"),
        ("mai-image-2-5-flash", "MAI-Image-2.5-Flash", "1360x768"),
        ("mai-image-2-5-flash", "MAI-Image-2.5-Flash", "1360x768"),
    ]
    assert {request.prompt for request in requests} == {"a red fox"}


@pytest.mark.parametrize(
    ("changes", "deployment", "model"),
    [
        ({"deployment": ("pics",)}, "pics", Model.unknown()),
        ({"deployment": ("pics",), "model": "MAI-Image-2.6"}, "pics", find("MAI-Image-2.6")),
        (
            {"deployment": ("mai-image-26",), "model": "x25", "origins": {"model": FLAG}},
            "mai-image-26",
            Model.unknown("x25"),
        ),
        (
            {"deployment": ("mai-image-26",), "model": "x25", "origins": {"model": VARIABLE}},
            "mai-image-26",
            find("MAI-Image-2.6"),
        ),
        ({"deployment": ("mai-image-26",)}, "mai-image-26", find("MAI-Image-2.6")),
        (
            {
                "deployment": ("mai-image-26",),
                "model": "mai-image-25",
                "origins": {"model": FLAG},
            },
            "mai-image-26",
            find("MAI-Image-2.5"),
        ),
        ({"model": "MAI-Image-2.6"}, "MAI-Image-2.6", find("MAI-Image-2.6")),
        ({"offline": True}, "MAI-Image-2.7", find("MAI-Image-2.7")),
        (
            {"offline": True, "deployment": ("mai-image-25",)},
            "mai-image-25",
            find("MAI-Image-2.5"),
        ),
    ],
)
def test_the_model_is_the_one_told_else_the_one_that_the_name_tells(changes, deployment, model):
    (request,) = build_requests(settings(**changes), "a red fox")

    assert (request.deployment, request.model) == (deployment, model)


def deployed(name: str, **values: object) -> dict[str, object]:
    return {"deployment": (name,), "deployments": {name: Deployment(values)}}


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        (deployed("pics", model="MAI-Image-2.5"), find("MAI-Image-2.5")),
        (deployed("pics", model="MAI-Image-9"), Model.unknown("MAI-Image-9")),
        (deployed("mai-image-26", model="MAI-Image-2.5"), find("MAI-Image-2.5")),
        (
            deployed("pics", model="MAI-Image-2.5") | {"model": "MAI-Image-2.7"},
            find("MAI-Image-2.5"),
        ),
        (
            deployed("pics", model="MAI-Image-2.5")
            | {"model": "MAI-Image-2.7", "origins": {"model": FLAG}},
            find("MAI-Image-2.7"),
        ),
        (
            deployed("mai-image-25", max_pixels=2_000_000.0),
            replace(find("mai-image-25"), max_pixels=2_000_000.0),
        ),
        (deployed("pics", edits=False), replace(Model.unknown(), edits=False)),
        (
            {"deployment": ("pics",), "deployments": {"other": Deployment({"edits": False})}},
            Model.unknown(),
        ),
    ],
)
def test_what_is_said_of_a_deployment_holds_for_it(changes, model):
    (request,) = build_requests(settings(**changes), "a red fox")

    assert request.model == model


def test_a_limit_of_a_deployment_is_the_limit_of_its_requests():
    limits = deployed("mai-image-25", max_pixels=2_359_296) | {"size": "2048x1152"}

    (request,) = build_requests(settings(**limits), "a red fox")
    assert request.size == Size(2048, 1152)

    with pytest.raises(UsageError, match="at most"):
        build_requests(settings(deployment=("mai-image-25",), size="2048x1152"), "a red fox")


def test_a_limit_of_a_model_without_a_name_is_told_without_one():
    limits = deployed("pics", max_pixels=1_000_000) | {"size": "2048x2048"}

    with pytest.raises(UsageError) as caught:
        build_requests(settings(**limits), "a red fox")
    assert "None" not in caught.value.message


@pytest.mark.parametrize(
    ("origin", "kind", "hint"),
    [
        (Origin("flag", "--size"), UsageError, ""),
        (Origin("environment", "MAI_SIZE"), ConfigError, " Change MAI_SIZE."),
        (Origin("user", "/c.toml", 3), ConfigError, " Change it in /c.toml, line 3."),
        (Origin("project", "/p/.mai.toml", 1), ConfigError, " Change it in /p/.mai.toml, line 1."),
    ],
)
def test_a_size_that_the_model_cannot_draw_is_blamed_on_whoever_set_it(origin, kind, hint):
    wide = settings(deployment=("mai-image-25",), size="21:9", origins={"size": origin})

    with pytest.raises(kind) as caught:
        build_requests(wide, "a red fox")

    assert caught.value.message == (
        "21:9 is too long a shape for MAI-Image-2.5: 1,048,576 pixels at most, each side at "
        "least 768."
    )
    assert caught.value.hint == f"The nearest size that works is 1360x768.{hint}"


def build(of: Settings, **asked: object):
    """One request, with nothing asked for but what ``asked`` says."""
    nothing = {
        "deployment": None,
        "model": None,
        "size": None,
        "background": None,
        "web_grounding": False,
        "params": {},
        "images": (),
    }
    return build_request(of, "a red fox", **(nothing | asked))


def test_what_is_not_asked_for_is_left_to_the_settings():
    request = build(settings(deployment=("mai-image-26", "other"), size="16:9"))

    assert (request.deployment, request.model) == ("mai-image-26", find("MAI-Image-2.6"))
    assert str(request.size) == "2048x1152"
    assert (request.images, request.background, request.params) == ((), None, {})


@pytest.mark.parametrize(
    ("changes", "asked", "deployment", "model"),
    [
        ({"deployment": ("a",)}, {"deployment": "mai-image-25"}, "mai-image-25", "MAI-Image-2.5"),
        ({"deployment": ("a",)}, {"model": "MAI-Image-2.6"}, "a", "MAI-Image-2.6"),
        ({}, {"model": "MAI-Image-2.6"}, "MAI-Image-2.6", "MAI-Image-2.6"),
        (
            {"deployment": ("mai-image-26",), "model": "MAI-Image-2.7", "origins": {"model": FLAG}},
            {"model": "MAI-Image-2.5"},
            "mai-image-26",
            "MAI-Image-2.5",
        ),
        ({"model": "MAI-Image-2.7"}, {"deployment": "a"}, "a", "MAI-Image-2.7"),
        (
            deployed("a", model="MAI-Image-2.6") | {"model": "MAI-Image-2.7"},
            {"model": "MAI-Image-2.5"},
            "a",
            "MAI-Image-2.5",
        ),
    ],
)
def test_what_is_asked_for_weighs_more_than_the_settings(changes, asked, deployment, model):
    request = build(settings(**changes), **asked)

    assert (request.deployment, request.model.name) == (deployment, model)


@pytest.mark.parametrize(
    ("asked", "size"),
    [({}, None), ({"size": "9:16"}, "1152x2048"), ({"size": "768x800"}, "768x800")],
)
def test_one_edit_keeps_its_shape_unless_another_is_asked_for(asked, size):
    drawn = settings(deployment=("mai-image-26",), size="16:9")
    facts = {"mai-image-26": Deployment({"edit_size": True})}
    request = build(replace(drawn, deployments=facts), images=(FOX,), **asked)

    assert (request.size and str(request.size), request.auto_size) == (size, False)


def test_a_size_that_is_asked_for_and_cannot_be_drawn_is_blamed_on_nobody_else():
    wide = settings(deployment=("mai-image-25",), origins={"size": Origin("user", "/c.toml", 3)})

    with pytest.raises(UsageError) as caught:
        build(wide, size="21:9")

    assert caught.value.hint == "The nearest size that works is 1360x768."


def test_no_deployment_is_a_missing_setting():
    with pytest.raises(ConfigError) as caught:
        build_requests(SETTINGS, "a red fox")

    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "missing_setting",
        "No deployment is named.",
        (
            "Name one: mai config set deployment NAME, or MAI_DEPLOYMENT. "
            "The Foundry portal lists them."
        ),
    )


def test_what_is_asked_for_goes_into_the_request():
    (request,) = build_requests(
        settings(deployment=("mai-image-27",), size="auto"),
        "a red fox",
        background="transparent",
        web_grounding=True,
        params={"style": "vivid"},
    )

    assert request.size is None
    assert request.settings == {
        "auto_aspect_ratio": True,
        "background": "transparent",
        "web_grounding": True,
        "style": "vivid",
    }


def test_each_deployment_gets_the_same_references():
    two = settings(deployment=("mai-image-26", "mai-image-25"))
    requests = build_requests(two, "a red fox", count=2, images=[FOX, HARE])

    assert [request.images for request in requests] == [[FOX, HARE]] * 4


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ("1280x832", {"width": 1280, "height": 832}),
        ("16:9", {"width": 2048, "height": 1152}),
        ("auto", {"auto_aspect_ratio": True}),
    ],
)
@pytest.mark.parametrize(
    "origin",
    [
        Origin("flag", "--size"),
        Origin("environment", "MAI_SIZE"),
        Origin("project", "/p/.mai.toml", 1),
        Origin("user", "/c.toml", 3),
        Origin("default"),
    ],
    ids=lambda origin: origin.kind,
)
def test_an_edit_keeps_its_shape_unless_the_command_line_asks_for_another(size, sent, origin):
    asked = settings(deployment=("mai-image-26",), size=size, origins={"size": origin})
    (edit,) = build_requests(asked, "a red fox", images=[FOX])
    (drawing,) = build_requests(asked, "a red fox")

    assert edit.settings == (sent if origin.kind == "flag" else {})
    assert drawing.settings == sent


@pytest.mark.parametrize("size", ["21:9", "auto"])
def test_a_size_that_is_not_asked_of_an_edit_is_not_held_against_it(size):
    origins = {"size": Origin("environment", "MAI_SIZE")}
    asked = settings(deployment=("mai-image-25",), size=size, origins=origins)
    (edit,) = build_requests(asked, "a red fox", images=[FOX])

    assert (edit.size, edit.auto_size) == (None, False)


@pytest.mark.parametrize(
    ("size", "what"),
    [
        ("1024x1024", "MAI-Image-2.5 takes no size together with reference pictures."),
        ("auto", "MAI-Image-2.5 does not choose the size by itself."),
    ],
)
def test_a_size_on_the_command_line_is_for_models_that_take_one_with_an_edit(size, what):
    origins = {"size": Origin("flag", "--size")}
    asked = settings(deployment=("mai-image-25",), size=size, origins=origins)

    with pytest.raises(UsageError) as caught:
        build_requests(asked, "a red fox", images=[FOX])

    assert (caught.value.code, caught.value.message) == ("not_offered", what)


def test_one_model_that_does_not_edit_keeps_all_from_being_asked():
    both = settings(deployment=("mai-image-26", "mai-image-2"))

    with pytest.raises(UsageError, match=r"^MAI-Image-2 does not offer --image\.$"):
        build_requests(both, "a red fox", images=[FOX])


@pytest.mark.parametrize(
    ("facts", "size"),
    [({"edits": False}, None), ({"edit_size": False}, "1024x1024")],
)
def test_what_is_said_of_a_deployment_holds_for_its_edits(facts, size):
    said = deployed("mai-image-26", **facts)
    if size:
        said |= {"size": size, "origins": {"size": Origin("flag", "--size")}}

    with pytest.raises(UsageError, match=r"^MAI-Image-2\.6 "):
        build_requests(settings(**said), "a red fox", images=[FOX])


def test_one_model_that_cannot_draw_it_keeps_all_from_being_asked():
    both = settings(deployment=("mai-image-26", "mai-image-25"), size="21:9")

    with pytest.raises(UsageError, match=r"MAI-Image-2\.5"):
        build_requests(both, "a red fox")


def test_the_usual_size_fits_every_model():
    (request,) = build_requests(settings(deployment=("my-pics",)), "a red fox")

    assert request.size == Size(1024, 1024)


def test_each_note_is_told_once():
    mixed = settings(deployment=("mai-image-2", "mai-image-26", "my-pics", "our-pics"))
    requests = build_requests(mixed, "a red fox", count=3)

    told = notes(requests, date(2026, 11, 22), offline=False)

    assert len(told) == 2
    assert told[0].startswith("MAI-Image-2 was due to retire")
    assert told[1].startswith("The model behind this deployment is not known")
