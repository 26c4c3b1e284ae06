"""The cells' rules once more, for training: forward, with the values to keep, and backward.

    kept, after = rule.forward(xs, hs, before)               # elementwise
    dxs, dhs, d_before = rule.backward(kept, before, after, d_after)

`xs` and `hs` are the G gates' parts of the input and of the recurrent product, each (..., H);
`before` and `after` are states. The rules are sums, products, `tanh` and `sigmoid` of whatever they
are given: PyTorch tensors in `network.stack.loops`, vectors of machine code in
`native.training_code` and `native.writing`, terms of C in `network.stack.gpu.source`. Tests
hold the forward rules equal to those of `rules`, and the backward rules to their derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from charrnn.cells.rules import Array, State, sigmoid, tanh

__all__ = ["RULES", "Rule"]

Gates = Sequence[Array]
Kept = tuple[Array, ...]
Slopes = tuple[Array, ...]  # by a state; None for a part that acts through the product alone


class Rule(NamedTuple):
    """How a cell is trained.

    Attributes:
        kept: how many values `forward` keeps for `backward`.
        memory: whether the last part of the state also acts past the recurrent product: then it
            is kept in fp32, since many small changes add up in it.
        split: whether the derivatives with respect to xs and to hs differ.
        forward: (xs, hs, state before) to (kept values, state after).
        backward: (kept values, state before, state after, d state after) to the
            derivatives with respect to xs, to hs, and to the state before, as far as it acts past
            the recurrent product.
    """

    kept: int
    memory: bool
    split: bool
    forward: Callable[[Gates, Gates, State], tuple[Kept, State]]
    backward: Callable[[Kept, State, State, State], tuple[Gates, Gates, Slopes]]


def rnn_forward(xs: Gates, hs: Gates, _before: State) -> tuple[Kept, State]:
    """See `rules.simple_rnn`."""
    return (), (tanh(xs[0] + hs[0]),)


def rnn_backward(
    _kept: Kept, _before: State, after: State, d_after: State
) -> tuple[Gates, Gates, Slopes]:
    """The derivatives of `rnn_forward`."""
    (h,), (dh,) = after, d_after
    d = [dh * (1 - h * h)]
    return d, d, (None,)


def lstm_forward(xs: Gates, hs: Gates, before: State) -> tuple[Kept, State]:
    """See `rules.lstm`."""
    i, f, g, o = (x + h for x, h in zip(xs, hs, strict=True))
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * before[1] + i * g
    return (i, f, g, o), (o * tanh(c), c)


def lstm_backward(
    kept: Kept, before: State, after: State, d_after: State
) -> tuple[Gates, Gates, Slopes]:
    """The derivatives of `lstm_forward`."""
    i, f, g, o = kept
    dh, dc = d_after
    tanh_c = tanh(after[1])
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    d = [
        dc * g * i * (1 - i),
        dc * before[1] * f * (1 - f),
        dc * i * (1 - g * g),
        dh * tanh_c * o * (1 - o),
    ]
    return d, d, (None, dc * f)


def gru_forward(xs: Gates, hs: Gates, before: State) -> tuple[Kept, State]:
    """See `rules.gru`."""
    (xr, xz, xn), (hr, hz, hn), (h,) = xs, hs, before
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    return (r, z, n, hn), (n + z * (h - n),)


def gru_backward(
    kept: Kept, before: State, _after: State, d_after: State
) -> tuple[Gates, Gates, Slopes]:
    """The derivatives of `gru_forward`."""
    (r, z, n, hn), (h,), (dh,) = kept, before, d_after
    dn = dh * (1 - z) * (1 - n * n)
    dr = dn * hn * r * (1 - r)
    dz = dh * (h - n) * z * (1 - z)
    return [dr, dz, dn], [dr, dz, dn * r], (dh * z,)


RULES = {
    "rnn": Rule(0, False, False, rnn_forward, rnn_backward),
    "lstm": Rule(4, True, False, lstm_forward, lstm_backward),
    "gru": Rule(4, True, True, gru_forward, gru_backward),
}
