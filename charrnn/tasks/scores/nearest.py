"""The most similar of many texts: what a translator without a network would look up.

nearest = Nearest(known)
place = nearest.find(text)    # known[place] has most in common with it
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import code_points

__all__ = ["Nearest"]

Codes = NDArray[np.uint64]
EDGE = "\x03"  # stands at both ends of a text
BITS = np.uint64(21)  # of a code point


class Nearest:
    """Texts that are found by their pairs and triples of characters.

    Args:
        known: the texts; at least one.
    """

    def __init__(self, known: Sequence[str]) -> None:
        grams = [_grams(text) for text in known]
        self._sizes = np.array([len(own) for own in grams])  # (N,)
        codes, texts = np.concatenate(grams), np.arange(len(known), dtype=np.int32)
        order = np.argsort(codes, kind="stable")
        # The pairs and triples of all texts in order, and the text that each is of.
        self._codes, self._texts = codes[order], np.repeat(texts, self._sizes)[order]

    def find(self, text: str) -> int:
        """The number of the text that is most similar, the first of several.

        By Dice's coefficient: twice what two texts have in common, by what they have together.
        """
        own = _grams(text)
        begins, ends = (self._codes.searchsorted(own, side) for side in ("left", "right"))
        found = [self._texts[begin:end] for begin, end in zip(begins, ends, strict=True)]
        common = np.bincount(np.concatenate(found), minlength=len(self._sizes))
        return int((common / (self._sizes + len(own))).argmax())


def _grams(text: str) -> Codes:
    """The different pairs and triples of characters of a text, each as a number."""
    points = code_points(EDGE + text + EDGE).astype(np.uint64) + np.uint64(1)
    pairs = points[:-1] << BITS | points[1:]
    return np.unique(np.concatenate([pairs, pairs[:-1] << BITS | points[2:]]))
