"""Periods are found where there are some, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.objectives.batches.periods import period_of
from charrnn.tasks.series.windows import Values


def months(years: int, noise: float, rng: np.random.Generator) -> Values:
    """A trend, the same year again and again, and chance."""
    season, steps = rng.normal(0, 10, 12), np.arange(12 * years)
    return 100 + 0.3 * steps + season[steps % 12] + rng.normal(0, noise, len(steps))


@pytest.mark.parametrize("years", [4, 10, 40])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e150])
def test_the_months_of_a_year_are_found(years: int, size: float) -> None:
    rng = np.random.default_rng(years)
    for _ in range(20):
        assert period_of([size * months(years, 2, rng)]) == 12


def test_the_shortest_of_several_periods_is_found() -> None:
    assert period_of([np.tile([3.0, 1.0, 4.0, 1.0, 5.0], 12)]) == 5
    assert period_of([np.tile([0.0, 1.0], 12)]) == 2
    days, week = np.arange(24 * 7 * 8), np.array([0, 0, 1, 0, 2, 5, 4])
    assert period_of([np.sin(days * np.pi / 12) + week[days // 24 % 7] / 40]) == 24


def test_chance_walks_and_curves_have_no_period() -> None:
    rng, found = np.random.default_rng(3), 0
    for length in range(20, 320):
        noise = rng.normal(size=length)
        walk = np.cumsum(noise)
        found += sum(period_of([some]) is not None for some in (noise, walk, np.cumsum(walk)))
    assert found <= 2


def test_two_periods_are_not_enough() -> None:
    year = np.random.default_rng(1).normal(0, 10, 12)
    assert period_of([np.tile(year, 2)]) is None
    assert period_of([np.tile(year, 4)]) == 12


@pytest.mark.parametrize("values", [[7.0], [7.0, 8.0], [5.0] * 40, [1.0, 2.0, 3.0] * 2])
def test_what_says_nothing_has_no_period(values: list[float]) -> None:
    assert period_of([np.array(values)]) is None


def test_most_of_several_series_have_to_agree() -> None:
    rng = np.random.default_rng(2)
    monthly, weekly = months(10, 1, rng), np.tile(rng.normal(size=7), 20)
    assert period_of([monthly, monthly, weekly]) == 12
    assert period_of([monthly, weekly]) is None
    assert period_of([monthly, rng.normal(size=50), rng.normal(size=50)]) is None
    assert period_of([weekly] * 900 + [monthly] * 100) == 7
