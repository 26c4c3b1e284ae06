"""Books: their chapters in the order in which they are read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from charrnn.config import Reading
from charrnn.decoding import kinds
from charrnn.decoding.cleaning import Cleaner
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, document
from charrnn.formats.gutenberg import remarked
from charrnn.formats.markup import xml
from charrnn.formats.markup.html import Guides, text_of

__all__ = ["texts"]

PAGES = ("application/xhtml+xml", "text/html")


def texts(source: Source, reading: Reading) -> Iterator[Piece]:  # noqa: ARG001
    """The text of a book, a document.

    Raises:
        BadDataError: if it is damaged, or none.
        UsageError: without the extra `formats`.
    """
    notes: list[str] = []
    with xml.opened(source, "an EPUB book", "copy it again, or use plain text") as package:
        chapters = _chapters(source.name, package, notes)
        yield from remarked(document(source.name, chapters, notes))


def _chapters(name: str, package: xml.Package, notes: list[str]) -> Iterator[str]:
    """The text of each chapter."""
    cleaner, guides = Cleaner(), Guides()
    for page in _pages(package):
        text = "".join(text_of(name, [_decoded(package, page)], guides))
        yield cleaner.feed(text, last=True)
    notes += [*cleaner.notes(), *guides.notes()]


def _pages(package: xml.Package) -> Iterator[str]:
    """The names of the files of the chapters, each once."""
    container = (e.get("full-path", "") for _, _, e in package.walk("META-INF/container.xml"))
    root = next(filter(None, container), None)
    if root is None:
        raise package.broken("META-INF/container.xml names no book")
    pages: dict[str | None, str] = {}
    order: dict[str | None, None] = {}
    for event, name, element in package.walk(root):
        if event == "end" and name == "item" and element.get("media-type") in PAGES:
            pages[element.get("id")] = unquote(element.get("href", ""))
        if event == "end" and name == "itemref":
            order[element.get("idref")] = None
    folder = posixpath.dirname(root)
    for page in dict.fromkeys(pages[item] for item in order if item in pages):
        yield posixpath.normpath(posixpath.join(folder, page))


def _decoded(package: xml.Package, page: str) -> str:
    """A chapter: in UTF-8, or in UTF-16 with a mark, as the standard has it."""
    data = package.read(page)
    try:
        return data.decode(kinds.marked_wide(data) or "utf-8")
    except UnicodeDecodeError as error:
        raise package.broken(f"{page}: {error.reason} at byte {error.start}") from None
