"""From bytes to text: encodings, line ends, gzip, and every way a file can be wrong."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNNError, Corpus, Reading, read_corpus
from charrnn.decoding import streams
from charrnn.decoding.pieces import lines, whole_lines
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError, UsageError
from tests.text.reading import PNG, gzipped, text_of


def test_a_gzip_file_is_its_text() -> None:
    Path("a.txt.gz").write_bytes(gzipped("héllo".encode()))
    assert read_corpus(["a.txt.gz"]) == Corpus("a", "héllo")


def test_byte_order_marks_and_line_ends_are_cleaned_and_reported() -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r")
    corpus = read_corpus(["a.txt"])
    assert corpus.text == "one\ntwo\nthree\n"
    assert corpus.notes == (
        "a.txt: dropped the byte-order mark",
        "a.txt: CRLF became LF on 2 lines",
        "a.txt: CR became LF on 1 line",
    )


def test_the_encoding_is_the_users() -> None:
    Path("a.txt").write_bytes("déjà".encode("latin-1"))
    assert text_of("a.txt", encoding="latin-1") == "déjà"
    Path("b.txt").write_bytes("déjà".encode("utf-16"))
    assert text_of("b.txt", encoding="utf-16") == "déjà"
    unmarked = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
    Path("c.txt").write_bytes("déjà".encode(unmarked))
    assert text_of("c.txt", encoding="utf-16") == "déjà"


@pytest.mark.parametrize("encoding", ["utf8000", "", "hex", "undefined", "idna", "punycode"])
def test_an_encoding_that_is_none_is_refused_before_anything_is_read(encoding: str) -> None:
    """Python knows all but the first two as codecs, but not as encodings of texts."""
    with pytest.raises(UsageError, match=f"no encoding '{encoding}'"):
        Reading(encoding=encoding)


def test_invalid_bytes_are_located_and_the_ways_out_work() -> None:
    Path("a.txt").write_bytes(b"d\xc3\xa9j\xe0 vu")
    with pytest.raises(BadDataError) as error:
        text_of("a.txt")
    for part in ("a.txt", "0xe0", "offset 4", "--errors replace", "--tokenizer byte"):
        assert part in str(error.value)
    assert text_of("a.txt", errors="replace") == "déj\ufffd vu"
    raw = text_of("a.txt", errors="surrogateescape")
    assert ByteTokenizer().encode(raw).astype("u1").tobytes() == b"d\xc3\xa9j\xe0 vu"


@pytest.mark.parametrize("chunk", [1, 2, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "data", "text", "count"),
    [
        ("utf-8", "\ufffd déjà".encode() + b"\xe9\xff", "\ufffd déjà\ufffd\ufffd", 2),
        ("utf-8", b"end \xe2\x82", "end \ufffd", 2),
        ("cp1252", b"\x81 \x9d\x93", "\ufffd \ufffd“", 2),
        ("shift_jis", b"\x93\xfa\xff", "日\ufffd", 1),
        ("utf-16-le", "añ".encode("utf-16-le")[:-1], "a\ufffd", 1),
        ("ascii", "déjà".encode(), "d\ufffd\ufffdj\ufffd\ufffd", 4),
    ],
)
def test_bytes_that_are_replaced_are_counted(
    encoding: str, data: bytes, text: str, count: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were destroyed without a word."""
    monkeypatch.setattr(streams, "CHUNK", chunk)
    Path("a.txt").write_bytes(data)
    corpus = read_corpus("a.txt", Reading(encoding=encoding, errors="replace"))
    assert corpus.text == text == data.decode(encoding, "replace")
    what = "1 byte that is" if count == 1 else f"{count} bytes that are"
    assert corpus.notes[0] == f"a.txt: {what} not {encoding} became U+FFFD"


@given(st.binary(min_size=1) | st.lists(st.sampled_from([b"\r", b"\n", b"\xef\xbb\xbf"])))
def test_bytes_reach_a_byte_tokenizer_as_they_are_but_for_what_is_noted(
    data: bytes | list[bytes],
) -> None:
    data = b"." + (data if isinstance(data, bytes) else b"".join(data))
    Path("raw").write_bytes(codecs.BOM_UTF8 + data)
    corpus = read_corpus(["raw"], Reading(errors="surrogateescape"))
    read = bytes(ByteTokenizer().encode(corpus.text).tolist())
    cleaned = data.replace(codecs.BOM_UTF8, b"").replace(b"\0", b"")
    cleaned = cleaned.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert read == (cleaned if corpus.notes else codecs.BOM_UTF8 + data)


