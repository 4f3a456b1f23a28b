import pytest
from selenium.webdriver import Keys

from tests.page.gallery_page import item

FULL = item(
    1,
    prompt="first line\n  second line",
    alt="A fox",
    profile="work",
    tags=["site", "draft"],
    params={"background": "transparent", "output_options": {"depth": [1, None]}},
    images=["fox.png", "style board.jpg"],
    signed=True,
    rerun_of="b7c41f090000",
)


def test_a_picture_opens_large_with_all_that_is_known_of_it(page):
    page.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "America/Lima"})
    page.open([item(0), FULL])
    page.show(1)

    assert page.is_open
    assert page.position == "Picture 2 of 2"
    assert page.at("prompt").get_property("textContent") == "first line\n  second line"
    assert [tag.text for tag in page.all("#tags button")] == ["site", "draft"]
    details = page.details
    assert "2026" in details["Made"]
    assert "4:14" in details.pop("Made")
    assert details == {
        "Size": "1024 × 768 pixels",
        "File": "1.5 MB",
        "Model": "MAI-Image-2.6",
        "Deployment": "mai-image-26",
        "Profile": "work",
        "Cost": "$0.04",
        "Time taken": "31.4 s",
        "Background": "transparent",
        "Output options": '{"depth":[1,null]}',
        "References": "fox.png\nstyle board.jpg",
        "Alt text": "A fox",
        "Content credentials": "Signed",
        "Rerun of": "b7c41f090000",
        "ID": "b7c41f090001",
    }
    (time,) = page.all("time")
    assert time.get_attribute("datetime") == "2026-11-22T09:14:03.120Z"
    assert time.get_attribute("title") == "2026-11-22T09:14:03.120Z"
    (image,) = page.all("#stage img")
    page.see(lambda: image.get_property("naturalWidth"), 64)
    assert image.get_attribute("alt") == "A fox"
    file = page.at("file")
    assert (file.text, file.get_attribute("target")) == ("Open full file", "_blank")
    assert file.get_dom_attribute("href") == "../2026/a%20b.png"


def test_what_a_picture_cost_is_said_in_words_one_can_trust(page):
    costs = [(0.31, "$0.31"), (0.0021, "under $0.01"), (None, "not known")]
    page.open([item(number, cost_usd=usd) for number, (usd, _) in enumerate(costs)])
    page.show()
    for _, said in costs:
        assert page.details["Cost"] == said
        assert "Placeholder" not in page.details
        page.press(Keys.ARROW_RIGHT)


def test_a_placeholder_is_free_and_says_that_it_is_one(page):
    page.open([item(0, offline=True, cost_usd=0.0), item(1, offline=True, cost_usd=None)])
    page.show()
    for _ in range(2):
        assert page.details["Cost"] == "free"
        assert page.details["Placeholder"] == "Drawn on this machine, not by a model"
        page.press(Keys.ARROW_RIGHT)


def test_what_is_not_known_is_left_out(page):
    page.open([item(0, model=None, seconds=None, bytes=900, command=None)])
    page.show()

    names = ["Size", "File", "Made", "Deployment", "Cost", "ID"]
    assert list(page.details) == names
    assert page.details["File"] == "1 kB"
    assert not page.at("tags").is_displayed()
    assert not page.at("copy-command").is_displayed()


def test_an_odd_record_spoils_neither_the_page_nor_itself(page):
    unknown = ("when", "width", "height", "bytes", "seconds", "images", "deployment", "params")
    odd = dict.fromkeys(unknown) | {"prompt": 5, "model": 7, "tags": "x", "cost_usd": "dear"}
    page.open([item(0, **odd), item(1)])

    assert page.captions == ["5", "a lighthouse, number 1"]
    page.show()
    assert page.details == {"Model": "7", "Cost": "not known", "ID": "b7c41f090000"}
    assert page.texts("#tags button") == ["x"]


