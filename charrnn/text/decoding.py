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

__all__ = ["Piece", "Reading", "file_pieces", "is_binary_file", "pieces"]

CHUNK = 1 << 20  # bytes read at a time
HEAD = 8192  # bytes in which a binary file shows itself

BOM = "\N{BYTE ORDER MARK}"


class Piece(NamedTuple):
    """A piece of a document, and what was changed in the document, if anything.

    Attributes:
        name: where the document comes from.
        text: the next part of its text.
        first: whether a document begins here.
        notes: for the user to know, on the last piece.
    """

    name: str
    text: str
    first: bool = True
    notes: tuple[str, ...] = ()


def pieces(name: str, file: BinaryIO, reading: Reading) -> Iterator[Piece]:
    """The text of one file: without byte-order mark, CRLF become LF.

    Raises:
        BadDataError: if it is not text in this encoding.
        OSError: if reading fails.
    """
    decoder = None
    head, read, endings, held, first, mark = b"", 0, 0, "", True, False
    while True:
        data = file.read(CHUNK if decoder else max(CHUNK, 4))
        decoder = decoder or _decoder(reading, data)
        head += data[: HEAD - len(head)]
        read += len(data)
        last = len(data) < CHUNK  # so that what is typed ends with the first end of file
        try:
            text = held + decoder.decode(data, final=last)
        except UnicodeDecodeError as error:
            offset = read - len(error.object) + error.start
            bad = error.object[error.start : error.start + 1]
            raise _not_text(name, head, reading.encoding, bad, offset) from None
        except UnicodeError:  # what punycode and others raise, which don't say where
            raise _not_text(name, head, reading.encoding, b"", read) from None
        if first and not mark and text.startswith(BOM):
            text, mark = text[1:], True
        held = "\r" if not last and text.endswith("\r") else ""  # its LF may come next
        text = text.removesuffix(held)
        endings += text.count("\r\n")
        text = text.replace("\r\n", "\n")
        if last:
            yield Piece(name, text, first, _notes(mark, endings))
            return
        if text:
            yield Piece(name, text, first)
            first = False


def _decoder(reading: Reading, start: bytes) -> codecs.IncrementalDecoder:
    name = codecs.lookup(reading.encoding).name
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
    if name in ("utf-16", "utf-32") and not start.startswith(marks):
        # Without a mark, Python takes a whole text to be in the order of the machine.
        name += "-le" if sys.byteorder == "little" else "-be"
    return codecs.getincrementaldecoder(name)(reading.errors)


def _notes(mark: bool, endings: int) -> tuple[str, ...]:
    notes = ["dropped the byte-order mark"] if mark else []
    if endings:
        notes.append(f"CRLF became LF on {endings:,} line{'s' if endings > 1 else ''}")
    return tuple(notes)


def file_pieces(path: Path, reading: Reading) -> Iterator[Piece]:
    """The text of a file, which may be a `.gz`; see `pieces`.

    Raises:
        BadDataError: if it is not text, or a broken `.gz`.
        MissingInputError: if it is not there, or not to be read.
        ReadWriteError: if reading fails midway.
    """
    with _opened(path) as file:
        yield from pieces(str(path), file, reading)


def is_binary_file(path: Path, encoding: str) -> bool:
    """Whether a file can't be decoded and has control characters that texts don't have."""
    with _opened(path) as file:
        suspect = _is_suspect(file.read(HEAD), encoding)
    try:
        for _ in file_pieces(path, Reading(encoding)) if suspect else ():
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
        advice = "compress it again, or give the plain text"
        raise BadDataError(f"{path}: broken gzip file ({error})", advice) from None
    except (FileNotFoundError, PermissionError) as error:
        advice = "check the path and its permissions"
        raise MissingInputError(f"{path}: {error.strerror}", advice) from None
    except OSError as error:
        raise ReadWriteError(
            f"{path}: {error.strerror}", "check the disk, then try again"
        ) from None


def _is_suspect(head: bytes, encoding: str) -> bool:
    controls = set(range(32)) - set(b"\t\n\v\f\r\x1b")
    return not _is_wide(encoding) and not controls.isdisjoint(head)


def _is_wide(encoding: str) -> bool:
    """Whether half of the bytes of a text are zero."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


class _NotTextError(BadDataError):
    """Bytes that are not text in the encoding they should be in."""


def _not_text(name: str, head: bytes, encoding: str, bad: bytes, offset: int) -> _NotTextError:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not _is_wide(encoding):
        return _NotTextError(f"{name}: this is UTF-16, not {encoding}", "try --encoding utf-16")
    if _is_suspect(head, encoding):
        advice = "convert it to plain text, or choose --tokenizer byte to model its bytes"
        return _NotTextError(f"{name}: a binary file, not text", advice)
    byte = f"byte 0x{bad.hex()} at offset {offset}" if bad else "its end"
    return _NotTextError(
        f"{name}: {byte} is not {encoding}",
        "give the right --encoding (latin-1?), or --errors replace, or --tokenizer byte",
    )
