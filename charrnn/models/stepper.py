"""One token after another, as fast as memory gives the weights.

    stepper = Stepper(layers, ..., state)
    logits = stepper.step(ids)    # (B,) → (B, V)

The rules are those of `cells`, arranged so that a step is one matrix product a layer (two in a GRU)
and a few passes in place:

- The embedding times the first layer's input weights is a table with a row for each id.
- Input and recurrent weights stand in one matrix, beside the biases: W [x; h; 1].
- A sequence is a column, so that each gate of a batch is one piece of memory.
- σ(x) is ½ tanh(½x) + ½, and the ½ within is put into the weights: one tanh serves all gates.
- All buffers are made once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.arrays import Floats, Ids
from charrnn.cells.layout import Layer
from charrnn.cells.rules import State
from charrnn.config import CellName

__all__ = ["Plan", "Stepper", "prepare"]


class Prepared(NamedTuple):
    """The weights of a layer as `Stepper` multiplies them."""

    w: Floats  # (G·H, I+H+1), or (G·H, H+1) for a first layer and a GRU's recurrent product
    w_x: Floats | None  # (G·H, I+1): a GRU's input product, but in the first layer
    skip: bool


class Plan(NamedTuple):
    """What steppers of one model share.

    Attributes:
        cell: of every layer.
        table: (G·H, V), the first layer's input product.
        embedding: (E, V), which is added to the first layer's output if that has a skip.
        layers: the prepared weights.
        head: (V, H+1), the bias in its last column.
    """

    cell: CellName
    table: Floats
    embedding: Floats
    layers: list[Prepared]
    head: Floats


def prepare(
    cell: CellName, embedding: Floats, layers: list[Layer], head: Floats, bias: Floats
) -> Plan:
    """Arrange a model's weights for steps.

    Args:
        cell: of every layer.
        embedding: (V, E).
        layers: the first reads the embedding.
        head: (H, V).
        bias: (V,), of the head.
    """
    table, prepared = embedding, []
    for k, layer in enumerate(layers):
        w_ih, w_hh, b_ih, b_hh = (_arranged(cell, part) for part in layer[:4])
        if cell != "gru":  # one sum of both biases
            b_ih, b_hh = np.zeros_like(b_ih), b_ih + b_hh
        w_x = np.vstack([w_ih, b_ih])  # (I+1, G·H)
        if k == 0:
            table = embedding @ w_ih + b_ih
        apart = k == 0 or cell == "gru"
        w = np.vstack([w_hh, b_hh] if apart else [w_ih, w_hh, b_hh])
        prepared.append(Prepared(_columns(w), _columns(w_x) if apart and k else None, layer.skip))
    whole = _columns(np.vstack([head, bias]))
    return Plan(cell, _columns(table), _columns(embedding), prepared, whole)


def _arranged(cell: CellName, weights: Floats) -> Floats:
    """Weights (..., G·H) with the sigmoid gates first and halved."""
    if cell == "rnn":
        return weights
    if cell == "gru":  # r z n
        r, z, n = np.split(weights, 3, -1)
        return np.concatenate([0.5 * r, 0.5 * z, n], -1)
    i, f, g, o = np.split(weights, 4, -1)
    return np.concatenate([0.5 * i, 0.5 * f, 0.5 * o, g], -1)


def _columns(weights: Floats) -> Floats:
    """The transpose of `weights`, as one piece of memory."""
    return np.ascontiguousarray(weights.T)


class Stepper:
    """B sequences that read one token each at a time.

    Args:
        plan: the weights.
        state: arrays (L, B, H) to begin from; copied.
    """

    def __init__(self, plan: Plan, state: State) -> None:
        self.plan = plan
        number, batch, hidden = state[0].shape
        self._table = np.empty((len(plan.table), batch), np.float32)
        self._logits = np.empty((len(plan.head), batch), np.float32)
        self._layers = []
        for k, weights in enumerate(plan.layers):
            memory = state[1][k] if plan.cell == "lstm" else None
            self._layers.append(_LAYERS[plan.cell](weights, state[0][k], memory))
        self._top = np.ones((hidden + 1, batch), np.float32)  # [output; 1]
        below = [layer.x for layer in self._layers[1:]]
        self._outputs = [*below, self._top[:-1]]  # where each layer's output goes
        assert number == len(plan.layers)

    def step(self, ids: Ids) -> Floats:
        """Read one token of each sequence.

        Args:
            ids: (B,).

        Returns:
            logits: (B, V), of the next token; overwritten by the next step.
        """
        gx = self.plan.table.take(ids, 1, self._table, "clip")  # (G·H, B)
        x = self.plan.embedding[:, ids] if self._layers[0].skip else gx
        for layer, output in zip(self._layers, self._outputs, strict=True):
            h = layer.step(gx)
            if layer.skip:
                np.add(x, h, out=output)
            else:
                output[...] = h
            x = output
        return np.dot(self.plan.head, self._top, out=self._logits).T

    @property
    def state(self) -> State:
        """A copy of the state now: arrays (L, B, H)."""
        parts = [layer.state for layer in self._layers]
        return tuple(np.stack(part) for part in zip(*parts, strict=True))


class _Row:
    """One layer of B sequences: its state and its buffers; [x; h; 1] in one piece of memory."""

    def __init__(self, weights: Prepared, h: Floats, memory: Floats | None) -> None:
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
        """Make what else the cell needs."""

    def step(self, gx: Floats) -> Floats:
        """Read the input in `x`, or for a first layer the product `gx`; gives h (H, B)."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        return (self.h.T.copy(),)


class _SimpleRNN(_Row):
    def step(self, gx: Floats) -> Floats:
        gates = np.dot(self.w, self.input, out=self.gates)
        if self.first:
            gates += gx
        return np.tanh(gates, out=self.h)


class _LSTM(_Row):
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


class _GRU(_Row):
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


_LAYERS: dict[CellName, type[_Row]] = {"rnn": _SimpleRNN, "lstm": _LSTM, "gru": _GRU}
