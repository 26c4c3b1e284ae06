"""Records as token ids: all of a list in one array, and where each record stands in it.

    ids: END r r r END r r END …  ──Records──▶ windows (B, T+1) of the records that are wanted

A record is read from the end of the one before it, with an empty state: END r r r predicts
r r r END. So a model learns how records begin, and that they end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids

__all__ = ["PAD", "EncodedText", "Records", "beginning", "entropy", "holds", "shuffled", "sides"]

PAD = -100  # in place of a token that is not there; PyTorch's losses leave it out
CHUNK = 1 << 22  # ids that are looked through at a time
ROWS = 1 << 16  # records whose places are numbers of Python at a time
PARTS, PART = 64, 1 << 14  # ids from all over a text that tell how often each comes
VALIDATION = 0x76616C  # in the key of the random numbers that choose what validates


class Records:
    """Some of the records of a list.

    Args:
        ids: (N,), the whole list, which may be mapped from a file: END before and after each.
        begins: (K,), where the END before each record stands.
        lengths: (K,), how many tokens of each are predicted: its own, and END.
    """

    def __init__(
        self, ids: NDArray[np.integer], begins: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        self.ids = ids
        self.begins = begins
        self.lengths = lengths

    @classmethod
    def of(cls, ids: NDArray[np.integer], end: int) -> Records:
        """All records of a list whose END has the id `end`."""
        parts = range(0, len(ids), CHUNK)
        places = [np.flatnonzero(ids[first : first + CHUNK] == end) + first for first in parts]
        ends = np.concatenate(places).astype(np.int64)
        return cls(ids, ends[:-1], np.diff(ends))

    @property
    def count(self) -> int:
        """K, how many there are."""
        return len(self.lengths)

    @cached_property
    def size(self) -> int:
        """How many tokens are predicted."""
        return int(self.lengths.sum())

    def chosen(self, rows: NDArray[np.integer] | slice) -> Records:
        """The records with these indices."""
        return Records(self.ids, self.begins[rows], self.lengths[rows])

    def windows(self, rows: NDArray[np.integer], first: int, width: int) -> NDArray[np.int64]:
        """What is read of some records: (B, T+1), `PAD` after the end of each.

        Args:
            rows: (B,), their indices.
            first: tokens of each that were read before.
            width: T.
        """
        times = first + np.arange(width + 1)  # (T+1,)
        there = times <= self.lengths[rows][:, None]  # (B, T+1)
        found = self.ids.take(self.begins[rows][:, None] + times, mode="clip")
        return np.where(there, found.astype(np.int64), PAD)

    def targets(self) -> Ids:
        """All tokens that are predicted, record after record: (N,)."""
        before = np.cumsum(self.lengths) - self.lengths  # tokens of the records before each
        places = np.repeat(self.begins + 1 - before, self.lengths) + np.arange(self.size)
        found: Ids = self.ids[places].astype(np.int32)
        return found

    def written(self) -> Ids:
        """All tokens one after the other, an end before and after each record: (N+1,)."""
        return np.concatenate([self.ids[self.begins[:1]].astype(np.int32), self.targets()])

    @cached_property
    def _kinds(self) -> NDArray[np.int64]:
        """For each record (K,), the number of its content; equal records share it.

        Contents are numbered in order of first appearance.
        """
        contents = np.fromiter(map(hash, self._contents()), np.int64, self.count)
        _, first, kinds = np.unique(contents, return_index=True, return_inverse=True)
        del contents
        numbers = np.empty(len(first), np.int64)
        numbers[first.argsort()] = np.arange(len(first))
        return numbers[kinds]

    def _contents(self) -> Iterator[bytes]:
        for row in range(0, self.count, ROWS):
            begins, lengths = (part[row : row + ROWS] for part in (self.begins, self.lengths))
            for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True):
                yield self.ids[begin + 1 : begin + length].tobytes()

    @cached_property
    def distinct(self) -> int:
        """How many distinct records there are."""
        return int(self._kinds.max(initial=-1)) + 1

    def shared_with(self, others: Records) -> int:
        """How many of these are also in another list of the same vocabulary."""
        theirs = set(map(hash, others._contents()))
        return sum(hash(one) in theirs for one in self._contents())

    def split(self, training: int, seed: int) -> tuple[Records, Records]:
        """Records for training and for validation, drawn from all over the list.

        Equal records are on the same side: none is validated that was trained on.

        Args:
            training: how many distinct ones are for training.
            seed: equal seeds draw the same.
        """
        train, validation = sides(self._kinds, shuffled(self.distinct, seed)[training:])
        return self.chosen(train), self.chosen(validation)


EncodedText = NDArray[np.integer] | Records  # a text as token ids: a story (N,), or a list


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """The indices of distinct records or examples, in the order in which they are dealt out."""
    return np.random.default_rng((seed, VALIDATION)).permutation(count)


def sides(
    kinds: NDArray[np.integer], validating: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices for training, and for validation; equal ones are on one side.

    Args:
        kinds: (N,), which of the distinct ones each is.
        validating: those of the distinct ones that validate.
    """
    validates = np.isin(kinds, validating)  # (N,)
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def beginning(text: EncodedText, tokens: int) -> EncodedText:
    """The first tokens of a text: about so many, where records are not cut."""
    if isinstance(text, Records):
        return text.chosen(slice(0, math.ceil(tokens / max(text.size / text.count, 1))))
    return text[:tokens]


def holds(story: NDArray[np.integer], part: NDArray[np.integer]) -> bool:
    """Whether all of a story stands within another, whose ids are of the same type."""
    wanted, size = part.tobytes(), part.itemsize
    # No shorter than `part`, all of which is looked for again in each, and copied with it.
    chunk = max(CHUNK, len(part))
    for first in range(0, len(story) - len(part) + 1, chunk):
        some = story[first : first + chunk + len(part) - 1].tobytes()
        place = some.find(wanted)
        while place > 0 and place % size:  # parts of two ids look like one
            place = some.find(wanted, place + 1)
        if place >= 0:
            return True
    return False


def entropy(text: EncodedText) -> float:
    """The entropy of the token frequencies, in nats per token; estimated from parts of the text."""
    ids = text.ids if isinstance(text, Records) else text
    firsts = range(0, len(ids), max(len(ids) // PARTS, PART))
    parts = [ids[first : first + PART] for first in firsts]
    _, counts = np.unique(np.concatenate(parts), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())
