"""One token after another in NumPy, as fast as memory delivers the weights.

    stepper = NumPyStepper(arrange(…), state)
    logits = stepper.step(ids)    # (B,) → (B, V)

The rules are those of `cells.rules`, arranged so that a step is one matrix product per layer (two
in a GRU) and a few passes in place:

- The embedding times the first layer's input weights is a table with a row for each id.
- Input weights, recurrent weights and biases are one matrix: W [x; h; 1].
- A sequence is a column, so that each gate of a batch is one piece of memory.
- σ(x) is ½ tanh(½x) + ½, and the ½ within is put into the weights: one tanh serves all gates.
- All buffers are made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, unflagged
from charrnn.cells.layout import Layer
from charrnn.cells.rules import State
from charrnn.config import CellName

__all__ = ["ArrangedWeights", "Held", "NumPyStepper", "arrange"]

# The sigmoid gates first, the tanh last, as places in PyTorch's order: ifog of ifgo.
GATE_ORDER: dict[CellName, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 1, 3, 2), "gru": (0, 1, 2)}


class Held(NamedTuple):
    """Units of a layer that are held at a value."""

    units: NDArray[np.intp]  # (K,)
    values: Floats  # (K,)


class ArrangedLayer(NamedTuple):
    """The weights of a layer as `NumPyStepper` multiplies them."""

    w: Floats  # (G·H, I+H+1), or (G·H, H+1) for a first layer and a GRU's recurrent product
    w_x: Floats | None  # (G·H, I+1): a GRU's input product, except in the first layer
    skip: bool


class ArrangedWeights(NamedTuple):
    """What the steppers of one model share.

    Attributes:
        cell: of every layer.
        table: (G·H, V), the first layer's input product.
        embedding: (E, V), which is added to the first layer's output if that has a skip.
        layers: from the first to the last.
        head: (V, H+1), the bias in its last column.
    """

    cell: CellName
    table: Floats
    embedding: Floats
    layers: list[ArrangedLayer]
    head: Floats


def arrange(
    cell: CellName,
    table: Floats,
    embedding: Floats,
    layers: list[Layer],
    head: Floats,
    bias: Floats,
) -> ArrangedWeights:
    """Arrange a model's weights for steps.

    Args:
        cell: of every layer.
        table: (V, G·H), the first layer's input product, with its bias.
        embedding: (V, E).
        layers: the first reads the embedding.
        head: (H, V).
        bias: (V,), of the head.
    """
    arranged = []
    for k, layer in enumerate(layers):
        w_x = None
        if k == 0:
            w = _beside(cell, layer.w_hh, layer.b_hh)
        elif cell == "gru":
            w, w_x = _beside(cell, layer.w_hh, layer.b_hh), _beside(cell, layer.w_ih, layer.b_ih)
        else:
            w = _beside(cell, layer.w_ih, layer.w_hh, layer.b_ih + layer.b_hh)
        arranged.append(ArrangedLayer(w, w_x, layer.skip))
    head = _columns(np.vstack([head, bias]))  # (V, H+1)
    return ArrangedWeights(cell, _beside(cell, table), _columns(embedding), arranged, head)


def _beside(cell: CellName, *parts: Floats) -> Floats:
    """Weights (K, G·H) or biases (G·H,) as columns (G·H, sum of K), those of sigmoids halved."""
    order = GATE_ORDER[cell]
    gates = [np.split(np.atleast_2d(part).T, len(order)) for part in parts]  # (H, K) each
    arranged = np.block([[part[place] for part in gates] for place in order])
    arranged[: -len(gates[0][0])] *= 0.5
    return np.ascontiguousarray(arranged)


def _columns(weights: Floats) -> Floats:
    """The transpose of `weights`, as one piece of memory."""
    return np.ascontiguousarray(weights.T)


class NumPyStepper:
    """B sequences that read one token each at a time.

    Args:
        weights: see `arrange`.
        state: arrays (L, B, H) to begin from; copied.
        held: by layer, units whose h is set to a value after each step; None for none.
    """

    def __init__(
        self, weights: ArrangedWeights, state: State, held: Mapping[int, Held] | None
    ) -> None:
        self.weights = weights
        self._held = [(held or {}).get(k) for k in range(len(weights.layers))]
        number, batch, hidden = state[0].shape
        self._table = np.empty((len(weights.table), batch), np.float32)  # (G·H, B)
        self._logits = np.empty((len(weights.head), batch), np.float32)  # (V, B)
        self._layers = []
        for k, layer in enumerate(weights.layers):
            memory = state[1][k] if weights.cell == "lstm" else None
            self._layers.append(_LAYERS[weights.cell](layer, state[0][k], memory))
        self._top = np.ones((hidden + 1, batch), np.float32)  # (H+1, B): [output; 1]
        above = [layer.x for layer in self._layers[1:]]
        self._outputs = [*above, self._top[:-1]]  # where each layer's output goes
        assert number == len(weights.layers)

    def step(self, ids: Ids) -> Floats:
        """Read one token of each sequence.

        Args:
            ids: (B,).

        Returns:
            logits: (B, V), of the next token; overwritten by the next step.
        """
        gx = self.weights.table.take(ids, 1, self._table, "clip")  # (G·H, B)
        x = self.weights.embedding[:, ids] if self._layers[0].skip else gx
        with unflagged():
            for layer, output, held in zip(self._layers, self._outputs, self._held, strict=True):
                h = layer.step(gx)  # where the next step reads it
                if held:
                    h[held.units] = held.values[:, None]
                if layer.skip:
                    np.add(x, h, out=output)
                else:
                    output[...] = h
                x = output
            return np.dot(self.weights.head, self._top, out=self._logits).T

    @property
    def state(self) -> State:
        """A copy of the state now: arrays (L, B, H)."""
        parts = [layer.state for layer in self._layers]
        return tuple(np.stack(part) for part in zip(*parts, strict=True))


class _LayerStepper:
    """One layer of B sequences: its state and its buffers; [x; h; 1] in one piece of memory."""

    def __init__(self, weights: ArrangedLayer, h: Floats, memory: Floats | None) -> None:
        batch, hidden = h.shape
        self.w, self.w_x, self.skip = weights
        width = self.w.shape[1]
        self.input = np.ones((width, batch), np.float32)
        self.h = self.input[width - 1 - hidden : width - 1]
        self.h[...] = h.T
        self.x = self.input[: width - 1 - hidden]
        if self.w_x is not None:
            self.x_input = np.ones((self.w_x.shape[1], batch), np.float32)
            self.x = self.x_input[:-1]
        self.first = not len(self.x)
        self.gates = np.empty((len(self.w), batch), np.float32)
        self.setup(hidden, memory)

    def setup(self, hidden: int, memory: Floats | None) -> None:
        """Make what this kind of cell needs besides."""

    def step(self, gx: Floats) -> Floats:
        """Read the input in `x`, or in a first layer the product `gx` (G·H, B); gives h (H, B)."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        return (self.h.T.copy(),)


