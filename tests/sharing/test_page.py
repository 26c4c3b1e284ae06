"""The page in a real browser, opened from the disk."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

import charrnn
from charrnn import ByteTokenizer, CharTokenizer
from charrnn.config import CellName
from charrnn.errors import printable
from charrnn.folder.reading import read_model
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.sharing.bundle import bundle
from charrnn.sharing.page import model_page, script
from tests.browser import Browser
from tests.sharing.travelling import CHARACTERS, SHAPES, folder_of

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028&amp;\u202e😀'\"`${1}"


def written(folder: ModelFolder, path: Path, **options: Any) -> Path:
    """The page of a model, on the disk."""
    made = bundle(folder, **options)
    path.write_text(model_page(made), encoding="utf-8")
    return path


def opened(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("await opened; return null;")


def write(browser: Browser, prompt: str, **settings: object) -> str:
    """What the page writes once its button is pressed."""
    return str(
        browser.run(
            """
            for (const [id, value] of Object.entries(given[0])) element(id).value = value;
            element("prompt").dispatchEvent(new Event("input"));
            element("write").requestSubmit();
            while (!element("stop").disabled) await new Promise((done) => setTimeout(done, 5));
            return element("written").textContent;""",
            {"prompt": prompt, **settings},
        )
    )


def text_of(browser: Browser, name: str) -> str:
    return str(browser.driver.find_element("id", name).text)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=lambda shape: f"{shape['num_layers']} layers")
def test_it_opens_writes_and_proves_itself_and_asks_for_nothing(
    browser: Browser, cell: CellName, shape: dict[str, Any], tmp_path: Path
) -> None:
    page = written(folder_of(tmp_path / "model", cell, **shape), tmp_path / "page.html")
    opened(browser, page)
    text = write(browser, "a<", length=200, seed=5)
    assert text.startswith("a<")
    assert len(text) == 202
    assert re.fullmatch(
        r"200 characters, [\d,]+ a second; seed 5\.", text_of(browser, "write-status")
    )
    browser.run('element("self-test").click(); return null;')
    _wait(lambda: "Self-test" in text_of(browser, "about-status"))
    report = text_of(browser, "about-status")
    assert report.startswith("Self-test passed. 299 characters")
    assert "WebAssembly" in report
    assert "makes no request" in text_of(browser, "privacy")
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []


def _wait(true: Any) -> None:
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_its_policy_forbids_requests_and_foreign_code(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "rnn"), tmp_path / "page.html"))
    refused = browser.run(
        """
        const refused = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          refused.push(event.effectiveDirective);
        });
        new Image().src = "https://example.invalid/picture.png";
        await fetch("https://example.invalid/").catch(() => {});
        document.body.append(make("script", "refused.push('it ran')"));
        document.body.append(make("style", "body { color: red }"));
        await new Promise((resolve) => setTimeout(resolve, 100));
        return refused.sort();"""
    )
    assert refused == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]


@pytest.mark.parametrize("tokenizer", [None, ByteTokenizer()], ids=["characters", "bytes"])
def test_hostile_words_are_text_and_nothing_else(
    browser: Browser, tokenizer: ByteTokenizer | None, tmp_path: Path
) -> None:
    name = HOSTILE.replace("/", "")  # as far as the name of a folder can go
    folder = folder_of(tmp_path / name, "gru", tokenizer)
    corpus = CorpusRecord(name=HOSTILE, characters=7, sha256="")
    folder = replace(folder, record=msgspec.structs.replace(folder.record, corpus=corpus))
    opened(browser, written(folder, tmp_path / "page.html"))
    assert browser.run('return document.querySelector("h1").textContent;') == printable(name)
    assert HOSTILE in browser.run('return element("summary").textContent;')
    known = HOSTILE if tokenizer else "".join(c for c in HOSTILE if c in CHARACTERS)
    assert write(browser, HOSTILE, length=5).startswith(known)
    browser.run('element("text").value = given[0]; return null;', HOSTILE)
    browser.run('element("colour").requestSubmit(); return null;')
    _wait(lambda: "bits per character" in text_of(browser, "colour-status"))
    assert browser.run('return element("coloured").textContent;') == known
    tags = browser.run('return [...document.querySelectorAll("img, b, iframe, script")].length;')
    assert tags == 2  # the data and the program
    assert browser.complaints() == []


def test_what_the_model_does_not_know_is_named_and_left_out(
    browser: Browser, tmp_path: Path
) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "rnn"), tmp_path / "page.html"))
    # JSON can't carry a lone surrogate to the browser.
    browser.run(r'element("prompt").value = "aΩ\ud83d<漢"; return null;')
    browser.run('element("write").requestSubmit(); return null;')
    _wait(lambda: text_of(browser, "write-status").startswith("500 characters"))
    assert browser.run('return element("written").firstChild.textContent;') == "a<漢"
    said = r'The model does not know "Ω" (U+03A9), "\ud83d" (U+D83D); left out.'
    assert text_of(browser, "prompt-unknown") == said


@pytest.mark.parametrize(
    ("known", "end", "kind", "prompt", "text", "unknown"),
    [
        ("\n 05afo", "\n%\n", "\n%\n", "50% of", "50 of", "%"),
        ("ab", "\n\n", "blocks", "a\n \nb\na", "a\n\nba", "\n"),
        ("ab", "\n\n", "^a", "ab\nabΩ", "ab\n\nab", "Ω"),
        ("\nab", "\n\n", "documents", "a\n\n\nΩb", "a\n\n\nb", "Ω"),
    ],
)
def test_what_the_model_knows_only_between_records_is_left_out_of_them(
    browser: Browser,
    tmp_path: Path,
    known: str,
    end: str,
    kind: str,
    prompt: str,
    text: str,
    unknown: str,
) -> None:
    """It was kept, and what was asked for was refused."""
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer(known, end=end), kind)
    opened(browser, written(folder, tmp_path / "page.html"))
    name = f"{json.dumps(unknown, ensure_ascii=False)} (U+{ord(unknown):04X})"
    assert write(browser, prompt, length=5).startswith(text)
    assert text_of(browser, "write-status").endswith(".")
    assert text_of(browser, "prompt-unknown") == f"The model does not know {name}; left out."
    browser.run('element("text").value = `${given[0]}\\n`; return null;', prompt)
    browser.run('element("colour").requestSubmit(); return null;')
    _wait(lambda: "bits per character" in text_of(browser, "colour-status"))
    assert browser.run('return element("coloured").textContent;') == text
    assert text_of(browser, "text-unknown") == f"The model does not know {name}; left out."


def test_a_text_to_stop_before_that_can_not_come_is_told(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "rnn"), tmp_path / "page.html"))
    never = 'No text will stop before "\\nΩ": the model does not know "Ω" (U+03A9).'
    for stop, said in (("\\nΩ", never), ("\\n漢e\u0301", "")):
        write(browser, "a", length=5, **{"stop-text": stop})
        assert text_of(browser, "prompt-unknown") == said


def test_accents_in_another_normal_form_are_read(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "rnn"), tmp_path / "page.html"))
    assert write(browser, "ae\u0301Ω<", length=5).startswith("aé<")
    said = text_of(browser, "prompt-unknown")
    assert "normal form NFC of Unicode" in said
    assert said.endswith('The model does not know "Ω" (U+03A9); left out.')
    browser.run('element("text").value = "ae\\u0301"; return null;')
    browser.run('element("colour").requestSubmit(); return null;')
    _wait(lambda: "over 1." in text_of(browser, "colour-status"))
    assert browser.run('return element("coloured").textContent;') == "aé"


def test_a_seed_writes_the_same_without_webassembly(browser: Browser, tmp_path: Path) -> None:
    page = written(folder_of(tmp_path / "model", "lstm"), tmp_path / "page.html")
    opened(browser, page)
    text = write(browser, "a", length=300, seed=2**40)
    settings = {"temperature": 0.5, "top-k": 3, "top-p": 0.9, "stop-text": "zz\\n"}
    filtered = write(browser, "a", length=300, seed=3, **settings)
    plain = tmp_path / "plain.html"
    plain.write_text(page.read_text("utf-8").replace(" 'wasm-unsafe-eval'", ""), "utf-8")
    opened(browser, plain)
    assert write(browser, "a", length=300, seed=2**40) == text
    assert write(browser, "a", length=300, seed=3, **settings) == filtered != text
    assert browser.run(
        "return (await (await openModel(element('model').textContent)).selfTest()).lines.at(-1);"
    ) == ("The products ran in JavaScript.")


def test_the_keyboard_is_enough(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    prompt = browser.driver.find_element("id", "prompt")
    prompt.send_keys("a<")
    _wait(lambda: text_of(browser, "likely").count("%") == 8)
    prompt.send_keys(Keys.TAB)
    first = browser.driver.switch_to.active_element
    added = browser.run("return document.activeElement.dataset.text;")
    assert "Add " in str(first.get_attribute("aria-label"))
    first.send_keys(Keys.ENTER)
    assert prompt.get_property("value") == "a<" + added
    assert browser.driver.switch_to.active_element == first  # it stays, with another character
    browser.run('element("length").value = 1000000; return null;')
    prompt.send_keys(Keys.CONTROL, Keys.ENTER)
    _wait(lambda: browser.run('return element("written").textContent.length;') > 100)
    prompt.send_keys(Keys.ESCAPE)
    _wait(lambda: text_of(browser, "write-status").startswith("Stopped after"))


def test_the_keyboard_stays_on_what_can_not_be_added(browser: Browser, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer("ab", end="\n"))
    opened(browser, written(folder, tmp_path / "page.html"))
    _wait(lambda: "the end" in text_of(browser, "likely"))
    found = browser.run(
        """
        const end = [...element("likely").children].find((button) => button.dataset.text === "");
        end.focus();
        end.click();
        const stays = document.activeElement === end;
        return [stays, end.getAttribute("aria-disabled"), element("prompt").value];"""
    )
    assert found == [True, "true", ""]


def test_a_model_of_characters_may_know_the_replacement_character(
    browser: Browser, tmp_path: Path
) -> None:
    """It was called part of a character, as in models of bytes, and could not be added."""
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer("ab\ufffd"))
    opened(browser, written(folder, tmp_path / "page.html"))
    _wait(lambda: "\ufffd" in text_of(browser, "likely"))
    browser.run(
        """
        const buttons = [...element("likely").children];
        return buttons.find((button) => button.dataset.text === "\\ufffd").click();"""
    )
    assert browser.run('return element("prompt").value;') == "\ufffd"


def test_text_from_right_to_left_leaves_the_words_around_it_in_order(
    browser: Browser, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer("אב"))
    opened(browser, written(folder, tmp_path / "page.html"))
    _wait(lambda: "א" in text_of(browser, "likely"))
    found = browser.run(
        """
        const button = element("likely").firstChild, box = (part) => part.getBoundingClientRect();
        const directions = ["prompt", "text", "stop-text"].map((id) => {
          element(id).value = "א";
          return getComputedStyle(element(id)).direction;
        });
        return [getComputedStyle(button.firstChild).unicodeBidi, directions,
          box(button.firstChild).right <= box(button.lastChild).left,
          summaryOf([{ text: "א", nats: 1 }, { text: "ב", nats: 2 }])];"""
    )
    assert found[:3] == ["isolate", ["rtl"] * 3, True]
    assert found[3].endswith('bits: \u2068ב\u2069 after \u2068"א"\u2069.')


def test_the_greatest_surprise_may_be_the_first_character(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    said = browser.run(
        """
        const costs = (...nats) => nats.map((one, k) => ({ text: "abc"[k], nats: one }));
        const several = [costs(3, 1, 2), costs(null, 1, 2), costs(0, 0, 0)];
        return several.map((one) => summaryOf(one, null));"""
    )
    assert said[0].endswith("The greatest surprise, 4.3 bits: \u2068a\u2069 at the very beginning.")
    assert said[1].endswith('surprise, 2.9 bits: \u2068c\u2069 after \u2068"ab"\u2069.')
    assert said[2] == "0 bits per character, over 3."


@pytest.mark.parametrize(
    ("end", "text", "said"),
    [(None, "a", "One character alone costs nothing"), ("\n", "\n\n", "only empty records")],
)
def test_a_text_that_costs_nothing_is_told_why(
    browser: Browser, tmp_path: Path, end: str | None, text: str, said: str
) -> None:
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer("ab", end=end))
    opened(browser, written(folder, tmp_path / "page.html"))
    browser.run(
        'element("text").value = given[0]; element("colour").requestSubmit(); return null;', text
    )
    _wait(lambda: said in text_of(browser, "colour-status"))


def test_one_character_is_one(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    write(browser, "a", length=1)
    assert text_of(browser, "write-status").startswith("1 character, ")


def test_one_text_is_written_at_a_time_and_stop_stops_it(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    text = write(browser, "a<", length=3000, seed=5)
    again = browser.run(
        """
        element("write").requestSubmit();
        element("seed").value = 6;
        const keys = { key: "Enter", ctrlKey: true, bubbles: true };
        element("prompt").dispatchEvent(new KeyboardEvent("keydown", keys));
        while (!element("stop").disabled) await new Promise((done) => setTimeout(done, 5));
        return element("written").textContent;"""
    )
    assert again == text
    assert text_of(browser, "write-status").endswith("seed 5.")
    after = browser.run(
        """
        element("length").value = 1000000;
        for (let k = 0; k < 2; k++) element("write").requestSubmit();
        element("stop").click();
        while (!element("stop").disabled) await new Promise((done) => setTimeout(done, 5));
        const stopped = element("written").textContent;
        for (let k = 0; k < 20; k++) await new Breather().rest(); // another could write now
        return [stopped, element("written").textContent];"""
    )
    assert after[0] == after[1]


def test_a_wrong_setting_is_shown_where_it_is(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    browser.run('element("top-p").value = 5; element("write").requestSubmit(); return null;')
    assert browser.driver.switch_to.active_element.get_attribute("id") == "top-p"
    assert browser.driver.find_element("id", "top-p").is_displayed()
    assert text_of(browser, "write-status") == ""


def test_everything_that_can_be_used_has_a_name(browser: Browser, tmp_path: Path) -> None:
    opened(browser, written(folder_of(tmp_path / "model", "gru"), tmp_path / "page.html"))
    browser.run('element("hold").requestSubmit(); return null;')
    unnamed = browser.run(
        """
        return [...document.querySelectorAll("input, textarea, button, [role=region]")]
          .filter((one) => !one.hidden && !one.labels?.length && !one.textContent.trim()
                           && !one.getAttribute("aria-label"))
          .map((one) => one.outerHTML);"""
    )
    assert unnamed == []


def test_a_unit_that_is_held_is_the_one_that_python_holds(browser: Browser, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "lstm")
    opened(browser, written(folder, tmp_path / "page.html", exact=True))
    free = write(browser, "a", length=100, seed=1)
    browser.run(
        """
        element("layer").value = 1;
        element("unit").value = 4;
        element("hold").requestSubmit();
        return null;"""
    )
    assert "unit 1.4: 1.00" in text_of(browser, "held")
    held = write(browser, "a", length=100, seed=1)
    assert held != free
    model = charrnn.load(folder.path)
    expected = model.generate("a", clamp={"1.4": 1.0}, temperature=0, max_new_tokens=40)
    assert write(browser, "a", length=40, temperature=0) == "a" + expected
    assert expected != model.generate("a", temperature=0, max_new_tokens=40)
    browser.run('element("held").querySelector("button").click(); return null;')
    assert write(browser, "a", length=100, seed=1, temperature=0.8) == free


def test_the_folder_that_it_saves_is_the_model(browser: Browser, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model-to-save", "lstm", num_layers=3)
    opened(browser, written(folder, tmp_path / "page.html", exact=True))
    browser.run('element("archive").click(); return null;')
    saved = browser.downloads / "model-to-save.zip"
    _wait(saved.exists)
    shutil.unpack_archive(saved, tmp_path / "back")
    back = read_model(tmp_path / "back" / "model-to-save")
    assert all(np.array_equal(back.weights[name], folder.weights[name]) for name in folder.weights)
    models = [charrnn.load(one.path) for one in (back, folder)]
    again, before = (model.generate("a", temperature=0, max_new_tokens=30) for model in models)
    assert again == before


def test_a_page_that_was_cut_says_so(browser: Browser, tmp_path: Path) -> None:
    page = written(folder_of(tmp_path / "model", "rnn"), tmp_path / "page.html")
    html = page.read_text("utf-8")
    end = html.index("</script>")
    page.write_text(html[: end - 500] + html[end:], "utf-8")
    browser.open(page)
    _wait(lambda: "could not be opened" in text_of(browser, "summary"))


def test_the_sketch_in_the_documentation_works(browser: Browser, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "lstm")
    (tmp_path / "book.js").write_text(script(bundle(folder)), "utf-8")
    documentation = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text("utf-8")
    example, two = re.findall(r"```html\n(.*?)```", documentation, re.DOTALL)
    (tmp_path / "sketch.html").write_text(example.replace("It was", "a<"), "utf-8")
    browser.open(tmp_path / "sketch.html")
    _wait(
        lambda: browser.run('return document.querySelector("p")?.textContent.length ?? 0;') >= 200
    )
    for name in ("elf", "orc"):
        (tmp_path / f"{name}.js").write_text(
            script(bundle(folder_of(tmp_path / name, "rnn"))), "utf-8"
        )
    (tmp_path / "two.html").write_text(f'<meta charset="utf-8">{two}', "utf-8")
    browser.open(tmp_path / "two.html")
    names = browser.run(
        "return (await Promise.all([elf.ready, charRNN.ready])).map((model) => model.facts.name);"
    )
    assert names == ["elf", "orc"]


def test_a_sketch_uses_the_script(browser: Browser, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru")
    (tmp_path / "novel.js").write_text(script(bundle(folder, exact=True)), "utf-8")
    page = tmp_path / "sketch.html"
    page.write_text('<meta charset="utf-8"><script src="novel.js"></script>')
    browser.open(page)
    found = browser.run(
        """
        const drawn = [];
        for (const seed of [7, 7, 8]) {
          charRNN.randomSeed(seed);
          drawn.push((await charRNN.generate({ seed: "a<", length: 40, temperature: 1 })).sample);
        }
        const called = (settings) => new Promise((resolve) =>
          charRNN.generate(settings, (error, result) => resolve({ error, result })));
        const backed = await called({ seed: "a", length: 3 });
        const wrong = String((await called({ seed: "Ω" })).error);
        let greedy = "";
        await charRNN.feed("a<");
        for (let k = 0; k < 20; k++) {
          const next = await charRNN.predict(0);
          greedy += next.sample;
          await charRNN.feed(next.sample);
        }
        await charRNN.reset();
        await charRNN.feed("a<");
        const { probabilities } = await charRNN.predict(1);
        return { drawn, backed, wrong, greedy, probabilities };"""
    )
    one, same, other = found["drawn"]
    assert one == same != other
    assert len(one) == 40
    assert len(found["backed"]["result"]["sample"]) == 3
    assert "the model does not know" in found["wrong"]
    model = charrnn.load(folder.path)
    assert found["greedy"] == model.generate("a<", temperature=0, max_new_tokens=20)
    logits = model(model.tokenizer.encode("a<")[None])[0][0, -1]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    chances = found["probabilities"]
    assert [one["probability"] for one in chances] == pytest.approx(expected, abs=1e-5)
    assert "".join(one["char"] for one in chances) == CHARACTERS
