"""Books of Project Gutenberg: what to say of their header and licence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from charrnn.decoding.pieces import Piece

__all__ = ["remarked"]

LONGEST_MARK = 60  # characters
MARK = re.compile(r"^\*\*\* ?(START|END) OF TH(?:E|IS) PROJECT GUTENBERG EBOOK", re.MULTILINE)


def remarked(document: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces of a document; if it is such a book, a last one says what counts as its text."""
    name, line, marks = "", "", set[str]()
    for piece in document:
        name = piece.name
        whole = line + piece.text  # a mark may begin in one piece and end in the next
        if "PROJECT GUTENBERG" in whole:  # far faster than to look at each line
            marks.update(MARK.findall(whole))
        line = whole[whole.rfind("\n") + 1 :][:LONGEST_MARK]
        yield piece
    if marks:
        yield Piece(name, "", first=False, notes=(_note(marks),))


def _note(marks: set[str]) -> str:
    found = ["header"] * ("START" in marks) + ["licence"] * ("END" in marks)
    why = "; the licence at the end is what validation reads" * ("END" in marks)
    count = "count" if len(found) > 1 else "counts"
    return f"it has Project Gutenberg's {' and '.join(found)}, which {count} as its text{why}"
