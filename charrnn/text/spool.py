"""A corpus as token ids, without holding all of a long one in memory, unless it is read backwards.

    texts ──Spool──▶ fingerprint, characters, records ──encode──▶ ids (N,)

The vocabulary is known only at the end of the text, and standard input can be read only once. So
the text is stored first: in memory while it is short, then in an anonymous temporary file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import Ids
from charrnn.config import Reading, Unknown
from charrnn.errors import BadDataError, UsageError
from charrnn.text import cache
from charrnn.text.corpus import Corpus, Sources, corpus_name, listed, no_text, texts
from charrnn.text.division import (
    AUTO,
    BLOCKS,
    DOCUMENTS,
    LINES,
    MIN_DIFFERENT,
    NONE,
    DocumentStarts,
    divide,
    division_of,
    in_words,
    kind_of_end,
    split,
)
from charrnn.text.prepared import encode_records
from charrnn.text.records import EncodedText, Records
from charrnn.text.tokenizer import CharTokenizer, Form, Tokenizer, in_form, known_form
from charrnn.words import counted

__all__ = ["Spool", "read_records", "records_of"]

PIECE = 1 << 20  # characters that are stored and encoded at a time
IN_MEMORY = 16 << 20  # bytes of UTF-8 up to which a text stays in memory


class Spool:
    """A corpus that was read once and stored, so that it can be encoded; close it afterwards.

    Args:
        corpus: what `read_corpus` takes, or a corpus already read.
        reading: how bytes become text.

    Attributes:
        reading: how bytes became text.
        name: a short name, as `Corpus.name`.
        notes: what was changed or left out, to tell the user.
        characters: its different characters, sorted.
        length: in characters.
        sha256: the fingerprint of its text, as `Corpus.sha256`.
        division: what it is a list of. If it is one, `characters` are those of its records, and
            `record_count` is how many there are.
        is_undivided: whether it should be a list, and is one record as it stands.

    Raises:
        CharRNNError: as `read_corpus`; also if there is no room to store the text.
    """

    def __init__(self, corpus: Sources, reading: Reading) -> None:
        notes: list[str] = []
        self.reading = reading
        self._documents = DocumentStarts()
        self._form: Form = ""  # of Unicode, in which the text is taken
        self.record_count, self.is_undivided = 0, False
        self._sizes: list[int] = []  # of the stored pieces, in bytes
        self._file: BinaryIO = io.BytesIO()
        try:
            if isinstance(corpus, Corpus):
                self.name = corpus.name
                notes += corpus.notes
                self._documents = corpus.documents
                self._store([corpus.text])
            else:
                self._store(texts(corpus, reading, notes, self._documents))
                self.name = corpus_name(corpus)
            if not self.length:
                raise no_text([corpus.name] if isinstance(corpus, Corpus) else corpus)
            head = next(self._stored_pieces())
            self.division = divide(reading.records, head, self._documents, self.length)
            if self.division.end is not None:
                notes += self._survey(chosen=reading.records != AUTO)
            elif self.division.why:
                notes.append(
                    f"may be a list ({self.division.why}), but {self.division.but}: read as one "
                    "story; --records lines reads it as a list"
                )
            if self.division.end is not None and not self.record_count:
                raise BadDataError(f"{self.name}: all records are empty", "use a longer text")
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
        if self._fits_in_memory:
            self._file.write(data)
            return
        with cache.writing() as folder:
            if isinstance(self._file, io.BytesIO):
                data = self._file.getvalue() + data
                self._file = TemporaryFile(dir=folder)  # noqa: SIM115
            self._file.write(data)
            self._file.flush()

    @property
    def _fits_in_memory(self) -> bool:
        return sum(self._sizes) <= IN_MEMORY

    def encode(self, tokenizer: Tokenizer, unknown: Unknown = "error") -> NDArray[np.integer]:
        """The ids of the text; of a list, the end before and after each record.

        Args:
            tokenizer: with the same end as the text's division.
            unknown: what to do with characters of records that the tokenizer lacks. One of a story
                knows them all: a piece of it does not tell in which form of Unicode the whole is
                to be taken.

        Returns:
            ids: (N,), in the smallest unsigned integers that hold the vocabulary; in memory if
                the text is short, else mapped from a temporary file.

        Raises:
            UsageError: for characters that the tokenizer lacks, if these are errors, or of a story.
            ReadWriteError: if that file can't be written.
        """
        dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
        parts = self._encoded_parts(tokenizer, unknown)
        if self._fits_in_memory:
            return np.concatenate([part.astype(dtype) for part in parts])
        return cache.mapped(parts, dtype)

    def encoded(self, tokenizer: Tokenizer, unknown: Unknown = "error") -> EncodedText:
        """The text as token ids, as it is trained on and scored; see `encode`."""
        ids = self.encode(tokenizer, unknown)
        if self.reading.reverse:
            ids = np.ascontiguousarray(ids[::-1])
        return ids if tokenizer.end_id is None else Records.of(ids, tokenizer.end_id)

    def _encoded_parts(self, tokenizer: Tokenizer, unknown: Unknown) -> Iterator[Ids]:
        if self.division.end is None:
            for pieces in self._in_form(self._form):
                yield from map(tokenizer.encode_as_is, pieces)
            return
        yield np.array([tokenizer.end_id], np.int32)
        for records in self.records():
            yield encode_records(tokenizer, records, unknown)

    def records(self) -> Iterator[list[str]]:
        """The records of a list, some at a time, without the empty ones."""
        return self._in_form(self._form)

    def take_known_form(self, known: Tokenizer) -> Form:
        """Take the text from now on in the form of Unicode that leaves fewest characters unknown.

        Args:
            known: whose characters are known.

        Returns:
            form: its name; empty if the text is taken as it is.
        """
        if isinstance(known, CharTokenizer):
            self._form = known_form(self._characters_in, frozenset(known.characters))
            self.characters = "".join(sorted(self._characters_in(self._form)))
        return self._form

    def _characters_in(self, form: Form) -> set[str]:
        if not form:
            return set(self.characters)
        found = set[str]()
        for some in self._in_form(form):
            found.update(*some)
        return found

    def _in_form(self, form: Form) -> Iterator[list[str]]:
        """The records, some at a time, or the pieces of a story."""
        if self.division.end is None:
            found = ([piece] for piece in (self._words() if form else self._stored_pieces()))
        else:
            parts = split(self._stored_pieces(), self.division.kind, self._documents.starts)
            found = (list(filter(_is_filled, records)) for records in parts)
        if not form:
            return found
        return ([in_form(form, one) for one in some] for some in found)

    def _words(self) -> Iterator[str]:
        """The text in pieces of whole words, lest a mark be parted from its letter."""
        rest = list[str]()
        for piece in self._stored_pieces():
            end = max(piece.rfind("\n"), piece.rfind(" ")) + 1
            if end:
                yield "".join([*rest, piece[:end]])
                rest.clear()
            rest.append(piece[end:])
        if any(rest):
            yield "".join(rest)

    def _survey(self, *, chosen: bool) -> list[str]:
        """Look through the records once; returns what the user should know of them."""
        characters = set[str]()
        several_lines = False
        empty = 0
        different = set[int]()  # a few of them
        kind = self.division.kind
        for records in split(self._stored_pieces(), kind, self._documents.starts):
            filled = [record for record in records if _is_filled(record)]
            characters |= set("".join(filled))
            self.record_count += len(filled)
            different |= set(map(hash, filled)) if len(different) < MIN_DIFFERENT else set()
            empty += len(records) - len(filled)
            several_lines = several_lines or any("\n" in record for record in filled)
        if len(different) < MIN_DIFFERENT and not chosen:
            self.division, self.record_count = division_of(NONE), 0
            return []
        self.characters = "".join(sorted(characters))
        self.is_undivided = self.record_count + empty == 1
        if kind == DOCUMENTS and not several_lines:
            self.division = self.division._replace(end="\n")
        notes = [f"a list of {counted(self.record_count, 'record')}"]
        if not chosen:
            notes[0] += f" ({self.division.why}); --records none reads it as one story"
        elif self.division.is_separated:
            notes[0] += f" {in_words(kind)}, which is left out"
        if empty and kind in (LINES, DOCUMENTS):
            noun = "empty line" if kind == LINES else "empty record"
            notes.append(f"left out {counted(empty, noun)}")
        return notes

    def refuse_undivided(self) -> None:
        """Check that a text is no list, or one that something divides.

        Raises:
            UsageError: if what should divide it does not, as after a slip of the pen.
        """
        if not self.is_undivided:
            return
        wanted = self.reading.records
        others = {
            LINES: "the text is one line",
            BLOCKS: "no blank line divides the text",
            DOCUMENTS: "there is one document",
        }
        opening = wanted.startswith("^")
        whole = "no other line opens so" if opening else "that does not divide the text"
        raise UsageError(
            f"records is {wanted!r}, but {others.get(wanted, whole)}",
            "choose none, lines, blocks, documents, a separator, or ^ and an opening",
            "records",
        )

    def _stored_pieces(self) -> Iterator[str]:
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size).decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Discard the stored text."""
        with suppress(OSError):  # what could not be written can't be flushed
            self._file.close()


