"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ …
                                           └──decode──▶ text
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from charrnn.config import Unknown
from charrnn.sampling.endings import refuse_endless, with_checked_ends
from charrnn.sampling.growing import GrowingText, Sample
from charrnn.sampling.language_model import LanguageModel, Stop, encode_prompt, never
from charrnn.sampling.token_source import TokenSource, Wish, token_source
from charrnn.use_config import SampleConfig

__all__ = ["generate_batch", "groups", "new_seed", "seeds_from", "stream"]

MAX_SEEDS = 2**63  # seeds are below it

# Texts that are drawn side by side: how many gain from it, and how many numbers at a time. The
# logits of all take eight bytes a number, several times; their characters up to eight.
MAX_GROUP, MAX_LOGITS, MAX_CHARACTERS = 256, 1 << 20, 1 << 24


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
    config = with_checked_ends(config or SampleConfig(), model.tokenizer)
    model = model.clamped(config.clamp)
    wish = Wish(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    seed = new_seed() if config.seed is None else config.seed
    text = GrowingText(wish, seed)
    return _pieces(token_source(wish, [seed], never, whole=False), text)


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
    config = with_checked_ends(config, model.tokenizer)
    model = model.clamped(config.clamp)
    wish = Wish(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    found = list[Sample]()
    for group in groups(model, config, seeds):
        texts = _finished(wish, group, stop)
        for number, text in enumerate(texts):
            if text.close and not stop():  # rounding may have decided; see `ties`
                (alone,) = _finished(wish, [text.seed], stop)
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
    fitting = min(MAX_LOGITS // model.tokenizer.vocab_size, MAX_CHARACTERS // length, MAX_GROUP)
    size = max(fitting, 1)
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


def _finished(wish: Wish, seeds: Sequence[int], stop: Stop) -> list[GrowingText]:
    """The texts of some seeds, drawn to their ends or until `stop` answers yes."""
    texts = [GrowingText(wish, seed) for seed in seeds]
    source = token_source(wish, seeds, stop, whole=True)
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
