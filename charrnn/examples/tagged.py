"""Texts with marked spans: CoNLL's columns, or records with spans, or with words and tags.

    Empire    B-location            {"text": "Pretty bad storm in Ohio", "spans":
    State     I-location                [{"start": 20, "end": 24, "label": "location"}]}
    Building  I-location
                                    {"tokens": ["Empire", "State", "Building"], "tags":
    ends      O                         ["B-location", "I-location", "I-location"]}

Tags may be written in several ways; see `examples.tags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from charrnn.config import Reading
from charrnn.decoding.cleaning import Cleaner
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.conll import check_tag, sentences_of
from charrnn.examples.rows import File, Row, called, opened
from charrnn.examples.tags import (
    OUTSIDE,
    WORD_RULES,
    Span,
    Tagged,
    joined,
    spans_of,
    tags_of,
    words_of,
)
from charrnn.formats.tables.columns import MISSING, value_at

__all__ = ["WORDS", "check_types", "read_tagged"]

MAX_TYPES = 1_000  # more are hardly kinds of spans
# Columns of records whose texts are divided into words.
WORDS, TAGS = ("tokens", "words"), ("tags", "ner_tags")


def read_tagged(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    *,
    named: bool = True,
    rules: int = WORD_RULES,
) -> list[Tagged]:
    """All texts of the sources, with a tag for each word.

    Args:
        sources: each what `rows.opened` takes: words in the first column and tags in the last, an
            empty line after each text; or records with "text" and "spans", or with "tokens" and
            "tags" (or "words", "ner_tags").
        reading: encoding, and the column of the texts ("text" by default).
        notes: gets what was changed.
        named: whether the user has named the column; that of the training does not count for files
            without columns.
        rules: by which texts are divided into words, and words joined; see `Tag.rules`.

    Raises:
        BadDataError: for a tag that is none, lines with different numbers of columns, a span that
            is empty, not in its text or overlaps another; and if there is no example at all.
        UsageError: for a column that is not there, or given for what is no table.
    """
    found: list[Tagged] = []
    for file in opened(sources, reading, notes, "tag"):
        if file.is_text:
            if named and reading.text_column is not None:
                raise UsageError(
                    f"{file.name}: CoNLL's columns have no names", "leave out --text-column"
                )
            found += sentences_of(file, rules)
        else:
            found += _records(file, reading.text_column, rules)
    if not found:
        raise BadDataError(f"{called(sources)}: no text with tags in it", "name a file of examples")
    return found


def _records(file: File, text_column: str | None, rules: int) -> Iterator[Tagged]:
    """The texts of records: of words if the column that the user named holds them, or none."""
    column, words_in = text_column or "text", (text_column,) if text_column else WORDS
    changes = _Changes()
    cleaner = Cleaner()
    for row in file.rows(lambda _: True, [column, "spans", *WORDS, *TAGS]):
        place = file.at(row.number)
        divided = None if "spans" in row.cells else _divided(row, place, words_in, cleaner, rules)
        if divided is not None:
            changes.empty += not divided.words
            if divided.words:
                yield divided
            continue
        given = value_at(row.cells, column)
        if given is MISSING and column not in file.columns:
            raise file.no_column(column, "--text-column")
        text = cleaner.feed(given, last=True) if isinstance(given, str) else ""
        if not text.strip():
            raise BadDataError(f"{place}: no text", "write one there, or leave the row out")
        marked = _marked(place, given, row.cells.get("spans"))
        if text != given:
            marked = _moved(marked, given)
        words = words_of(text, rules)
        tags = tags_of(words, [span for span in marked if span.start < span.end])
        changes.add(text, marked, spans_of(words, tags))
        yield Tagged(text, words, tags, place)
    file.notes += [f"{file.name}: {note}" for note in (*cleaner.notes(), *changes.notes())]


@dataclass
class _Changes:
    """What became of the records of a file.

    Attributes:
        empty: rows that hold no word.
        trimmed: spans with a space at an edge.
        widened: spans with an edge within a word.
        lost: spans without a word of their own.
    """

    empty: int = 0
    trimmed: int = 0
    widened: int = 0
    lost: int = 0

    def add(self, text: str, marked: Sequence[Span], found: Sequence[Span]) -> None:
        """Count the spans that were marked in a text otherwise than they are learnt."""
        changed = set(found) - set(marked)
        trimmed = changed.intersection(_without_spaces(text, span) for span in marked)
        self.trimmed += len(trimmed)
        self.widened += len(changed) - len(trimmed)
        self.lost += len(marked) - len(found)

    def notes(self) -> Iterator[str]:
        """What the user should know."""
        if self.empty:
            rows = "row that holds" if self.empty == 1 else "rows that hold"
            yield f"left out {self.empty:,} {rows} no word"
        for count, where, what in (
            (self.trimmed, "with a space", "which is left out"),
            (self.widened, "within a word", "and takes all of it"),
        ):
            many = f"{count:,} spans begin or end {where}, {what.replace('takes', 'take')}"
            if count:
                yield f"1 span begins or ends {where}, {what}" if count == 1 else many
        if self.lost:
            spans = (
                "span that has no word of its"
                if self.lost == 1
                else "spans that have no word of their"
            )
            yield f"left out {self.lost:,} {spans} own"
        if self.trimmed or self.widened or self.lost:
            yield "the F1 is of the altered spans"


def _without_spaces(text: str, span: Span) -> Span:
    """A span without the spaces at its edges."""
    inner = text[span.start : span.end]
    start, end = len(inner) - len(inner.lstrip()), len(inner.rstrip())
    return span._replace(start=span.start + start, end=span.start + end)


def _divided(
    row: Row, place: str, words_in: Sequence[str], cleaner: Cleaner, rules: int
) -> Tagged | None:
    """The text of a record with words and their tags; None for another record.

    Args:
        row, place: the record.
        words_in: columns that may hold the words.
        cleaner: of the words.
        rules: see `joined`.
    """
    columns = ([value_at(row.cells, name) for name in names] for names in (words_in, TAGS))
    words, tags = (
        next((one for one in own if one not in (MISSING, None)), None) for own in columns
    )
    if words is None or (tags is None and not isinstance(words, list)):
        return None
    if tags is None:
        found = f"{place}: words without tags"
        raise BadDataError(found, f"name the column of the tags {' or '.join(TAGS)}")
    lists = isinstance(words, list) and isinstance(tags, list)
    if not lists or len(words) != len(tags):
        counts = (
            f"words: {len(words)}, tags: {len(tags)}" if lists else "words or tags are not a list"
        )
        raise BadDataError(f"{place}: {counts}", "write a list of words, and a tag for each")
    cleaned = list[str]()
    for word, tag in zip(words, tags, strict=True):
        cleaned.append(cleaner.feed(word, last=True) if isinstance(word, str) else "")
        if not cleaned[-1].strip():
            raise BadDataError(f"{place}: {word!r} is not a word", "leave it and its tag out")
        if not isinstance(tag, str):
            found = f"{place}: the tag {tag!r} has no name"
            raise BadDataError(found, "write O, or B- or I- and a type")
        check_tag(place, tag)
    return joined(cleaned, tags, place, rules)


def _marked(place: str, text: str, marks: Any) -> list[Span]:
    """The spans of a text, in order."""
    if not isinstance(marks, list):
        advice = 'write "spans": a list of {"start", "end", "label"}, or [] where nothing is marked'
        raise BadDataError(f"{place} has no list of spans", advice)
    marked = sorted(_span(place, text, mark) for mark in marks)
    for first, other in pairwise(marked):
        if first[:2] == other[:2]:
            labels = "" if first == other else f", as {first.label} and as {other.label}"
            found = f"{place}: the span {first.start}–{first.end} is there twice{labels}"
            raise BadDataError(found, "leave one of them out")
        if first.end > other.start:
            both = f"the spans {first.start}–{first.end} and {other.start}–{other.end}"
            raise BadDataError(f"{place}: {both} overlap", "mark each character once")
    return marked


def _moved(spans: Sequence[Span], text: str) -> list[Span]:
    """Where spans of a text are once that is cleaned; some may be left without a character."""
    cleaner, places = Cleaner(), dict[int, int]()
    before = length = 0
    for at in sorted({place for span in spans for place in (span.start, span.end)}):
        length += len(cleaner.feed(text[before:at]))
        places[at] = length + cleaner.holds_back
        before = at
    return [span._replace(start=places[span.start], end=places[span.end]) for span in spans]


def _span(place: str, text: str, value: Any) -> Span:
    if not isinstance(value, dict):
        raise BadDataError(f"{place}: a span is not a record", 'write {"start", "end", "label"}')
    start, end, label = (cast(Any, value.get(name)) for name in ("start", "end", "label"))
    if not isinstance(label, str) or not label.strip():
        raise BadDataError(f"{place}: a span has no label", "write what it is")
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in (start, end)):
        found = f"{place}: a span is from {start!r} to {end!r}"
        raise BadDataError(found, "start and end must be whole numbers")
    if start >= end:
        found = f"{place}: the span {start}–{end} holds no character"
        raise BadDataError(found, "end it after its last character, or leave it out")
    if start < 0 or end > len(text):
        raise BadDataError(
            f"{place}: the span {start}–{end} is not in its text, which ends at {len(text)}",
            "count characters from 0; the end is that after the last",
        )
    return Span(start, end, label.strip())


def check_types(examples: Sequence[Tagged]) -> list[str]:
    """The types of spans in examples to learn from, sorted.

    Raises:
        BadDataError: if there is none, or if there are so many that they can't be types.
    """
    kinds = sorted({tag[2:] for example in examples for tag in example.tags if tag != OUTSIDE})
    if not kinds:
        found = f"{examples[0].place}: nothing is marked in all {len(examples):,} texts"
        raise BadDataError(found, "mark spans with B- and I- tags")
    if len(kinds) > MAX_TYPES:
        found = f"{examples[0].place}: {len(kinds):,} types of spans, such as {kinds[0]!r}"
        raise BadDataError(found, "write the tag in the last column")
    return kinds
