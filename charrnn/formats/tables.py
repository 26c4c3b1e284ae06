"""Tables as text: cells separated by commas, or by what the first line shows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from charrnn.config import Reading
from charrnn.decoding.cleaning import BOM
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import LONGEST, Piece, decoded, lines
from charrnn.errors import BadDataError
from charrnn.formats.columns import column_of, documents

__all__ = ["DELIMITERS", "cells", "longer", "rows"]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TRIED = 100  # lines in which the quotes of a table with tabs are looked at


def rows(source: Source, reading: Reading) -> Iterator[Piece]:
    """The rows of a table, each a document.

    Raises:
        BadDataError: if it is broken.
        MissingColumnError: if it has no such column.
    """
    notes: list[str] = []
    found = cells(source, reading, notes, lambda first: column_of(reading) in first)
    return documents(source.name, _records(source.name, found), reading, notes)


def cells(
    source: Source, reading: Reading, notes: list[str], is_header: Callable[[list[str]], bool]
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table as they stand, each with the number of the line that it begins on.

    Args:
        source: the table.
        reading: its encoding.
        notes: gets what was noticed.
        is_header: whether the cells of the first line show that it was divided rightly.

    Raises:
        BadDataError: if it is broken.
    """
    name, before = source.name, 0
    found = lines(decoded(name, source.stream, reading), name)
    first = next(found, "")
    if first.startswith(BOM):
        first = first[1:]
        notes.append("dropped the byte-order mark")
    while first and not first.strip():
        first = next(found, "")
        before += 1
    usual = "," if source.file_name.lower().endswith(".csv") else "\t"
    delimiter = _delimiter(first, is_header, usual)
    if delimiter != usual:
        notes.append(f"its cells are separated by {DELIMITERS[delimiter]}")
    start = [first, *islice(found, TRIED)]
    quoting = delimiter != "\t" or _is_quoted(start)
    if not quoting:
        notes.append("its quotation marks are read as text")
    reader = csv.reader(
        chain(start, found),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        strict=True,
    )
    return _parsed(name, reader, before)


def _delimiter(first: str, is_header: Callable[[list[str]], bool], usual: str) -> str:
    """What separates the cells: that with which the first line is a header, else the most cells."""
    rows = {
        delimiter: next(csv.reader([first], delimiter=delimiter), [])
        for delimiter in dict.fromkeys([usual, *DELIMITERS])
    }
    fitting = [delimiter for delimiter, row in rows.items() if is_header(row)]
    if fitting:
        return fitting[0]
    if usual == "\t" and usual in first:  # sentences have commas, and hardly ever tabs
        return usual
    return max(rows, key=lambda delimiter: len(rows[delimiter]))


def _is_quoted(start: Iterable[str]) -> bool:
    """Whether quotation marks enclose cells, or are marks in a text like others."""
    try:
        for _ in csv.reader(start, delimiter="\t", strict=True):
            pass
    except csv.Error as error:
        return "end of data" in str(error)  # a long cell goes on after these lines
    return True


def _records(
    name: str, rows: Iterable[tuple[int, list[str]]]
) -> Generator[dict[str, str], None, None]:
    header: list[str] = []
    for line, row in rows:
        if not header:
            header = row
        elif any(row[len(header) :]):
            raise longer(name, line, row, header)
        elif row:
            yield dict(zip(header, row, strict=False))


def longer(name: str, line: int, row: Sequence[str], header: Sequence[str]) -> BadDataError:
    """The error for a row that has more cells than the table has columns."""
    return BadDataError(
        f"{name}: line {line} has {len(row)} cells, the first {len(header)}",
        "put cells that contain the separator in quotation marks",
    )


def _parsed(name: str, reader: Any, before: int) -> Iterator[tuple[int, list[str]]]:
    """The rows. A cell may be long; the limit is that of the whole process, so it goes back."""
    while True:
        line = before + reader.line_num + 1
        usual = csv.field_size_limit(LONGEST)
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise BadDataError(
                f"{name}: line {before + reader.line_num}: {error}",
                "close each quotation mark, and double those within a cell",
            ) from None
        finally:
            csv.field_size_limit(usual)
        if row is None:
            return
        yield line, row
