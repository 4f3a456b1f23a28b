import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from selenium.webdriver import Keys

from tests.page.gallery_page import item

HOSTILE = (
    "</script><script>window.hacked = 1</script>"
    '<img src=x onerror="window.hacked = 1">\' " & <!-- \u2028 ${1} \u202egnp.exe'
)


def test_a_hostile_prompt_is_shown_as_it_is(page):
    texts = dict.fromkeys(("prompt", "alt", "model", "deployment", "profile", "command"), HOSTILE)
    more = {"tags": [HOSTILE], "params": {HOSTILE: HOSTILE, "x": {HOSTILE: [HOSTILE]}}}
    page.open([item(0, **texts, **more, images=[HOSTILE], rerun_of=HOSTILE), item(1)])
    page.show()

    assert page.captions[0] == HOSTILE
    assert page.texts("#prompt, #tags button") == [HOSTILE, HOSTILE]
    assert page.js("return document.querySelector('.card img').alt.toWellFormed()") == HOSTILE
    assert page.js("return window.hacked") is None
    assert len(page.all("script")) == 2
    assert page.all("img[src=x], [onerror]") == []
    page.all("#tags button")[0].click()
    assert page.count == "1 of 2 pictures"
    page.visit(page.browser.current_url)
    assert page.js("return window.hacked") is None


def test_half_a_character_spoils_nothing(page):
    half = "half \ud800"
    page.open([item(0, prompt=half, tags=[half]), item(1)], "#q=half&picture=b7c41f090000")

    assert page.count == "1 of 2 pictures"
    assert page.texts(".caption, #prompt, #tags button") == ["half \ufffd"] * 3


def test_text_that_runs_backwards_turns_nothing_around_it(page):
    page.open([item(0, tags=[HOSTILE], params={HOSTILE: HOSTILE})])
    page.show()

    script = "return arguments[0].map((node) => getComputedStyle(node).unicodeBidi)"
    isolated = page.all("#prompt, .caption, #tags button, dt > *, dd > :not(time)")
    assert len(isolated) > 10
    assert set(page.js(script, isolated)) == {"isolate"}


ELSEWHERE = [
    "javascript:window.hacked=1",
    "JavaScript:window.hacked=1",
    "\tjava\nscript:window.hacked=1",
    "data:image/svg+xml,<svg/>",
    "http://127.0.0.1:9/x.png",
    "http:x.png",
    "//127.0.0.1:9/x.png",
    "/\t/127.0.0.1:9/x.png",
    "\\\\127.0.0.1\\x.png",
    " //127.0.0.1:9/x.png",
    "/etc/hostname",
    "file:///etc/hostname",
    "C:/x.png",
    "",
    5,
    {"toString": "x.png"},
]


def test_an_address_that_leads_elsewhere_is_not_followed(page):
    page.open([item(number, picture=url, thumb=url) for number, url in enumerate(ELSEWHERE)])
    page.show()
    for place in range(len(ELSEWHERE)):
        assert page.position == f"Picture {place + 1} of {len(ELSEWHERE)}"
        assert page.all(".card img, #stage img") == []
        assert not page.at("file").is_displayed()
        assert page.at("file").get_dom_attribute("href") is None
        page.press(Keys.ARROW_RIGHT)

    assert len(page.all(".card .missing")) == len(ELSEWHERE)
    assert page.js("return window.hacked") is None


def test_an_address_of_one_picture_is_not_left_for_the_next(page):
    page.open([item(0), item(1, picture="javascript:window.hacked=1")])
    page.show()
    page.at("next").click()

    assert page.all("#stage img") == []
    assert not page.at("file").is_displayed()


@pytest.mark.parametrize(
    "script",
    [
        "document.head.append(Object.assign(document.createElement('script'), {text: 'hacked=1'}))",
        "document.body.setAttribute('onclick', 'hacked = 1'); document.body.click()",
        "document.body.innerHTML = '<p>'",
        "new Image().src = 'http://127.0.0.1:9/x.png'",
        "fetch('data.js').catch(() => 0)",
    ],
)
def test_the_policy_forbids_what_the_page_does_not_need(page, script):
    page.open([item()])
    page.js("""
        window.blocked = [];
        document.addEventListener('securitypolicyviolation', (e) => blocked.push(e.blockedURI))""")
    page.js(f"try {{ {script} }} catch {{}}")
    page.see(lambda: page.js("return blocked.length > 0"), expected=True)

    assert page.js("return window.hacked") is None
    page.asked()  # a request that was stopped is logged as well
    assert page.errors()
    page.browser.refresh()


def test_the_policy_allows_files_beside_the_page_and_nothing_else(page):
    page.open([])
    (policy,) = page.all("meta[http-equiv=Content-Security-Policy]")
    beside = "'self' file:"
    assert policy.get_attribute("content").split("; ") == [
        "default-src 'none'",
        f"script-src {beside}",
        f"style-src {beside}",
        f"img-src {beside} data:",  # the page's own icons
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]


@pytest.fixture
def served(page) -> Iterator[str]:
    """The address of a server of the folder above the page."""
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    root = page.folder.parent
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=root)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_server_can_show_the_page_and_nobody_else_is_asked(page, served):
    page.open([item()])
    page.errors()
    page.asked()
    page.own = served
    page.visit(f"{served}page/")
    page.show()

    page.see(lambda: page.all("#stage img")[0].get_property("naturalWidth"), 64)
    assert page.count == "1 picture"


def test_the_list_of_pictures_is_json_that_nothing_can_end(page):
    page.open([item(0, prompt=HOSTILE, params={"deep": [{"<": "&>"}]})])

    data = (page.folder / "data.js").read_bytes()
    assert not set(b"<>&") & set(data)
    assert data.isascii()
    text = data.decode().removeprefix("window.maiPictures = ").removesuffix(";\n")
    assert json.loads(text) == [item(0, prompt=HOSTILE, params={"deep": [{"<": "&>"}]})]
