"""How tables of series are laid out: which line names the columns, and what these hold.

ds,y              unique_id,ds,y        H1,605,586,586
1949-01,112       north,2024-01,7       H2,3124,2990
1949-02,118       south,2024-01,9

The first is wide: a row for each time, a column for each series, or `y` and the columns that are
read beside it. The second is long: a row for each time of each series. In the third, which is
ragged, each row is a series.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from charrnn.examples.numbers import is_gap, is_list, is_number, number_of, without_commas
from charrnn.examples.rows import File, Row
from charrnn.examples.times import JOIN, are_months, is_time
from charrnn.formats.tables.delimited import DELIMITERS, longer

__all__ = [
    "NAME",
    "VALUE",
    "advice_on",
    "has_no_header",
    "is_header",
    "is_pivoted",
    "is_ragged",
    "times_and_others",
    "with_numbers_as_names",
]

VALUE, TIME, NAME = "y", "ds", "unique_id"
# Names of a first column whose numbers are times if they only rise.
TIMES = frozenset(
    {TIME, "date", "datetime", "time", "timestamp"}
    | {"year", "quarter", "month", "week", "day", "hour"}
)
CLOCK = re.compile(r"\d\d?:\d\d(:\d\d(\.\d+)?)?( ?[AP]M)?", re.IGNORECASE)
BEGINS_AS_NUMBER = re.compile(r"[^\w\s]*\s*\d")  # 5 kg, $5, but not Store 5
INDEX = frozenset({"", "index", "unnamed: 0"})  # names of a first column that may number the rows
TRUE_OR_FALSE = frozenset({"true", "false", "yes", "no"})
PANDAS = re.compile(r"__index_level_\d+__")  # those of one that does, or that holds times


def is_header(cells: list[str]) -> bool:
    """Whether cells are names: the second and later ones no numbers, nor the only one.

    One may look like a gap, as NA does. Empty ones at the end are those of a line that ends with
    what separates its cells.
    """
    names = cells[: max((k for k, cell in enumerate(cells, 1) if cell), default=0)]
    if len(names) == 1 and (set(names[0]) & set(DELIMITERS) or is_list(names[0])):
        return False  # a row that is divided by something else
    tried = (names[1:] or names)[:3]
    return not any(map(is_number, tried)) and not all(map(is_gap, tried))


def has_no_header(file: File) -> bool:
    """Whether no line names the columns."""
    return list(file.columns) == [str(k) for k in range(1, len(file.columns) + 1)]


def with_numbers_as_names(file: File, rows: list[Row], column: str | None) -> list[Row]:
    """The rows below a first line whose cells are names, though they are numbers: stores, years.

    Args:
        file: whose columns then have these names.
        rows: of it, at least one.
        column: that the user named.

    Raises:
        BadDataError: for a row that is longer than such a line.
    """
    if not file.is_text or not has_no_header(file):
        return rows
    names = [cell.strip() for cell in rows[0].cells.values()]
    below = list(rows[1].cells.values()) if len(rows) > 1 else []
    counts = _count(names) and 1 < len(names) == len(below)
    if not counts and not _are_names(names, below, column):
        if names == ["0"] and len(below) == 1:  # pandas writes it above a single column
            found = "0 is read as a value; delete it if it names the column"
            file.notes.append(f"{file.at(rows[0].number)}: {found}")
        return rows
    if counts or _count(names[1:]):
        found = "the numbers from 0 are read as the names of its columns, not as values"
        file.notes.append(f"{file.at(rows[0].number)}: {found}")
    _refuse_longer(file, rows)
    file.columns = names
    return [Row(row.number, dict(zip(names, row.cells.values(), strict=False))) for row in rows[1:]]


def _refuse_longer(file: File, rows: Sequence[Row]) -> None:
    """Check that no row of a table without a header has more cells than the first.

    Raises:
        BadDataError: if one has.
    """
    if not file.is_text:
        return
    for row in rows:
        cells = list(row.cells.values())
        if any(cells[len(file.columns) :]):
            raise longer(file.name, row.number, cells, file.columns)


def _are_names(names: list[str], below: list[str], column: str | None) -> bool:
    """Whether cells are names, by the row below them and by that which the user has named."""
    if column in names and not (column.isdecimal() and int(column) <= len(names)):  # its place
        return True
    first, *others = names
    if is_number(first) or is_time(first) or len(set(names)) < len(names):
        return False
    if _count(others) and (len(others) > 1 or not first):
        return True
    if len(names) != len(below):
        return False
    return is_time(below[0]) or (not is_gap(first) and is_number(below[0]))


def _count(names: Sequence[str]) -> bool:
    """Whether names are but numbers from 0, as pandas writes them."""
    return bool(names) and list(names) == [str(k) for k in range(len(names))]


def is_ragged(file: File, rows: Sequence[Row]) -> bool:
    """Whether each row is a series: rows begin with a name, or a table has no names at all."""
    cells, names = list(rows[0].cells.values()), list(file.columns)
    if not file.is_text or len(cells) < 2:
        return False
    if has_no_header(file):
        return not _holds_times(rows, "1")
    if TIME in names or names[0].lower() in TIMES:
        return False  # who reads the times will refuse what is none
    return not is_number(cells[0]) and not is_time(cells[0])


def is_pivoted(file: File, rows: Sequence[Row]) -> bool:
    """Whether each row is a series with a name of its own, as where pandas pivots a long table."""
    first, *others = file.columns
    if first != NAME or not is_ragged(file, rows):
        return False
    if any(name.lower() in TIMES or _holds_times(rows, name) for name in others):
        return False
    return len({row.cells[NAME] for row in rows}) == len(rows)


def advice_on(file: File, rows: Sequence[Row], column: str | None, cell: str) -> str:
    """What to do about a cell that should be a number.

    Args:
        file, rows: the table.
        column: that it is in; None if each row is a series.
        cell: what it holds.
    """
    if commas := without_commas(cell):
        return commas
    if line := _below_title(file, rows):
        return f"delete the lines above line {line:,} if they are a title"
    beside = [row.cells.get(column) for row in rows] if column is not None else []
    words = {text for one in beside if not is_gap(text := str(one).strip().lower())}
    if words and words <= TRUE_OR_FALSE:
        return "write 1 and 0"
    if CLOCK.fullmatch(cell):
        return f"{JOIN}, or leave the hours out"
    number = "write a number there, with a point for decimals"
    names = f"name the columns {NAME}, {TIME} and {VALUE}"
    if not is_time(cell) and BEGINS_AS_NUMBER.match(cell):  # 5 kg
        return number
    if column is None:
        is_slip = has_no_header(file) and not is_time(cell)
        return number if is_slip else f"if each row is a time, {names}"
    if column == VALUE or any(map(is_number, beside)):
        return number
    if is_time(cell) or NAME in file.columns:
        return "leave the column out"
    if column == file.columns[0] and any(c.isdecimal() for c in cell):  # KW 1
        return f"write times as 2024-01 or 2024-01-31, or, if it names the series, {names}"
    return f"leave the column out, or, if it names the series, {names}"


def _below_title(file: File, rows: Sequence[Row]) -> int:
    """The number of a line of names below one with a first cell alone; 0 if there is none."""
    if not file.is_text or any((file.unnamed or file.columns)[1:]):
        return 0
    lines = ((row.number, [*filter(str.strip, row.cells.values())]) for row in rows)
    number, names = next((line for line in lines if len(line[1]) > 1), (0, ["1"]))
    return 0 if any(map(is_number, names)) else number


def times_and_others(
    file: File, rows: Sequence[Row], value: str | None = None
) -> tuple[str | None, list[str]]:
    """The column of times, None without one, and those of numbers.

    Args:
        file: gets notes of a column that is left out, since it numbers the rows, and of a first
            one whose numbers only rise, or should by its name.
        rows: of it, at least one.
        value: the column of values, which is not among the others; None where each holds some.

    Raises:
        BadDataError: for a row that is longer than the first of a table without a header.
    """
    _refuse_longer(file, rows)
    least = int(value is None)
    columns = [name for name in file.columns if name not in (value, NAME)]
    if not all(columns):  # the last ones may be all there is: of "ds;y;"
        columns = [name for name in columns if name or _first(rows, name) is not None]
    tried = (name for name in columns if _holds_times(rows, name))
    time = TIME if TIME in columns else next(tried, None)
    if time is not None:
        columns.remove(time)
    columns = _without_index(file, rows, columns, least)
    if time is None and len(columns) > least and _is_named_time(file, rows, columns[0], least):
        return columns[0], columns[1:]
    return time, columns


def _is_named_time(file: File, rows: Sequence[Row], column: str, least: int) -> bool:
    """Whether a first column holds times by its name: no numbers, or such that only rise."""
    has_name = column.lower() in TIMES
    if not is_number(_first(rows, column)):
        return has_name  # who reads the times will refuse them
    rises, kind = _rise(rows, column), "series" if least else "feature"
    if len(rows) < 3 or not (rises or has_name):
        return False
    if not rises:
        told = f"learnt as a {kind}; if it is the times, each must be later than the one before"
    elif has_name:
        told = "read as the times"
    else:
        told = f"learnt as a {kind}; rename it ds if it is the times"
    do = "only rise" if rises else "do not always rise"
    file.notes.append(f"{file.name}: its column {column}, whose numbers {do}, is {told}")
    return rises and has_name


def _holds_times(rows: Sequence[Row], column: str) -> bool:
    """Whether a column is of dates, as its first cell tells, or of months such as 10.2020."""
    return is_time(_first(rows, column)) or are_months([row.cells.get(column) for row in rows])


def _first(rows: Sequence[Row], column: str) -> Any:
    """The first value in a column, which a record may lack; None if there is none."""
    cells = (row.cells.get(column) for row in rows)
    return next((cell for cell in cells if cell is not None and not is_gap(cell)), None)


def _without_index(file: File, rows: Sequence[Row], columns: list[str], least: int) -> list[str]:
    """Columns without those that number the rows, as pandas writes them, if there are more."""
    if len(columns) <= least:
        return columns
    left = [name for name in columns if not _is_index(rows, name, columns[0])]
    for name in columns:
        if name not in left:
            which = f"the column {name}" if name else "a column without a name"
            does = "numbers" if is_number(_first(rows, name)) else "names"
            file.notes.append(f"{file.name}: left out {which}, which {does} the rows")
    return left


def _is_index(rows: Sequence[Row], column: str, first: str) -> bool:
    if PANDAS.fullmatch(column):
        return True
    if column != first or column.lower() not in INDEX:
        return False
    numbers = [str(row.cells.get(column)).strip() for row in rows]
    if any(numbers == [str(start + k) for k in range(len(rows))] for start in (0, 1)):
        return True
    if column.lower() == "index":
        return False
    return _rise(rows, column) and all(number.isdecimal() for number in numbers)


def _rise(rows: Sequence[Row], column: str) -> bool:
    """Whether the numbers of each series in a column only rise, and there is nothing else."""
    last: dict[str, float] = {}
    for row in rows:
        name, cell = str(row.cells.get(NAME)), row.cells.get(column)
        if not is_number(cell) or number_of(cell) <= last.get(name, -math.inf):
            return False
        last[name] = number_of(cell)
    return True
