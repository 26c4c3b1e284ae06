"""The tokens of texts that are drawn side by side: one at a time in NumPy, or many in machine code.

request = request_for(model, "Once", SampleConfig())

NumPy          logits (B, V) ──draws──▶ ids (B,) ──stepper──▶ logits (B, V) ──▶ …
machine code   ids (B,), random numbers (N, B) ──sampler──▶ ids (N, B)
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Ids, Logits, target_log_probs
from charrnn.config import Unknown
from charrnn.sampling.drawing.draws import Draws
from charrnn.sampling.endings import has_stops, is_endless, with_checked_ends
from charrnn.sampling.language_model import (
    TIME_CHUNK,
    LanguageModel,
    Stop,
    TokenSampler,
    encode_prompt,
    read_prompt,
)
from charrnn.settings import settings_from
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

__all__ = [
    "LONGEST_RECORD",
    "GenerationRequest",
    "NativeSource",
    "TokenSource",
    "Tokens",
    "native_source",
    "request_for",
    "sampling_config",
    "token_source",
]

LONGEST_RECORD = 10_000  # tokens; one that has not ended by then never will
RECORD = 500  # tokens that a record is thought to have at most
FIRST_TOKENS = 16  # that machine code draws in its first call; the number doubles from call to call


class GenerationRequest(NamedTuple):
    """What is asked for, whatever the seed."""

    model: LanguageModel
    prompt: Ids  # (N,), at least one
    config: SampleConfig


def sampling_config(tokenizer: Tokenizer, settings: dict[str, Any]) -> SampleConfig:
    """The settings of a text to draw; a record may be as long as it likes."""
    longest = {} if tokenizer.end is None else {"max_new_tokens": LONGEST_RECORD}
    return settings_from(SampleConfig, longest | settings)


def request_for(
    model: LanguageModel, prompt: str, config: SampleConfig, unknown: Unknown = "error"
) -> GenerationRequest:
    """New text after `prompt`.

    Without a prompt the text starts as lines do: the model has read a line end (or, if its corpus
    has none, a space). A model of records begins one, or goes on with the one that the prompt
    begins, and ends with it.

    Args:
        model: what gives the logits.
        prompt: text to go on from; it is read, not repeated.
        config: how to draw; see `SampleConfig`.
        unknown: what to do with characters of the prompt that the model does not know.

    Raises:
        UsageError: for unknown characters in the prompt, if these are errors, lists of
            characters that leave none, units to clamp that the model does not have, or stops of
            which none can come and no length.
    """
    config = with_checked_ends(config, model.tokenizer)
    ids = encode_prompt(model.tokenizer, prompt, unknown)
    return GenerationRequest(model.clamped(config.clamp), ids, config)


class Tokens(NamedTuple):
    """The next tokens of each text."""

    ids: Ids  # (N, B)
    log_probs: Logits  # (N, B), nats, under the model itself; 0 if they are not asked for
    unsure: NDArray[np.intp]  # the rows that rounding may have decided; see `ties`


class TokenSource(ABC):
    """Draws the tokens of B texts."""

    @abstractmethod
    def next(self, limit: int) -> Tokens:
        """At least one more token of each text, and at most `limit`."""

    @abstractmethod
    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these rows only."""


def token_source(
    request: GenerationRequest, seeds: Sequence[int], stop: Stop, *, streamed: bool
) -> TokenSource:
    """What draws texts fastest.

    Args:
        request: the model, the prompt, and how to draw.
        seeds: one a text.
        stop: see `Stop`; the prompt is read while it answers no.
        streamed: whether texts are shown as they grow, or returned in one piece, with
            log-probabilities.
    """
    source = native_source(request, seeds, streamed=streamed)
    if source is None:
        return _NumPySource(request, seeds, stop, scored=not streamed)
    for _ in source.reading():
        if stop():
            break
    return source


def native_source(
    request: GenerationRequest, seeds: Sequence[int], *, streamed: bool
) -> NativeSource | None:
    """As `token_source`, but its prompt is to be read; see `NativeSource`.

    None where machine code can't draw the texts, or would not pay.
    """
    model, prompt, config = request
    draws = Draws(model.tokenizer, config, prompt, seeds)
    sampler = model.sampler(model.start(), _tokens_to_expect(request)) if draws.plain else None
    if sampler is None:
        return None
    # Texts that end together are drawn at once: nothing is drawn in vain.
    together = not streamed and not has_stops(config) and model.tokenizer.end is None
    first = sys.maxsize if together else FIRST_TOKENS
    return NativeSource(sampler, prompt, draws, len(seeds), first)


