"""Whether quotation marks enclose the cells of a table, also behind spaces, or are text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from charrnn.decoding.pieces import LONGEST

__all__ = ["QUOTED", "is_many", "is_quoted", "is_spaced", "next_row", "tried", "whole_start"]

QUOTED = re.compile(' +"')  # a cell behind a space
TRIED = 1 << 24  # characters in which the quotes of a table with tabs are looked at


def next_row(reader: Any) -> list[str] | None:
    """The next row. A cell may be long; the limit is that of the whole process, so it goes back."""
    usual = csv.field_size_limit(LONGEST)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(usual)


def tried(start: Sequence[str], delimiter: str, spaced: bool = False) -> Iterator[list[str]]:
    """First rows of a table; with tabs, as if quotation marks enclosed cells."""
    reader = csv.reader(start, delimiter=delimiter, skipinitialspace=spaced)
    return iter(partial(next_row, reader), None)


def is_spaced(start: Sequence[str], delimiter: str) -> bool:
    """Whether quotation marks that enclose cells stand behind spaces; with tabs they are text."""
    if delimiter == "\t":
        return False
    reader, done = csv.reader(start, delimiter=delimiter, skipinitialspace=True, strict=True), 0
    try:
        while next_row(reader) is not None:
            done = reader.line_num
    except csv.Error as error:
        if "end of data" not in str(error):  # a long cell may go on
            return False
    cells = (cell for row in tried(start[:done], delimiter) for cell in row[1:])
    return any(map(QUOTED.match, cells))


def whole_start(start: list[str], others: Iterator[str]) -> tuple[list[str], bool]:
    """The first lines of a table, and whether these are all of it."""
    size = sum(map(len, start))
    for line in others:
        start.append(line)
        size += len(line)
        if size > TRIED:
            return start, False
    return start, True


def is_quoted(start: Sequence[str], is_whole: bool) -> bool:
    """Whether quotation marks enclose cells, or are marks in a text like others.

    They are marks if a cell has some within it alone, unless others enclose tabs or line ends.
    """
    reader, tabs, done = csv.reader(start, delimiter="\t", strict=True), start[0].count("\t"), 0
    within = enclosing = False
    try:
        while (row := next_row(reader)) is not None:
            if is_many(row, tabs):
                return False
            written = start[done].split("\t")  # as the row has them, where nothing is enclosed
            if reader.line_num - done > 1 or 0 < len(row) < len(written):
                enclosing = True
            elif not within:
                within = any('"' in cell and cell.lstrip(" ")[0] != '"' for cell in written)
            done = reader.line_num
    except csv.Error as error:
        is_open = "end of data" in str(error) and not is_whole  # a long cell may go on
        if not is_open or _are_rows(start[done:], tabs):
            return False
    return enclosing or not within


def is_many(row: Sequence[str], tabs: int) -> bool:
    """Whether a row is several, which two stray quotation marks have merged.

    One with doubled quotation marks in it, of which single ones are left here, is meant.
    """
    lines = "\t".join(row).split("\n")
    return len(lines) > 1 and not any('"' in cell for cell in row) and _are_rows(lines, tabs)


def _are_rows(lines: Sequence[str], tabs: int) -> bool:
    """Whether lines that a quoted cell holds would be rows of the table by themselves."""
    counts = [line.count("\t") for line in lines if line.strip()]
    return tabs > 0 and len(counts) > 1 and set(counts) == {tabs}
