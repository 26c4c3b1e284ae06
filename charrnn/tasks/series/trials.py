"""Forecasts judged by how series did go on, beside those of forecasts without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.tasks.scores.reports import Report
from charrnn.tasks.series import measures
from charrnn.tasks.series.pasts import Past
from charrnn.tasks.series.windows import MIDDLE, Values

__all__ = ["Trial", "report_of", "score_of"]


class Trial(NamedTuple):
    """A forecast that can be judged.

    Attributes:
        past: what it is made from.
        wanted: (N,), how the series went on.
    """

    past: Past
    wanted: Values


def score_of(trials: Sequence[Trial], bands: Sequence[Values]) -> tuple[str, float]:
    """The measure that counts, and what it is: MASE, or sMAPE where there is none.

    That is where no series changes from season to season, or errors are beyond all numbers.

    Args:
        trials, bands: see `report_of`.
    """
    scores = _scores(trials, _forecasts(trials, bands))
    metric = _metric_of(scores)
    return metric, scores[metric]


def _metric_of(scores: dict[str, float]) -> str:
    return "MASE" if "MASE" in scores else "sMAPE"


def report_of(trials: Sequence[Trial], bands: Sequence[Values], season: int) -> Report:
    """MASE, sMAPE and MAPE, beside those of forecasts without a model.

    Each is a mean over the values of a forecast, then over the forecasts; of one for each series,
    that is as in the M4 competition.

    Args:
        trials: what was to be predicted.
        bands: the quantiles (N, 3) of each; a longer one is cut.
        season: steps after which a series repeats itself; 1 for none.
    """
    naive = "seasonal naive" if season > 1 else "naive"
    found: dict[str, list[Values]] = {naive: [], "drift": []}
    inside = []
    for trial, band in zip(trials, bands, strict=True):
        past, count = trial.past, len(trial.wanted)
        own = past.values[:, 0]
        found[naive].append(measures.seasonal_naive(own, season, count))
        found["drift"].append(measures.drift(past.first, float(own[-1]), past.count, count))
        inside.append(
            np.mean((band[:count, 0] <= trial.wanted) & (trial.wanted <= band[:count, -1]))
        )
    scores = _scores(trials, _forecasts(trials, bands))
    return Report(
        metric=_metric_of(scores),
        count=len(trials),
        scores=scores | {"in the band": float(np.mean(inside))},
        baselines={who: _scores(trials, forecasts) for who, forecasts in found.items()},
        higher_is_better=False,
        notes=_left_out(trials),
    )


def _left_out(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Which errors are means over fewer forecasts than there are, and why."""
    unchanged = sum(trial.past.error is None for trial in trials)
    with_zero = sum(0 in trial.wanted for trial in trials)
    reasons = {
        "MASE": (unchanged, "nothing changes from season to season"),
        "MAPE": (with_zero, "a value to predict is 0"),
    }
    return tuple(
        f"{error} leaves out {count:,} of {len(trials):,} forecasts: {why}"
        for error, (count, why) in reasons.items()
        if count
    )


def _forecasts(trials: Sequence[Trial], bands: Sequence[Values]) -> list[Values]:
    """The medians (N,) of bands, each as long as what was to be predicted."""
    return [band[: len(trial.wanted), MIDDLE] for trial, band in zip(trials, bands, strict=True)]


def _scores(trials: Sequence[Trial], forecasts: Sequence[Values]) -> dict[str, float]:
    """Mean errors over the forecasts for which they are defined."""
    pairs = [(trial.wanted, found) for trial, found in zip(trials, forecasts, strict=True)]
    mase = [
        float(np.abs(trial.wanted - found).mean()) / trial.past.error
        for trial, found in zip(trials, forecasts, strict=True)
        if trial.past.error is not None
    ]
    percentages = [error for pair in pairs if not math.isnan(error := measures.mape(*pair))]
    means = {
        "MASE": float(np.mean(mase)) if mase else math.nan,
        "sMAPE": float(np.mean([measures.smape(*pair) for pair in pairs])),
        "MAPE": float(np.mean(percentages)) if percentages else math.nan,
    }
    return {name: value for name, value in means.items() if math.isfinite(value)}
