"""The runtime of pages, under Node.js: what it computes is what Python computes."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import ByteTokenizer, CharTokenizer
from charrnn.config import CellName
from charrnn.folder.reading import read_model
from charrnn.sampling.drawing.distribution import probabilities
from charrnn.sampling.generation import stream
from charrnn.sampling.language_model import encode_prompt
from charrnn.sampling.token_source import request_for
from charrnn.sharing import bundle as bundles
from charrnn.sharing.bundle import bundle
from charrnn.sharing.packing import pack
from charrnn.use_config import SampleConfig
from tests.sampling.test_clusters import ACCENT, Script
from tests.sampling.test_clusters import TEXT as TEXT_WITH_CLUSTERS
from tests.sharing.travelling import CHARACTERS, SHAPES, folder_of, in_node, in_runtime, needs_node

pytestmark = needs_node

TEXT_OF_CLUSTERS = f"x{ACCENT}" + TEXT_WITH_CLUSTERS
# Text of every kind of character, and how both languages see it.
TEXT = "a 漢é<😀>\n&\u2028😀/ aa"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape['num_layers']} layers")
def test_each_character_costs_what_it_costs_in_python(
    cell: CellName, shape: dict[str, Any], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", cell, **shape)
    code = f"""
        const score = await model.score({json.dumps(TEXT)});
        const next = await model.next({json.dumps(TEXT)}, 3);
        return {{ score, next, test: await model.selfTest() }};"""
    model = charrnn.load(folder.path)
    found = in_runtime(folder, code, exact=True)
    assert [one["text"] for one in found["score"]] == list(TEXT)
    assert found["score"][0]["nats"] is None
    costs = [one["nats"] for one in found["score"][1:]]
    np.testing.assert_allclose(costs, -model.log_probs(TEXT), atol=1e-4)
    after = model(model.tokenizer.encode(TEXT)[None])[0][0, -1]
    likeliest = np.argsort(-after, kind="stable")[:3]
    assert [one["text"] for one in found["next"]] == [CHARACTERS[id_] for id_ in likeliest]
    chances = probabilities(after, SampleConfig(), 1.0)[likeliest]
    assert [one["probability"] for one in found["next"]] == pytest.approx(chances, abs=1e-5)
    assert found["test"]["passed"]
    assert "WebAssembly" in found["test"]["lines"][-1]


@pytest.mark.parametrize("shape", SHAPES[:2], ids=lambda shape: f"{shape['num_layers']} layers")
def test_webassembly_and_its_twin_agree_to_the_bit(
    cell: CellName, shape: dict[str, Any], tmp_path: Path
) -> None:
    code = """
        const unpacked = await unpack(data);
        unpacked.tensors.wasm.values = new Uint8Array(3); // as good as none
        const models = [model, new FileModel(unpacked)];
        return Promise.all(models.map(async (one) => ({
          inMachineCode: one.network.products.inMachineCode,
          logits: Array.from((await one.placeAfter("a漢</")).logits),
        })));"""
    found = in_runtime(folder_of(tmp_path / "model", cell, **shape), code)
    assert [one["inMachineCode"] for one in found] == [True, False]
    assert found[0]["logits"] == found[1]["logits"]


def test_rounded_weights_cost_little_and_else_are_left_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "model", "gru", hidden_size=16)
    made = bundle(folder)
    assert not made.exact
    assert 0 < abs(made.loss) <= bundles.MAX_LOSS
    assert "bytes" in in_runtime(folder, "return (await model.selfTest()).lines[1];")
    monkeypatch.setattr(bundles, "MAX_LOSS", abs(made.loss) / 2)
    assert bundle(folder) == bundle(folder, exact=True)._replace(loss=made.loss)


def test_a_self_test_fails_where_the_weights_are_others(tmp_path: Path) -> None:
    code = """
        model.network.headBias[2] += 0.001;
        return (await model.selfTest()).passed;"""
    assert in_runtime(folder_of(tmp_path / "model", "lstm"), code) is False


def test_a_unit_can_be_held_while_the_self_test_runs(tmp_path: Path) -> None:
    code = """
        Breather.WORK = -1; // a rest after each character
        const free = await model.score("a<é");
        const first = [{ layer: 1, unit: 2, value: 0.9 }];
        model.clamps = first;
        const held = await model.score("a<é");
        const testing = model.selfTest();
        const meanwhile = await model.score("a<é");
        const then = model.clamps = [...first, { layer: 0, unit: 3, value: -1 }];
        const { passed } = await testing;
        return { free, held, meanwhile, passed, still: model.clamps === then };"""
    found = in_runtime(folder_of(tmp_path / "model", "lstm"), code)
    assert found["meanwhile"] == found["held"] != found["free"]
    assert found["passed"]
    assert found["still"]


def test_a_seed_writes_one_text_however_it_is_drawn(tmp_path: Path) -> None:
    code = """
        const drawn = async (settings) => {
          let text = "";
          const asked = { prompt: "a<", length: 60, ...settings };
          for await (const piece of model.generate(asked)) text += piece;
          return text;
        };
        const seeds = [{ seed: 7 }, { seed: 7 }, { seed: 2 ** 40 }];
        const [one, same, other] = await Promise.all(seeds.map(drawn));
        Breather.WORK = -1; // a rest after each character
        const texts = [one, same, await drawn({ seed: 7 }), other];
        const stop = [[...one].slice(20, 23).join(""), "never"];
        const stopped = await drawn({ seed: 7, stop });
        const [greedy, none] = [await drawn({ temperature: 0 }), await drawn({ length: 0 })];
        return { texts, stopped, greedy, none };"""
    folder = folder_of(tmp_path / "model", "lstm")
    found = in_runtime(folder, code, exact=True)
    one, same, slow, other = found["texts"]
    assert one == same == slow != other
    assert len(one) == 60
    assert set(one) <= set(CHARACTERS)
    assert found["stopped"] == one.partition(one[20:23])[0]
    model = charrnn.load(folder.path)
    assert found["greedy"] == model.generate("a<", temperature=0, max_new_tokens=60)
    assert found["none"] == ""


def test_what_is_drawn_from_is_what_the_filters_of_python_leave() -> None:
    random = np.random.default_rng(0)
    cases = [
        (
            random.integers(-9, 9, random.integers(2, 12)).tolist(),  # with ties
            float(random.choice([0.0, 0.5, 1.0, 2.0])),
            int(random.integers(1, 12)),
            float(random.choice([0.2, 0.6, 0.95, 1.0])),
        )
        for _ in range(200)
    ]
    code = f"""
        return {json.dumps(cases)}.map(([logits, temperature, topK, topP]) =>
          Array.from(drawingWeights(Float32Array.from(logits), {{ temperature, topK, topP }})));"""
    found = in_node(code)
    for (logits, temperature, top_k, top_p), weights in zip(cases, found, strict=True):
        config = SampleConfig(top_k=top_k, top_p=top_p)
        expected = probabilities(np.array(logits, np.float32), config, temperature)
        np.testing.assert_allclose(np.array(weights) / np.sum(weights), expected, atol=1e-9)


def test_draws_follow_the_weights() -> None:
    code = """
        const random = randomNumbers(3), counts = [0, 0, 0, 0];
        for (let k = 0; k < 40000; k++) counts[draw(Float64Array.of(1, 0, 5, 2), random())]++;
        const first = draw(Float64Array.of(0, 2, 0), 0);
        const last = draw(Float64Array.of(1, 2, 0), 1 - 2 ** -53);
        return { counts, edges: [first, last] };"""
    found = in_node(code)
    expected = np.array([1, 0, 5, 2]) / 8
    assert found["edges"] == [1, 1]
    assert found["counts"][1] == 0
    assert np.abs(np.array(found["counts"]) / 40_000 - expected).max() < 0.012  # five deviations


def test_exponentials_are_those_of_numpy() -> None:
    values = np.concatenate([np.linspace(-60, 60, 2001), [-1e4, 0.0, 700, 1e-9, -1e-300]])
    code = "return [exp, tanh, sigmoid].map((one) => values.map((x) => one(x)));"
    found = in_node(f"const values = {json.dumps(values.tolist())}; {code}")
    exp, tanh, sigmoid = np.array(found, np.float64)
    np.testing.assert_allclose(exp, np.exp(values), rtol=1e-10)
    np.testing.assert_allclose(tanh, np.tanh(values), atol=1e-10)
    np.testing.assert_allclose(sigmoid, 0.5 * np.tanh(values / 2) + 0.5, atol=1e-10)


def test_bytes_are_characters_once_they_are_whole(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru", ByteTokenizer())
    text = "é漢😀x"
    code = f"""
        const decode = model.tokenizer.decoder();
        const pieces = model.tokenizer.encode({json.dumps(text)}).map((byte) => decode([byte]));
        const cut = model.tokenizer.decoder();
        return {{ pieces, cut: cut([0xe6, 0xbc]) + cut([], true), known: model.characters,
                 score: await model.score({json.dumps(text)}) }};"""
    found = in_runtime(folder, code, exact=True)
    assert found["pieces"] == ["", "é", "", "", "漢", "", "", "", "😀", "x"]
    assert found["cut"] == "\ufffd"
    assert found["known"] is None
    costs = -charrnn.load(folder.path).log_probs(text)  # of bytes 2 to 10
    expected = [costs[0], costs[1:4].sum(), costs[4:8].sum(), costs[8]]
    assert [one["nats"] for one in found["score"]] == pytest.approx(expected, abs=1e-4)


def test_a_text_of_bytes_ends_with_a_whole_character(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru", ByteTokenizer())
    code = """
        const bytes = [0xe6, 0xbc, 0xa2], found = []; // 漢, again and again
        model.step = (place, id) => {
          place.logits = Float32Array.from({ length: 256 }, (_, next) =>
            next === bytes[(bytes.indexOf(id) + 1) % 3] ? 99 : -99);
          place.ids.push(id);
        };
        for (const length of [0, 1, 2, 3, 4]) {
          let text = "";
          for await (const piece of model.generate({ length })) text += piece;
          found.push(text);
        }
        return found;"""
    assert in_runtime(folder, code) == ["", "漢", "漢", "漢", "漢漢"]


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_a_text_ends_with_a_whole_cluster_where_python_ends_it(kind: str, tmp_path: Path) -> None:
    """Whatever its length, and also where the prompt ends in the middle of a cluster."""
    tokenizer = ByteTokenizer() if kind == "byte" else CharTokenizer.from_text(TEXT_OF_CLUSTERS)
    folder = folder_of(tmp_path / "model", "gru", tokenizer)
    ids = tokenizer.encode(TEXT_OF_CLUSTERS).tolist()
    code = f"""
        const ids = {ids}, found = [];
        for (let length = 0; length < ids.length; length++) {{
          let next = 1; // the prompt is the first character of a cluster
          model.step = (place, id) => {{
            place.logits = Float32Array.from({{ length: {tokenizer.vocab_size} }}, () => -99);
            place.logits[ids[next++ % ids.length]] = 99;
            place.ids.push(id);
          }};
          let text = "";
          for await (const piece of model.generate({{ length, prompt: "x" }})) text += piece;
          found.push(text);
        }}
        return found;"""
    model = Script(tokenizer, TEXT_OF_CLUSTERS[1:] + "x")
    expected = [
        "".join(stream(request_for(model, "x", SampleConfig(max_new_tokens=length, seed=1))))
        for length in range(len(ids))
    ]
    assert len(set(expected)) < len(ids) / (1.3 if kind == "char" else 3), "many are completed"
    assert in_runtime(folder, code) == expected


def test_unknown_characters_are_named(tmp_path: Path) -> None:
    code = r"""
        const messages = [];
        for (const text of ["aΩ", "\ud83d", "\0", "😁"]) {
          try { await model.next(text); } catch (error) { messages.push(error.message); }
        }
        return messages;"""
    assert in_runtime(folder_of(tmp_path / "model", "rnn"), code) == [
        f"the model does not know {name}; leave that out"
        for name in ('"Ω" (U+03A9)', r'"\ud83d" (U+D83D)', r'"\u0000" (U+0000)', '"😁" (U+1F601)')
    ]


def test_text_in_another_normal_form_is_read_as_python_reads_it(tmp_path: Path) -> None:
    known = CharTokenizer.from_text(f"a é\n漢<e{ACCENT}ö> o")  # but no diaeresis that could be lone
    folder = folder_of(tmp_path / "model", "gru", known)
    texts = [f"ae{ACCENT}", "ao\u0308<", "é", "漢o\u0308e"]
    code = f"""
        const found = [];
        for (const text of {json.dumps(texts)}) {{
          const score = await model.score(text);
          let greedy = "";
          const asked = {{ prompt: text, length: 9, temperature: 0 }};
          for await (const piece of model.generate(asked)) greedy += piece;
          found.push([score, model.tokenizer.encode(text), greedy]);
        }}
        return found;"""
    python, found = charrnn.load(folder.path), in_runtime(folder, code, exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = known.in_known_form(texts)
        assert read != texts
        for text, (score, ids, greedy) in zip(read, found, strict=True):
            assert [one["text"] for one in score] == list(text)
            assert ids == known.encode(text).tolist()
            assert greedy == python.generate(text, temperature=0, max_new_tokens=9)
            costs = [one["nats"] for one in score[1:]]
            assert costs == pytest.approx((-python.log_probs(text)).tolist(), abs=1e-4)


@pytest.mark.parametrize("end", [None, "\n\n"])
def test_line_ends_of_other_systems_are_read_as_python_reads_them(
    end: str | None, tmp_path: Path
) -> None:
    text = "a\r\nb\ra"
    for number, characters in enumerate(["\nab", "\n\rab", None]):
        known = CharTokenizer(characters, end) if characters else ByteTokenizer(end)
        folder = folder_of(tmp_path / f"{number}", "gru", known)
        code = f"""
            const score = await model.score({json.dumps(text)});
            return [model.idsBefore({json.dumps(text)}), score.map((one) => one.text).join("")];"""
        ids, coloured = in_runtime(folder, code)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert ids == encode_prompt(known, text).tolist()
        assert coloured == (text if "\r" in (characters or "") else "a\nb\na")


def test_a_stop_text_in_another_normal_form_ends_a_text(tmp_path: Path) -> None:
    code = """
        const drawn = async (stop) => {
          let text = "";
          const asked = { seed: 3, temperature: 2, stop };
          for await (const piece of model.generate(asked)) text += piece;
          return text;
        };
        return Promise.all([[], ["é"], ["e\u0301"]].map(drawn));"""
    whole, stopped, other = in_runtime(folder_of(tmp_path / "model", "gru"), code)
    assert stopped == other == whole.partition("é")[0] != whole


def test_what_was_read_is_not_read_again_and_changes_nothing(tmp_path: Path) -> None:
    code = """
        const reads = [];
        const read = model.network.read.bind(model.network);
        let count = 0;
        model.network.read = (...given) => { count++; return read(...given); };
        const found = [];
        for (const text of ["a<", "a<>", "a<>", "aa", ""]) {
          count = 0;
          found.push(await model.next(text, 2));
          reads.push(count);
        }
        const fresh = await Promise.all(["a<", "a<>", "a<>", "aa", ""].map(async (text) =>
          (await openModel(data)).next(text, 2)));
        model.clamps = [{ layer: 1, unit: 2, value: 0.9 }];
        const held = await model.next("aa", 2);
        return { reads, found, fresh, held, h: model.place.state[1].h[2] };"""
    found = in_runtime(folder_of(tmp_path / "model", "lstm"), code)
    assert found["reads"] == [2, 1, 0, 2, 1]
    assert found["found"] == found["fresh"]
    assert found["held"] != found["found"][3]
    assert found["h"] == pytest.approx(0.9)


@pytest.mark.parametrize("exact", [True, False])
def test_the_model_folder_that_it_gives_back_is_whole(
    exact: bool, cell: CellName, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "näme: می\u200cخواهم", cell, num_layers=3)
    with (folder.path / "README.md").open("a", encoding="utf-8") as card:
        card.write("Licence: mit. Über alles.\n")
    code = "return Array.from(new Uint8Array(await (await model.archive()).arrayBuffer()));"
    zipped = tmp_path / "model.zip"
    zipped.write_bytes(bytes(in_runtime(folder, code, exact=exact)))
    shutil.unpack_archive(zipped, tmp_path / "back")
    back = read_model(
        tmp_path / "back" / "näme_ می\u200cخواهم"
    )  # compares each file with the manifest
    assert (back.record, back.tokenizer) == (folder.record, folder.tokenizer)
    weights = pack(folder.weights, exact=exact).weights
    assert all(np.array_equal(back.weights[name], weights[name]) for name in folder.weights)
    card_text = (back.path / "README.md").read_text("utf-8")
    assert ("rounded" in card_text) is not exact
    assert "Licence: mit. Über alles.\n" in card_text
