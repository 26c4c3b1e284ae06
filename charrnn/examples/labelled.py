"""Texts with a label each: tables with two columns, and fastText's lines.

text,label                      __label__positive a fine film
a fine film,positive
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config import Reading
from charrnn.decoding.cleaning import Cleaner
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.rows import File, Form, Row, called, columns_of, last_of, opened
from charrnn.formats.tables.columns import MISSING, SEARCHED, shown, value_at

__all__ = ["Labelled", "begins_with_label", "check_classes", "read_labelled", "without_labels"]

PREFIX = "__label__"
SPACES = re.compile(r"[ \t]+")  # after a label
LABELS = re.compile(rf"(?:{PREFIX}\S*[ \t]*)*")
MAX_CLASSES = 10_000  # more are hardly classes: numbers of rows, or the texts themselves


class Labelled(NamedTuple):
    """A text and what it is.

    Attributes:
        text: at least one character.
        label: the name of its class.
        place: where it stands, as errors begin: "reviews.csv: line 7".
    """

    text: str
    label: str
    place: str


def read_labelled(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    label_column: str | None,
    *,
    named: bool = True,
) -> list[Labelled]:
    """All texts of the sources, with their labels.

    Args:
        sources: each what `rows.opened` takes: a table, or a text with fastText's lines.
        reading: encoding, and the column of the texts ("text" by default).
        notes: gets what was changed or left out.
        label_column: None for "label". If both columns are given as numbers, and the first line
            does not hold these as names, the table has no header.
        named: whether the user has named the columns; those of the training do not count for files
            without columns.

    Raises:
        BadDataError: for a row without a label, with two, or without a cell for one; and if there
            is no example at all.
        UsageError: for a column that is not there, or given for what is no table; as `columns_of`.
    """
    columns = columns_of(reading.text_column, label_column, ("text", "label"))
    given = named and (reading.text_column is not None or label_column is not None)
    cleaner, found, empty = Cleaner(), list[Labelled](), 0
    for file in opened(sources, reading, notes, "classify"):
        for text, label, place in _examples(file, columns, given, cleaner):
            if text.strip():
                found.append(Labelled(text, label, place))
            else:
                empty += 1
    notes += cleaner.notes()
    if empty:
        rows = "row that holds" if empty == 1 else "rows that hold"
        notes.append(f"left out {empty:,} {rows} no text")
    if not found:
        raise BadDataError(
            f"{called(sources)}: no text with a label in it", "name a file of examples"
        )
    return found


def _examples(
    file: File, columns: tuple[str, str], given: bool, cleaner: Cleaner
) -> Iterator[tuple[str, str, str]]:
    """Each text with its label and its place; lines are clean, and cells are cleaned."""
    if file.form is not Form.TEXT or not _is_fasttext(file):
        rows = _of_table(file, *columns)
        return ((cleaner.feed(text, last=True), label, place) for text, label, place in rows)
    if given:
        found = f"{file.name}: lines with {PREFIX} have no columns"
        raise UsageError(found, "leave out --text-column and --label-column")
    return _of_lines(file)


def _is_fasttext(file: File) -> bool:
    """Whether one of a file's first lines begins with a label."""
    return any(line.startswith(PREFIX) for line in file.first_lines)


def begins_with_label(file: File) -> bool:
    """Whether the first line of a file that is not empty begins with a label."""
    return next(filter(str.strip, file.first_lines), "").startswith(PREFIX)


def without_labels(line: str) -> str:
    """The text of a line, which may begin with labels."""
    return LABELS.sub("", line, count=1)


def _of_lines(file: File) -> Iterator[tuple[str, str, str]]:
    for number, line in file.lines():
        if not line.strip():
            continue
        label, *rest = SPACES.split(line, maxsplit=1)
        text = rest[0] if rest else ""
        if not label.startswith(PREFIX) or label == PREFIX:
            found = f"{file.at(number)} does not begin with {PREFIX} and a label"
            raise BadDataError(found, f"write {PREFIX}LABEL TEXT on each line")
        if text.startswith(PREFIX) or PREFIX in label[1:]:
            found = f"{file.at(number)} has two labels"
            raise BadDataError(found, "give each text one label")
        yield text, label.removeprefix(PREFIX), file.at(number)


