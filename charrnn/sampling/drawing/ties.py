"""Draws so close to a tie that rounding decides them.

A matrix product of several rows rounds otherwise than that of one row alone. So a text that is
drawn beside others may get another character than alone, where two ids are as good as tied. Such
rows are found here; `generation` draws their texts again, alone. That is enough while a
network does not amplify rounding from step to step.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Logits
from charrnn.sampling.drawing.distribution import filters_by_probability, pick, unnormalised
from charrnn.use_config import SampleConfig

__all__ = ["near_ties"]

SMALLEST = math.ulp(0.0)  # above 0
ROUNDING = 2e-5  # how far rounding may move a logit: twice the most that was measured


def near_ties(
    ids: Ids,
    logits: Logits,
    config: SampleConfig,
    temperature: float,
    uniforms: NDArray[np.float64],
    cumulative: Logits,
) -> NDArray[np.intp]:
    """The rows in which logits that are rounded otherwise could give another id.

    Args:
        ids: (B,), as drawn.
        logits: (B, V), from which they were drawn.
        config: how they were drawn.
        temperature: the one that was used.
        uniforms: (B,), the random numbers.
        cumulative: (B, V), see `pick`.
    """
    unsure = np.zeros(len(ids), bool)
    for by in (ROUNDING, -ROUNDING):
        # What moves smoothly with the logits is covered by moving the number. Filters are not
        # smooth: they are applied again, with neighbours in rank moved towards each other or apart.
        if temperature == 0 or filters_by_probability(config):
            filters = _moved(config.top_k, config.top_p, config.min_p, config.typical_p, by)
            rank = logits.argsort(-1).argsort(-1)
            moved = logits + by * (1 - 2 * (rank % 2))
            cumulative = unnormalised(moved, filters, temperature).cumsum(-1)
        change = 2 * by / min(max(temperature, 1e-3), 1.0) * uniforms * (1 - uniforms)
        unsure |= pick(cumulative, uniforms + change) != ids
    return np.flatnonzero(unsure)


@lru_cache(maxsize=64)  # the bounds of all settings are checked each time one is made
def _moved(
    top_k: int | None, top_p: float, min_p: float, typical_p: float, by: float
) -> SampleConfig:
    """The filters with their thresholds moved by about `by`."""
    return SampleConfig(
        top_k=top_k,
        top_p=min(1.0, max(top_p + by, 0.5 * top_p, SMALLEST)),
        min_p=min(1.0, min_p * (1 + by)),
        typical_p=min(1.0, max(typical_p + by, 0.5 * typical_p, SMALLEST)),
    )
