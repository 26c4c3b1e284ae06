"""Plain text; of an exported chat or a book of Project Gutenberg it says what else is learnt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, pieces

__all__ = ["texts"]

FIRST = 100  # lines that are looked at
# WhatsApp, Signal, LINE and others: 31/12/2023, 23:59 - Ann: …, [2023-12-31 23:59:00] Ann: …
MESSAGE = re.compile(
    r"[\u200e\u200f\ufeff]*\[?\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? +(?:at +)?\d{1,2}[:.]\d{2}"
    r"(?:[:.]\d{2})?[\s\u202f]*(?:[AaPp]\.?[Mm]\.?)?\]?[ ,:-]*[^\n:]{1,60}: "
)
LONGEST_MARK = 60  # characters
GUTENBERG = re.compile(r"^\*\*\* ?(START|END) OF TH(?:E|IS) PROJECT GUTENBERG EBOOK", re.MULTILINE)


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The text of a file.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    note, line, marks = "", "", set[str]()
    for piece in pieces(source.name, source.stream, reading):
        if piece.first:
            note = _of_chat(piece.text)
        whole = line + piece.text  # a mark may begin in one piece and end in the next
        if "PROJECT GUTENBERG" in whole:  # far faster than to look at each line
            marks.update(GUTENBERG.findall(whole))
        line = whole[whole.rfind("\n") + 1 :][:LONGEST_MARK]
        yield piece
    note = note or _of_gutenberg(marks)
    if note:
        yield Piece(source.name, "", first=False, notes=(note,))


def _of_gutenberg(marks: set[str]) -> str:
    """What to say of a book with these marks of Project Gutenberg; nothing of another text."""
    found = ["header"] * ("START" in marks) + ["licence"] * ("END" in marks)
    if not found:
        return ""
    why = "; the licence at the end is what validation reads" * ("END" in marks)
    count = "count" if len(found) > 1 else "counts"
    return f"it has Project Gutenberg's {' and '.join(found)}, which {count} as its text{why}"


def _of_chat(start: str) -> str:
    """What to say of an exported chat; nothing of another text."""
    lines = [line for line in start[:20_000].split("\n")[:FIRST] if line]
    dated = sum(MESSAGE.match(line) is not None for line in lines)
    if dated < 4 or dated * 2 < len(lines):
        return ""
    return (
        f"looks like a chat: {dated} of its first {len(lines)} lines begin with a date and a name, "
        "and the model will learn to write these"
    )
