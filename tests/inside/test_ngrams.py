"""N-gram models are those of the definition, and come close to a source that they can know."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest

from charrnn.inside.ngrams import ORDERS, NGrams
from tests.sources import Markov

V = 5
TRAINING = np.random.default_rng(1).integers(0, V - 1, 400)  # one token never comes
OTHER = np.random.default_rng(2).integers(0, V, 60)


def by_definition(text: list[int], order: int, context: tuple[int, ...], token: int) -> float:
    """The probability of a token as Chen and Goodman write it, from dictionaries."""

    @cache
    def counts(n: int, raw: bool) -> dict[tuple[int, ...], Counter[int]]:
        found: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        if raw:
            for j in range(len(text) - n + 1):
                found[tuple(text[j : j + n - 1])][text[j + n - 1]] += 1
        else:
            for longer in {tuple(text[j : j + n + 1]) for j in range(len(text) - n)}:
                found[longer[1:-1]][longer[-1]] += 1
        return found

    def p(n: int, raw: bool) -> float:
        if n == 0:
            return 1 / V
        all_counts = [c for followers in counts(n, raw).values() for c in followers.values()]
        once, twice = all_counts.count(1), all_counts.count(2)
        discount = once / (once + 2 * twice) if once and twice else 0.5
        followers = counts(n, raw).get(context[len(context) - n + 1 :], Counter())
        if not followers:
            return p(n - 1, False)
        own = max(followers[token] - discount, 0) + discount * len(followers) * p(n - 1, False)
        return own / sum(followers.values())

    return p(order, True)


def test_each_order_is_the_definition() -> None:
    places = np.arange(ORDERS - 1, len(OTHER))
    found = NGrams(TRAINING, V).log_probs(OTHER, places)
    assert found.shape == (ORDERS, len(places))
    for order in range(1, ORDERS + 1):
        for place in (7, 20, 41, 59):
            context = tuple(OTHER[place - order + 1 : place].tolist())
            expected = by_definition(TRAINING.tolist(), order, context, int(OTHER[place]))
            assert np.exp(found[order - 1, place - 7]) == pytest.approx(expected), (order, place)


def test_probabilities_add_up_to_one() -> None:
    models = NGrams(TRAINING, V)
    for context in (TRAINING[50 : 50 + ORDERS - 1], OTHER[: ORDERS - 1]):
        texts = [np.append(context, token) for token in range(V)]
        each = [models.log_probs(text, np.array([ORDERS - 1]))[:, 0] for text in texts]
        np.testing.assert_allclose(np.exp(each).sum(0), 1)


@pytest.mark.parametrize("length", [1, 3])
def test_a_text_shorter_than_the_orders_makes_fewer_models(length: int) -> None:
    found = NGrams(TRAINING[:length], V).log_probs(OTHER, np.array([30]))
    assert found.shape == (length, 1)
    assert np.isfinite(found).all()


def test_the_order_of_a_source_suffices_to_predict_it() -> None:
    source = Markov("abcdef", seed=3)
    known, other = (
        np.array([source.characters.index(c) for c in source.text(20_000, seed)]) for seed in (1, 2)
    )
    places = np.arange(ORDERS, len(other))
    first, second, third, *_ = -NGrams(known, 6).log_probs(other, places).mean(1)
    assert first > second + 0.3
    assert second == pytest.approx(source.entropy, abs=0.01)
    assert second - 0.01 < third < second + 0.02, "longer contexts tell nothing more"
