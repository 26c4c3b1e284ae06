"""How much of a text is copied from a corpus.

Windows of both are compared by their hashes, polynomials modulo 2⁶⁴ (Karp and Rabin, "Efficient
randomized pattern-matching algorithms", 1987). Those of the corpus are first looked up by their
first few characters, in a table that is made once.
"""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import code_points

__all__ = ["RUN", "Copies", "Novelty"]

RUN = 20  # characters; shorter passages are equal by chance

BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse
INVERSE = pow(BASE, -1, 2**64)
SEED = 10  # characters by which windows of the corpus are looked up
BITS = 4  # that are kept of each: more characters tell more than more bits
CHUNK = 1 << 18  # characters or windows at a time, so that little memory is taken beside


class Novelty(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a text is also in the corpus.

    Attributes:
        longest: the longest passage that is; the first of several.
        share: the part of its characters that lie in copied passages of `RUN` or more.
    """

    longest: str
    share: float


def _scrambled(text: str) -> NDArray[np.uint64]:
    """A number for each character: (N,)."""
    codes = (code_points(text).astype(np.uint64) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    codes ^= codes >> np.uint64(29)
    return codes


@cache
def _first_powers(base: int) -> NDArray[np.uint64]:
    """The first 2¹⁶ powers of `base`."""
    powers = np.full(1 << 16, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, out=powers)


def _powers(base: int, exponents: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Powers of `base`, of exponents below 2³²; to keep them all takes as much as the hashes."""
    low, high = _first_powers(base), _first_powers(pow(base, 1 << 16, 2**64))
    found: NDArray[np.uint64] = low[exponents & 0xFFFF] * high[exponents >> 16]
    return found


class _Hashes:
    """The hashes of all windows of a text, of any length."""

    def __init__(self, text: str) -> None:
        self.size = len(text)
        self.sums = np.zeros(self.size + 1, np.uint64)  # sums of code × power, up to each place
        for first in range(0, self.size, CHUNK):
            codes = _scrambled(text[first : first + CHUNK])
            codes *= _powers(BASE, np.arange(first, first + len(codes)))
            sums = self.sums[first : first + len(codes) + 1]
            sums[1:] = sums[0] + codes.cumsum()

    def at(self, starts: NDArray[np.intp], length: int) -> NDArray[np.uint64]:
        """The hashes of the windows of `length` at `starts`, but those that reach past the end."""
        starts = starts[starts <= self.size - length]
        return (self.sums[starts + length] - self.sums[starts]) * _powers(INVERSE, starts)

    def windows(self, length: int) -> NDArray[np.uint64]:
        """The hashes of all windows of `length`."""
        return self.at(np.arange(self.size), length)


def _keys(text: str, first: int, count: int) -> NDArray[np.uint64]:
    """The keys of the windows that begin at `count` places of a text from `first` on.

    A key begins, from its highest bit on, with `BITS` bits of each of the window's first `SEED`
    characters; equal windows have equal ones.
    """
    codes = _scrambled(text[first : first + count + SEED - 1]) >> np.uint64(64 - BITS)
    codes = np.pad(codes, (0, count + SEED - 1 - len(codes)))
    keys = np.zeros(count, np.uint64)
    for place in range(SEED):
        keys <<= np.uint64(BITS)
        keys |= codes[place : place + count]
    return keys << np.uint64(64 - BITS * SEED)


class _Places:
    """Where in a text windows may be, by their first characters.

    The keys of all places, sorted, with the places in their lowest bits.
    """

    def __init__(self, text: str) -> None:
        size = len(text)
        self.bits = size.bit_length()  # of a place
        self.mask = np.uint64((1 << self.bits) - 1)
        self.table = np.empty(size, np.uint64)
        for first in range(0, size, CHUNK):
            part = self.table[first : first + CHUNK]
            part[:] = _keys(text, first, len(part)) & ~self.mask
            part |= np.arange(first, first + len(part), dtype=np.uint64)
        self.table.sort()

    def of(self, text: str, length: int) -> NDArray[np.intp]:
        """All places where windows of `length` of another text may be: their hashes tell."""
        unread = np.uint64(max(64 - BITS * min(length, SEED), self.bits))
        keys = _keys(text, 0, len(text) - length + 1) >> unread
        keys = np.unique(keys) << unread
        begins = np.searchsorted(self.table, keys)
        ends = np.searchsorted(self.table, keys | np.uint64((1 << int(unread)) - 1), "right")
        found = [self.table[begin:end] for begin, end in zip(begins, ends, strict=True)]
        return (np.concatenate(found) & self.mask).astype(np.intp, copy=False)


class Copies:
    """Finds what is copied from a corpus.

    Args:
        corpus: the text to compare with; takes about 16 bytes of memory per character, and more
            for a while where it repeats itself all through.
    """

    @checked
    def __init__(self, corpus: str) -> None:
        self.corpus = _Hashes(corpus)
        self.places = _Places(corpus)

    @checked
    def check(self, text: str) -> Novelty:
        """How much of `text` is also in the corpus."""
        if not text:
            return Novelty(longest="", share=0.0)
        own = _Hashes(text)
        length = min(RUN, own.size)
        copied, places = self._copied(own, length, self.places.of(text, length))
        covered = np.zeros(own.size + 1, np.intp)
        np.add.at(covered, copied, 1)
        np.add.at(covered, np.minimum(copied + RUN, own.size), -1)
        share = (covered[:-1].cumsum() > 0).mean() if own.size >= RUN else 0.0
        # Binary search: passages of length `low` are copied, none of length `high` is.
        low, high, best = 0, length, 0
        if len(copied):
            low, high, best = length, own.size + 1, int(copied[0])
        while high - low > 1:
            middle = (low + high) // 2
            among = places if len(copied) else self.places.of(text, middle)
            found, _ = self._copied(own, middle, among)
            if len(found):
                low, best = middle, int(found[0])
            else:
                high = middle
        return Novelty(longest=text[best : best + low], share=float(share))

    def _copied(
        self, own: _Hashes, length: int, places: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the copied windows of `length` begin in the text, and where in the corpus.

        Only the windows of the corpus that begin at `places` are compared.
        """
        wanted = own.windows(length)
        ordered = np.sort(wanted)
        copied, found = [np.zeros(0, np.uint64)], [np.zeros(0, np.intp)]
        for first in range(0, len(places), CHUNK):
            some = places[first : first + CHUNK]
            some = some[some <= self.corpus.size - length]
            there = self.corpus.at(some, length)
            at = np.searchsorted(ordered, there).clip(max=len(ordered) - 1)
            hit = ordered[at] == there
            copied.append(np.unique(there[hit]))
            found.append(some[hit])
        return np.flatnonzero(np.isin(wanted, np.concatenate(copied))), np.concatenate(found)