def _tokens_to_expect(request: GenerationRequest) -> int | None:
    """How many tokens are read and drawn; None for no end.

    Prompt and settings decide alone, so that a text is the same alone and in a batch. Of a text
    with a stop but without a length, only its prompt is sure; records are short.
    """
    length = request.config.max_new_tokens or 0
    if request.model.tokenizer.end is not None:
        length = min(length, RECORD)
    elif is_endless(request.config):
        return None
    return len(request.prompt) + length


class _NumPySource(TokenSource):
    """One token of each text at a time."""

    def __init__(
        self, request: GenerationRequest, seeds: Sequence[int], stop: Stop, *, scored: bool
    ) -> None:
        count = len(seeds)
        self.model = request.model
        self.draws = Draws(self.model.tokenizer, request.config, request.prompt, seeds)
        self.scored = scored
        logits, state = read_prompt(request.model, request.prompt, stop)
        self.logits: Logits | None = np.repeat(logits, count, 0)  # (B, V), until the first draw
        self.stepper = self.model.stepper(tuple(np.repeat(part, count, 1) for part in state))
        self.ids = np.repeat(request.prompt[-1:], count)  # (B,), the newest

    def next(self, limit: int) -> Tokens:
        del limit
        logits = self.stepper.step(self.ids) if self.logits is None else self.logits  # (B, V)
        self.logits = None
        self.ids, unsure = self.draws.next(logits)
        scores = target_log_probs(logits, self.ids) if self.scored else np.zeros(len(self.ids))
        return Tokens(self.ids[None], scores[None], unsure)

    def keep(self, rows: NDArray[np.intp]) -> None:
        self.ids = self.ids[rows]
        self.draws.keep(rows)
        self.stepper = self.model.stepper(tuple(part[:, rows] for part in self.stepper.state))


class NativeSource(TokenSource):
    """Many tokens of each text at a time, in machine code, once all of `reading` is done."""

    def __init__(
        self, sampler: TokenSampler, prompt: Ids, draws: Draws, texts: int, first: int
    ) -> None:
        self.sampler = sampler
        self.prompt = prompt
        self.draws = draws
        self._next_count = first  # tokens of each text to draw in the next call
        self.ids = np.repeat(prompt[-1:], texts)  # (B,), the newest, not yet read

    def reading(self) -> Iterator[int]:
        """Read the prompt, once for all texts; yields how many tokens each slice of it had."""
        # Not read by NumPy: its threads stay awake for a tenth of a second, and take a core.
        ids = self.prompt[:-1, None]  # (N, 1)
        at_once = min(self.sampler.max_tokens, TIME_CHUNK)
        for begin in range(0, len(ids), at_once):
            slice_ = ids[begin : begin + at_once]
            self.sampler.read(slice_)
            yield len(slice_)
        self.sampler.keep(np.zeros(len(self.ids), np.intp))

    def next(self, limit: int) -> Tokens:
        """See `TokenSource`."""
        count = min(self._next_count, self.sampler.max_tokens, limit)
        self._next_count = 2 * count
        uniforms, inverse_temperatures = self.draws.ahead(count)
        ids, log_probs = self.sampler.draw(
            self.ids, uniforms, inverse_temperatures, self.draws.mask
        )
        refuse_diverged(log_probs)
        self.ids = ids[-1]
        return Tokens(ids, log_probs, np.zeros(0, np.intp))

    def keep(self, rows: NDArray[np.intp]) -> None:
        """See `TokenSource`."""
        self.ids = self.ids[rows]
        self.draws.keep(rows)
        self.sampler.keep(rows)

    def join(self, other: NativeSource) -> None:
        """Go on with the texts of another source, too: of the same model, drawn in the same way.

        Its first tokens come as soon as they would have come alone.
        """
        self.ids = np.concatenate([self.ids, other.ids])
        self.draws.join(other.draws)
        self.sampler.join(other.sampler)
        self._next_count = min(self._next_count, other._next_count)
