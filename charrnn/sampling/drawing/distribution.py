"""The distribution that is drawn from: the filters in their order, then a softmax.

    logits (B, V) ──temperature, filters──▶ weights (B, V) ──uniforms (B,)──▶ ids (B,)

The order is Hugging Face's: repetition penalty, ban and allow lists, temperature, top-k, top-p,
min-p, typical-p. `draws` applies the first two, which depend on the text and the vocabulary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Ids, Logits, underflowing
from charrnn.errors import UsageError
from charrnn.sampling.drawing import filters
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

__all__ = [
    "MIN_TEMPERATURE",
    "allowed_ids",
    "filters_by_probability",
    "pick",
    "probabilities",
    "temperature_schedule",
    "unnormalised",
]


# At or below it, all probability is the likeliest's; logits divided by less would be infinite.
MIN_TEMPERATURE = 1e-30


def probabilities(logits: Logits, config: SampleConfig, temperature: float) -> Logits:
    """The distribution (..., V) that is drawn from.

    Args:
        logits: (..., V), unnormalised natural-log probabilities of the next id.
        config: top_k, top_p, min_p and typical_p count.
        temperature: the one to use now; with 0 all probability is the likeliest's.
    """
    weights = unnormalised(logits, config, temperature)
    weights /= weights.sum(-1, keepdims=True)
    return weights


def unnormalised(logits: Logits, config: SampleConfig, temperature: float) -> Logits:
    """As `probabilities`, but each row up to a factor, which `pick` need not know.

    Raises:
        BadDataError: see `refuse_diverged`.
    """
    if temperature == 0:
        refuse_diverged(logits.max(-1))
        likeliest = np.zeros(logits.shape)
        np.put_along_axis(likeliest, logits.argmax(-1)[..., None], 1, -1)
        return likeliest
    logits = logits.astype(np.float64)
    logits /= max(temperature, MIN_TEMPERATURE)
    if config.top_k is not None:
        logits = filters.top_k(logits, config.top_k)
    logits = filters.top_p(logits, config.top_p)
    logits = filters.min_p(logits, config.min_p)
    logits = filters.typical_p(logits, config.typical_p)
    highest = logits.max(-1, keepdims=True)
    refuse_diverged(highest)
    logits -= highest
    with underflowing():
        return np.exp(logits, out=logits)


def pick(cumulative: Logits, uniforms: NDArray[np.float64]) -> Ids:
    """The ids (B,) that uniform random numbers choose: inverse transform sampling.

    Args:
        cumulative: (B, V), sums of the unnormalised probabilities of all ids up to each.
        uniforms: (B,), in [0, 1).
    """
    if len(cumulative) == 1:  # takes a third of the time
        row = cumulative[0]
        return np.array([row.searchsorted(row[-1] * uniforms[0], "right")], np.int32)
    passed = cumulative <= uniforms[:, None] * cumulative[:, -1:]  # (B, V)
    ids: Ids = passed.sum(-1, dtype=np.int32)
    return ids


def filters_by_probability(config: SampleConfig) -> bool:
    """Whether anything is filtered out for how likely it is."""
    return (config.top_k, config.top_p, config.min_p, config.typical_p) != (None, 1, 0, 1)


def allowed_ids(tokenizer: Tokenizer, config: SampleConfig) -> NDArray[np.bool_] | None:
    """Which ids may be drawn (V,), by the lists of characters; None if there are no lists.

    Raises:
        UsageError: if no id may, or a character of the lists is several tokens.
    """
    if config.allow is None and not config.ban:
        return None
    allowed = np.full(tokenizer.vocab_size, config.allow is None)
    for characters, value in ((config.allow or "", True), (config.ban, False)):
        allowed[_ids_of_list(characters, tokenizer)] = value
    if not allowed[: len(allowed) - (tokenizer.end is not None)].any():
        raise UsageError("allow and ban leave no character that the model knows", "allow more")
    if tokenizer.end_id is not None:
        allowed[tokenizer.end_id] = True  # no character: a record may always end
    return allowed


def _ids_of_list(characters: str, tokenizer: Tokenizer) -> Ids:
    """The ids (N,) of characters that are each one token, or none."""
    for character in characters:
        if (count := len(tokenizer.encode(character, "skip"))) > 1:
            found = f"{character!r} is {count} {tokenizer.unit}s for the model"
            raise UsageError(found, f"allow and ban only what is one {tokenizer.unit}")
    return tokenizer.encode(characters, "skip")  # together: a letter and its mark may be one


def temperature_schedule(config: SampleConfig) -> tuple[float, ...]:
    """The temperatures to take in turn, one per token."""
    given = config.temperature
    return given if isinstance(given, tuple) else (given,)
