"""Random sources whose entropy is known: the limit of any model of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Markov"]


class Markov:
    """A text in which each character depends on the one before.

    Shannon, "A mathematical theory of communication", 1948, gives its entropy rate: the mean over
    its stationary distribution of the entropies of its rows.

    Args:
        characters: the alphabet.
        seed: of the transitions.
    """

    def __init__(self, characters: str, seed: int) -> None:
        self.characters = characters
        random = np.random.default_rng(seed)
        self.transitions = random.dirichlet(
            np.full(len(characters), 0.5), len(characters)
        )  # (V, V)

    @property
    def stationary(self) -> NDArray[np.float64]:
        """How often each character comes, in the long run: (V,)."""
        values, vectors = np.linalg.eig(self.transitions.T)
        vector = np.real(vectors[:, np.argmax(np.real(values))])
        shares: NDArray[np.float64] = vector / vector.sum()
        return shares

    @property
    def entropy(self) -> float:
        """Nats a character: what a model that knows the source would score."""
        rows = self.transitions
        each = -(rows * np.log(np.maximum(rows, 1e-300))).sum(1)
        return float(self.stationary @ each)

    def text(self, length: int, seed: int) -> str:
        """Characters drawn from the source."""
        sums = self.transitions.cumsum(1)
        now, drawn = 0, []
        for number in np.random.default_rng(seed).random(length):
            now = min(int(np.searchsorted(sums[now], number, "right")), len(sums) - 1)
            drawn.append(now)
        return "".join(self.characters[k] for k in drawn)

    def log_probs(self, text: str) -> NDArray[np.float64]:
        """The true log-probabilities of characters 2 to N."""
        ids = np.array([self.characters.index(c) for c in text])
        found: NDArray[np.float64] = np.log(self.transitions[ids[:-1], ids[1:]])
        return found
