"""What a forecaster's outputs are differences from: the last season, or a smoothed one.

series, Forecast ──smoothed──▶ Forecast
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from charrnn.examples.series import Series
from charrnn.objectives.batches.series import batch_of
from charrnn.objectives.batches.windows import Places, held_back, some_of
from charrnn.task_config import Forecast
from charrnn.tasks.series.windows import spread_of

__all__ = ["smoothed"]

SHARES = (0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.0)  # besides the last season alone
BETTER = 0.95  # of the error of the last season with its drift, at most: less may be chance
LEFT_OUT = 0.2  # of a series, at its end: at least what validates


def smoothed(series: Sequence[Series], task_record: Forecast) -> Forecast:
    """The same task, with the smoothing and the drift that err least on windows to train on."""
    lengths = [len(one.values) for one in series]
    groups = some_of(Places(lengths, held_back(lengths, LEFT_OUT, task_record), task_record))
    # Each is measured once, however many of the windows are its own.
    read = sorted({place.series for some in groups for place in some})
    spreads = {number: spread_of(series[number].values[:, 0]) for number in read}

    def error(task: Forecast) -> float:
        """The mean distance of the values that follow, in units of their windows."""
        total, count = 0.0, 0
        for some in groups:
            found = batch_of(series, some, task, np.array([spreads[one.series] for one in some]))
            wanted = found.wanted[found.windows.scale[:, 0] > 0]
            total, count = total + float(np.abs(wanted).sum()), count + wanted.size
        return total / max(count, 1)

    others = [
        msgspec.structs.replace(task_record, smoothing=share, drift=drift)
        for drift in (True, False)
        for share in (1.0, *SHARES)
    ]
    best = min(others, key=error)
    return best if error(best) < BETTER * error(task_record) else task_record
