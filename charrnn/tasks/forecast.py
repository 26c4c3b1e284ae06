"""How series go on, with a trained model and NumPy alone.

series ──Past.of──▶ Past ──bands──▶ quantiles (horizon, 3) ──▶ Forecast
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from itertools import compress, groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.numbers import LARGEST, too_large
from charrnn.examples.series import Series, named, read_series
from charrnn.folder.record import ModelFolder
from charrnn.task_config import Forecast as Task
from charrnn.tasks.answers import Forecast
from charrnn.tasks.base import TaskModel, shared
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.series.dates import following
from charrnn.tasks.series.network import Network
from charrnn.tasks.series.pasts import Past, first_after, pasts_in, too_short
from charrnn.tasks.series.trials import Trial, report_of
from charrnn.tasks.series.windows import MIDDLE, Values
from charrnn.words import counted

__all__ = ["Forecaster"]

VALUES_AT_ONCE = 1 << 18  # of windows that are read side by side


def _task_of(folder: ModelFolder) -> Task:
    task = folder.record.task
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
        tasks = [_task_of(folder) for folder in folders]
        own: dict[str, Any] = {"rules": 1, "smoothing": 1.0, "drift": True}
        alike = [msgspec.structs.replace(task, **own) for task in tasks]
        shared("horizons, seasons, windows or columns", folders, alike)
        self.task = tasks[0]
        pasts = [pasts_in(folder, self.task) for folder in folders]
        # Older versions kept fewer times, no spreads, and rounding as an error.
        unknown: dict[str, Any] = {"times": (), "spread": None, "error": None}
        bare = [[msgspec.structs.replace(one, **unknown) for one in found] for found in pasts]
        shared("series", folders, bare)
        known = max(pasts, key=lambda found: sum(one.spread is not None for one in found))
        least = self.task.season
        self.pasts = tuple(past for past in known if past.count >= least)
        self.too_short = tuple(past.name for past in known if past.count < least)
        self._networks = [Network(*both) for both in zip(folders, tasks, strict=True)]

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
        pasts = self.pasts if series is None else self._pasts_of(series)
        count = horizon or self.task.horizon
        return [
            Forecast(
                forecast=tuple(band[:, MIDDLE].tolist()),
                lower=tuple(band[:, 0].tolist()),
                upper=tuple(band[:, -1].tolist()),
                series=past.name,
                ds=following(past.times, count),
            )
            for past, band in zip(pasts, self.bands(pasts, count), strict=True)
        ]

    @property
    def known_times(self) -> dict[str, tuple[str, ...]]:
        """The last times of each series that it was trained on, by the names of these."""
        return {past.name: past.times for past in self.pasts}

    def _pasts_of(self, series: Sequence[Series | Sequence[float] | Values]) -> list[Past]:
        """What is kept of series that someone gave."""
        if not isinstance(series, list | tuple | np.ndarray):
            what = f"series is {reprlib.repr(series)}"
            raise UsageError(what, "give a list of series, as in [[1, 2, 3]]")
        window, season = self.task.window, self.task.season
        return [Past.of(self._checked(one), window, season) for one in series]

    def _checked(self, series: Series | Sequence[float] | Values) -> Series:
        """A series that someone gave."""
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
        return series if isinstance(series, Series) else Series("", rows)

    def _check_features(self, series: Series) -> None:
        """Check that a series has the columns beside it that the model reads."""
        if series.features != self.task.features:
            beside = ", ".join(series.features) or "no column"
            found = f"{series.place}: {named(series)} has {beside} beside the value"
            wanted = ", ".join(self.task.features) or "none"
            raise UsageError(found, f"the model was trained with {wanted}")

    def bands(self, pasts: Sequence[Past], horizon: int) -> list[Values]:
        """Quantiles (horizon, 3) of how each series goes on: the means of all networks'."""
        task = self.task
        series = [past.values for past in pasts]
        seasons = [min(len(one), task.window) // task.season for one in series]
        order = sorted(range(len(series)), key=seasons.__getitem__)
        found: dict[int, Values] = {}
        for count, group in groupby(order, key=seasons.__getitem__):
            places, width = list(group), count * task.season
            at_once = max(1, VALUES_AT_ONCE // (width * (1 + len(task.features))))
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                rows = np.stack([series[place][-width:] for place in some])  # (B, N, 1+F)
                spreads = np.array([pasts[place].known_spread for place in some])
                each = [network.bands(rows, spreads, horizon) for network in self._networks]
                found |= zip(some, np.mean(each, axis=0), strict=True)
        return [found[place] for place in range(len(series))]

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
        column = self.task.label_column
        found = read_series(sources, reading, notes, label_column, self.known_times, column)
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
        return self.bands([trial.past for trial in trials], longest)

    def judged(self, trials: Sequence[Trial], bands: Sequence[Values]) -> Report:
        """How well forecasts fit."""
        return report_of(trials, bands, self.task.season)
