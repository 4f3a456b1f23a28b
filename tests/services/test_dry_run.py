from dataclasses import replace
from pathlib import Path

import pytest

from mai_cli.models.catalogue import Model
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import Reference
from mai_cli.services.dry_run import plan
from mai_cli.services.generation import Order
from mai_cli.services.outputs import Target, Targets

HERO = Target(Path("/x/hero.png"), is_folder=False)
DRAFTS = Target(Path("/drafts"), is_folder=True)
ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")


def test_a_plan_tells_what_would_be_sent_and_written(request_):
    outputs = Targets([HERO, DRAFTS])
    first, second = plan(Order([request_, request_], outputs, ENDPOINT)).items

    assert first.url == ENDPOINT.generations_url
    assert first.body == request_.body
    assert (first.action, first.deployment, first.model) == (
        "draw",
        "mai-image-26",
        "MAI-Image-2.6",
    )
    assert first.outputs == ["/x/hero-1.png", "/drafts"]
    assert second.outputs == ["/x/hero-2.png", "/drafts"]
    assert first.cost_usd == pytest.approx(0.0389, abs=0.0001)


def test_a_single_picture_has_no_number_and_may_go_to_standard_output(request_):
    outputs = Targets([HERO], to_stdout=True)
    (item,) = plan(Order([request_], outputs, ENDPOINT)).items

    assert item.outputs == ["/x/hero.png", "-"]


def test_a_plan_offline_costs_nothing_and_goes_nowhere(request_):
    (item,) = plan(Order([request_], Targets(), None)).items

    assert (item.url, item.cost_usd) == (None, 0.0)


def test_a_plan_of_an_edit_names_the_references_and_where_they_go(request_):
    images = [Reference(Path(f"/x/{name}.png"), "ab" * 32, "PNG") for name in ("one", "two")]
    (item,) = plan(Order([replace(request_, images=images)], Targets(), ENDPOINT)).items

    assert item.images == ["/x/one.png", "/x/two.png"]
    assert item.url == ENDPOINT.edits_url


def test_the_cost_of_a_model_that_is_not_known_is_not_known(request_):
    unknown = replace(request_, model=Model.unknown())

    assert plan(Order([request_, unknown], Targets(), ENDPOINT)).cost_usd is None
