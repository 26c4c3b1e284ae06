"""Coverage-guided fuzzing of what reads bytes: `python -m tests.fuzzing -atheris_runs=100000`.

Anything but a `CharRNNError`, or a promise broken, is a crash.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["charrnn"]):
    from charrnn import ByteTokenizer, CharRNNError, CharTokenizer
    from charrnn.config import Reading
    from charrnn.decoding import pieces as decoding
    from charrnn.decoding import streams
    from charrnn.errors import BadDataError
    from charrnn.folder.record import ModelRecord
    from charrnn.folder.untrusted import parse
    from charrnn.settings import settings_from
    from charrnn.text.tokenizer import Tokenizer
    from charrnn.use_config import SampleConfig

ENCODINGS = ("utf-8", "utf-16", "latin-1", "gb18030", "utf-7")
ERRORS: tuple[Any, ...] = ("strict", "replace", "surrogateescape")


def read_text(data: atheris.FuzzedDataProvider) -> None:
    encoding = data.PickValueInList(list(ENCODINGS))
    errors = data.PickValueInList(list(ERRORS))
    streams.CHUNK = data.ConsumeIntInRange(1, 9)
    content = data.ConsumeBytes(1000)
    reading = Reading(encoding, errors)
    with suppress(BadDataError):
        pieces = list(decoding.pieces("x", io.BytesIO(content), reading))
        text = "".join(piece.text for piece in pieces)
        assert "\r\n" not in text or errors != "strict" or "\r\r\n" in content.decode(encoding)
        assert [piece.first for piece in pieces] == [True, *[False] * (len(pieces) - 1)]


def tokenize(data: atheris.FuzzedDataProvider) -> None:
    known, text = data.ConsumeUnicode(20), data.ConsumeUnicode(200)
    with suppress(CharRNNError):
        tokenizer = CharTokenizer.from_text(known)
        assert tokenizer.decode(tokenizer.encode(known)) == known
        for unknown in ("skip", "replace", "error"):
            ids = tokenizer.encode(text, unknown)
            assert tokenizer.decode(ids) == text or set(text) - set(known)
    with suppress(CharRNNError):
        ids = ByteTokenizer().encode(text)
        assert ids.astype("u1").tobytes() == text.encode("utf-8", "surrogateescape")


def read_json(data: atheris.FuzzedDataProvider) -> None:
    kind = data.PickValueInList([ModelRecord, Tokenizer, dict])
    with suppress(CharRNNError):
        found = parse(Path("x"), data.ConsumeBytes(1000), kind)
        if isinstance(found, dict):
            settings_from(SampleConfig, found)


def once(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    provider.PickValueInList([read_text, tokenize, read_json])(provider)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
