"""What bytes are read from: files, pipes and terminals, read once and in order.

stream = Stream(file)    # its head can be looked at before it is read
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable
from typing import BinaryIO, Protocol

from charrnn.decoding import kinds
from charrnn.decoding.kinds import HEAD
from charrnn.errors import MissingInputError

__all__ = ["Arriving", "Readable", "Stream", "arriving", "standard_input"]

CHUNK = 1 << 20  # bytes read at a time


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes; none only at the end.

        A file gives `size` of them, fewer only at the end; what arrives may give fewer at any time,
        and a decompressor more.
        """


class Arriving:
    """A pipe or a terminal, read as its bytes come.

    Args:
        file: what it is to Python.
        before_waiting: called whenever all that has come is read.
    """

    def __init__(self, file: BinaryIO, before_waiting: Callable[[], object]) -> None:
        self._file, self._before_waiting = file, before_waiting

    def read(self, size: int = -1, /) -> bytes:
        """What has come, up to `size` bytes; none only at the end."""
        try:
            waits = not select.select([self._file], [], [], 0)[0]
        except OSError:  # Windows asks sockets alone
            waits = True
        if waits:
            self._before_waiting()
        return self._file.read1(min(size, CHUNK))  # type: ignore[attr-defined,no-any-return]


class Stream:
    """Bytes to be read once, whose head can be looked at first.

    Args:
        file: gives as many bytes as are asked for, unless it ends. What is `Arriving` gives fewer;
            reading waits only for what decides how the text begins.
        encoding: of what arrives, if it is text.

    Attributes:
        head: the first bytes, up to `HEAD`; if they arrive, those that have come so far.
        read_bytes: how many were read of the file.
    """

    def __init__(self, file: Readable, encoding: str = "utf-8") -> None:
        self._file, self._encoding = file, encoding
        self._arrives = isinstance(file, Arriving)
        self.read_bytes = 0
        self.head = self._left = b"" if self._arrives else self._more(HEAD)
        # At a terminal, one Ctrl-D ends the text.
        self._ended = not self._arrives and len(self.head) < HEAD
        if self._arrives:
            self.grow()

    @property
    def ended(self) -> bool:
        """Whether all is read."""
        return self._ended and not self._left

    def grow(self) -> bool:
        """Wait for more of the head (for all of it, while it may be no text).

        Returns:
            more: whether more has come.
        """
        before = len(self.head)
        while not self._ended and len(self.head) < HEAD:
            more = self._more(CHUNK)
            self._ended = not more
            self.head += more[: HEAD - len(self.head)]
            self._left += more
            # Where UTF-16 was expected, more of it tells whether it is UTF-8.
            if not kinds.is_wide(self._encoding) and kinds.is_plain(self.head, self._encoding):
                break
        return len(self.head) > before

    def some(self) -> bytes:
        """The next bytes: many, or those that have come."""
        if not self._arrives:
            return self.read(CHUNK)
        if not self._left and not self.grow() and not self._ended:
            self._left = self._more(CHUNK)
            self._ended = not self._left
        data, self._left = self._left, b""
        return data

    def at_hand(self, size: int) -> bytes:
        """Up to `size` of the next bytes; none that would have to be waited for."""
        return b"" if self._arrives else self.read(size)

    def read(self, size: int = -1, /) -> bytes:
        """`size` bytes; fewer only at the end."""
        if size < 0:
            size = sys.maxsize
        parts, self._left = [self._left[:size]], self._left[size:]
        missing = size - len(parts[0])
        while missing and not self._ended:
            more = self._more(min(missing, sys.maxsize - HEAD))
            self._ended = not more if self._arrives else len(more) < missing
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)

    def _more(self, size: int) -> bytes:
        data = self._file.read(size)
        self.read_bytes += len(data)
        return data


def standard_input() -> BinaryIO:
    """What comes by standard input.

    Raises:
        MissingInputError: if it is closed.
    """
    if sys.stdin is None:
        raise MissingInputError("standard input is closed", "name a file instead")
    return sys.stdin.buffer


def arriving(before_waiting: Callable[[], object]) -> BinaryIO | Arriving:
    """What comes by standard input, as it comes; a file is all there.

    Args:
        before_waiting: called whenever all that has come is read.

    Raises:
        MissingInputError: if it is closed.
    """
    file = standard_input()
    try:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # one of Python's own
        is_file = True
    return file if is_file else Arriving(file, before_waiting)
