"""Which file is read how: by the suffix of its name, whatever it is compressed with.

documents(path, reading, used)    # the documents of one file, or of the files of an archive
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from charrnn.config import Reading
from charrnn.decoding import kinds
from charrnn.decoding.containers import (
    Source,
    is_archive,
    is_zip,
    plain_name,
    reading_errors,
    sources,
)
from charrnn.decoding.pieces import NotTextError, Piece
from charrnn.decoding.streams import Arriving, Stream
from charrnn.errors import BadDataError
from charrnn.formats import plain, subtitles
from charrnn.formats.markup import docx, epub, html
from charrnn.formats.tables import delimited, jsons, parquet
from charrnn.formats.tables.columns import MissingColumnError, column_of
from charrnn.words import counted, first_few

__all__ = [
    "JSON",
    "PARQUET",
    "TABLE",
    "Format",
    "documents",
    "format_of",
    "is_no_text",
    "is_plain_name",
    "lacking_note",
    "opened",
    "passed_note",
    "refuse_compressed",
    "skipped_note",
]

DECODING = frozenset({"encoding", "errors"})
COLUMNS = frozenset({"text_column"})


class Format(NamedTuple):
    """How files of a kind are read.

    Attributes:
        read: what turns a file into documents.
        settings: those of `Reading` that it uses.
        whole: whether it needs the file itself, and not only a stream of its bytes.
    """

    read: Callable[[Source, Reading], Iterator[Piece]]
    settings: frozenset[str] = DECODING
    whole: bool = False


PLAIN = Format(plain.texts)
TABLE = Format(delimited.rows, DECODING | COLUMNS)
JSON = Format(jsons.rows, DECODING | COLUMNS)
PARQUET = Format(parquet.rows, COLUMNS, whole=True)
PAGE = Format(html.texts)
SUBTITLES = Format(subtitles.texts)
BOOK = Format(epub.texts, frozenset(), whole=True)
WORD = Format(docx.texts, frozenset(), whole=True)
FORMATS = {
    ".csv": TABLE,
    ".tsv": TABLE,
    ".jsonl": JSON,
    ".ndjson": JSON,
    ".json": JSON,
    ".parquet": PARQUET,
    ".html": PAGE,
    ".htm": PAGE,
    ".xhtml": PAGE,
    ".srt": SUBTITLES,
    ".vtt": SUBTITLES,
    ".epub": BOOK,
    ".docx": WORD,
}


def format_of(name: str) -> Format:
    """How a file of this name is read."""
    return FORMATS.get(PurePosixPath(plain_name(name)).suffix.lower(), PLAIN)


def is_plain_name(name: str) -> bool:
    """Whether a file of this name holds its text as it stands, not in a table, a page or a film."""
    is_compressed = name != plain_name(name) or is_archive(name)
    return format_of(name) is PLAIN and not is_compressed


@contextmanager
def opened(
    given: Path | BinaryIO | Arriving, reading: Reading, notes: list[str]
) -> Iterator[Iterator[Source]]:
    """What is in a file, or in what comes by standard input: itself, or the files of an archive.

    One that is needed itself, and not only a stream of its bytes, is not expanded.

    Args:
        given: the file, or bytes that can be read only once.
        reading: its encoding, and whether bytes are learnt as they are.
        notes: gets what was passed by in an archive, once it is read.

    Raises:
        BadDataError: if it is broken, no text, or grows past all reason.
        MissingInputError: if it does not exist or may not be read.
        ReadWriteError: if reading fails midway.
    """
    passed, name = dict[str, None](), _name_of(given)
    path = given if isinstance(given, Path) else None
    with reading_errors(name), ExitStack() as held:
        file: BinaryIO | Arriving
        file = held.enter_context(given.open("rb")) if isinstance(given, Path) else given
        if path and format_of(path.name).whole and path.name == plain_name(path.name):
            yield iter([Source(name, path.name, Stream(file), path)])
        else:
            yield held.enter_context(closing(sources(name, file, reading, passed, path)))
    if passed:
        notes.append(_hidden_note([*passed]))


def _name_of(given: Path | BinaryIO | Arriving) -> str:
    return str(given) if isinstance(given, Path) else "standard input"


def refuse_compressed(source: Source) -> None:
    """Check that a file is there as it is, if it is needed itself.

    Raises:
        NotTextError: for one that is compressed or in an archive.
    """
    if format_of(source.file_name).whole and source.path is None:
        raise NotTextError(f"{source.name}: it can't be read compressed", kinds.UNPACK)


def documents(given: Path | BinaryIO, reading: Reading, used: set[str]) -> Iterator[Piece]:
    """The documents in what is `opened`; adds to `used` the settings that their formats use.

    Raises:
        CharRNNError: as `opened`.
        UsageError: for a column that does not exist or holds no text.
    """
    notes: list[str] = []
    with opened(given, reading, notes) as found:
        yield from _of_all(_name_of(given), found, reading, used)
    if notes:
        yield Piece(_name_of(given), "", first=False, notes=tuple(notes))


def _of_all(
    name: str, found: Iterator[Source], reading: Reading, used: set[str]
) -> Iterator[Piece]:
    packed, left_out, lacking = list[str](), list[str](), list[str]()
    reason: MissingColumnError | None = None
    read = False
    for source in found:
        form = format_of(source.file_name)
        inside = source.name.removeprefix(f"{source.archive}/") if source.archive else ""
        if inside and (form.whole or is_archive(source.file_name)):
            packed.append(inside)
            continue
        if inside and _is_no_text(source, reading, whole=False):
            left_out.append(inside)
            continue
        refuse_compressed(source)
        used |= form.settings
        try:
            yield from form.read(source, reading)
            read = True
        except MissingColumnError as error:
            if not inside:
                raise
            reason = reason or error
            lacking.append(inside)
    if reason and not read:
        raise reason
    if (packed or left_out) and not read:
        found_there = first_few(packed + left_out)
        raise BadDataError(f"{name}: no text in it, only {found_there}", kinds.UNPACK)
    if packed:
        yield Piece(name, "", first=False, notes=(_packed_note(packed),))
    if left_out:
        yield Piece(name, "", first=False, notes=(skipped_note(left_out),))
    if reason:
        yield Piece(name, "", first=False, notes=(lacking_note(lacking, reading, reason),))


def is_no_text(path: Path, reading: Reading) -> bool:
    """Whether a file of a folder is left out: a picture, a program, a document that is none."""
    form = format_of(path.name)
    if form in (BOOK, WORD) and path.name == plain_name(path.name):
        with reading_errors(str(path)):
            return not is_zip(path)
    if form is not PLAIN:
        return False
    with opened(path, reading, []) as found:
        one = next(found, None)
        return one is not None and not one.archive and _is_no_text(one, reading, whole=True)


def _is_no_text(source: Source, reading: Reading, *, whole: bool) -> bool:
    """Whether a file is no text, as its `whole` tells, or else its start.

    One with control characters at its start may yet be text.
    """
    stream, encoding = source.stream, reading.encoding
    if kinds.kind_of(stream.head):
        return True
    if kinds.unmarked_utf16(stream.head):  # which is an error
        return False
    if not kinds.looks_binary(stream.head, encoding):
        return False
    if kinds.has_many_controls(stream.head):
        return True
    return not (_decodes(stream, encoding) if whole else kinds.decodes(stream.head, encoding))


def _decodes(stream: Stream, encoding: str) -> bool:
    """Whether all bytes of a file are text in this encoding, controls among them."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while not stream.ended:
            decoder.decode(stream.some(), final=stream.ended)
    except UnicodeError:
        return False
    return True


def skipped_note(names: Sequence[str]) -> str:
    """What to say of files that were left out."""
    return f"skipped {_files_that_are(names)} not plain text: {first_few(names)}"


def _packed_note(names: Sequence[str]) -> str:
    """What to say of documents and archives that were left out of an archive."""
    return f"skipped {_files_that_are(names)} read only when unpacked: {first_few(names)}"


def _files_that_are(names: Sequence[str]) -> str:
    return "1 file that is" if len(names) == 1 else f"{len(names)} files that are"


def lacking_note(names: Sequence[str], reading: Reading, reason: MissingColumnError) -> str:
    """What to say of tables that were left out, the first of them for this reason."""
    files = f"{counted(len(names), 'file')} without a column {column_of(reading)}"
    return f"skipped {files}: {first_few(names)} ({reason})"


def _hidden_note(names: Sequence[str]) -> str:
    """What to say of what was never looked at in an archive."""
    return f"left out hidden files and entries that are not files: {first_few(names)}"


def passed_note(names: Sequence[str]) -> str:
    """What to say of what was never looked at in a folder."""
    what = "hidden or unreadable files, entries that are not files, linked folders, models, caches"
    return f"left out {what} and installed packages: {first_few(names)}"
