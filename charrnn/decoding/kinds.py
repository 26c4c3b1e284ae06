"""What a file is, seen in its first bytes: a picture, a PDF, an archive; UTF-16 without a mark."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

__all__ = [
    "HEAD",
    "decodes",
    "has_many_controls",
    "is_plain",
    "is_surely_utf8",
    "is_wide",
    "kind_of",
    "looks_binary",
    "marked_wide",
    "unmarked_utf16",
]

HEAD = 8192  # bytes at the start of a file by which it is recognised
SURE = 16  # bytes after which UTF-16 is hardly UTF-8 by chance

CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
PADDING = re.compile(rb"\0{8,}")
SPACES = re.compile("[ \n、。，]")
CONVERT = "convert it to plain text, or train on its bytes with --tokenizer byte"
UNPACK = "unpack it first"


class Kind(NamedTuple):
    """A kind of file that is no text.

    Attributes:
        name: what people call it.
        advice: what to do with it.
        container: whether there may be texts in it.
        binary: whether it is bytes that nobody can read.
    """

    name: str
    advice: str = CONVERT
    container: bool = False
    binary: bool = True


KINDS: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x1f\x8b", Kind("gzip", UNPACK, container=True)),
    (4, b"1AY&SY", Kind("bzip2", UNPACK, container=True)),
    (0, b"\xfd7zXZ\0", Kind("xz", UNPACK, container=True)),
    (0, b"\x28\xb5\x2f\xfd", Kind("zstd", UNPACK, container=True)),
    (0, b"PK\x03\x04", Kind("zip", UNPACK, container=True)),
    (0, b"PK\x05\x06", Kind("zip", UNPACK, container=True)),
    (257, b"ustar", Kind("tar", UNPACK, container=True)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", UNPACK)),
    (0, b"Rar!\x1a", Kind("a RAR archive", UNPACK)),
    (0, b"%PDF-", Kind("a PDF", "take the text out of it first, for example with pdftotext")),
    (0, b"{\\rtf", Kind("rich text", "save it as .docx or plain text", binary=False)),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Kind("a document of an old Microsoft Office", "save it as .docx, .csv or plain text"),
    ),
    (0, b"PAR1", Kind("a Parquet table", "give its name the suffix .parquet")),
    (0, b"SQLite format 3\0", Kind("an SQLite database", "export its texts as .csv")),
    (0, b"\x89PNG", Kind("a PNG picture")),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture")),
    (0, b"GIF8", Kind("a GIF picture")),
    (8, b"WEBP", Kind("a WebP picture")),
    (8, b"WAVE", Kind("a WAV recording")),
    (0, b"ID3", Kind("an MP3 recording")),
    (0, b"OggS", Kind("an Ogg recording")),
    (0, b"fLaC", Kind("a FLAC recording")),
    (4, b"ftyp", Kind("a video, sound or picture")),
    (0, b"\x1aE\xdf\xa3", Kind("a video")),
    (0, b"\x7fELF", Kind("a program")),
)


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file that begins with `head`; None if it may be a text."""
    controlled = any(control in head for control in CONTROLS)
    for offset, mark, kind in KINDS:
        # A text may begin with the letters of a mark, but has no control characters.
        if head.startswith(mark, offset) and (controlled or not mark.isalnum()):
            return kind
    return None


def is_plain(head: bytes, encoding: str) -> bool:
    """Whether a file that begins so, with a line, is plain text whatever comes next.

    In UTF-16, a byte of a line's end may be half of another character.
    """
    if b"\n" not in head or looks_binary(head, "utf-8"):
        return False
    return decodes(head, "utf-8") or (not is_wide(encoding) and decodes(head, encoding))


def is_surely_utf8(head: bytes) -> bool:
    """Whether a file that begins so is text in UTF-8, even where UTF-16 was expected.

    Latin letters and spaces have zero bytes in UTF-16, and Chinese is hardly ever UTF-8 by chance,
    the less the longer it is; without a line's end, there must be spaces or full stops as well.
    """
    if is_plain(head, "utf-8"):
        return len(head) >= SURE
    is_text = not looks_binary(head, "utf-8") and decodes(head, "utf-8")
    return is_text and len(head) >= 2 * SURE and _is_prose(head, "utf-8")


def is_wide(encoding: str) -> bool:
    """Whether plain text is full of zero bytes in this encoding."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def marked_wide(head: bytes) -> str:
    """The wide encoding whose byte-order mark stands at the start, or nothing."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def unmarked_utf16(head: bytes) -> str:
    """The encoding of UTF-16 without a mark, or nothing if it is none.

    Every second byte of a Latin text is zero then; of any text, one order of the bytes gives
    characters with spaces, full stops and ends of lines among them, and the other does not.
    """
    if decodes(head, "utf-8") and not looks_binary(head, "utf-8"):
        return ""
    found = [name for name in ("utf-16-le", "utf-16-be") if _is_prose(head, name)]
    return found[0] if len(found) == 1 else ""


def _is_prose(head: bytes, encoding: str) -> bool:
    head = head[: len(head) // 2 * 2]
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    odd = sum(not (c.isprintable() or c.isspace()) for c in text)
    return odd * 20 <= len(text) and len(SPACES.findall(text)) * 100 >= len(text)


def looks_binary(head: bytes, encoding: str) -> bool:
    """Whether a file has control characters that text does not have."""
    return not is_wide(encoding) and any(control in head for control in CONTROLS)


def has_many_controls(head: bytes) -> bool:
    """Whether control characters stand all over, and not only as padding."""
    head = PADDING.sub(b"", head)
    left = head.translate(None, CONTROLS.replace(b"\b", b""))  # old manuals have \b in bold words
    return (len(head) - len(left)) * 16 > len(head)


def decodes(head: bytes, encoding: str) -> bool:
    """Whether a text of this encoding can begin with `head`."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        return False
    return True
