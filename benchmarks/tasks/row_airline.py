"""series/airline.csv: monthly passengers 1949-1960; the last 36 months, from the 108 before.

Box and Jenkins, "Time series analysis: forecasting and control", 1976, series G.
"""

from __future__ import annotations

from pathlib import Path

from common import Figure, baseline, by_seeds
from timing import charrnn

MINUTES, MONTHS, LIMIT = 1, 36, 6.0


def measure(data: Path, folder: Path) -> list[Figure]:
    """The percentage error of charrnn, of the last year again, and of exponential smoothing."""
    header, *lines = (data / "series" / "airline.csv").read_text().splitlines(keepends=True)
    train, test = folder / "train.csv", folder / "test.csv"
    train.write_text("".join([header, *lines[:-MONTHS]]))
    test.write_text("".join([header, *lines[-MONTHS:]]))
    training = (train, "--task", "forecast", "--horizon", 12, "--season", 12, "--minutes", MINUTES)
    errors = list(by_seeds(folder / "airline", training, test, "MAPE", times=1))
    found = charrnn("eval", folder / "airline 0", test)
    others = {name: scores["MAPE"] for name, scores in found["baselines"].items()}
    others |= baseline("forecast_by_smoothing", train, test, 12)
    best = min(others.values())
    return [
        *(
            Figure(who, "MAPE", error, f"at most {LIMIT:g}", error <= min(LIMIT, best), seconds)
            for who, error, seconds in errors
        ),
        *(Figure(name, "MAPE", value) for name, value in others.items()),
    ]
