"""Decoding that counts the bytes in whose place U+FFFD is put."""

from __future__ import annotations

import codecs
import sys
import threading

from charrnn.config import Reading

__all__ = ["Decoder"]

COUNTED = "charrnn.replace"  # what Python calls this treatment of errors


class _Lost(threading.local):
    """How many bytes this thread has replaced."""

    count = 0


LOST = _Lost()


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        LOST.count += error.end - error.start
    return codecs.replace_errors(error)


codecs.register_error(COUNTED, _replaced)


class Decoder:
    """Decodes a text that comes in parts.

    Args:
        reading: its encoding, and what to do with bytes that are not in it.
        start: its first bytes, where a byte-order mark may stand.
    """

    def __init__(self, reading: Reading, start: bytes) -> None:
        name = codecs.lookup(reading.encoding).name
        marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
        if name in ("utf-16", "utf-32") and not start.startswith(marks):
            # Without a mark, Python assumes the machine's byte order, but only for a whole text.
            name += "-le" if sys.byteorder == "little" else "-be"
        errors = COUNTED if reading.errors == "replace" else reading.errors
        self._decoder = codecs.getincrementaldecoder(name)(errors)
        self._encoding, self._lost = reading.encoding, 0

    def decode(self, data: bytes, *, final: bool) -> str:
        """The next part.

        Raises:
            UnicodeError: for bytes that are not in the encoding, unless something is done with
                them; not every codec says where these are.
        """
        before = LOST.count
        text = self._decoder.decode(data, final)
        self._lost += LOST.count - before
        return text

    def notes(self) -> list[str]:
        """What to say of the bytes that were replaced, if there were any."""
        if not self._lost:
            return []
        bytes_are = "1 byte that is" if self._lost == 1 else f"{self._lost:,} bytes that are"
        return [f"{bytes_are} not {self._encoding} became U+FFFD"]
