"""What is copied, beside a search that tries every passage."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring.novelty import RUN, Copies

CORPUS = "the clerk has lost the book of tides, the pilot finds it on the quay; " * 3


def _twin(text: str, corpus: str) -> tuple[str, float]:
    passages = [text[a:b] for a in range(len(text)) for b in range(a + 1, len(text) + 1)]
    longest = max((p for p in passages if p in corpus), key=len, default="")
    copied = set[int]()
    for start in range(len(text) - RUN + 1):
        if text[start : start + RUN] in corpus:
            copied.update(range(start, start + RUN))
    return longest, len(copied) / max(len(text), 1)


@given(
    st.text("ab", max_size=50),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 40), st.text("ab ", max_size=5))),
)
def test_longest_passage_and_share_are_those_of_the_twin(
    corpus: str, parts: list[tuple[int, int, str]]
) -> None:
    corpus += CORPUS
    text = "".join(corpus[at : at + size] + own for at, size, own in parts)[:90]
    found = Copies(corpus).check(text)
    longest, share = _twin(text, corpus)
    assert found.longest == longest
    assert abs(found.share - share) < 1e-12


def test_a_copy_is_wholly_copied_and_a_stranger_not_at_all() -> None:
    copies = Copies(CORPUS)
    assert copies.check(CORPUS[5:80]).longest == CORPUS[5:80]
    assert copies.check(CORPUS[5:80]).share == 1
    assert copies.check("ÄÖÜ" * 30).longest == ""
    assert copies.check("").share == 0


def test_astral_characters_and_surrogates_are_characters() -> None:
    copies = Copies("x\U0001f600\udc80" * 20)
    assert copies.check("\U0001f600\udc80x\U0001f600!").longest == "\U0001f600\udc80x\U0001f600"


@pytest.mark.parametrize("size", [3, 9, 15, 40])
def test_passages_of_a_long_corpus_are_found_wherever_they_stand(size: int) -> None:
    corpus = "".join(np.random.default_rng(1).choice([*"abcdefghijklmnop"], 600_000))
    copies = Copies(corpus)
    for place in (0, 123_456, (1 << 18) - 7, 1 << 18, (1 << 19) - 1, len(corpus) - size):
        passage = corpus[place : place + size]
        found = copies.check(f"\n{passage}\n{passage[::-1]}")
        assert found.longest in corpus
        assert len(found.longest) >= size
        if size > RUN:
            assert found.longest == passage
            assert found.share == size / (2 * size + 2)


def test_a_corpus_takes_the_memory_that_it_is_said_to() -> None:
    corpus = "".join(np.random.default_rng(2).choice([*"abcdefghijklmnop "], 3_000_000))
    Copies("abc").check("abc")  # what every corpus takes
    tracemalloc.start()
    copies = Copies(corpus)
    assert copies.check(corpus[7:30]).share == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * len(corpus) + (12 << 20)
