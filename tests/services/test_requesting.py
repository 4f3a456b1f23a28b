from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.catalogue import Model, find
from mai_cli.models.settings import Settings
from mai_cli.models.size import Size
from mai_cli.services.requesting import build_requests, notes

SETTINGS = Settings(Path("g"), Path("h"))


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
            {"deployment": ("mai-image-26",), "model": "x25", "origins": {"model": "--model"}},
            "mai-image-26",
            Model.unknown("x25"),
        ),
        (
            {"deployment": ("mai-image-26",), "model": "x25", "origins": {"model": "MAI_MODEL"}},
            "mai-image-26",
            find("MAI-Image-2.6"),
        ),
        ({"deployment": ("mai-image-26",)}, "mai-image-26", find("MAI-Image-2.6")),
        (
            {
                "deployment": ("mai-image-26",),
                "model": "mai-image-25",
                "origins": {"model": "--model"},
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


def test_no_deployment_is_a_missing_setting():
    with pytest.raises(ConfigError) as caught:
        build_requests(SETTINGS, "a red fox")

    assert (caught.value.code, caught.value.message) == (
        "missing_setting",
        "No deployment is named.",
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

    told = notes(requests, date(2026, 11, 22))

    assert len(told) == 2
    assert told[0].startswith("MAI-Image-2 was due to retire")
    assert told[1].startswith("The model behind this deployment is not known")
