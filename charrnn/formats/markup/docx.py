"""Word documents: their paragraphs, each on a line of its own."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, cleaned, document
from charrnn.formats.markup import xml
from charrnn.formats.markup.html import Guides
from charrnn.words import counted

__all__ = ["texts"]

SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\N{NON-BREAKING HYPHEN}"}
# What is deleted, there twice, or about the looks.
DROPPED = frozenset({"del", "moveFrom", "Fallback", "instrText", "pPr", "rPr", "sectPr"})
GUIDE = "rt"  # how to say a word, which stands before it
# What has no text here: notes are in other files, and a symbol is a number in a font of its own.
LEFT_OUT = {"footnoteReference": "footnote", "endnoteReference": "endnote", "sym": "symbol"}
RELATIONS, MAIN = "_rels/.rels", "/officeDocument"  # the end of a type, of which there are two


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
    dropped, begun, guides, left_out = 0, False, Guides(), Counter[str]()
    for event, name, element in package.walk(_main_part(package)):
        text = ""
        if event == "start":
            is_guide = name == GUIDE
            guides.count += is_guide and not dropped
            dropped += dropped > 0 or name in DROPPED or is_guide
            if name == "p" and begun and not dropped:  # a text box stands within a paragraph
                text = "\n"
        elif dropped:
            dropped -= 1
        elif name == "t":
            text = element.text or ""
        elif name in SPECIAL:
            text = SPECIAL[name]
        elif name == "p":
            text = "\n"
        elif name in LEFT_OUT:
            left_out[name] += 1
        if text:
            yield text
            begun = not text.endswith("\n")
    counts = ((left_out[name], noun) for name, noun in LEFT_OUT.items())
    notes += [f"left out {counted(count, noun)}" for count, noun in counts if count]
    notes += guides.notes()


def _main_part(package: xml.Package) -> str:
    """The name of the file with the text: Word for the web calls it word/document2.xml."""
    relations = (element.attrib for _, _, element in package.walk(RELATIONS))
    found = (one.get("Target", "") for one in relations if one.get("Type", "").endswith(MAIN))
    target = next(filter(None, found), None)
    if target is None:
        raise package.broken(f"{RELATIONS} names no document")
    return posixpath.normpath(unquote(target)).lstrip("/")  # within the archive, whatever it says
