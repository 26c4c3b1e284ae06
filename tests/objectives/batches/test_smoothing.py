"""What forecasts are differences from is chosen by the windows to train on."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.examples.series import Series
from charrnn.objectives.batches.smoothing import smoothed
from charrnn.task_config import Forecast
from charrnn.tasks.series.windows import Values, spread_of

STEPS = np.arange(160)
YEAR = np.array([3.0, 9, 4, -6, 0, -10, 0])


def noise(size: float, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(0, size, len(STEPS))


def chosen(*series: Values, season: int = 1, horizon: int = 7) -> tuple[float, bool]:
    kind = Forecast(horizon=horizon, season=season, window=(56 // season) * season)
    found = smoothed([Series(f"s{k}", one[:, None]) for k, one in enumerate(series)], kind)
    assert found == Forecast(
        horizon=horizon,
        season=season,
        window=kind.window,
        smoothing=found.smoothing,
        drift=found.drift,
    )
    return found.smoothing, found.drift


def test_noise_around_one_value_is_averaged() -> None:
    share, drift = chosen(50 + noise(3))
    assert share <= 0.1
    assert not drift


def test_noise_around_a_season_is_averaged_season_by_season() -> None:
    share, _ = chosen(50 + YEAR[STEPS % 7] + noise(3), season=7)
    assert share <= 0.3


def test_noise_around_a_line_is_averaged_along_it() -> None:
    share, drift = chosen(50 + 0.5 * STEPS + noise(3))
    assert share <= 0.2
    assert drift


@pytest.mark.parametrize("season", [1, 7])
def test_a_walk_goes_on_from_where_it_is(season: int) -> None:
    share, _ = chosen(np.cumsum(noise(1)) + YEAR[STEPS % 7], season=season)
    assert share >= (0.7 if season == 7 else 0.05)
    walk, _ = chosen(*(np.cumsum(noise(1, seed)) for seed in range(9)))
    assert walk >= 0.7


def test_where_nothing_is_better_it_is_the_last_season_with_its_drift() -> None:
    assert chosen(2.0 * STEPS + YEAR[STEPS % 7], season=7) == (1, True)
    assert chosen(np.full(len(STEPS), 4.0)) == (1, True)
    assert chosen(np.arange(4.0), horizon=1) == (1, True)


def test_the_end_of_a_series_which_validates_chooses_nothing() -> None:
    series = 50 + noise(3)
    other = series.copy()
    other[-32:] = np.cumsum(noise(9))[-32:]
    assert chosen(series) == chosen(other)


def test_a_series_is_measured_once_however_many_windows_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a long one took twenty seconds."""
    lengths = list[int]()

    def measured(values: Values) -> float:
        lengths.append(len(values))
        return spread_of(values)

    monkeypatch.setattr("charrnn.objectives.batches.smoothing.spread_of", measured)
    chosen(noise(1), noise(1, seed=1)[:120])
    assert lengths == [160, 120]
