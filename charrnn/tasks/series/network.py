"""The network of a forecaster, in NumPy, and how it goes on beyond its horizon.

windows (B, T, I) ──encoder──▶ (B, H) at the last step ──head──▶ (B, horizon, 3)

network.bands(rows, spreads, horizon)    # (B, N, 1+F), (B,) → (B, horizon, 3)
"""

from __future__ import annotations

import numpy as np

from charrnn.arrays import Floats, product
from charrnn.cells.layout import HEAD_BIAS, HEAD_WEIGHT
from charrnn.folder.record import ModelFolder
from charrnn.task_config import Forecast
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.series.windows import MIDDLE, Values, Windows

__all__ = ["Network"]

QUANTILES = 3  # of each value


class Network:
    """The network in the folder of a forecaster, which reads windows."""

    def __init__(self, folder: ModelFolder, task: Forecast) -> None:
        self.task = task
        self._encoder = Encoder(folder.record.model, folder.weights)
        self._head = folder.weights[HEAD_WEIGHT].T  # (H, horizon·3)
        self._bias = folder.weights[HEAD_BIAS]

    def bands(self, rows: Values, spreads: Values, horizon: int) -> Values:
        """Quantiles of how windows go on, block after block, each read with those before.

        A later block is as uncertain as itself and as what it was read from, together; where
        logarithms are read, in logarithms: an error of the level is a factor then.

        Args:
            rows: (B, N, 1+F), whole seasons, with the features beside the values.
            spreads: (B,), of each window's whole series, see `spread_of`.
            horizon: how many values; of more than the network's own, it reads its own medians, with
                the features of the last season.

        Returns:
            bands: (B, horizon, 3).
        """
        task, width, blocks = self.task, rows.shape[1], list[Values]()
        if task.rules == 1:  # in which windows without variation were measured in ones
            spreads = np.where(spreads > 0, 1.0, 0.0)
        # Half the width of the last band, in values, and the size of these: (B, 1, 1).
        before, size = np.zeros((len(rows), 1, 1)), np.ones((len(rows), 1, 1))
        features = np.arange(task.horizon) % task.season - task.season  # whose rows are repeated
        for _ in range(-(-horizon // task.horizon)):
            windows = Windows.of(rows, task, spreads)
            in_logs = windows.logarithmic[..., None]
            read = windows.read(self._quantiles(windows.inputs))
            middle = read[..., MIDDLE : MIDDLE + 1]
            halves = read - middle  # below 0 and above
            earlier = np.divide(before, size, out=before, where=in_logs)
            read = middle + np.sign(halves) * np.hypot(halves, earlier)
            block = windows.values_of(read)
            blocks.append(block)
            middle = block[..., MIDDLE : MIDDLE + 1]
            size = np.abs(middle[:, -task.season :]).mean(1, keepdims=True)
            size = np.where(size > 0, size, 1.0)
            widths = read[..., -1:] - read[..., :1]
            half = widths[:, -task.season :].mean(1, keepdims=True) / 2
            before = np.multiply(half, size, out=half, where=in_logs)
            following = np.concatenate([middle, rows[:, features, 1:]], -1)
            rows = np.concatenate([rows, following], 1)[:, -width:]
        return np.concatenate(blocks, 1)[:, :horizon]

    def _quantiles(self, inputs: Floats) -> Floats:
        """Of the horizon after windows (B, T, I): (B, horizon, 3), none below the one before."""
        batch, length, _ = inputs.shape
        output = self._encoder.read(inputs, np.full(batch, length))[:, -1]  # (B, H)
        flat = product(output, self._head) + self._bias
        return np.sort(flat.reshape(batch, -1, QUANTILES), -1)
