"""How good forecasts are, as the M4 competition measures it, and forecasts that need no model.

Makridakis, Spiliotis and Assimakopoulos, "The M4 Competition: 100,000 time series and 61
forecasting methods", 2020.
"""

from __future__ import annotations

import math

import numpy as np

from charrnn.tasks.series.windows import ROUNDING, Values

__all__ = ["drift", "mape", "seasonal_error", "seasonal_naive", "smape"]


def smape(wanted: Values, found: Values) -> float:
    """The symmetric mean absolute percentage error, from 0 to 200; 0 where both are 0."""
    sizes = np.abs(wanted) + np.abs(found)
    errors = np.abs(wanted - found)
    return float(200 * np.mean(np.divide(errors, sizes, np.zeros_like(errors), where=sizes > 0)))


def mape(wanted: Values, found: Values) -> float:
    """The mean absolute percentage error; NaN if a wanted value is 0."""
    if not np.all(wanted):
        return float("nan")
    return float(100 * np.mean(np.abs((wanted - found) / wanted)))


def seasonal_error(values: Values, season: int) -> float:
    """What the errors of MASE are multiples of: the mean absolute change from season to season.

    NaN for a series of one season, and for one that never changes, or by no more than rounding.
    """
    if len(values) <= season:
        return math.nan
    found = float(np.abs(values[season:] - values[:-season]).mean())
    return found if found > ROUNDING * float(np.abs(values).max()) else math.nan


def seasonal_naive(values: Values, season: int, horizon: int) -> Values:
    """The last season again and again; the last value, without a season."""
    last = values[-season:]
    return last[np.arange(horizon) % len(last)]


def drift(first: float, last: float, count: int, horizon: int) -> Values:
    """The line through the first and the last of so many values."""
    slope = (last - first) / max(count - 1, 1)
    ahead = np.arange(1, horizon + 1, dtype=np.float64)
    return last + slope * ahead
