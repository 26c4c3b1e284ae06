"""Rows of different lengths through one stack or two, in NumPy; the twin of `network.encoder`.

output = encoder.read(ids, lengths)    # (B, T) → (B, T, D·H)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Weights, product, underflowing
from charrnn.cells.heads import BACKWARDS, EMBEDDING_BACK, INPUT_BIAS, INPUT_WEIGHT
from charrnn.cells.layout import EMBEDDING, RECURRENT, Layer, layers_of
from charrnn.cells.rules import CELLS
from charrnn.config import ModelConfig

__all__ = ["Encoder", "copied_layers"]


class Encoder:
    """What the networks of all tasks share, ready to use.

    Args:
        config: the shape of each stack.
        weights: as `cells.heads.encoder_shapes` lists them; others are not looked at.
    """

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.cell = CELLS[config.cell]
        self._weights = weights
        prefixes = (RECURRENT, BACKWARDS) if config.bidirectional else (RECURRENT,)
        self._stacks = [copied_layers(config, weights, prefix) for prefix in prefixes]
        # The input product of a first layer depends on the id alone: one row for each.
        names = [EMBEDDING, EMBEDDING_BACK]
        self._embeddings = [weights[name] for name in names if name in weights]
        pairs = zip(self._embeddings, self._stacks, strict=False)
        self._tables = [product(rows, layers[0].w_ih) + layers[0].b_ih for rows, layers in pairs]

    def read(self, x: Ids | Floats, lengths: NDArray[np.integer]) -> Floats:
        """Read rows side by side.

        Args:
            x: ids (B, T), any that there are past the end of a row, or values (B, T, F).
            lengths: (B,), of each row, at most T.

        Returns:
            output: (B, T, D·H), of the last layers; past a row's end it means nothing.
        """
        output = self._run(0, x)
        if len(self._stacks) == 1:
            return output
        times = np.arange(x.shape[1])  # (T,)
        ends = np.asarray(lengths)[:, None]  # (B, 1)
        order = np.where(times < ends, ends - 1 - times, times)  # (B, T), its own inverse
        rows = np.arange(len(x))[:, None]
        return np.concatenate([output, self._run(1, x[rows, order])[rows, order]], -1)

    def _run(self, stack: int, x: Ids | Floats) -> Floats:
        """The outputs (B, T, H) of a stack; time goes first within, a step in one piece."""
        inputs, products = self._first(stack, x.swapaxes(0, 1))
        for layer in self._stacks[stack]:
            gx = products  # (T, B, G·H)
            if gx is None:
                gx = product(inputs, layer.w_ih) + layer.b_ih
            output = self._layer(layer, gx)
            inputs, products = (inputs + output if layer.skip else output), None
        return inputs.swapaxes(0, 1)

    def _first(self, stack: int, x: NDArray[Any]) -> tuple[Floats, Floats | None]:
        """What the first layer reads (T, B, E), and its product (T, B, G·H) if there is a table."""
        if x.ndim == 3:
            weight, bias = self._weights[INPUT_WEIGHT].T, self._weights[INPUT_BIAS]
            return product(x, weight) + bias, None
        return self._embeddings[stack][x], self._tables[stack][x]

    def _layer(self, layer: Layer, gx: Floats) -> Floats:
        steps, batch = gx.shape[:2]
        output = np.empty((steps, batch, self.config.hidden_size), np.float32)
        state = tuple(np.zeros(output.shape[1:], np.float32) for _ in self.cell.state)
        for t in range(steps):
            gh = product(state[0], layer.w_hh) + layer.b_hh  # (B, G·H)
            with underflowing():
                output[t], state = self.cell.combine(gx[t], gh, state)
        return output


def copied_layers(config: ModelConfig, weights: Weights, prefix: str) -> list[Layer]:
    """`layers_of` with each matrix in one piece of memory."""
    return [
        one._replace(w_ih=np.ascontiguousarray(one.w_ih), w_hh=np.ascontiguousarray(one.w_hh))
        for one in layers_of(config, weights, prefix)
    ]
