"""Tar archives: what describes their files is bounded, and damage told in one line."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from charrnn import read_corpus
from charrnn.errors import BadDataError
from tests.text.reading import gzipped, text_of


def test_links_in_an_archive_are_named() -> None:
    """They were left out without a word."""
    with tarfile.open("a.tar", "w") as archive:
        for name, kind in (("a.txt", tarfile.REGTYPE), ("b", tarfile.SYMTYPE), ("c", b"1")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "" if name == "a.txt" else "a.txt"
            member.size = 4 if name == "a.txt" else 0
            archive.addfile(member, io.BytesIO(b"text"))
    corpus = read_corpus(["a.tar"])
    assert corpus.text == "text"
    assert corpus.notes == ("a.tar: left out hidden files and entries that are not files: b, c",)


def test_a_sparse_file_of_an_archive_is_bounded() -> None:
    """A header of 512 bytes may promise a terabyte of zeros."""
    member = tarfile.TarInfo("a.txt")
    member.size = 0
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": f"{1 << 40},0",
    }
    Path("a.tar").write_bytes(member.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    with pytest.raises(BadDataError, match=r"1,000 times|no text|binary"):
        text_of("a.tar")


def described(kind: bytes, size: int) -> bytes:
    """The header of a tar archive before what describes the next file."""
    member = tarfile.TarInfo("a.txt")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def with_holes(segments: int) -> bytes:
    """A file in the old GNU format for files with holes."""
    segment = b"%011o\0" % 1 * 2
    header = bytearray(described(tarfile.GNUTYPE_SPARSE, 0))
    header[386:483] = segment * 4 + b"\1"  # and more follow
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + (segment * 21 + b"\1" + bytes(7)) * (segments // 21)


def with_a_map(segments: int) -> bytes:
    """The same in a newer format, where the file begins with its map."""
    member = tarfile.TarInfo("a.txt")
    member.size = 4 * segments
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    return member.tobuf(tarfile.PAX_FORMAT) + b"%d\n" % segments + b"1\n1\n" * segments


def globally(count: int) -> bytes:
    """Values for all of the files that follow."""
    text = (described(tarfile.REGTYPE, 5) + b"text\n").ljust(1024, b"\0")
    create = tarfile.TarInfo.create_pax_global_header
    return b"".join(create({f"key {n}": "a" * 9000}) + text for n in range(count))


ENDLESS = {
    "names": described(tarfile.GNUTYPE_LONGNAME, 1 << 20) + b"a" * (1 << 20),
    "links": described(tarfile.GNUTYPE_LONGLINK, 1 << 20) + b"a" * (1 << 20),
    # A search for `\d+ hdrcharset=` takes minutes here in Python 3.11.9 and earlier.
    "attributes": described(tarfile.XHDTYPE, 1 << 20) + b"1" * (1 << 20),
    "headers": described(tarfile.XGLTYPE, 0) * 2000,
    "holes": with_holes(100_000),
    "map": with_a_map(100_000),
    "values": globally(300),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_describes_a_file_of_an_archive_is_bounded(what: str) -> None:
    """`tarfile` kept all of it in memory, a gigabyte from a megabyte."""
    Path("a.tgz").write_bytes(gzipped(ENDLESS[what] + bytes(1024)))
    found = "100 values describe all of it" if what == "values" else "bytes describe a file in it"
    with pytest.raises(BadDataError, match=rf"^a\.tgz: more than .*{found}; unpack it first$"):
        text_of("a.tgz")


@pytest.mark.parametrize("name", [".x", "a.txt"])
@pytest.mark.parametrize("size", [1 << 80, -512, -1024])
def test_a_file_of_an_archive_with_a_size_that_is_none_is_damage(name: str, size: int) -> None:
    """Past the end, `tarfile` read 2^80 bytes of nothing."""
    member = tarfile.TarInfo(name)
    member.size = size
    Path("a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(512))
    with pytest.raises(BadDataError, match=r"^a\.tar: broken container file \("):
        text_of("a.tar")


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_longest_name_in_an_archive_is_read(format_: int) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=format_) as archive:
        for n in range(9):
            member = tarfile.TarInfo(f"{'long/' * 800}{n}.txt")
            member.size = 30_000
            archive.addfile(member, io.BytesIO(b"text" * 7500))
            member.type, member.linkname, member.size = tarfile.SYMTYPE, member.name, 0
            archive.addfile(member)
    Path("a.tar").write_bytes(data.getvalue())
    assert text_of("a.tar").count("text") == 9 * 7500


def test_a_header_of_a_tar_with_words_for_numbers_is_damage() -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.txt")
        member.pax_headers = {"GNU.sparse.map": "one,two", "GNU.sparse.size": "3"}
        archive.addfile(member)
    Path("a.tar").write_bytes(data.getvalue())
    with pytest.raises(BadDataError, match=r"^a\.tar: broken container file \("):
        text_of("a.tar")
