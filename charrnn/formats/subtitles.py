"""Subtitles: the lines that are spoken, without their numbers, times and markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

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
    spoken = _spoken if reading.rules > 2 else _spoken_before
    said = (_said(line, is_vtt) for line in spoken(_blocks(found), is_vtt))
    yield from document(source.name, (f"{line}\n" for line in said if line), notes)


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


def _spoken(blocks: Iterable[list[str]], is_vtt: bool) -> Iterator[str]:
    """The lines without numbers and times, wherever these stand.

    Empty lines may be missing or doubled. Digits alone in a block are the number of what comes next
    if that begins with its time.
    """
    held = ""
    for block in blocks:
        at = next((at for at, line in enumerate(block[:2]) if TIMES.match(line)), None)
        if held and at != 0:
            yield held
        held = ""
        if at is None and is_vtt and HEADERS.match(block[0]):
            continue
        *others, last = block if at is None else ["", *block[at + 1 :]]
        for line, after in pairwise([*others, last]):
            if not TIMES.match(line) and not (line.isdecimal() and TIMES.match(after)):
                yield line
        if last.isdecimal() and len(block) in (1, MAX_LINES):
            held = last
        elif not TIMES.match(last):
            yield last
    yield held


def _spoken_before(blocks: Iterable[list[str]], is_vtt: bool) -> Iterator[str]:
    """The same by earlier rules: numbers and times go at the beginning of a block alone."""
    for block in blocks:
        at = next((at for at, line in enumerate(block[:2]) if TIMES.match(line)), None)
        if at is not None or not (is_vtt and HEADERS.match(block[0])):
            yield from block if at is None else block[at + 1 :]


def _said(line: str, is_vtt: bool) -> str:
    """A line without markup."""
    said = MARKUP.sub("", line).strip()
    return html.unescape(said) if is_vtt else said
