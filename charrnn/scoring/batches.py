"""Texts of different lengths, read side by side with those of like length.

rows, ids (N,) each ──alike──▶ places (B,) ──side_by_side──▶ ids (B, T), lengths (B,)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids

__all__ = ["BLOCK", "Batch", "alike", "blocks", "groups", "places_alike"]

BLOCK = 4096  # lines that are sorted by length together
ROWS = 128  # lines that are read side by side
TOKENS_AT_ONCE = 1 << 14  # tokens that are read side by side; see NOTES.md
SHORT = 64  # tokens; padding to so many takes less time than another batch

# Rows that are read side by side: which they are (B,), their ids (B, T), their lengths (B,).
Batch = tuple[NDArray[np.intp], Ids, NDArray[np.intp]]


def blocks(lines: Iterable[Ids]) -> Iterator[list[Batch]]:
    """Lines as batches of about equal lengths, block by block.

    Args:
        lines: the ids (N,) of each, N at least 1.

    Yields:
        batches: of one block of lines: which lines these are (B,), counted from the first of the
            block; their ids (B, T), with 0 after the end of a line; their lengths (B,).
    """
    source = iter(lines)
    while block := list(islice(source, BLOCK)):
        yield [_side_by_side(block, places) for places in alike(_lengths(block), ROWS)]


def groups(rows: Sequence[Ids], tokens: int = TOKENS_AT_ONCE) -> list[Batch]:
    """Rows of like length side by side, see `places_alike`."""
    return [_side_by_side(rows, places) for places in places_alike(rows, tokens)]


def places_alike(rows: Sequence[Ids], tokens: int = TOKENS_AT_ONCE) -> Iterator[NDArray[np.intp]]:
    """Which rows to read side by side: those of like length, so that little of it is padding.

    Args:
        rows: ids (N,) each.
        tokens: how many are side by side at most, unless a row has more.

    Yields:
        places: (B,).
    """
    lengths = _lengths(rows)
    for like in alike(lengths, len(rows)):
        at_once = max(1, tokens // int(lengths[like[-1]]))
        yield from (like[k : k + at_once] for k in range(0, len(like), at_once))


def alike(lengths: NDArray[np.integer], most: int) -> Iterator[NDArray[np.intp]]:
    """Which sequences to read side by side, so that little of what is read is padding.

    Args:
        lengths: (N,), in tokens.
        most: how many are read side by side.

    Yields:
        rows: (B,), shorter sequences first. None is over twice as long as another, unless both are
            short.
    """
    order = np.argsort(lengths, kind="stable")
    ordered, start = lengths[order], 0
    while start < len(order):
        longest = max(2 * int(ordered[start]), SHORT)
        end = min(start + most, int(np.searchsorted(ordered, longest, "right")))
        yield order[start:end]
        start = end


def _lengths(rows: Sequence[Ids]) -> NDArray[np.int64]:
    return np.array([len(row) for row in rows], np.int64)


def _side_by_side(rows: Sequence[Ids], places: NDArray[np.intp]) -> Batch:
    """Those of some rows that stand at `places` (B,), with 0 past the end of each."""
    lengths = _lengths([rows[place] for place in places])
    ids = np.zeros((len(places), lengths.max()), np.int32)
    for number, place in enumerate(places):
        ids[number, : lengths[number]] = rows[place]
    return places, ids, lengths
