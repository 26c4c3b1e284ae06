"""Formats × encodings × containers × options: what was written comes back, or one error."""

from __future__ import annotations

import bz2
import csv
import html
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharRNNError, Reading
from charrnn.decoding import streams
from charrnn.decoding.cleaning import clean
from charrnn.text.corpus import documents
from tests.formats.documents import PAGE_FILES, docx_files, zip_of
from tests.text.reading import gzipped

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030")
EVERY = [
    *("a", "a.txt", "A.CSV", "a.tsv", "a.jsonl", "a.json", "a.html", "a.srt", "a.vtt", "a.epub"),
    *("a.docx", "a.parquet", "a.zip", "a.tar", "a.tgz", "a.txt.gz", "a.csv.bz2", "a.json.xz"),
    *("a.zst", "a.tar.zst", "a.docx.gz"),
]
plain = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")
words = st.text(plain | st.sampled_from("\n\t,;|\"'\\{}[]<>&\r\u2028"), max_size=12)


def as_csv(rows: list[str], delimiter: str = ",") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([["n", "text"], *([n, row] for n, row in enumerate(rows))])
    return file.getvalue()


WRITERS: dict[str, tuple[str, Callable[[list[str]], str]]] = {
    "commas": ("a.csv", as_csv),
    "semicolons": ("a.CSV", lambda rows: as_csv(rows, ";")),
    "bars": ("a.csv", lambda rows: as_csv(rows, "|")),
    "tabs": ("a.tsv", lambda rows: as_csv(rows, "\t")),
    "lines": ("a.jsonl", lambda rows: "\n".join(json.dumps({"text": row}) for row in rows)),
    "array": ("a.json", lambda rows: json.dumps([{"text": r} for r in rows], ensure_ascii=False)),
    "object": ("a.json", lambda rows: json.dumps({"n": 1, "rows": [{"text": r} for r in rows]})),
}


def in_zip(name: str, data: bytes) -> bytes:
    return zip_of({f"folder/{name}": data})


def in_tar(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(f"folder/{name}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


CONTAINERS: dict[str, tuple[str, Callable[[str, bytes], bytes]]] = {
    "itself": ("{}", lambda _, data: data),
    "gzip": ("{}.gz", lambda _, data: gzipped(data)),
    "bzip2": ("{}.BZ2", lambda _, data: bz2.compress(data)),
    "xz": ("{}.xz", lambda _, data: lzma.compress(data)),
    "zstd": ("{}.zst", lambda _, data: zstandard.ZstdCompressor().compress(data)),
    "zip": ("a.zip", in_zip),
    "tar": ("a.tar", in_tar),
    "tar in gzip": ("a.tar.gz", lambda name, data: gzipped(in_tar(name, data))),
}


def read(path: Path, reading: Reading, chunk: int) -> list[str]:
    """The documents of a file."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", chunk)
        for piece in documents([path], reading):
            if piece.first:
                found.append("")
            if piece.text:
                found[-1] += piece.text
    return found


@given(
    st.lists(words, min_size=1, max_size=4),
    st.sampled_from(sorted(WRITERS)),
    st.sampled_from(sorted(CONTAINERS)),
    st.sampled_from(ENCODINGS),
    st.integers(1, 9) | st.just(1 << 20),
)
def test_every_row_comes_back_whatever_it_is_written_in(
    tmp_path: Path, rows: list[str], writer: str, container: str, encoding: str, chunk: int
) -> None:
    name, write = WRITERS[writer]
    outside, pack = CONTAINERS[container]
    path = tmp_path / outside.format(name)
    path.write_bytes(pack(name, write(rows).encode(encoding)))
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    assert read(path, Reading(named), chunk) == [clean(row)[0] for row in rows]


@given(
    st.lists(words, min_size=1, max_size=4).filter(lambda parts: any(map(str.strip, parts))),
    st.sampled_from(["a.txt", "a.html"]),
    st.sampled_from(sorted(CONTAINERS)),
    st.sampled_from(ENCODINGS),
    st.integers(1, 9) | st.just(1 << 20),
)
def test_every_text_comes_back_whatever_it_is_written_in(
    tmp_path: Path, parts: list[str], name: str, container: str, encoding: str, chunk: int
) -> None:
    text = "\n".join(parts)
    outside, pack = CONTAINERS[container]
    path = tmp_path / outside.format(name)
    written = text if name == "a.txt" else f"<p>{html.escape(text)}</p>"
    path.write_bytes(pack(name, written.encode(encoding)))
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    wanted = clean(text)[0]
    if name == "a.html":
        for space in "\t\n\r\f":
            text = text.replace(space, " ")
        wanted = " ".join(word for word in text.split(" ") if word) + "\n"
    assert read(path, Reading(named), chunk) == [wanted]


def document() -> bytes:
    return zip_of(docx_files())


def book() -> bytes:
    return zip_of(PAGE_FILES)


WHOLE: dict[str, Callable[[], bytes]] = {
    "a.docx": document,
    "a.epub": book,
    "a.zip": lambda: in_zip("a.csv", as_csv(["one", "two"]).encode()),
    "a.tar": lambda: in_tar("a.json", b'[{"text": "one"}]'),
    "a.tgz": lambda: gzipped(in_tar("a.txt", b"text")),
    "a.txt.gz": lambda: gzipped(b"a text"),
    "a.csv.bz2": lambda: bz2.compress(b"text\none"),
    "a.json.xz": lambda: lzma.compress(b'{"text": "one"}'),
    "a.zst": lambda: zstandard.ZstdCompressor().compress(b"text" * 9),
    "a.jsonl": lambda: b'{"text": "one"}\n{"text": ["two", {"a": 3}]}',
    "a.html": lambda: b"<!DOCTYPE html><p class='a'>one &amp; <!-- x --><script>two</script>",
    "a.vtt": lambda: b"WEBVTT\n\n00:01.000 --> 00:02.000\n<i>one</i>\n",
    "a.tsv": lambda: b'n\ttext\n1\t"one"\n',
}

options = st.builds(
    Reading,
    st.sampled_from([*ENCODINGS, "cp1252", "shift_jis", "utf-7", "iso2022_jp"]),
    st.sampled_from(["strict", "replace", "surrogateescape"]),
    st.sampled_from([None, "text", "n", "text.a", ""]),
)


@given(
    st.sampled_from(EVERY),
    st.sampled_from(sorted(WHOLE)) | st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    st.integers(0, 10_000) | st.none(),
    options,
)
def test_damaged_files_are_texts_or_one_error(
    tmp_path: Path,
    name: str,
    content: str | bytes,
    changes: list[tuple[int, int]],
    length: int | None,
    reading: Reading,
) -> None:
    if isinstance(content, str):
        name, content = content, WHOLE[content]()
    data = bytearray(content[:length] if length is not None and length < len(content) else content)
    for place, value in changes:
        if data:
            data[place % len(data)] = value
    (tmp_path / name).write_bytes(data)
    with suppress(CharRNNError):
        for piece in documents([tmp_path / name], reading):
            assert isinstance(piece.text, str)
            assert all(note.isprintable() for note in piece.notes)


def test_zip_of_is_read_by_others() -> None:
    """The archives of these tests are what their names say."""
    with zipfile.ZipFile(io.BytesIO(book())) as archive:
        assert archive.testzip() is None
    values: list[Any] = json.loads(WRITERS["array"][1](["a"]))
    assert values == [{"text": "a"}]
