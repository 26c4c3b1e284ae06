"""Tables as text: cells separated by commas, or by what the first line shows."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice

from charrnn.config import Reading
from charrnn.decoding.cleaning import BOM
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import LONGEST, Piece, decoded, lines
from charrnn.errors import BadDataError
from charrnn.formats.columns import column_of, documents

__all__ = ["rows"]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TRIED = 100  # lines in which the quotes of a table with tabs are looked at


def rows(source: Source, reading: Reading) -> Iterator[Piece]:
    """The rows of a table, each a document.

    Raises:
        BadDataError: if it is broken.
        MissingColumnError: if it has no such column.
    """
    name, notes = source.name, list[str]()
    found = lines(decoded(name, source.stream, reading), name)
    first = next(found, "")
    if first.startswith(BOM):
        first = first[1:]
        notes.append("dropped the byte-order mark")
    while first and not first.strip():
        first = next(found, "")
    usual = "\t" if source.file_name.lower().endswith(".tsv") else ","
    delimiter = _delimiter(first, column_of(reading), usual)
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
    return documents(name, _records(name, reader), reading, notes)


def _delimiter(header: str, column: str, usual: str) -> str:
    """What separates the cells: that with which the header has the column, else the most cells."""
    cells = {
        delimiter: next(csv.reader([header], delimiter=delimiter), [])
        for delimiter in dict.fromkeys([usual, *DELIMITERS])
    }
    fitting = [delimiter for delimiter, names in cells.items() if column in names]
    return fitting[0] if fitting else max(cells, key=lambda delimiter: len(cells[delimiter]))


def _is_quoted(start: Iterable[str]) -> bool:
    """Whether quotation marks enclose cells, or are marks in a text like others."""
    try:
        for _ in csv.reader(start, delimiter="\t", strict=True):
            pass
    except csv.Error as error:
        return "end of data" in str(error)  # a long cell goes on after these lines
    return True


def _records(name: str, reader: csv.reader) -> Generator[dict[str, str]]:  # type: ignore[valid-type]
    header: list[str] = []
    for row in _parsed(name, reader):
        if not header:
            header = row
        elif any(row[len(header) :]):
            raise BadDataError(
                f"{name}: line {reader.line_num} has {len(row)} cells, the first {len(header)}",  # type: ignore[attr-defined]
                "put cells that contain the separator in quotation marks",
            )
        elif row:
            yield dict(zip(header, row, strict=False))
    if not header:
        return


def _parsed(name: str, reader: csv.reader) -> Iterator[list[str]]:  # type: ignore[valid-type]
    """The rows. A cell may be long; the limit is that of the whole process, so it goes back."""
    while True:
        usual = csv.field_size_limit(LONGEST)
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise BadDataError(
                f"{name}: line {reader.line_num}: {error}",  # type: ignore[attr-defined]
                "close each quotation mark, and double those within a cell",
            ) from None
        finally:
            csv.field_size_limit(usual)
        if row is None:
            return
        yield row
