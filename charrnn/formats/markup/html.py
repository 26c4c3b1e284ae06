"""HTML as it is read: its text, each block on lines of its own, without markup and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, cleaned, document, parts
from charrnn.errors import BadDataError
from charrnn.formats.gutenberg import remarked
from charrnn.words import counted

__all__ = ["Guides", "text_of", "texts"]

DROPPED = frozenset({"annotation", "annotation-xml", "script", "style", "template", "title"})
# What says how the words below it are said, and what ends it; its own end may be left out.
GUIDES = frozenset({"rp", "rt", "rtc"})
BASES = frozenset({"rb", "rbc", "ruby"})
# What stands on lines of its own: blocks, and what is put into a text, such as forms and films. All
# else is within a line.
BLOCKS = frozenset(
    [
        *("address", "article", "aside", "blockquote", "body", "br", "button", "canvas", "caption"),
        *("center", "col", "colgroup", "datalist", "dd", "details", "dialog", "dir", "div", "dl"),
        *("dt", "embed", "fieldset", "figcaption", "figure", "footer", "form", "frame", "frameset"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html", "iframe"),
        *("input", "legend", "li", "listing", "main", "marquee", "menu", "nav", "noframes"),
        *("noscript", "object", "ol", "optgroup", "option", "p", "plaintext", "pre", "search"),
        *("section", "select", "summary", "table", "tbody", "textarea", "tfoot", "thead", "tr"),
        *("ul", "video", "audio", "xmp", "tw-passagedata", "tw-storydata"),
    ]
)
PREFORMATTED = frozenset({"pre", "tw-passagedata"})  # the latter is a passage of a game by Twine
CELLS = frozenset({"td", "th"})
NOT_IN_GUIDES = GUIDES | BASES | BLOCKS | CELLS
SPACE = re.compile(r"[ \t\n\r\f]+")
LONGEST = 1 << 24  # characters of a tag or a comment
# Python's parser looks for the end of each one that has none through all that follows: so many
# characters take a second.
MOST_SEARCHED = 1 << 25


@dataclass
class Guides:
    """Counts the guides to how words are said, which stand above these and are left out."""

    count: int = 0

    def notes(self) -> list[str]:
        """What to say of them, if there are any."""
        found = f"left out {counted(self.count, 'phonetic guide')} above words"
        return [found] if self.count else []


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The text of a page.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    notes: list[str] = []
    markup = parts(source.name, source.stream, reading, notes)
    text = cleaned(_text(source.name, markup, notes), notes)  # again: &#13; is a CR
    yield from remarked(document(source.name, text, notes))


def _text(name: str, markup: Iterable[str], notes: list[str]) -> Iterator[str]:
    guides = Guides()
    yield from text_of(name, markup, guides)
    notes += guides.notes()


def text_of(name: str, markup: Iterable[str], guides: Guides) -> Iterator[str]:
    """The text of a page whose markup comes in parts."""
    page = _Page(guides)
    for part in markup:
        page.feed(part)
        if len(page.rawdata) > LONGEST:
            raise _endless(name)
        yield page.take()
    if page.unended() * len(page.rawdata) > MOST_SEARCHED:
        raise _endless(name)
    page.close()
    yield page.take(last=True)


def _endless(name: str) -> BadDataError:
    return BadDataError(f"{name}: a tag or comment without an end", "mend the page")


class _Page(HTMLParser):
    """Collects the text of a page, as it is parsed."""

    def __init__(self, guides: Guides) -> None:
        super().__init__(convert_charrefs=True)
        self._guides, self._in_guide = guides, False
        self._counts = False  # whether what is said next in a guide makes it one more
        self._ready: list[str] = []
        self._begun = False  # whether the line has any text yet
        self._gap = ""  # white space that counts only if text follows on the line
        self._dropped = self._preformatted = 0

    def take(self, last: bool = False) -> str:
        """The text since the last call."""
        if last:
            self._end_line()
        text = "".join(self._ready)
        self._ready.clear()
        return text

    def unended(self) -> int:
        """How many tags, comments and sections may have no end in what was read."""
        rest = self.rawdata
        return rest.count("<!--") + rest.count("<![") + rest.count("<", rest.rfind(">") + 1)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """As in Python's parser, which does not know all that can stand between <![ and ]>."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def _end_line(self) -> None:
        if self._begun:
            self._ready.append("\n")
        self._begun, self._gap = False, ""

    def _guide(self, tag: str, begins: bool) -> None:
        """Begin or end a guide, if a tag does."""
        if tag in GUIDES and begins:
            self._in_guide, self._counts = True, tag != "rp"
        elif tag in NOT_IN_GUIDES:
            self._in_guide = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        """Begin a line for a block."""
        self._guide(tag, True)
        if tag in DROPPED:
            self._dropped += 1
        elif tag in CELLS:
            self._gap = "\t" if self._begun else ""
        elif tag in BLOCKS:
            self._end_line()
            self._preformatted += tag in PREFORMATTED

    def handle_endtag(self, tag: str) -> None:
        """End the line of a block."""
        self._guide(tag, False)
        if tag in DROPPED:
            self._dropped = max(0, self._dropped - 1)
        elif tag in BLOCKS:
            self._end_line()
            self._preformatted = max(0, self._preformatted - (tag in PREFORMATTED))

    def handle_data(self, data: str) -> None:
        """Add text; white space is one space, except where it is preformatted."""
        if self._dropped:
            return
        if self._in_guide:
            if self._counts and data.strip():
                self._guides.count += 1
                self._counts = False
            return
        if self._preformatted:
            self._ready.append(self._gap + data)
            self._gap = ""
            self._begun = not data.endswith("\n")
            return
        for number, word in enumerate(SPACE.split(data)):
            if number and self._begun:
                self._gap = self._gap or " "
            if word:
                self._ready.append(self._gap + word)
                self._begun, self._gap = True, ""
