"""Compressed files and archives: read through as streams, and traps refused in one line."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from charrnn import ByteTokenizer, CharRNNError, Corpus, Reading, read_corpus
from charrnn.decoding import containers
from charrnn.errors import BadDataError, UsageError
from tests.formats.documents import MAIN, RELATIONS
from tests.text.reading import PNG, gzipped, text_of

TEXT = "The clerk has lost the book of tides: où est-il? 文\n" * 50

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzipped,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_is_its_text(suffix: str) -> None:
    data = COMPRESS[suffix](TEXT.encode())
    for name in (f"a.txt{suffix}", f"B.TXT{suffix.upper()}", "by-its-content.txt"):
        Path(name).write_bytes(data)
        assert text_of(name) == TEXT
    assert read_corpus([f"a.txt{suffix}"]) == Corpus("a", TEXT)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_parts_that_were_joined_are_all_read(suffix: str) -> None:
    Path(f"a{suffix}").write_bytes(COMPRESS[suffix](b"one\n") + COMPRESS[suffix](b"two\n"))
    assert text_of(f"a{suffix}") == "one\ntwo\n"


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("damage", ["cut", "changed", "none at all"])
def test_a_broken_one_is_an_error(suffix: str, damage: str) -> None:
    data = COMPRESS[suffix](os.urandom(9) + TEXT.encode())
    data = {"cut": data[:-9], "changed": data[:30] + bytes([data[30] ^ 255]) + data[31:]}.get(
        damage, b"plain text"
    )
    Path(f"a{suffix}").write_bytes(data)
    with pytest.raises(BadDataError, match=rf"^a\{suffix}: ") as error:
        text_of(f"a{suffix}", errors="replace")
    assert "broken" in str(error.value)


@pytest.mark.parametrize(
    "suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".TXZ"]
)
def test_an_archive_is_its_texts(suffix: str) -> None:
    files = {
        "book/b.txt": b"two\r\n",
        "book/a.txt": b"one",
        "book/.hidden": b"hidden",
        "book/~$a.docx": b"open in Word",
        "__MACOSX/book/a.txt": b"copy",
        "book/rows.csv": b"text\nthree\n",
        "book/picture.png": PNG,
        "../../etc/evil.txt": b"four",
    }
    data = zipped(files) if suffix == ".zip" else tarred(files)
    for layer, compress in ((".gz", gzipped), (".bz2", bz2.compress), (".xz", lzma.compress)):
        if suffix.endswith((layer, {".gz": ".tgz", ".xz": ".TXZ"}.get(layer, layer))):
            data = compress(data)
    for name in (f"a{suffix}", "by-its-content"):
        Path(name).write_bytes(data)
        corpus = read_corpus([name])
        texts = ["one", "two", "three", "four"]
        # A zip is read in the order of names, a tar in its own.
        order = [3, 0, 1, 2] if suffix == ".zip" else [1, 0, 2, 3]
        assert corpus.text == "\n".join(texts[k] for k in order)
        inside = "../../etc/evil.txt"
        assert f"{name}: skipped 1 file that is not plain text: book/picture.png" in corpus.notes
        assert f"{name}/book/b.txt: CRLF became LF on 1 line" in corpus.notes
        left_out = "left out hidden files and entries that are not files"
        hidden = ["book/.hidden", "book/~$a.docx", "__MACOSX"]
        hidden = ["__MACOSX", *hidden[:2]] if suffix == ".zip" else hidden
        assert f"{name}: {left_out}: {', '.join(hidden)}" in corpus.notes
        assert inside not in str(corpus.notes)
    assert sorted(p.name for p in Path().iterdir()) == sorted([f"a{suffix}", "by-its-content"])


def test_an_archive_in_an_archive_is_left_out_or_refused() -> None:
    inner = zipped({"a.txt": b"text"})
    Path("two.zip").write_bytes(zipped({"inner.zip": inner, "b.txt": b"beside it"}))
    corpus = read_corpus(["two.zip"])
    assert corpus.text == "beside it"
    assert corpus.notes == ("two.zip: skipped 1 file that is read only when unpacked: inner.zip",)
    Path("only.zip").write_bytes(zipped({"x": inner, "a.tar": tarred({"a": b"text"})}))
    with pytest.raises(BadDataError, match=r"no text in it, only a\.tar, x; unpack it first"):
        text_of("only.zip")
    Path("a.txt.gz").write_bytes(gzipped(gzipped(b"text")))
    with pytest.raises(BadDataError, match=r"\(gzip\), not text; unpack it first"):
        text_of("a.txt.gz")


def test_an_empty_archive_holds_no_text() -> None:
    for name, data in (("a.zip", zipped({})), ("a.tar", tarred({}))):
        Path(name).write_bytes(data)
        with pytest.raises(BadDataError, match="no text in it"):
            text_of(name)


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "a.gz": lambda block: gzipped(block * 80),
    "a.bz2": lambda block: bz2.compress(block * 80),
    "a.xz": lambda block: lzma.compress(block * 80),
    "a.zst": lambda block: zstandard.ZstdCompressor().compress(block * 80),
    "a.zip": lambda block: zipped({"a.txt": block * 80}),
    "a.tar.gz": lambda block: gzipped(tarred({"a.txt": block * 80})),
    "many.zip": lambda block: zipped({f"{n}": block * 80 for n in range(3)}),
    "skipped.tar.xz": lambda block: lzma.compress(tarred({"a.bin": b"\0\1\xff" + block * 80})),
    "NULs.gz": lambda block: gzipped(bytes(80 * len(block))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_grows_past_all_reason_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here from a megabyte on; 64 in earnest, as `test_reading_takes_little_memory` shows."""
    monkeypatch.setattr(containers, "HARMLESS", 1 << 20)
    Path(name).write_bytes(BOMBS[name](b"a" * 100_000))
    with pytest.raises(BadDataError, match=r"more than 1,000 times its size"):
        text_of(name)


