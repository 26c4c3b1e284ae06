"""What a forecaster keeps of the series that it was trained on: `series.json`.

series ──Past.of──▶ Past ──past_file──▶ model folder ──pasts_in──▶ Past
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from charrnn.checkpoints import SERIES
from charrnn.errors import BadDataError
from charrnn.examples.series import Series, named
from charrnn.examples.times import steps_between, times_of
from charrnn.folder.files import pretty_json
from charrnn.folder.record import ModelFolder
from charrnn.folder.untrusted import damaged, parse
from charrnn.settings import Settings
from charrnn.task_config import Forecast
from charrnn.tasks.series import measures
from charrnn.tasks.series.dates import last_times
from charrnn.tasks.series.windows import Values, spread_of
from charrnn.words import first_few

__all__ = ["HORIZONS", "Past", "first_after", "past_file", "pasts_in", "too_short"]

HORIZONS = 4  # of history that are kept, and drawn in a picture


class Past(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """What of a series is needed to go on from it, and to judge how it went on.

    Attributes:
        name: empty for the only one.
        end: its last rows: the value and the features of each.
        first: its first value.
        count: how many values it had.
        error: the mean absolute change from season to season; None if there was none.
        times: of its last values, as `last_times` has them; empty without times.
        spread: of all its values, see `spread_of`; None in older folders.
    """

    name: str = ""
    end: tuple[tuple[float, ...], ...]
    first: float
    count: int
    error: float | None = None
    times: tuple[str, ...] = ()
    spread: float | None = None

    @classmethod
    def of(cls, series: Series, kept: int, season: int) -> Past:
        """What is kept of a series: so many values, and at least a season, as far as it goes."""
        own = series.values[:, 0]
        error = measures.seasonal_error(own, season)
        return cls(
            name=series.name,
            end=tuple(map(tuple, series.values[-max(kept, season) :].tolist())),
            first=float(own[0]),
            count=len(own),
            error=None if math.isnan(error) else error,
            times=last_times(series),
            spread=spread_of(own),
        )

    @property
    def values(self) -> Values:
        """Its last rows: (N, 1+F)."""
        return np.array(self.end, np.float64)

    @property
    def known_spread(self) -> float:
        """Its spread; of an older folder's, which tells no more than whether it varies, 0 or 1."""
        if self.spread is not None:
            return self.spread
        return float(self.error is not None or spread_of(self.values[:, 0]) > 0)


class _Pasts(Settings, frozen=True, kw_only=True):
    """`series.json`: the series that a forecaster was trained on, as far as it goes on from them.

    Attributes:
        series: in the order of the files.
    """

    series: tuple[Past, ...]


def past_file(series: Sequence[Series], task: Forecast) -> dict[str, bytes]:
    """The file of the model folder that holds the ends of series: a window, or enough to draw."""
    kept = max(task.window, HORIZONS * task.horizon)
    pasts = _Pasts(series=tuple(Past.of(one, kept, task.season) for one in series))
    return {SERIES: pretty_json(pasts)}


def pasts_in(folder: ModelFolder, task: Forecast) -> tuple[Past, ...]:
    """What `series.json` holds.

    Raises:
        BadDataError: if it is damaged, or of another model.
    """
    path = folder.path / SERIES
    pasts: _Pasts = parse(path, folder.extra[SERIES], _Pasts)
    for past in pasts.series:
        rows = past.end
        least = max(1, min(past.count, task.season))
        if len(rows) < least or any(len(row) != 1 + len(task.features) for row in rows):
            raise damaged(path, f"{past.name or 'a series'} does not fit the model")
        if past.count < len(rows) or not np.isfinite(past.values).all():
            raise damaged(path, f"{past.name or 'a series'} holds no series")
    return pasts.series


def too_short(
    names: Sequence[str], least: int, what: str, lacking: str = "no forecast of"
) -> list[str]:
    """The note on series of which there is no forecast, if there are any.

    Args:
        names: of the series.
        least: how many values a forecast of them needs.
        what: what these are.
        lacking: what they don't get.
    """
    if not names:
        return []
    which = f"series {names[0]}: it has"
    if len(names) > 1:
        which = f"{len(names):,} series: {first_few(names)} have"
    return [f"{lacking} {which} fewer than {least:,} values, {what}"]


def first_after(series: Series, past: Past, notes: list[str]) -> int:
    """The place of the first value of a series that comes after its known past.

    Raises:
        BadDataError: if there is none, or times are written in another form than those known.
    """
    both = series.times and past.times
    read = times_of(series.times, past.times) if both else None
    if both and read is None:
        found = f"{series.place}: {named(series)} has times such as {series.times[0]}"
        raise BadDataError(found, f"write them as in training, like {past.times[-1]}")
    if read is None:
        return _first_after_values(series, past, notes)
    times, before = read[0][: len(series.times)], read[0][len(series.times) :]
    first = next((k for k, time in enumerate(times) if time > before[-1]), None)
    if first is None:
        raise _nothing_after(series, f"ends at {series.times[-1]}", f"on it up to {past.times[-1]}")
    if len(before) > 1:
        steps = steps_between([*before[-2:], times[first]])
        if steps[1] > 1.5 * steps[0]:
            notes.append(
                f"{series.place}: {named(series)} goes on at {series.times[first]}, later than "
                f"one step after {past.times[-1]}; read as if nothing were missing"
            )
    return first


def _first_after_values(series: Series, past: Past, notes: list[str]) -> int:
    """The same by the values: a series that begins with those of training has new ones after."""
    values, end = series.values, past.values
    begins = len(values) >= past.count and values[0, 0] == past.first
    if begins and np.array_equal(values[past.count - len(end) : past.count], end):
        if len(values) == past.count:
            raise _nothing_after(series, f"has {past.count:,} values", "on all of them")
        return past.count
    note = "without times, values are taken to follow those of training"
    if note not in notes:
        notes.append(note)
    return 0


def _nothing_after(series: Series, found: str, known: str) -> BadDataError:
    found = f"{series.place}: {named(series)} {found}, and the model was trained {known}"
    return BadDataError(found, "give values that come after")
