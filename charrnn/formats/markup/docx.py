"""Word documents: their paragraphs, each on a line of its own."""

from __future__ import annotations

from collections.abc import Iterator

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, cleaned, document
from charrnn.formats.markup import xml
from charrnn.formats.markup.html import Guides

__all__ = ["texts"]

SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\N{NON-BREAKING HYPHEN}"}
# What is deleted, there twice, or about the looks.
DROPPED = frozenset({"del", "moveFrom", "Fallback", "instrText", "pPr", "rPr", "sectPr"})
GUIDE = "rt"  # how to say a word, which stands before it


def texts(source: Source, reading: Reading) -> Iterator[Piece]:  # noqa: ARG001
    """The text of a document.

    Raises:
        BadDataError: if it is damaged, or none.
        UsageError: without the extra `formats`.
    """
    notes: list[str] = []
    advice = "open it in Word and save it again, or use plain text"
    with xml.opened(source, "a Word document", advice) as package:
        yield from document(source.name, cleaned(_text(package, notes), notes), notes)


def _text(package: xml.Package, notes: list[str]) -> Iterator[str]:
    dropped, guides = 0, Guides()
    for event, name, element in package.walk("word/document.xml"):
        if event == "start":
            is_guide = name == GUIDE
            guides.count += is_guide and not dropped
            dropped += dropped > 0 or name in DROPPED or is_guide
        elif dropped:
            dropped -= 1
        elif name == "t":
            yield element.text or ""
        elif name in SPECIAL:
            yield SPECIAL[name]
        elif name == "p":
            yield "\n"
    notes += guides.notes()
