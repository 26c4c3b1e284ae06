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
        padding: zeros may follow a frame, a multiple of so many; 0 for none.
    """

    def __init__(
        self, file: Readable, new_frame: Callable[[], _Frame], block: int, padding: int
    ) -> None:
        self._file, self._new_frame = file, new_frame
        self._block, self._padding = block, padding
        self._frame = new_frame()
        self._begun = True  # nothing pads the first frame
        self._is_empty = True  # the file, as far as it was read
        self._waiting = b""  # what was read and follows the last frame
        self._zeros = 0  # that have followed it

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002
        """At least a byte, except at the end."""
        data = b""
        while not data:
            given = b""
            if self._frame.needs_input:
                given, self._waiting = self._waiting or self._file.read(self._block), b""
                if not given:
                    self._end()
                    return b""
                self._is_empty = False
                if not self._begun:
                    given = self._without_padding(given)
                self._begun = self._begun or given != b""
            data = self._frame.decompress(given, PART)
            if self._frame.eof:
                self._waiting, self._zeros = self._frame.unused_data, 0
                self._frame, self._begun = self._new_frame(), False
        return data

    def _without_padding(self, data: bytes) -> bytes:
        """What begins the next frame."""
        rest = data.lstrip(b"\0") if self._padding else data
        self._zeros += len(data) - len(rest)
        if rest:
            self._check_padding()
        return rest

    def _end(self) -> None:
        if self._begun and not self._is_empty:
            raise EOFError("it is cut off")
        self._check_padding()

    def _check_padding(self) -> None:
        if self._padding and self._zeros % self._padding:
            multiple = f"padding is a multiple of {self._padding}"
            raise zlib.error(f"{self._zeros} zeros follow one of its streams; {multiple}")


OPENERS: dict[str, Callable[[Readable], Readable]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=cast(Any, file)),
    "bzip2": lambda file: _Frames(file, bz2.BZ2Decompressor, BLOCK, padding=1),
    "xz": lambda file: _Frames(file, lzma.LZMADecompressor, BLOCK, padding=4),
    "zstd": lambda file: _Frames(file, _ZstdFrame, ZSTD_BLOCK, padding=0),
}
