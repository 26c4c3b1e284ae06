"""What the tests of texts share."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from charrnn import CharRNNError, Reading, read_corpus
from charrnn.decoding.streams import Arriving

__all__ = [
    "PARTS",
    "PNG",
    "READINGS",
    "ROWS",
    "TEXT",
    "Parts",
    "gzipped",
    "outcome",
    "text_of",
    "write_jsonl",
]

# The rows of a table, and the text in them.
ROWS = ({"text": "one", "n": 1}, {"text": "NA", "n": 2}, {"text": "thrée\n", "n": 3})
TEXT = "one\nNA\nthrée\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\xff\xfe"


def gzipped(data: bytes) -> bytes:
    """`data` as a gzip file: the same bytes at every moment, since it holds no time."""
    return gzip.compress(data, mtime=0)


def write_jsonl(path: str) -> None:
    """Write `ROWS` to a file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    Path(path).write_text(lines, encoding="utf-8")


def text_of(*sources: str | Path, **reading: Any) -> str:
    return read_corpus(sources, Reading(**reading)).text


class Parts(Arriving):
    """What arrives in these parts."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = list(filter(None, parts))

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002
        return self._parts.pop(0) if self._parts else b""


PARTS = (
    *(b"one line\n", "two é\n".encode(), b"two \xe9\n", b"half \xc3", b"\r\n", b"\r", b"\n", b" "),
    *(b"\0", b"\xef\xbb\xbf", "\x85 \u2028".encode(), b"x" * 5000, b"[", b"{", b'"text"', b":"),
    *(b"]", b"}", b",", b"sep=;\n", b"text;label\n", b"a;b\n", b"%PDF-", b"ID3", PNG),
    *(b"Ann B-PER\n", b"Lee I-PER\n", b"left\tO\n", b"-DOCSTART- O\n", b"Hi O", b'["a", "b",\n'),
    *(b'{"text": "a"}\n', b'{"n": [1],\n"text": "b"}'),
    *(gzipped(b"one\ntwo\n"), "three\n".encode("utf-16"), "four\n".encode("utf-16-le")),
)
READINGS = (
    *(Reading(), Reading(encoding="latin-1"), Reading(encoding="utf-16")),
    *(Reading(errors="replace"), Reading(errors="surrogateescape"), Reading(encoding="koi8-r")),
)


def outcome(read: Callable[[], object]) -> object:
    """What was read; or the error, without what it may be."""
    try:
        return read()
    except CharRNNError as error:
        return type(error), error.found.partition("; it may be")[0]
