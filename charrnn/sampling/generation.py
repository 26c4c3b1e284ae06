"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ …
                                           └──decode──▶ text
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from charrnn.config import SampleConfig, Unknown
from charrnn.sampling.endings import Ending, refuse_endless
from charrnn.sampling.language_model import LanguageModel, Stop, encode_prompt, never
from charrnn.sampling.token_source import Request, TokenSource, token_source

__all__ = ["Sample", "generate_batch", "new_seed", "stream"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was drawn.

    Attributes:
        text: without the prompt.
        seed: draws the same text again.
        tokens: how many were drawn, the end of a record among them.
        mean_log_prob: nats per token, of the tokens drawn, under the model itself: temperature 1
            and no filters (a long text is scored with the rounded weights that drew it). 0 if
            there are no tokens.
        whole: whether it ended where it wanted to: as a record, or at a stop.
    """

    text: str
    seed: int
    tokens: int
    mean_log_prob: float
    whole: bool = False


def stream(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
) -> Iterator[str]:
    """New text after `prompt`, piece by piece as it is drawn.

    Without a prompt the text starts as lines do: the model has read a line end (or, if its corpus
    has none, a space). A model of records begins one, or goes on with the one that the prompt
    begins, and ends with it.

    Args:
        model: what gives the logits.
        prompt: text to go on from; it is read, not repeated.
        config: how to draw; see `SampleConfig`.
        unknown: what to do with characters of the prompt that the model does not know.

    Raises:
        UsageError: for unknown characters in the prompt, if these are errors, or lists of
            characters that leave none.
    """
    config = config or SampleConfig()
    model = model.clamped(config.clamp)
    request = Request(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    text = _GrowingText(request, new_seed() if config.seed is None else config.seed)
    return _pieces(token_source(request, [text.seed], never, whole=False), text)


def generate_batch(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
    *,
    seeds: Sequence[int],
    stop: Stop = never,
) -> list[Sample]:
    """Several texts after one prompt, side by side; each equals the one its seed draws alone.

    Args:
        model, prompt, config, unknown: as for `stream`, but for the seed.
        seeds: one a text.
        stop: is asked while the prompt is read and between draws; once it answers yes, the texts
            are returned as far as they are.

    Raises:
        UsageError: as `stream`; and for texts without an end.
    """
    config = config or SampleConfig()
    if model.tokenizer.end is None:
        refuse_endless(config)
    model = model.clamped(config.clamp)
    request = Request(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    texts = _finished(request, seeds, stop)
    for number, text in enumerate(texts):
        if text.close and not stop():  # rounding may have decided; see `ties`
            (alone,) = _finished(request, [text.seed], stop)
            texts[number] = text if stop() else alone
    return [text.sample() for text in texts]


def new_seed() -> int:
    """A seed that nobody chose."""
    return int.from_bytes(os.urandom(4))


class _GrowingText:
    """One text while it is drawn."""

    def __init__(self, request: Request, seed: int) -> None:
        self.seed = seed
        self.decode = request.model.tokenizer.decoder()
        self.end_id = request.model.tokenizer.end_id
        self.record_ended = False
        self.ending = Ending(request.config)
        self.max_tokens = request.config.max_new_tokens
        self.tokens = 0
        self.log_prob = 0.0
        self.close = False
        self.pieces: list[str] = []

    @property
    def ended(self) -> bool:
        return self.whole or self.tokens == self.max_tokens

    @property
    def whole(self) -> bool:
        return self.ending.ended or self.record_ended

    @property
    def tokens_left(self) -> int:
        return sys.maxsize if self.max_tokens is None else self.max_tokens - self.tokens

    def add(self, ids: list[int]) -> str:
        """Take in ids, up to the end; returns what may be shown of the text now."""
        ids = ids[: self.tokens_left]
        end = ids.index(self.end_id) if self.end_id in ids else len(ids)
        shown = self._add(ids[:end])
        if end < len(ids) and not self.ending.ended:
            self.tokens += 1
            self.record_ended = True
        return shown

    def _add(self, ids: list[int]) -> str:
        if self.ending.open:
            self.tokens += len(ids)
            return self.decode(ids, False)
        shown = ""
        for token in ids:
            if not self.ending.ended:
                self.tokens += 1
                shown += self.ending.feed(self.decode((token,), False))
        return shown

    def rest(self) -> str:
        """What was held back."""
        return self.ending.feed(self.decode((), True)) + self.ending.rest()

    def sample(self) -> Sample:
        return Sample(
            text="".join(self.pieces) + self.rest(),
            seed=self.seed,
            tokens=self.tokens,
            mean_log_prob=self.log_prob / max(self.tokens, 1),
            whole=self.whole,
        )


def _pieces(source: TokenSource, text: _GrowingText) -> Iterator[str]:
    while not text.ended:
        ids = source.next(text.tokens_left).ids  # (N, 1)
        if piece := text.add(ids[:, 0].tolist()):
            yield piece
    if piece := text.rest():
        yield piece


def _finished(request: Request, seeds: Sequence[int], stop: Stop) -> list[_GrowingText]:
    """The texts of some seeds, drawn to their ends or until `stop` answers yes."""
    texts = [_GrowingText(request, seed) for seed in seeds]
    source = token_source(request, seeds, stop, whole=True)
    growing = texts
    while not all(text.ended for text in growing) and not stop():
        drawn = source.next(min(text.tokens_left for text in growing))
        for row in drawn.close:
            growing[row].close = True
        # One after the other, so that sums are the same in any pieces.
        before = [text.log_prob for text in growing]
        sums = np.vstack([before, drawn.log_probs]).cumsum(0)  # (N + 1, B)
        for row, text in enumerate(growing):
            count = text.tokens
            if not text.ended:
                text.pieces.append(text.add(drawn.ids[:, row].tolist()))
            text.log_prob = float(sums[text.tokens - count, row])
        rows = [row for row, text in enumerate(growing) if not text.ended]
        if 0 < len(rows) <= len(growing) // 2:  # else it costs more than it saves
            source.keep(np.array(rows))
            growing = [growing[row] for row in rows]
    return texts
