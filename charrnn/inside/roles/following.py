"""How closely the units of a model follow features of a text.

    found = follow(model, ids, values)    # ids (N,), values (N, F) → correlations (U, F)

A long text is read piece by piece: what is kept are sums, a sample, and where units are strongest.
U counts the units of all layers, those of the first layer first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Places, Reals
from charrnn.inside.lanes import activity
from charrnn.models.model import Model

__all__ = ["Following", "by_chance", "follow", "likely_higher"]

SAMPLE, NUMBERS = 1 << 16, 1 << 25  # tokens that are kept, at most, and values of units there
RARE = 50  # of these, so many must differ from the commonest value of a feature that is looked at
SHIFTS = 100  # how often chance has its try
STEP = 32  # tokens in a row, of which the strongest is noted


class Following(NamedTuple):
    """What units do while they read a text.

    Attributes:
        correlations: (U, F); 0 for features that are constant or too rare, and for dead units.
        means: (U,), of the units' h.
        at: (S,), places of the text, evenly spaced.
        sample: (S, U), the units there.
        peaks: (P, U), the strongest of some tokens in a row, as `signs` has it.
        peaks_at: (P, U), where these are.
    """

    correlations: Reals
    means: Reals
    at: Places
    sample: Floats
    peaks: Floats
    peaks_at: Places


def follow(
    model: Model,
    ids: Ids,
    values: Floats,
    signs: NDArray[np.integer] | None = None,
    lead: int = 0,
    progress: Callable[[int], object] = lambda _tokens: None,
) -> Following:
    """Read a text, and compare the units' h with features of it.

    Args:
        model: what reads.
        ids: (lead + N,), the text.
        values: (N, F), the features.
        signs: (U,), 1 or -1: whether a unit is strong where it is high or where it is low.
        lead: how many tokens at the beginning are read, but not looked at.
        progress: called with how many tokens were read since the last call.
    """
    places = [f"layers.{k}.hook_h" for k in range(model.config.num_layers)]
    number = len(places) * model.config.hidden_size  # U
    upwards = np.ones(number, np.float32) if signs is None else signs.astype(np.float32)
    count = len(values)
    at = np.linspace(0, count - 1, min(SAMPLE, NUMBERS // number, count)).astype(np.intp)  # (S,)
    slots = np.full(count, -1, np.intp)
    slots[at] = np.arange(len(at))
    sample = np.empty((len(at), number), np.float32)
    features = _standardized(values, at)
    sums = _Sums(number, values.shape[1])
    peaks, peaks_at = [], []
    for block in activity(model, ids, places):
        own = block.at >= lead
        if not own.any():
            continue
        here = block.at[own] - lead  # (n,)
        h = np.concatenate([block.values[place][own] for place in places], 1)  # (n, U)
        sums.add(h, features[here])
        kept = slots[here]
        sample[kept[kept >= 0]] = h[kept >= 0]
        value, place = _peaks(h * upwards, here)
        peaks.append(value)
        peaks_at.append(place)
        progress(len(block.at))
    means, correlations = sums.over(count)
    return Following(
        correlations, means, at, sample, np.concatenate(peaks), np.concatenate(peaks_at)
    )


class _Sums:
    """What is kept of units and features, piece by piece, for their correlations."""

    def __init__(self, units: int, features: int) -> None:
        self.of_units, self.of_squares = np.zeros(units), np.zeros(units)
        self.of_products = np.zeros((units, features))

    def add(self, h: Floats, features: Floats) -> None:
        """Add units (n, U) and standardized features (n, F) at the same tokens."""
        self.of_units += h.sum(0, dtype=np.float64)
        self.of_squares += np.square(h).sum(0, dtype=np.float64)
        self.of_products += h.T @ features

    def over(self, count: int) -> tuple[Reals, Reals]:
        """The units' means (U,), and the correlations (U, F), over so many tokens."""
        means = self.of_units / count
        spread = np.sqrt(np.maximum(self.of_squares / count - means**2, 0))
        # A unit that hardly moves has no direction: its differences are those of rounding.
        scale = np.where(spread > 1e-5, 1 / np.maximum(spread, 1e-5), 0) / count
        return means, (self.of_products * scale[:, None]).clip(-1, 1)  # rounding may lead past 1


def _standardized(values: Floats, at: Places) -> Floats:
    """Features (N, F) with mean 0 and variance 1; those that are constant or rare are all 0."""
    spread, mean = values.std(0, dtype=np.float64), values.mean(0, dtype=np.float64)
    sample = values[at]
    for column in range(values.shape[1]):
        _, counts = np.unique(sample[:, column], return_counts=True)
        if len(sample) - counts.max() < RARE:  # the feature's usual value is the commonest
            spread[column] = 0
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
    found: Floats = ((values - mean) * scale).astype(np.float32)
    return found


def _peaks(h: Floats, at: Places) -> tuple[Floats, Places]:
    """The largest value of each unit among `STEP` rows and the next, and where: (P, U) each."""
    groups = -(-len(h) // STEP)
    padded = np.full((groups * STEP, h.shape[1]), -np.inf, np.float32)
    padded[: len(h)] = h
    rows = padded.reshape(groups, STEP, -1).argmax(1) + np.arange(groups)[:, None] * STEP  # (P, U)
    return np.take_along_axis(h, rows, 0), at[rows]


def by_chance(found: Following, values: Floats) -> Reals:
    """The largest correlation of any unit with each feature that the text leaves to chance: (F,).

    The feature is shifted against the text, around its end, so that it keeps its own rhythm: slow
    features and slow units correlate by chance far more than independent numbers would.
    """
    features, count = _standardized(values, found.at), len(values)
    mean, spread = found.sample.mean(0), found.sample.std(0)
    h = (found.sample - mean) / np.where(spread > 1e-5, spread, np.inf)  # (S, U)
    shifts = np.random.default_rng(0).integers(count // 10, count - count // 10, SHIFTS)
    best = np.zeros(values.shape[1])
    for shift in shifts:
        shifted = features[(found.at + shift) % count]  # (S, F)
        best = np.maximum(best, np.abs(h.T @ shifted).max(0) / len(h))
    return best.clip(max=1)


def likely_higher(values: Floats, on: NDArray[np.bool_]) -> float:
    """How likely a value (S,) where it is on is above one where it is off: the AUC."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]  # from 1; equal values share theirs
    yes, no = int(on.sum()), int((~on).sum())
    return float((ranks[on].sum() - yes * (yes + 1) / 2) / (yes * no))
