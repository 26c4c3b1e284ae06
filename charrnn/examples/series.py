"""Series of numbers, from wide, long and ragged tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError
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
from charrnn.words import counted

__all__ = ["Series", "named", "read_series", "refuse_text_column"]

MANY = 10  # rows whose first numbers would hardly rise by chance
ROWS, CELLS = "rows", "cells"  # what the values of a series are, one after the other
FILL_IN = "fill it in, or leave out the {} up to it"


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


@dataclass
class _Growing:
    """A series while its rows are read."""

    file: File
    name: str
    features: tuple[str, ...] = ()
    steps: str = ROWS
    rows: list[list[float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the lines
    times: list[str] = field(default_factory=list)
    gap: tuple[int, str] | None = None  # the line of a value that is missing, and its column
    odd: list[int] = field(default_factory=list)  # the rows before gaps in the times
    left_out: int = 0  # rows without a value, before the first one and after the last

    def add(self, number: int, values: dict[str, float], time: str) -> None:
        """The next row: the value, then its features. A value may be missing at both ends."""
        column, *_ = values
        if math.isnan(values[column]):
            self.left_out += 1
            if self.rows and self.gap is None:
                self.gap = number, column
            return
        if self.gap is not None:
            line, missing = self.gap
            found = f"{self.file.at(line)}: {_the(missing)} is missing, and goes on later"
            raise BadDataError(found, FILL_IN.format(self.steps))
        empty = next((name for name, value in values.items() if math.isnan(value)), None)
        if empty is not None:
            found = f"{self.file.at(number)}: {_the(empty)} is missing, and that of {column} is not"
            raise BadDataError(found, "fill it in, or leave out the row or the column")
        self.rows.append(list(values.values()))
        self.numbers.append(number)
        self.times.append(time)

    def done(self, notes: list[str], known: Sequence[str]) -> Series:
        """All of it, with what its times tell, beside those that were known before."""
        if any(self.times):
            times = ordered_times(self.file, self.times, self.numbers, notes, known)
            self.odd = odd_steps(times)
        values = np.array(self.rows, np.float64)
        shown = tuple(self.times) if any(self.times) else ()
        place = self.file.at(self.numbers[0])
        in_row = self.steps == CELLS
        return Series(self.name, values, self.features, shown, place, len(self.odd), in_row)


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
        _note_empty(file, own)
        found += [one.done(notes, (known or {}).get(one.name, ())) for one in own if one.rows]
        _note_gaps(file, own)
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


def _series_of(file: File, column: str | None, trained: str | None) -> list[_Growing]:
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
        _note_ragged(file, found)
        return found
    return _wide(file, rows)


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


def _ragged(file: File, rows: Sequence[Row]) -> list[_Growing]:
    found: list[_Growing] = []
    for row in rows:
        cells = list(row.cells.items())
        has_name = not is_number(cells[0][1]) and not is_gap(cells[0][1])
        series = cells[0][1].strip() if has_name else f"{len(found) + 1}"
        growing = _Growing(file, series, steps=CELLS)
        for number, cell in cells[has_name:]:
            name = f"column {number}"
            growing.add(row.number, {name: _value(file, rows, row, name, cell, CELLS)}, "")
        found.append(growing)
    return found


def _note_ragged(file: File, found: Sequence[_Growing]) -> None:
    """Tell that rows are series, where columns have names; and of a first row that may be names."""
    first, *others = found
    are_lists = len(file.columns) == 1
    each = f"{file.name}: each row is read as a series: {len(found):,} series"
    counts = all(after == before + 1 for (before,), (after,) in pairwise(first.rows))
    if others and not has_no_header(file) and not are_lists:
        advice = "if these are times, write them as 2024-01 or 2024-01-31"
        file.notes.append(f"{each}, the first {first.name}; {advice}")
    elif _may_be_times(found):
        commas = "put commas between its numbers, and " * are_lists
        advice = f"if each is a time, {commas}write a name above each column, such as ds and y"
        file.notes.append(f"{each}; {advice}")
    elif others and len(first.rows) > 1 and counts and first.name != "1":
        number = f"{first.name}, whose numbers count up by 1, is read as a series"
        file.notes.append(f"{file.at(first.numbers[0])}: {number}; delete it if it names columns")


def _may_be_times(found: Sequence[_Growing]) -> bool:
    """Whether rows without names, all of one length, begin with numbers that rise, or stay."""
    starts = [one.rows[0] for one in found if one.rows]
    if len({len(one.rows) for one in found}) > 1 or len(starts) < MANY or found[0].name != "1":
        return False
    return starts == sorted(starts) and starts[0] < starts[-1]


def _lists(file: File, rows: Sequence[Row]) -> list[_Growing]:
    """A series on each line; a single one has no name."""
    lists = [
        Row(row.number, {str(k): number for k, number in enumerate(cell.split(), 1)})
        for row in rows
        for cell in row.cells.values()
    ]
    found = _ragged(file, lists)
    _note_ragged(file, found)
    if len(found) == 1:
        found[0].name = ""
    return found


def _of_value(file: File, rows: Sequence[Row], value: str) -> list[_Growing]:
    """A wide table with a column of values, or a long one."""
    time, others = times_and_others(file, rows, value)
    columns = (value, *others)
    _note_thousands(file, rows, columns)
    found: dict[str, _Growing] = {}
    for row in rows:
        name = _text(row.cells.get(NAME))
        if NAME in file.columns and not name:
            advice = "name the series of each row"
            raise BadDataError(f"{file.at(row.number)}: no {NAME}", advice)
        growing = found.setdefault(name, _Growing(file, name, tuple(others)))
        values = {
            column: _value(file, rows, row, column, row.cells.get(column)) for column in columns
        }
        growing.add(row.number, values, _time_at(row, time))
    _note_left_out(file, found.values())
    return list(found.values())


def _wide(file: File, rows: Sequence[Row]) -> list[_Growing]:
    """A table with a column for each series, and maybe one of times."""
    time, columns = times_and_others(file, rows)
    _note_thousands(file, rows, columns)
    alone = len(columns) == 1
    found = {name: _Growing(file, "" if alone else name) for name in columns}
    for row in rows:
        for name, growing in found.items():
            value = _value(file, rows, row, name, row.cells.get(name))
            growing.add(row.number, {name: value}, _time_at(row, time))
    if alone:
        _note_left_out(file, found.values())
    return list(found.values())


def _note_empty(file: File, found: Sequence[_Growing]) -> None:
    """Tell of series without a value, which are left out."""
    empty = [f"series {one.name}" for one in found if not one.rows]
    if empty and len(empty) < len(found):
        some = f"{empty[0]} and {len(empty) - 1:,} more" if len(empty) > 1 else empty[0]
        file.notes.append(f"{file.name}: left out {some}, which held no values")


def _note_thousands(file: File, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Tell of points that may separate thousands, in a table such as Excel writes or copies there.

    Its cells are divided by semicolons or tabs where commas stand before decimals.
    """
    if not file.is_text or set(";\t").isdisjoint(file.first_line[1]):
        return
    for name in columns:
        if shown := thousands_in(row.cells.get(name) for row in rows):
            found = f"{_the(name)} is {shown[0]} in one row and {shown[1]} in another"
            advice = (
                "its points are read as decimal points; leave them out if they separate thousands"
            )
            file.notes.append(f"{file.name}: {found}; {advice}")
            return


