"""Series as windows: which are trained on, and how much is kept for validation.

lengths, Forecast ──held_back──▶ (S,) ──places_of──▶ Place, Place, …
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.task_config import Forecast

__all__ = ["Place", "held_back", "places_of", "seasons_of"]

MAX_SEASONS = 14  # that are read
# Where there is no season, values: of series with fewer in all, at most so many, or two horizons.
MAX_VALUES = ((1_000, 32), (math.inf, 64))
SHARE = 0.1  # of the values, in series that may be too short for a whole window


class Place(NamedTuple):
    """A window: of which series, its first value, and the first value after it."""

    series: int
    first: int
    end: int


def places_of(lengths: Sequence[int], held: Sequence[int], task: Forecast) -> list[Place]:
    """All windows whose horizon ends before what is held back.

    A series that is too short for a whole window gives windows of fewer seasons.
    """
    found = []
    for number, (length, out) in enumerate(zip(lengths, held, strict=True)):
        seasons = (length - out - task.horizon) // task.season
        width = min(task.window, seasons * task.season)
        if width > 0:
            ends = range(width, length - out - task.horizon + 1)
            found += [Place(number, end - width, end) for end in ends]
    return found


def held_back(lengths: Sequence[int], val_frac: float, task: Forecast) -> list[int]:
    """How many values at the end of each series are for validation: whole horizons.

    None of a series that would have too few for a window then.
    """
    found = []
    for length in lengths:
        possible = (length - task.horizon - task.season) // task.horizon
        wanted = max(1, round(length * val_frac / task.horizon))
        found.append(task.horizon * max(0, min(wanted, possible)))
    return found


def seasons_of(lengths: Sequence[int], horizon: int, season: int) -> int:
    """How many seasons to read: two, or up to half of what is left beside two horizons.

    Of a length that is typical for the values: short series among long ones hold few. Those that
    are too short to be validated count only where all are.
    """
    long = [length for length in lengths if length >= 2 * horizon + season]
    ordered = np.sort(long or lengths)
    whole = np.cumsum(ordered)
    typical = int(ordered[np.searchsorted(whole, SHARE * whole[-1])])
    there = (typical - 2 * horizon) // season
    limit = MAX_SEASONS
    if season == 1:
        most = next(values for few, values in MAX_VALUES if whole[-1] < few)
        limit = max(most, 2 * horizon)
    return max(1, min(there, max(2, there // 2), limit))
