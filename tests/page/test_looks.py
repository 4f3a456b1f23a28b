import pytest

from tests.page.gallery_page import item

PICTURES = [
    item(0, tags=["site", "draft"], alt="A fox"),
    item(1, model="MAI-Image-2e", params={"background": "transparent"}),
    item(2, prompt=None),
    item(3, thumb=None, offline=True),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(page, axe, scheme):
    page.look(scheme)
    page.open(PICTURES)
    page.see(lambda: len(page.all("img.loaded")), 3)

    assert page.violations(axe) == []
    page.show()
    assert page.violations(axe) == []
    page.at("close").click()
    page.search("nothing like this")
    assert page.violations(axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_on_a_phone(page, axe, scheme):
    page.look(scheme, width=360, height=740)
    page.open(PICTURES)
    page.show(2)

    assert page.violations(axe) == []


def test_the_page_follows_the_preference_for_dark(page):
    page.look("dark")
    page.open(PICTURES)
    script = "return getComputedStyle(document.documentElement).backgroundColor"
    dark = page.js(script)
    page.look("light")

    assert page.js(script) != dark


@pytest.mark.parametrize("place", range(4))
def test_a_phone_scrolls_in_one_direction_only(page, place):
    long = "w" * 400
    wide = item(0, prompt=long, tags=[long, "a", "b"], model=long, params={long: long})
    flat, tall = item(1, width=5461, height=768), item(2, width=768, height=5461)
    page.look(width=360, height=740)
    page.open([wide, flat, tall, item(3, thumb=None)])

    assert page.js("return document.documentElement.scrollWidth") <= 360
    page.show(place)
    assert page.js("return [viewer.scrollWidth, viewer.clientWidth]") == [360, 360]


@pytest.mark.parametrize("size", [(1024, 1024), (5461, 768), (768, 5461), (768, 768)])
def test_a_large_picture_keeps_its_shape_and_fits(page, size):
    width, height = size
    page.open([item(0, width=width, height=height)])
    page.show()
    script = """
        const [image, stage] = ['#stage img', '#stage']
          .map((selector) => document.querySelector(selector).getBoundingClientRect());
        return [image.width, image.height, image.left - stage.left, image.top - stage.top,
          stage.right - image.right, stage.bottom - image.bottom];"""
    shown_width, shown_height, *room = page.js(script)

    assert shown_width / shown_height == pytest.approx(width / height, rel=0.02)
    assert min(room) >= 0
    assert shown_width <= width


def test_nothing_jumps_when_pictures_arrive(page):
    page.open([item(number) for number in range(30)])
    script = "return [...grid.children].map((card) => card.offsetTop)"
    before = page.js(
        f"grid.querySelectorAll('img').forEach((i) => i.removeAttribute('src'));{script}"
    )
    page.visit(page.browser.current_url)
    page.see(lambda: len(page.all("img.loaded")) > 3, expected=True)

    assert page.js(script) == before


def test_everything_has_a_name_and_a_place(page):
    page.open(PICTURES)

    assert [heading.text for heading in page.all("h1")] == ["Pictures"]
    assert {region.aria_role for region in page.all("header, main")} == {"banner", "main"}
    assert page.at("tools").aria_role == "search"
    names = [page.at(name).accessible_name for name in ("words", "model", "tag", "sort")]
    assert names == ["Search prompts", "Model", "Tag", "Order"]
    assert page.at("count").get_attribute("role") == "status"
    cards = [button.accessible_name for button in page.all(".card button")]
    assert cards == [
        "A fox a lighthouse, number 0",
        "a lighthouse, number 1",
        "Picture b7c41f090002 Private prompt",
        "a lighthouse, number 3",
    ]
    page.show()
    assert page.at("viewer").accessible_name == "Picture 1 of 4"
    names = [page.at(name).accessible_name for name in ("previous", "next", "close")]
    assert names == ["Previous picture", "Next picture", "Close"]
