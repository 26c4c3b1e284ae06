"""CoNLL's columns: a word and its tag on each line, an empty line after each text.

file ──has_tags──▶ whether it is one ──sentences_of──▶ Tagged, Tagged, …
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from charrnn.errors import BadDataError
from charrnn.examples.rows import File
from charrnn.examples.tags import Tagged, in_bio, is_tag, joined
from charrnn.formats.tables.delimited import DELIMITERS
from charrnn.words import counted

__all__ = ["check_tag", "has_tags", "sentences_of"]

SURE = re.compile(r"O|[BIESLUM][-_][^\W\d].*")  # a tag where hardly a text has one
DOCUMENT = "-DOCSTART-"  # a line between documents
COMMENT = "#"  # what begins a line about a sentence; as a word it has a tag
PART = re.compile(r"\d+[-.]\d+")  # in place of its number, a word of several, or one left out


def has_tags(file: File) -> bool:
    """Whether a file begins as CoNLL's columns do; of what arrives, as soon as its lines tell.

    Its first lines then have the same number of columns, at least two, and all end with tags: O, or
    a letter and a type (E-mail begins no span, and neither B-12 nor I-95 has a type). One of them
    is O or goes on with a span, or there are three and the last line has a tab; empty lines and
    those between documents don't count.
    """
    if not file.is_text:
        return False
    is_all = False
    while True:
        lines = file.first_lines
        tagged = _are_tagged(lines if is_all else lines[:-1])
        if tagged is not None or is_all:
            return tagged or False
        is_all = not file.grow()


def _are_tagged(lines: Sequence[str]) -> bool | None:
    """Whether first lines end with tags; None if later ones must tell."""
    tags, columns = list[str](), 0
    for line in lines:
        cells = _cells(line)
        if not any(cells) or cells[0] == DOCUMENT or (cells[0] == COMMENT and not _ends(cells)):
            continue
        columns = columns or len(cells)
        tags.append(cells[-1])
        if not (1 < len(cells) == columns and _ends(cells) and tags[0][0] in "OBISU"):
            return False
        if len(tags) > 1 and any(tag[0] in "OI" for tag in in_bio(tags)):
            return True
        if len(tags) > 2 and "\t" in line:
            return True
    return None


def _ends(cells: Sequence[str]) -> bool:
    """Whether a line surely ends with a tag."""
    return SURE.fullmatch(cells[-1]) is not None


def sentences_of(file: File, rules: int) -> Iterator[Tagged]:
    """The sentences of a file with a word and its tag on each line, joined by some `Tag.rules`.

    Raises:
        BadDataError: for a line with another number of columns, or without a tag; for a first
            column that numbers the words.
    """
    _refuse_numbers(file)
    begun: list[tuple[int, list[str]]] = []
    columns = first = 0
    for number, line in file.lines():
        cells = _cells(line)
        if not any(cells) or cells[0] == DOCUMENT:
            if begun:
                yield _sentence(file, begun, rules)
            begun = []
            continue
        _refuse_other(file.at(number), cells)
        columns, first = columns or len(cells), first or number
        if len(cells) < 2 or len(cells) != columns:
            found = f"{file.at(number)} has {counted(len(cells), 'column')}"
            if number != first:
                found += f", line {first:,} has {columns}"
            raise BadDataError(found, "write a word and its tag on each line, a tab between them")
        if not cells[0]:
            raise BadDataError(f"{file.at(number)} has a tag without a word", "write the word")
        check_tag(file.at(number), cells[-1])
        begun.append((number, cells))
    if begun:
        yield _sentence(file, begun, rules)


def _refuse_other(place: str, cells: Sequence[str]) -> None:
    """Refuse a comment, and a row of a table, which are no word with its tag."""
    if is_tag(cells[-1]):
        return
    if cells[0].startswith(COMMENT):
        found = f"{place} begins with {COMMENT} and ends with no tag"
        raise BadDataError(found, "delete comments and headers")
    sign = next((sign for sign in DELIMITERS if sign in cells[-1]), None)
    if sign is not None:
        found = f"{place} has cells between {DELIMITERS[sign]}"
        advice = "write a word, a tab and its tag on each line, and an empty line after each text"
        raise BadDataError(found, advice)


def _refuse_numbers(file: File) -> None:
    """Refuse words that are numbered in the first column, as the first sentences show."""
    lines = file.first_lines[:-1] or file.first_lines  # but for one that may go on
    sentences: list[list[list[str]]] = [[]]
    for cells in map(_cells, lines):
        if not any(cells):
            sentences.append([])
        elif not cells[0].startswith(COMMENT) and not PART.fullmatch(cells[0]):
            sentences[-1].append(cells)
    rows = [cells for sentence in sentences for cells in sentence]
    columns = min(map(len, rows), default=0)
    numbers = [[cells[0] for cells in sentence] for sentence in sentences]
    are_numbered = all(each == [str(k) for k in range(1, len(each) + 1)] for each in numbers)
    if columns < 3 or len(max(numbers, key=len)) < 2 or not are_numbered:
        return
    tags = (k for k in range(2, columns) if all(is_tag(cells[k]) for cells in rows))
    found = next(tags, None)
    tag = f'"\\t" ${found + 1}' if found is not None else f'"\\tB-" ${min(columns, 4)}'
    fields = "-F'\\t' " if "\t" in file.start else ""
    command = f"awk {fields}'$1 ~ /^[0-9]+$/ {{print $2 {tag}}} !NF {{print \"\"}}' FILE > NEW"
    raise BadDataError(f"{file.name}: its first column numbers the words", f"drop it: {command}")


def _cells(line: str) -> list[str]:
    """A word and its tag, perhaps with other columns between them."""
    cells = line.split("\t") if line.strip() and "\t" in line else line.split()
    return [cell.strip() for cell in cells]


def check_tag(place: str, tag: str) -> None:
    """Check that a tag is one.

    Raises:
        BadDataError: if it is not.
    """
    if not is_tag(tag):
        raise BadDataError(
            f"{place}: {tag!r} is not a tag",
            "write O, or B- or I- and a type; leave a header out",
        )


def _sentence(file: File, lines: list[tuple[int, list[str]]], rules: int) -> Tagged:
    """The words of some lines."""
    words, tags = [cells[0] for _, cells in lines], [cells[-1] for _, cells in lines]
    return joined(words, tags, file.at(lines[0][0]), rules)
