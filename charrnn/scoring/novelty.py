"""How much of a text is copied from a corpus.

All windows of both are compared at once by their hashes, polynomials modulo 2⁶⁴ (Karp and Rabin,
"Efficient randomized pattern-matching algorithms", 1987).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import code_points

__all__ = ["RUN", "Copies", "Novelty"]

RUN = 20  # characters; shorter passages are equal by chance

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


class Novelty(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a text is also in the corpus.

    Attributes:
        longest: the longest passage that is; the first of several.
        share: the part of its characters that lie in copied passages of `RUN` or more.
    """

    longest: str
    share: float


class _Hashes:
    """The hashes of all windows of a text, of any length."""

    def __init__(self, text: str) -> None:
        codes = code_points(text).astype(np.uint64)
        self.size = len(codes)
        powers = np.full(self.size, BASE)
        powers[:1] = 1
        np.cumprod(powers, out=powers)
        codes = (codes + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
        codes ^= codes >> np.uint64(29)
        self.sums = np.zeros(self.size + 1, np.uint64)  # sums of code × power, up to each place
        np.cumsum(codes * powers, out=self.sums[1:])
        powers[1:] = INVERSE
        np.cumprod(powers, out=powers)
        self.shifts = powers

    def at(self, starts: NDArray[np.intp], length: int) -> NDArray[np.uint64]:
        """The hashes of the windows of `length` at `starts`, but those that reach past the end."""
        starts = starts[starts <= self.size - length]
        return (self.sums[starts + length] - self.sums[starts]) * self.shifts[starts]

    def windows(self, length: int) -> NDArray[np.uint64]:
        """The hashes of all windows of `length`."""
        count = max(self.size - length + 1, 0)
        return (self.sums[length:] - self.sums[:count]) * self.shifts[:count]


class Copies:
    """Finds what is copied from a corpus.

    Args:
        corpus: the text to compare with; takes about 25 bytes of memory per character.
    """

    @checked
    def __init__(self, corpus: str) -> None:
        self.corpus = _Hashes(corpus)

    @checked
    def check(self, text: str) -> Novelty:
        """How much of `text` is also in the corpus."""
        if not text:
            return Novelty(longest="", share=0.0)
        own = _Hashes(text)
        length = min(RUN, own.size)
        copied, places = self._copied(own, length, None)
        covered = np.zeros(own.size + 1, np.intp)
        np.add.at(covered, copied, 1)
        np.add.at(covered, np.minimum(copied + RUN, own.size), -1)
        share = (covered[:-1].cumsum() > 0).mean() if own.size >= RUN else 0.0
        # Binary search: passages of length `low` are copied, none of length `high` is.
        low, high, best = 0, length, 0
        if len(copied):
            low, high, best = length, own.size + 1, int(copied[0])
        among = places if len(copied) else None
        while high - low > 1:
            middle = (low + high) // 2
            found, _ = self._copied(own, middle, among)
            if len(found):
                low, best = middle, int(found[0])
            else:
                high = middle
        return Novelty(longest=text[best : best + low], share=float(share))

    def _copied(
        self, own: _Hashes, length: int, places: NDArray[np.intp] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the copied windows of `length` begin in the text, and where in the corpus.

        If `places` are given, only the windows of the corpus that begin there are compared.
        """
        wanted = own.windows(length)
        if places is None:
            places = np.arange(max(self.corpus.size - length + 1, 0))
            there = self.corpus.windows(length)
        else:
            places = places[places <= self.corpus.size - length]
            there = self.corpus.at(places, length)
        if not len(wanted) or not len(there):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        ordered = np.sort(wanted)
        at = np.searchsorted(ordered, there).clip(max=len(ordered) - 1)
        hit = ordered[at] == there
        return np.flatnonzero(np.isin(wanted, there[hit])), places[hit]