def _of_table(file: File, text_column: str, label_column: str) -> Iterator[tuple[str, str, str]]:
    def is_header(cells: list[str]) -> bool:
        return text_column in cells and label_column in cells

    headless = text_column.isdecimal() and label_column.isdecimal()
    last = last_of(text_column, label_column) if headless else 0
    first, known = True, False
    for row in file.rows(is_header, [text_column, label_column], last):
        if first:
            _check_columns(file, row, headless, {text_column: "text", label_column: "label"})
            first = False
        known = known or text_column in file.columns
        text, label = (value_at(row.cells, name) for name in (text_column, label_column))
        if label is MISSING or text is MISSING:
            count, whole = len(row.cells), len(file.columns)
            if file.is_text:
                found = f"{file.at(row.number)} has {count} of {whole} cells"
                raise BadDataError(found, "write a text and a label in each row")
            label = None if label is MISSING else label
        known = known or text is not MISSING
        if not known and row.number == SEARCHED:
            break
        text = None if text is MISSING else text
        if not isinstance(text, str | None):
            found = f"{file.at(row.number)}: {text_column} is {shown(text)}, not a text"
            raise BadDataError(found, "choose another --text-column")
        if file.is_text and not f"{text}{label}".strip():  # as Excel has rows below a table
            yield "", "", file.at(row.number)
            continue
        yield text or "", _label(file, row, label, label_column), file.at(row.number)
    if not first and not known:  # a record may lack what later ones have
        raise file.no_column(text_column, "--text-column")


def _check_columns(file: File, row: Row, headless: bool, options: dict[str, str]) -> None:
    """Refuse a table without the columns, as its first row shows."""
    names = file.columns if headless else file.unnamed or file.columns
    for name, kind in options.items():
        if file.is_text:
            is_there = name in names
        else:  # a later record may have the text
            is_there = kind == "text" or value_at(row.cells, name) is not MISSING
        if is_there:
            continue
        if file.form is Form.TEXT and not headless and not file.line_with(*options):
            raise BadDataError(
                f"{file.name}: neither a table with the columns {' and '.join(options)} nor lines "
                f"that begin with {PREFIX}",
                "name a file of examples, or choose --text-column and --label-column",
            )
        raise file.no_column(name, f"--{kind}-column")


def _label(file: File, row: Row, value: Any, column: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    is_nan = isinstance(value, float) and isnan(value)
    if value is None or is_nan or (isinstance(value, str) and not value.strip()):
        advice = "write one there, or leave the row out"
        raise BadDataError(f"{file.at(row.number)}: no label in the column {column}", advice)
    if not isinstance(value, str):
        found = f"{file.at(row.number)}: the label is {shown(value)}, not a name"
        is_whole = isinstance(value, float) and value.is_integer()
        advice = "write whole numbers or names, or " if is_whole else ""
        raise BadDataError(found, f"{advice}choose another --label-column")
    return value.strip()


def check_classes(examples: Sequence[Labelled], *, divided: bool = True) -> list[str]:
    """The classes of examples to learn from, sorted.

    Args:
        examples: all of the corpus.
        divided: whether some of them are to validate, for which a class needs a second one.

    Raises:
        BadDataError: if there is only one, if one has too few examples, or if there are so many
            that they can't be classes.
    """
    counts = Counter(example.label for example in examples)
    if len(counts) == 1:
        place, label = examples[0].place, examples[0].label
        found = f"{place}: all {len(examples):,} texts have the label {label!r}"
        raise BadDataError(found, "a classifier needs texts of two or more classes")
    if len(counts) > MAX_CLASSES:
        place, label = examples[0].place, examples[0].label[:40]
        raise BadDataError(
            f"{place}: {len(counts):,} different labels in {len(examples):,} texts, such as "
            f"{label!r}",
            "choose the --label-column that holds classes",
        )
    alone = next((one for one in examples if counts[one.label] == 1), None)
    if alone is not None and divided:
        several = sum(count == 1 for count in counts.values()) - 1
        more = f" ({several:,} more labels stand alone)" if several else ""
        raise BadDataError(
            f"{alone.place}: the only text with the label {alone.label!r}{more}",
            "give each class two texts or more, or leave it out",
        )
    return sorted(counts)
