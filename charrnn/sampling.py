"""From logits to new text: filters, the draw, and the stream of text.

    logits (V,) ──temperature, top-k, top-p──▶ probabilities (V,) ──draw──▶ id ──decode──▶ text

Filters are pure functions with Hugging Face's names and meanings, applied in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.cells import State
from charrnn.config import SampleConfig
from charrnn.tokenizer import Ids, Tokenizer, Unknown

__all__ = ["LanguageModel", "draw", "probabilities", "stream", "top_k", "top_p"]

Logits = NDArray[np.floating]


class LanguageModel(Protocol):
    """What `stream` needs of a model; see `runtime.Model`."""

    tokenizer: Tokenizer

    def start(self, batch_size: int = 1) -> State:
        """The state before any text."""

    def read(self, ids: Ids, state: State) -> tuple[Logits, State]:
        """Read ids (B, T); returns the logits (B, V) of the next id, and the state."""

    def step(self, ids: Ids, state: State) -> tuple[Logits, State]:
        """Read one id a sequence (B,); returns the logits (B, V) of the next, and the state."""


def top_k(logits: Logits, k: int) -> Logits:
    """`logits` (V,) with all but the k largest at minus infinity; ties with the last stay."""
    if k >= len(logits):
        return logits
    smallest = np.partition(logits, -k)[-k]
    return np.where(logits < smallest, -np.inf, logits)


def top_p(logits: Logits, p: float) -> Logits:
    """`logits` (V,) with all outside the smallest set of probability p at minus infinity.

    Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    if p >= 1:
        return logits
    order = np.argsort(logits, kind="stable")  # unlikeliest first
    tail = np.cumsum(softmax(logits)[order])  # probability up to and with each
    keep = tail > 1 - p
    keep[-1] = True
    kept = np.full_like(logits, -np.inf)
    kept[order[keep]] = logits[order[keep]]
    return kept


def softmax(logits: Logits) -> Logits:
    """The probabilities of `logits`, along the last axis."""
    exp: Logits = np.exp(logits - logits.max(-1, keepdims=True))
    exp /= exp.sum(-1, keepdims=True)
    return exp


def probabilities(logits: Logits, config: SampleConfig) -> Logits:
    """The distribution (V,) that `draw` draws from.

    Args:
        logits: (V,), unnormalised natural-log probabilities of the next id.
        config: temperature, top_k and top_p count.
    """
    logits = logits.astype(np.float64)
    if config.temperature == 0:
        likeliest = np.zeros_like(logits)
        likeliest[logits.argmax()] = 1
        return likeliest
    logits = logits / config.temperature
    if config.top_k is not None:
        logits = top_k(logits, config.top_k)
    return softmax(top_p(logits, config.top_p))


def draw(logits: Logits, config: SampleConfig, random: np.random.Generator) -> int:
    """One id, drawn from `probabilities` with one number of `random`."""
    cumulative = probabilities(logits, config).cumsum()  # (V,)
    return int(cumulative.searchsorted(random.random() * cumulative[-1], side="right"))


def stream(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
) -> Iterator[str]:
    """New text after `prompt`, piece by piece as it is drawn.

    Without a prompt the text starts as lines do: the model has read a line end (or, if its corpus
    has none, a space).

    Args:
        model: what gives the logits.
        prompt: text to go on from; it is read, not repeated.
        config: how to draw; see `SampleConfig`.
        unknown: what to do with characters of the prompt that the model does not know.

    Raises:
        UsageError: for unknown characters in the prompt, if these are errors.
    """
    config = config or SampleConfig()
    ids = model.tokenizer.encode(prompt, unknown)
    if not len(ids):
        ids = _line_start(model.tokenizer)
    return until_stop(_pieces(model, ids, config), config.stop_strings)


def _line_start(tokenizer: Tokenizer) -> Ids:
    for character in "\n ":
        if len(ids := tokenizer.encode(character, "skip")):
            return ids
    return np.zeros(1, np.int32)


def _pieces(model: LanguageModel, ids: Ids, config: SampleConfig) -> Iterator[str]:
    random = np.random.default_rng(config.seed)
    decode = model.tokenizer.decoder()
    logits, state = model.read(ids[None], model.start())  # (1, V)
    for count in range(config.max_new_tokens):
        if count:
            logits, state = model.step(ids, state)  # (1, V)
        ids = np.array([draw(logits[0], config, random)], np.int32)  # (1,)
        yield decode(ids, False)
    yield decode(ids[:0], True)


def until_stop(pieces: Iterator[str], stop_strings: tuple[str, ...]) -> Iterator[str]:
    """`pieces` up to the first stop string, which may lie across several of them.

    What could be the beginning of a stop string is held back until it is known not to be.
    """
    held = ""
    for piece in pieces:
        held += piece
        ends = [at for stop in stop_strings if (at := held.find(stop)) >= 0]
        if ends:
            held = held[: min(ends)]
            break
        safe = len(held) - max((_overlap(held, stop) for stop in stop_strings), default=0)
        if safe:
            yield held[:safe]
            held = held[safe:]
    if held:
        yield held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that is a beginning of `stop`."""
    return next(n for n in range(min(len(text), len(stop) - 1), -1, -1) if text.endswith(stop[:n]))
