"""A real browser that opens pages from the disk: Debian's Chromium, without a window.

from tests.browser import Browser, browser    # the fixture
with on_a_phone(browser): ...                 # the page that is open
width_on_a_phone(browser)                     # of that page
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Browser", "browser", "on_a_phone", "width_on_a_phone"]


class Browser:
    """A window of a browser that notes what is requested and what goes wrong.

    Args:
        downloads: the folder into which pages save.
    """

    def __init__(self, downloads: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
            options.add_argument(switch)
        # Chromium itself asks for updates and the like; a page could not tell that from its own.
        for switch in ("--disable-background-networking", "--disable-component-update"):
            options.add_argument(switch)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.downloads = downloads
        self.driver: Any = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(60)

    def open(self, address: str | Path) -> None:
        """Open a file or an address."""
        self.driver.get_log("performance")  # what came before is of other pages
        self.driver.get_log("browser")
        self.driver.get(address.as_uri() if isinstance(address, Path) else address)

    def run(self, script: str, *arguments: object) -> Any:
        """The result of JavaScript, which may `await` and ends with a `return`."""
        found = self.driver.execute_async_script(
            "const [done] = [...arguments].slice(-1);"
            f"(async (...given) => {{{script}}})(...[...arguments].slice(0, -1))"
            ".then((result) => done([result]), (error) => done(String(error)));",
            *arguments,
        )
        assert isinstance(found, list), found
        return found[0]

    def requests(self) -> list[str]:
        """The addresses that were requested since a page was opened, that page's included."""
        messages = (
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        )
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What the console has said since a page was opened, or since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def on_a_phone(browser: Browser) -> Iterator[None]:
    """The open page on a screen of 360 pixels that is touched."""
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    command = browser.driver.execute_cdp_cmd
    command("Emulation.setDeviceMetricsOverride", size)
    command("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        yield
    finally:
        command("Emulation.setTouchEmulationEnabled", {"enabled": False})
        command("Emulation.clearDeviceMetricsOverride", {})


def width_on_a_phone(browser: Browser) -> int:
    """How many pixels the open page is wide where the screen has 360."""
    with on_a_phone(browser):
        return int(browser.run("return document.documentElement.scrollWidth;"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each opens pages of its own."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("Debian's packages chromium and chromium-driver are not installed")
    found = Browser(tmp_path_factory.mktemp("downloads"))
    yield found
    found.driver.quit()
