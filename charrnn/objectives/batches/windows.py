"""Series as windows: which are trained on, and how much is kept for validation.

lengths, Forecast ──held_back──▶ (S,) ──Places──▶ Place, Place, … ──some_of──▶ [Place, …], …
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, overload

import numpy as np

from charrnn.task_config import Forecast

__all__ = ["Place", "Places", "count_of", "held_back", "seasons_of", "some_of"]

MAX_SEASONS = 14  # that are read
# Where there is no season, values: of series with fewer in all, at most so many, or two horizons.
MAX_VALUES = ((1_000, 32), (math.inf, 64))
SHARE = 0.1  # of the values, in series that may be too short for a whole window
MEASURED = 2_000  # windows tell what those of all series are like


class Place(NamedTuple):
    """A window: of which series, its first value, and the first value after it."""

    series: int
    first: int
    end: int

    @property
    def width(self) -> int:
        """How long it is."""
        return self.end - self.first


class Places(Sequence[Place]):
    """All windows whose horizon ends before what is held back, each made when it is asked for.

    A series that is too short for a whole window gives windows of fewer seasons.

    Args:
        lengths: of the series.
        held: how many values at the end of each are held back.
        task: what is to be predicted.

    Attributes:
        widths: (N,), how long each window is.
    """

    def __init__(self, lengths: Sequence[int], held: Sequence[int], task: Forecast) -> None:
        self._windows = list(_windows(lengths, held, task))
        counts = np.array([len(ends) for _, ends in self._windows], np.int64)
        self._counted = counts.cumsum()  # windows up to the end of each series
        self.widths = np.repeat(np.array([width for width, _ in self._windows], np.int64), counts)

    def __len__(self) -> int:
        return len(self.widths)

    @overload
    def __getitem__(self, number: int) -> Place: ...
    @overload
    def __getitem__(self, number: slice) -> list[Place]: ...
    def __getitem__(self, number: int | slice) -> Place | list[Place]:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        series = int(self._counted.searchsorted(number, "right"))
        width, ends = self._windows[series]
        end = ends[number - int(self._counted[series])]  # counted from the last one
        return Place(series, end - width, end)


def count_of(lengths: Sequence[int], held: Sequence[int], task: Forecast) -> int:
    """How many windows `Places` has."""
    return sum(len(ends) for _, ends in _windows(lengths, held, task))


def _windows(
    lengths: Sequence[int], held: Sequence[int], task: Forecast
) -> Iterator[tuple[int, range]]:
    """How long the windows of each series are, and where they end."""
    for length, out in zip(lengths, held, strict=True):
        last = length - out - task.horizon
        width = min(task.window, last // task.season * task.season)
        yield width, range(width, last + 1) if width > 0 else range(0)


def some_of(places: Sequence[Place]) -> list[list[Place]]:
    """Some windows, to measure what all are like: those of one width together."""
    # At random: every so many would be the same few dates of all series.
    few = np.random.default_rng(0).permutation(len(places))[:MEASURED]
    found = sorted((places[number] for number in few), key=attrgetter("width"))
    return [list(same) for _, same in groupby(found, attrgetter("width"))]


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
