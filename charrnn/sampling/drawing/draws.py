"""One id per row, step after step: which may be drawn, and with which random number.

logits (B, V) ──penalty, lists──▶ logits (B, V) ──distribution──▶ ids (B,)
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Logits
from charrnn.sampling.drawing import filters
from charrnn.sampling.drawing.distribution import (
    MIN_TEMPERATURE,
    allowed_ids,
    filters_by_probability,
    pick,
    temperature_schedule,
    unnormalised,
)
from charrnn.sampling.drawing.ties import near_ties
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

__all__ = ["Draws", "draw"]


class Draws:
    """Draws one id a row, step after step; each row with random numbers of its own.

    Args:
        tokenizer: of the model.
        config: how to draw.
        prompt: (N,), ids that were read before.
        seeds: one a row.

    Raises:
        UsageError: see `allowed_ids`.
    """

    def __init__(
        self, tokenizer: Tokenizer, config: SampleConfig, prompt: Ids, seeds: Sequence[int]
    ) -> None:
        self.config = config
        self.vocab_size = tokenizer.vocab_size
        self.alone = len(seeds) == 1
        self.allowed = allowed_ids(tokenizer, config)
        self.count = 0
        self.schedule = temperature_schedule(config)
        text = prompt if tokenizer.end_id is None else prompt[prompt != tokenizer.end_id]
        window = text[-config.repetition_window :]
        self.recent = np.tile(window, (len(seeds), 1))  # (B, W)
        # Python's generator is there at once; importing NumPy's takes longer than a short text.
        self.random = [Random(seed) for seed in seeds]  # noqa: S311

    def next(self, logits: Logits) -> tuple[Ids, NDArray[np.intp]]:
        """Draw from logits (B, V).

        Returns:
            ids: (B,).
            unsure: the rows where other rounding could have given another id; see `ties`. A text
                that is drawn alone is always rounded the same way, and is not among them.
        """
        logits = self.permitted(logits)
        temperature = self.schedule[self.count % len(self.schedule)]
        uniforms = np.array([random.random() for random in self.random])  # (B,)
        ids, unsure = draw(logits, self.config, temperature, uniforms, alone=self.alone)
        if self.config.repetition_penalty != 1:
            recent = np.hstack([self.recent, ids[:, None]])
            self.recent = recent[:, -self.config.repetition_window :]
        self.count += 1
        return ids, unsure

    def permitted(self, logits: Logits) -> Logits:
        """Logits (B, V) after the repetition penalty and the lists of characters."""
        if self.config.repetition_penalty != 1:
            penalty = self.config.repetition_penalty
            logits = filters.repetition_penalty(logits, self.recent, penalty)
        return filters.only(logits, self.allowed)

    @property
    def plain(self) -> bool:
        """Whether nothing but lists and the temperature changes the distribution."""
        return self.config.repetition_penalty == 1 and not filters_by_probability(self.config)

    @property
    def mask(self) -> Logits:
        """What the lists add to logits (V,): 0, or minus infinity."""
        size = self.vocab_size
        return np.zeros(size) if self.allowed is None else np.where(self.allowed, 0.0, -np.inf)

    def ahead(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the next N draws are made with, for a `TokenSampler` that makes them.

        Returns:
            uniforms: (N, B), in [0, 1): where in its distribution each token is drawn.
            inverse_temperatures: (N,). For a temperature of 0 so large that the likeliest has all
                probability; the uniforms are 0 then, for the first of several.
        """
        turns = np.arange(self.count, self.count + count) % len(self.schedule)
        temperatures = np.array(self.schedule)[turns]  # (N,)
        uniforms = _uniforms(self.random, count) * (temperatures > 0)[:, None]
        self.count += count
        return uniforms, 1 / np.maximum(temperatures, MIN_TEMPERATURE)

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these rows only."""
        self.recent = self.recent[rows]
        self.random = [self.random[row] for row in rows]

    def join(self, other: Draws) -> None:
        """Go on with the rows of others, too, which draw in the same way."""
        assert self.plain, "there is no repetition penalty"
        assert len(self.schedule) == 1, "there is one temperature"
        self.recent = np.zeros((len(self.random) + len(other.random), 0), np.int32)
        self.random = [*self.random, *other.random]


def draw(
    logits: Logits,
    config: SampleConfig,
    temperature: float,
    uniforms: NDArray[np.float64],
    *,
    alone: bool,
) -> tuple[Ids, NDArray[np.intp]]:
    """Draw the next id of each row.

    Args:
        logits: (B, V).
        config: top_k, top_p, min_p and typical_p count.
        temperature: the one to use now.
        uniforms: (B,), in [0, 1).
        alone: whether this row was never beside another.

    Returns:
        ids: (B,).
        unsure: the rows where other rounding could have given another id; none if `alone`.
    """
    cumulative = unnormalised(logits, config, temperature).cumsum(-1)
    ids = pick(cumulative, uniforms)
    if alone:
        return ids, np.zeros(0, np.intp)
    return ids, near_ties(ids, logits, config, temperature, uniforms, cumulative)


def _uniforms(rows: Sequence[Random], count: int) -> NDArray[np.float64]:
    """What `count` calls of `random()` of each return (N, B), in a twentieth of the time."""
    data = b"".join([random.randbytes(8 * count) for random in rows])
    words = np.frombuffer(data, "<u4").reshape(len(rows), count, 2).T  # (2, N, B)
    uniforms: NDArray[np.float64] = ((words[0] >> 5) * 2.0**26 + (words[1] >> 6)) / 2.0**53
    return uniforms
