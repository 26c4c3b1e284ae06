"""Files as rows with columns, or as lines; each with its number, for errors.

for file in opened(sources, reading, notes):    # files, globs, -, hf://OWNER/NAME
    for row in file.rows(is_header): ...        # CSV, TSV, JSON, Parquet, the hub
    for number, line in file.lines(): ...       # anything else
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config import HUB, STANDARD_INPUT, Reading, TaskName
from charrnn.decoding.containers import Source, reading_errors
from charrnn.decoding.pieces import (
    Piece,
    first_lines,
    not_as_bytes,
    pieces,
    whole_lines,
)
from charrnn.decoding.streams import Stream, arriving, standard_input
from charrnn.errors import BadDataError, UsageError
from charrnn.formats import registry as formats
from charrnn.formats.tables import delimited, jsons, parquet
from charrnn.formats.tables.columns import (
    LoneSurrogates,
    choice,
    nesting_errors,
    refuse_doubled,
    shown,
)
from charrnn.text.hub import hub_records
from charrnn.text.resolving import resolve_all

__all__ = ["File", "Form", "Row", "called", "columns_of", "last_of", "opened"]

DIGITS = 9  # of the number of a column; far more of them are no number to Python


class Form(Enum):
    """How a file is read."""

    CELLS = "a table as text"
    JSON = "JSON"
    PARQUET = "Parquet"
    HUB = "a data set of the hub"
    TEXT = "text"


# An array of texts, as far as it is seen: no lines to read, and no records either.
STRINGS = re.compile(rf'\s*\[\s*(?:{jsons.STRING}"\s*,\s*)*{jsons.STRING}(?:"\s*(?:\]\s*)?|\\?)\Z')
# What may go on as one of these, or as a table, or as neither.
OPEN = re.compile(
    rf'\s*(?:\[\s*)?(?:\{{\s*(?:{jsons.STRING}(?:"\s*|\\?))?)?\Z'
    rf'|\s*\[\s*(?:{jsons.STRING}"\s*,\s*)*(?:{jsons.STRING}(?:"\s*(?:\]\s*)?|\\?))?\Z'
    r'|\s*"?sep=[^\n]*(?:\n\s*(?:\S[^\n]*)?)?\Z',
    re.IGNORECASE,
)
FORMS = {formats.TABLE: Form.CELLS, formats.JSON: Form.JSON, formats.PARQUET: Form.PARQUET}


class Row(NamedTuple):
    """A row of a table, or a record.

    Attributes:
        number: from 1, of the line on which it begins; in JSON, Parquet and the hub of the record.
        cells: by column; "1", "2", … are the columns of a table without a header. A row may have
            fewer cells than the header. A table as text has nothing but text in them.
    """

    number: int
    cells: dict[str, Any]


def called(sources: Sequence[str | Path]) -> str:
    """How messages call sources."""
    return ", ".join(
        "standard input" if str(one) == STANDARD_INPUT else str(one) for one in sources
    )


def columns_of(text: str | None, label: str | None, usual: tuple[str, str]) -> tuple[str, str]:
    """The two columns of a table: those that the user named, or the usual ones.

    Raises:
        UsageError: if they are the same, or if one has a number and the other is not given.
    """
    given = [name for name in (text, label) if name]
    if len(given) == 1 and given[0].isdecimal():
        setting = "text_column" if text else "label_column"
        found = f"{setting} is the number {given[0]}, and the other column has none"
        raise UsageError(found, "number both columns of a table without a header", setting)
    one, other = text or usual[0], label or usual[1]
    if one == other:
        setting = "text_column" if text else "label_column"
        found = f"{setting} is {one!r}, and so is the other column"
        raise UsageError(found, "name two different columns", setting)
    return one, other


def last_of(*numbers: str) -> int:
    """The number of the last of these columns of a table without a header."""
    return max(int(one) if len(one) <= DIGITS else 10**DIGITS for one in numbers)


@dataclass
class File:
    """A file to be read once, or a data set of the hub.

    Attributes:
        name: what users see.
        form: how it is read.
        start: the first characters of a text or a table as text, to see what it holds.
        notes: gets what was changed or left out, to tell the user, until the last row is read.
        columns: of a table, once its first row was read.
        unnamed: the cells of the first line of a table as text that has no header.
    """

    name: str
    form: Form
    start: str
    notes: list[str]
    reading: Reading
    source: Source | None = None
    columns: Sequence[str] = ()
    unnamed: Sequence[str] = ()

    @property
    def is_text(self) -> bool:
        """Whether it has lines, whose cells are all text; records hold values, and may lack some.

        A file that its suffix does not tell from plain text may be a table as well.
        """
        return self.form in (Form.CELLS, Form.TEXT)

    @property
    def first_lines(self) -> Sequence[str]:
        """Those at its start, without what ends them; the last one may go on, or be empty."""
        return first_lines(self.start)

    @property
    def first_line(self) -> tuple[int, str]:
        """The line that is the first of a table, with its number; see `delimited.first_line`."""
        number, line, _ = delimited.first_line(self.first_lines)
        return number, line

    @property
    def unit(self) -> str:
        """What the numbers count: lines or rows."""
        return "line" if self.is_text else "row"

    @property
    def is_document(self) -> bool:
        """Whether it is a page, a film or a book, whose text is not what stands in the file."""
        if self.source is None or self.form is not Form.TEXT:
            return False
        return not formats.is_plain_name(self.source.file_name)

    def grow(self) -> bool:
        """Wait for more of the start of what arrives; whether more has come."""
        if self.source is None or not self.source.stream.grow():
            return False
        self.start = _start_of(self.source.stream, self.reading)
        return True

    def at(self, number: int) -> str:
        """Where a row stands, as errors begin: "reviews.csv: line 7"."""
        return f"{self.name}: {self.unit} {number:,}"

    def rows(
        self,
        is_header: Callable[[list[str]], bool],
        columns: Sequence[str] | None = None,
        last: int = 0,
        *,
        blank: bool = False,
    ) -> Iterator[Row]:
        """The rows of a table.

        Args:
            is_header: of the cells of the first line of a table as text, whether they are the
                names of its columns; also what shows how cells are separated.
            columns: those that are wanted, of which alone Parquet reads the values; None for all.
            last: the number of the last column that is read of a table as text without a header,
                whose rows should have as many cells as the first; 0 if they need not.
            blank: whether empty lines below the first row are rows, without cells; else they are
                passed by.

        Raises:
            BadDataError: for a broken file, a row with more cells than there are columns, and half
                a character, which JSON can hold, or one that is nested past all reason.
        """
        with _reading(self.name):
            if self.is_text:
                yield from self._cells(is_header, last, blank)
            else:
                yield from self._named(columns)

    def _cells(
        self, is_header: Callable[[list[str]], bool], last: int, blank: bool
    ) -> Iterator[Row]:
        assert self.source is not None, "a data set has records"
        if self.is_document:
            raise BadDataError(f"{self.name}: a document, not a table", "save its table as .csv")
        notes: list[str] = []
        header: list[str] | None = None
        widths = delimited.Widths(self.name, last)
        rows = delimited.cells(self.source, self.reading, notes, is_header)
        self.notes += [f"{self.name}: {note}" for note in notes]
        notes.clear()  # of what is found from here on
        for line, row in rows:
            if not row:
                if self.columns and blank:
                    yield Row(line, {})
                continue
            if not self.columns and (names := delimited.header_in(row, is_header)):
                refuse_doubled(self.name, names, filter(None, names))
                self.columns = header = names
                continue
            if not self.columns:
                self.unnamed = row
                self.columns = [str(k) for k in range(1, len(row) + 1)]
            if header and any(row[len(header) :]):
                raise delimited.longer(self.name, line, row, header)
            if not header and last:
                widths.add(line, row)
            names = header or [str(k) for k in range(1, len(row) + 1)]
            yield Row(line, dict(zip(names, row, strict=False)))
        self.notes += [f"{self.name}: {note}" for note in (*notes, *widths.notes())]

    def _named(self, columns: Sequence[str] | None) -> Iterator[Row]:
        notes, surrogates = list[str](), LoneSurrogates(self.name, self.reading)
        with nesting_errors(self.name), closing(self._records(columns, notes)) as records:
            for number, record in enumerate(records, 1):
                if not isinstance(record, dict):
                    found = f"{self.at(number)} is {shown(record)}, not a record"
                    raise BadDataError(found, 'write {"column": value, …} for each row')
                is_json = self.form is Form.JSON  # only there texts can hold half a character
                cells = surrogates.replaced_in(record) if is_json else record
                self.columns = self.columns or list(cells)
                yield Row(number, cells)
        self.notes += [f"{self.name}: {note}" for note in (*notes, *surrogates.notes())]

    def _records(
        self, columns: Sequence[str] | None, notes: list[str]
    ) -> Generator[object, None, None]:
        if self.source is None:
            return hub_records(self.name, self.reading)
        if self.form is Form.PARQUET:
            return parquet.records(self.source, columns)
        return jsons.records(self.source, self.reading, columns or (), notes)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines of a text with their numbers, without what ends them."""
        assert self.source is not None, "a data set has no lines"
        waiting, number = list[str](), 0
        with _reading(self.name):
            for piece in self._pieces(self.source):
                whole = whole_lines(piece.text, waiting)
                yield from enumerate(whole, number + 1)
                number += len(whole)
                self.notes += [f"{self.name}: {note}" for note in piece.notes]
            if rest := "".join(waiting):
                yield number + 1, rest

    def _pieces(self, source: Source) -> Iterator[Piece]:
        if self.is_document:
            return formats.format_of(source.file_name).read(source, self.reading)
        return pieces(self.name, source.stream, self.reading)

    def line_with(self, *names: str) -> int:
        """The number of a line that names these columns, though it is not the first; or 0."""
        return delimited.line_with(names, self.start) if self.is_text else 0

    def no_column(self, column: str, option: str) -> UsageError:
        """The error for a table without a column that it should have."""
        if line := self.line_with(column):
            return UsageError(*delimited.titled(self.name, column, line))
        names = () if column.isdecimal() else self.unnamed  # which may be the names all the same
        advice = choice(column, names or self.columns, option)
        if names:
            advice += ", or name columns by their numbers if its first line is no header"
        return UsageError(f"{self.name}: there is no column {column}", advice)


