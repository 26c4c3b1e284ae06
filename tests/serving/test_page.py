"""The page of a server, in a real browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.support.expected_conditions import presence_of_element_located
from selenium.webdriver.support.ui import WebDriverWait

import charrnn
from charrnn import ByteTokenizer, CharTokenizer
from tests.browser import Browser, browser
from tests.serving.conftest import Server, started
from tests.sharing.test_page import text_of, write
from tests.sharing.travelling import folder_of

__all__ = ["browser"]


def opened(browser: Browser, server: Server, after: str = "/") -> None:
    browser.open(f"http://127.0.0.1:{server.port}{after}")
    browser.run("await opened; return null;")


def test_the_page_writes_with_the_server(
    server: Server, browser: Browser, trained_home: Path
) -> None:
    model = charrnn.load(trained_home / "checkpoints" / "verse")
    opened(browser, server)
    settings = {"length": 120, "temperature": 0.7, "seed": 5, "top-k": 6}
    expected = model.generate("the ", max_new_tokens=120, temperature=0.7, seed=5, top_k=6)
    assert expected in write(browser, "the ", **settings)
    own = f"http://127.0.0.1:{server.port}/"
    assert [address for address in browser.requests() if not address.startswith(own)] == []


def test_the_page_knows_what_the_server_knows(
    server: Server, browser: Browser, trained_home: Path
) -> None:
    model = charrnn.load(trained_home / "checkpoints" / "verse")
    opened(browser, server)
    found = browser.run(
        """
        const model = await openModel();
        const [next, scored] = [await model.next("the cler", 3), await model.score("the sea")];
        return {facts: model.facts, next, scored, characters: model.characters};"""
    )
    assert found["facts"]["cell"] == "lstm"
    assert "".join(found["characters"]) == getattr(model.tokenizer, "characters", "")
    assert [piece["text"] for piece in found["scored"]] == list("the sea")
    nats = [piece["nats"] for piece in found["scored"]]
    assert nats[0] is None
    assert nats[1:] == pytest.approx((-model.log_probs("the sea")).tolist(), abs=1e-4)
    chances = [piece["probability"] for piece in found["next"]]
    assert len(chances) == 3
    assert chances == sorted(chances, reverse=True)
    assert 0 < sum(chances) <= 1


def test_with_a_key_the_page_asks_for_it(browser: Browser, trained_home: Path) -> None:
    with started(trained_home, "--api-key", "s3cret") as server:
        browser.open(f"http://127.0.0.1:{server.port}/")
        with pytest.raises(AssertionError, match="open this page as /#key=KEY"):
            browser.run("await opened; return null;")
        browser.open("about:blank")
        opened(browser, server, "/#key=s3cret")
        assert len(write(browser, "the ", length=30, seed=1)) >= 30


def test_a_key_may_hold_any_sign_and_come_to_a_page_that_is_open(
    browser: Browser, trained_home: Path
) -> None:
    key = 's"3+c&r=%4%41%'
    own = key.replace("%41", "%2541")
    with started(trained_home, "--api-key", key) as server:
        for written in (own, quote(key, safe="")):
            browser.open("about:blank")
            browser.open(f"http://127.0.0.1:{server.port}/")
            with pytest.raises(AssertionError, match="open this page as /#key=KEY"):
                browser.run("await opened; return null;")
            browser.open(f"http://127.0.0.1:{server.port}/#key={written}")
            shown = presence_of_element_located(("css selector", "#main:not([hidden])"))
            WebDriverWait(browser.driver, 30).until(shown)


def test_the_page_waits_for_models_that_are_being_loaded(server: Server, browser: Browser) -> None:
    opened(browser, server)
    said = browser.run(
        """
        const own = fetch, said = [];
        const loading = JSON.stringify({ error: { message: "the models are being loaded" } });
        globalThis.fetch = async (...given) => {
          said.push(element("summary").textContent);
          return said.length < 2 ? new Response(loading, { status: 503 }) : own(...given);
        };
        element("main").hidden = true;
        await openPage();
        return [said[1], element("main").hidden, element("summary").textContent];"""
    )
    assert said[:2] == ["Waiting for the server: the models are being loaded…", False]
    assert "recurrent language model" in said[2]


def test_a_model_that_is_not_served_is_not_opened(server: Server, browser: Browser) -> None:
    with pytest.raises(AssertionError, match='there is no model "nope"; choose from verse'):
        opened(browser, server, "/?model=nope")
    opened(browser, server, "/?model=verse")


def test_the_page_goes_on_with_the_last_record_and_scores_each(
    names: Path, names_server: Server, browser: Browser
) -> None:
    model = charrnn.load(names / "names")
    opened(browser, names_server)
    found = browser.run(
        """
        const model = await openModel(), pieces = [];
        const settings = {prompt: "ag\\nb", length: 50, temperature: 0.8, topK: 0, topP: 1};
        for await (const piece of model.generate({...settings, seed: 5, stop: []})) {
          pieces.push(piece);
        }
        const next = await model.next("ag\\nb", 13);
        return {text: pieces.join(""), next, scored: await model.score("bf\\ncg")};"""
    )
    assert found["text"] == model.generate("b", seed=5)
    assert "" in [piece["text"] for piece in found["next"]], "the end"
    assert [piece["text"] for piece in found["scored"]] == ["b", "f", "\n", "c", "g", ""]
    expected = [-nats for record in ("bf", "cg") for nats in model.log_probs(record).tolist()]
    assert [piece["nats"] for piece in found["scored"]] == pytest.approx(expected, abs=1e-4)


def test_the_page_knows_what_the_records_of_a_served_model_are(
    browser: Browser, tmp_path: Path
) -> None:
    known = CharTokenizer("\nab", end="\n\n")
    model = charrnn.load(folder_of(tmp_path / "model", "gru", known, "^a").path)
    with started(tmp_path, "model") as server:
        opened(browser, server)
        found = browser.run(
            """
            const model = await openModel(), text = "ab\\n\\nb\\nab";
            return [model.before(text), model.before("ab\\n\\nb"), await model.score(text)];"""
        )
    assert found[:2] == ["ab", "ab\n\nb"]
    costs = [-nats for record in ("ab\n\nb", "ab") for nats in model.log_probs(record).tolist()]
    assert [one["nats"] for one in found[2]] == pytest.approx(costs, abs=1e-4)
    assert "".join(one["text"] for one in found[2]) == "ab\n\nb\n\nab"


def test_the_page_has_the_name_of_the_model_and_the_limit_of_the_server(
    names: Path, browser: Browser
) -> None:
    with started(names, "names", "bytes", "--max-length", 20) as server:
        for name in ("names", "bytes"):
            assert server.ask("GET", f"/v1/models/{name}").json["max_length"] == 20
            opened(browser, server, f"/?model={name}")
            heading = browser.run('return document.querySelector("h1").textContent;')
            assert [browser.driver.title, heading] == [name, name]
            assert (
                browser.run('return [element("length").max, element("length").value];')
                == ["20"] * 2
            )
        assert len(write(browser, "b", seed=1)) > 1
        write(browser, "b" * 21)
        said = text_of(browser, "write-status")
        assert said == "the beginning of the text: 21 characters; 20 is the limit"


def test_a_line_end_at_the_end_of_a_beginning_is_left_out_and_it_is_said(
    names_server: Server, browser: Browser
) -> None:
    for name in ("names", "bytes"):
        opened(browser, names_server, f"/?model={name}")
        expected = write(browser, "b", seed=5)
        assert text_of(browser, "prompt-unknown") == ""
        assert write(browser, "b\n", seed=5) == expected
        assert "line end at its end is left out" in text_of(browser, "prompt-unknown")
        reply = names_server.complete(model=name, prompt="b\n")
        assert reply.status == 422


def test_records_are_scored_side_by_side_and_stay_in_order(names: Path, browser: Browser) -> None:
    records = [f"{a}{b}" for a in "bcde" for b in "fghij"]
    code = """
        const own = fetch;
        let open = 0, most = 0;
        globalThis.fetch = async (...given) => {
          most = Math.max(most, ++open);
          try { return await own(...given); } finally { open--; }
        };
        const scored = await (await openModel()).score(given[0].join("\\n"));
        return [scored.map((one) => one.text).join(""), most];"""
    for places in (512, 2):  # where there are too few, the others are asked again
        with started(names, "names", "--max-texts", places) as server:
            opened(browser, server)
            assert browser.run(code, records) == ["\n".join(records), 8]


def test_a_first_character_of_several_bytes_costs_what_its_other_bytes_cost(
    browser: Browser, tmp_path: Path
) -> None:
    model = charrnn.load(folder_of(tmp_path / "model", "gru", ByteTokenizer()).path)
    with started(tmp_path, "model") as server:
        opened(browser, server)
        found = browser.run(
            """
            const model = await openModel();
            return [await model.score("été"), await model.score("te")];"""
        )
    costs = -model.log_probs("été")  # of bytes 2 to 5
    assert [one["text"] for one in found[0]] == ["é", "t", "é"]
    expected = [costs[0], costs[1], costs[2:].sum()]
    assert [one["nats"] for one in found[0]] == pytest.approx(expected, abs=1e-3)
    assert found[1][0]["nats"] is None


def test_bytes_that_are_part_of_a_character_can_not_be_pressed(
    names_server: Server, browser: Browser
) -> None:
    opened(browser, names_server, "/?model=bytes")
    texts = browser.run(
        'return (await (await openModel()).next("", 20)).map((found) => found.text);'
    )
    assert "\ufffd" in texts
    assert max(map(len, texts)) == 1


def test_a_text_that_is_cut_off_is_said(browser: Browser, trained_home: Path) -> None:
    with started(trained_home, "verse", "--max-length", 9_999_999) as server:
        opened(browser, server)
        browser.run(
            """
            Object.assign(element("length"), { max: 9999999, value: 9999999 });
            element("top-p").value = 0.999;
            element("write").requestSubmit();
            const written = element("written");
            while (!written.textContent) await new Promise((done) => setTimeout(done, 5));
            return null;"""
        )
        server.process.kill()
        said = browser.run(
            """
            while (!element("stop").disabled) await new Promise((done) => setTimeout(done, 5));
            return element("write-status").textContent;"""
        )
    assert said == "the server stopped before the text was whole; try again"
