"""Rows of ids in which some words are left out, or change places."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.objectives.batches import rows
from charrnn.tasks.texts import as_ids
from charrnn.text.tokenizer import CharTokenizer


def test_words_are_left_out_whole_and_never_all() -> None:
    tokenizer = CharTokenizer(" abcdefg\ufffd", "\n")
    texts = ["ab c de", "fg", " a  b", "abcdefg " * 50]
    own = [as_ids(text, tokenizer) for text in texts]
    kept, number = 0, 0
    for step in range(40):
        found = rows.without_some_words(own, tokenizer, 0.25, 7, step)
        again = rows.without_some_words(own, tokenizer, 0.25, 7, step)
        for row, same, text in zip(found, again, texts, strict=True):
            assert np.array_equal(row, same)
            assert row[0] == row[-1] == tokenizer.end_id
            words = iter(text.split())
            left = tokenizer.decode(row[1:-1]).split()
            assert left or text == " a  b"  # of which a space may stay
            assert all(word in words for word in left)  # in their order
            kept, number = kept + len(left), number + len(text.split())
    assert kept / number == pytest.approx(0.75, abs=0.03)
    assert not np.array_equal(found[3], rows.without_some_words(own, tokenizer, 0.25, 8, step)[3])


def test_of_a_text_that_was_cut_the_last_word_is_left_out_or_moved_whole() -> None:
    """Its last letter always stayed where it was, and stuck to another word."""
    tokenizer = CharTokenizer(" abcdefg\ufffd", "\n")
    text = "ab cd ef"
    cut = as_ids(f"{text}g", tokenizer)[: 1 + len(text)]
    fewer, moved = set[str](), set[str]()
    for step in range(40):
        (left,) = rows.without_some_words([cut], tokenizer, 0.5, 7, step)
        (other,) = rows.in_other_orders([cut], tokenizer, 1.0, 7, step)
        assert left[0] == other[0] == tokenizer.end_id
        fewer.add(tokenizer.decode(left[1:]))
        moved.add(tokenizer.decode(other[1:]))
    assert {"ab", "ab cd", "ab ef", " cd ef"} < fewer
    assert {one for found in fewer for one in found.split()} == {"ab", "cd", "ef"}
    assert {"ef ab cd", "cd ef ab"} <= moved
    assert all(sorted(one.split()) == ["ab", "cd", "ef"] for one in moved)
    for way in (rows.without_some_words, rows.in_other_orders):
        (older,) = way([cut], tokenizer, 0.9, 7, 1, whole=True)
        assert older[-1] == cut[-1]  # as in runs begun before


def test_words_that_change_places_stay_whole_and_mostly_together() -> None:
    tokenizer = CharTokenizer(" abcdefg\ufffd", "\n")
    texts = ["ab c de", "fg", " a  b", "", "a b c d e f g ab cd ef"]
    own = [as_ids(text, tokenizer) for text in texts]
    moved, together = 0, 0
    for step in range(200):
        found = rows.in_other_orders(own, tokenizer, 0.5, 7, step)
        again = rows.in_other_orders(own, tokenizer, 0.5, 7, step)
        for row, same, text in zip(found, again, texts, strict=True):
            assert np.array_equal(row, same)
            assert row[0] == row[-1] == tokenizer.end_id
            other = tokenizer.decode(row[1:-1])
            assert len(other) == len(text)
            assert sorted(other.split()) == sorted(text.split())
        assert tokenizer.decode(found[1][1:-1]) == "fg"
        last = tokenizer.decode(found[4][1:-1])
        moved += last != texts[4]
        together += sum(pair in last for pair in ("a b", "b c", "c d", "d e", "e f", "f g"))
    assert moved / 200 == pytest.approx(0.5, abs=0.1)
    assert together / 1200 > 0.75
    assert [len(row) for row in rows.in_other_orders(own, tokenizer, 0.0, 7, 1)] == [
        len(row) for row in own
    ]