def opened(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    task: TaskName | None = None,
    *,
    before_waiting: Callable[[], object] | None = None,
) -> Iterator[File]:
    """Each file that the sources stand for; it is read before the next one is asked for.

    Args:
        sources: each a file, also compressed or an archive, a glob, a folder, "-" for standard
            input, `hf://OWNER/NAME` or `hf://OWNER/NAME/CONFIG`, or the name of bundled examples.
            Each content is read once.
        reading: encoding and split.
        notes: gets what was changed or left out.
        task: for which examples are read.
        before_waiting: called whenever all that has come by standard input is read; by default, it
            is waited for until it is much.

    Raises:
        MissingInputError: if there is nothing of this name.
        UsageError: for a bundled corpus that is not for this task, and for a split where nothing is
            read that has any.
        BadDataError: if it is broken or no text.
        ReadWriteError: if reading fails midway.
    """
    every, duplicates = resolve_all(sources)
    if reading.split != Reading().split and not any(str(one).startswith(HUB) for one in sources):
        found = f"split is {reading.split!r}, which only affects data sets from the hub"
        raise UsageError(f"{found}, and none is read here", "leave it out", "split")
    for source in every:
        source.check_task(task)
        if source.bundled and not source.files:
            raise UsageError(f"{source.name} is a bundled text, not a file", "name a file")
    for source in every:
        left_out: list[str] = []
        for one in source.each(reading, duplicates, left_out):
            yield from _opened(one, reading, notes, before_waiting)
        notes += [f"{source.name}: {note}" for note in left_out]
    notes += duplicates.notes()


