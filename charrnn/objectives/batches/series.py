"""Windows of series side by side.

Place, Place, … ──batch_of──▶ inputs (T, B, I), wanted (B, horizon)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.arrays import Floats
from charrnn.config import TrainConfig
from charrnn.examples.series import Series
from charrnn.learning.lanes import ALL
from charrnn.objectives.batches.groups import Groups
from charrnn.objectives.batches.windows import Place, Places
from charrnn.task_config import Forecast
from charrnn.tasks.series.windows import MIDDLE, Values, Windows

__all__ = ["Batch", "Batches", "batch_of", "errors_of"]


class Batch(NamedTuple):
    """Windows side by side.

    Attributes:
        inputs: (T, B, I).
        wanted: (B, horizon), what should come out.
        windows: what turns outputs into values.
    """

    inputs: Floats
    wanted: Floats
    windows: Windows


def batch_of(
    series: Sequence[Series],
    places: Sequence[Place],
    task_record: Forecast,
    spreads: Values,
    width: int | None = None,
) -> Batch:
    """What stands at places of series.

    Args:
        series: all of them.
        places: of the windows.
        task_record: what is to be predicted.
        spreads: (B,), of their series, see `spread_of`.
        width: how long all are; None for as long as the shortest.
    """
    width = width or min(place.width for place in places)
    whole = spreads if task_record.rules > 1 else np.ones(len(places))
    rows = np.stack([series[k].values[end - width : end] for k, _, end in places])
    wanted = np.stack(
        [series[k].values[end : end + task_record.horizon, 0] for k, _, end in places]
    )
    windows = Windows.of(rows, task_record, whole)
    inputs = np.ascontiguousarray(windows.inputs.swapaxes(0, 1))
    return Batch(inputs, windows.outputs(wanted), windows)


def errors_of(batches: Iterable[Batch], task_record: Forecast) -> Floats:
    """Quantiles (horizon, Q) of what is wanted, less its medians; of windows that have a unit."""
    rows = [row for one in batches for row in one.wanted[one.windows.scale[:, 0] > 0]]
    found = np.quantile(rows or np.zeros((1, task_record.horizon)), task_record.quantiles, axis=0).T
    return (found - found[:, MIDDLE : MIDDLE + 1]).astype(np.float32)


class Batches:
    """Windows of all series in random order, another in each epoch; see `learning.task.Batches`.

    Those of a batch are cut to the shortest, so windows of like length stand side by side.

    Args:
        places: of all windows for training.
        task_record: what is to be predicted.
        config: the size of a batch, and the seed.
        read: what stands at places, as much of it.
    """

    def __init__(
        self,
        places: Places,
        task_record: Forecast,
        config: TrainConfig,
        read: Callable[[Sequence[Place], int], Batch],
    ) -> None:
        self.places, self.config, self.read = places, config, read
        self.tokens_per_step = float(config.batch_size * task_record.window)
        self.steps_per_epoch = math.ceil(len(places) / config.batch_size)
        self._epoch = -1
        widths = places.widths
        # Where all are of one length, runs stay what they were.
        self._groups = (
            Groups(widths, config.batch_size, config.seed, mixed=config.rules > 3)
            if task_record.rules > 1 and np.ptp(widths)
            else None
        )

    def size(self, step: int) -> int:
        """How many windows there are."""
        return len(self._places(step))

    def batch(self, step: int, part: slice = ALL) -> Batch:
        """Some windows, a function of the seed and the number of the update alone."""
        places = self._places(step)
        return self.read(places[part], min(place.width for place in places))

    def _places(self, step: int) -> list[Place]:
        if self._groups is not None:
            return [self.places[k] for k in self._groups.chosen(step)]
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            random = np.random.default_rng((self.config.seed, epoch))
            self._order, self._epoch = random.permutation(len(self.places)), epoch
        size = self.config.batch_size
        chosen = self._order[position * size : (position + 1) * size]
        return [self.places[k] for k in chosen]
