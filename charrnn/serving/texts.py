"""One text that a client waits for: written in one thread, awaited in another.

The writing thread calls `start`, `reached`, `write`, `end` and `fail`; the event loop awaits `news`
and sets `abandoned`. Between them stands a deque.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from charrnn.arrays import Logits, log_softmax
from charrnn.cells.rules import State
from charrnn.sampling.growing import GrowingText
from charrnn.sampling.token_source import GenerationRequest
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Finish", "Piece", "Text", "TokenCost"]

Finish = Literal["stop", "length", "failure"]


class TokenCost(NamedTuple):
    """How likely the model found a token.

    Attributes:
        token: its text, or `bytes:` and its value in hexadecimal; empty for a record's end.
        log_prob: nats, under the model itself; None for the first of all, which is not predicted.
        likeliest: the likeliest tokens in its place, in nats.
        offset: how many characters of the text stand before it.
    """

    token: str
    log_prob: float | None
    likeliest: dict[str, float]
    offset: int


class Piece(NamedTuple):
    """The next part of a text.

    Attributes:
        text: what is new.
        costs: of its tokens, if they are asked for.
        finish: why the text ends here; None if it goes on.
    """

    text: str
    costs: list[TokenCost]
    finish: Finish | None


class Text:
    """One text.

    Args:
        request: the model, what it reads, and how to draw.
        seed: of its random numbers.
        likeliest: how many of the likeliest tokens are listed for each place; None if costs are
            not asked for.
        echo: whether what is read is part of the text.
        streamed: whether each piece of the text is news, or only its end.

    Attributes:
        temperature: at which it is drawn; the API takes one.
        ids: what is read: the prompt, then what was drawn.
        read: how many of them are read.
        drawn: ids that were drawn elsewhere and are to be read here, so that they have costs.
        state_alone: the state after the first ids, read alone, and how many these are.
        failure: why it can't be written, for people.
        abandoned: whether nobody waits for it any more.
    """

    def __init__(
        self,
        request: GenerationRequest,
        seed: int,
        likeliest: int | None,
        *,
        echo: bool,
        streamed: bool,
    ) -> None:
        tokenizer = request.model.tokenizer
        self.request = request
        self.seed = seed
        self.growing = GrowingText(request)
        # What decides how a token is drawn: texts that share it are drawn together.
        self.how = msgspec.structs.replace(
            request.config, seed=None, max_new_tokens=None, stop_strings=()
        )
        temperature = request.config.temperature
        assert isinstance(temperature, int | float), "the API takes one temperature"
        self.temperature: float = temperature
        self.random = Random(seed)  # noqa: S311
        self.ids: list[int] = request.prompt.tolist()
        self.read = 0
        self.drawn: deque[int] = deque()
        self.state_alone: tuple[State, int] | None = None
        self.finish: Finish | None = None
        self.failure = ""
        self.abandoned = False

        self.costs = None if likeliest is None else _Costs(tokenizer, likeliest)
        self._echo = echo
        self._streamed = streamed
        self._news: deque[Piece] = deque()
        self._fresh = False  # whether there is news that the event loop has not been told of
        self._arrived = asyncio.Event()
        self._shown = 0  # characters handed on

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do for it."""
        return self.abandoned or self.finish is not None

    def start(self) -> None:
        """Hand on the prompt, if it is part of the text."""
        if self._echo:
            begin = int(self.ids[0] == self.growing.end_id)  # what a record is read after
            if self.costs and not begin:
                self.costs.add(self.ids[0], None)
            self._hand_on(self.request.model.tokenizer.decode(self.request.prompt[begin:]))
        if self.growing.ended and self.costs is None:
            self.end()

    def reached(self, logits: Logits) -> None:
        """A token of the prompt is the next to read; `logits` (V,) are those of its place."""
        if self.costs and self._echo:
            self.costs.add(self.ids[self.read], logits)

    def write(self, token: int, logits: Logits) -> None:
        """A token was drawn from `logits` (V,)."""
        self.ids.append(token)
        if self.costs:
            self.costs.add(token, logits)
        self.extend([token])

    def extend(self, ids: list[int]) -> None:
        """Tokens were drawn."""
        piece = self.growing.add(ids)
        if self.growing.ended:
            self.end(piece)
        elif piece:
            self._hand_on(piece)

    def end(self, piece: str = "") -> None:
        """The text is whole with `piece`."""
        self.finish = "stop" if self.growing.whole else "length"
        self._hand_on(piece + self.growing.rest())

    def fail(self, reason: str) -> None:
        """The text can't be written; `reason` is for people."""
        self.finish, self.failure = "failure", reason
        self._hand_on("")

    def _hand_on(self, text: str) -> None:
        self._shown += len(text)
        costs = self._new_costs() if self.costs else []
        self._news.append(Piece(text, costs, self.finish))
        self._fresh = self._streamed or self.finish is not None

    def _new_costs(self) -> list[TokenCost]:
        assert self.costs is not None, "they are asked for"
        if self.finish is None or self.growing.ending.ended:
            return self.costs.up_to(self._shown)
        # Tokens without a character are listed, too: half of one, which is not shown, or an end.
        drawn = len(self.ids) - len(self.request.prompt)
        return self.costs.rest(drawn - self.growing.tokens)

    def take_fresh(self) -> bool:
        """Whether the event loop is to be told of news, once."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def tell(self) -> None:
        """In the event loop: there is news."""
        self._arrived.set()

    async def news(self) -> Piece:
        """All that is new, once there is any."""
        await self._arrived.wait()
        self._arrived.clear()
        found = [self._news.popleft() for _ in range(len(self._news))]
        return joined(found)


def joined(pieces: Sequence[Piece]) -> Piece:
    """Several pieces of a text as one."""
    return Piece(
        "".join(piece.text for piece in pieces),
        [cost for piece in pieces for cost in piece.costs],
        pieces[-1].finish if pieces else None,
    )


class _Costs:
    """What the tokens of a text cost, until the text they belong to is handed on."""

    def __init__(self, tokenizer: Tokenizer, likeliest: int) -> None:
        self.tokenizer = tokenizer
        self.likeliest = likeliest
        self.offset = 0  # of the character that the last token is part of
        self.length = 0  # how many characters that token is the first of
        self.run: list[int] = []  # the last bytes, from the first that begins a character
        self.waiting: deque[TokenCost] = deque()

    def add(self, token: int, logits: Logits | None) -> None:
        log_prob, likeliest = None, {}
        if logits is not None:
            log_probs = log_softmax(logits.astype(np.float64))
            log_prob = float(log_probs[token])
            first = np.argsort(-log_probs, kind="stable")[: self.likeliest].tolist()
            likeliest = {self._name(k): float(log_probs[k]) for k in first}
        if self._begins(token):
            self.offset += self.length
            self.length = len(self.tokenizer.end or "") if token == self.tokenizer.end_id else 1
        self.waiting.append(TokenCost(self._name(token), log_prob, likeliest, self.offset))

    def up_to(self, shown: int) -> list[TokenCost]:
        """The costs of the tokens that begin in the first `shown` characters, each once."""
        found = []
        while self.waiting and self.waiting[0].offset < shown:
            found.append(self.waiting.popleft())
        return found

    def rest(self, beyond: int) -> list[TokenCost]:
        """The costs of all tokens that are waiting but the last `beyond`."""
        found = list(self.waiting)[: len(self.waiting) - beyond]
        self.waiting.clear()
        return found

    def _begins(self, token: int) -> bool:
        """Whether it is the first of a character, or of what is shown for bytes that are none."""
        if self.tokenizer.unit != "byte" or not 0x80 <= token < 0xC0:
            self.run = [] if token == self.tokenizer.end_id else [token]
            return True
        # A decoder may wait for the next byte; whether this one fits those before shows at once.
        before, after = bytes(self.run), bytes([*self.run, token])
        self.run = [*self.run[:3], token]  # no character has more than four
        return len(after.decode(errors="replace")) > len(before.decode(errors="replace"))

    def _name(self, token: int) -> str:
        if token == self.tokenizer.end_id:
            return ""
        if self.tokenizer.unit == "byte" and token >= 0x80:
            return f"bytes:\\x{token:02x}"
        return self.tokenizer.decode(np.array([token]))
