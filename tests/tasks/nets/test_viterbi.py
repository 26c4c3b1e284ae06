"""The best legal tags, beside trying all."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from charrnn.tasks.nets.viterbi import allowed, best_tags, parts_of, tags_of_types

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


def test_what_may_follow_what() -> None:
    may = allowed(TAGS)
    assert may.shape == (6, 5)
    for before, after in product(range(1, 5), range(5)):
        begun = f"B-{TAGS[before][2:]}"
        assert may[before, after] == is_legal((begun, TAGS[after]))
    assert may[5].tolist() == may[0].tolist() == [True, True, False, True, False]


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

        found = tuple(TAGS[k] for k in best_tags(scores, allowed(TAGS)))
        assert is_legal(found)
        assert total(found) == pytest.approx(max(map(total, legal)), abs=1e-5)


def test_no_words_have_no_tags() -> None:
    assert best_tags(np.zeros((0, 5), np.float32), allowed(TAGS)).tolist() == []
