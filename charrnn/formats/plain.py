"""Plain text; of one that looks like a chat, JSON or a table it says what else is learnt."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, pieces
from charrnn.formats.gutenberg import remarked
from charrnn.formats.tables.delimited import DELIMITERS
from charrnn.formats.tables.jsons import RECORD

__all__ = ["texts"]

FIRST, HEAD = 100, 20_000  # lines that are looked at, and their characters
LEAST = 4  # lines that look like something
WRITTEN = (
    ", which is learnt as it is written; for a text in it, copy it to a name that ends in {} and "
    "choose --text-column"
)
# WhatsApp, Signal, LINE and others: 31/12/2023, 23:59 - Ann: …, [2023-12-31 23:59:00] Ann: …
# Blanks fit several of its parts: were there any number of them, a line of blanks took minutes.
MESSAGE = re.compile(
    r"[\u200e\u200f\ufeff]*\[?\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? +(?:at +)?\d{1,2}[:.]\d{2}"
    r"(?:[:.]\d{2})?[\s\u202f]{0,3}(?:[AaPp]\.?[Mm]\.?)?\]?[ ,:-]{0,5}[^\n:]{1,60}: "
)


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The text of a file.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    note = ""
    for piece in remarked(pieces(source.name, source.stream, reading)):
        if piece.first:
            note = _of_start(piece.text, source.file_name)
        yield piece
    if note:
        yield Piece(source.name, "", first=False, notes=(note,))


def _of_start(start: str, file_name: str) -> str:
    """What to say of a text that begins so; nothing of most."""
    if not file_name.lower().endswith(".txt") and RECORD.match(start):  # else it is meant as text
        return f"looks like JSON{WRITTEN.format('.json')}"
    lines = start[:HEAD].split("\n")[:FIRST]
    return _of_chat(lines) or _of_table(lines)


def _of_chat(lines: Sequence[str]) -> str:
    filled = list(filter(None, lines))
    dated = sum(MESSAGE.match(line) is not None for line in filled)
    if dated < LEAST or dated * 2 < len(filled):
        return ""
    return (
        f"looks like a chat: {dated} of its first {len(filled)} lines begin with a date and a "
        "name, and the model will learn to write these"
    )


def _of_table(lines: Sequence[str]) -> str:
    """Of rows that have as many cells each, some of them in quotation marks.

    A list whose lines end with a separator has one column, and another that is empty.
    """
    for sign in DELIMITERS:
        reader = csv.reader([f"{line}\n" for line in lines], delimiter=sign)
        with suppress(csv.Error):  # as where bytes are learnt, and a CR is left
            rows = [row for row in [*reader][:-1] if row]  # the last may go on
            is_even = len(rows) >= LEAST and len({*map(len, rows)}) == 1
            is_wide = any(cell.strip() for row in rows for cell in row[1:])
            if (
                is_even
                and is_wide
                and any(f'{sign}"' in line or line.startswith('"') for line in lines)
            ):
                return f"looks like a table of {len(rows[0])} columns{WRITTEN.format('.csv')}"
    return ""
