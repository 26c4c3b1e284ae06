"""From bytes to text, piece by piece, so that a file of any size takes little memory.

pieces(name, file, reading)    # BinaryIO → Piece, Piece, …
"""

from __future__ import annotations

import codecs
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from charrnn.config import Reading
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError

__all__ = ["Piece", "file_pieces", "is_binary_file", "pieces"]

CHUNK = 1 << 20  # bytes read at a time
HEAD = 8192  # bytes at the start of a file by which a binary file is recognised

BOM = "\N{BYTE ORDER MARK}"


class Piece(NamedTuple):
    """A piece of a document, and what was changed in the document, if anything.

    Attributes:
        name: where the document comes from.
        text: the next part of its text.
        first: whether this is the first piece of the document.
        notes: what was changed, to tell the user; only on the last piece.
    """

    name: str
    text: str
    first: bool = True
    notes: tuple[str, ...] = ()


def pieces(name: str, file: BinaryIO, reading: Reading) -> Iterator[Piece]:
    """The text of one file, without a byte-order mark and with LF for CRLF.

    Raises:
        BadDataError: if it is not text in this encoding.
        OSError: if reading fails.
    """
    decoder = None
    head, read, line_ends, pending, first, marked = b"", 0, 0, "", True, False
    while True:
        data = file.read(CHUNK if decoder else max(CHUNK, 4))
        decoder = decoder or _decoder(reading, data)
        head += data[: HEAD - len(head)]
        read += len(data)
        last = len(data) < CHUNK  # at a terminal, one Ctrl-D ends the text
        try:
            text = pending + decoder.decode(data, final=last)
        except UnicodeDecodeError as error:
            offset = read - len(error.object) + error.start
            bad = error.object[error.start : error.start + 1]
            raise _not_text(name, head, reading.encoding, bad, offset) from None
        except UnicodeError:  # some codecs, like punycode, don't say where the error is
            raise _not_text(name, head, reading.encoding, b"", read) from None
        if first and not marked and text.startswith(BOM):
            text, marked = text[1:], True
        pending = "\r" if not last and text.endswith("\r") else ""  # its LF may come next
        text = text.removesuffix(pending)
        line_ends += text.count("\r\n")
        text = text.replace("\r\n", "\n")
        if last:
            yield Piece(name, text, first, _notes(marked, line_ends))
            return
        if text:
            yield Piece(name, text, first)
            first = False


def _decoder(reading: Reading, start: bytes) -> codecs.IncrementalDecoder:
    name = codecs.lookup(reading.encoding).name
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
    if name in ("utf-16", "utf-32") and not start.startswith(marks):
        # Without a mark, Python assumes the machine's byte order, but only for a whole text.
        name += "-le" if sys.byteorder == "little" else "-be"
    return codecs.getincrementaldecoder(name)(reading.errors)


def _notes(marked: bool, line_ends: int) -> tuple[str, ...]:
    notes = ["dropped the byte-order mark"] if marked else []
    if line_ends:
        notes.append(f"CRLF became LF on {line_ends:,} line{'s' if line_ends > 1 else ''}")
    return tuple(notes)


def file_pieces(path: Path, reading: Reading) -> Iterator[Piece]:
    """The text of a file, which may be a `.gz`; see `pieces`.

    Raises:
        BadDataError: if it is not text, or a broken `.gz`.
        MissingInputError: if it does not exist or may not be read.
        ReadWriteError: if reading fails midway.
    """
    with _opened(path) as file:
        yield from pieces(str(path), file, reading)


def is_binary_file(path: Path, encoding: str) -> bool:
    """Whether a file has control characters that text does not have, and can't be decoded."""
    with _opened(path) as file:
        if not _looks_binary(file.read(HEAD), encoding):
            return False
    try:
        for _ in file_pieces(path, Reading(encoding)):
            pass
    except _NotTextError:
        return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield GzipFile(fileobj=file) if path.suffix == ".gz" else file  # type: ignore[misc]
    except (BadGzipFile, EOFError, zlib.error) as error:
        advice = "compress it again, or use the plain text"
        raise BadDataError(f"{path}: broken gzip file ({error})", advice) from None
    except (FileNotFoundError, PermissionError) as error:
        advice = "check the path and its permissions"
        raise MissingInputError(f"{path}: {error.strerror}", advice) from None
    except OSError as error:
        raise ReadWriteError(
            f"{path}: {error.strerror}", "check the disk, then try again"
        ) from None


def _looks_binary(head: bytes, encoding: str) -> bool:
    controls = set(range(32)) - set(b"\t\n\v\f\r\x1b")
    return not _is_wide(encoding) and not controls.isdisjoint(head)


def _is_wide(encoding: str) -> bool:
    """Whether plain text is full of zero bytes in this encoding."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


class _NotTextError(BadDataError):
    """Bytes that are not text in the encoding they were read in."""


def _not_text(name: str, head: bytes, encoding: str, bad: bytes, offset: int) -> _NotTextError:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not _is_wide(encoding):
        return _NotTextError(f"{name}: this is UTF-16, not {encoding}", "try --encoding utf-16")
    if _looks_binary(head, encoding):
        advice = "convert it to plain text, or train on its bytes with --tokenizer byte"
        return _NotTextError(f"{name}: a binary file, not text", advice)
    byte = f"byte 0x{bad.hex()} at offset {offset}" if bad else "its end"
    return _NotTextError(
        f"{name}: {byte} is not {encoding}",
        "choose the right --encoding (latin-1?), or --errors replace, or --tokenizer byte",
    )
