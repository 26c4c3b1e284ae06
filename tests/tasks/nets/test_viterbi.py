"""The best legal tags, beside trying all."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise, product

import numpy as np
import pytest

from charrnn.tasks.nets.viterbi import best_tags, parts_of, tags_of_types

TAGS = tags_of_types(["x", "y"])


def is_legal(tags: tuple[str, ...]) -> bool:
    return all(
        not tag.startswith("I-") or before[2:] == tag[2:] for before, tag in pairwise(("O", *tags))
    )


def test_the_tags_of_types() -> None:
    assert TAGS == ["O", "B-x", "I-x", "B-y", "I-y"]
    assert tags_of_types([]) == ["O"]


def test_a_tag_is_the_sum_of_its_parts() -> None:
    """Also where a type is called as a place is."""
    for types in (["x", "y"], ["B", "O"]):
        scores = np.array([1, 20, 300, 4_000, 50_000]) @ parts_of(tags_of_types(types))
        assert scores.tolist() == [1, 4_020, 4_300, 50_020, 50_300]
    assert parts_of(["O"]).tolist() == [[1], [0], [0]]


def by_all_pairs(scores: np.ndarray) -> list[int]:
    """The best legal tags, by looking at all tags before each; of equal sums as `best_tags`."""
    may_follow = [[is_legal((f"B-{b[2:]}", t)) for t in TAGS] for b in TAGS]
    steps = np.where(may_follow, 0.0, -np.inf)
    total = np.where([t.startswith("I-") for t in TAGS], -np.inf, 0.0) + scores[0]
    came_from = []
    for own in scores[1:]:
        ways = total[:, None] + steps
        came_from.append(ways.argmax(0))
        total = ways.max(0) + own
    found = [int(total.argmax())]
    for before in reversed(came_from):
        found.insert(0, int(before[found[0]]))
    return found


def test_of_equal_sums_the_one_with_lower_numbers_at_the_end_is_found() -> None:
    """Scores of few values, so that many sums are equal."""
    random = np.random.default_rng(0)
    for _ in range(300):
        scores = random.integers(0, 3, (random.integers(1, 8), 5)).astype(np.float32)
        assert best_tags(scores).tolist() == by_all_pairs(scores)


def test_hundreds_of_types_take_no_more_memory_than_their_scores() -> None:
    """What may follow what was a matrix, which each word was compared with: minutes for a text."""
    scores = np.zeros((4, 1601), np.float32)
    tracemalloc.start()
    try:
        assert not best_tags(scores).any()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
def test_it_is_the_best_of_all(words: int) -> None:
    random = np.random.default_rng(words)
    numbers = {tag: k for k, tag in enumerate(TAGS)}
    legal = [tags for tags in product(TAGS, repeat=words) if is_legal(tags)]
    for _ in range(20):
        scores = random.normal(size=(words, 5)).astype(np.float32)
        scores[:, 2] += 1  # so that the best of each word alone would often be illegal

        def total(tags: tuple[str, ...], scores: np.ndarray = scores) -> float:
            return float(sum(scores[w, numbers[tag]] for w, tag in enumerate(tags)))

        found = tuple(TAGS[k] for k in best_tags(scores))
        assert is_legal(found)
        assert total(found) == pytest.approx(max(map(total, legal)), abs=1e-5)


def test_no_words_have_no_tags() -> None:
    assert best_tags(np.zeros((0, 5), np.float32)).tolist() == []
