"""What is in a text wherever it stands: its n-grams of characters, its words and pairs of words.

found = grams(ids, lengths, letters, 1 << 17)    # of B texts: rows of a table (N, K)
found = grams_of_words(ids, edges, 1 << 17)      # of W words
added = summed(found, table)                     # (B, K) or (W, K)

A hash says which row is an n-gram's, so the table needs no list of them; some n-grams share a row.
Weinberger et al., "Feature hashing for large scale multitask learning", 2009. Beside a network that
reads the text in its order, as in Cheng et al., "Wide & deep learning for recommender systems",
2016. The hash is a part of the folder's format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, product
from charrnn.text.tokenizer import CharTokenizer

__all__ = ["Grams", "grams", "grams_of_words", "letters_of", "rows_for", "summed"]

ORDERS = range(1, 6)  # characters of an n-gram: most syllables, endings and short words
# Rows of the table, weights in it at most, and rows at least: fewer would be shared by too many.
ROWS, WEIGHTS, LEAST = 1 << 17, 1 << 20, 1 << 10

Codes = NDArray[np.uint64]
# Polynomials of the ids modulo 2⁶⁴, whose upper bits are taken after another product: Knuth, "The
# art of computer programming", volume 3, 6.4. Both factors are odd and of no other meaning.
BASE, MIXED = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


class Grams(NamedTuple):
    """The n-grams of B texts or words, those of each together.

    Attributes:
        rows: (M,), of the table.
        starts: (B,), where those of each begin.
        shares: (M,), how much each counts. Every kind counts alike, however many there are of it;
            what is there n times as often counts √n times as much.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    shares: Floats


def rows_for(classes: int) -> int:
    """N, the rows of a table for K classes, a power of two; 0 if there are too many classes."""
    rows = 1 << (WEIGHTS // classes).bit_length() >> 1
    return min(rows, ROWS) if rows >= LEAST else 0


def letters_of(tokenizer: CharTokenizer) -> NDArray[np.bool_]:
    """Which ids are of letters, the marks on them, or digits, of which words are made: (V,).

    Python's tables of Unicode say so. A newer Python may take a character that was not yet in them
    for a letter, and its words then have other rows.
    """
    found = [one.isalnum() or category(one).startswith("M") for one in tokenizer.characters]
    return np.array([*found, False])  # the last is END


def grams(
    ids: NDArray[np.integer], lengths: NDArray[np.integer], letters: NDArray[np.bool_], rows: int
) -> Grams:
    """Find the n-grams of B texts.

    Args:
        ids: (S,), of all texts, one after the other, each between two ends.
        lengths: (B,), of each.
        letters: see `letters_of`.
        rows: N, of the table.
    """
    texts = np.repeat(np.arange(len(lengths)), lengths)  # (S,), to which each id belongs
    kinds = [*_of_characters(ids, texts), *_of_words(ids, texts, letters)]
    return _together(kinds, len(lengths), rows)


def grams_of_words(ids: NDArray[np.integer], edges: NDArray[np.integer], rows: int) -> Grams:
    """Find the n-grams of W words, each with the character before it and that after it.

    Args:
        ids: (S,), of texts, one after the other, each between two ends.
        edges: (W, 2), of each word its first character, and that after its last.
        rows: N, of the table.
    """
    first, end = edges.T
    _, places = _places(first, end)
    whole = _polynomials(ids[places], end - first)
    around, wide = _places(first - 1, end + 1)
    kinds = [*_of_characters(ids[wide], around), (whole, np.arange(len(edges)))]
    return _together(kinds, len(edges), rows)


def _together(kinds: Sequence[tuple[Codes, NDArray[np.integer]]], count: int, rows: int) -> Grams:
    """N-grams of several kinds, each kind's codes with the numbers of the texts that have them.

    Args:
        kinds: of n-grams.
        count: B, how many texts there are.
        rows: N, of the table.
    """
    shift = np.uint64(65 - rows.bit_length())
    codes, places, shares = [], [], []
    for number, (code, where) in enumerate(kinds, 1):
        counts = np.bincount(where, minlength=count)
        codes.append((code * BASE + np.uint64(number)) * MIXED >> shift)
        places.append(where)
        shares.append((1 / np.sqrt(counts[where])).astype(np.float32))
    of_text = np.concatenate(places)
    order = np.argsort(of_text, kind="stable")
    starts = np.searchsorted(of_text[order], np.arange(count))
    all_rows = np.concatenate(codes).astype(np.int64)
    return Grams(all_rows[order], starts, np.concatenate(shares)[order])


def summed(found: Grams, table: Floats) -> Floats:
    """What the n-grams of each text add to its logits: (B, K).

    Args:
        found: of B texts.
        table: (N, K).
    """
    parts = (np.split(part, found.starts[1:]) for part in (found.rows, found.shares))
    return np.stack([product(shares, table[rows]) for rows, shares in zip(*parts, strict=True)])


def _of_characters(
    ids: NDArray[np.integer], texts: NDArray[np.integer]
) -> Iterator[tuple[Codes, NDArray[np.integer]]]:
    """Codes of the n-grams of each order, and of which text they are."""
    codes: Codes = np.zeros(len(ids), np.uint64)
    for order in ORDERS:
        ends = ids[order - 1 :].astype(np.uint64)
        codes = codes[: len(ends)] * BASE + ends + np.uint64(1)
        inside = texts[: len(ends)] == texts[order - 1 :]
        yield codes[inside], texts[order - 1 :][inside]


def _of_words(
    ids: NDArray[np.integer], texts: NDArray[np.integer], letters: NDArray[np.bool_]
) -> Iterator[tuple[Codes, NDArray[np.integer]]]:
    """Codes of the words, and of the pairs that stand next to each other; see `_of_characters`."""
    is_letter = letters[ids]
    begins = is_letter & ~np.concatenate([[False], is_letter[:-1]])
    (places,), (first,) = np.nonzero(is_letter), np.nonzero(begins[is_letter])
    words = _polynomials(ids[places], np.diff(first, append=len(places)))
    where = texts[places[first]]
    yield words, where
    inside = where[:-1] == where[1:]
    # By another factor than that of letters, lest those of the one word add to those of the other.
    yield (words[:-1] * MIXED + words[1:])[inside], where[1:][inside]


def _polynomials(ids: NDArray[np.integer], sizes: NDArray[np.integer]) -> Codes:
    """Codes of W words: (W,).

    Args:
        ids: (C,), of the words, one after the other.
        sizes: (W,), characters of each; at least 1.
    """
    starts = sizes.cumsum() - sizes
    powers: Codes = np.cumprod(np.full(sizes.max(initial=0), BASE), dtype=np.uint64)
    depth = np.arange(len(ids)) - np.repeat(starts, sizes)  # of a character in its word
    parts: Codes = (ids.astype(np.uint64) + np.uint64(1)) * powers[depth]
    return np.add.reduceat(parts, starts).astype(np.uint64) if len(starts) else parts


def _places(
    first: NDArray[np.integer], end: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Of W words, the number of the word (C,) and the place in the text (C,) of each character."""
    sizes = end - first
    words = np.repeat(np.arange(len(first)), sizes)
    return words, np.arange(len(words)) - (sizes.cumsum() - sizes - first)[words]
