"""Compressed files, expanded as they are read.

    bytes = OPENERS["xz"](file)    # of compressed bytes

A file has one frame (of bzip2 and xz: stream) or several, joined or made side by side. Python's own
readers of bzip2 and xz take a damaged one behind a whole one for the end of the file, and the one
of zstd a frame that is cut off for whole. So text would be missing without a word.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol, cast

from charrnn.decoding.streams import Readable
from charrnn.errors import UsageError

__all__ = ["OPENERS", "PART"]

PART = 1 << 20  # bytes expanded at a time
BLOCK = 1 << 13  # bytes read at a time
ZSTD_BLOCK = 128  # which may be 4 MB expanded; its frames take no limit


class _Frame(Protocol):
    """One frame, as Python's decompressors are."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _ZstdFrame:
    """One of zstd."""

    needs_input = True

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError:
            advice = "pip install zstandard, or expand it with zstd -d"
            raise UsageError("a .zst file needs the package zstandard", advice) from None
        self._frame, self._error = zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:  # noqa: ARG002
        try:
            return self._frame.decompress(data)
        except self._error as error:
            raise zlib.error(str(error)) from None


class _Frames:
    """A file of frames, all of which are read.

    Args:
        file: of compressed bytes.
        new_frame: what expands the next one.
        block: bytes of the file to read at a time.
        padded: whether zeros may follow a frame.
    """

    def __init__(
        self, file: Readable, new_frame: Callable[[], _Frame], block: int, *, padded: bool
    ) -> None:
        self._file, self._new_frame = file, new_frame
        self._block, self._padded = block, padded
        self._frame = new_frame()
        self._begun = True  # nothing pads the first frame
        self._is_empty = True  # the file, as far as it was read
        self._waiting = b""  # what was read and follows the last frame

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002
        """At least a byte, except at the end."""
        data = b""
        while not data:
            given = b""
            if self._frame.needs_input:
                given, self._waiting = self._waiting or self._file.read(self._block), b""
                if not given:
                    if self._begun and not self._is_empty:
                        raise EOFError("it is cut off")
                    return b""
                self._is_empty = False
                if self._padded and not self._begun:
                    given = given.lstrip(b"\0")
                self._begun = self._begun or given != b""
            data = self._frame.decompress(given, PART)
            if self._frame.eof:
                self._waiting = self._frame.unused_data
                self._frame, self._begun = self._new_frame(), False
        return data


OPENERS: dict[str, Callable[[Readable], Readable]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=cast(Any, file)),
    "bzip2": lambda file: _Frames(file, bz2.BZ2Decompressor, BLOCK, padded=True),
    "xz": lambda file: _Frames(file, lzma.LZMADecompressor, BLOCK, padded=True),
    "zstd": lambda file: _Frames(file, _ZstdFrame, ZSTD_BLOCK, padded=False),
}
