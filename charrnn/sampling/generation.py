"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ …
                                           └──decode──▶ text
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from charrnn.config import SampleConfig, Unknown
from charrnn.sampling import clusters
from charrnn.sampling.endings import Ending, check_ends, refuse_endless
from charrnn.sampling.language_model import LanguageModel, Stop, encode_prompt, never
from charrnn.sampling.token_source import Request, TokenSource, token_source

__all__ = ["Sample", "generate_batch", "groups", "new_seed", "seeds_from", "stream"]

MAX_SEEDS = 2**63  # seeds are below it
MAX_OVER = 64  # tokens beyond the length, in which the last cluster must end

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
        UsageError: for unknown characters in the prompt, if these are errors, lists of
            characters that leave none, or stops of which none can come and no length.
    """
    config = config or SampleConfig()
    check_ends(config, model.tokenizer)
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

    Many are drawn in `groups`.

    Args:
        model, prompt, config, unknown: as for `stream`, but for the seed.
        seeds: one a text.
        stop: is asked while the prompt is read and between draws; once it answers yes, the texts
            that are being drawn are returned as far as they are.

    Raises:
        UsageError: as `stream`; and for texts without an end.
    """
    config = config or SampleConfig()
    if model.tokenizer.end is None:
        refuse_endless(config)
    check_ends(config, model.tokenizer)
    request = Request(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    found = list[Sample]()
    for group in groups(model, config, seeds):
        texts = _finished(request, group, stop)
        for number, text in enumerate(texts):
            if text.close and not stop():  # rounding may have decided; see `ties`
                (alone,) = _finished(request, [text.seed], stop)
                texts[number] = text if stop() else alone
        found += [text.sample() for text in texts]
        if stop():
            break
    return found


def groups(
    model: LanguageModel, config: SampleConfig, seeds: Sequence[int]
) -> Iterator[Sequence[int]]:
    """`seeds`, in groups whose texts can be drawn side by side without taking much memory."""
    length = config.max_new_tokens or 1
    most = min(MAX_LOGITS // model.tokenizer.vocab_size, MAX_CHARACTERS // length, MAX_GROUP)
    size = max(most, 1)
    for begin in range(0, len(seeds), size):
        yield seeds[begin : begin + size]


def seeds_from(first: int, count: int) -> list[int]:
    """The seeds of `count` texts: they count up from the first, and after the largest from 0."""
    return [(first + number) % MAX_SEEDS for number in range(count)]


def new_seed() -> int:
    """A seed that nobody chose."""
    return int.from_bytes(os.urandom(4))


class _GrowingText:
    """One text while it is drawn."""

    def __init__(self, request: Request, seed: int) -> None:
        tokenizer, config = request.model.tokenizer, request.config
        self.seed = seed
        self.decode = tokenizer.decoder()
        self.end_id = tokenizer.end_id
        self.record_ended = False
        self.ending = Ending(config)
        self.max_tokens = config.max_new_tokens
        self.tokens = 0
        self.log_prob = 0.0
        self.drawn_log_prob = 0.0  # with that of tokens that are held
        self.close = False
        self.pieces = io.StringIO()
        self.cut = self.max_tokens == 0  # it has its length, and ends with a whole cluster
        self.held = 0  # tokens beyond the length that may belong to the next cluster
        in_bytes = tokenizer.unit == "byte"
        self.clustered = in_bytes or clusters.may_join(getattr(tokenizer, "characters", ""))
        self.last_ids = request.prompt[-clusters.CONTEXT :].tolist()
        self.last_text = tokenizer.decode(request.prompt[-clusters.CONTEXT :])
        self.incomplete = _incomplete if in_bytes else lambda _ids: False

    @property
    def ended(self) -> bool:
        return self.whole or self.cut

    @property
    def whole(self) -> bool:
        """Whether it has come to its end, and was not cut."""
        return self.ending.ended or self.record_ended

    @property
    def tokens_left(self) -> int:
        """How many may come; one after the other once the text has its length."""
        return sys.maxsize if self.max_tokens is None else max(self.max_tokens - self.tokens, 1)

    def add(self, ids: list[int]) -> str:
        """Take in ids, up to the end; returns what may be shown of the text now."""
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            return self._add_beyond(ids[0])
        ids = ids[: self.tokens_left]
        end = ids.index(self.end_id) if self.end_id in ids else len(ids)
        shown = self._add(ids[:end])
        if end < len(ids) and not self.ending.ended:
            self.tokens += 1
            self.record_ended = True
        self.cut = self.tokens == self.max_tokens and not self.clustered
        return shown

    def _add(self, ids: list[int]) -> str:
        shown = ""
        if self.ending.open:
            self.tokens += len(ids)
            shown = self._decoded(ids)
        else:
            for token in ids:
                if not self.ending.ended:
                    self.tokens += 1
                    shown += self.ending.feed(self._decoded([token]))
        return shown

    def _add_beyond(self, token: int) -> str:
        """Take in an id beyond the length if it belongs to the last cluster; else the text ends."""
        begun = not self.held and self.incomplete(self.last_ids)  # a character, within the length
        before = self.last_text
        piece = self._decoded([token])
        self.held += 1
        assert self.max_tokens is not None, "there is a length"
        full = self.tokens + self.held - self.max_tokens >= MAX_OVER
        if not begun and piece and not clusters.joins(before, piece[0]):
            self.cut = True
            return ""
        self.cut = full
        if not begun and not piece:
            return ""  # the first bytes of a character
        self.tokens, self.held = self.tokens + self.held, 0
        return self.ending.feed(piece)

    def _decoded(self, ids: list[int]) -> str:
        text = self.decode(ids, False)
        if self.clustered:
            self.last_ids = (self.last_ids + ids)[-3:]
            self.last_text = (self.last_text + text)[-clusters.CONTEXT :]
        return text

    def rest(self) -> str:
        """What was held back."""
        return self.ending.rest()

    def sample(self) -> Sample:
        return Sample(
            text=self.pieces.getvalue() + self.rest(),
            seed=self.seed,
            tokens=self.tokens,
            mean_log_prob=self.log_prob / max(self.tokens, 1),
            whole=self.whole,
        )


def _incomplete(ids: list[int]) -> bool:
    """Whether bytes end in the middle of a character."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    utf8.decode(bytes(token for token in ids if token < 256))
    return bool(utf8.getstate()[0])


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
        drawn = source.next(min(text.tokens_left for text in growing if not text.ended))
        for row in drawn.close:
            growing[row].close = True
        # One after the other, so that sums are the same in any pieces.
        before = [text.drawn_log_prob for text in growing]
        sums = np.vstack([before, drawn.log_probs]).cumsum(0)  # (N + 1, B)
        for row, text in enumerate(growing):
            if text.ended:
                continue
            count = text.tokens
            text.pieces.write(text.add(drawn.ids[:, row].tolist()))
            text.drawn_log_prob = float(sums[-1, row])
            if text.tokens > count:
                text.log_prob = float(sums[min(text.tokens - count, len(sums) - 1), row])
        rows = [row for row, text in enumerate(growing) if not text.ended]
        if 0 < len(rows) <= len(growing) // 2:  # else it costs more than it saves
            source.keep(np.array(rows))
            growing = [growing[row] for row in rows]
    return texts
