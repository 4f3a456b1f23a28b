from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.catalogue import Model, find
from mai_cli.models.manifest import Asset, AssetOutput, Mistake
from mai_cli.models.recipe import Recipe
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest
from mai_cli.models.settings import Settings
from mai_cli.models.size import Size
from mai_cli.services.ordering import Ordering, Wanted

HERE = Settings(Path("/gallery"), Path("/history"), deployment=("mai-image-26",))
THERE = replace(HERE, profile="there", deployment=("mai-image-25",))
SKETCH, PHOTO, LOST, TORN = (
    Path(f"/site/{name}.png") for name in ("sketch", "photo", "lost", "torn")
)


class Shelf:
    """References by their digests; ``seen`` counts how often each was looked at, and how."""

    def __init__(self) -> None:
        self.digests = {SKETCH: "1" * 64, PHOTO: "2" * 64, TORN: "3" * 64}
        self.seen: Counter[tuple[str, Path]] = Counter()

    def digest(self, path: Path) -> str:
        self.seen["digest", path] += 1
        if path not in self.digests:
            raise FileNotFoundError(2, "No such file or directory")
        return self.digests[path]

    def read(self, path: Path) -> Reference:
        self.seen["read", path] += 1
        if path == TORN:
            raise UsageError(f"{path} is torn.", code="bad_image", hint="Mend it.")
        return Reference(path, self.digests[path], format="PNG")

    def ordering(self, *settings: Settings) -> Ordering:
        return Ordering(settings, read_reference=self.read, digest=self.digest)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def hero(*outputs: AssetOutput, name: str = "hero", **facts) -> Asset:
    return Asset(name, "a red fox", "asset 1", outputs, **facts)


def request_of(deployment: str = "mai-image-26", **facts) -> ImageRequest:
    facts = {"size": Size(1024, 1024)} | facts
    return ImageRequest("a red fox", deployment, find(deployment), **facts)


def refused(call, *args) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call(*args)
    assert caught.value.code == "bad_manifest"
    return caught.value


def test_an_asset_asks_for_what_the_settings_leave_open(shelf):
    (wanted,) = shelf.ordering(HERE).want([hero()], [])
    request = request_of()

    assert wanted == Wanted(hero(), (request.digest,), ("mai-image-26",), request.estimated_cost)


def test_everything_that_an_asset_says_is_asked_for(shelf):
    asset = hero(
        deployment="my-own",
        model="own",
        size="768x1024",
        background="transparent",
        web_grounding=True,
        params={"seed": 7},
    )
    request = shelf.ordering(HERE).request(asset, 0)

    assert request == ImageRequest(
        "a red fox",
        "my-own",
        Model.unknown("own"),
        Size(768, 1024),
        images=[],
        background="transparent",
        web_grounding=True,
        params={"seed": 7},
    )


def test_each_profile_asks_its_own_deployment_and_the_dearest_tells_the_cost(shelf):
    ordering = shelf.ordering(THERE, HERE, THERE)
    (wanted,) = ordering.want([hero()], [])
    first, second = request_of("mai-image-25"), request_of()

    assert wanted == Wanted(
        hero(),
        (first.digest, second.digest),
        ("mai-image-25", "mai-image-26", "mai-image-25"),
        max(first.estimated_cost, second.estimated_cost),
    )
    digests = [ordering.request(hero(), number).digest for number in range(3)]
    assert digests == [first.digest, second.digest, first.digest]


@pytest.mark.parametrize(
    ("deployments", "cost"),
    [
        (("mai-image-26-flash", "mai-image-26"), request_of().estimated_cost),
        (("mai-image-26", "mai-image-26-flash"), request_of().estimated_cost),
        (("mai-image-26", "own"), None),
    ],
)
def test_an_asset_that_several_profiles_could_draw_costs_as_much_as_the_dearest(
    shelf, deployments, cost
):
    settings = [replace(HERE, deployment=(name,)) for name in deployments]
    (wanted,) = shelf.ordering(*settings).want([hero()], [])

    assert wanted.cost_usd == cost


def test_what_decides_on_a_picture_decides_on_its_digest(shelf):
    ordering = shelf.ordering(HERE)
    assets = [
        hero(),
        replace(hero(), prompt="a red hare"),
        hero(size="768x1024"),
        hero(params={"seed": 7}),
        hero(web_grounding=True),
        hero(deployment="mai-image-25"),
        hero(images=(SKETCH,)),
        hero(images=(PHOTO,)),
        hero(images=(SKETCH, PHOTO)),
    ]
    same = hero(AssetOutput("hero.png", Recipe("png")), name="other", tags=("x",), alt="A fox.")

    digests = [wanted.digests for wanted in ordering.want(assets, [])]

    assert len(set(digests)) == len(assets)
    assert ordering.want([same], [])[0].digests == digests[0]


