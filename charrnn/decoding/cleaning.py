"""A text without what some editor, system or transfer put into it; each change is reported.

cleaner = Cleaner()
clean = cleaner.feed(piece) + … + cleaner.feed(last_piece, last=True)
cleaner.notes()    # "CRLF became LF on 2 lines", …

A text can also begin anew after each `last`, as the rows of a table do; the notes are of all.
"""

from __future__ import annotations

import re
from collections import Counter

from charrnn.words import counted

__all__ = [
    "Cleaner",
    "clean",
    "has_surrogate",
    "is_clean",
    "marks_note",
]

BOM = "\N{BYTE ORDER MARK}"
C1 = re.compile("[\x80-\x84\x86-\x9f]")  # all of that block but NEL, which ends a line
MARKED = re.compile(f"[\0\r{BOM}\x80-\x9f\u2028\u2029]")
SURROGATE = re.compile("[\ud800-\udfff]")
KEPT = {"\x85": "NEL", "\u2028": "LS", "\u2029": "PS"}  # line ends that stay


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """A whole text as `charrnn train` would read it, and what was changed in it.

    Returns:
        text: with LF for CRLF and CR, and without byte-order marks and NULs.
        notes: what was changed, or stays though it may surprise; one line each.
    """
    cleaner = Cleaner()
    return cleaner.feed(text, last=True), cleaner.notes()


def is_clean(text: str) -> bool:
    """Whether there is nothing to change or to tell of: of most pieces."""
    if text.isascii():
        return "\r" not in text and "\0" not in text
    return MARKED.search(text) is None


def has_surrogate(text: str) -> bool:
    """Whether a text holds half a character, or a byte that is none, as a lone surrogate."""
    return SURROGATE.search(text) is not None


class Cleaner:
    """LF for CRLF and CR; no byte-order marks and no NULs."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()
        self._pending = ""  # a CR whose LF may come next

    def feed(self, text: str, last: bool = False) -> str:
        """The next piece, cleaned. However a text is cut into pieces, the result is the same."""
        if not self._pending and is_clean(text):
            return text
        text = self._pending + self._without("\0", text)
        if not text.isascii():
            text = self._without(BOM, text)
            self._found.update({mark: text.count(mark) for mark in KEPT})
            self._found["C1"] += len(C1.findall(text))
        self._pending = "\r" if not last and text.endswith("\r") else ""
        text = text.removesuffix(self._pending)
        if "\r" in text:
            both = text.count("\r\n")
            self._found.update({"CRLF": both, "CR": text.count("\r") - both})
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def _without(self, mark: str, text: str) -> str:
        if mark in text:
            self._found[mark] += text.count(mark)
            text = text.replace(mark, "")
        return text

    @property
    def holds_back(self) -> bool:
        """Whether a line end is not given out yet, as a LF may come next that belongs to it."""
        return bool(self._pending)

    def notes(self) -> tuple[str, ...]:
        """What has been changed so far, to tell the user."""
        found, notes = self._found, []
        notes += marks_note(found[BOM])
        if count := found["\0"]:
            padding = "NUL, which pads" if count == 1 else "NULs, which pad"
            notes.append(f"dropped {count:,} {padding} the text")
        notes += [_became(mark, found[mark]) for mark in ("CRLF", "CR") if found[mark]]
        for mark, name in KEPT.items():
            if count := found[mark]:
                notes.append(f"kept {count:,} × {name} (U+{ord(mark):04X}): only LF ends a line")
        if count := found["C1"]:
            notes.append(
                f"kept {counted(count, 'control character')} of U+0080 to U+009F, as there are "
                "where cp1252 or UTF-8 is read as latin-1"
            )
        return tuple(notes)


def marks_note(count: int) -> list[str]:
    """What to say of so many byte-order marks that were dropped."""
    if not count:
        return []
    return [f"dropped {'the byte-order mark' if count == 1 else f'{count:,} byte-order marks'}"]


def _became(mark: str, lines: int) -> str:
    return f"{mark} became LF on {counted(lines, 'line')}"
