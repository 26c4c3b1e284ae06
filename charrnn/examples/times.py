"""Times as tables write them: 1949, 1949-01, 1949-01-31, 1949-01-31 13:00, and plain numbers.

A time is (months, seconds), so that both months and days of equal length can be told apart.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

__all__ = ["Time", "steps_between", "time_of"]

Time = tuple[float, float]  # months since the year 0, and seconds since the year 1

MONTH = re.compile(r"(\d{4})-(\d\d?)")


def time_of(cell: Any) -> Time | None:
    """What a cell says, if that is a time or a number; None if it is not."""
    if isinstance(cell, datetime):
        return _from(cell)
    text = str(cell).strip()
    if found := MONTH.fullmatch(text):
        text = f"{found[1]}-{int(found[2]):02}-01"
    with suppress(ValueError):
        return _from(datetime.fromisoformat(text))
    with suppress(ValueError, OverflowError):
        number = float(text)
        return (number, number) if number == number else None
    return None


def _from(time: datetime) -> Time:
    """Both in UTC, if the time says how far it is from that."""
    time = time.replace(tzinfo=None) - (time.utcoffset() or timedelta())
    days = 31 if time.day == monthrange(time.year, time.month)[1] else time.day  # ends are alike
    into = days - 1 + (time.hour * 3600 + time.minute * 60 + time.second) / 86400
    return 12 * time.year + time.month + into / 31, (time - datetime.min).total_seconds()


def steps_between(times: Sequence[Time]) -> list[float]:
    """The steps between times, in months if these are equal more often than seconds are."""
    months = [round(b[0] - a[0], 6) for a, b in pairwise(times)]
    seconds = [b[1] - a[1] for a, b in pairwise(times)]
    return months if len(set(months)) < len(set(seconds)) else seconds