def test_a_private_picture_is_shown_without_a_prompt(page):
    page.open([item(0, prompt=None, command=None)])

    assert page.captions == ["Private prompt"]
    assert page.all(".card img")[0].get_attribute("alt") == "Picture b7c41f090000"
    page.show()
    assert page.at("prompt").text == "The prompt was kept private."
    assert not page.at("copy-prompt").is_displayed()
    assert not page.at("copy-command").is_displayed()
    assert page.at("copy-id").is_displayed()


def test_a_picture_without_a_thumbnail_has_a_card_and_opens(page):
    page.open([item(0, thumb=None, alt="A fox")])

    (tile,) = page.all(".card [role=img]")
    assert (tile.text, tile.accessible_name) == ("No preview", "A fox")
    page.show()
    page.see(lambda: page.all("#stage img")[0].get_property("naturalWidth"), 64)


def test_files_that_are_gone_are_said_to_be_gone(page):
    page.files_may_be_missing = True
    page.open([item(0, thumb="thumbs/gone.webp", picture="../gone.png")])

    page.see(lambda: [tile.text for tile in page.all(".card .missing")], ["No preview"])
    page.show()
    gone = ["This file cannot be shown. It may have been moved or deleted."]
    page.see(lambda: [text.text for text in page.all("#stage .missing")], gone)


def test_buttons_lead_to_the_neighbours_and_stop_at_the_ends(page):
    page.open([item(number) for number in range(3)])
    page.show(1)
    page.at("previous").click()
    assert page.position == "Picture 1 of 3"
    assert page.at("previous").get_attribute("aria-disabled") == "true"
    page.at("previous").click()
    assert page.position == "Picture 1 of 3"
    page.at("next").click()
    page.at("next").click()
    assert page.position == "Picture 3 of 3"
    assert page.at("next").get_attribute("aria-disabled") == "true"
    assert page.at("prompt").text == "a lighthouse, number 2"
    said = "Picture 3 of 3: a lighthouse, number 2"
    page.see(lambda: page.at("said").get_property("textContent"), said)


def test_neighbours_are_those_that_match(page):
    prompts = ["a fox", "an owl", "a fox"]
    page.open([item(number, prompt=prompt) for number, prompt in enumerate(prompts)])
    page.search("fox")
    page.show()
    page.at("next").click()

    assert page.position == "Picture 2 of 2"
    assert page.details["ID"] == "b7c41f090002"


def test_a_tag_shows_the_pictures_that_have_it(page):
    page.open([item(0), item(1, tags=["site"]), item(2, tags=["site", "draft"])])
    page.show(2)
    page.all("#tags button")[0].click()

    assert not page.is_open
    assert page.count == "2 of 3 pictures"
    assert page.at("tag").get_property("value") == "site"
    page.see(lambda: page.focused, "1")
    page.see(lambda: page.fragment, "#tag=site")


def test_a_click_beside_the_picture_closes_it(page):
    page.open([item()])
    page.show()
    page.js("document.elementFromPoint(2, 2).click()")

    page.see(lambda: page.is_open, expected=False)


WITHOUT_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


@pytest.mark.parametrize("without", ["", WITHOUT_CLIPBOARD])
def test_what_is_copied_can_be_pasted(page, without):
    picture = item(0, prompt="a \"quoted\" <b> 'fox'", command="mai generate 'a fox' -s 1024x768")
    page.open([picture])
    page.js(without)
    for what in ("prompt", "command", "id"):
        page.show()
        page.at(f"copy-{what}").click()
        page.see(lambda button=f"copy-{what}": page.at(button).text, "Copied")
        assert page.focused == f"copy-{what}"
        assert page.pasted() == picture[what]
        page.search("")


def test_a_button_says_for_a_moment_that_it_has_copied(page):
    page.open([item()])
    page.show()
    page.at("copy-id").click()

    page.see(lambda: page.at("copy-id").text, "Copied")
    page.see(lambda: page.texts("#said"), ["Copied"])
    page.see(lambda: page.at("copy-id").text, "Copy ID")


def test_what_cannot_be_copied_is_not_said_to_be(page):
    page.open([item()])
    page.js(f"{WITHOUT_CLIPBOARD}; document.execCommand = () => false")
    page.show()
    page.at("copy-id").click()

    page.see(lambda: page.at("copy-id").text, "Could not copy")
