"""How tables of series are laid out: which line names the columns, and what these hold.

ds,y              unique_id,ds,y        H1,605,586,586
1949-01,112       north,2024-01,7       H2,3124,2990
1949-02,118       south,2024-01,9

The first is wide: a row for each time, a column for each series, or `y` and the columns that are
read beside it. The second is long: a row for each time of each series. In the third, which is
ragged, each row is a series.
"""

from __future__ import annotations

from collections.abc import Sequence

from charrnn.examples.numbers import is_gap, is_list, is_number
from charrnn.examples.rows import File, Row
from charrnn.examples.times import is_time
from charrnn.formats.tables.delimited import DELIMITERS, longer

__all__ = [
    "NAME",
    "TIME",
    "VALUE",
    "is_header",
    "is_ragged",
    "times_and_others",
    "with_numbers_as_names",
]

VALUE, TIME, NAME = "y", "ds", "unique_id"
INDEX = frozenset({"", "index", "unnamed: 0"})  # names of a column that may number the rows


def is_header(cells: list[str]) -> bool:
    """Whether cells are names: the second and later ones no numbers, nor the only one."""
    if len(cells) == 1 and (set(cells[0]) & set(DELIMITERS) or is_list(cells[0])):
        return False  # a row that is divided by something else
    tried = cells[1:] or cells
    return bool(tried) and not any(is_number(cell) or is_gap(cell) for cell in tried[:3])


def with_numbers_as_names(file: File, rows: list[Row], column: str | None) -> list[Row]:
    """The rows below a first line whose cells are names, though they are numbers: stores, years.

    Args:
        file: whose columns then have these names.
        rows: of it, at least one.
        column: that the user named.

    Raises:
        BadDataError: for a row that is longer than such a line.
    """
    if file.reading.rules < 4 or not file.is_text or not _is_numbered(file):
        return rows
    names = [cell.strip() for cell in rows[0].cells.values()]
    below = list(rows[1].cells.values()) if len(rows) > 1 else []
    counts = _count(names) and len(names) == len(below)
    if not counts and not _are_names(names, below, column):
        return rows
    if counts or _count(names[1:]):
        found = "the numbers from 0 are read as the names of its columns"
        file.notes.append(f"{file.at(rows[0].number)}: {found}")
    refuse_longer(file, rows)
    file.columns = names
    return [Row(row.number, dict(zip(names, row.cells.values(), strict=False))) for row in rows[1:]]


def refuse_longer(file: File, rows: Sequence[Row]) -> None:
    """See that no row of a table without a header has more cells than the first.

    Raises:
        BadDataError: if one has.
    """
    for row in rows:
        cells = list(row.cells.values())
        if any(cells[len(file.columns) :]):
            raise longer(file.name, row.number, cells, file.columns)


def _are_names(names: list[str], below: list[str], column: str | None) -> bool:
    """Whether cells are names, by the row below them and by that which the user has named."""
    if column in names:
        return not (column.isdecimal() and int(column) <= len(names))  # which may be its place
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
    cells = list(rows[0].cells.values())
    if not file.is_text or len(cells) < 2:
        return False
    if _is_numbered(file):
        return not is_time(cells[0])
    return not is_number(cells[0]) and not is_time(cells[0])


def times_and_others(
    file: File, rows: Sequence[Row], value: str | None = None
) -> tuple[str | None, list[str]]:
    """The column of times, None without one, and those of numbers.

    Args:
        file: gets a note of a column that is left out, since it numbers the rows.
        rows: of it, at least one.
        value: the column of values, which is not among the others; None where each holds some.
    """
    columns = [name for name in file.columns if name not in (value, NAME)]
    columns = _without_index(file, rows, columns, least=int(value is None))
    if TIME in columns:
        columns.remove(TIME)
        return TIME, columns
    if columns and is_time(rows[0].cells.get(columns[0])):
        return columns[0], columns[1:]
    return None, columns


def _is_numbered(file: File) -> bool:
    """Whether no line names the columns."""
    return list(file.columns) == [str(k) for k in range(1, len(file.columns) + 1)]


def _without_index(file: File, rows: Sequence[Row], columns: list[str], least: int) -> list[str]:
    """Columns without a first one that numbers the rows, as pandas writes it, if more are left."""
    if len(columns) <= least or columns[0].lower() not in INDEX:
        return columns
    numbers = [str(row.cells.get(columns[0])).strip() for row in rows]
    if not any(numbers == [str(first + k) for k in range(len(rows))] for first in (0, 1)):
        return columns
    which = f"the column {columns[0]}" if columns[0] else "a column without a name"
    file.notes.append(f"{file.name}: left out {which}, which numbers the rows")
    return columns[1:]
