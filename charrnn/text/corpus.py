"""From what the user names to text: files, folders, data sets, standard input, bundled corpora.

    source ──documents──▶ Piece, Piece, … ──texts──▶ str, str, … ──read_corpus──▶ Corpus

A document is one file, or one row of a data set. It comes in pieces, so that a long corpus need
not be in memory all at once.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from charrnn.arguments import checked
from charrnn.config import HUB, STANDARD_INPUT, Reading
from charrnn.decoding.containers import plain_name
from charrnn.decoding.pieces import Piece
from charrnn.decoding.streams import standard_input
from charrnn.errors import BadDataError, UsageError
from charrnn.formats import registry
from charrnn.formats.tables import columns
from charrnn.formats.tables.columns import MissingColumnError
from charrnn.text.bundled import BUNDLED
from charrnn.text.division import DocumentStarts
from charrnn.text.finding import Duplicates
from charrnn.text.hub import hub_records
from charrnn.text.resolving import Resolved, resolve_all

__all__ = [
    "Corpus",
    "Sources",
    "corpus_name",
    "documents",
    "listed",
    "read_corpus",
    "short_name",
    "texts",
]


@dataclass(frozen=True)
class Corpus:
    """All the text of a training run.

    Attributes:
        name: a short name, made from the first source, and how many others there are.
        text: the documents, one after the other, each on lines of its own.
        notes: what was changed or left out, to tell the user.
        documents: where its documents begin.
    """

    name: str
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()
    documents: DocumentStarts = field(default_factory=DocumentStarts, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("name", "text"):
            if not isinstance(getattr(self, name), str):
                found = f"the {name} of a corpus is of type {type(getattr(self, name)).__name__}"
                raise UsageError(found, "it must be a string")

    @property
    def sha256(self) -> str:
        """A fingerprint of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


Sources = Sequence[str | Path] | Corpus  # what is read, or has been


@checked
def read_corpus(
    sources: str | Path | Sequence[str | Path], reading: Reading | None = None
) -> Corpus:
    """All the text of the sources, as one corpus.

    Args:
        sources: one or several, each a file of a format in docs/texts.md, also compressed or in an
            archive, a folder of them, a glob, "-" for standard input, `hf://OWNER/NAME` or
            `hf://OWNER/NAME/CONFIG`, or the name of a bundled corpus. Each content is read once.
        reading: encoding and columns; UTF-8 by default.

    Raises:
        MissingInputError: if a source does not exist.
        BadDataError: if one is not text, or there is no text at all.
        ReadWriteError: if reading fails midway.
        UsageError: for a column that does not exist or holds no text, and for bundled examples.
    """
    sources = listed(sources)
    notes: list[str] = []
    found = DocumentStarts()
    text = "".join(texts(sources, reading or Reading(), notes, found))
    if not text:
        raise no_text(sources)
    return Corpus(corpus_name(sources), text, tuple(notes), found)


def no_text(sources: Sequence[str | Path]) -> BadDataError:
    """The error for sources without any text."""
    return BadDataError(f"{', '.join(map(str, sources))}: no text in it", "use a longer text")


def texts(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    found: DocumentStarts,
) -> Iterator[str]:
    """The text of a corpus, piece by piece; see `read_corpus`.

    Adds what was changed to `notes`, and where documents begin to `found`.
    """
    if not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    line_ended, length = True, 0
    for piece in documents(sources, reading):
        if piece.first and not line_ended:
            yield "\n"
            length += 1
        if piece.first:
            found.add(piece.name, length)
        length += len(piece.text)
        if piece.text or piece.first:  # an empty document is an empty line
            line_ended = piece.text.endswith("\n")
        yield piece.text
        notes += [f"{piece.name}: {note}" for note in piece.notes]