@checked
def read_records(
    sources: str | Path | Sequence[str | Path], reading: Reading | None = None
) -> list[str]:
    """The records of a list: of a text that is one, or of what `reading.records` names.

    Args:
        sources: what `read_corpus` takes.
        reading: encoding, columns and records.

    Raises:
        CharRNNError: as `read_corpus`; for a text that is no list.
    """
    with closing(Spool(listed(sources), reading or Reading())) as spool:
        if spool.division.end is None:
            raise UsageError(
                f"{spool.name} does not look like a list", "say what its records are, such as lines"
            )
        return [record for part in spool.records() for record in part]


def records_of(
    text: str,
    tokenizer: Tokenizer,
    unknown: Unknown = "error",
    trained: str = NONE,
    *,
    reverse: bool = False,
) -> Records:
    """The records of a text that stand between ends as the tokenizer writes them.

    Args:
        text: of a model of records.
        tokenizer: the model's.
        unknown: what to do with characters that it does not know.
        trained: the kind of list that the model was trained on.
        reverse: whether it reads backwards.
    """
    assert tokenizer.end is not None, "only a tokenizer with an end has records"
    reading = Reading(records=kind_of_end(tokenizer.end, trained), reverse=reverse)
    with closing(Spool(Corpus("the text", text), reading)) as spool:
        found = spool.encoded(tokenizer, unknown)
    assert isinstance(found, Records)
    return found


def _is_filled(record: str) -> bool:
    return bool(record) and not record.isspace()


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
