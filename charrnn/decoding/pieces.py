"""From bytes to text, piece by piece, so that a file of any size takes little memory.

decoded(name, stream, reading, notes)    # Stream → str, str, …, as they are
pieces(name, stream, reading)     # Stream → Piece, Piece, …, cleaned
document(name, texts, notes)      # str, str, … → Piece, Piece, …, of what is no plain text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from charrnn.config import Reading
from charrnn.decoding import encodings, kinds
from charrnn.decoding.cleaning import Cleaner, is_clean
from charrnn.decoding.replacing import Decoder
from charrnn.decoding.streams import Readable, Stream
from charrnn.errors import BadDataError

__all__ = [
    "NotTextError",
    "Piece",
    "cleaned",
    "decoded",
    "document",
    "first_lines",
    "lines",
    "not_as_bytes",
    "parts",
    "pieces",
    "read_text",
    "whole_lines",
]

AROUND = 1000  # bytes before and after a wrong one in which its encoding is looked for
LONGEST = 1 << 26  # characters of a line of a table
TO_BYTES = re.compile(r", or (train on its bytes with )?--tokenizer byte")
LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
END = re.compile(r"\r\n|\n|\r")


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


class NotTextError(BadDataError):
    """Bytes that are not text in the encoding they were read in."""


def pieces(name: str, file: Readable | Stream, reading: Reading) -> Iterator[Piece]:
    """The text of one file, decoded and cleaned. What arrives comes at once, as far as it goes.

    Raises:
        BadDataError: if it is not text in this encoding.
        OSError: if reading fails.
    """
    stream = file if isinstance(file, Stream) else Stream(file, reading.encoding)
    cleaner, is_text = Cleaner(), None  # the latter is asked once there is something to clean
    notes: list[str] = []
    first = True
    for text in decoded(name, stream, reading, notes):
        if is_text is None and not is_clean(text):
            is_text = _is_text(stream, reading)
        if ready := cleaner.feed(text) if is_text else text:
            yield Piece(name, ready, first)
            first = False
    yield Piece(name, cleaner.feed("", last=True), first, (*notes, *cleaner.notes()))


def parts(name: str, file: BinaryIO | Stream, reading: Reading, notes: list[str]) -> Iterator[str]:
    """The texts of `pieces`; `notes` gets what was changed."""
    for piece in pieces(name, file, reading):
        yield piece.text
        notes += piece.notes


def cleaned(texts: Iterable[str], notes: list[str]) -> Iterator[str]:
    """The parts of one text, cleaned; `notes` gets what was changed."""
    cleaner = Cleaner()
    for text in texts:
        yield cleaner.feed(text)
    yield cleaner.feed("", last=True)
    notes += cleaner.notes()


def document(name: str, texts: Iterable[str], notes: list[str]) -> Iterator[Piece]:
    """The pieces of one document.

    Args:
        name: where it comes from.
        texts: its text, part by part.
        notes: what was changed in it, once the last part was read.
    """
    first = True
    for text in filter(None, texts):
        yield Piece(name, text, first)
        first = False
    yield Piece(name, "", first, tuple(notes))


def read_text(name: str, file: Readable, reading: Reading) -> tuple[str, tuple[str, ...]]:
    """The whole text of a file, as `charrnn train` would read it, and what was changed in it.

    Raises:
        BadDataError: if it is not text in this encoding.
        OSError: if reading fails.
    """
    found = list(pieces(name, file, reading))
    return "".join(piece.text for piece in found), found[-1].notes


def decoded(name: str, stream: Stream, reading: Reading, notes: list[str]) -> Iterator[str]:
    """The text of a file as it is; `notes` gets what was replaced, and what it seems to be.

    Raises:
        BadDataError: if it is not text in this encoding.
        OSError: if reading fails.
    """
    _refuse_other_kinds(name, stream.head, reading)
    decoder = Decoder(reading, stream.head)
    before, read, seen = b"", 0, len(stream.head)
    seems = encodings.SeemsUtf8(reading.encoding)
    while True:
        data = stream.some()
        read += len(data)
        last = stream.ended
        if len(stream.head) > seen:
            _refuse_other_kinds(name, stream.head, reading)
            seen = len(stream.head)
        seems.feed(data)
        try:
            yield decoder.decode(data, final=last)
        except UnicodeDecodeError as error:
            offset = read - len(error.object) + error.start
            place = offset - read + len(before) + len(data)
            sample = before + data + stream.at_hand(AROUND)
            raise _wrong(name, stream.head, reading.encoding, offset, sample, place) from None
        except UnicodeError:  # some codecs, like iso2022_jp, don't say where the error is
            raise _wrong(name, stream.head, reading.encoding) from None
        if last:
            notes += [*decoder.notes(), *seems.notes()]
            return
        before = (before + data)[-AROUND:]


def lines(parts: Iterable[str], name: str) -> Iterator[str]:
    """The lines of a text that comes in parts, each with its LF, CR or CRLF.

    Raises:
        BadDataError: for a line that is longer than any of a table.
    """
    waiting: list[str] = []
    for part in parts:
        waiting.append(part)
        if not part.endswith("\r") and ("\n" in part or "\r" in part):
            *found, rest = LINES.findall("".join(waiting)) or [""]
            if rest.endswith(("\n", "\r")):
                found, rest = [*found, rest], ""
            yield from found
            waiting = [rest]
        if sum(map(len, waiting)) > LONGEST:
            raise BadDataError(f"{name}: a line of over {LONGEST:,} characters", "divide it")
    yield from LINES.findall("".join(waiting))


def first_lines(start: str) -> list[str]:
    """The lines at the start of a text, as `lines` has them, but without what ends them.

    The last one may go on; it is empty where the start ends with a line end.
    """
    return END.split(start)


@contextmanager
def not_as_bytes() -> Iterator[None]:
    """Leave out of an error's advice what only the training of a language model can do."""
    try:
        yield
    except BadDataError as error:
        if TO_BYTES.search(error.advice):
            raise type(error)(error.found, TO_BYTES.sub("", error.advice)) from None
        raise


