"""A corpus as token ids, without ever holding all of a long one in memory.

    texts ──Spool──▶ fingerprint, characters ──encode──▶ ids (N,)

The vocabulary is known only at the end of the text, and standard input can be read only once. So
the text is stored first: in memory while it is short, then in a temporary file without a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.config import Reading
from charrnn.errors import ReadWriteError
from charrnn.text import cache
from charrnn.text.corpus import Corpus, no_text, short_name, texts
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Spool"]

PIECE = 1 << 20  # characters that are stored and encoded at a time
IN_MEMORY = 16 << 20  # bytes of UTF-8 up to which a text stays in memory


class Spool:
    """A corpus that was read once and stored, so that it can be encoded; close it afterwards.

    Args:
        corpus: what `read_corpus` takes, or a corpus already read.
        reading: how bytes become text.

    Attributes:
        name: a short name, made from the first source.
        notes: what was changed or left out, to tell the user.
        characters: its different characters, sorted.
        length: in characters.
        sha256: the fingerprint of its text, as `Corpus.sha256`.

    Raises:
        CharRNNError: as `read_corpus`; also if there is no room to store the text.
    """

    def __init__(self, corpus: Sequence[str | Path] | Corpus, reading: Reading) -> None:
        notes: list[str] = []
        self._sizes: list[int] = []  # of the stored pieces, in bytes
        self._file = SpooledTemporaryFile(IN_MEMORY, dir=str(cache.location()))  # noqa: SIM115
        try:
            if isinstance(corpus, Corpus):
                self.name = corpus.name
                notes += corpus.notes
                self._store([corpus.text])
            else:
                self._store(texts(corpus, reading, notes))
                self.name = short_name(corpus[0])
            if not self.length:
                raise no_text(["the corpus"] if isinstance(corpus, Corpus) else corpus)
        except BaseException:
            self.close()
            raise
        self.notes = tuple(notes)

    def _store(self, parts: Iterable[str]) -> None:
        digest, characters, self.length = hashlib.sha256(), set[str](), 0
        for piece in _in_equal_pieces(parts):
            data = piece.encode("utf-8", "surrogatepass")
            digest.update(data)
            characters |= set(piece)
            self.length += len(piece)
            self._write(data)
        self.sha256, self.characters = digest.hexdigest(), "".join(sorted(characters))

    def _write(self, data: bytes) -> None:
        self._sizes.append(len(data))
        if not self._fits_in_memory:
            cache.create()
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise ReadWriteError(
                f"{cache.location()}: {error.strerror}",
                "make room there: long texts are stored there while they are read",
            ) from None

    @property
    def _fits_in_memory(self) -> bool:
        return sum(self._sizes) <= IN_MEMORY

    def encode(self, tokenizer: Tokenizer) -> NDArray[np.integer]:
        """The ids of the text.

        Returns:
            ids: (N,), in the smallest unsigned integers that hold the vocabulary; in memory if
                the text is short, else mapped from a file in the cache.

        Raises:
            UsageError: for characters that the tokenizer lacks.
            ReadWriteError: if the cache can't be written.
        """
        dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
        parts = (tokenizer.encode(piece) for piece in self._stored_pieces())
        if self._fits_in_memory:
            return np.concatenate([part.astype(dtype) for part in parts])
        key = hashlib.sha256(self.sha256.encode() + msgspec.json.encode(tokenizer)).hexdigest()
        return cache.cached_ids(key[:32], dtype, parts)

    def _stored_pieces(self) -> Iterator[str]:
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size).decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Discard the stored text."""
        with suppress(OSError):  # what could not be written can't be flushed
            self._file.close()


def _in_equal_pieces(parts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of about `PIECE` characters."""
    waiting: list[str] = []
    length = 0
    for part in parts:
        for start in range(0, len(part), PIECE):
            waiting.append(part[start : start + PIECE])
            length += len(waiting[-1])
            if length >= PIECE:
                yield "".join(waiting)
                waiting, length = [], 0
    if waiting:
        yield "".join(waiting)
