"""Edits counted against the plain table, and the most similar text against all."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from charrnn.tasks.scores.edits import character_error_rate, edit_distance, exact_match
from charrnn.tasks.scores.nearest import Nearest


def by_table(one: str, other: str) -> int:
    above = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        here = [row]
        for k, found in enumerate(other):
            here.append(min(above[k + 1] + 1, here[k] + 1, above[k] + (character != found)))
        above = here
    return above[-1]


def test_distances_of_all_short_texts() -> None:
    texts = ["".join(letters) for size in range(5) for letters in product("ab", repeat=size)]
    for one, other in product(texts, texts):
        assert edit_distance(one, other) == by_table(one, other)


def test_distances_of_long_texts() -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        one, other = (
            "".join(random.choice(list("abcé"), random.integers(0, 150))) for _ in range(2)
        )
        assert edit_distance(one, other) == by_table(one, other)


def test_rates_by_hand() -> None:
    answers, targets = ["abc", "", "xyz!"], ["abd", "ab", "xyz"]
    assert character_error_rate(answers, targets) == (1 + 2 + 1) / 8
    assert exact_match(["a", "b", "c"], ["a", "b", "d"]) == pytest.approx(2 / 3)


def grams(text: str) -> set[str]:
    edged = f"<{text}>"
    return {edged[k : k + size] for size in (2, 3) for k in range(len(edged) - size + 1)}


def test_the_nearest_is_that_with_most_in_common() -> None:
    random = np.random.default_rng(1)
    known = ["".join(random.choice(list("abc"), random.integers(1, 9))) for _ in range(50)]
    nearest = Nearest(known)
    for _ in range(50):
        text = "".join(random.choice(list("abcd"), random.integers(0, 9)))
        own = grams(text)
        shares = [2 * len(own & grams(k)) / (len(own) + len(grams(k))) for k in known]
        assert shares[nearest.find(text)] == pytest.approx(max(shares))
    assert nearest.find(known[7]) == known.index(known[7])
