"""Weights as bytes: what is rounded, how far, and that it is the writer's rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from charrnn import Model
from charrnn.arrays import log_softmax
from charrnn.config import CellName
from charrnn.sharing.packing import SCALE, pack
from tests.native.writing.examples import SHAPES, draw, make, needs_products_of_bytes
from tests.sharing.travelling import folder_of


def test_only_the_matrices_of_the_stack_are_rounded_by_half_a_step_at_most(
    cell: CellName, tmp_path: Path
) -> None:
    weights = folder_of(tmp_path / "model", cell, num_layers=3).weights
    weights["rnn.weight_hh_l1"][2] = 0  # a row that has no scale of its own
    packed = pack(weights, exact=False)
    for name, values in weights.items():
        arrived = packed.weights[name]
        if not name.startswith("rnn.weight"):
            assert arrived is packed.tensors[name] is values
            continue
        scale = np.asarray(packed.tensors[name + SCALE], np.float32)[:, None]
        assert packed.tensors[name].dtype == np.int8
        assert np.array_equal(arrived, np.asarray(packed.tensors[name], np.float32) * scale)
        assert (np.abs(arrived - values) <= 0.5001 * scale).all()
        assert np.allclose(np.abs(arrived).max(1), np.abs(values).max(1))  # all 127 steps are used


def test_exact_weights_stay_as_they_are(cell: CellName, tmp_path: Path) -> None:
    weights = folder_of(tmp_path / "model", cell).weights
    packed = pack(weights, exact=True)
    assert all(packed.tensors[name] is packed.weights[name] is weights[name] for name in weights)
    assert packed.tensors.keys() == packed.weights.keys() == weights.keys()


@needs_products_of_bytes
def test_a_text_costs_what_it_costs_the_writer_in_machine_code(cell: CellName) -> None:
    model = make(cell, SHAPES[0] | {"hidden_size": 96}, Model)
    weights = {
        f"rnn.{name}_l{k}": np.ascontiguousarray(values.T)
        for k, layer in enumerate(model.layers)
        for name, values in zip(("weight_ih", "weight_hh"), layer[:2], strict=True)
    }
    rounded = pack(weights, exact=False).weights
    model.layers = [
        layer._replace(
            w_ih=rounded[f"rnn.weight_ih_l{k}"].T if k else layer.w_ih,  # the writer has a table
            w_hh=rounded[f"rnn.weight_hh_l{k}"].T,
        )
        for k, layer in enumerate(model.layers)
    ]
    # The writer gives the log-probabilities of what it draws; both start from nothing.
    begin = np.zeros(1, np.int32)
    ids, written = draw(model, model.start(), 400, ids=begin)
    logits, _ = model(np.concatenate([begin, ids[:-1, 0]])[None])
    found = np.take_along_axis(log_softmax(logits[0]), ids.astype(np.intp), -1)[:, 0]
    assert abs(float(np.mean(found - written[:, 0]))) < 1e-3
