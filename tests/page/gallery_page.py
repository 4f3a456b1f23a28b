"""The gallery page as a person meets it, in a browser."""

import json
import os
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from mai_cli.stores.page import write_page

PATIENCE_SECONDS = 20


def _picture(kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGBA", (64, 48), (40, 90, 150, 128)).save(file, kind)
    return file.getvalue()


PNG, WEBP = _picture("PNG"), _picture("WEBP")


def item(number: int = 0, **changes: object) -> dict[str, object]:
    """A picture of the history; every other one has the same look."""
    return {
        "id": f"b7c41f09{number:04x}",
        "when": "2026-11-22T09:14:03.120Z",
        "prompt": f"a lighthouse, number {number}",
        "alt": None,
        "model": "MAI-Image-2.6",
        "deployment": "mai-image-26",
        "profile": None,
        "width": 1024,
        "height": 768,
        "bytes": 1534022,
        "cost_usd": 0.038962,
        "seconds": 31.4,
        "offline": False,
        "signed": False,
        "tags": [],
        "params": {},
        "images": [],
        "picture": "../2026/a%20b.png",
        "thumb": "thumbs/ab/abcdef.webp",
        "command": f"mai generate 'a lighthouse, number {number}' -s 1024x768",
        "rerun_of": None,
    } | changes


class GalleryPage:
    """Opens pages in one browser and does what a person does."""

    def __init__(self, browser: Chrome, folder: Path) -> None:
        self.browser = browser
        self.folder = folder / "page"
        self.own = folder.as_uri() + "/"  # what may be asked for
        self.files_may_be_missing = False
        browser.get("about:blank")
        self.errors()  # of the test before
        self.asked()
        for path, content in (("2026/a b.png", PNG), ("page/thumbs/ab/abcdef.webp", WEBP)):
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(content)

    def open(self, items: Sequence[dict[str, object]], fragment: str = "") -> None:
        """Write the page and open it."""
        write_page(self.folder, items)
        self.browser.get((self.folder / "index.html").as_uri() + fragment)

    def visit(self, url: str) -> None:
        """Open ``url`` anew, also where it differs from the open one by its fragment only."""
        self.browser.get("about:blank")
        self.browser.get(url)

    def look(self, scheme: str = "light", *, width: int = 1280, height: int = 800) -> None:
        """Have this screen and this preference."""
        command = self.browser.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        command("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        command("Emulation.setEmulatedMedia", {"features": [feature]})

    def js(self, script: str, *args: object) -> object:
        return self.browser.execute_script(script, *args)

    def at(self, id: str) -> WebElement:
        return self.browser.find_element("id", id)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """The text of each, as the page holds it; the driver cannot take half characters."""
        script = "return [...document.querySelectorAll(arguments[0])]"
        return list(self.js(f"{script}.map((node) => node.textContent.toWellFormed())", selector))

    def see(self, what: Callable[[], object], expected: object) -> None:
        """Wait until ``what`` is as expected."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (seen := what()) != expected and time.monotonic() < end:
            time.sleep(0.02)
        assert seen == expected, f"{seen!r} is not {expected!r}"

    @property
    def count(self) -> str:
        return self.at("count").text

    @property
    def captions(self) -> list[str]:
        return self.texts(".caption")

    @property
    def fragment(self) -> str:
        return str(self.js("return location.hash"))

    @property
    def is_open(self) -> bool:
        return bool(self.js("return document.querySelector('dialog').open"))

    @property
    def position(self) -> str:
        return self.at("position").text

    @property
    def focused(self) -> str:
        """What has the focus: the place of a card, or an id."""
        script = (
            "const a = document.activeElement; return a.closest('.card')?.dataset.place ?? a.id"
        )
        return str(self.js(script))

    @property
    def details(self) -> dict[str, str]:
        return dict(zip(self.texts("dt"), self.texts("dd"), strict=True))

    def search(self, words: str) -> None:
        self.at("words").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, words)

    def choose(self, name: str, value: str) -> None:
        Select(self.at(name)).select_by_value(value)

    def offered(self, name: str) -> list[str]:
        """The values of a filter."""
        return [option.get_attribute("value") for option in Select(self.at(name)).options]

    def show(self, place: int = 0) -> None:
        """Open a picture."""
        self.all(".card button")[place].click()

    def press(self, *keys: str) -> None:
        """Press each of these, wherever the focus is."""
        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    def pasted(self) -> str:
        """What is in the clipboard."""
        self.js("document.querySelector('dialog').close()")
        self.at("words").send_keys(Keys.CONTROL, "av")
        return str(self.at("words").get_property("value"))

    def violations(self, axe: str) -> list[tuple[str, list[str]]]:
        """What axe finds, and where."""
        self.js(axe)
        found = self.browser.execute_async_script(
            # It would fetch style sheets, which the page forbids.
            "axe.run({preload: false}).then((found) => arguments[0](found.violations))"
        )
        return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]

    def errors(self) -> list[str]:
        """What the console has complained of since the last time."""
        messages = [entry["message"] for entry in self.browser.get_log("browser")]
        missing = "ERR_FILE_NOT_FOUND" if self.files_may_be_missing else None
        return [message for message in messages if not (missing and missing in message)]

    def asked(self) -> list[str]:
        """What has been asked for since the last time, here or elsewhere."""
        logged = [json.loads(entry["message"]) for entry in self.browser.get_log("performance")]
        sent = [each["message"] for each in logged]
        return [
            event["params"]["request"]["url"]
            for event in sent
            if event["method"] == "Network.requestWillBeSent"
        ]


def must_not_skip() -> bool:
    """Whether a browser that is missing is a failure."""
    return os.environ.get("CI") == "true"
