"""How a model's weights are named and shaped: PyTorch's names, the same on disk and in use."""

from __future__ import annotations

from typing import NamedTuple

from charrnn.arrays import Floats
from charrnn.cells.rules import CELLS
from charrnn.config import ModelConfig

__all__ = ["Layer", "weight_shapes"]


class Layer(NamedTuple):
    """A layer's weights in PyTorch's gate order, transposed."""

    w_ih: Floats  # (I, G·H)
    w_hh: Floats  # (H, G·H)
    b_ih: Floats  # (G·H,)
    b_hh: Floats  # (G·H,)
    skip: bool


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight of a model, under PyTorch's names."""
    rows = CELLS[config.cell].gates * config.hidden_size  # G·H
    directions = ["", "_reverse"] if config.bidirectional else [""]
    width = len(directions) * config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (config.vocab_size, config.embed_size)
    }
    for layer in range(config.num_layers):
        inputs = width if layer else config.embed_size
        for direction in directions:
            end = f"l{layer}{direction}"
            shapes[f"rnn.weight_ih_{end}"] = (rows, inputs)
            shapes[f"rnn.weight_hh_{end}"] = (rows, config.hidden_size)
            shapes[f"rnn.bias_ih_{end}"] = (rows,)
            shapes[f"rnn.bias_hh_{end}"] = (rows,)
    return shapes | {
        "head.weight": (config.vocab_size, width),
        "head.bias": (config.vocab_size,),
    }
