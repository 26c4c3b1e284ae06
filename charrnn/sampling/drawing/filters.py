"""Filters: pure functions on logits, with Hugging Face's names and meanings.

Each takes logits (..., V), unnormalised natural-log probabilities of the next id, and returns them
changed; what it forbids is at minus infinity. None leaves a row without a possible id.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Logits, log_softmax, softmax, underflowing

# Beyond it, a penalty forbids or commands; logits times more would be infinite.
MAX_PENALTY = 1e30

__all__ = [
    "min_p",
    "only",
    "repetition_penalty",
    "top_k",
    "top_p",
    "typical_p",
]


def repetition_penalty(logits: Logits, recent: NDArray[np.integer], penalty: float) -> Logits:
    """Make ids that have just been read less likely: divide positive logits, multiply negative.

    Keskar et al., "CTRL: a conditional transformer language model", 2019.

    Args:
        logits: (..., V).
        recent: (..., W), the ids in the window; each counts once.
        penalty: above 1 to avoid them, below 1 to seek them.
    """
    found = np.take_along_axis(logits, recent, -1)
    penalty = min(max(penalty, 1 / MAX_PENALTY), MAX_PENALTY)
    with np.errstate(over="ignore"):
        penalised = np.where(found < 0, found * penalty, found / penalty)
    limit = np.finfo(logits.dtype).max  # which leaves the order of all others as it is
    changed = logits.copy()
    np.put_along_axis(changed, recent, penalised.clip(-limit, limit), -1)
    return changed


def only(logits: Logits, allowed: NDArray[np.bool_] | None) -> Logits:
    """Keep the ids where `allowed` (V,) is true; all for None."""
    return logits if allowed is None else np.where(allowed, logits, -np.inf)


def top_k(logits: Logits, k: int) -> Logits:
    """Keep the k likeliest, and what ties with the last of them."""
    if k >= logits.shape[-1]:
        return logits
    smallest = np.partition(logits, -k, -1)[..., -k, None]
    return np.where(logits < smallest, -np.inf, logits)


def top_p(logits: Logits, p: float) -> Logits:
    """Keep the smallest set of the likeliest that has probability p.

    Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    if p >= 1:
        return logits
    order = np.argsort(logits, -1, kind="stable")  # unlikeliest first
    tail = np.cumsum(np.take_along_axis(softmax(logits), order, -1), -1)  # up to and with each
    keep = tail > 1 - p
    keep[..., -1] = True
    allowed = np.empty_like(keep)
    np.put_along_axis(allowed, order, keep, -1)
    return np.where(allowed, logits, -np.inf)


def min_p(logits: Logits, p: float) -> Logits:
    """Keep what is at least p times as likely as the likeliest.

    Nguyen et al., "Turning up the heat: min-p sampling", 2024.
    """
    if p <= 0:
        return logits
    return np.where(logits < logits.max(-1, keepdims=True) + np.log(p), -np.inf, logits)


def typical_p(logits: Logits, p: float) -> Logits:
    """Keep the smallest set of probability p whose surprisal is closest to the expected one.

    Meister et al., "Locally typical sampling", 2023.
    """
    if p >= 1:
        return logits
    log_p = log_softmax(logits)
    with underflowing():
        chances = np.exp(log_p)
    surprisal = -np.where(chances > 0, log_p, 0.0)
    entropy = (chances * surprisal).sum(-1, keepdims=True)
    distance = np.where(chances > 0, np.abs(surprisal - entropy), np.inf)
    order = np.argsort(distance, -1, kind="stable")  # most typical first
    reached = np.cumsum(np.take_along_axis(chances, order, -1), -1)
    last = (reached < p).sum(-1, keepdims=True).clip(max=logits.shape[-1] - 1)
    limit = np.take_along_axis(np.take_along_axis(distance, order, -1), last, -1)
    return np.where(distance > limit, -np.inf, logits)
