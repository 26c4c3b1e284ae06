"""Times as tables write them: 1949, 1949-01, 1949Q1, 1949-01-31 13:00, 1/31/1949, plain numbers.

A time is told in seconds, in months and by the clock, since of one series the months are of equal
length, of another the days.
"""

from __future__ import annotations

import functools
import re
from calendar import monthrange
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any, NamedTuple

from charrnn.errors import BadDataError
from charrnn.examples.rows import File

__all__ = [
    "JOIN",
    "QUARTER",
    "Time",
    "are_months",
    "forms_of",
    "is_time",
    "near",
    "odd_steps",
    "ordered_times",
    "steps_between",
    "time_of",
    "times_of",
]


class Time(NamedTuple):
    """A time, or a plain number, which is all three.

    Attributes:
        seconds: since the year 1, in UTC.
        months: since the year 0, by the clock.
        clock: seconds as clocks tell them, that is without the hours between summer and winter.
    """

    seconds: float
    months: float
    clock: float

    @property
    def is_number(self) -> bool:
        """Whether it is a plain number."""
        return self.months == self.seconds


QUARTER = re.compile(r"(\d{4})[ -]?Q([1-4])|Q([1-4])[ -]?(\d{4})", re.IGNORECASE)
DAYS = re.compile(r"(\d{4}-\d\d-\d\d)/\d{4}-\d\d-\d\d")  # from one to another, as pandas has weeks
MONTH = re.compile(r"(\d{4})-(\d\d?)")
# What people write, as `strptime` has it; %b is a month's name.
DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%Y", "%d.%m.%y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y"),
    *("%B %d, %Y", "%b-%y", "%b-%Y", "%b %Y", "%B %Y", "%Y %b", "%Y-%b", "%m/%Y", "%Y/%m"),
    *("%d-%m-%y", "%m-%d-%y", "%y/%m/%d", "%y-%m-%d", "%y.%m.%d", "%Y-%m-%d"),
)
OF_DAYS, OF_HOURS = {"ds", "date", "day"}, {"hour", "time"}  # names of columns
JOIN = "join the days and the hours into one column, as 2024-01-31 13:00"
POINT_MONTH = re.compile(r"(?:0[1-9]|1[0-2])\.\d{4}")
MARKS = re.compile("[/.,:-]")
LAST_YEAR = 2068  # that two digits stand for
CODE = re.compile("%(.)")
WORDS = dict.fromkeys("mbB", "month") | dict.fromkeys("Yy", "year") | dict.fromkeys("HI", "hour")
WORDS |= {"d": "day", "M": "minute", "S": "second", "p": "am or pm"}
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def time_of(cell: Any) -> Time | None:
    """What a cell says, if that is a number or a time that can be read in one way alone."""
    if isinstance(cell, datetime):
        return _from(cell)
    text = str(cell).strip()
    if found := MONTH.fullmatch(text):
        text = f"{found[1]}-{int(found[2]):02}-01"
    elif found := QUARTER.fullmatch(text):
        year, quarter = found[1] or found[4], found[2] or found[3]
        text = f"{year}-{3 * int(quarter) - 2:02}-01"
    elif found := DAYS.fullmatch(text):
        text = found[1]
    with suppress(ValueError, OverflowError):  # the latter for what UTC puts beyond all calendars
        return _from(datetime.fromisoformat(text))
    with suppress(ValueError):
        number = float(text)
        return Time(number, number, number) if number == number else None
    return None


def is_time(cell: Any) -> bool:
    """Whether a cell is a date in any form, and no plain number."""
    text = str(cell).strip()
    with suppress(ValueError):
        float(text)
        return False
    return _is_date(text)


def _is_date(text: str) -> bool:
    """Whether it can be a date, as 20240131 can."""
    if (time := time_of(text)) is not None:
        return not time.is_number
    return any(_all_of([text], form) for form in forms_of(text))


def are_months(cells: Sequence[Any]) -> bool:
    """Whether cells are months such as 01.2020, which might be numbers but for the zeros before."""
    texts = [str(cell).strip() for cell in cells]
    return all(map(POINT_MONTH.fullmatch, texts)) and any(text.startswith("0") for text in texts)


@functools.lru_cache(maxsize=1)  # the columns of a wide table have the same times
def times_of(
    cells: tuple[str, ...], known: tuple[str, ...] = ()
) -> tuple[tuple[Time, ...], str] | None:
    """The times of rows, all written in one form.

    Of 1/2/2024 only its writer knows which number is the day. So each form in which all cells can
    be read is tried, and that in which they come in order, with the fewest different steps, counts;
    those that are known settle what a few rows leave open.
    Days of one month with the year first, as 24/01/02, 24/01/03, are no years.

    Args:
        cells: of the rows, in turn.
        known: the last times of the same series up to now, in turn, which the rows may repeat.

    Returns:
        times: one for each cell, then for each that is known.
        form: how they were read, in words; empty if there is but one way.
        None if they can't be read, or some are plain numbers and others are not.
    """
    every = [*cells, *known]
    if are_months(every) and (times := _all_of(every, "%m.%Y")):
        return tuple(times), "month.year"
    plain = [time for cell in every if (time := time_of(cell)) is not None]
    if len(plain) == len(every) and len({time.is_number for time in plain}) < 2:
        return tuple(plain), ""
    read = [(times, form) for form in forms_of(every[0]) if (times := _all_of(every, form))]
    if not read:
        return None
    count = len(cells)
    times, form = min(read, key=lambda one: _disorder(one[0][:count], one[0][count:]))
    return tuple(times), CODE.sub(lambda code: WORDS[code[1]], form)


