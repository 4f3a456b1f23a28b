import pytest

from mai_cli.models.plan import Item, Plan

BODY = {"model": "mai-image-26", "prompt": "a fox", "width": 1024, "height": 1024}


def item(cost_usd: float | None) -> Item:
    return Item(
        action="draw",
        deployment="mai-image-26",
        model="MAI-Image-2.6",
        url="https://contoso.services.ai.azure.com/mai/v1/images/generations",
        body=BODY,
        images=["/x/hare.png"],
        outputs=["/x/fox.png"],
        cost_usd=cost_usd,
    )


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        ([0.038962, 0.038962, 0.019456], 0.09738),
        ([0.1, 0.2], 0.3),
        ([0.0, 0.0], 0.0),
        ([0.038962, None], None),
        ([None], None),
    ],
)
def test_a_cost_that_is_not_known_is_never_counted_as_nothing(costs, total):
    assert Plan([item(cost) for cost in costs]).cost_usd == total


def test_a_plan_is_the_documented_object():
    assert Plan([item(0.038962)]).to_json() == {
        "schema": "mai/plan/1",
        "items": [
            {
                "action": "draw",
                "deployment": "mai-image-26",
                "model": "MAI-Image-2.6",
                "url": "https://contoso.services.ai.azure.com/mai/v1/images/generations",
                "body": BODY,
                "images": ["/x/hare.png"],
                "outputs": ["/x/fox.png"],
                "cost_usd": 0.038962,
            }
        ],
        "cost_usd": 0.038962,
    }
