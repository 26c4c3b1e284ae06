"""Subtitles: the lines that are spoken, without their numbers, times and markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, lines, pieces

__all__ = ["texts"]

TIMES = re.compile(r"\s*[\d:.,]+\s*-->\s*[\d:.,]+")
HEADERS = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
MOST = 1000  # lines of a block
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The lines of a film.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    is_vtt = source.file_name.lower().endswith(".vtt")
    notes: list[str] = []
    first = True
    for block in _blocks(lines(_parts(source, reading, notes), source.name)):
        if said := "".join(f"{line}\n" for line in _spoken(block, is_vtt)):
            yield Piece(source.name, said, first)
            first = False
    yield Piece(source.name, "", first, tuple(notes))


def _parts(source: Source, reading: Reading, notes: list[str]) -> Iterator[str]:
    for piece in pieces(source.name, source.stream, reading):
        yield piece.text
        notes += piece.notes


def _blocks(found: Iterable[str]) -> Iterator[list[str]]:
    """What stands between empty lines."""
    block: list[str] = []
    for line in map(str.strip, found):
        if line:
            block.append(line)
        if block and (not line or len(block) == MOST):
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
