"""The runtime of pages with models of records, under Node.js: each is read from its start."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import ByteTokenizer, CharTokenizer
from charrnn.arrays import Logits, log_softmax
from charrnn.sampling.language_model import encode_prompt
from charrnn.sharing.bundle import bundle
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import V
from tests.sharing.travelling import CHARACTERS, folder_of, in_runtime, needs_node

pytestmark = needs_node


def test_a_record_is_read_from_its_start_and_ends_with_its_end(tmp_path: Path) -> None:
    """As `tokenizer.json` has it for a model of records: the last id is no character."""
    letters, end = CHARACTERS[1:], V - 1
    folder = folder_of(tmp_path / "model", "gru", num_layers=1)
    code = f"""
        const unpacked = await unpack(data);
        const about = JSON.parse(unpacked.metadata.about);
        about.tokenizer = {{ kind: "char", characters: {json.dumps(letters)}, end: "\\n" }};
        unpacked.metadata.about = JSON.stringify(about);
        const records = new FileModel(unpacked);
        const read = records.network.read.bind(records.network), drawn = [];
        let reads = 0;
        records.network.read = (...given) => {{ reads++; return read(...given); }};
        for (const seed of Array(10).keys()) {{
          let text = "";
          reads = 0;
          for await (const piece of records.generate({{ prompt: "/\\na<", seed }})) text += piece;
          drawn.push([text, reads]);
        }}
        const {{ logits }} = await records.placeAfter("/\\na<");
        const begun = Array.from((await records.placeAfter("")).logits);
        const score = await records.score("a\\n<é");
        return {{ score, drawn, begun, logits: Array.from(logits) }};"""
    found = in_runtime(folder, code, exact=True)
    model = charrnn.load(folder.path)

    def after(text: str) -> tuple[list[int], Logits]:
        ids = [end, *(letters.index(c) for c in text), end]
        return ids, log_softmax(model(np.array([ids], np.int32))[0][0])

    costs = []
    for record in ("a", "<é"):
        ids, log_probs = after(record)
        costs += [-log_probs[k, token] for k, token in enumerate(ids[1:])]
    assert [one["text"] for one in found["score"]] == ["a", "\n", "<", "é", ""]
    assert [one["nats"] for one in found["score"]] == pytest.approx(costs, abs=1e-4)
    np.testing.assert_allclose(log_softmax(np.array(found["begun"])), after("")[1][0], atol=1e-4)
    np.testing.assert_allclose(log_softmax(np.array(found["logits"])), after("a<")[1][2], atol=1e-4)
    lengths = [len(text) for text, _ in found["drawn"]]
    assert min(lengths) < max(lengths) < 500, "each ends where its end is drawn"
    assert [reads for _, reads in found["drawn"]] == [3 + length for length in lengths]


def test_empty_records_cost_nothing_and_are_not_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer(CHARACTERS[1:], end="\n"))
    code = 'return Promise.all(["a<", "a<\\n", "a<\\n\\n", "\\n"].map((one) => model.score(one)));'
    alone, ended, twice, empty = in_runtime(folder, code)
    assert [one["text"] for one in ended] == ["a", "<", "\n", ""]
    assert [one["nats"] for one in ended] == [*(one["nats"] for one in alone), None]
    assert [one["nats"] for one in twice] == [*(one["nats"] for one in alone), None, None]
    assert [one["nats"] for one in empty] == [None, None]


def test_a_record_may_be_very_long(tmp_path: Path) -> None:
    """Its characters were the arguments of one call, for which the browser had no room."""
    one: dict[str, Any] = {"hidden_size": 1, "num_layers": 1, "embed_size": 1}
    folder = folder_of(tmp_path / "model", "rnn", CharTokenizer("a", end="\n%\n"), **one)
    code = 'return (await model.score("a".repeat(200000))).length;'
    assert in_runtime(folder, code) == 200_001


def test_blocks_lie_between_blank_lines_as_in_python(tmp_path: Path) -> None:
    """The line end of a file was part of the last block, and a third one of the next."""
    folder = folder_of(tmp_path / "model", "gru", CharTokenizer(CHARACTERS, end="\n\n"))
    texts = ["a<\n\né", "a<\n\né\n", "\na<\n\n\né\n", "a<\n \né"]
    code = f"return Promise.all({json.dumps(texts)}.map((one) => model.score(one)));"
    alone, *others = in_runtime(folder, code)
    assert [one["text"] for one in alone] == ["a", "<", "\n\n", "é", ""]
    assert others == [alone] * 3
    code = """
        const ids = ["\\n\\n", "\\n\\n\\n", "\\n \\n"].map((end) => model.idsBefore(`a${end}<`));
        return new Set(ids.map(String)).size;"""
    assert in_runtime(folder, code) == 1


@pytest.mark.parametrize("known", [CharTokenizer(CHARACTERS, end="\n\n"), ByteTokenizer("\n\n")])
@pytest.mark.parametrize(
    ("kind", "text", "records"),
    [
        ("documents", "a<\n\né\n\na", ["a<\n\né\n\na"]),
        ("^a<", "a<\n\né\na<\n\na", ["a<\n\né", "a<\n\na"]),
    ],
)
def test_blank_lines_may_lie_within_a_record_as_in_python(
    kind: str, text: str, records: list[str], known: Tokenizer, tmp_path: Path
) -> None:
    """A page lost what stood before the last one, and coloured what came after each as a record."""
    folder = folder_of(tmp_path / "model", "gru", known, kind)
    code = f"""
        const text = {json.dumps(text)};
        return {{ ids: model.idsBefore(text), score: await model.score(text) }};"""
    found = in_runtime(folder, code, exact=True)
    assert found["ids"] == encode_prompt(known, records[-1]).tolist()
    model = charrnn.load(folder.path)
    costs = [-model.log_probs(record).sum(dtype=float) for record in records]
    assert "".join(one["text"] for one in found["score"]) == "\n\n".join(records)
    assert sum(one["nats"] for one in found["score"]) == pytest.approx(sum(costs), abs=1e-3)


def test_the_text_of_the_self_test_is_a_list_where_the_model_writes_one(tmp_path: Path) -> None:
    """It was read in one go, but each record begins with an empty state."""
    shape: dict[str, Any] = {"hidden_size": 1, "num_layers": 1, "embed_size": 1, "skip": False}
    folder = folder_of(tmp_path / "model", "rnn", CharTokenizer("a", end="\n"), **shape)
    # Writes "a", then an end; and its unit never forgets that an "a" was read.
    values = {
        "embedding.weight": [[1], [0]],
        "rnn.weight_ih_l0": [[9]],
        "rnn.weight_hh_l0": [[9]],
        "rnn.bias_ih_l0": [0],
        "rnn.bias_hh_l0": [0],
        "head.weight": [[-40], [40]],
        "head.bias": [20, -20],
    }
    folder = replace(folder, weights={k: np.array(v, np.float32) for k, v in values.items()})
    code = """
        const { values } = model.tensors["test.ids"];
        return { ids: Array.from(values), test: await model.selfTest() };"""
    for exact in (False, True):
        made, found = bundle(folder, exact=exact), in_runtime(folder, code, exact=exact)
        assert made.exact is exact
        assert made.loss == pytest.approx(0, abs=1e-4)
        assert found["ids"] == [1, 0] * (len(found["ids"]) // 2)
        assert found["test"]["passed"], found["test"]["lines"]
