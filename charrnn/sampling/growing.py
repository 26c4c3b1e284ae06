"""One text while it is drawn: ids are taken in, what may be shown comes out.

text = GrowingText(tokenizer, config, seed)
while not text.ended:
    piece = text.add(ids)
piece = text.rest()
"""

from __future__ import annotations

import sys

import msgspec

from charrnn.config import SampleConfig
from charrnn.sampling.endings import Ending
from charrnn.text.tokenizer import Tokenizer

__all__ = ["GrowingText", "Sample"]


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


class GrowingText:
    """One text while it is drawn.

    Args:
        tokenizer: of its model.
        config: max_new_tokens and the stops count.
        seed: of its random numbers.
    """

    def __init__(self, tokenizer: Tokenizer, config: SampleConfig, seed: int) -> None:
        self.seed = seed
        self.decode = tokenizer.decoder()
        self.end_id = tokenizer.end_id
        self.record_ended = False
        self.ending = Ending(config)
        self.max_tokens = config.max_new_tokens
        self.tokens = 0
        self.log_prob = 0.0
        self.close = False
        self.pieces: list[str] = []

    @property
    def ended(self) -> bool:
        """Whether it has its length, or has come to its end."""
        return self.whole or self.tokens == self.max_tokens

    @property
    def whole(self) -> bool:
        """Whether it has come to a stop, or to the end of its record."""
        return self.ending.ended or self.record_ended

    @property
    def tokens_left(self) -> int:
        """How many more it may have."""
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
        """The text, once it has ended."""
        return Sample(
            text="".join(self.pieces) + self.rest(),
            seed=self.seed,
            tokens=self.tokens,
            mean_log_prob=self.log_prob / max(self.tokens, 1),
            whole=self.whole,
        )
