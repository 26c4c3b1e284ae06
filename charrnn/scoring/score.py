"""How well a model predicts a text, in the units people use."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Surprisals
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Score", "by_character", "characters_in", "score_of"]


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
        before: see `characters_in`.
    """
    if tokenizer.unit == "byte":
        end = (tokenizer.end or "").encode("utf-8", "surrogatepass")
        ends = int((ids == tokenizer.end_id).sum())  # each one token, in several bytes perhaps
        size = len(ids) + ends * (len(end) - 1)
    else:
        size = len(tokenizer.decode(ids).encode("utf-8", "surrogatepass"))
    return Score(
        nats=nats + 0.0,  # not -0.0, of a text that costs nothing
        tokens=len(ids),
        characters=characters_in(tokenizer, ids, before),
        bytes=size,
    )


def characters_in(tokenizer: Tokenizer, ids: NDArray[np.integer], before: int | None = None) -> int:
    """How many characters tokens are; a record's end counts as one.

    Args:
        tokenizer: of the ids.
        ids: (N,).
        before: the token before them. If it is the first byte of a character whose others are
            among them, that character counts.
    """
    if tokenizer.unit != "byte":
        return len(ids)
    goes_on = (ids & 0xC0) == 0x80  # UTF-8's continuation bytes
    begun = before is not None and 0xC0 <= before <= 0xFF and bool(goes_on[:1].any())
    return int((~goes_on).sum()) + begun


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