def ordered_times(
    file: File,
    cells: Sequence[str],
    numbers: Sequence[int],
    notes: list[str],
    known: Sequence[str] = (),
) -> tuple[Time, ...]:
    """The times of a file's rows, each later than the one before.

    Args:
        file: that they are in.
        cells: of the rows, in turn.
        numbers: of the rows.
        notes: gets how the times were read, if that was not the only way.
        known: see `times_of`; those in another form tell nothing.

    Raises:
        BadDataError: for what is not a time, for times in several forms, and for rows out of order.
    """
    found = times_of(tuple(cells), tuple(known)) or times_of(tuple(cells))
    if found is None:
        raise _unreadable(file, cells, numbers)
    times, form = found[0][: len(cells)], found[1]
    for place, (before, after) in enumerate(pairwise(times), 1):
        if before.seconds < after.seconds:
            continue
        which = f"{file.at(numbers[place])}: {cells[place]} "
        which += "is there twice" if before.seconds == after.seconds else "comes after a later time"
        raise BadDataError(which, _advice_on(file, times))
    start, end = f"{file.name}: times such as ", f" are read as {form}"
    if form and not any(note.startswith(start) and note.endswith(end) for note in notes):
        notes.append(start + cells[0] + end)
    return times


def _advice_on(file: File, times: Sequence[Time]) -> str:
    """What to do about rows that are not in order of time."""
    sort = "sort the rows by time, and keep one for each time"
    if len({time.seconds for time in times}) == len(times):
        return sort
    names = {name.lower() for name in file.columns}
    if names & OF_DAYS and names & OF_HOURS and all(time.clock % 86400 == 0 for time in times):
        return JOIN
    if "unique_id" in file.columns:
        return sort
    return f"{sort}, or, if they are of several series, name the columns unique_id, ds and y"


def _unreadable(file: File, cells: Sequence[str], numbers: Sequence[int]) -> BadDataError:
    """The error for times that are not all in one form."""
    odd = next((k for k, cell in enumerate(cells) if not _is_date(cell)), 0)
    found = f"{file.at(numbers[odd])}: {cells[odd]!r} is not a time"
    if _is_date(cells[odd]):
        found = f"{file.name}: times such as {cells[odd]!r} are not all in one form"
    return BadDataError(found, "write all times as 2024-01, 2024-01-31 or 2024-01-31 13:00")


def forms_of(cell: str) -> Sequence[str]:
    """Those with the marks between numbers that a cell has: no other can be that of it."""
    return _marked("".join(MARKS.findall(cell)))


@functools.cache
def _marked(marks: str) -> Sequence[str]:
    every = (date + clock for date, clock in product(DATES, CLOCKS))
    return [form for form in every if "".join(MARKS.findall(form)) == marks]


def _all_of(cells: Sequence[str], form: str) -> list[Time] | None:
    """The times of cells in this form; None if one is not in it."""
    try:
        dates = [datetime.strptime(cell.strip(), form) for cell in cells]
        return [_from(date) for date in (near(dates) if "%y" in form else dates)]
    except ValueError:
        return None


def near(dates: Sequence[datetime]) -> list[datetime]:
    """Dates with years of two digits, each in the century in which it is nearest to the one before.

    Python takes 68 for 2068 and 69 for 1969; if one is later than that, all are a century earlier.
    """
    years = [dates[0].year]
    for date in dates[1:]:
        years.append(date.year + 100 * round((years[-1] - date.year) / 100))
    back = 100 * (max(years) > LAST_YEAR)
    return [date.replace(year=year - back) for date, year in zip(dates, years, strict=True)]


def _disorder(times: Sequence[Time], known: Sequence[Time]) -> tuple[bool, int, bool]:
    """Lower is likelier: out of order or not, how many different steps, and odd years or not."""
    is_back = any(a >= b for some in (times, known) for a, b in pairwise(some))
    every = sorted({*times, *known})
    return is_back, len(set(steps_between(every))), _are_odd_years(every)


def _are_odd_years(times: Sequence[Time]) -> bool:
    """Whether times are a year or more apart, though on no first or last day of a month.

    01/01/23, 01/01/24 are more likely years than days of 2001, and 24/01/23, 24/01/24 are not.
    """
    if len(times) < 2 or any(round(b.months - a.months, 6) < 12 for a, b in pairwise(times)):
        return False
    return not {int(time.months % 1 * 31 + 0.001) for time in times} <= {0, 30}


def _from(time: datetime) -> Time:
    """In UTC, if the time says how far it is from that."""
    clock = time.replace(tzinfo=None)
    is_end = clock.day == monthrange(clock.year, clock.month)[1]
    days = 31 if is_end else clock.day  # ends of all months are alike
    into = days - 1 + (clock.hour * 3600 + clock.minute * 60 + clock.second) / 86400
    months = 12 * clock.year + clock.month + into / 31
    seconds = (clock - (time.utcoffset() or timedelta()) - datetime.min).total_seconds()
    return Time(seconds, months, (clock - datetime.min).total_seconds())


def steps_between(times: Sequence[Time]) -> list[float]:
    """The steps between times, in that of the three ways in which most are equal."""
    seconds = [b.seconds - a.seconds for a, b in pairwise(times)]
    months = [round(b.months - a.months, 6) for a, b in pairwise(times)]
    clock = [b.clock - a.clock for a, b in pairwise(times)]
    return min((seconds, months, clock), key=lambda steps: len(set(steps)))


def odd_steps(times: Sequence[Time]) -> list[int]:
    """Where the step to the next time is not the most frequent one."""
    steps = steps_between(times)
    usual = Counter(steps).most_common(1)[0][0] if steps else 0.0
    return [place for place, step in enumerate(steps) if step != usual]
