"""The times of forecasts, written as a table has written those before.

1960-11, 1960-12 ──▶ 1961-01, 1961-02, …
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise

from charrnn.examples.series import Series
from charrnn.examples.times import QUARTER, are_months, forms_of, near

__all__ = ["following", "last_times"]

LOOK_BACK = 8  # times whose steps must be alike
DAY, WEEK = timedelta(days=1), 6  # days in a row, among which there is one of a weekend
COMPACT = ("%Y%m", "%Y%m%d")  # 202012 may be a month or a number
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.000", "%H:%M:%S.%f")
FORMS = (
    *("%Y-%m", "%Y-%m-%d", "%G-W%V", "%GW%V"),
    *(f"%Y-%m-%d{sign}{clock}{end}" for sign in " T" for clock in CLOCKS for end in ("", "Z")),
)
# As `strptime` has them, and %q for the quarter.
QUARTERS = tuple(f"%Y{sign}{q}%q" for sign in ("", "-", " ") for q in "Qq")
QUARTERS += tuple(f"{q}%q{sign}%Y" for sign in ("", "-", " ") for q in "Qq")


def last_times(series: Series) -> tuple[str, ...]:
    """The last times of a series, as many as tell which ones follow.

    Of one with several gaps the last alone: after a day of work a night may come.
    """
    return series.times[-1 if series.gaps > 1 else -LOOK_BACK :]


def following(times: Sequence[str], count: int) -> tuple[str, ...]:
    """The next `count` times of a series.

    Args:
        times: as they are written: whole numbers, quarters, months, dates, or dates with a time of
            day.
        count: how many are wanted.

    Returns:
        next: empty if the last times are not all so many months or so long apart, or are written
            in a form that can be read in several ways.
    """
    return _following(tuple(time.strip() for time in times[-LOOK_BACK:]), count)


@lru_cache(maxsize=1)  # the series of a table mostly end at one time
def _following(last: tuple[str, ...], count: int) -> tuple[str, ...]:
    if len(last) < 2 or any(_dates(last, form) for form in COMPACT):
        return ()
    with suppress(ValueError):
        numbers = [int(time) for time in last]
        if tuple(map(str, numbers)) == last:
            steps = {after - before for before, after in pairwise(numbers)}
            step = steps.pop()
            return () if steps else tuple(str(numbers[-1] + step * k) for k in range(1, count + 1))
    for form in FORMS:
        if dates := _dates(last, form):
            return _next(dates, form, count, last[0])
    # Of 1/2/2024 only its writer knows which number is the day: all that it can be must agree.
    points = ("%m.%Y",) if are_months(last) else ()
    for padded in (True, False):  # with zeros, where no number of one digit tells
        found = {
            _next(dates, form, count, last[0], padded=padded)
            for form in (*QUARTERS, *FORMS, *points, *forms_of(last[0]))
            if _are_regular(dates := _dates(last, form, padded=padded))
            and not (form.startswith("%y") and _are_years(dates))
        }
        if found:
            return found.pop() if len(found) == 1 else ()
    return ()


def _next(
    dates: Sequence[datetime], form: str, count: int, like: str, *, padded: bool = True
) -> tuple[str, ...]:
    """The dates that follow, as they are written; none where that is not sure."""
    with suppress(ValueError, OverflowError):  # beyond all calendars
        # The Mondays of weeks may be as many months apart by chance: W05 and W09.
        after = islice(_after(dates, by_months="%V" not in form), count)
        return tuple(_written(date, form, like, padded=padded) for date in after)
    return ()


def _dates(times: Sequence[str], form: str, *, padded: bool = True) -> list[datetime]:
    """Times that are all written in one form; none if they are not."""
    with suppress(ValueError):
        dates = [_read(time, form) for time in times]
        written = [_written(date, form, times[0], padded=padded) for date in dates]
        if written == list(times):
            return near(dates) if "%y" in form else dates
    return []


def _read(time: str, form: str) -> datetime:
    if "%V" in form:
        return datetime.strptime(f"{time} 1", f"{form} %u")  # the Monday of a week
    if "%q" not in form:
        return datetime.strptime(time, form)
    if (found := QUARTER.fullmatch(time)) is None:
        raise ValueError("no quarter")
    return datetime(int(found[1] or found[4]), 3 * int(found[2] or found[3]) - 2, 1)


def _written(date: datetime, form: str, like: str, *, padded: bool) -> str:
    """A date in a form, with zeros before numbers of one digit or without; in capitals like one."""
    form = form.replace("%q", str((date.month + 2) // 3))
    if not padded:
        hours = (("%H", date.hour), ("%I", date.hour % 12 or 12))
        for code, number in (("%d", date.day), ("%m", date.month), *hours):
            form = form.replace(code, str(number))
    text = date.strftime(form)
    return text.upper() if like.isupper() else text.lower() if like.islower() else text


def _are_regular(dates: Sequence[datetime]) -> bool:
    """Whether dates come in order, all so many months or so long apart; those of work may."""
    months = {_month(after) - _month(before) for before, after in pairwise(dates)}
    lengths = {after - before for before, after in pairwise(dates)}
    rises = all(length > timedelta() for length in lengths)
    return bool(dates) and rises and (len(lengths) == 1 or (len(months) == 1 and months != {0}))


def _are_years(dates: Sequence[datetime]) -> bool:
    """Whether dates are a year or more apart: as 18/02/24, 19/02/24 would be, which are days."""
    return _month(dates[1]) - _month(dates[0]) >= 12


def _after(dates: Sequence[datetime], *, by_months: bool) -> Iterator[datetime]:
    """All dates that follow; none if the steps are not alike, in months where these count."""
    months = {_month(after) - _month(before) for before, after in pairwise(dates)}
    are_ends = all(_is_end(date) for date in dates)
    alike = {(date.day * (not are_ends), date.time()) for date in dates}
    if by_months and len(months) == len(alike) == 1 and months != {0}:
        number, step, last = _month(dates[-1]), months.pop(), dates[-1]
        while True:
            number += step
            year, month = divmod(number, 12)
            day = monthrange(year, month + 1)[1] if are_ends else last.day
            yield last.replace(year=year, month=month + 1, day=day)
    lengths = {after - before for before, after in pairwise(dates)}
    if len(lengths) == 1:
        length, last = lengths.pop(), dates[-1]
        if length == DAY and len(dates) < WEEK:
            return  # they may be days of work
        while True:
            last += length
            yield last


def _month(date: datetime) -> int:
    """The number of its month, counted from the year 0."""
    return 12 * date.year + date.month - 1


def _is_end(date: datetime) -> bool:
    return date.day == monthrange(date.year, date.month)[1]
