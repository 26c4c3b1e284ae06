"""The ONNX graph, run by onnxruntime: it computes what the model does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import charrnn
from charrnn import ByteTokenizer
from charrnn.arrays import Floats
from charrnn.config import CellName
from charrnn.errors import BadDataError
from charrnn.sharing.onnx_graph import graph
from tests.conftest import B, T
from tests.sharing.travelling import CHARACTERS, SHAPES, folder_of


def session(data: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape['num_layers']} layers")
def test_it_gives_the_logits_and_states_of_the_model(
    cell: CellName, shape: dict[str, Any], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", cell, **shape)
    model, running = charrnn.load(folder.path), session(graph(folder))
    random = np.random.default_rng(1)
    for batch, steps in ((B, T), (1, 1)):
        ids = random.integers(0, len(CHARACTERS), (batch, steps)).astype(np.int32)
        parts = [random.uniform(-1, 1, part.shape) for part in model.start(batch)]
        state: list[Floats] = [part.astype(np.float32) for part in parts]
        named = dict(zip(("state_h", "state_c"), state, strict=False))
        found = running.run(None, {"ids": ids.astype(np.int64)} | named)
        logits, after = model(ids, tuple(state))
        for one, expected in zip(found, (logits, *after), strict=True):
            np.testing.assert_allclose(one, expected, atol=1e-5)


def test_its_names_and_versions_are_what_others_rely_on(tmp_path: Path) -> None:
    data = graph(folder_of(tmp_path / "model", "lstm"))
    made = onnx.load_from_string(data)
    onnx.checker.check_model(made, full_check=True)
    assert made.ir_version <= 10
    assert [value.name for value in made.graph.input] == ["ids", "state_h", "state_c"]
    outputs = [value.name for value in made.graph.output]
    assert outputs == ["logits", "next_state_h", "next_state_c"]


def test_a_model_that_has_diverged_makes_no_graph(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru")
    for value in (np.float32(3e38), np.float32("nan")):
        weights = {name: np.sign(weight) * value for name, weight in folder.weights.items()}
        with pytest.raises(BadDataError, match="predicts NaN or infinity"):
            graph(replace(folder, weights=weights))


@pytest.mark.parametrize("tokenizer", [None, ByteTokenizer()], ids=["characters", "bytes"])
def test_its_metadata_hold_the_vocabulary(tokenizer: ByteTokenizer | None, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru", tokenizer)
    metadata = session(graph(folder)).get_modelmeta().custom_metadata_map
    expected = {"kind": "byte"} if tokenizer else {"kind": "char", "characters": CHARACTERS}
    assert json.loads(metadata["tokenizer"]) == expected
    assert json.loads(metadata["model"])["cell"] == "gru"
    assert metadata["name"] == "model"
