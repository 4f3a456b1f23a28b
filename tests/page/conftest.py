"""A browser for all tests of the page, and what finds barriers in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.page.gallery_page import GalleryPage, must_not_skip

SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # it cannot be had by root, nor in many containers; only our page is opened
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--lang=en-US",
)


def _missing(what: str) -> NoReturn:
    if must_not_skip():
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what drives a browser to the slow campaigns."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium without a window; one for all tests of a worker, since it starts slowly."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        _missing("Chromium or its driver (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With the driver's path, Selenium looks for none on the network.
    started = Chrome(options=options, service=ChromeService(executable_path=driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, which finds barriers; from npm."""
    named = os.environ.get("MAI_TEST_AXE")
    above = Path(__file__).resolve().parents
    places = [parent / "node_modules" / "axe-core" / "axe.min.js" for parent in above]
    path = next((path for path in ([Path(named)] if named else places) if path.is_file()), None)
    if path is None:
        _missing("axe-core (npm install axe-core, or its axe.min.js in MAI_TEST_AXE)")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def page(browser: Chrome, tmp_path: Path) -> Iterator[GalleryPage]:
    """A page to open, on a screen of a laptop; at the end nothing may have gone wrong in it."""
    page = GalleryPage(browser, tmp_path)
    page.look()
    yield page
    assert page.errors() == []
    asked = page.asked()
    assert asked
    own = (page.own, "data:image/svg")  # the page's icons
    assert [url for url in asked if not url.startswith(own)] == []
