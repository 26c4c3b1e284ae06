"""Forecasts: how series went, how they are to go on, and the band around that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.plots.style import COLOURS, GREY, named, picture

__all__ = ["DRAWN", "Outlook", "draw_forecasts"]

DRAWN = 6  # series in one picture
TITLE = 70  # characters of the name above a series
HEIGHT = 2.4  # inches for each of several; a single one is higher


class Outlook(NamedTuple):
    """A series and its forecast.

    Attributes:
        name: empty for the only one.
        history: its last values.
        forecast, lower, upper: the values to come, and a band around them.
    """

    name: str
    history: Sequence[float]
    forecast: Sequence[float]
    lower: Sequence[float]
    upper: Sequence[float]


def draw_forecasts(path: Path, outlooks: Sequence[Outlook]) -> None:
    """Draw series one below the other.

    Args:
        path: of the picture.
        outlooks: at least one; the first `DRAWN` are drawn.

    Raises:
        CharRNNError: as `style.picture`.
    """
    drawn = outlooks[:DRAWN]
    height = 4.2 if len(drawn) == 1 else HEIGHT * len(drawn)
    with picture(path, height, len(drawn), option="--plot") as found:
        several = [found] if len(drawn) == 1 else list(found)
        for axes, outlook in zip(several, drawn, strict=True):
            _draw(axes, outlook)
        lines = several[0].get_legend_handles_labels()
        several[0].figure.legend(*lines, loc="outside upper right", ncols=3)
        several[-1].set_xlabel("values before the forecast, and after")


def _draw(axes: Any, outlook: Outlook) -> None:
    history = list(outlook.history)
    before = range(1 - len(history), 1)
    ahead = range(len(outlook.forecast) + 1)
    # Forecast and band begin at the last value that is known.
    joined = [history[-1:] + list(line) for line in outlook[2:]]
    middle, lower, upper = joined
    plain, bright = COLOURS[0], COLOURS[1]
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.plot(before, history, color=plain, label="history")
    meant = "band meant to hold four of five values"
    axes.fill_between(ahead, lower, upper, color=bright, alpha=0.22, linewidth=0, label=meant)
    axes.plot(ahead, middle, color=bright, linestyle="--", label="forecast")
    axes.set_title(named(outlook.name, TITLE) or "Forecast")
