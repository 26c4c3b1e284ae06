"""From logits to an id: the filters in their order, then one random number.

    logits (B, V) ──filter──▶ logits (B, V) ──softmax──▶ probabilities (B, V) ──draw──▶ ids (B,)

The order is Hugging Face's: repetition penalty, ban and allow lists, temperature, top-k, top-p,
min-p, typical-p.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Logits
from charrnn.config import SampleConfig
from charrnn.errors import UsageError
from charrnn.sampling import filters
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Draws", "allowed_ids", "probabilities", "temperatures"]

NOWHERE = np.zeros(0, np.intp)
# How far two ways of multiplying may set a logit apart: twice the most that was seen.
ROUNDING = 2e-5
COLDEST = 1e-30  # a temperature below which there is only the likeliest


def probabilities(logits: Logits, config: SampleConfig, temperature: float) -> Logits:
    """The distribution (..., V) that is drawn from.

    Args:
        logits: (..., V), unnormalised natural-log probabilities of the next id.
        config: top_k, top_p, min_p and typical_p count.
        temperature: the one to use now; with 0 all probability is the likeliest's.
    """
    weights = _weights(logits, config, temperature)
    weights /= weights.sum(-1, keepdims=True)
    return weights


def _weights(logits: Logits, config: SampleConfig, temperature: float) -> Logits:
    """The distribution (..., V) up to a factor a row."""
    if temperature == 0:
        likeliest = np.zeros(logits.shape)
        np.put_along_axis(likeliest, logits.argmax(-1)[..., None], 1, -1)
        return likeliest
    logits = logits.astype(np.float64)
    logits /= temperature
    if config.top_k is not None:
        logits = filters.top_k(logits, config.top_k)
    logits = filters.top_p(logits, config.top_p)
    logits = filters.min_p(logits, config.min_p)
    logits = filters.typical_p(logits, config.typical_p)
    logits -= logits.max(-1, keepdims=True)
    return np.exp(logits, out=logits)


def allowed_ids(tokenizer: Tokenizer, config: SampleConfig) -> NDArray[np.bool_] | None:
    """What may be drawn, (V,); None if it is everything.

    Raises:
        UsageError: if nothing may, or a character of the lists is several tokens.
    """
    if config.allow is None and not config.ban:
        return None
    allowed = np.full(tokenizer.vocab_size, config.allow is None)
    for characters, value in ((config.allow or "", True), (config.ban, False)):
        for character in characters:
            ids = tokenizer.encode(character, "skip")
            if len(ids) > 1:
                raise UsageError(f"{character!r} is {len(ids)} bytes", "list characters of one")
            allowed[ids] = value
    if not allowed.any():
        raise UsageError("allow and ban leave no character that the model knows", "allow more")
    return allowed


def temperatures(config: SampleConfig) -> tuple[float, ...]:
    """Those to take in turn, a token each."""
    given = config.temperature
    return given if isinstance(given, tuple) else (given,)


class Draws:
    """Draws one id a row, step after step; each row with random numbers of its own.

    Args:
        tokenizer: of the model.
        config: how to draw.
        prompt: (N,), ids that were read before.
        seeds: one a row.
    """

    def __init__(
        self, tokenizer: Tokenizer, config: SampleConfig, prompt: Ids, seeds: Sequence[int]
    ) -> None:
        self.config = config
        self.vocab_size = tokenizer.vocab_size
        self.allowed = allowed_ids(tokenizer, config)
        self.count = 0
        self.schedule = temperatures(config)
        window = prompt[-config.repetition_window :]
        self.recent = np.tile(window, (len(seeds), 1))  # (B, W)
        # Python's generator is there at once; importing NumPy's takes longer than a short text.
        self.random = [Random(seed) for seed in seeds]  # noqa: S311

    def next(self, logits: Logits) -> tuple[Ids, NDArray[np.intp]]:
        """Draw from logits (B, V).

        Returns:
            ids: (B,).
            close: the rows where another way of rounding could have drawn another id. With one row
                there is no other way, and it is not asked.
        """
        logits = self._permitted(logits)
        temperature = self.schedule[self.count % len(self.schedule)]
        numbers = np.array([random.random() for random in self.random])  # (B,)
        sums = _weights(logits, self.config, temperature).cumsum(-1)
        ids, close = _pick(sums, numbers), NOWHERE
        if len(ids) > 1:
            near = [
                self._nudged(logits, temperature, numbers, sums, by) for by in (ROUNDING, -ROUNDING)
            ]
            close = np.flatnonzero((near[0] != ids) | (near[1] != ids))
        if self.config.repetition_penalty != 1:
            recent = np.hstack([self.recent, ids[:, None]])
            self.recent = recent[:, -self.config.repetition_window :]
        self.count += 1
        return ids, close

    @property
    def plain(self) -> bool:
        """Whether nothing but lists and the temperature changes the distribution."""
        return self.config.repetition_penalty == 1 and not _filters(self.config)

    @property
    def mask(self) -> Logits:
        """What the lists add to logits (V,): 0, or minus infinity."""
        size = self.vocab_size
        return np.zeros(size) if self.allowed is None else np.where(self.allowed, 0.0, -np.inf)

    def ahead(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the next draws are made with, for whoever makes them.

        Returns:
            numbers: (N, B), in [0, 1): where in the distribution each is.
            heat: (N,), 1 / temperature; where that is 0, so large that the likeliest has all
                probability, and the numbers are 0 for the first of several.
        """
        turns = np.arange(self.count, self.count + count) % len(self.schedule)
        cold = np.array(self.schedule)[turns]
        numbers = _numbers(self.random, count) * (cold > 0)[:, None]
        self.count += count
        return numbers, 1 / np.maximum(cold, COLDEST)

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these rows only."""
        self.recent = self.recent[rows]
        self.random = [self.random[row] for row in rows]

    def _permitted(self, logits: Logits) -> Logits:
        if self.config.repetition_penalty != 1:
            penalty = self.config.repetition_penalty
            logits = filters.repetition_penalty(logits, self.recent, penalty)
        return logits if self.allowed is None else filters.only(logits, self.allowed)

    def _nudged(
        self,
        logits: Logits,
        temperature: float,
        numbers: NDArray[np.float64],
        sums: Logits,
        by: float,
    ) -> Ids:
        """The draw with logits, thresholds and random numbers moved by about `by`.

        What moves smoothly with the logits is covered by moving the number. Filters are not
        smooth: they are asked again, with neighbours in rank moved towards or from each other.
        """
        config = self.config
        if temperature == 0 or _filters(config):
            config = msgspec.structs.replace(
                config,
                top_p=min(1.0, max(config.top_p + by, 0.5 * config.top_p)),
                min_p=min(1.0, config.min_p * (1 + by)),
                typical_p=min(1.0, max(config.typical_p + by, 0.5 * config.typical_p)),
            )
            rank = logits.argsort(-1).argsort(-1)
            sums = _weights(logits + by * (1 - 2 * (rank % 2)), config, temperature).cumsum(-1)
        spread = 2 * by / min(max(temperature, 1e-3), 1.0) * numbers * (1 - numbers)
        return _pick(sums, numbers + spread)


def _numbers(rows: Sequence[Random], count: int) -> NDArray[np.float64]:
    """What `count` calls of `random()` of each return (N, B), in a twentieth of the time."""
    data = b"".join([random.randbytes(8 * count) for random in rows])
    words = np.frombuffer(data, "<u4").reshape(len(rows), count, 2).T  # (2, N, B)
    numbers: NDArray[np.float64] = ((words[0] >> 5) * 2.0**26 + (words[1] >> 6)) / 2.0**53
    return numbers


def _filters(config: SampleConfig) -> bool:
    """Whether anything is filtered out by how likely it is."""
    return (config.top_k, config.top_p, config.min_p, config.typical_p) != (None, 1, 0, 1)


def _pick(sums: Logits, numbers: NDArray[np.float64]) -> Ids:
    """The ids (B,) at which running sums (B, V) pass their shares `numbers` (B,)."""
    if len(sums) == 1:  # a third of the time
        row = sums[0]
        return np.array([row.searchsorted(row[-1] * numbers[0], "right")], np.int32)
    ids: Ids = (sums <= numbers[:, None] * sums[:, -1:]).sum(-1, dtype=np.int32)
    return ids
