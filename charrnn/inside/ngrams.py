"""N-gram models: what the last few tokens alone tell about the next, by counting.

    models = NGrams(training_ids, vocab_size)
    models.log_probs(ids, places)    # of orders 1 to 8: (8, P)

An order-n model knows the n-1 tokens before. From each n-gram that was seen, a discount D is taken
and given to what the order below expects; that one counts not how often a token came, but after how
many different ones. With K different tokens seen after a context c, N in all:

    p(w | c) = (max(count(c, w) - D, 0) + D · K · p(w | c without its first token)) / N

Kneser and Ney, "Improved backing-off for m-gram language modeling", 1995, interpolated as in Chen
and Goodman, "An empirical study of smoothing techniques for language modeling", 1999.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Places, Reals

__all__ = ["ORDERS", "NGrams"]

ORDERS = 8

Codes = NDArray[np.uint64]  # of the n-grams of a text, by where each begins

# A token's code is random and an n-gram's is a polynomial of them, all modulo 2⁶⁴. Among millions
# of n-grams, the chance that any two share a code is below one in a hundred thousand.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class NGrams:
    """Models of orders 1 to `ORDERS`, counted in one text.

    Args:
        ids: (N,), the text; N at least 1.
        vocab_size: V.

    Attributes:
        orders: how many models there are; fewer if the text is too short.
    """

    def __init__(self, ids: NDArray[np.integer], vocab_size: int) -> None:
        self._tokens = np.random.default_rng(0).integers(0, 2**64, vocab_size, np.uint64)  # (V,)
        self._vocab_size = vocab_size
        self.orders = min(ORDERS, len(ids))
        codes = self._codes(ids)
        self._raw: list[Counts] = []  # for the highest order of a model
        self._lower: list[Counts] = []  # for those below
        for order in range(1, self.orders + 1):
            grams, contexts = codes[order], codes[order - 1]
            found, first, counts = np.unique(grams, return_index=True, return_counts=True)
            self._raw.append(_counts(found, contexts[first], counts))
            if order > 1:
                # The n-grams without their first token, each once for each different first token.
                self._lower.append(_lower_counts(codes[order - 1], codes[order - 2], first + 1))

    def _codes(self, ids: NDArray[np.integer]) -> list[Codes]:
        """The codes of all 0-grams, 1-grams, …: (N,), (N,), (N-1,) and so on."""
        tokens = self._tokens[ids]
        codes = [np.zeros(len(ids), np.uint64), tokens]
        for order in range(2, self.orders + 1):
            codes.append(codes[-1][:-1] * MULTIPLIER + tokens[order - 1 :])
        return codes

    def log_probs(self, ids: NDArray[np.integer], places: Places) -> Reals:
        """How likely each model finds some of a text's tokens, after those before them.

        Args:
            ids: (N,), the text.
            places: (P,), which tokens; each has at least `ORDERS` - 1 before it.

        Returns:
            log_probs: (n, P), in nats, of the models of order 1 to n.
        """
        codes = self._codes(ids)
        p = np.full(len(places), 1 / self._vocab_size)
        found = []
        for order in range(1, self.orders + 1):
            begins = places - order + 1
            grams, contexts = codes[order][begins], codes[order - 1][begins]
            found.append(np.log(self._raw[order - 1].smoothed(grams, contexts, p)))
            if order < self.orders:
                p = self._lower[order - 1].smoothed(grams, contexts, p)
        return np.stack(found)


class Table(NamedTuple):
    """Numbers by code.

    Attributes:
        codes: (K,), sorted.
        numbers: (n, K).
    """

    codes: Codes
    numbers: Reals

    def of(self, codes: Codes) -> Reals:
        """The numbers (n, P) for codes (P,); 0 for one that is not there."""
        at = self.codes.searchsorted(codes).clip(max=len(self.codes) - 1)
        found: Reals = self.numbers[:, at] * (self.codes[at] == codes)
        return found


class Counts(NamedTuple):
    """What is known of one order.

    Attributes:
        grams: the count of each n-gram.
        contexts: the count of all tokens after each context, and of different ones.
        discount: taken from the count of each n-gram.
    """

    grams: Table
    contexts: Table
    discount: float

    def smoothed(self, grams: Codes, contexts: Codes, below: Reals) -> Reals:
        """The probabilities (P,) of tokens, given those of the order below."""
        (count,), (total, kinds) = self.grams.of(grams), self.contexts.of(contexts)
        own = np.maximum(count - self.discount, 0) + self.discount * kinds * below
        return np.where(total > 0, own / np.maximum(total, 1), below)


def _counts(grams: Codes, contexts: Codes, counts: NDArray[np.integer]) -> Counts:
    """Counts of different n-grams, with their contexts."""
    before, which = np.unique(contexts, return_inverse=True)
    totals, kinds = np.bincount(which, counts), np.bincount(which).astype(np.float64)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    # Ney, Essen and Kneser's estimate; where all is frequent there is nothing to estimate it from.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    return Counts(
        Table(grams, counts.astype(np.float64)[None]),
        Table(before, np.stack([totals, kinds])),
        discount,
    )


def _lower_counts(grams: Codes, contexts: Codes, begins: Places) -> Counts:
    """After how many different tokens each n-gram came, given where one begins after each."""
    found, first, counts = np.unique(grams[begins], return_index=True, return_counts=True)
    return _counts(found, contexts[begins][first], counts)
