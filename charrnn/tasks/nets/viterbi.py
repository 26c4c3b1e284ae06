"""The best sequence of tags that is legal: one tag for each word, and no I- but in its own span.

scores of parts (W, P) ──parts_of──▶ scores of tags (W, K) ──best_tags──▶ (W,)

Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm",
1967.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Logits
from charrnn.examples.tags import OUTSIDE

__all__ = ["best_tags", "parts_of", "tags_of_types"]


def tags_of_types(types: Sequence[str]) -> list[str]:
    """The K tags of some types of spans, in the order of their scores: O, B-a, I-a and so on."""
    return [OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]


def parts_of(tags: Sequence[str]) -> Floats:
    """Which parts each tag has, as ones in a matrix (P, K): O, B, I, then each type.

    What marks a first word is learnt from spans of all types, and what marks a type from all of
    its words.
    """
    types = dict.fromkeys(tag[2:] for tag in tags[1:])
    places = [[tag[0] == place for tag in tags] for place in "OBI"]
    kinds = [[tag != OUTSIDE and tag[2:] == kind for tag in tags] for kind in types]
    return np.array(places + kinds, np.float32)


def best_tags(scores: Logits) -> NDArray[np.intp]:
    """The legal tags of the highest sum.

    Args:
        scores: (W, K), of each tag for each word, as `tags_of_types` orders the tags.

    Returns:
        tags: (W,), the number of each; of equal sums the one with lower numbers at the end.
    """
    came_from = np.zeros(scores.shape, np.intp)
    total = np.zeros(scores.shape[1])  # (K,), of the best way to each tag
    total[2::2] = -np.inf  # nothing has begun before the first word
    for word, own in enumerate(scores):
        if word:
            begun, inside = total[1::2].copy(), total[2::2].copy()
            came_from[word] = total.argmax()
            came_from[word, 2::2] = np.arange(1, len(total), 2) + (inside > begun)
            total[:] = total.max()
            total[2::2] = np.maximum(begun, inside)
        total += own
    found = np.zeros(len(scores), np.intp)
    for word in reversed(range(len(scores))):
        found[word] = (
            total.argmax() if word + 1 == len(scores) else came_from[word + 1][found[word + 1]]
        )
    return found