def test_a_long_text_that_compresses_well_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is a thousand times as long is a trap: a log may be a hundred times."""
    monkeypatch.setattr(containers, "HARMLESS", 1 << 20)
    data = b"".join(
        b"2024-01-01 00:00:%02d GET /%d 200\n" % (n % 60, n % 97) for n in range(90_000)
    )
    Path("a.log.xz").write_bytes(lzma.compress(data, preset=1))
    assert Path("a.log.xz").stat().st_size * 20 < len(data)
    assert len(text_of("a.log.xz")) == len(data)


def test_a_zip_that_lies_about_its_sizes_is_broken() -> None:
    data = bytearray(zipped({"a.txt": TEXT.encode()}))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    Path("a.zip").write_bytes(data)
    with pytest.raises(BadDataError, match=r"a\.zip: broken"):
        text_of("a.zip")


def damaged_zip(damage: str) -> bytes:
    """An archive one of whose headers was changed; the last one lists the files."""
    name = "n" * 60_000 if damage == "long name" else "a.txt" if damage == "version" else "é.txt"
    data = bytearray(zipped({name: TEXT.encode()}))
    listed = data.rindex(b"PK\x01\x02")
    if damage == "version":
        data[listed + 6] = 139
    else:
        data[30 + (damage == "name")] ^= 0x5A
    return bytes(data)


@pytest.mark.parametrize("damage", ["version", "name", "long name"])
def test_a_zip_whose_headers_are_damaged_is_broken_in_a_line(damage: str) -> None:
    Path("a.zip").write_bytes(damaged_zip(damage))
    with pytest.raises(BadDataError, match=r"^a\.zip: broken .* file \(.*; compress it again") as e:
        text_of("a.zip")
    assert len(str(e.value)) < 500


def test_a_zip_whose_list_has_an_empty_name_is_broken() -> None:
    data = zipped({"a": TEXT.encode()})
    listed = data.rindex(b"a")
    Path("a.zip").write_bytes(data[:listed] + b"\0" + data[listed + 1 :])  # which ends a name
    with pytest.raises(BadDataError, match=r"^a\.zip: broken .*differ"):
        text_of("a.zip")


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_compressed_in_a_rare_way_is_refused(kind: int) -> None:
    """Python expands all of a piece of it at once."""
    Path("a.zip").write_bytes(zipped({"a.txt": TEXT.encode()}, kind))
    found = r"^a\.zip: a\.txt is compressed in a rare way; unpack it first$"
    with pytest.raises(BadDataError, match=found):
        text_of("a.zip")
    Path("a.docx").write_bytes(zipped({"_rels/.rels": b"<a/>"}, kind))
    with pytest.raises(BadDataError, match=r"\(_rels/\.rels is compressed in a rare way\)"):
        text_of("a.docx")


def test_a_zip_with_a_password_says_so() -> None:
    data = bytearray(zipped({"a.txt": TEXT.encode()}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    Path("a.zip").write_bytes(data)
    with pytest.raises(BadDataError, match=r"encrypted.*; unpack it first"):
        text_of("a.zip")


def test_a_spreadsheet_is_called_an_office_document() -> None:
    Path("a.xlsx").write_bytes(zipped({"[Content_Types].xml": b"<Types/>", "xl/a.xml": b"<a/>"}))
    with pytest.raises(BadDataError, match=r"an office document.*save it as .*\.csv"):
        text_of("a.xlsx")


def test_a_document_of_apple_s_programs_is_called_an_office_document() -> None:
    files = {"Index/Document.iwa": b"\0\1\2", "Data/p.txt": b"text"}
    Path("novel.pages").write_bytes(zipped(files))
    with pytest.raises(BadDataError, match=r"an office document.*save it as \.docx"):
        text_of("novel.pages")


def test_names_in_an_archive_move_no_cursor() -> None:
    Path("a.zip").write_bytes(zipped({"\x1b[2J.txt": b"a\r\nb", "x\n.png": PNG}))
    notes = read_corpus(["a.zip"]).notes
    assert len(notes) == 2
    assert all(note.isprintable() for note in notes)


@pytest.mark.parametrize("name", ["a.zip", "a.bin.gz"])
def test_bytes_are_learnt_as_they_are_unless_the_name_says_otherwise(name: str) -> None:
    raw = Reading(errors="surrogateescape")
    data = zipped({"a.txt": b"text"}) if name == "a.zip" else gzipped(b"text")
    Path(name).write_bytes(data)
    Path("data.bin").write_bytes(data)
    assert read_corpus([name], raw).text == "text"
    text = read_corpus(["data.bin"], raw).text
    assert ByteTokenizer().encode(text).astype("u1").tobytes() == data


@pytest.mark.parametrize("kind", ["gz", "tar", "zip"])
def test_standard_input_is_read_through(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.txt": b"one\n"}
    data = {"gz": gzipped(b"one\n"), "tar": tarred(files), "zip": zipped(files)}[kind]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    if kind == "zip":
        with pytest.raises(UsageError, match="save it first"):
            text_of("-")
    else:
        assert text_of("-") == "one\n"


def test_zstd_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt.zst").write_bytes(COMPRESS[".zst"](b"text"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CharRNNError, match=r"needs the package zstandard; pip install zstandard,"):
        text_of("a.txt.zst")


MEASURE = """
import sys
from charrnn import Reading
from charrnn.text.corpus import texts
from charrnn.text.division import DocumentStarts
from contextlib import suppress
def peak():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) // 1024
before = peak()
try:
    print(sum(map(len, texts([sys.argv[1]], Reading(), [], DocumentStarts()))))
