"""Subtitles: the lines that are spoken, without their numbers, times and markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise

from charrnn.config import Reading
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import Piece, document, lines, parts
from charrnn.words import counted

__all__ = ["texts"]

TIMES = re.compile(r"\s*[\d:.,]+\s*-->\s*[\d:.,]+")
HEADERS = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
MAX_LINES = 1000  # lines of a block
FIRST = 100  # cues that show whether captions roll
LONGEST = 4  # lines that a caption repeats
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def texts(source: Source, reading: Reading) -> Iterator[Piece]:
    """The lines of a film.

    Raises:
        BadDataError: if it is no text in this encoding.
    """
    is_vtt = source.file_name.lower().endswith(".vtt")
    notes: list[str] = []
    found = lines(parts(source.name, source.stream, reading, notes), source.name)
    said = _once(_cues(_spoken(_blocks(found), is_vtt), is_vtt), notes)
    yield from document(source.name, (f"{line}\n" for line in said), notes)


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
    """The lines without numbers and times, wherever these stand; an empty one for a time.

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
            if not (line.isdecimal() and TIMES.match(after)):
                yield "" if TIMES.match(line) else line
        if last.isdecimal() and len(block) in (1, MAX_LINES):
            held = last
        else:
            yield "" if TIMES.match(last) else last
    yield held


def _cues(spoken: Iterable[str], is_vtt: bool) -> Iterator[list[str]]:
    """The lines without markup that are shown together; each cue has some."""
    cue: list[str] = []
    for line in spoken:
        if cue and (not line or len(cue) == MAX_LINES):
            yield cue
            cue = []
        if said := _said(line, is_vtt):
            cue.append(said)
    if cue:
        yield cue


def _once(cues: Iterator[list[str]], notes: list[str]) -> Iterator[str]:
    """The lines of cues; of captions that roll, each once.

    There the last lines of a cue stay above those that come next, as YouTube has it. What is said
    twice in other cues is read twice.
    """
    first = list(islice(cues, FIRST))
    rolled = [0 < _repeated(before, cue) < len(cue) for before, cue in pairwise(first)]
    rolls = sum(rolled) > max(1, len(rolled) // 4)
    before, left_out = list[str](), 0
    for cue in chain(first, cues):
        repeated = _repeated(before, cue) if rolls else 0
        yield from cue[repeated:]
        before, left_out = cue, left_out + repeated
    if left_out:
        notes.append(f"left out {counted(left_out, 'line')} that rolling captions repeat")


def _repeated(before: list[str], cue: list[str]) -> int:
    """How many lines at the beginning of a cue are the last ones of the cue before."""
    most = min(len(before), len(cue), LONGEST)
    return next((n for n in range(most, 0, -1) if before[-n:] == cue[:n]), 0)


def _said(line: str, is_vtt: bool) -> str:
    """A line without markup."""
    said = MARKUP.sub("", line).strip()
    return html.unescape(said) if is_vtt else said
