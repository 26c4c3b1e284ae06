"""Files, whatever they are compressed with."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path

from charrnn.config import Reading
from charrnn.decoding import kinds
from charrnn.decoding.pieces import NotTextError, Piece, Stream, pieces
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError

__all__ = ["file_pieces", "is_binary_file"]


def file_pieces(path: Path, reading: Reading) -> Iterator[Piece]:
    """The text of a file, which may be a `.gz`; see `pieces`.

    Raises:
        BadDataError: if it is not text, or a broken `.gz`.
        MissingInputError: if it does not exist or may not be read.
        ReadWriteError: if reading fails midway.
    """
    with _opened(path) as stream:
        yield from pieces(str(path), stream, reading)


def is_binary_file(path: Path, encoding: str) -> bool:
    """Whether a file has control characters that text does not have, and can't be decoded."""
    with _opened(path) as stream:
        if not kinds.looks_binary(stream.head, encoding):
            return False
    try:
        for _ in file_pieces(path, Reading(encoding)):
            pass
    except NotTextError:
        return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[Stream]:
    try:
        with path.open("rb") as file:
            yield Stream(GzipFile(fileobj=file) if path.suffix == ".gz" else file)
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
