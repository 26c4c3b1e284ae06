"""What the tests of texts share."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from charrnn import Reading, read_corpus

__all__ = ["PNG", "gzipped", "text_of"]

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\xff\xfe"


def gzipped(data: bytes) -> bytes:
    """`data` as a gzip file: the same bytes at every moment, since it holds no time."""
    return gzip.compress(data, mtime=0)


def text_of(*sources: str | Path, **reading: Any) -> str:
    return read_corpus(sources, Reading(**reading)).text
