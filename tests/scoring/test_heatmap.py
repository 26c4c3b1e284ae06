"""A text in colours, as people see it."""

from __future__ import annotations

from pathlib import Path

from selenium.webdriver.common.by import By

from charrnn.scoring.heatmap import page
from tests.browser import Browser, browser, width_on_a_phone

__all__ = ["browser"]


def test_what_ends_a_record_is_shown_as_the_lines_that_it_is() -> None:
    ends = [("a", 1.0), ("\n\n", 2.0), ("b\t", 1.5), ("\n%\x00\n", 3.0)]
    html = "".join(page("title", [], ends))
    shown = html.partition("<pre>")[2]
    assert "\\n" not in shown
    assert "\n\n" in shown
    assert "b\\t" in shown
    assert "\n%\\x00\n" in shown


def test_a_page_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    title = "a_model_with_a_long_name" * 12
    facts = ["a fact of one word: " + "word" * 60]
    path = tmp_path / "page.html"
    path.write_text("".join(page(title, facts, [("a", 1.0), ("b", 3.0)])), "utf-8")
    browser.open(path)
    assert width_on_a_phone(browser) <= 360


def test_a_text_that_is_read_from_the_right_begins_there(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("".join(page("title", [], [(one, 1.0) for one in "שלום!\nhi!"])), "utf-8")
    browser.open(path)
    pre = browser.driver.find_element(By.TAG_NAME, "pre")
    assert pre.value_of_css_property("unicode-bidi") == "plaintext"
