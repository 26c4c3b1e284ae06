"""How a model's weights are named and shaped: PyTorch's names, the same on disk and in use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from charrnn.arrays import Floats, Weights
from charrnn.cells.rules import CELLS
from charrnn.config import ModelConfig
from charrnn.errors import UsageError

__all__ = [
    "EMBEDDING",
    "HEAD_BIAS",
    "HEAD_WEIGHT",
    "RECURRENT",
    "Layer",
    "is_hidden",
    "layer_names",
    "layers_of",
    "parameter_count",
    "recurrent_shapes",
    "refuse_bidirectional",
]

EMBEDDING = "embedding.weight"  # (V, E)
RECURRENT = "rnn."  # stands before the names of the recurrent stack's weights
HEAD_WEIGHT = "head.weight"  # (V, H)
HEAD_BIAS = "head.bias"  # (V,)


class Layer(NamedTuple):
    """A layer's weights in PyTorch's gate order, transposed; I is E or H."""

    w_ih: Floats  # (I, G·H)
    w_hh: Floats  # (H, G·H)
    b_ih: Floats  # (G·H,)
    b_hh: Floats  # (G·H,)
    skip: bool  # whether the layer's input is added to its output


def layer_names(layer: int) -> tuple[str, str, str, str]:
    """The names of one layer's weights in a recurrent stack, as `torch.nn.LSTM` gives them.

    Args:
        layer: from 0.

    Returns:
        names: of the input weights, recurrent weights, input biases, recurrent biases.
    """
    end = f"l{layer}"
    return f"weight_ih_{end}", f"weight_hh_{end}", f"bias_ih_{end}", f"bias_hh_{end}"


def is_hidden(name: str) -> bool:
    """Whether a weight so named is a hidden matrix: a recurrent layer multiplies units by it.

    They are its own units, or those of the layer below.
    """
    end = name.rpartition(".")[2]
    return end.startswith("weight_hh_") or (
        end.startswith("weight_ih_") and end != layer_names(0)[0]
    )


def layers_of(config: ModelConfig, weights: Weights, prefix: str) -> list[Layer]:
    """The layers of a stack whose weights' names begin with `prefix`; no array is copied."""
    layers = []
    for layer in range(config.num_layers):
        w_ih, w_hh, b_ih, b_hh = (weights[prefix + name] for name in layer_names(layer))
        skip = config.skip and w_ih.shape[1] == config.hidden_size
        layers.append(Layer(w_ih.T, w_hh.T, b_ih, b_hh, skip))
    return layers


def recurrent_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight of a recurrent stack, as in `torch.nn.LSTM`."""
    hidden_size = config.hidden_size
    rows = CELLS[config.cell].gates * hidden_size  # G·H
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(config.num_layers):
        w_ih, w_hh, b_ih, b_hh = layer_names(layer)
        shapes |= {
            w_ih: (rows, hidden_size if layer else config.embed_size),
            w_hh: (rows, hidden_size),
            b_ih: (rows,),
            b_hh: (rows,),
        }
    return shapes


def parameter_count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers are learnt, given name and shape of each weight."""
    return sum(map(math.prod, shapes.values()))


def refuse_bidirectional(config: ModelConfig) -> None:
    """A language model reads forward only.

    Raises:
        UsageError: if `config` is of a network that reads backwards too.
    """
    if config.bidirectional:
        found = "a bidirectional network has read the characters it should predict"
        raise UsageError(found, "a language model needs bidirectional=False")