def _opened(
    one: str | Path,
    reading: Reading,
    notes: list[str],
    before_waiting: Callable[[], object] | None,
) -> Iterator[File]:
    if isinstance(one, str) and one.startswith(HUB):
        yield File(one, Form.HUB, "", notes, reading)
        return
    come = partial(arriving, before_waiting) if before_waiting else standard_input
    given = one if isinstance(one, Path) else come()
    passed: list[str] = []
    with not_as_bytes(), formats.opened(given, reading, passed) as found:
        for source in found:
            yield _file(source, reading, notes)
    notes += [f"{called([one])}: {note}" for note in passed]


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """What can go wrong when a file of examples is read; no task learns bytes."""
    with reading_errors(name), not_as_bytes():
        yield


def _file(source: Source, reading: Reading, notes: list[str]) -> File:
    formats.refuse_compressed(source)
    kind = formats.format_of(source.file_name)
    form = FORMS.get(kind, Form.TEXT)
    if kind.whole:
        return File(source.name, form, "", notes, reading, source)
    start = _start_of(source.stream, reading)
    while OPEN.match(start) and source.stream.grow():
        start = _start_of(source.stream, reading)
    if form is Form.TEXT and (jsons.RECORD.match(start) or STRINGS.match(start)):
        form = Form.JSON
    return File(source.name, form, start, notes, reading, source)


def _start_of(stream: Stream, reading: Reading) -> str:
    return stream.head.decode(reading.encoding, "replace").removeprefix("\ufeff")
