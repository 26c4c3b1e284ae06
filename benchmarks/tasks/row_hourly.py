"""series/m4-hourly-*.csv: the 414 hourly series of the M4 competition, one network for all.

The competition's own recurrent network reached an sMAPE of 14.70 and a MASE of 3.05, its winner
9.33 and 0.89: Makridakis, Spiliotis and Assimakopoulos, "The M4 Competition: 100,000 time series
and 61 forecasting methods", 2020.
"""

from __future__ import annotations

from pathlib import Path

from common import Figure
from timing import charrnn

MINUTES = 10
LIMITS = {"sMAPE": 12.5, "MASE": 1.1}


def measure(data: Path, folder: Path) -> list[Figure]:
    """The errors of charrnn, and of the last day again."""
    train, test = (data / "series" / f"m4-hourly-{part}.csv" for part in ("train", "test"))
    model = folder / "hourly"
    options = ("--task", "forecast", "--horizon", 48, "--season", 24, "--minutes", MINUTES)
    ended = charrnn("train", train, *options, "--out", model)
    found = charrnn("eval", model, test)
    command = f"charrnn {' '.join(map(str, ('train', *options)))}"
    figures = []
    for metric, limit in LIMITS.items():
        error = found["scores"][metric]
        naive = found["baselines"]["seasonal naive"][metric]
        asked, reached = f"at most {limit:g}", error <= limit and error < naive
        figures.append(Figure(command, metric, error, asked, reached, ended["seconds"]))
        figures += [
            Figure(name, metric, scores[metric]) for name, scores in found["baselines"].items()
        ]
    return figures