def _note_left_out(file: File, found: Iterable[_Growing]) -> None:
    """Tell of rows that are left out because their value is missing."""
    rows = sum(one.left_out for one in found if one.rows)
    if rows:
        file.notes.append(f"{file.name}: left out {counted(rows, 'row')} without a value")


def _note_gaps(file: File, found: Sequence[_Growing]) -> None:
    """Tell where times are missing: the first place of all series, in one line."""
    series = [one for one in found if one.odd]
    if not series:
        return
    first = series[0]
    row, count = first.odd[0], len(first.odd)
    place = file.at(first.numbers[row + 1])
    where = f"between {first.times[row]} and {first.times[row + 1]}"
    which = f" of {first.name}" if first.name else ""
    if len(series) > 1:
        gaps = f"{len(series):,} series have gaps in their times, the first{which}"
    else:
        gaps = f"{count:,} gap{'s, the first' * (count > 1)} in the times{which}"
    file.notes.append(f"{place}: {gaps} {where}; read as if nothing were missing")


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
            f"{file.at(row.number)}: {_the(column)} is {shown}, not a number", advice
        ) from None
    if abs(value) > LARGEST:
        size, advice = too_large(value)
        raise BadDataError(f"{file.at(row.number)}: {_the(column)} is {size}", advice)
    return value


def _time_at(row: Row, column: str | None) -> str:
    return "" if column is None else _text(row.cells.get(column))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _the(column: str) -> str:
    return column if column.startswith("column ") else f"the value of {column}"


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
