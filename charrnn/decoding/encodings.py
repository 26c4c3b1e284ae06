"""Which encodings a text may be in that is not in the one expected. They are shown, never used."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from charrnn.decoding.kinds import decodes

__all__ = ["UTF8", "SeemsUtf8", "likely", "shown"]

UTF8 = "utf-8"

# The encodings that files are in, apart from Unicode's; a detector that looks for all of them
# finds rare ones in short texts.
COMMON = (
    *("cp1252", "cp1250", "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949"),
    *("mac_roman", "cp437", "cp850", "cp866", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("iso8859_2", "iso8859_5"),
)
KNOWN_AS = {"cp932": "Shift-JIS", "cp949": "EUC-KR", "koi8_r": "KOI8-R"}
DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]{3,20})""", re.IGNORECASE)
AROUND = 16  # characters shown before and after
LONG_LINE = 1 << 16  # bytes; a line that is longer is looked at in parts
PAIR = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")  # how UTF-8 begins what is not ASCII
FOREIGN = re.compile(r"\w{0,9}[^\x00-\x7f\s]\w{0,6}")  # of a word that is not all ASCII


class SeemsUtf8:
    """Sees whether a text that is read in another encoding is, or has, one in UTF-8.

    A word of another encoding can have the bytes of UTF-8, but hardly every tenth line.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = "" if codecs.lookup(encoding).name.startswith("utf") else encoding
        self._lines = self._like_utf8 = 0  # of those with other bytes than ASCII's
        self._word = ""
        self._rest = b""  # of the last line, which has not ended

    def feed(self, data: bytes) -> None:
        """Look at the next bytes of the text."""
        if not self._encoding:
            return
        data = self._rest + data
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > LONG_LINE else 0)
        self._look(data[:end])
        self._rest = data[end:]

    def _look(self, data: bytes) -> None:
        if data.isascii():
            return
        lines = [line for line in data.split(b"\n") if not line.isascii()]
        self._lines += len(lines)
        for line in filter(PAIR.search, lines):
            try:
                text, _ = codecs.utf_8_decode(line, "strict", False)  # the piece may end within it
            except UnicodeDecodeError:
                continue
            word = FOREIGN.search(text)
            # Where two bytes are one character, a single one can have those of UTF-8 by chance.
            if word and max(len(word[0]), len(self._read(word[0]))) > 1:
                self._like_utf8 += 1
                self._word = self._word or word[0]

    def _read(self, word: str) -> str:
        """What becomes of a word in UTF-8."""
        return word.encode().decode(self._encoding or "utf-8", "replace")

    def notes(self) -> list[str]:
        """What to say of the text, if anything."""
        self._look(self._rest)
        self._rest = b""
        read = self._read(self._word)
        if read == self._word or self._like_utf8 * 10 < self._lines:
            return []
        found = f"read as {self._encoding}, {self._word!r} becomes {read!r}"
        return [f"some of it looks like UTF-8: {found}"]


def likely(sample: bytes, place: int, expected: str) -> list[tuple[str, str]]:
    """The two or three likeliest encodings of a text, each with the place as it reads then.

    What can be read as UTF-8 is hardly ever anything else, so that is then the only one.

    Args:
        sample: whole lines, if possible.
        place: the byte of `sample` to show.
        expected: the encoding that it is not in.

    Returns:
        found: pairs of an encoding that Python knows, and a part of a line.
    """
    start = sample.rfind(b"\n", 0, place) + 1
    end = sample.find(b"\n", place)
    line = sample[start : end if end >= 0 else len(sample)]
    found: dict[str, str] = {}
    if _is_utf8(sample, expected) and (read := _around(line, place - start, UTF8)):
        return [(UTF8, read)]
    for name in _candidates(sample):
        read = _around(line, place - start, name)
        if read and read not in found.values() and name != expected:
            found[name] = read
        if len(found) == 3:
            break
    return list(found.items())


def shown(found: list[tuple[str, str]]) -> str:
    """The encodings of `likely` in words."""
    parts = []
    for name, read in found:
        known = f", known as {KNOWN_AS[name]}," if name in KNOWN_AS else ""
        parts.append(f"{name}{known} ({read!r})")
    return " or ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _is_utf8(sample: bytes, expected: str) -> bool:
    """Whether a part of a text is in UTF-8, where another encoding is expected."""
    if codecs.lookup(expected).name in (UTF8, "utf-8-sig"):
        return False
    cut = re.match(rb"[\x80-\xbf]{0,3}", sample)  # the end of a character
    try:
        text, _ = codecs.utf_8_decode(sample[cut.end() if cut else 0 :], "strict", False)
    except UnicodeDecodeError:
        return False
    return not text.isascii()


def _candidates(sample: bytes) -> Iterator[str]:
    """Names of encodings, the likeliest first."""
    if (stated := DECLARED.search(sample)) and _reads(sample, stated[1].decode("ascii")):
        yield stated[1].decode("ascii")
    few = sum(byte > 127 for byte in sample) * 10 < 3 * len(sample)
    if few and _reads(sample, "cp1252"):  # a text in Latin letters: the commonest by far
        yield "cp1252"
    try:
        from charset_normalizer import from_bytes
    except ImportError:  # a machine that only uses models has not all packages
        return
    for match in from_bytes(sample, cp_isolation=list(COMMON)):
        if _reads(sample, match.encoding):
            yield match.encoding


def _reads(sample: bytes, encoding: str) -> bool:
    try:
        "".encode(encoding)  # Python refuses what is no encoding of texts, such as base64
        return decodes(sample, encoding)
    except (LookupError, ValueError):
        return False


def _around(line: bytes, place: int, encoding: str) -> str:
    """The characters about a byte of a line; nothing if they are not characters of a text."""
    read = line.decode(encoding, "ignore")
    middle = len(line[:place].decode(encoding, "ignore"))
    part = read[max(0, middle - AROUND) : middle + AROUND].strip()
    return part if all(c.isprintable() or c == "\t" for c in part) else ""
