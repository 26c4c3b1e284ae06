"""A page shows what the network computed, in a real browser, and loads nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from charrnn import ByteTokenizer, CharTokenizer, Model, inside
from charrnn.arrays import softmax
from charrnn.cells.heads import shapes_of
from charrnn.config import CellName
from charrnn.inside.pages.page import CHARACTERS, NUMBERS, WINDOW, fitting, page
from charrnn.inside.showing import visible
from tests.browser import Browser, on_a_phone, width_on_a_phone
from tests.conftest import changed, small_config

HOSTILE = "</script><b>\u2028&amp;\te\u0301 \u200d😀\n"
TEXT = HOSTILE + "the sea\nis it\n" * 3
HALF = 0.5 / 63 + 1e-3  # a value is shown in 63 steps, with two digits


def make(cell: CellName, tokenizer: Any, **changes: object) -> Model:
    config = small_config(cell, vocab_size=tokenizer.vocab_size, **changes)
    random = np.random.default_rng(3)
    weights = {
        name: random.normal(0, 0.7, shape).astype(np.float32)
        for name, shape in shapes_of(config).items()
    }
    return Model(config, tokenizer, weights)


def open_page(
    browser: Browser, path: Path, model: Model, text: str, title: str = "a <title>"
) -> Any:
    path.write_text(page(model, model.tokenizer.encode(text), title, ["fact & so"]), "utf-8")
    browser.open(path)
    body = browser.driver.find_element(By.TAG_NAME, "body")
    WebDriverWait(browser.driver, 30).until(lambda _: body.get_attribute("data-ready"))
    return browser.driver


def shown_value(driver: Any) -> float:
    return float(driver.find_element(By.ID, "value").get_attribute("data-value"))


def point_at(driver: Any, identity: str) -> None:
    ActionChains(driver).move_to_element(driver.find_element(By.ID, identity)).perform()


def point_at_unit(driver: Any, unit: int) -> None:
    square = driver.find_elements(By.CSS_SELECTOR, "#map i")[unit]
    ActionChains(driver).move_to_element(square).perform()


def test_what_is_pointed_at_is_what_was_computed(
    browser: Browser, tmp_path: Path, cell: CellName
) -> None:
    model = make(cell, CharTokenizer.from_text(TEXT), hidden_size=6)
    logits, cache = model.run_with_cache(TEXT)
    driver = open_page(browser, tmp_path / "page.html", model, TEXT)
    field = driver.find_element(By.ID, "unit")
    names = [o.get_attribute("value") for o in driver.find_elements(By.CSS_SELECTOR, "#quantity *")]
    assert sorted(names) == sorted(model.cell.quantities)
    for at, layer, unit, quantity in ((20, 1, 4, names[0]), (30, 0, 5, names[-1])):
        field.clear()
        field.send_keys(f"{layer}.{unit}")
        driver.find_element(By.CSS_SELECTOR, f"#quantity [value={quantity}]").click()
        point_at(driver, f"c{at}")
        value = cache[f"layers.{layer}.hook_{quantity}"][at, unit]
        expected = np.tanh(value) if quantity == "c" else value
        assert shown_value(driver) == pytest.approx(expected, abs=HALF)
        level = driver.find_element(By.ID, f"c{at}").get_attribute("data-level")
        assert int(level) / 63 == pytest.approx(expected, abs=HALF)
        assert driver.find_element(By.ID, "character").text == visible(TEXT[at])
        assert (
            driver.find_element(By.ID, "said")
            .get_attribute("textContent")
            .startswith(f"{visible(TEXT[at])}: ")
        )
        chances = softmax(logits[at])
        rows = driver.find_elements(By.CSS_SELECTOR, "#likeliest .number")
        best = np.sort(chances)[::-1][:5]
        assert [row.text for row in rows] == [f"{100 * chance:.1f}%" for chance in best]
        (place,) = model.tokenizer.encode(TEXT[at])
        bits = -math.log2(softmax(logits[at - 1])[place])
        said = driver.find_element(By.ID, "surprisal").text
        assert float(said.removesuffix(" bits")) == pytest.approx(bits, abs=0.006)
        owed = inside.saliency(model, TEXT, at, window=WINDOW).changes
        cells = driver.find_elements(By.CSS_SELECTOR, "#mattered span")
        found = [float(one.get_attribute("data-bits")) for one in cells]
        np.testing.assert_allclose(found, -owed / math.log(2), atol=1e-4)
        hint = driver.find_element(By.CSS_SELECTOR, "#mattered + .hint").get_attribute(
            "textContent"
        )
        first = int(np.argmax(found))
        most = f"\u2068{visible(TEXT[at - len(found) + first])}\u2069"  # whichever way it is read
        assert hint.startswith(f"Most: {most}, {len(found) - first} back, saves ")
    point_at_unit(driver, 2)
    value = cache[f"layers.{layer}.hook_{quantity}"][at, 2]
    expected = np.tanh(value) if quantity == "c" else value
    assert shown_value(driver) == pytest.approx(expected, abs=HALF)
    point_at(driver, f"c{at}")
    assert f"unit {layer}.{unit}" in driver.find_element(By.ID, "panel").text, "as it was chosen"
    assert browser.requests() == [(tmp_path / "page.html").as_uri()]
    assert browser.complaints() == []


@pytest.fixture
def laptop(browser: Browser) -> Iterator[Browser]:
    """The browser with the window of a small laptop."""
    size = browser.driver.get_window_size()
    browser.driver.set_window_size(1280, 800)
    yield browser
    browser.driver.set_window_size(size["width"], size["height"])


def test_a_unit_chosen_by_keyboard_stays_when_the_pointer_leaves_the_map(
    laptop: Browser, tmp_path: Path
) -> None:
    model = make("gru", CharTokenizer.from_text(TEXT), hidden_size=6)
    driver = open_page(laptop, tmp_path / "page.html", model, TEXT)
    typed = """
        const field = document.getElementById("unit");
        field.value = "1.4";
        field.dispatchEvent(new Event("input"));
        return null;"""
    pressed = """
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "]", bubbles: true }));
        return null;"""
    for code, chosen in ((typed, "1.4"), (pressed, "1.2")):  # the next after what is shown
        point_at_unit(driver, 1)
        assert ".1: " in driver.find_element(By.ID, "panel").text
        laptop.run(code)
        point_at(driver, "c20")
        assert f"unit {chosen}" in driver.find_element(By.ID, "panel").text


def test_a_page_with_a_long_title_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    model = make("gru", CharTokenizer.from_text(TEXT), hidden_size=6)
    title = "a_model_with_a_long_name" * 12
    open_page(browser, tmp_path / "page.html", model, TEXT, title)
    assert width_on_a_phone(browser) <= 360


def test_brackets_may_need_altgr(browser: Browser, tmp_path: Path) -> None:
    model = make("gru", CharTokenizer.from_text(TEXT), hidden_size=6)
    driver = open_page(browser, tmp_path / "page.html", model, TEXT)
    for more, unit in (("modifierAltGraph: true, altKey: true", "0.1"), ("", "0.1")):
        browser.run(
            f"""
            const keys = {{ key: "]", ctrlKey: true, bubbles: true, {more} }};
            document.body.dispatchEvent(new KeyboardEvent("keydown", keys));
            return null;"""
        )
        assert f"unit {unit}" in driver.find_element(By.ID, "panel").text


def test_a_passage_brings_its_units_to_the_front_with_pointer_and_keyboard(
    laptop: Browser, tmp_path: Path
) -> None:
    """A unit that is on after "x" alone, until the next line, comes first where the x is."""
    text = "abc\n" * 5 + "axxxc\n" + "abc\n" * 5
    model = make("rnn", CharTokenizer.from_text(text), hidden_size=6, num_layers=1, embed_size=4)
    own = {name: weight.copy() for name, weight in model.weights.items()}
    x, w_ih = own["embedding.weight"], own["rnn.weight_ih_l0"]
    w_ih *= 0.3
    own["rnn.bias_ih_l0"][:] = 0
    own["rnn.weight_hh_l0"] *= 0.1
    x[:, 0] = np.where(np.arange(len(x)) == 4, 3.0, -0.02)  # which unit 2 alone reads
    w_ih[:, 0], w_ih[2] = 0, (1, 0, 0, 0)
    model = changed(model, own)
    first, last = text.index("x"), text.rindex("x")
    driver = open_page(laptop, tmp_path / "page.html", model, text)
    place = {at: driver.find_element(By.ID, f"c{at}") for at in (first, last)}
    chain = ActionChains(driver).move_to_element(place[first]).click_and_hold()
    chain.move_to_element(place[last]).release().perform()
    selected = driver.find_elements(By.CSS_SELECTOR, "#text .selected")
    assert "".join(one.text for one in selected) == "xxx"
    ranked = [one.text for one in driver.find_elements(By.CSS_SELECTOR, "#ranking button")]
    assert ranked[0] == "0.2"
    bottom = driver.execute_script("return scrollY + innerHeight")
    for name in ("panel", "ranked"):  # what is known of the character stays on the screen, too
        box = driver.find_element(By.ID, name).rect
        assert box["y"] + box["height"] <= bottom
    driver.find_element(By.CSS_SELECTOR, "#ranking button").click()
    assert driver.find_element(By.ID, "unit").get_attribute("value") == "0.2"
    assert shown_value(driver) > 0.9

    reading = driver.find_element(By.ID, "text")
    reading.send_keys(Keys.ESCAPE)
    assert driver.find_elements(By.CSS_SELECTOR, "#text .selected, #ranking button") == []
    reading.send_keys(Keys.HOME)
    assert shown_value(driver) < 0.9
    for _ in range(first):
        reading.send_keys(Keys.ARROW_RIGHT)
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT * 2).key_up(
        Keys.SHIFT
    ).perform()
    selected = driver.find_elements(By.CSS_SELECTOR, "#text .selected")
    assert "".join(one.text for one in selected) == "xxx"
    assert driver.find_element(By.CSS_SELECTOR, "#ranking button").text == "0.2"
    reading.send_keys("]")
    assert driver.find_element(By.ID, "unit").get_attribute("value") == "0.3"
    assert laptop.complaints() == []


def test_the_keyboard_goes_on_while_the_text_scrolls_under_a_resting_pointer(
    laptop: Browser, tmp_path: Path
) -> None:
    """Browsers tell which character comes under the pointer; but nobody points at it."""
    text = "the sea is it " * 300
    model = make("rnn", CharTokenizer.from_text(text))
    driver = open_page(laptop, tmp_path / "page.html", model, text)
    driver.find_element(By.ID, "c800").click()
    places = []
    for _ in range(12):
        driver.find_element(By.ID, "text").send_keys(Keys.ARROW_DOWN)
        laptop.run("await new Promise((told) => setTimeout(told, 200)); return null;")
        places.append(int(driver.find_element(By.CLASS_NAME, "here").get_attribute("id")[1:]))
    assert laptop.run("return scrollY;") > 0
    assert places == sorted(set(places))


def test_a_finger_selects_a_passage_across_and_scrolls_up_and_down(
    browser: Browser, tmp_path: Path
) -> None:
    text = "the sea\nis it\n" * 60
    driver = open_page(
        browser, tmp_path / "page.html", make("rnn", CharTokenizer.from_text(text)), text
    )

    def drag(*places: tuple[float, float]) -> None:
        kinds = ["touchStart", *["touchMove"] * (len(places) - 1)]
        for kind, (x, y) in zip(kinds, places, strict=True):
            points = [{"x": x, "y": y}]
            driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
            )
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def selected() -> str:
        return "".join(one.text for one in driver.find_elements(By.CSS_SELECTOR, "#text .selected"))

    places = """
        return [16, 17, 18, 20, 22].map((at) => {
          const box = document.getElementById(`c${at}`).getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        });"""
    with on_a_phone(browser):
        across = [(x, y) for x, y in browser.run(places)]
        drag(*across)
        assert selected() == "e·sea↵i"
        assert len(driver.find_elements(By.CSS_SELECTOR, "#ranked button")) > 0
        drag(across[-1])
        assert selected() == ""
        drag(*across)
        (x, y) = across[0]
        drag(*((x, y - 12 * k) for k in range(10)))
        scrolled = "return document.getElementById('text').scrollTop;"
        WebDriverWait(driver, 30).until(lambda _: browser.run(scrolled) > 0)
        assert selected() == "e·sea↵i"
    assert browser.complaints() == []


def test_the_whole_text_has_no_elsewhere(browser: Browser, tmp_path: Path) -> None:
    driver = open_page(browser, tmp_path / "page.html", make("rnn", CharTokenizer("\nab")), "abab")
    reading, how = (driver.find_element(By.ID, name) for name in ("text", "ranking-how"))
    reading.send_keys(Keys.HOME, Keys.SHIFT + Keys.END)
    assert "whole text" in how.text
    assert driver.find_elements(By.CSS_SELECTOR, "#ranked button") == []
    reading.send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    assert "over its standard deviation + 0.05" in how.text
    assert len(driver.find_elements(By.CSS_SELECTOR, "#ranked button")) > 0


def test_buttons_are_wide_enough_for_a_finger(browser: Browser, tmp_path: Path) -> None:
    driver = open_page(browser, tmp_path / "page.html", make("rnn", CharTokenizer("\nab")), "abab")
    for name in ("previous", "next"):
        box = driver.find_element(By.ID, name).rect
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, AA


def test_everything_in_a_text_can_be_seen_and_none_of_it_runs(
    browser: Browser, tmp_path: Path
) -> None:
    model = make("gru", CharTokenizer.from_text(TEXT))
    driver = open_page(browser, tmp_path / "page.html", model, TEXT)
    cells = [driver.find_element(By.ID, f"c{at}").text for at in range(len(HOSTILE))]
    shown = ["U+2028", *"&amp;", "⇥", "e", "◌\u0301", "·", "U+200D", "😀", "↵"]
    assert cells == [*"</script><b>", *shown]
    assert driver.find_elements(By.CSS_SELECTOR, "#text b") == []
    assert driver.find_element(By.TAG_NAME, "h1").text == "a <title>"
    assert browser.complaints() == []
    written = (tmp_path / "page.html").read_text("utf-8")
    assert written.count("</script>") == 2
    assert "http://" not in written
    assert "https://" not in written


# What a colour of the page is, as numbers: it may be given as a mixture.
SHADES = """
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const shade = (colour) => {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const [space, letter] = ["c0", "c1"].map((id) => document.getElementById(id));
    return [-63, -20, 0, 20, 63].map((level) => {
      space.dataset.level = letter.dataset.level = level;
      const style = getComputedStyle(letter);
      const inks = [style.color, getComputedStyle(space).color].map(shade);
      return [shade(style.backgroundColor), inks, style.backgroundImage];
    });
"""


def brightness(shade: list[int]) -> float:
    """The relative luminance of WCAG 2."""
    linear = [
        (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
        for c in (part / 255 for part in shade)
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_colour_and_signs_without_colours(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    driver = open_page(browser, tmp_path / "page.html", make("rnn", CharTokenizer("\n ab")), " ab")
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    shades = driver.execute_script(SHADES)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for background, inks, _ in shades:
        for ink in inks:  # of letters, and of the signs of what can't be seen
            darker, brighter = sorted(map(brightness, (background, ink)))
            assert (brighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2, AA
    papers = [brightness(background) for background, _, _ in shades]
    assert (papers[2] > 0.5) == (scheme == "light")
    below, _, _, _, above = (bar for _, _, bar in shades)
    assert ("repeating" in below, "repeating" in above) == (True, False)


def test_bytes_of_a_character_stand_side_by_side(browser: Browser, tmp_path: Path) -> None:
    model = make("lstm", ByteTokenizer(), num_layers=1)
    driver = open_page(browser, tmp_path / "page.html", model, "aé–\udcff!\udce2")
    cells = [one.text for one in driver.find_elements(By.CSS_SELECTOR, "#text span")]
    assert cells == ["a", "c3", "é", "e2", "80", "–", "ff", "!", "e2"]
    assert "Byte 0" in driver.find_element(By.ID, "panel").text


def test_a_network_that_has_diverged_has_a_page(browser: Browser, tmp_path: Path) -> None:
    model = changed(make("gru", CharTokenizer("\nab")), {"rnn.bias_hh_l0": np.nan})
    driver = open_page(browser, tmp_path / "page.html", model, "a")  # of one character
    assert "diverged" in driver.find_element(By.TAG_NAME, "header").text
    assert driver.find_element(By.ID, "value").text == "no number"
    assert browser.complaints() == []


def test_gates_are_left_out_of_a_page_that_would_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make("lstm", CharTokenizer("\nab"), hidden_size=6)
    ids = np.zeros(30, np.int32)
    assert "gates are left out" not in page(model, ids, "t", [])
    monkeypatch.setattr("charrnn.inside.pages.page.NUMBERS", 30 * 2 * 6 * 6 - 1)
    small = page(model, ids, "t", [])
    assert "The gates are left out; they fit for up to 29 characters." in small
    assert "memory c" in small
    assert "forget gate" not in small


def test_the_gates_are_in_a_page_of_as_many_characters_as_are_shown_by_default(
    monkeypatch: pytest.MonkeyPatch, cell: CellName
) -> None:
    model = make(cell, CharTokenizer("\nab"), hidden_size=6, num_layers=3)
    monkeypatch.setattr("charrnn.inside.pages.page.NUMBERS", 999)
    whole = page(model, np.zeros(fitting(model), np.int32), "t", [])
    assert "gates are left out" not in whole


def test_three_layers_of_1024_units_have_a_page() -> None:
    model = make("gru", CharTokenizer("\nab"), hidden_size=1024, num_layers=3, embed_size=8)
    assert fitting(model) == NUMBERS // (3 * 1024 * len(model.cell.quantities)) < CHARACTERS
    assert len(page(model, np.zeros(9, np.int32), "t", [])) < 1_000_000


@pytest.mark.slow
def test_the_largest_page_is_under_five_megabytes() -> None:
    """4,000 characters of a SimpleRNN 2×525 whose states are as random as can be."""
    text = "".join(map(chr, range(40, 105)))
    model = make("rnn", CharTokenizer(text), hidden_size=525, embed_size=64)
    assert fitting(model) == CHARACTERS
    ids = np.random.default_rng(0).integers(0, len(text), CHARACTERS).astype(np.int32)
    assert len(page(model, ids, "t", [])) < 5_000_000
