"""What is changed in a text is told, counted, and the same however the text comes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import Reading, read_corpus
from charrnn.decoding.cleaning import Cleaner, clean

MARKS = st.text(st.sampled_from("ab\r\n\0\ufeff\x85\u2028\u2029\x93é"), max_size=12)


@given(MARKS, st.lists(st.integers(0, 12)))
def test_a_text_may_be_cut_anywhere(text: str, cuts: list[int]) -> None:
    whole, cut = Cleaner(), Cleaner()
    places = [0, *sorted(min(place, len(text)) for place in cuts), len(text)]
    parts = [cut.feed(text[a:b]) for a, b in pairwise(places)]
    assert "".join([*parts, cut.feed("", last=True)]) == whole.feed(text, last=True)
    assert cut.notes() == whole.notes()
    single = Cleaner()
    letters = [single.feed(letter) for letter in text]
    assert "".join([*letters, single.feed("", last=True)]) == Cleaner().feed(text, last=True)
    assert single.notes() == whole.notes()


@given(MARKS)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    cleaned, _ = clean(text)
    assert not set(cleaned) & set("\r\0\ufeff")
    again, notes = clean(cleaned)
    assert again == cleaned
    assert all(note.startswith("kept ") for note in notes)


@given(MARKS)
def test_nothing_is_changed_without_a_word(text: str) -> None:
    cleaned, notes = clean(text)
    assert cleaned == text or notes


@pytest.mark.parametrize(
    ("text", "cleaned", "note"),
    [
        ("a\r\nb\r\n", "a\nb\n", "CRLF became LF on 2 lines"),
        ("10%\r20%\r100%\n", "10%\n20%\n100%\n", "CR became LF on 2 lines"),
        ("a\r\r\n", "a\n\n", "CRLF became LF on 1 line; CR became LF on 1 line"),
        ("\ufeffa", "a", "dropped the byte-order mark"),
        ("\ufeffa\ufeffb" + "\ufeff" * 58, "ab", "dropped 60 byte-order marks"),
        ("log\n" + "\0" * 4096, "log\n", "dropped 4,096 NULs, which pad the text"),
        ("a\x85b", "a\x85b", "kept 1 × NEL (U+0085): only LF ends a line"),
        ("a\u2028b\u2028", "a\u2028b\u2028", "kept 2 × LS (U+2028): only LF ends a line"),
        ("a\u2029", "a\u2029", "kept 1 × PS (U+2029): only LF ends a line"),
        (
            "\x93a\x94",
            "\x93a\x94",
            "kept 2 control characters of U+0080 to U+009F, as there are where cp1252 or UTF-8 "
            "is read as latin-1",
        ),
        ("plain é 文\n", "plain é 文\n", ""),
    ],
)
def test_what_is_found_is_told_and_counted(text: str, cleaned: str, note: str) -> None:
    assert clean(text) == (cleaned, tuple(note.split("; ") if note else ()))


def test_cp1252_read_as_latin_1_is_told() -> None:
    """Following the advice "latin-1?" once turned quotation marks into control characters."""
    Path("a.txt").write_bytes("“It’s late.”\n".encode("cp1252") * 9)
    corpus = read_corpus(["a.txt"], Reading(encoding="latin-1"))
    assert corpus.notes[0].startswith("a.txt: kept 27 control characters of U+0080 to U+009F")


def test_utf_8_read_as_latin_1_is_told() -> None:
    """Facebook exports its messages so."""
    said = [text.encode().decode("latin-1") for text in ("Café ’", "ok", "“so”")]
    Path("a.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in said))
    corpus = read_corpus(["a.jsonl"])
    assert corpus.text == "\n".join(said)
    assert corpus.notes == (
        "a.jsonl: kept 6 control characters of U+0080 to U+009F, as there are where cp1252 or "
        "UTF-8 is read as latin-1",
    )


def test_files_joined_by_cat_lose_their_marks() -> None:
    Path("clippings.txt").write_bytes("\ufeffone\r\n".encode() * 60)
    corpus = read_corpus(["clippings.txt"])
    assert corpus.text == "one\n" * 60
    assert corpus.notes == (
        "clippings.txt: dropped 60 byte-order marks",
        "clippings.txt: CRLF became LF on 60 lines",
    )
