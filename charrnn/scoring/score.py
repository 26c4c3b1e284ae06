"""How well a model predicts a text, in the units people use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Surprisals
from charrnn.text.tokenizer import Tokenizer

__all__ = ["BLOCK", "Batch", "Score", "alike", "blocks", "by_character", "score_of", "side_by_side"]

BLOCK = 4096  # lines that are sorted by length together
ROWS = 128  # lines that are read side by side
# Rows that are read side by side: which they are (B,), their ids (B, T), their lengths (B,).
Batch = tuple[NDArray[np.intp], Ids, NDArray[np.intp]]
SHORT = 64  # tokens; padding to so many takes less time than another batch


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A loss as a sum and counts, from which every average follows.

    Attributes:
        nats: the sum of -log p over the scored tokens.
        tokens: how many were scored.
        characters: how many characters these are; a record's end counts as one.
        bytes: how many bytes of UTF-8 these are, those of the ends among them.
    """

    nats: float
    tokens: int
    characters: int
    bytes: int

    @property
    def mean(self) -> float:
        """Nats per token, the loss of training."""
        return self.nats / max(self.tokens, 1)

    @property
    def nats_per_char(self) -> float:
        """Nats per character."""
        return self.nats / max(self.characters, 1)

    @property
    def bits_per_char(self) -> float:
        """Bits per character."""
        return self.nats_per_char / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of UTF-8."""
        return self.nats / max(self.bytes, 1) / math.log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to guess."""
        return math.exp(min(self.nats_per_char, 700))

    def facts(self) -> dict[str, float | int]:
        """All of it, for JSON."""
        return {
            "nats_per_char": self.nats_per_char,
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
            "perplexity": self.perplexity,
            "characters": self.characters,
            "bytes": self.bytes,
            "nats": self.nats,
        }


def score_of(
    nats: float, tokenizer: Tokenizer, ids: NDArray[np.integer], before: int | None = None
) -> Score:
    """The score of the tokens `ids` (N,), which took `nats` together.

    Args:
        nats: the sum of what they cost.
        tokenizer: of the ids.
        ids: (N,), those that were scored.
        before: the token before them. If it is the first byte of a character whose others are
            among them, that character counts.
    """
    nats += 0.0  # not -0.0, of a text that costs nothing
    if tokenizer.unit == "byte":
        goes_on = (ids & 0xC0) == 0x80  # UTF-8's continuation bytes
        begun = before is not None and 0xC0 <= before <= 0xFF and bool(goes_on[:1].any())
        characters = int((~goes_on).sum()) + begun
        end = (tokenizer.end or "").encode("utf-8", "surrogatepass")
        ends = int((ids == tokenizer.end_id).sum())  # each one token, in several bytes perhaps
        size = len(ids) + ends * (len(end) - 1)
        return Score(nats=nats, tokens=len(ids), characters=characters, bytes=size)
    size = len(tokenizer.decode(ids).encode("utf-8", "surrogatepass"))
    return Score(nats=nats, tokens=len(ids), characters=len(ids), bytes=size)


def by_character(
    tokenizer: Tokenizer, ids: NDArray[np.integer], costs: Surprisals
) -> Iterator[tuple[str, float]]:
    """The characters of a text, and what each cost: the sum over its tokens.

    Args:
        tokenizer: of the ids.
        ids: (N,).
        costs: (N,), in nats; 0 for what was not predicted.

    Yields:
        character, nats: or several characters, where invalid UTF-8 is noticed late.
    """
    decode, cost = tokenizer.decoder(), 0.0
    for token, own in zip(ids.tolist(), costs.tolist(), strict=True):
        cost += own
        if text := decode([token], False):
            yield text, cost
            cost = 0.0
    if text := decode([], True):
        yield text, cost


def blocks(lines: Iterable[Ids]) -> Iterator[Iterator[Batch]]:
    """Lines as batches of about equal lengths.

    Args:
        lines: the ids (N,) of each, N at least 1.

    Yields:
        batches: of one block of lines: which lines these are (B,), counted from the first of the
            block; their ids (B, T), with 0 after the end of a line; their lengths (B,).
    """
    source = iter(lines)
    while block := list(islice(source, BLOCK)):
        yield _batches(block)


def _batches(block: list[Ids]) -> Iterator[Batch]:
    lengths = np.array([len(line) for line in block])
    return (side_by_side(block, places) for places in alike(lengths, ROWS))


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


def side_by_side(rows: Sequence[Ids], places: NDArray[np.intp]) -> Batch:
    """Those of some rows that stand at `places` (B,), with 0 past the end of each."""
    lengths = np.array([len(rows[place]) for place in places])
    ids = np.zeros((len(places), lengths.max()), np.int32)
    for number, place in enumerate(places):
        ids[number, : lengths[number]] = rows[place]
    return places, ids, lengths