def whole_lines(part: str, waiting: list[str]) -> list[str]:
    """The lines that end in the next part of a text, without what ends them.

    Args:
        part: of a text whose lines end with LF.
        waiting: what came of a line that has not ended, in parts, so that a line of many is put
            together but once; the first time none. Gets what comes after the last end.
    """
    *found, rest = part.split("\n")
    if found:
        found[0] = "".join([*waiting, found[0]])
        waiting.clear()
    waiting.append(rest)
    return found


def _is_text(stream: Stream, reading: Reading) -> bool:
    """Whether a file is cleaned: it is no text if its bytes are learnt and look like none."""
    if not reading.keeps_bytes:
        return True
    while stream.grow():  # bytes that are no text may come yet
        pass
    if kinds.decodes(stream.head, reading.encoding):
        return True
    return not kinds.looks_binary(stream.head, reading.encoding)


def _refuse_other_kinds(name: str, head: bytes, reading: Reading) -> None:
    """Refuse what can be decoded and is yet no text, or one in another encoding."""
    if reading.keeps_bytes:
        return
    encoding = reading.encoding
    if kind := kinds.kind_of(head):
        found = f"a binary file ({kind.name}), not" if kind.binary else f"{kind.name}, not plain"
        raise NotTextError(f"{name}: {found} text", kind.advice)
    if kinds.is_wide(encoding):
        if kinds.is_surely_utf8(head):
            raise NotTextError(f"{name}: this looks like UTF-8, not {encoding}", _not_in(encoding))
        return
    if wide := kinds.marked_wide(head):
        raise NotTextError(
            f"{name}: this is {wide.upper()}, not {encoding}", f"try --encoding {wide}"
        )
    if wide := kinds.unmarked_utf16(head):
        read = head[:80].decode(wide, "ignore").partition("\n")[0][:30]
        found = f"{name}: this looks like UTF-16 without a byte-order mark ({read!r})"
        raise NotTextError(found, f"try --encoding {wide}")
    if kinds.has_many_controls(head):
        raise NotTextError(f"{name}: a binary file, not text", kinds.CONVERT)


def _not_in(encoding: str) -> str:
    """What to do with a file in UTF-8."""
    return f"leave --encoding out, or convert it to {encoding} if the other files are"


def _wrong(
    name: str, head: bytes, encoding: str, offset: int = 0, around: bytes = b"", place: int = 0
) -> NotTextError:
    """The error for bytes that can't be decoded: the one at `place` of those `around` it."""
    if kinds.looks_binary(head, encoding):
        return NotTextError(f"{name}: a binary file, not text", kinds.CONVERT)
    byte = f"byte 0x{around[place]:02x} at offset {offset}" if place < len(around) else "its end"
    found: list[tuple[str, str]] = []
    if place < len(around) and not kinds.is_wide(encoding):
        start = max(0, place - AROUND)
        start = max(start, around.find(b"\n", start, place) + 1) if start else 0  # whole lines
        found = encodings.likely(around[start : place + AROUND], place - start, encoding)
    if not found:
        return NotTextError(
            f"{name}: {byte} is not {encoding}",
            "choose the right --encoding, or --errors replace, or --tokenizer byte",
        )
    seems = f"{name}: {byte} is not {encoding}; it may be {encodings.shown(found)}"
    if found[0][0] == encodings.UTF8:
        return NotTextError(seems, _not_in(encoding))
    return NotTextError(
        seems,
        f"convert it to {encoding}, or choose the --encoding in which all plain text reads right "
        "(.docx and .epub have their own), or --errors replace, or --tokenizer byte",
    )
