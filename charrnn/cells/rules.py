"""The recurrent cells: each is two matrix products and the pointwise rule written here.

    gx = x Wᵢᵀ + bᵢ                                # (..., G·H)
    gh = h Wₕᵀ + bₕ                                # (..., G·H)
    output, state = cell.combine(gx, gh, state)    # (..., H)

Each quantity of the equations goes through `see` under its name. To look inside a network, give a
`see` that notes the values, or puts others in their place.

The rules work on NumPy arrays and on PyTorch tensors alike. They run when a model is used, the
training paths are tested against them, and they are the place to learn what a cell is. The caller
does the products. Gate order and the GRU's variant are PyTorch's, so weights can be exchanged with
`torch.nn`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from charrnn.config import CellName

__all__ = ["CELLS", "Array", "Cell", "See", "State", "unseen"]

Array = Any  # a NumPy array or a PyTorch tensor
State = tuple[Array, ...]  # (h,), or (h, c) for an LSTM
See = Callable[[str, Array], Array]  # (name of a quantity, value) to the value to go on with


class Combine(Protocol):
    """The rule of a cell."""

    def __call__(
        self, gx: Array, gh: Array, state: State, see: See = ..., /
    ) -> tuple[Array, State]:
        """The output and the new state."""


class Cell(NamedTuple):
    """A kind of cell.

    Attributes:
        name: as in `ModelConfig.cell`.
        gates: G, how many blocks of H rows its weight matrices have.
        state: the names of the arrays that make up its state; the first is the output.
        quantities: the names under which its rule shows what it computes, in that order.
        combine: (gx, gh, state) to (output, new state).
    """

    name: CellName
    gates: int
    state: tuple[str, ...]
    quantities: tuple[str, ...]
    combine: Combine


def unseen(_name: str, value: Array) -> Array:
    """The `See` of work that nobody looks into."""
    return value


def simple_rnn(gx: Array, gh: Array, _state: State, see: See = unseen) -> tuple[Array, State]:
    """The new state is tanh(gx + gh).  Elman, "Finding structure in time", 1990."""
    h = see("h", tanh(gx + gh))
    return h, (h,)


def lstm(gx: Array, gh: Array, state: State, see: See = unseen) -> tuple[Array, State]:
    """A memory c, written and read through gates; their order is input, forget, cell, output.

    Hochreiter and Schmidhuber, "Long short-term memory", 1997; the forget gate is from
    Gers, Schmidhuber and Cummins, "Learning to forget", 2000.
    """
    _, c = state
    i, f, g, o = gates(gx + gh, 4)
    i, f = see("i", sigmoid(i)), see("f", sigmoid(f))
    g, o = see("g", tanh(g)), see("o", sigmoid(o))
    c = see("c", f * c + i * g)
    h = see("h", o * tanh(c))
    return h, (h, c)


def gru(gx: Array, gh: Array, state: State, see: See = unseen) -> tuple[Array, State]:
    """The old state and a new one, mixed by gates; their order is reset, update, new.

    Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; the reset gate
    acts after the product, as in cuDNN and PyTorch.
    """
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = gates(gx, 3), gates(gh, 3)
    r, z = see("r", sigmoid(xr + hr)), see("z", sigmoid(xz + hz))
    n = see("n", tanh(xn + r * hn))
    h = see("h", n + z * (h - n))
    return h, (h,)


CELLS = {
    cell.name: cell
    for cell in (
        Cell("rnn", 1, ("h",), ("h",), simple_rnn),
        Cell("lstm", 4, ("h", "c"), ("i", "f", "g", "o", "c", "h"), lstm),
        Cell("gru", 3, ("h",), ("r", "z", "n", "h"), gru),
    )
}


def tanh(x: Array) -> Array:
    """The hyperbolic tangent of an array or tensor."""
    return np.tanh(x) if isinstance(x, np.ndarray) else x.tanh()


def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + exp(-x)), in a form that can't overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5 if isinstance(x, np.ndarray) else x.sigmoid()


def gates(x: Array, count: int) -> list[Array]:
    """`x` (..., G·H) as G blocks (..., H)."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]
