"""Tables as text: cells separated by commas, or by what the first line shows."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from charrnn.config import Reading
from charrnn.decoding.cleaning import BOM, marks_note
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, decoded, first_lines, lines
from charrnn.errors import BadDataError
from charrnn.formats.tables.columns import (
    MissingColumnError,
    choice,
    column_of,
    documents,
    refuse_doubled,
)
from charrnn.formats.tables.quotes import (
    QUOTED,
    is_many,
    is_quoted,
    is_spaced,
    next_row,
    tried,
    whole_start,
)
from charrnn.words import counted, listing

__all__ = [
    "DELIMITERS",
    "Widths",
    "cells",
    "first_line",
    "header_in",
    "line_with",
    "longer",
    "rows",
    "titled",
]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEPARATED = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # a first line, as Excel reads it
HEADLESS = ", or name it by its number if the first line is no header"
ALIKE = 20  # first lines that show how cells are separated, where one does not


class Widths:
    """How many cells the rows of a table without a header have, so that no part of a text is lost.

    Empty cells at the end of a row may be there or not.

    Args:
        name: of the table.
        last: the number of the last column that is read.
    """

    def __init__(self, name: str, last: int) -> None:
        self._name, self._last = name, last
        self._first: list[str] = []
        self._counts: dict[int, int] = {}  # of cells, each with the first line that has so many

    def add(self, line: int, row: Sequence[str]) -> None:
        """The next row.

        Raises:
            BadDataError: if it has more cells than the first, of which the last is read.
        """
        cells = list(row)
        while len(cells) > self._last and not cells[-1].strip():
            del cells[-1]
        self._first = self._first or cells
        if len(cells) > len(self._first) == self._last:
            raise longer(self._name, line, cells, self._first)
        self._counts.setdefault(len(cells), line)

    def notes(self) -> list[str]:
        """What is to be told of rows that differ."""
        least, most = min(self._counts, default=0), max(self._counts, default=0)
        if least == most:
            return []
        return [
            f"its rows have {least} to {most} cells, {most} first in line {self._counts[most]:,}; "
            "put any cells that contain the separator in quotation marks"
        ]


def rows(source: Source, reading: Reading) -> Iterator[Piece]:
    """The rows of a table, each a document.

    Raises:
        BadDataError: if it is broken.
        MissingColumnError: if it has no such column.
    """
    notes: list[str] = []
    found = cells(source, reading, notes, lambda first: column_of(reading) in first)
    records = _records(source, found, reading, notes)
    return documents(source.name, records, reading, notes, advice=HEADLESS)


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
    name = source.name
    found = _unmarked(lines(decoded(name, source.stream, reading, notes), name), notes)
    number, first, named = first_line(found)
    usual = "," if source.file_name.lower().endswith(".csv") else "\t"
    start, is_whole = [first], False
    fitting = [named[1]] if named else _fitting(first, is_header, usual)
    if len(fitting) > 1 or f"{fitting[0]} " in first:
        start = [first, *islice(found, ALIKE - 1)]
        fitting = _alike(start, fitting)
    if named:
        notes.append(f"left out the line {named[0].strip()}, which names what separates cells")
    else:
        notes += _separator_notes(fitting, usual)
    delimiter = fitting[0]
    if delimiter == "\t":
        start, is_whole = whole_start(start, found)
    quoting = delimiter != "\t" or is_quoted(start, is_whole)
    if not quoting:
        notes.append("its quotation marks are read as text")
    spaced = is_spaced(start, delimiter)
    if spaced:
        notes.append("left out the spaces before its cells")
    reader = csv.reader(
        chain(start, found),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        skipinitialspace=spaced,
        strict=True,
    )
    rows = _parsed(name, reader, number - 1, first.count("\t") if delimiter == "\t" else 0)
    mark = next(tried([named[0]], delimiter)) if named else None
    return _with_one_header(rows, is_header, notes, mark)


def _unmarked(found: Iterable[str], notes: list[str]) -> Iterator[str]:
    """The lines without byte-order marks before them, of which joined tables have several."""
    count = 0
    for line in found:
        count += line.startswith(BOM)
        yield line.removeprefix(BOM)
    notes[:0] = marks_note(count)


def _with_one_header(
    rows: Iterable[tuple[int, list[str]]],
    is_header: Callable[[list[str]], bool],
    notes: list[str],
    mark: list[str] | None,
) -> Iterator[tuple[int, list[str]]]:
    """The rows without those that are the header again, as where tables are joined.

    Nor is there the line above it that names what separates cells, which is the row `mark`.
    """
    first, repeated, marks = list[str](), 0, 0
    for line, row in rows:
        if row == mark:
            marks += 1
            continue
        is_first, first = not first, first or row
        if not is_first and len(row) > 1 and row == first and header_in(row, is_header):
            repeated += 1
        else:
            yield line, row
    if marks:
        notes.append(f"left out {counted(marks, 'row')} with what separates its cells again")
    if repeated:
        notes.append(f"left out {counted(repeated, 'row')} with the names of its columns again")


def first_line(given: Iterable[str]) -> tuple[int, str, re.Match[str] | None]:
    """The first line of a table: no empty one, nor the first that names what separates cells.

    Returns:
        Its number, from 1; the line, "" if there is none; the match with `SEPARATED` above it.
    """
    number, named = 0, None
    for number, line in enumerate(given, 1):
        if line.strip() and (named or not (named := SEPARATED.fullmatch(line))):
            return number, line, named
    return number + 1, "", named


def header_in(row: list[str], is_header: Callable[[list[str]], bool]) -> list[str] | None:
    """The names of columns in a first row, each as `_name` has it; None if it has none.

    A name keeps its spaces where the row is a header only with them.
    """
    stripped = [cell.strip() for cell in row]
    return next(filter(is_header, ([*map(_name, row)], stripped, row)), None)


def _name(cell: str) -> str:
    """A name without spaces around it, and with a space for a line end within."""
    return " ".join(cell.split())


def line_with(names: Sequence[str], start: str) -> int:
    """The number of a line with these names below a title or a comment; 0 if there is none.

    A title has fewer cells, but for empty ones at its end, as Excel adds them; a comment begins
    with #: other cells may hold such a word by chance.

    Args:
        names: of columns.
        start: the first characters of a table, of which few lines are looked at.
    """
    tried = first_lines(start)[:ALIKE]
    _, title, _ = first_line(tried)
    for number, line in enumerate(tried, 1):
        for sign in DELIMITERS:
            cells = [cell.strip(' "') for cell in line.split(sign)]
            is_below = title.startswith("#") or _filled(title, sign) < _filled(line, sign)
            if is_below and all(name in cells for name in names):
                return number
    return 0


def _filled(line: str, sign: str) -> int:
    """How many cells a line has without the empty ones at its end; a column may have no name."""
    cells = enumerate(line.split(sign), 1)
    return max((number for number, cell in cells if cell.strip(' "\t\r')), default=0)


def titled(name: str, column: str, line: int) -> tuple[str, str]:
    """What is found, and to be done, where a title or a comment stands above the header."""
    found = f"{name}: there is no column {column} in its first line, but in line {line}"
    return found, "delete the lines above it"


def _fitting(first: str, is_header: Callable[[list[str]], bool], usual: str) -> list[str]:
    """What may separate the cells, the likeliest first: what gives the first line most cells.

    It is that alone with which the first line is a header; of several, commas are the last, which
    names have within and numbers, too.
    """
    rows = dict[str, list[str]]()
    for delimiter in dict.fromkeys([usual, *DELIMITERS]):
        with suppress(csv.Error):  # who reads the rows will meet it, and say where
            rows[delimiter] = next(tried([first], delimiter), [])
    if headers := [sign for sign, row in rows.items() if header_in(row, is_header)]:
        divided = [sign for sign in headers if len(rows[sign]) > 1]
        return sorted(divided, key=lambda sign: sign == ",") or headers[:1]
    if usual == "\t" and usual in first:  # sentences have commas, and hardly ever tabs
        return [usual]
    most = sorted(rows, key=lambda delimiter: -len(rows[delimiter]))
    return [delimiter for delimiter in most if len(rows[delimiter]) > 1] or most[:1] or [usual]


def _separator_notes(fitting: Sequence[str], usual: str) -> Iterator[str]:
    """What to say of the separator that was chosen, the first of those that fit."""
    found = f"its cells are separated by {DELIMITERS[fitting[0]]}"
    if len(fitting) > 1:
        other = fitting[1]
        choice = f"write sep={other} as its first line to choose them"
        yield f"{found}; {DELIMITERS[other]} would fit as well ({choice})"
    elif fitting[0] != usual:
        yield found


def _alike(start: Sequence[str], fitting: list[str]) -> list[str]:
    """Those separators that give all first rows as many cells; the first if none does."""
    alike = list[str]()
    for delimiter in fitting:
        with suppress(csv.Error):
            rows = [*filter(any, tried(start, delimiter, is_spaced(start, delimiter)))]
            if len(start) == ALIKE:  # the last one may go on
                rows = rows[:-1] or rows
            if len(set(map(len, rows))) == 1:
                alike.append(delimiter)
    return alike or fitting[:1]


def _records(
    source: Source,
    rows: Iterable[tuple[int, list[str]]],
    reading: Reading,
    notes: list[str],
) -> Generator[dict[str, str], None, None]:
    header: list[str] = []
    quoted: list[int] = []  # the lines of rows that are one cell each
    name, column, has_rows = source.name, column_of(reading), False
    for line, row in rows:
        if not header:
            header = row if column in row else header_in(row, lambda names: column in names) or []
            numbers = [str(number) for number in range(1, len(row) + 1)]
            if not header and column in numbers:
                header = numbers
                notes.append(f"its first line is read as a row: {listing(row)}")
                yield dict(zip(header, row, strict=True))
            if not header:
                header = [*map(_name, row)]
                start = source.stream.head.decode(reading.encoding, "replace")
                if below := line_with([column], start):
                    raise MissingColumnError(*titled(name, column, below))
            refuse_doubled(name, header, [column])
        elif any(row[len(header) :]):
            raise longer(name, line, row, header)
        elif row:
            has_rows = True
            if len(row) == 1 and column in header[1:] and _is_row(row[0], len(header)):
                quoted.append(line)
            yield dict(zip(header, row, strict=False))
    if header and column not in header and not has_rows:
        advice = choice(column, header) + HEADLESS
        raise MissingColumnError(f"{name}: no text in a column {column}", advice)
    if quoted:
        which = f"line {quoted[0]:,} is" if len(quoted) == 1 else f"{len(quoted):,} lines are"
        notes.append(f"{which} quoted as a whole, and so one cell without a column {column}")


def _is_row(cell: str, columns: int) -> bool:
    return any(cell.count(delimiter) >= columns - 1 for delimiter in DELIMITERS)


def longer(name: str, line: int, row: Sequence[str], header: Sequence[str]) -> BadDataError:
    """The error for a row that has more cells than the table has columns."""
    advice = "put cells that contain the separator in quotation marks"
    if any(map(QUOTED.match, row)):
        advice = "delete the spaces before its quotation marks"
    elif len(header) == 1:
        advice = f"delete the first line if it is a title, or {advice}"
    found = f"{name}: line {line} has {len(row)} cells, the first {len(header)}"
    return BadDataError(found, advice)


def _parsed(name: str, reader: Any, before: int, tabs: int) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its first line; `tabs` are those of a first row."""
    while True:
        line = before + reader.line_num + 1
        try:
            row = next_row(reader)
        except csv.Error as error:
            if "end of data" in str(error):
                found = f"{name}: line {line}: a quotation mark opens a cell, and none closes it"
            else:
                found = f"{name}: line {before + reader.line_num}: {error}"
            raise BadDataError(
                found, "close each quotation mark, and double those within a cell"
            ) from None
        if row is None:
            return
        if is_many(row, tabs):
            found = f"{name}: line {line}: a quotation mark opens a cell that holds several rows"
            raise BadDataError(found, "double the quotation marks of the texts, or delete them")
        yield line, row