def documents(sources: Sequence[str | Path], reading: Reading) -> Iterator[Piece]:
    """The documents of each source in turn; see `read_corpus` for what a source can be."""
    used: set[str] = set()
    every, duplicates = resolve_all(sources)
    for source in every:
        source.check_task(None)
    for source in every:
        yield from _documents_of(source, reading, used, duplicates)
    if notes := duplicates.notes():
        yield Piece("the corpus", "", first=False, notes=notes)
    _refuse_unused(reading, used)


def _documents_of(
    source: Resolved, reading: Reading, used: set[str], duplicates: Duplicates
) -> Iterator[Piece]:
    """The documents of a source; the tables in a folder that have no such column are left out."""
    notes, lacking = list[str](), list[str]()
    reason: MissingColumnError | None = None
    read, before = False, len(duplicates.left_out)
    for content in source.each(reading, duplicates, notes):
        try:
            yield from _document(content, reading, used)
            read = True
        except MissingColumnError as error:
            if source.folder is None:
                raise
            reason = reason or error
            lacking.append(os.path.relpath(content, source.folder))
    # Nothing was read, nor left out as a copy: no table has this column.
    if reason and not read and len(duplicates.left_out) == before:
        raise reason
    if reason:
        notes.append(registry.lacking_note(lacking, reading, reason))
    if notes:
        yield Piece(source.name, "", first=False, notes=tuple(notes))


def _document(content: str | Path, reading: Reading, used: set[str]) -> Iterator[Piece]:
    """What one of the contents of a source holds."""
    if isinstance(content, Path):
        yield from registry.documents(content, reading, used)
    elif content == STANDARD_INPUT:
        yield from registry.documents(standard_input(), reading, used)
    elif content.startswith(HUB):
        used |= {"text_column", "split"}
        yield from columns.documents(content, hub_records(content, reading), reading)
    else:
        yield Piece(content, BUNDLED[content].read())


# Where each setting of `Reading` has an effect.
APPLIES = {
    "encoding": "text files, CSV and JSON",
    "errors": "text files, CSV and JSON",
    "text_column": "tables and data sets",
    "split": "data sets from the hub",
}


def _refuse_unused(reading: Reading, used: set[str]) -> None:
    """Refuse a setting that was given and has had no effect."""
    usual = Reading()
    for name, where in APPLIES.items():
        value = getattr(reading, name)
        given = value != getattr(usual, name) and value != "surrogateescape"
        if given and name not in used:
            found = f"{name} is {value!r}, which only affects {where}, and none is read here"
            raise UsageError(found, "leave it out", name)


def listed(sources: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    """Sources as a list, for those who name a single one."""
    return [sources] if isinstance(sources, (str, Path)) else sources


def corpus_name(sources: Sequence[str | Path]) -> str:
    """The name of a corpus: of its first source, and how many others are read."""
    more = 0
    if len(sources) > 1:
        every, duplicates = resolve_all(sources)
        are_new = [[not duplicates.leave_out(one) for one in source.contents] for source in every]
        more = sum(map(any, are_new[1:]))
    return f"{short_name(sources[0])}{f' and {more:,} more' if more else ''}"


def short_name(source: str | Path) -> str:
    """The name of a source, as short as possible."""
    source = str(source)
    if source == STANDARD_INPUT:
        return "stdin"
    if source.startswith(HUB):
        return source.removeprefix(HUB).split("/")[1]
    is_glob = glob.has_magic(source) and not os.path.exists(source)  # noqa: PTH110
    path = Path(os.path.realpath(_folder_of_glob(source) if is_glob else source))
    if path.is_dir():
        return path.name or "root"
    return Path(plain_name(path.name)).stem or path.name


def _folder_of_glob(pattern: str) -> Path:
    """The folder that a glob looks into: all that stands before its first wildcard.

    Of one without wildcards, the file or folder that it names.
    """
    folder = Path()
    for part in Path(pattern).parts:
        name = re.sub(r"\[([*?[])\]", r"\1", part)
        if glob.escape(name) != part:
            break
        folder /= name
    return folder