def test_a_reference_counts_by_its_content_and_is_looked_at_once(shelf):
    copy = Path("/elsewhere/copy.png")
    shelf.digests[copy] = shelf.digests[SKETCH]
    ordering = shelf.ordering(HERE, THERE)
    assets = [hero(images=(path,)) for path in (SKETCH, SKETCH, copy)]

    first, second, third = ordering.want(assets, [])

    assert first.digests == second.digests == third.digests
    assert shelf.seen == {("digest", SKETCH): 1, ("digest", copy): 1}


def test_a_reference_is_read_once_and_only_for_what_is_sent(shelf):
    ordering = shelf.ordering(HERE)
    asset = hero(images=(SKETCH, PHOTO))
    (wanted,) = ordering.want([asset], [])
    ordering.see_references("assets.toml", [asset, asset])
    request = ordering.request(asset, 0)

    assert request.digest == wanted.digests[0]
    assert [image.format for image in request.images] == ["PNG", "PNG"]
    assert {key: n for key, n in shelf.seen.items() if key[0] == "read"} == {
        ("read", SKETCH): 1,
        ("read", PHOTO): 1,
    }


def test_all_that_is_wrong_with_a_manifest_is_told_at_once(shelf):
    assets = [
        hero(),
        Asset("missing", "a fox", "asset 2", images=(SKETCH, LOST)),
        Asset("large", "a fox", "asset 3", size="9000x9000"),
        Asset("wide", "a fox", "line 7", (AssetOutput("w.webp", Recipe("webp", 16_383)),)),
        Asset("old", "a fox", "line 8", deployment="mai-image-2", images=(SKETCH,)),
    ]
    mistakes = [Mistake("asset 9", "is wrong too")]
    wanted = shelf.ordering(HERE).want(assets, mistakes)
    details = [str(mistake) for mistake in mistakes]

    assert [want.asset for want in wanted] == [hero()]
    assert [line.split(":")[0] for line in details] == [
        "asset 9",
        "asset 2 (missing)",
        "asset 3 (large)",
        "line 7 (wide)",
        "line 8 (old)",
    ]
    assert details[1] == (
        "asset 2 (missing): The reference /site/lost.png cannot be read: "
        "No such file or directory. Give a picture such as a PNG or JPEG."
    )
    assert details[3].startswith("line 7 (wide): The output w.webp would be 16383x16383,")


def test_an_output_must_fit_the_pictures_of_all_profiles(shelf):
    tall = replace(THERE, size="768x1360")
    asset = hero(AssetOutput("hero.webp", Recipe("webp", width=6500)))

    assert shelf.ordering(HERE).want([asset], [])
    mistakes: list[Mistake] = []
    assert not shelf.ordering(HERE, tall).want([asset], mistakes)
    assert "would be 6500x11" in str(mistakes[0])


def test_where_the_service_chooses_the_size_any_output_may_fit(shelf):
    asset = hero(AssetOutput("hero.webp", Recipe("webp", width=16_383)), size="auto")

    assert shelf.ordering(HERE).want([asset], [])


def test_without_a_deployment_nothing_can_be_asked_for(shelf):
    with pytest.raises(ConfigError) as caught:
        shelf.ordering(replace(HERE, deployment=())).want([hero()], [])

    assert caught.value.code == "missing_setting"


def test_references_that_are_damaged_are_told_at_once_before_anything_is_sent(shelf):
    ordering = shelf.ordering(HERE)
    torn = [Asset(name, "a fox", f"asset {name}", images=(SKETCH, TORN)) for name in "ab"]
    error = refused(ordering.see_references, "assets.toml", [hero(images=(PHOTO,)), *torn])

    assert error.details == [
        f"asset {name} ({name}): /site/torn.png is torn. Mend it." for name in "ab"
    ]
    ordering.see_references("assets.toml", [hero(images=(PHOTO, SKETCH))])
    ordering.see_references("assets.toml", [])


def test_what_is_to_know_is_told_once(shelf):
    old = hero(deployment="mai-image-2")
    edit = hero(images=(SKETCH,))
    ordering = shelf.ordering(HERE, THERE)
    day = date(2100, 1, 1)

    expected = [
        note
        for note in dict.fromkeys(
            find(name).note(day) for name in ("mai-image-2", "mai-image-26", "mai-image-25")
        )
        if note
    ]
    assert ordering.notes([old, hero(), edit, old], day) == expected
    assert ordering.notes([], day) == []
