"""Texts to be answered: lines of files, a column of tables, or sentences of CoNLL.

A file whose name does not say that it is a table is one if the user names a column, or if its first
line names the usual one and another; where examples may be tables without a header, also if its
first line has a tab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from charrnn.config import Reading, TaskName
from charrnn.decoding.cleaning import Cleaner
from charrnn.errors import BadDataError
from charrnn.examples.conll import has_tags, sentences_of
from charrnn.examples.labelled import begins_with_label, without_labels
from charrnn.examples.rows import File, Form, Row, last_of, opened
from charrnn.examples.tagged import WORDS
from charrnn.examples.tags import OUTSIDE, WORD_RULES, Tagged, joined
from charrnn.formats.tables.columns import MISSING, SEARCHED, shown, value_at
from charrnn.formats.tables.delimited import DELIMITERS

__all__ = ["texts_in"]

SOURCE = "source"  # the usual column of pairs
HEADERS = {SOURCE, "target", "text"}  # a first line with one of these is no text
BESIDE = HEADERS | {"label", "id"}  # nor is one with the column and one of these


def texts_in(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    column: str = "text",
    *,
    task: TaskName,
    before_waiting: Callable[[], object] | None = None,
    rules: int = WORD_RULES,
) -> Iterator[str | Tagged]:
    """Texts in the order in which they stand; one that is missing in a table is empty.

    Args:
        sources: each what `rows.opened` takes.
        reading: encoding, and the column of the texts.
        notes: gets how a file is read before its first text, what was changed after its last.
        column: unless `reading` names one.
        task: for which they are read. Sources of translations may stand beside their targets;
            unless a column is named, they are in the first one of a table as text without a header.
            Where spans are marked, a file may hold words with tags, as CoNLL has them: the texts
            are then its sentences. A record may hold a list of words. Both keep their words,
            and tags mean nothing. Where texts are labelled, the labels of fastText's lines are left
            out.
        before_waiting: called whenever all that has come by standard input is read.
        rules: by which words become a text; see `tags.joined`.

    Raises:
        CharRNNError: as `rows.opened` and `tagged.sentences_of`; for a table without the column, or
            with what is no text.
    """
    cleaner = Cleaner()
    pairs = task == "translate"
    headless = pairs and reading.text_column is None and column == SOURCE
    for file in opened(sources, reading, notes, before_waiting=before_waiting):
        if task == "tag" and reading.text_column is None and has_tags(file):
            file.notes.append(
                f"{file.name}: its lines end with tags, so its sentences are read, without them"
            )
            yield from sentences_of(file, rules)
        elif file.form is not Form.TEXT or reading.text_column is not None:
            name = reading.text_column or column
            words = (name, *(WORDS if name == "text" else ())) if task == "tag" else ()
            yield from _of(file, name, headless, cleaner, words, rules)
        elif seen := _as_table(file, column, pairs):
            file.notes.append(f"{file.name}: a table, since line {file.first_line[0]:,} {seen}")
            yield from _of(file, column, headless, cleaner)
        elif task == "classify" and begins_with_label(file):
            file.notes.append(f"{file.name}: its lines begin with labels, which are left out")
            yield from (without_labels(line) for _, line in file.lines())
        else:
            yield from (line for _, line in file.lines())
    notes += cleaner.notes()


def _as_table(file: File, column: str, pairs: bool) -> str:
    """What the first line of a text that is a table does, as a note says it; "" for lines."""
    if file.is_document:
        return ""
    _, first = file.first_line
    for delimiter in DELIMITERS:
        cells = {cell.strip().strip('"') for cell in first.split(delimiter)}
        if column in cells and cells & BESIDE - {column}:
            return "names columns"
    return "has a tab" if "\t" in first and (pairs or column.isdecimal()) else ""


def _of(
    file: File,
    column: str,
    headless: bool,
    cleaner: Cleaner,
    words: Sequence[str] = (),
    rules: int = WORD_RULES,
) -> Iterator[str | Tagged]:
    """The texts of a table, cleaned as lines are; or the `words` of its records."""
    numbered = column.isdecimal()
    wanted, known, missing = column, False, 0
    last = last_of(column) if numbered else int(headless)
    read = [wanted] if file.form is Form.JSON else [wanted, *words]  # JSON may be one list of texts
    for row in file.rows(lambda cells: not numbered and wanted in cells, read, last):
        if headless and file.is_text and column not in file.columns:
            if HEADERS.intersection(row.cells.values()) or file.line_with(column):
                raise file.no_column(column, "--text-column")
            file.notes.append(f"{file.name}: there is no column {column}, so its first one is read")
            column = "1"
        value = value_at(row.cells, column)
        if value in (MISSING, None) or isinstance(value, list):
            value = _words_of(file, row, words, cleaner, rules) or value
        known = known or value is not MISSING or column in file.columns
        if not known:  # a record may lack what later ones have
            missing += 1
            if file.is_text or missing == SEARCHED:
                raise file.no_column(column, "--text-column")
            continue
        if not isinstance(value, (str, Tagged)) and value not in (MISSING, None):
            found = f"{file.at(row.number)}: {column} is {shown(value)}, not a text"
            raise BadDataError(found, "choose another --text-column")
        yield from [""] * missing
        if isinstance(value, str):
            value = cleaner.feed(value, last=True)
        yield value if isinstance(value, (str, Tagged)) else ""
        missing = 0
    if missing:
        raise file.no_column(column, "--text-column")


def _words_of(
    file: File, row: Row, names: Sequence[str], cleaner: Cleaner, rules: int
) -> Tagged | None:
    """The words of a record that holds a list of them in one of these columns."""
    lists = ((name, value_at(row.cells, name)) for name in names)
    name, found = next(((n, one) for n, one in lists if isinstance(one, list)), ("", None))
    if found is None:
        return None
    note = f"{file.name}: the words in {name} are read, joined into texts"
    if note not in file.notes:
        file.notes.append(note)
    cleaned = list[str]()
    for word in found:
        cleaned.append(cleaner.feed(word, last=True) if isinstance(word, str) else "")
        if not cleaned[-1].strip():
            raise BadDataError(f"{file.at(row.number)}: {word!r} is not a word", "leave it out")
    return joined(cleaned, [OUTSIDE] * len(cleaned), file.at(row.number), rules)
