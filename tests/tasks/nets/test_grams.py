"""The n-grams of texts: which there are, whose they are, and how much each counts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from charrnn.arrays import Ids
from charrnn.tasks.nets.grams import ORDERS, grams, grams_of_words, letters_of, rows_for, summed
from charrnn.tasks.texts import END, STAND_IN, as_ids
from charrnn.text.tokenizer import CharTokenizer

TOKENIZER = CharTokenizer("".join(sorted("abcdefh 123.!" + STAND_IN)), END)
LETTERS = letters_of(TOKENIZER)
TEXTS = ("a bad cab", "", "bad", "dead. a bad cab! 12 fed", " .!", "h" * 40)
ROWS = 1 << 17


def ids_of(*texts: str) -> tuple[Ids, np.ndarray]:
    rows = [as_ids(text, TOKENIZER) for text in texts]
    return np.concatenate(rows), np.array(list(map(len, rows)))


def rows_of(*texts: str) -> list[Counter[int]]:
    """How often each row of the table is read for each text."""
    found = grams(*ids_of(*texts), LETTERS, ROWS)
    return [Counter(part.tolist()) for part in np.split(found.rows, found.starts[1:])]


def words_of(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text).split()


def grams_of(text: str) -> Counter[tuple[str, ...]]:
    """As `grams`, by hand."""
    whole, words = f"\n{text}\n", words_of(text)
    found = [("g", whole[k : k + n]) for n in ORDERS for k in range(len(whole) - n + 1)]
    pairs = [("pair", *pair) for pair in pairwise(words)]
    return Counter([*found, *(("word", word) for word in words), *pairs])


def test_each_n_gram_word_and_pair_of_words_has_a_row() -> None:
    known: dict[tuple[str, ...], int] = {}
    for text, found in zip(TEXTS, rows_of(*TEXTS), strict=True):
        wanted = grams_of(text)
        assert sorted(found.values()) == sorted(wanted.values()), "no two share one here"
        # Of one text alone, and after others, the rows are the same.
        assert rows_of(text) == [found]
        for gram, count in wanted.items():
            if len([one for one in wanted.values() if one == count]) == 1:
                (row,) = (row for row, times in found.items() if times == count)
                assert known.setdefault(gram, row) == row
    one, other = rows_of("a bad cab", "bad")
    shared = grams_of("a bad cab") & grams_of("bad")
    assert (one & other).total() == shared.total(), "the same has the same row anywhere"


def test_what_is_no_letter_parts_words() -> None:
    same = rows_of("bad cab", "bad.cab")
    wanted = grams_of("bad cab") & grams_of("bad.cab")
    assert ("pair", "bad", "cab") in wanted
    assert (same[0] & same[1]).total() == wanted.total()


def test_the_order_of_a_pair_and_of_letters_matters() -> None:
    one, other = rows_of("bad cab", "cab bad")
    assert (one & other).total() == (grams_of("bad cab") & grams_of("cab bad")).total()


def test_each_kind_counts_alike_however_many_there_are_of_it() -> None:
    """Of n of a kind each counts 1/√n, so that its squares are 1 together."""
    found = grams(*ids_of("a bad cab", "dead. a bad cab! 12 fed", "bad", "?"), LETTERS, ROWS)
    kinds = [(part**2).sum() for part in np.split(found.shares, found.starts[1:])]
    assert kinds == pytest.approx([7, 7, 6, 3], rel=1e-5)  # no pair; no word, and 3 characters


def test_what_n_grams_add_is_the_sum_of_their_rows() -> None:
    table = np.random.default_rng(1).normal(size=(ROWS, 3)).astype(np.float32)
    found = grams(*ids_of(*TEXTS), LETTERS, ROWS)
    added = summed(found, table)
    assert added.shape == (len(TEXTS), 3)
    ends = [*found.starts[1:], len(found.rows)]
    for row, (start, end) in enumerate(zip(found.starts, ends, strict=True)):
        wanted = sum(
            share * table[at]
            for at, share in zip(found.rows[start:end], found.shares[start:end], strict=True)
        )
        np.testing.assert_allclose(added[row], wanted, atol=1e-5)


def test_pairs_whose_letters_add_up_to_the_same_have_rows_of_their_own() -> None:
    """The first letter of one word was added to the second of the next."""
    for one, other in (("ba ca", "aa cb"), ("bad heb", "ead hbb")):
        found = rows_of(one, other)
        assert (found[0] & found[1]).total() == (grams_of(one) & grams_of(other)).total()


@pytest.mark.parametrize("word", ["हिन्दी", "தமிழ்", "cafe\u0301s"])
def test_marks_part_no_word(word: str) -> None:
    tokenizer = CharTokenizer("".join(sorted(set(f"{word} {STAND_IN}"))), END)
    ids = as_ids(f"{word} {word}", tokenizer)
    found = grams(ids, np.array([len(ids)]), letters_of(tokenizer), ROWS)
    characters = sum(len(ids) + 1 - n for n in ORDERS)
    assert len(found.rows) == characters + 2 + 1, "two words and a pair"


def test_rows_are_those_of_models_that_were_saved() -> None:
    """A change here is a change of the format: what was learnt would be read for something else."""
    ids, lengths = ids_of("a bad cab")
    found = grams(ids, lengths, LETTERS, 4096)
    assert found.rows[-13:].tolist() == [
        1665, 3541, 2307, 1492, 2600, 234, 3281, 84,
        392, 1298, 4003, 473, 639,
    ]  # fmt: skip
    assert found.rows[:11].tolist() == [
        1448, 3875, 575, 1011, 3875, 3476, 575, 2244, 3875, 1011, 1448,
    ]  # fmt: skip
    assert found.shares[[0, -1, -3, -6]] == pytest.approx([11**-0.5, 2**-0.5, 3**-0.5, 7**-0.5])
    of_word = grams_of_words(ids, np.array([[3, 6]]), 4096)
    assert of_word.rows.tolist() == [
        575, 1011, 3875, 3476, 575, 973, 4078, 3060, 2017, 1440, 2942, 3879, 1242, 3074, 1492, 1298,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "rows"),
    [
        (2, ROWS),
        (8, ROWS),
        (9, ROWS // 2),
        (18, ROWS // 4),
        (300, 2048),
        (1024, 1024),
        (1025, 0),
        (10**6, 0),
    ],
)
def test_the_table_is_bounded(classes: int, rows: int) -> None:
    """A million weights at most; none where a row would be shared by too many."""
    assert rows_for(classes) == rows
    if rows:
        found = grams(*ids_of(*TEXTS), LETTERS, rows).rows
        assert 0 <= found.min() <= found.max() < rows
        assert found.max() > rows // 2


def test_the_n_grams_of_a_word_are_its_own_and_reach_to_the_characters_beside_it() -> None:
    texts = ("a bad cab", "bad", "fed bad.")
    words = [(0, 1), (2, 5), (6, 9), (0, 3), (0, 3), (4, 7)]  # the last is before a stop
    row = np.array([0, 0, 0, 1, 2, 2])
    ids, lengths = ids_of(*texts)
    starts = (lengths.cumsum() - lengths)[row] + 1
    found = grams_of_words(ids, np.array(words) + starts[:, None], ROWS)
    own = [Counter(part.tolist()) for part in np.split(found.rows, found.starts[1:])]
    for one, wide, (start, end) in zip(own, row, words, strict=True):
        around = f"\n{texts[wide]}\n"[start : end + 2]
        wanted = [around[k : k + n] for n in ORDERS for k in range(len(around) - n + 1)]
        assert sorted(one.values()) == sorted([*Counter(wanted).values(), 1])
    alone, between, before_stop = own[3], own[1], own[5]
    # "bad" three times, in "\nbad\n", " bad " and " bad.": b, a, d, ba, ad, bad, and the word.
    assert (alone & between).total() == 7
    assert (between & before_stop).total() == 7 + 4, "and a space, which begins three n-grams more"
    for part in np.split(found.shares, found.starts[1:]):
        assert (part**2).sum() == pytest.approx(6 if len(part) > 7 else 4, rel=1e-5)


def test_no_words_have_no_n_grams() -> None:
    ids, _ = ids_of("a bad cab")
    found = grams_of_words(ids, np.zeros((0, 2), np.int64), ROWS)
    assert [len(part) for part in found] == [0, 0, 0]
