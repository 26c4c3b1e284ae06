"""Series of numbers, from wide, long and ragged tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.growing import (
    CELLS,
    ROWS,
    Growing,
    note_empty,
    note_gaps,
    note_left_out,
    note_ragged,
    the_value,
)
from charrnn.examples.layout import (
    NAME,
    VALUE,
    advice_on,
    has_no_header,
    is_header,
    is_pivoted,
    is_ragged,
    times_and_others,
    with_numbers_as_names,
)
from charrnn.examples.numbers import (
    LARGEST,
    is_gap,
    is_list,
    is_number,
    number_of,
    refuse_commas,
    thousands_in,
    too_large,
)
from charrnn.examples.rows import File, Row, called, opened
from charrnn.examples.times import odd_steps, ordered_times

__all__ = ["Series", "named", "read_series", "refuse_text_column"]


class Series(NamedTuple):
    """A series and what is read beside it.

    Attributes:
        name: empty for the only one of a file.
        values: (N, 1+F): the value itself, and F features.
        features: the names of these.
        times: of each row, as they are written; empty if there are none.
        place: where it begins, as errors do: "airline.csv: line 2".
        gaps: how many steps from time to time are not the usual one.
        in_row: whether its values stood in one row.
    """

    name: str
    values: NDArray[np.float64]
    features: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    place: str = ""
    gaps: int = 0
    in_row: bool = False

    def until(self, end: int) -> Series:
        """The same, as it was after so many values."""
        return self._replace(values=self.values[:end], times=self.times[:end])


def read_series(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    column: str | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
    trained: str | None = None,
) -> list[Series]:
    """All series of the sources.

    Args:
        sources: each what `rows.opened` takes.
        reading: encoding.
        notes: gets what was changed or left out, and gaps in the times.
        column: that holds the values of a wide or a long table; "y" by default.
        known: the last times of series by name, as `times_of` has them.
        trained: the column of those that a model has learnt from; by default `column` is the same,
            unless a table has no names.

    Raises:
        BadDataError: for what is no number, a value that is missing, rows that are not in the
            order of their times, two series of one name, and if there is not a series at all.
        UsageError: if there is no such column; as `refuse_text_column`.
    """
    refuse_text_column(reading)
    found: list[Series] = []
    for file in opened(sources, reading, notes, "forecast"):
        own = _series_of(file, column, trained)
        note_empty(file, own)
        found += [_done(one, notes, (known or {}).get(one.name, ())) for one in own if one.rows]
        note_gaps(file, own)
    if not found:
        raise BadDataError(f"{called(sources)}: no numbers in it", "name a table")
    _check_names(found)
    features = {one.features for one in found}
    if len(features) > 1:
        other = next(one for one in found if one.features != found[0].features)
        raise BadDataError(
            f"{other.place}: the columns besides the value are {_listed(other.features)}, "
            f"before, they were {_listed(found[0].features)}",
            "give all files the same columns",
        )
    return found


def refuse_text_column(reading: Reading) -> None:
    """Check that no column of texts is named, which would be ignored.

    Raises:
        UsageError: if one is.
    """
    if reading.text_column is not None:
        found = (
            f"text_column is {reading.text_column!r}, which has no meaning for the task forecast"
        )
        raise UsageError(found, "leave it out", "text_column")


def named(series: Series) -> str:
    """How messages call a series."""
    return f"series {series.name}" if series.name else "the series"


def _series_of(file: File, column: str | None, trained: str | None) -> list[Growing]:
    """The series of a file, whatever its form."""
    number, line = file.first_line
    if is_list(line.replace(",", ".").replace(";", " ")):  # or a header: "1", "5 2", "5"
        refuse_commas(line, f"{file.at(number)}: ")
    rows = _without_blank(file, list(file.rows(is_header, blank=True)))
    if not file.is_text:  # a record may lack what is missing
        file.columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    if not rows or not file.columns:
        return []
    rows = with_numbers_as_names(file, rows, column or trained)
    names = list(file.columns)
    if column is None and (trained in names or not has_no_header(file)):
        column = trained
    wanted = column or VALUE
    if column is not None and column not in names:
        raise file.no_column(column, "--label-column")
    if wanted in names:
        return _of_value(file, rows, wanted)
    if NAME in names and (column is not None or not is_pivoted(file, rows)):
        raise file.no_column(wanted, "--label-column")
    if len(names) == 1 and is_list(rows[0].cells.get(names[0])):
        return _lists(file, rows)
    if is_ragged(file, rows):
        found = _ragged(file, rows)
        note_ragged(file, found)
        return found
    return _wide(file, rows)


def _done(growing: Growing, notes: list[str], known: Sequence[str]) -> Series:
    """All of it, with what its times tell, beside those that were known before."""
    if any(growing.times):
        times = ordered_times(growing.file, growing.times, growing.numbers, notes, known)
        growing.odd = odd_steps(times)
    values = np.array(growing.rows, np.float64)
    shown = tuple(growing.times) if any(growing.times) else ()
    place = growing.file.at(growing.numbers[0])
    in_row = growing.steps == CELLS
    return Series(growing.name, values, growing.features, shown, place, len(growing.odd), in_row)


def _without_blank(file: File, rows: list[Row]) -> list[Row]:
    """Rows without the empty lines between them and at both ends.

    Raises:
        BadDataError: for one between the numbers of a single column, where a value may be missing.
    """
    if not file.is_text:
        return rows
    filled = [row for row in rows if row.cells]
    if len(file.columns) == 1 and filled and not any(map(is_list, filled[0].cells.values())):
        first, last = filled[0].number, filled[-1].number
        for row in rows:
            if not row.cells and first < row.number < last:
                found = f"{file.at(row.number)} is empty, and numbers follow"
                advice = "write the number there, or delete the line if none is missing"
                raise BadDataError(found, advice)
    return filled


def _ragged(file: File, rows: Sequence[Row]) -> list[Growing]:
    found: list[Growing] = []
    for row in rows:
        cells = list(row.cells.items())
        has_name = not is_number(cells[0][1]) and not is_gap(cells[0][1])
        series = cells[0][1].strip() if has_name else f"{len(found) + 1}"
        growing = Growing(file, series, steps=CELLS)
        for number, cell in cells[has_name:]:
            name = f"column {number}"
            growing.add(row.number, {name: _value(file, rows, row, name, cell, CELLS)}, "")
        found.append(growing)
    return found


def _lists(file: File, rows: Sequence[Row]) -> list[Growing]:
    """A series on each line; a single one has no name."""
    lists = [
        Row(row.number, {str(k): number for k, number in enumerate(cell.split(), 1)})
        for row in rows
        for cell in row.cells.values()
    ]
    found = _ragged(file, lists)
    note_ragged(file, found)
    if len(found) == 1:
        found[0].name = ""
    return found


def _of_value(file: File, rows: Sequence[Row], value: str) -> list[Growing]:
    """A wide table with a column of values, or a long one."""
    time, others = times_and_others(file, rows, value)
    columns = (value, *others)
    _note_thousands(file, rows, columns)
    found: dict[str, Growing] = {}
    for row in rows:
        name = _text(row.cells.get(NAME))
        if NAME in file.columns and not name:
            advice = "name the series of each row"
            raise BadDataError(f"{file.at(row.number)}: no {NAME}", advice)
        growing = found.setdefault(name, Growing(file, name, tuple(others)))
        values = {
            column: _value(file, rows, row, column, row.cells.get(column)) for column in columns
        }
        growing.add(row.number, values, _time_at(row, time))
    note_left_out(file, found.values())
    return list(found.values())


def _wide(file: File, rows: Sequence[Row]) -> list[Growing]:
    """A table with a column for each series, and maybe one of times."""
    time, columns = times_and_others(file, rows)
    _note_thousands(file, rows, columns)
    alone = len(columns) == 1
    found = {name: Growing(file, "" if alone else name) for name in columns}
    for row in rows:
        for name, growing in found.items():
            value = _value(file, rows, row, name, row.cells.get(name))
            growing.add(row.number, {name: value}, _time_at(row, time))
    if alone:
        note_left_out(file, found.values())
    return list(found.values())


def _note_thousands(file: File, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Tell of points that may separate thousands, in a table such as Excel writes or copies there.

    Its cells are divided by semicolons or tabs where commas stand before decimals.
    """
    if not file.is_text or set(";\t").isdisjoint(file.first_line[1]):
        return
    for name in columns:
        if shown := thousands_in(row.cells.get(name) for row in rows):
            found = f"{the_value(name)} is {shown[0]} in one row and {shown[1]} in another"
            advice = (
                "its points are read as decimal points; leave them out if they separate thousands"
            )
            file.notes.append(f"{file.name}: {found}; {advice}")
            return


def _value(
    file: File, rows: Sequence[Row], row: Row, column: str, cell: Any, steps: str = ROWS
) -> float:
    """A number in a row of a table; NaN where there is none.

    Raises:
        BadDataError: for anything else.
    """
    try:
        value = number_of(cell)
    except ValueError:
        shown = repr(str(cell)[:30])
        advice = advice_on(file, rows, column if steps == ROWS else None, str(cell).strip())
        raise BadDataError(
            f"{file.at(row.number)}: {the_value(column)} is {shown}, not a number", advice
        ) from None
    if abs(value) > LARGEST:
        size, advice = too_large(value)
        raise BadDataError(f"{file.at(row.number)}: {the_value(column)} is {size}", advice)
    return value


def _time_at(row: Row, column: str | None) -> str:
    return "" if column is None else _text(row.cells.get(column))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _check_names(found: Sequence[Series]) -> None:
    """Refuse two series of one name."""
    known: dict[str, Series] = {}
    for one in found:
        other = known.setdefault(one.name, one)
        if other is not one:
            which = f"series {one.name}" if one.name else "a series without a name"
            raise BadDataError(
                f"{one.place}: {which} is already at {other.place}",
                "give each series a name of its own, in a column unique_id or as its first cell",
            )
