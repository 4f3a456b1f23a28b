from tests.page.gallery_page import item

PICTURES = [
    item(0, prompt="A red fox\nin snow", model="MAI-Image-2.6", tags=["site", "draft"]),
    item(1, prompt="a Red boat", model="MAI-Image-2e", tags=["site"]),
    item(2, prompt="un café rouge", model="MAI-Image-2e"),
    item(3, prompt="an owl", model=None, tags=["draft"]),
    item(4, prompt=None, model="MAI-Image-2.6"),
]


def test_a_search_finds_what_holds_every_word(page):
    page.open(PICTURES)
    for words, captions in [
        ("red", ["A red fox\nin snow", "a Red boat"]),
        ("  SNOW red ", ["A red fox\nin snow"]),
        ("red owl", []),
        ("cafe", ["un café rouge"]),
        ("CAFÉ", ["un café rouge"]),
        (".*", []),
        ("b7c41f090003", ["an owl"]),
        ("b7c4", []),
    ]:
        page.search(words)
        assert page.captions == captions
        assert page.count == f"{len(captions)} of 5 pictures"


def test_all_are_shown_newest_first_until_one_asks_for_something(page):
    page.open(PICTURES)

    assert page.count == "5 pictures"
    first = [caption.split()[-1] for caption in page.captions]
    assert first == ["snow", "boat", "rouge", "owl", "prompt"]
    page.choose("sort", "oldest")
    assert [caption.split()[-1] for caption in page.captions] == first[::-1]
    assert page.count == "5 pictures"


def test_filters_offer_what_occurs_and_how_often(page):
    page.open(PICTURES)

    assert page.offered("model") == ["", "MAI-Image-2.6", "MAI-Image-2e"]
    assert page.offered("tag") == ["", "draft", "site"]
    text = page.all("#model option")[1].get_property("textContent")
    assert text == "\u2068MAI-Image-2.6\u2069 (2)"


def test_a_filter_that_would_leave_nothing_out_is_not_offered(page):
    page.open([item(0), item(1)])

    assert not page.at("model").is_displayed()
    assert not page.at("tag").is_displayed()
    assert page.at("sort").is_displayed()


def test_filters_and_search_hold_together(page):
    page.open(PICTURES)
    page.choose("model", "MAI-Image-2e")
    assert page.count == "2 of 5 pictures"
    page.choose("tag", "site")
    assert page.captions == ["a Red boat"]
    page.choose("model", "")
    assert page.count == "2 of 5 pictures"
    page.search("fox")
    assert page.captions == ["A red fox\nin snow"]


def test_where_nothing_matches_one_is_told_and_can_start_again(page):
    page.open(PICTURES)
    page.choose("tag", "site")
    page.search("owl")

    assert page.at("no-match").text.splitlines()[0] == "No pictures match"
    assert page.count == "0 of 5 pictures"
    page.at("clear").click()
    assert page.count == "5 pictures"
    assert not page.at("no-match").is_displayed()
    assert page.focused == "words"
    page.see(lambda: page.fragment, "")


def test_a_page_without_pictures_says_how_to_get_some(page):
    page.open([])

    assert page.count == "0 pictures"
    text = "No pictures yet\nMake one with mai generate, then run mai history gallery again."
    assert page.at("no-pictures").text == text
    assert not page.at("no-match").is_displayed()


def test_one_picture_is_counted_as_one(page):
    page.open([item()])

    assert page.count == "1 picture"


def test_a_link_keeps_search_filters_order_and_picture(page):
    page.open(PICTURES)
    page.search("red")
    page.choose("tag", "site")
    page.choose("sort", "oldest")
    page.show(1)
    page.see(lambda: page.fragment, "#q=red&tag=site&sort=oldest&picture=b7c41f090000")
    link = page.browser.current_url
    page.visit(link)

    assert page.is_open
    assert page.position == "Picture 2 of 2"
    assert page.captions == ["a Red boat", "A red fox\nin snow"]
    assert page.at("words").get_property("value") == "red"
    assert page.at("tag").get_property("value") == "site"
    assert page.at("sort").get_property("value") == "oldest"


def test_a_link_to_what_is_no_longer_there_shows_the_rest(page):
    page.open(PICTURES, "#q=red&model=MAI-Image-1&tag=%00&sort=x&picture=nobody&__proto__=x")

    assert page.count == "2 of 5 pictures"
    assert not page.is_open
    page.see(lambda: page.fragment, "#q=red")


def test_a_fragment_that_changes_is_followed(page):
    page.open(PICTURES)
    page.js("location.hash = '#q=owl'")
    page.see(lambda: page.captions, ["an owl"])
    page.js("location.hash = '#picture=b7c41f090001'")
    page.see(lambda: page.position, "Picture 2 of 5")
    page.js("location.hash = '#'")
    page.see(lambda: page.is_open, expected=False)
    assert page.count == "5 pictures"


def test_ten_thousand_pictures_are_drawn_as_one_scrolls_and_searched_at_once(page):
    page.open([item(number) for number in range(10_000)])

    assert page.count == "10,000 pictures"
    assert len(page.all(".card")) <= 120
    assert page.js("return document.querySelectorAll('*').length") < 800
    page.search("lighthouse 9999")
    assert page.captions == ["a lighthouse, number 9999"]
    assert page.count == "1 of 10,000 pictures"
    page.search("9")
    assert page.count == "3,439 of 10,000 pictures"
    drawn = len(page.all(".card"))
    page.js("scrollTo(0, document.body.scrollHeight)")
    page.see(lambda: len(page.all(".card")) > drawn, expected=True)
