"""The arrays that rooms hand to each other: their types, and what several rooms make of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "Ids",
    "Logits",
    "Places",
    "Reals",
    "Surprisals",
    "Weights",
    "code_points",
    "in_bytes",
    "log_softmax",
    "mean_log_probs",
    "mean_logits",
    "product",
    "softmax",
    "target_log_probs",
    "underflowing",
    "unflagged",
]

Ids = NDArray[np.int32]  # token ids, (N,) or (B, T)
Floats = NDArray[np.float32]  # weights, states, logits of a model
Logits = NDArray[np.floating]  # (..., V), unnormalised natural-log probabilities
Surprisals = NDArray[np.float32]  # (N,), nats: -log p of each token
Reals = NDArray[np.float64]  # counts, means and probabilities, which fp32 would round too much
Places = NDArray[np.intp]  # (N,), where something stands in another array
Number = TypeVar("Number", bound=np.floating)
Weights = dict[str, NDArray[np.float32]]  # by name; see `cells.layout`

BLOCK = 1 << 15  # numbers that are computed with at a time, so that they stay in the cache


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, lone surrogates among them: (N,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def underflowing() -> AbstractContextManager[object]:
    """Let numbers near 0 become 0, also in a program that has told NumPy to raise errors then."""
    return np.errstate(under="ignore")


def unflagged() -> AbstractContextManager[object]:
    """As `underflowing`, for products of matrices: OpenBLAS may flag right ones as invalid.

    With AVX-512, version 0.3.31 reads beyond a row of five numbers; if what stands there, by
    chance, is a signalling NaN, the processor notes it, though it has no part in the product.
    """
    return np.errstate(under="ignore", invalid="ignore")


def product(x: Floats, weights: Floats) -> Floats:
    """`x @ weights`, without the false alarms that `unflagged` is about."""
    with unflagged():
        found: Floats = x @ weights
    return found


def softmax(logits: Logits) -> Logits:
    """The probabilities of `logits`, along the last axis."""
    with underflowing():
        exp: Logits = np.exp(logits - logits.max(-1, keepdims=True))
        exp /= exp.sum(-1, keepdims=True)
    return exp


def mean_log_probs(logits: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """The logarithm of the mean of the probabilities that several logits (..., V) stand for."""
    each = [log_softmax(one) for one in logits]
    with underflowing():
        mean: NDArray[Number] = np.logaddexp.reduce(each) - np.float32(np.log(len(each)))
    return mean


def mean_logits(logits: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """The logits (..., V) of that mean, on the mean level (log-sum-exp) of several logits.

    So a model beside itself gives its own logits, on whose level a repetition penalty depends.
    """
    with underflowing():
        levels = [np.logaddexp.reduce(one, -1, keepdims=True) for one in logits]
        found: NDArray[Number] = mean_log_probs(logits) + np.mean(levels, 0)
    return found


def log_softmax(logits: Logits) -> Logits:
    """The natural logarithms of the probabilities, along the last axis."""
    shifted: Logits = logits - logits.max(-1, keepdims=True)
    with underflowing():
        shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


def target_log_probs(logits: Logits, targets: NDArray[np.integer]) -> NDArray[np.floating]:
    """The log-probabilities (...) that logits (..., V) give to targets (...)."""
    places = targets[..., None].astype(np.intp)
    chosen: NDArray[np.floating] = np.take_along_axis(log_softmax(logits), places, -1)[..., 0]
    return chosen


def in_bytes(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """A matrix (N, K) rounded to bytes from -127 to 127, and the scale (N,) of each row."""
    scale = np.maximum(matrix.max(1), -matrix.min(1)) / np.float32(127)
    scale[scale == 0] = 1
    rounded = np.empty(matrix.shape, np.int8)
    rows = max(1, BLOCK // matrix.shape[1])
    for first in range(0, len(matrix), rows):
        some = slice(first, first + rows)
        quotients = matrix[some] / scale[some, None]
        rounded[some] = np.rint(quotients, out=quotients)
    return rounded, scale
