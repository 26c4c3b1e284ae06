"""The recurrent cells: each is two matrix products and the pointwise rule written here.

    gx = x Wᵢᵀ + bᵢ                                # (..., G·H)
    gh = h Wₕᵀ + bₕ                                # (..., G·H)
    output, state = cell.combine(gx, gh, state)    # (..., H)

The rules work on NumPy arrays and on PyTorch tensors alike. They run when a model is used, the
training paths are tested against them, and they are the place to learn what a cell is. The caller
does the products. Gate order and the GRU's variant are PyTorch's, so weights can be exchanged with
`torch.nn`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from charrnn.config import CellName

__all__ = ["CELLS", "Array", "Cell", "State"]

Array = Any  # a NumPy array or a PyTorch tensor
State = tuple[Array, ...]  # (h,), or (h, c) for an LSTM


class Cell(NamedTuple):
    """A kind of cell.

    Attributes:
        name: as in `ModelConfig.cell`.
        gates: G, how many blocks of H rows its weight matrices have.
        state: the names of the arrays that make up its state; the first is the output.
        combine: (gx, gh, state) to (output, new state).
    """

    name: CellName
    gates: int
    state: tuple[str, ...]
    combine: Callable[[Array, Array, State], tuple[Array, State]]


def simple_rnn(gx: Array, gh: Array, _state: State) -> tuple[Array, State]:
    """The new state is tanh(gx + gh).  Elman, "Finding structure in time", 1990."""
    h = tanh(gx + gh)
    return h, (h,)


def lstm(gx: Array, gh: Array, state: State) -> tuple[Array, State]:
    """A memory c, written and read through gates; their order is input, forget, cell, output.

    Hochreiter and Schmidhuber, "Long short-term memory", 1997; the forget gate is from
    Gers, Schmidhuber and Cummins, "Learning to forget", 2000.
    """
    _, c = state
    i, f, g, o = gates(gx + gh, 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, (h, c)


def gru(gx: Array, gh: Array, state: State) -> tuple[Array, State]:
    """The old state and a new one, mixed by gates; their order is reset, update, new.

    Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; the reset gate
    acts after the product, as in cuDNN and PyTorch.
    """
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = gates(gx, 3), gates(gh, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    h = n + z * (h - n)
    return h, (h,)


CELLS = {
    cell.name: cell
    for cell in (
        Cell("rnn", 1, ("h",), simple_rnn),
        Cell("lstm", 4, ("h", "c"), lstm),
        Cell("gru", 3, ("h",), gru),
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
