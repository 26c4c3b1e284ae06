"""One text while it is drawn: ids are taken in, what may be shown comes out.

text = GrowingText(request)
while not text.ended:
    piece = text.add(ids)
piece = text.rest()
"""

from __future__ import annotations

import codecs
import sys

from charrnn.sampling import clusters
from charrnn.sampling.endings import Ending
from charrnn.sampling.token_source import GenerationRequest

__all__ = ["GrowingText"]

MAX_OVER = 64  # tokens beyond the length, in which the last cluster must end


class GrowingText:
    """One text while it is drawn.

    Beyond its length it takes in ids, one after the other, until the last cluster of characters is
    whole; see `clusters`.

    Args:
        request: its model, prompt and settings.

    Attributes:
        ending: where its stops are looked for.
        record_ended: whether the end of its record was drawn.
        cut: whether it has its length, and ends with a whole cluster.
        tokens: how many ids it has.
        held: how many it took in besides, beyond its length, that may belong to the next cluster.
    """

    def __init__(self, request: GenerationRequest) -> None:
        tokenizer, config = request.model.tokenizer, request.config
        self.decode = tokenizer.decoder()
        self.end_id = tokenizer.end_id
        self.record_ended = False
        self.ending = Ending(config)
        self.max_tokens = config.max_new_tokens
        self.tokens = 0
        self.cut = self.max_tokens == 0
        self.held = 0
        in_bytes = tokenizer.unit == "byte"
        self.clustered = in_bytes or clusters.may_join(getattr(tokenizer, "characters", ""))
        self.last_ids = request.prompt[-clusters.CONTEXT :].tolist()
        self.last_text = tokenizer.decode(request.prompt[-clusters.CONTEXT :])
        self.incomplete = _incomplete if in_bytes else lambda _ids: False

    @property
    def ended(self) -> bool:
        """Whether it has its length, or has come to its end."""
        return self.whole or self.cut

    @property
    def whole(self) -> bool:
        """Whether it has come to a stop, or to the end of its record."""
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
        if self.ending.has_no_stops:
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
        self.held += 1
        if token == self.end_id:
            self.cut = True
            return ""
        piece = self._decoded([token])
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
            # An unfinished character has three bytes at most.
            self.last_ids = (self.last_ids + ids)[-3:]
            self.last_text = (self.last_text + text)[-clusters.CONTEXT :]
        return text

    def rest(self) -> str:
        """What was held back."""
        return self.ending.rest()


def _incomplete(ids: list[int]) -> bool:
    """Whether bytes end in the middle of a character."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    utf8.decode(bytes(token for token in ids if token < 256))
    return bool(utf8.getstate()[0])
