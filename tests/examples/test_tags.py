"""Words, and tags of every scheme as BIO."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.examples.tags import in_bio, joined, spans_of, words_of


def test_neighbours_of_one_type_stay_apart() -> None:
    assert in_bio(["I-x", "B-x", "I-x"]) == ["B-x", "B-x", "I-x"]  # as IOB1 and BIO have it
    assert in_bio(["S-x", "S-x", "B-x", "E-x", "B-x"]) == ["B-x", "B-x", "B-x", "I-x", "B-x"]
    assert in_bio(["I-x", "I-y", "O", "E-y"]) == ["B-x", "B-y", "O", "B-y"]


TAGS = st.lists(st.sampled_from(["O"] + [f"{p}-{t}" for p in "BIESLUM" for t in "xy"]), max_size=12)


@given(TAGS)
def test_bio_is_always_legal_and_stays(tags: list[str]) -> None:
    found = in_bio(tags)
    assert [tag == "O" for tag in found] == [tag == "O" for tag in tags]
    for before, tag in zip(["O", *found], found, strict=False):
        assert not tag.startswith("I-") or before[2:] == tag[2:]
    assert in_bio(found) == found
    words = [(n, n + 1) for n in range(len(tags))]
    assert sum(span.end - span.start for span in spans_of(words, found)) == (
        sum(tag != "O" for tag in tags)
    )


@given(st.text(alphabet="ab ().,'“中の:\n", max_size=20))
def test_words_hold_all_but_the_spaces(text: str) -> None:
    words = words_of(text)
    assert "".join(text[a:b] for a, b in words) == "".join(text.split())
    assert all(a < b for a, b in words)
    assert all(one[1] <= two[0] for one, two in pairwise(words))


def test_words_of_many_kinds() -> None:
    def parts(text: str) -> list[str]:
        return [text[a:b] for a, b in words_of(text)]

    assert parts("(Ann's) :-) well-known, $3.5…") == (
        ["(", "Ann's", ")", ":-)", "well-known", ",", "$3.5", "…"]
    )
    assert parts("@bob, #Wien 5% 's") == ["@bob", ",", "#Wien", "5%", "'s"]
    assert parts(".NET .5 ’tis …so") == [".NET", ".5", "’tis", "…", "so"]
    assert parts("東京 and日本") == ["東", "京", "and", "日", "本"]
    assert parts("か\u3099き") == ["か\u3099", "き"]


SCRIPTS = "العربية، لماذا؟ लिखा। שלום׃ ¿Qué? ¡No! „Linz“ »Graz« ‹Bern›—"


@pytest.mark.parametrize("text", SCRIPTS.split())
def test_the_punctuation_of_all_scripts_stands_apart(text: str) -> None:
    """Only a few signs of the West did, and spans got wrong edges."""
    inner = "".join(c for c in text if not unicodedata.category(c).startswith("P"))
    words = [text[a:b] for a, b in words_of(text)]
    assert "".join(words) == text
    assert inner in words
    assert all(len(word) == 1 for word in words if word != inner)


def test_older_runs_keep_their_words() -> None:
    text = "(Ann's) @bob, 3.5% „Linz“ 'Rome' لماذا؟ か\u3099"
    assert [text[a:b] for a, b in words_of(text, 1)] == (
        ["(", "Ann's", ")", "@bob", ",", "3.5%", "„", "Linz“", "'Rome'", "لماذا؟", "か", "\u3099"]
    )


UNSPACED = [
    "我在北京，你呢？",
    "カラオケか\u3099好き",
    "他说：“好。”",
    "卡尔·马克思（德国）",
    "我 love 北京",
]


@pytest.mark.parametrize("text", UNSPACED)
def test_words_make_the_text_that_is_divided_into_them(text: str) -> None:
    """Those of Chinese and Japanese had spaces between them, which no text there has."""
    words = [text[a:b] for a, b in words_of(text)]
    for rules, wanted in ((3, text), (2, " ".join(words))):
        one = joined(words, ["O"] * len(words), "a.conll: line 1", rules)
        assert one.text == wanted
        assert [one.text[a:b] for a, b in one.words] == words


def test_marks_of_any_writing_are_of_that_before_them() -> None:
    words = ["他", "说", "：", "“", "‘", "好", "。", "’", "”", "…"]
    assert joined(words, ["O"] * len(words), "").text == "".join(words)


def test_words_of_other_writing_have_a_space_between_them() -> None:
    words = ["(", "Ann", "“", "Lee", "…", "”", "—", "Bo", "”", ")", "’s", "…"]
    assert joined(words, ["O"] * len(words), "").text == " ".join(words)