class _SimpleRNN(_LayerStepper):
    def step(self, gx: Floats) -> Floats:
        gates = np.dot(self.w, self.input, out=self.gates)
        if self.first:
            gates += gx
        return np.tanh(gates, out=self.h)


class _LSTM(_LayerStepper):
    def setup(self, hidden: int, memory: Floats | None) -> None:
        assert memory is not None
        self.c = memory.T.copy()
        self.squashed = np.empty_like(self.c)
        self.sigmoids = self.gates[: 3 * hidden]
        self.i, self.f, self.o, self.g = np.split(self.gates, 4)

    def step(self, gx: Floats) -> Floats:
        gates = np.dot(self.w, self.input, out=self.gates)
        if self.first:
            gates += gx
        np.tanh(gates, out=gates)
        self.sigmoids *= 0.5
        self.sigmoids += 0.5
        self.c *= self.f
        self.i *= self.g
        self.c += self.i
        np.tanh(self.c, out=self.squashed)
        return np.multiply(self.o, self.squashed, out=self.h)

    @property
    def state(self) -> State:
        return self.h.T.copy(), self.c.T.copy()


class _GRU(_LayerStepper):
    def setup(self, hidden: int, memory: Floats | None) -> None:
        assert memory is None
        self.gx = np.empty_like(self.gates)
        self.r, self.z, self.n = np.split(self.gates, 3)
        self.split = 2 * hidden
        self.sigmoids = self.gates[: self.split]

    def step(self, gx: Floats) -> Floats:
        np.dot(self.w, self.input, out=self.gates)
        if self.w_x is not None:
            gx = np.dot(self.w_x, self.x_input, out=self.gx)
        self.sigmoids += gx[: self.split]
        np.tanh(self.sigmoids, out=self.sigmoids)
        self.sigmoids *= 0.5
        self.sigmoids += 0.5
        n = self.n
        n *= self.r
        n += gx[self.split :]
        np.tanh(n, out=n)
        self.h -= n
        self.h *= self.z
        self.h += n
        return self.h


_LAYERS: dict[CellName, type[_LayerStepper]] = {"rnn": _SimpleRNN, "lstm": _LSTM, "gru": _GRU}
