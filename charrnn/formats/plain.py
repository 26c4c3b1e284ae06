"""Plain text; of an exported chat it says that its dates will be learnt, too."""

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


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The text of a file.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    note = ""
    for piece in pieces(source.name, source.stream, reading):
        if piece.first and reading.rules > 1:
            note = _of_chat(piece.text)
        yield piece
    if note:
        yield Piece(source.name, "", first=False, notes=(note,))


def _of_chat(start: str) -> str:
    """What to say of an exported chat; nothing of another text."""
    lines = [line for line in start[:20_000].split("\n")[:FIRST] if line]
    dated = sum(MESSAGE.match(line) is not None for line in lines)
    if dated < 4 or dated * 2 < len(lines):
        return ""
    return (
        f"a chat: {dated} of its first {len(lines)} lines begin with a date and a name, which the "
        "model learns to write, too"
    )
