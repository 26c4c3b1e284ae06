"""How sure a tagger must be: what to take off the scores of O and of each type.

scores (W, K), right tags (W,) ──thresholds──▶ offsets of parts (P,)

Where texts come from elsewhere than those that were learnt from, a model is too sure of O, and of
some types more than of others. Texts that are like those it will read tell by how much.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Logits
from charrnn.tasks.nets.viterbi import parts_of

__all__ = ["thresholds"]

# What is tried: offsets are of log-probabilities.
LIMIT = 3.0
VALUES = np.linspace(-LIMIT, LIMIT, 25)
ROUNDS = 3
# How many more spans an offset of 1 has to bring, as F1 counts them: a few spans find one that does
# by chance, and then new texts are marked worse than before. See benchmarks/NOTES.md.
PRICE = 5.0


def thresholds(
    scores: Sequence[Logits], right: Sequence[NDArray[np.int64]], tags: Sequence[str]
) -> Generator[None, None, Floats]:
    """What to take off the scores of parts so that the F1 of spans is higher.

    One offset after the other is set to what is best while the others stay. Sequences are not
    searched for the best legal one here: an I- that continues nothing begins a span.

    Args:
        scores: (W, K) of each text, of each tag for each word.
        right: (W,) of each text, the numbers of its tags.
        tags: the K tags, as `tags_of_types` makes them.

    Yields:
        after each that was chosen, so that the caller can do something else in between.

    Returns:
        offsets: (P,), as `parts_of` orders the parts; only those of O and of types differ from 0.
    """
    parts = parts_of(tags)  # (P, K)
    offsets = np.zeros(len(parts), np.float32)
    all_scores = np.concatenate(scores)  # (W, K)
    firsts = np.concatenate([np.arange(len(own)) == 0 for own in right])  # (W,)
    there = _spans(np.concatenate(right), firsts)
    # All others are O, whatever the offsets.
    near = np.flatnonzero(all_scores[:, 1:].max(-1) > all_scores[:, 0] - 2 * LIMIT)
    close, said = all_scores[near], np.zeros(len(all_scores), np.int64)

    def worth(part: int, own: NDArray[np.intp], rest: _Rest, value: float) -> tuple[float, float]:
        tried = offsets.copy()
        tried[part] = value
        said[near] = rest.beside(own, close[:, own] - np.float32(value))
        spans = _f1(_spans(said, firsts), there) * there.number
        return spans - PRICE * float(np.abs(tried).sum()), -abs(value)

    for _ in range(ROUNDS):
        before = offsets.copy()
        for part in (0, *range(3, len(parts))):
            own = np.flatnonzero(parts[part])  # (T,), its tags, which no other offset moves
            others = close - offsets @ parts  # (N, K)
            others[:, own] = -np.inf
            rest = _Rest(others.argmax(-1), others.max(-1))
            offsets[part] = max(VALUES, key=lambda value: worth(part, own, rest, value))
            yield
        if (offsets == before).all():
            break
    return offsets


class _Rest(NamedTuple):
    """Of each word (N,) the best of the tags that stay as they are, and its score."""

    tags: NDArray[np.intp]
    scores: Logits

    def beside(self, own: NDArray[np.intp], scores: Logits) -> NDArray[np.intp]:
        """The best of all tags (N,), of equal ones the first, where `own` (T,) have `scores`."""
        first, best = own[scores.argmax(-1)], scores.max(-1)
        wins = (best > self.scores) | ((best == self.scores) & (first < self.tags))
        return np.where(wins, first, self.tags)


class _Spans(NamedTuple):
    """Spans of words: of each word (W,) whether one begins with it, and that one's end and type."""

    begins: NDArray[np.bool_]
    ends: NDArray[np.int64]
    types: NDArray[np.int64]

    @property
    def number(self) -> int:
        return int(self.begins.sum())


def _spans(tags: NDArray[np.int64], firsts: NDArray[np.bool_]) -> _Spans:
    """The spans of tags (W,): 0 for O, then B- and I- of each type in turn."""
    types = (tags + 1) // 2  # 0 outside
    before = np.where(firsts, 0, np.roll(types, 1))
    begins = (types > 0) & ((tags % 2 == 1) | (types != before))
    stops = begins | (types == 0)
    places = np.where(stops, np.arange(len(tags)), len(tags))
    following = np.append(places[1:], len(tags))
    ends = np.minimum.accumulate(following[::-1])[::-1]
    return _Spans(begins, ends, types)


def _f1(found: _Spans, there: _Spans) -> float:
    same = (found.ends == there.ends) & (found.types == there.types)
    right = int((found.begins & there.begins & same).sum())
    return 2 * right / max(found.number + there.number, 1)
