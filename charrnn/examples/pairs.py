"""Pairs of a text and what it becomes: a table of two columns, or two files line by line.

pairs.tsv, pairs.csv, pairs.jsonl, pairs.parquet, hf://… ──▶ Pair, Pair, …
train.en, train.de                                       ──▶ Pair, Pair, …
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from charrnn.config import Reading
from charrnn.decoding.cleaning import Cleaner
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.rows import File, Form, Row, called, columns_of, last_of, opened
from charrnn.formats.tables.columns import MISSING, shown, value_at
from charrnn.formats.tables.delimited import DELIMITERS
from charrnn.words import counted, listing, quoted

__all__ = ["Pair", "read_pairs"]

TEXTS = ("source", "target")  # what the two of a pair are called, and their columns
OPTIONS = ("--text-column", "--label-column")
# What names columns, in the first line of a table that should have no header.
NAMES = {*TEXTS, "src", "tgt", "trg", "input", "output"}
BOTH = "write source, tab, target on each line"


class Pair(NamedTuple):
    """An example: a text and what it becomes."""

    source: str
    target: str


class _Columns(NamedTuple):
    """Where the source and the target stand; whether the user has named the columns."""

    names: tuple[str, str]
    given: bool

    @property
    def numbered(self) -> bool:
        """Whether they are numbers, of a table without a header."""
        return all(name.isdecimal() for name in self.names)

    @property
    def last(self) -> int:
        """The number of the last column that is read without a header; 0 if there must be one."""
        if self.numbered:
            return last_of(*self.names)
        return 0 if self.given else 2

    def are_in(self, cells: Sequence[str]) -> bool:
        """Whether a first line names both."""
        return not self.numbered and all(name in cells for name in self.names)


def read_pairs(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    target_column: str | None,
    *,
    named: bool = True,
) -> list[Pair]:
    """All pairs of some files.

    Args:
        sources: tables, which name both columns in their first line, or have no header and the
            sources in the first column, the targets in the second; or two other files, whose lines
            belong together, unless the user has named columns.
        reading: encoding, and the column of the sources; `source` by default. A number, from 1, is
            that of a column of a table without a header.
        notes: gets what was changed or left out.
        target_column: that of the targets; `target` by default.
        named: whether the user has named the columns; those of the training do not count for files
            without columns.

    Raises:
        BadDataError: for a row without one of the texts, an empty text, a first line that names
            other columns, files of different lengths, or no pair at all; says where.
        MissingInputError: if there is no such file.
        UsageError: for a column that is not there, and for numbers where the sources should be in
            a table of four columns and more, or such as number the rows in one of three; as
            `columns_of`.
    """
    names = columns_of(reading.text_column, target_column, TEXTS)
    columns = _Columns(names, given=bool(reading.text_column or target_column))
    pairs: list[Pair] = []
    if not (columns.given and named) and _are_aligned(sources, reading, columns):
        if columns.numbered and all(_is_divided(file) for file in _each(sources, reading, [])):
            notes.append(
                f"{called(sources)}: their lines are taken for pairs; if they are tables without a "
                f"header, give {OPTIONS[0]} {names[0]} and {OPTIONS[1]} {names[1]} again"
            )
        pairs += _aligned(sources, reading, notes)
    else:
        for file in opened(sources, reading, notes, "translate"):
            _read_table(file, columns, pairs)
    if not pairs:
        raise BadDataError(f"{called(sources)}: there are no pairs in it", BOTH)
    return pairs


def _are_aligned(sources: Sequence[str | Path], reading: Reading, columns: _Columns) -> bool:
    """Whether these are two files of plain text whose first lines hold no tab and no columns."""
    # Unlike a method of Path, it finds nothing where a name is too long or out of reach.
    if len(sources) != 2 or not all(map(os.path.isfile, sources)):
        return False
    files = list(_each(sources, reading, []))
    starts = [file.first_line[1] for file in files if file.form is Form.TEXT]
    if len(files) != len(starts) or len(starts) != 2:
        return False
    return not any("\t" in start or _is_header(start, columns) for start in starts)


def _is_header(line: str, columns: _Columns) -> bool:
    """Whether a line names both columns, whatever separates them."""
    rows = (line.split(delimiter) for delimiter in DELIMITERS)
    return any(columns.are_in([cell.strip(' "') for cell in row]) for row in rows)


def _is_divided(file: File) -> bool:
    """Whether a first line may be cells."""
    return not set(DELIMITERS).isdisjoint(file.first_line[1])


def _each(sources: Sequence[str | Path], reading: Reading, notes: list[str]) -> Iterator[File]:
    """The files of two sources, which may hold the same: `opened` would read it once."""
    for source in sources:
        yield from opened([source], reading, notes)


def _aligned(sources: Sequence[str | Path], reading: Reading, notes: list[str]) -> Iterator[Pair]:
    names, texts = list[str](), list[list[str]]()
    for file in _each(sources, reading, notes):
        names.append(file.name)
        texts.append([line for _, line in file.lines()])
    for number, pair in enumerate(zip_longest(*texts), 1):
        for name, text in zip(names, pair, strict=True):
            if text is None:
                lengths = f"{len(texts[0]):,} and {len(texts[1]):,} lines"
                found = f"{name}: line {number:,} is missing: the files have {lengths}"
                raise BadDataError(found, "give two files whose lines belong together")
            if not text.strip():
                found = f"{name}: line {number:,} is empty"
                raise BadDataError(found, "fill it in, or delete it in both files")
        yield Pair(*pair)


def _read_table(file: File, columns: _Columns, pairs: list[Pair]) -> None:
    """Add the pairs of a table."""
    names, longest, cleaner, worded = columns.names, 0, Cleaner(), set[str]()
    found, empty = list[Pair](), 0
    for row in file.rows(columns.are_in, columns.names, columns.last):
        if file.is_text and not columns.are_in(file.columns):
            names, longest = _headless(file, row, columns), max(longest, len(row.cells))
        if file.is_text and not "".join(row.cells.values()).strip():
            empty += 1
            continue
        if longest:
            cells = ((name, cell.strip()) for name, cell in row.cells.items())
            worded.update(name for name, cell in cells if cell and not cell.isdecimal())
        source, target = (_text(file, row, names, which, cleaner) for which in (0, 1))
        found.append(Pair(source, target))
    file.notes += [f"{file.name}: {note}" for note in cleaner.notes()]
    if empty:
        file.notes.append(f"{file.name}: left out {counted(empty, 'row')} without text")
    if longest > 2 and "1" not in worded and len(worded) > 1 and not columns.given:
        _refuse_whole_numbers(file, found, longest, sorted(worded, key=int))
    pairs += found
    if longest > 2 and not columns.given:
        file.notes.append(f"{file.name}: its columns from the third on are not used")


def _refuse_whole_numbers(
    file: File, pairs: Sequence[Pair], columns: int, worded: Sequence[str]
) -> None:
    """Refuse sources that are whole numbers, if they stand beside two columns with texts.

    Of three columns they may be the first all the same, unless they number the rows.
    """
    advice = f"choose the texts, such as {OPTIONS[0]} {worded[0]} {OPTIONS[1]} {worded[1]}"
    if columns == 3:
        sources = [pair.source for pair in pairs]
        if not any(sources == [str(k + first) for k in range(len(pairs))] for first in (0, 1)):
            return
        advice += ", or 1 and 2 if the numbers are the sources"
    found = f"{file.name}: its first column, of the sources, holds nothing but whole numbers"
    raise UsageError(found, advice)


def _text(file: File, row: Row, names: tuple[str, str], which: int, cleaner: Cleaner) -> str:
    """The source of a row for 0, its target for 1."""
    value, place = value_at(row.cells, names[which]), file.at(row.number)
    unknown = not names[which].isdecimal() and names[which] not in file.columns
    if value is MISSING and unknown and row.number == 1:
        raise file.no_column(names[which], OPTIONS[which])
    if value is MISSING or value is None:
        raise BadDataError(f"{place} has no {TEXTS[which]}", BOTH)
    if not isinstance(value, str):
        found = f"{place}: the {TEXTS[which]} is {shown(value)}, not a text"
        raise BadDataError(found, "put it in quotation marks")
    text = cleaner.feed(value, last=True)
    if not text.strip():
        raise BadDataError(f"{place}: the {TEXTS[which]} is empty", "fill it in, or delete the row")
    return text


def _headless(file: File, row: Row, columns: _Columns) -> tuple[str, str]:
    """The columns of a table without a header.

    Raises:
        UsageError: for a column that the user has named, and that is not there.
        BadDataError: for a first line that seems to name columns.
    """
    if columns.numbered:
        return columns.names
    cells = list(row.cells.values())
    is_first = cells == file.unnamed
    if columns.given or (is_first and file.line_with(*columns.names)):
        which = int(columns.names[0] in cells)
        raise file.no_column(columns.names[which], OPTIONS[which])
    if is_first and any(cell.strip().lower() in NAMES for cell in cells):
        names = ", ".join(cells)
        found = f"{file.at(row.number)} names columns ({names}), but not source and target"
        advice = "delete the line, or name them with --text-column and --label-column"
        raise BadDataError(found, advice)
    if is_first and len(cells) > 2 and not cells[0].strip() and all(map(str.strip, cells[1:])):
        found = f"{file.at(row.number)} names columns ({listing(cells[1:])}), but not source and"
        advice = (
            f"name them, such as {OPTIONS[0]} {quoted(cells[1])} {OPTIONS[1]} {quoted(cells[2])}"
        )
        raise BadDataError(f"{found} target", advice)  # pandas writes them so
    return ("1", "2")
