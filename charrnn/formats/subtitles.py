"""Subtitles: the lines that are spoken, without their numbers, times and markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, document, lines, parts

__all__ = ["texts"]

TIMES = re.compile(r"\s*[\d:.,]+\s*-->\s*[\d:.,]+")
HEADERS = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
MAX_LINES = 1000  # lines of a block
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The lines of a film.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    is_vtt = source.file_name.lower().endswith(".vtt")
    notes: list[str] = []
    found = lines(parts(source.name, source.stream, reading, notes), source.name)
    said = ("".join(f"{line}\n" for line in _spoken(one, is_vtt)) for one in _blocks(found))
    yield from document(source.name, said, notes)


def _blocks(found: Iterable[str]) -> Iterator[list[str]]:
    """What stands between empty lines."""
    block: list[str] = []
    for line in map(str.strip, found):
        if line:
            block.append(line)
        if block and (not line or len(block) == MAX_LINES):
            yield block
            block = []
    if block:
        yield block


def _spoken(block: list[str], is_vtt: bool) -> Iterator[str]:
    at = next((at for at, line in enumerate(block[:2]) if TIMES.match(line)), None)
    if at is None and is_vtt and HEADERS.match(block[0]):
        return
    for line in block if at is None else block[at + 1 :]:
        said = MARKUP.sub("", line).strip()
        if said := html.unescape(said) if is_vtt else said:
            yield said
