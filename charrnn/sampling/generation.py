"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ …
                                           └──decode──▶ text
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from charrnn.sampling.endings import refuse_endless
from charrnn.sampling.growing import GrowingText
from charrnn.sampling.language_model import Stop, never
from charrnn.sampling.token_source import GenerationRequest, TokenSource, token_source

__all__ = ["Sample", "generate_batch", "groups", "new_seed", "seeds_from", "stream"]

MAX_SEEDS = 2**63  # seeds are below it

# Texts that are drawn side by side: how many gain from it, and how many numbers at a time. The
# logits of all take eight bytes a number, several times; their characters up to eight.
MAX_GROUP, MAX_LOGITS, MAX_CHARACTERS = 256, 1 << 20, 1 << 24


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


def stream(request: GenerationRequest) -> Iterator[str]:
    """A text, piece by piece as it is drawn."""
    seed = new_seed() if request.config.seed is None else request.config.seed
    return _pieces(token_source(request, [seed], never, streamed=True), GrowingText(request))


def generate_batch(
    request: GenerationRequest, seeds: Sequence[int], stop: Stop = never
) -> list[Sample]:
    """Several texts, side by side; each equals the one that its seed draws alone.

    Many are drawn in `groups`.

    Args:
        request: what to draw; its seed does not count.
        seeds: one a text.
        stop: is asked while the prompt is read and between draws; once it answers yes, the texts
            that are being drawn are returned as far as they are.

    Raises:
        UsageError: for texts without an end.
    """
    if request.model.tokenizer.end is None:
        refuse_endless(request.config)
    found = list[Sample]()
    for group in groups(request, seeds):
        texts = _finished(request, group, stop)
        for number, text in enumerate(texts):
            if text.unsure and not stop():
                (alone,) = _finished(request, [text.seed], stop)
                texts[number] = text if stop() else alone
        found += [text.sample() for text in texts]
        if stop():
            break
    return found


def groups(request: GenerationRequest, seeds: Sequence[int]) -> Iterator[Sequence[int]]:
    """`seeds`, in groups whose texts can be drawn side by side without taking much memory."""
    length = request.config.max_new_tokens or 1
    vocab_size = request.model.tokenizer.vocab_size
    size = max(min(MAX_LOGITS // vocab_size, MAX_CHARACTERS // length, MAX_GROUP), 1)
    for begin in range(0, len(seeds), size):
        yield seeds[begin : begin + size]


def seeds_from(first: int, count: int) -> list[int]:
    """The seeds of `count` texts: they count up from the first, and after the largest from 0."""
    return [(first + number) % MAX_SEEDS for number in range(count)]


def new_seed() -> int:
    """A seed that nobody chose."""
    return int.from_bytes(os.urandom(4))


def _pieces(source: TokenSource, text: GrowingText) -> Iterator[str]:
    while not text.ended:
        ids = source.next(text.tokens_left).ids  # (N, 1)
        if piece := text.add(ids[:, 0].tolist()):
            yield piece
    if piece := text.rest():
        yield piece


class _Drawn:
    """A text that is returned in one piece.

    Attributes:
        seed: of its draws.
        growing: how far it is.
        pieces: what of it may be shown so far.
        log_prob: nats, of its tokens under the model.
        drawn_log_prob: the same with tokens that are held beyond its length.
        unsure: whether rounding may have decided a token; see `ties`.
    """

    def __init__(self, request: GenerationRequest, seed: int) -> None:
        self.seed = seed
        self.growing = GrowingText(request)
        self.pieces = io.StringIO()
        self.log_prob = 0.0
        self.drawn_log_prob = 0.0
        self.unsure = False

    def add(self, ids: list[int], sums: Sequence[float]) -> None:
        """Take in ids (N,); sums (N + 1,) are `drawn_log_prob` before and after each."""
        count = self.growing.tokens
        self.pieces.write(self.growing.add(ids))
        self.drawn_log_prob = sums[-1]
        if self.growing.tokens > count:
            self.log_prob = sums[min(self.growing.tokens - count, len(ids))]

    def sample(self) -> Sample:
        """The text, as far as it is."""
        tokens = self.growing.tokens
        return Sample(
            text=self.pieces.getvalue() + self.growing.rest(),
            seed=self.seed,
            tokens=tokens,
            mean_log_prob=self.log_prob / max(tokens, 1),
            whole=self.growing.whole,
        )


def _finished(request: GenerationRequest, seeds: Sequence[int], stop: Stop) -> list[_Drawn]:
    """The texts of some seeds, drawn to their ends or until `stop` answers yes."""
    texts = [_Drawn(request, seed) for seed in seeds]
    source = token_source(request, seeds, stop, streamed=False)
    rows = texts
    while not all(text.growing.ended for text in rows) and not stop():
        open_texts = [text.growing for text in rows if not text.growing.ended]
        drawn = source.next(min(text.tokens_left for text in open_texts))
        for row in drawn.unsure:
            rows[row].unsure = True
        # Token by token, so that rounding does not depend on how many come in a call.
        before = [text.drawn_log_prob for text in rows]
        sums = np.vstack([before, drawn.log_probs]).cumsum(0)  # (N + 1, B)
        for row, text in enumerate(rows):
            if not text.growing.ended:
                text.add(drawn.ids[:, row].tolist(), sums[:, row].tolist())
        open_rows = [row for row, text in enumerate(rows) if not text.growing.ended]
        if 0 < len(open_rows) <= len(rows) // 2:  # else it costs more than it saves
            source.keep(np.array(open_rows))
            rows = [rows[row] for row in open_rows]
    return texts