except Exception as error:
    print(type(error).__name__)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(
    "kind", ["zstd bomb", "bzip2 bomb", "bzip2 zip", "xz", "json", "csv", "docx"]
)
def test_reading_takes_little_memory(kind: str) -> None:
    """Megabytes, for a gigabyte from a few kilobytes or a hundred megabytes of a text."""
    row = "clerk " * 13 + "é\n"
    if kind == "zstd bomb":
        name, found = "a.zst", "BadDataError"
        compressor = zstandard.ZstdCompressor().compressobj()
        with Path(name).open("wb") as file:
            for _ in range(1000):
                file.write(compressor.compress(b"a" * 1_000_000))
            file.write(compressor.flush())
        assert Path(name).stat().st_size < 100_000
    elif kind == "bzip2 bomb":
        name, found = "a.bz2", "BadDataError"
        Path(name).write_bytes(bz2.compress(b"a" * 40_000_000) * 25)
        assert Path(name).stat().st_size < 10_000
    elif kind == "bzip2 zip":
        name, found = "a.zip", "BadDataError"
        Path(name).write_bytes(zipped({"a.txt": b"a" * 60_000_000}, zipfile.ZIP_BZIP2))
        assert Path(name).stat().st_size < 1000
    elif kind == "xz":
        name, found = "a.xz", "16000000"
        lines = "".join(f"{n * 7919 % 10**9:>15}\n" for n in range(1_000_000))
        Path(name).write_bytes(lzma.compress(lines.encode(), preset=0))
    elif kind == "docx":
        name, found = "a.docx", "500000"
        document = f"<w:d xmlns:w='w'>{'<w:p><w:r/></w:p>' * 500_000}</w:d>"
        relations = RELATIONS.format(type=MAIN, target="document.xml")
        files = {"_rels/.rels": relations.encode(), "document.xml": document.encode()}
        Path(name).write_bytes(zipped(files, zipfile.ZIP_STORED))
    elif kind == "json":
        name, found = "a.json", "16000000"
        rows = ", ".join([json.dumps({"text": row, "n": [1, 2]})] * 200_000)
        Path(name).write_text(f'{{"version": 1, "data": [{rows}]}}')
    else:
        name, found = "a.csv", "16000000"
        Path(name).write_text("text,n\n" + f'"{row}",1\n' * 200_000)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, name], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count, megabytes = done.stdout.split()

    assert count == found
    assert int(megabytes) < 40


def test_a_name_in_a_zip_that_is_not_what_it_is_said_to_be_is_damage() -> None:
    data = bytearray(zipped({"é.txt": b"one"}))
    name = "é".encode()
    Path("a.zip").write_bytes(data.replace(name, b"\xff" * len(name)))
    with pytest.raises(BadDataError, match=r"^a\.zip: broken container file \("):
        text_of("a.zip")
