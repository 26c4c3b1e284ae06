"""How series go on, with a trained model and NumPy alone.

series ──windows──▶ (B, T, I) ──encoder──▶ (B, H) at the last step ──head──▶ (B, horizon, 3)
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from itertools import compress, groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from charrnn.arrays import Floats, product
from charrnn.cells.layout import HEAD_BIAS, HEAD_WEIGHT
from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.numbers import LARGEST, too_large
from charrnn.examples.series import Series, named, read_series
from charrnn.folder.record import ModelFolder
from charrnn.task_config import Forecast as Task
from charrnn.tasks.answers import Forecast
from charrnn.tasks.base import TaskModel, shared
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.series.dates import following, last_times
from charrnn.tasks.series.pasts import Past, first_after, pasts_in, too_short
from charrnn.tasks.series.trials import MIDDLE, Trial, report_of
from charrnn.tasks.series.windows import Values, Windows, spread_of
from charrnn.words import counted

__all__ = ["Forecaster"]

QUANTILES = 3  # of each value
VALUES_AT_ONCE = 1 << 18  # of windows that are read side by side


class _History(NamedTuple):
    """What is to go on: rows (N, 1+F) and their times, and the spread of the whole series."""

    name: str
    values: Values
    times: tuple[str, ...]
    spread: float


class _Network:
    """One network, which reads windows."""

    def __init__(self, found: ModelFolder, task: Task) -> None:
        self.task = task
        self._encoder = Encoder(found.record.model, found.weights)
        self._head = found.weights[HEAD_WEIGHT].T  # (H, horizon·3)
        self._bias = found.weights[HEAD_BIAS]

    def quantiles(self, inputs: Floats) -> Floats:
        """Of the horizon after windows (B, T, I): (B, horizon, 3), none below the one before."""
        batch, length, _ = inputs.shape
        output = self._encoder.read(inputs, np.full(batch, length))[:, -1]  # (B, H)
        flat = product(output, self._head) + self._bias
        return np.sort(flat.reshape(batch, -1, QUANTILES), -1)

    def spreads(self, spreads: Values) -> Values:
        """What windows in which nothing varies are measured in, as they were in training: (B,)."""
        return spreads if self.task.rules > 1 else np.where(spreads > 0, 1.0, 0.0)


def _task_of(found: ModelFolder) -> Task:
    task = found.record.task
    assert isinstance(task, Task), "the caller dispatches by task"
    return task


class Forecaster(TaskModel[Trial]):
    """A trained forecaster, or several. Get one from `charrnn.load`.

    Args:
        folders: at least one.

    Raises:
        BadDataError: if the series in one don't fit its model.
        UsageError: if series, horizons, seasons, windows or features differ.

    Attributes:
        pasts: the ends of the series that it was trained on.
        too_short: names of series that were beside these, and hold less than a season: nothing is
            learnt from them, and there is no forecast of them.
    """

    def __init__(self, *folders: ModelFolder) -> None:
        super().__init__(*folders)
        tasks = [_task_of(found) for found in folders]
        own: dict[str, Any] = {"rules": 1, "smoothing": 1.0, "drift": True}
        alike = [msgspec.structs.replace(task, **own) for task in tasks]
        shared("horizons, seasons, windows or columns", folders, alike)
        self.task = tasks[0]
        pasts = [pasts_in(found, self.task) for found in folders]
        # Older versions kept fewer times, no spreads, and rounding as an error.
        unknown: dict[str, Any] = {"times": (), "spread": None, "error": None}
        bare = [[msgspec.structs.replace(one, **unknown) for one in found] for found in pasts]
        shared("series", folders, bare)
        known = max(pasts, key=lambda found: sum(one.spread is not None for one in found))
        least = self.task.season
        self.pasts = tuple(past for past in known if past.count >= least)
        self.too_short = tuple(past.name for past in known if past.count < least)
        self._networks = [_Network(*both) for both in zip(folders, tasks, strict=True)]

    def predict(
        self,
        series: Sequence[Series | Sequence[float] | Values] | None = None,
        horizon: int | None = None,
    ) -> list[Forecast]:
        """How series go on.

        Beyond the horizon that the model was trained for, it reads its own forecasts, and features
        repeat their last season. Of several models each reads its own.

        Args:
            series: each its values in order, or (N, 1+F) with the features beside them; None for
                `pasts`, those that the model was trained on.
            horizon: how many values; as many as in training by default.

        Raises:
            UsageError: for a series without a whole season, with other features, or that is none;
                for a horizon below 1.
        """
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if horizon is not None and not (whole and horizon > 0):
            advice = "it must be a whole number, at least 1"
            raise UsageError(f"horizon is {horizon!r}", advice, "horizon")
        histories = self._histories(series)
        count = horizon or self.task.horizon
        values, spreads = ([one.values for one in histories], [one.spread for one in histories])
        return [
            Forecast(
                forecast=tuple(band[:, MIDDLE].tolist()),
                lower=tuple(band[:, 0].tolist()),
                upper=tuple(band[:, -1].tolist()),
                series=before.name,
                ds=following(before.times, count),
            )
            for before, band in zip(histories, self.bands(values, spreads, count), strict=True)
        ]

    @property
    def known_times(self) -> dict[str, tuple[str, ...]]:
        """The last times of each series that it was trained on, by the names of these."""
        return {past.name: past.times for past in self.pasts}

    def _histories(
        self, series: Sequence[Series | Sequence[float] | Values] | None
    ) -> list[_History]:
        """What is to go on."""
        if series is None:
            return [
                _History(past.name, past.values, past.times, past.known_spread)
                for past in self.pasts
            ]
        if not isinstance(series, list | tuple | np.ndarray):
            what = f"series is {reprlib.repr(series)}"
            raise UsageError(what, "give a list of series, as in [[1, 2, 3]]")
        found = []
        for one in series:
            rows = self._checked(one)
            known = isinstance(one, Series)
            name, times = (one.name, last_times(one)) if known else ("", ())
            found.append(_History(name, rows, times, spread_of(rows[:, 0])))
        return found

    def _checked(self, series: Series | Sequence[float] | Values) -> Values:
        """The rows (N, 1+F) of a series that someone gave."""
        what = "series"
        features = self.task.features
        if isinstance(series, Series):
            what = f"{series.place}: {named(series)}" if series.place else named(series)
            rows = series.values
            if series.features:
                self._check_features(series)
        else:
            try:
                rows = np.asarray(series, np.float64)
            except (TypeError, ValueError, OverflowError):
                rows = np.zeros(())
            rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2:
            found = f"{reprlib.repr(series)} is not a series"
            raise UsageError(found, "give a list of series, as in [[1, 2, 3]]")
        if rows.shape[1] != 1 + len(features):
            names = ", ".join(("the value", *features))
            raise UsageError(
                f"{what} has {counted(rows.shape[1], 'column')}", f"the model reads {names}"
            )
        if len(rows) < self.task.season:
            advice = f"give at least {self.task.season:,}, a whole season"
            raise UsageError(f"{what} has {counted(len(rows), 'value')}", advice)
        if np.isnan(rows).any():
            raise UsageError(f"{what} holds something that is not a number", "fill it in")
        largest = np.abs(rows).max()
        if largest > LARGEST:
            size, advice = too_large(largest)
            raise UsageError(f"{what} holds a number that is {size}", advice)
        return rows

    def _check_features(self, series: Series) -> None:
        """See that a series has the columns beside it that the model reads."""
        if series.features != self.task.features:
            beside = ", ".join(series.features) or "no column"
            found = f"{series.place}: {named(series)} has {beside} beside the value"
            wanted = ", ".join(self.task.features) or "none"
            raise UsageError(found, f"the model was trained with {wanted}")

    def bands(
        self, series: Sequence[Values], spreads: Sequence[float], horizon: int
    ) -> list[Values]:
        """Quantiles (horizon, 3) of how each series (N, 1+F) goes on.

        Args:
            series: their ends are enough.
            spreads: of each whole series, see `spread_of`.
            horizon: how many values.
        """
        task = self.task
        seasons = [min(len(one), task.window) // task.season for one in series]
        order = sorted(range(len(series)), key=seasons.__getitem__)
        found: dict[int, Values] = {}
        for count, group in groupby(order, key=seasons.__getitem__):
            places, width = list(group), count * task.season
            at_once = max(1, VALUES_AT_ONCE // (width * (1 + len(task.features))))
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                rows = np.stack([series[place][-width:] for place in some])  # (B, N, 1+F)
                whole = np.array([spreads[place] for place in some])
                found |= zip(some, self._means(rows, whole, horizon), strict=True)
        return [found[place] for place in range(len(series))]

    def _means(self, rows: Values, spreads: Values, horizon: int) -> Values:
        """The quantiles (B, horizon, 3) of windows (B, N, 1+F): the means of all networks'."""
        each = [
            self._blocks(network, rows, network.spreads(spreads), horizon)
            for network in self._networks
        ]
        found: Values = np.mean(each, axis=0)
        return found

    def _blocks(self, network: _Network, rows: Values, spreads: Values, horizon: int) -> Values:
        """One network's block after block, each read with its forecasts before: (B, horizon, 3).

        A later block is as uncertain as itself and as what it was read from, together; where
        logarithms are read, in logarithms: an error of the level is a factor then.
        """
        width, blocks = rows.shape[1], list[Values]()
        # Half the width of the last band, in values, and the size of these: (B, 1, 1).
        before, size = np.zeros((len(rows), 1, 1)), np.ones((len(rows), 1, 1))
        for _ in range(-(-horizon // self.task.horizon)):
            windows = Windows.of(rows, network.task, spreads)
            in_logs = windows.logarithmic[..., None]
            read = windows.read(network.quantiles(windows.inputs))
            middle = read[..., MIDDLE : MIDDLE + 1]
            halves = read - middle  # below 0 and above
            earlier = np.divide(before, size, out=before, where=in_logs)
            read = middle + np.sign(halves) * np.hypot(halves, earlier)
            block = windows.values_of(read)
            blocks.append(block)
            middle = block[..., MIDDLE : MIDDLE + 1]
            size = np.abs(middle[:, -self.task.season :]).mean(1, keepdims=True)
            size = np.where(size > 0, size, 1.0)
            widths = read[..., -1:] - read[..., :1]
            half = widths[:, -self.task.season :].mean(1, keepdims=True) / 2
            before = np.multiply(half, size, out=half, where=in_logs)
            rows = np.concatenate([rows, self._with_features(rows, middle)], 1)[:, -width:]
        return np.concatenate(blocks, 1)[:, :horizon]

    def _with_features(self, rows: Values, values: Values) -> Values:
        """Values (B, horizon, 1) with the features of the last season beside them."""
        places = np.arange(values.shape[1]) % self.task.season - self.task.season
        return np.concatenate([values, rows[:, places, 1:]], -1)

    def _read(
        self,
        sources: Sequence[str | Path],
        reading: Reading,
        label_column: str | None,
        notes: list[str],
    ) -> list[Trial]:
        """See `TaskModel`; raises what `read_series` does, and if all series are too short.

        Series that the model knows by name are what came after those it was trained on. Of others,
        the last values are held back, as many as the model predicts at once.
        """
        column = label_column or self.task.label_column
        found = read_series(sources, reading, notes, column, self.known_times)
        known = {past.name: past for past in self.pasts}
        least = self.task.season + self.task.horizon
        is_short = [one.name not in known and len(one.values) < least for one in found]
        if not all(is_short):
            names = [one.name or one.place for one in compress(found, is_short)]
            notes += too_short(names, least, "a season and a horizon")
            found = [one for one, short in zip(found, is_short, strict=True) if not short]
        return [self._trial(one, known.get(one.name), notes) for one in found]

    def _trial(self, series: Series, past: Past | None, notes: list[str]) -> Trial:
        """What is to be predicted of a series, and from what."""
        self._check_features(series)
        if past is None:
            held = self.task.horizon
            if len(series.values) < held + self.task.season:
                short = series.name in self.too_short
                known = "has learnt nothing from it" if short else "does not know it"
                raise BadDataError(
                    f"{series.place}: {named(series)} has {len(series.values):,} values, and the "
                    f"model {known}",
                    f"give at least {held + self.task.season:,}, of which the last {held:,} are "
                    "predicted",
                )
            wanted = series.values[-held:, 0]
            before = series.until(len(series.values) - held)
            return Trial(Past.of(before, self.task.window, self.task.season), wanted)
        first = first_after(series, past, notes)
        return Trial(past, series.values[first:, 0])

    def answers(self, trials: Sequence[Trial]) -> list[Values]:
        """The band of each forecast."""
        longest = max(len(trial.wanted) for trial in trials)
        pasts = [trial.past for trial in trials]
        spreads = [past.known_spread for past in pasts]
        return self.bands([past.values for past in pasts], spreads, longest)

    def judged(self, trials: Sequence[Trial], bands: Sequence[Values]) -> Report:
        """How well forecasts fit."""
        return report_of(trials, bands, self.task.season)
