"""A series of numbers while the rows of its table are read, and what is told of such."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from charrnn.errors import BadDataError
from charrnn.examples.layout import has_no_header
from charrnn.examples.rows import File
from charrnn.words import counted

__all__ = [
    "CELLS",
    "ROWS",
    "Growing",
    "note_empty",
    "note_gaps",
    "note_left_out",
    "note_ragged",
    "the_value",
]

MANY = 10  # rows whose first numbers would hardly rise by chance
ROWS, CELLS = "rows", "cells"  # what the values of a series are, one after the other
FILL_IN = "fill it in, or leave out the {} up to it"


@dataclass
class Growing:
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
            found = f"{self.file.at(line)}: {the_value(missing)} is missing, and goes on later"
            raise BadDataError(found, FILL_IN.format(self.steps))
        empty = next((name for name, value in values.items() if math.isnan(value)), None)
        if empty is not None:
            missing = f"{the_value(empty)} is missing, and that of {column} is not"
            found = f"{self.file.at(number)}: {missing}"
            raise BadDataError(found, "fill it in, or leave out the row or the column")
        self.rows.append(list(values.values()))
        self.numbers.append(number)
        self.times.append(time)


def note_empty(file: File, found: Sequence[Growing]) -> None:
    """Tell of series without a value, which are left out."""
    empty = [f"series {one.name}" for one in found if not one.rows]
    if empty and len(empty) < len(found):
        some = f"{empty[0]} and {len(empty) - 1:,} more" if len(empty) > 1 else empty[0]
        file.notes.append(f"{file.name}: left out {some}, which held no values")


def note_left_out(file: File, found: Iterable[Growing]) -> None:
    """Tell of rows that are left out because their value is missing."""
    rows = sum(one.left_out for one in found if one.rows)
    if rows:
        file.notes.append(f"{file.name}: left out {counted(rows, 'row')} without a value")


def note_gaps(file: File, found: Sequence[Growing]) -> None:
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


def note_ragged(file: File, found: Sequence[Growing]) -> None:
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


def _may_be_times(found: Sequence[Growing]) -> bool:
    """Whether rows without names, all of one length, begin with numbers that rise, or stay."""
    starts = [one.rows[0] for one in found if one.rows]
    if len({len(one.rows) for one in found}) > 1 or len(starts) < MANY or found[0].name != "1":
        return False
    return starts == sorted(starts) and starts[0] < starts[-1]


def the_value(column: str) -> str:
    """How messages call what stands in a column."""
    return column if column.startswith("column ") else f"the value of {column}"
