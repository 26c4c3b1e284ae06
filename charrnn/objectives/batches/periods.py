"""After how many values series repeat themselves, where the user names no season.

values, values, … ──period_of──▶ steps, or None
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from charrnn.tasks.series.windows import Values

__all__ = ["period_of"]

# Of the changes and those a period later: chance and cycles of changing length stay below.
CORRELATION, DEVIATIONS = 0.6, 3.5
NEARLY = 0.9  # of the highest correlation: multiples of a period are no better than it
PERIODS = 3  # in a series, at least
LOOKED_AT = 200  # series


def period_of(series: Sequence[Values]) -> int | None:
    """The period that most series have, in steps; None if most have none, or different ones.

    Args:
        series: the values (N,) of each.
    """
    every = max(1, len(series) // LOOKED_AT)
    found = [_period(values) for values in series[::every]]
    (period, count), *_ = Counter(found).most_common(1)
    return period if 2 * count > len(found) else None


def _period(values: Values) -> int | None:
    """The period of one series (N,).

    The shortest lag at which the autocorrelation of the changes has a high peak. Changes, since
    a trend correlates at all lags; peaks after it was below zero, since a slow curve does at the
    first ones.
    """
    if len(values) < 2 * PERIODS:
        return None
    lags = len(values) // PERIODS + 1
    size = np.abs(values).max(initial=0.0) or 1.0
    correlation = _autocorrelation(np.diff(values / size), lags + 1)  # no square is too large
    below = np.flatnonzero(correlation < 0)
    if not len(below):
        return None
    middle = correlation[1:-1]
    peaks = 1 + np.flatnonzero((middle > correlation[:-2]) & (middle >= correlation[2:]))
    least = np.maximum(CORRELATION, DEVIATIONS / np.sqrt(len(values) - peaks))
    high = peaks[(peaks > below[0]) & (correlation[peaks] >= least)]
    if not len(high):
        return None
    best = correlation[high].max()
    return int(high[correlation[high] >= NEARLY * best][0])


def _autocorrelation(values: Values, lags: int) -> Values:
    """Of (N,), at lags 0, 1, …: (lags,), or fewer if there are fewer; zeros of what is constant.

    Each lag's sum is divided by the number of its products, so that it does not fall with the lag.
    """
    count, around = len(values), values - values.mean()
    power = np.abs(np.fft.rfft(around, 2 * count)) ** 2
    sums = np.fft.irfft(power, 2 * count)[: min(lags, count)]
    means: Values = sums / (count - np.arange(len(sums)))
    return means / means[0] if means[0] > 0 else np.zeros(len(means))
