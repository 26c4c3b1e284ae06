"""A model as an ONNX graph, for programs in other languages.

    ids (B, T), state_h (L, B, H), state_c  ──▶  logits (B, T, V), next_state_h, next_state_c

B and T are free. `state_c` is an LSTM's alone. The metadata hold the vocabulary, as in
`tokenizer.json`. The graph is built, not traced: each layer is one operator of the standard, whose
gates stand in another order than PyTorch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import charrnn
from charrnn.arrays import Floats
from charrnn.cells.layout import (
    EMBEDDING,
    HEAD_BIAS,
    HEAD_WEIGHT,
    RECURRENT,
    Layer,
    layers_of,
)
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ModelConfig
from charrnn.errors import CharRNNError
from charrnn.folder.reading import refuse_backwards
from charrnn.folder.record import ModelFolder
from charrnn.models.model import Model, refuse_unsound
from charrnn.sharing.bundle import name_of

if TYPE_CHECKING:
    import onnx

__all__ = ["graph"]

# Old enough for every onnxruntime-web since 2022; nothing newer is needed.
OPSET, IR_VERSION = 17, 8
# The standard's gates as places in PyTorch's order: iofc of ifgo, and zrh of rzn.
GATE_ORDER: dict[CellName, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def graph(folder: ModelFolder) -> bytes:
    """The graph of a model, as the content of an `.onnx` file.

    Raises:
        CharRNNError: if the package `onnx` is not installed.
        UsageError: for a model that reads backwards, which a program would not know.
        BadDataError: if the model has diverged.
    """
    refuse_backwards(folder.record, folder.path)
    try:
        from onnx import helper
    except ImportError:
        advice = "pip install onnx"
        raise CharRNNError("an ONNX graph needs the package onnx", advice) from None

    config = folder.record.model
    with np.errstate(over="ignore", invalid="ignore"):
        refuse_unsound(Model(config, folder.tokenizer, folder.weights))
    nodes = _Nodes()
    outputs = _network(nodes, config, folder)
    states = [f"state_{part}" for part in CELLS[config.cell].state]
    state_shape = [config.num_layers, "B", config.hidden_size]
    inputs = [_value("ids", np.int64, ["B", "T"])]
    inputs += [_value(name, np.float32, state_shape) for name in states]
    results = [_value(outputs[0], np.float32, ["B", "T", config.vocab_size])]
    results += [_value(name, np.float32, state_shape) for name in outputs[1:]]
    made = helper.make_graph(nodes.nodes, "charrnn", inputs, results, initializer=nodes.constants)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="charrnn",
        producer_version=charrnn.__version__,
    )
    helper.set_model_props(
        model,
        {
            "name": name_of(folder),
            "tokenizer": msgspec.json.encode(folder.tokenizer).decode(),
            "model": msgspec.json.encode(config).decode(),
        },
    )
    data: bytes = model.SerializeToString()
    return data


class _Nodes:
    """The operators and constants of a graph as it grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        """Add an operator; returns the name of its first output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]


def _network(nodes: _Nodes, config: ModelConfig, folder: ModelFolder) -> list[str]:
    """Add the whole network; returns the names of its outputs."""
    weights = folder.weights
    parts = CELLS[config.cell].state
    before = {part: [f"{part}{k}" for k in range(config.num_layers)] for part in parts}
    after = {part: [f"next_{part}{k}" for k in range(config.num_layers)] for part in parts}
    sizes = nodes.constant("layers", np.ones(config.num_layers, np.int64))
    for name in parts:
        nodes.add("Split", [f"state_{name}", sizes], before[name], axis=0)  # (1, B, H) each
    embedding = nodes.constant(EMBEDDING, weights[EMBEDDING])
    embedded = nodes.add("Gather", [embedding, "ids"], ["embedded"])  # (B, T, E)
    x = nodes.add("Transpose", [embedded], ["x0"], perm=[1, 0, 2])  # (T, B, E)
    direction = nodes.constant("direction", np.array([1], np.int64))
    for k, layer in enumerate(layers_of(config, weights, RECURRENT)):
        given, left = ([names[part][k] for part in parts] for names in (before, after))
        y = _layer(nodes, config.cell, k, layer, x, given, left)  # (T, 1, B, H)
        output = nodes.add("Squeeze", [y, direction], [f"output{k}"])  # (T, B, H)
        x = nodes.add("Add", [x, output], [f"x{k + 1}"]) if layer.skip else output
    head = nodes.constant(HEAD_WEIGHT, weights[HEAD_WEIGHT].T)  # (H, V)
    bias = nodes.constant(HEAD_BIAS, weights[HEAD_BIAS])
    scores = nodes.add("MatMul", [x, head], ["scores"])
    scores = nodes.add("Add", [scores, bias], ["biased"])  # (T, B, V)
    logits = nodes.add("Transpose", [scores], ["logits"], perm=[1, 0, 2])
    states = [nodes.add("Concat", after[name], [f"next_state_{name}"], axis=0) for name in parts]
    return [logits, *states]


def _layer(
    nodes: _Nodes,
    cell: CellName,
    k: int,
    layer: Layer,
    x: str,
    before: list[str],
    after: list[str],
) -> str:
    """Add a layer; returns the name of its outputs (T, 1, B, H)."""
    w_ih, w_hh, b_ih, b_hh = (_gates_in_order(cell, weights.T) for weights in layer[:4])
    w = nodes.constant(f"W{k}", w_ih[None])  # (1, G·H, I)
    r = nodes.constant(f"R{k}", w_hh[None])  # (1, G·H, H)
    b = nodes.constant(f"B{k}", np.concatenate([b_ih, b_hh])[None])  # (1, 2·G·H)
    attributes = {"linear_before_reset": 1} if cell == "gru" else {}
    hidden_size = w_hh.shape[1]
    inputs = [x, w, r, b, "", *before]  # "": all sequences have the full length
    outputs = [f"y{k}", *after]
    return nodes.add(cell.upper(), inputs, outputs, hidden_size=hidden_size, **attributes)


def _gates_in_order(cell: CellName, weights: Floats) -> Floats:
    """Weights (G·H, …) with their gates in the order of the standard."""
    gates = np.split(weights, CELLS[cell].gates)
    return np.concatenate([gates[gate] for gate in GATE_ORDER[cell]])


def _value(name: str, kind: type[np.generic], shape: list[Any]) -> onnx.ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape
    )