def test_a_binary_file_reaches_a_byte_tokenizer_as_it_is() -> None:
    data = PNG + b"\r\n\r\0\xef\xbb\xbf" * 3
    Path("a.png").write_bytes(data)
    corpus = read_corpus(["a.png"], Reading(errors="surrogateescape"))
    assert ByteTokenizer().encode(corpus.text).astype("u1").tobytes() == data
    assert corpus.notes == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PNG, "a binary file"),
        ("text".encode("utf-16"), "this is UTF-16, not utf-8; try --encoding utf-16"),
        (codecs.BOM_UTF16_BE + "déjà".encode("utf-16-be"), "this is UTF-16"),
        (b"", "no text"),
        (codecs.BOM_UTF8, "no text"),
    ],
    ids=["a picture", "UTF-16", "big-endian UTF-16", "empty", "a byte-order mark alone"],
)
def test_what_is_no_text_is_called_what_it_is(data: bytes, message: str) -> None:
    Path("file").write_bytes(data)
    with pytest.raises(BadDataError, match=message):
        text_of("file")


@given(st.text(st.sampled_from("ab\r\n\x0b\u2028")), st.integers(1, 5))
def test_lines_end_in_lf_cr_or_both_wherever_a_text_is_cut(text: str, size: int) -> None:
    parts = [text[k : k + size] for k in range(0, len(text), size)]
    assert list(lines(parts, "x")) == list(io.StringIO(text, newline=""))


@given(st.text(st.sampled_from("ab\r\n")), st.integers(1, 5))
def test_lines_of_a_clean_text_are_those_between_its_ends_wherever_it_is_cut(
    text: str, size: int
) -> None:
    waiting: list[str] = []
    parts = (text[k : k + size] for k in range(0, len(text), size))
    found = [line for part in parts for line in whole_lines(part, waiting)]
    assert [*found, "".join(waiting)] == text.split("\n")


def test_a_text_that_ends_in_half_a_character_is_an_error() -> None:
    Path("file").write_bytes("añ".encode("utf-16-le")[:-1])
    with pytest.raises(BadDataError, match="utf-16-le"):
        text_of("file", encoding="utf-16-le")


def test_an_encoding_whose_errors_have_no_place_is_still_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "CHUNK", 111)
    Path("file").write_bytes((b"a" * 99 + b"\n" + b"\x1b$" + b"\x1b" * 9) * 99)
    with pytest.raises(BadDataError, match=r"file: .* is not iso2022_jp"):
        text_of("file", encoding="iso2022_jp")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "text",
    [
        "A schöner Tag.\nAnother.\n",
        "one\ntwo\nthree four\n",
        "A schöner Tag ohne Zeilen-Ende..",
        "an even number of them without one, " * 400,
        "他上了船。海上有风，天很冷。",
        "é and more " * 1000,
    ],
)
def test_utf8_is_not_read_as_utf16(encoding: str, text: str) -> None:
    """It became Chinese."""
    Path("file").write_text(text, encoding="utf-8")
    found = f"file: this looks like UTF-8, not {encoding}; leave --encoding out"
    with pytest.raises(BadDataError, match=found):
        text_of("file", encoding=encoding)
    Path("file").write_text("上海\n他上了船。\n海上有风。\n", encoding=encoding)
    assert text_of("file", encoding=encoding).startswith("上海\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "text",
    [
        "呵呵呵呵" * 9,  # whose bytes are letters, uTuTuTuT
        "あいうえお" * 9,  # as are these: B0D0F0H0J0
        "上海他上了船海上有风天很冷" * 400,
        "他上了船。海上有风，天很冷。" * 400,
        "one two three",
        "Тихий Дон",
        "ein schöner Tag ohne Ende " * 400,
        "हिन्दीमेंलिखाहुआपाठ",
    ],
)
def test_utf16_is_not_taken_for_utf8(encoding: str, text: str) -> None:
    Path("file").write_text(text, encoding=encoding)
    assert text_of("file", encoding=encoding) == text


@pytest.mark.parametrize("encoding", ["utf-16", "UTF_16", "u16"])
def test_utf_16_that_ends_early_is_not_advised_to_be_utf_16(encoding: str) -> None:
    """Its byte-order mark once led to "this is UTF-16, not utf-16; try --encoding utf-16"."""
    Path("file").write_bytes("añ".encode("utf-16")[:-1])
    with pytest.raises(BadDataError, match=f"is not {encoding}; .*--errors replace") as error:
        text_of("file", encoding=encoding)
    assert "try" not in str(error.value)
    assert text_of("file", encoding=encoding, errors="replace") == "a\ufffd"


@pytest.mark.parametrize(
    "data",
    [b"not gzip", b"\x1f\x8b", gzipped(b"x" * 999)[:-9], gzipped(b"")[:10] + b"\xff" * 9],
    ids=["not gzip", "two bytes", "cut off", "no deflate stream"],
)
def test_a_broken_gzip_file_is_an_error(data: bytes) -> None:
    Path("a.gz").write_bytes(data)
    with pytest.raises(BadDataError, match="broken gzip"):
        text_of("a.gz")


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.EACCES, MissingInputError, 66),
        (errno.ENOENT, MissingInputError, 66),
        (errno.EIO, ReadWriteError, 74),
    ],
)
def test_a_read_that_fails_names_the_file_and_the_reason(
    number: int, kind: type[CharRNNError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text("text")

    def fail(path: Path, mode: str) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(kind, match=rf"a\.txt: {os.strerror(number)}") as error:
        text_of("a.txt")
    assert error.value.exit_code == code
