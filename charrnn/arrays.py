"""The types of the arrays that rooms hand to each other, and the softmax and its logarithm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "Ids",
    "Logits",
    "Surprisals",
    "Weights",
    "log_softmax",
    "softmax",
    "target_log_probs",
]

Ids = NDArray[np.int32]  # token ids, (N,) or (B, T)
Floats = NDArray[np.float32]  # weights, states, logits of a model
Logits = NDArray[np.floating]  # (..., V), unnormalised natural-log probabilities
Surprisals = NDArray[np.float32]  # (N,), nats: -log p of each token
Weights = dict[str, NDArray[np.float32]]  # by name; see `cells.layout`


def softmax(logits: Logits) -> Logits:
    """The probabilities of `logits`, along the last axis."""
    exp: Logits = np.exp(logits - logits.max(-1, keepdims=True))
    exp /= exp.sum(-1, keepdims=True)
    return exp


def log_softmax(logits: Logits) -> Logits:
    """The natural logarithms of the probabilities, along the last axis."""
    shifted: Logits = logits - logits.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


def target_log_probs(logits: Logits, targets: NDArray[np.integer]) -> NDArray[np.floating]:
    """The log-probabilities (...) that logits (..., V) give to targets (...)."""
    places = targets[..., None].astype(np.intp)
    chosen: NDArray[np.floating] = np.take_along_axis(log_softmax(logits), places, -1)[..., 0]
    return chosen
