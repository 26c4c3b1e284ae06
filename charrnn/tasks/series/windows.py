"""The last values of a series as a forecaster reads them, and its outputs as values again.

    window = Windows.of(values, task, spreads)               # (B, N, 1+F), (B,)
    window.inputs                                            # (B, T, I): a season at each step
    window.values(outputs)                                   # (B, horizon, Q) → (B, horizon, Q)

A step reads a whole season, as differences from the last one, so that a long window takes few
steps. Outputs are differences from a smoothed season, going on with the mean change of a season in
the window or without it, as the task has it. All are in units of the window's own variation, so
that what is learnt of one series holds at any level and in any unit; where nothing varies, in those
of the whole series. Without a season, a step reads one value.

A network beside exponential smoothing: Smyl, "A hybrid method of exponential smoothing and
recurrent neural networks for time series forecasting", 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats
from charrnn.task_config import Forecast

__all__ = ["MIDDLE", "ROUNDING", "Values", "Windows", "spread_of"]

Values = NDArray[np.float64]

MIDDLE = 1  # which of the Q quantiles is the forecast
TENFOLD = 10.0  # windows whose values differ by more are read in logarithms
TINY = 1e-9  # of the size of the values: a window that varies by less counts as one value
ROUNDING = 1e-12  # of their size: a series that varies by less is one value


class Windows(NamedTuple):
    """Windows of series, side by side.

    Attributes:
        inputs: (B, T, I), how far each season is from the last one.
        base: (B, horizon), what the outputs are differences from.
        scale: (B, 1), what they are multiples of; 0 where all of the series is one value, which is
            then the forecast, whatever the outputs are.
        logarithmic: (B, 1), whether logarithms of the values are read.
        floor: (B, 1), the smallest value that is told apart then.
    """

    inputs: Floats
    base: Values
    scale: Values
    logarithmic: NDArray[np.bool_]
    floor: Values

    @classmethod
    def of(cls, values: Values, task: Forecast, spreads: Values) -> Windows:
        """Windows of as many values each.

        Args:
            values: (B, N, 1+F), the series and its features; N is a multiple of the season.
            task: what is to be predicted.
            spreads: (B,), of each window's whole series, for one in which nothing varies.
        """
        season = task.season
        assert values.shape[1] % season == 0, "a window is made of whole seasons"
        own = values[..., 0]  # (B, N)
        lowest, highest = own.min(1, keepdims=True), own.max(1, keepdims=True)
        logarithmic = (lowest > 0) & (highest > TENFOLD * lowest)
        floor = np.where(logarithmic, lowest / TENFOLD, 1.0)
        seasons = _read(own, logarithmic, floor).reshape(len(own), -1, season)  # (B, T, season)
        scale = _units(seasons, spreads[:, None])
        read = [_multiples(seasons - seasons[:, -1:], scale[..., None])]
        for k in range(1, values.shape[-1]):
            feature = values[..., k].reshape(seasons.shape)
            units = _units(feature, np.ones((len(own), 1)))
            read.append(_multiples(feature - feature[:, -1:], units[..., None]))
        inputs = np.concatenate(read, -1).astype(np.float32)
        return cls(inputs, _going_on(seasons, task), scale, logarithmic, floor)

    def values(self, outputs: NDArray[np.floating]) -> Values:
        """The values (B, horizon, Q) that outputs of the same shape stand for."""
        return self.values_of(self.read(outputs))

    def read(self, outputs: NDArray[np.floating]) -> Values:
        """Those values, or their logarithms where these are read: (B, horizon, Q)."""
        return self.base[..., None] + self.scale[..., None] * outputs.astype(np.float64)

    def values_of(self, read: Values) -> Values:
        """The values (B, horizon, Q) of what `read` gives."""
        logarithmic = self.logarithmic[..., None]
        # What the exponential can't hold is no forecast.
        exp = np.exp(np.clip(np.where(logarithmic, read, 0.0), -700, 700))
        return np.where(logarithmic, exp, read)

    def outputs(self, values: Values) -> Floats:
        """The outputs (B, horizon) that would stand for these values (B, horizon).

        0 where no outputs make a difference.
        """
        found = _read(values, self.logarithmic, self.floor) - self.base
        return _multiples(found, self.scale).astype(np.float32)


def _going_on(seasons: Values, task: Forecast) -> Values:
    """How seasons (B, T, season) go on, smoothed: (B, horizon)."""
    count = seasons.shape[1]
    change = np.zeros((len(seasons), 1))
    if task.drift and count > 1:
        change = (seasons[:, -1] - seasons[:, 0]).mean(-1, keepdims=True) / (count - 1)
    before = np.arange(count)[::-1]  # of each season, how many come after it
    counts = (1 - task.smoothing) ** before
    # As high as each would be by now.
    level = (seasons + change[..., None] * before[:, None]) * (counts / counts.sum())[:, None]
    ahead = np.arange(task.horizon)
    smoothed: Values = level.sum(1)[:, ahead % task.season]
    return smoothed + change * (1 + ahead // task.season)


def _read(values: Values, logarithmic: NDArray[np.bool_], floor: Values) -> Values:
    """Values, or their logarithms; those below the floor count as it."""
    safe = np.where(logarithmic, np.maximum(values, floor), 1.0)
    return np.where(logarithmic, np.log(safe), values)


def spread_of(values: Values) -> float:
    """The standard deviation of a series (N,); 0 if nothing varies."""
    (size,), (spread,) = _sizes_and_spreads(values[None])
    return float(spread[0]) if spread > ROUNDING * size else 0.0


def _sizes_and_spreads(rows: Values) -> tuple[Values, Values]:
    """How large the values of rows (B, N) are, and their standard deviations: (B, 1) each."""
    size = np.abs(rows).max(1, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    return size, size * (rows / size).std(1, keepdims=True)  # no square is too large then


def _multiples(differences: Values, units: Values) -> Values:
    """Differences in units; 0 where there is no unit."""
    there = np.broadcast_to(units > 0, differences.shape)
    found: Values = np.divide(differences, units, out=np.zeros_like(differences), where=there)
    return found


def _units(seasons: Values, otherwise: Values) -> Values:
    """What differences are measured in, of each window: (B, 1); `otherwise` where nothing varies.

    It lies between the spread of the values and the mean size of a change from season to season,
    as their geometric mean. In units of changes alone, noise on a clean season weighs as much as a
    trend; in those of the spread alone, trends are learnt less surely. See benchmarks/NOTES.md.
    """
    size, spread = _sizes_and_spreads(seasons.reshape(len(seasons), -1))
    changes = spread
    if seasons.shape[1] > 1:
        changes = np.abs(np.diff(seasons, axis=1)).mean((1, 2))[:, None]
    changes = np.where(changes > TINY * size, changes, spread)
    # Roots first: a product of large numbers is larger than any.
    return np.where(spread > TINY * size, np.sqrt(spread) * np.sqrt(changes), otherwise)
