"""What the API gives: models, completions whole or as server-sent events, and scores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec

from charrnn.models.model import Model
from charrnn.scoring.score import Score
from charrnn.serving.limits import ApiError, error_body
from charrnn.serving.texts import Piece, Text, TokenCost

__all__ = ["Completion", "described", "score_body", "whole_text"]

# Seconds between two events of a stream, and what each text that is being written adds: more often
# nobody sees, and with many clients sending takes longer than writing.
PAUSE, PAUSE_FOR_EACH = 0.02, 0.0005


class Completion(msgspec.Struct, frozen=True):
    """What all parts of one answer have in common.

    Attributes:
        id: of the answer.
        created: when it was asked for, in seconds since 1970.
        model: its name.
        prompt_tokens: how many were read.
        texts: its choices.
        usage: whether the last event of a stream counts the tokens.
        costs: how many log-probabilities the answer may hold.
    """

    id: str
    created: int
    model: str
    prompt_tokens: int
    texts: Sequence[Text]
    usage: bool
    costs: int

    async def whole(self) -> bytes:
        """The answer, once all texts are written.

        Raises:
            ApiError: 500 if one could not be written.
        """
        pieces = [await whole_text(text) for text in self.texts]
        choices = [self._choice(index, piece) for index, piece in enumerate(pieces)]
        return msgspec.json.encode(self._body(choices) | {"usage": self._usage()})

    async def events(self, others: Callable[[], int]) -> AsyncIterator[bytes]:
        """The answer, as server-sent events; `others` tells how many texts are being written."""
        async for index, piece in _as_they_come(self.texts, others):
            if piece.finish == "failure":
                yield _event(error_body(500, self.texts[index].failure))
                return
            yield _event(msgspec.json.encode(self._body([self._choice(index, piece)])))
        if self.usage:
            yield _event(msgspec.json.encode(self._body([]) | {"usage": self._usage()}))
        yield _event(b"[DONE]")

    def _body(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def _choice(self, index: int, piece: Piece) -> dict[str, Any]:
        text = self.texts[index]
        return {
            "index": index,
            "text": piece.text,
            "logprobs": None if text.costs is None else _logprobs(piece.costs),
            "finish_reason": piece.finish,
            "seed": text.seed,
        }

    def _usage(self) -> dict[str, int]:
        written = sum(text.growing.tokens for text in self.texts)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }


def _logprobs(costs: Sequence[TokenCost]) -> dict[str, Any]:
    return {
        "tokens": [cost.token for cost in costs],
        "token_logprobs": [cost.log_prob for cost in costs],
        "top_logprobs": [cost.likeliest or None for cost in costs],
        "text_offset": [cost.offset for cost in costs],
    }


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


async def whole_text(text: Text) -> Piece:
    """A text, once it is written.

    Raises:
        ApiError: 500 if it could not be written.
    """
    piece = await text.news()
    assert piece.finish is not None, "the text is not streamed"
    if piece.finish == "failure":
        raise ApiError(500, text.failure)
    return piece


async def _as_they_come(
    texts: Sequence[Text], others: Callable[[], int]
) -> AsyncIterator[tuple[int, Piece]]:
    """The pieces of several texts, each with the number of its text."""
    waiting = {asyncio.ensure_future(text.news()): index for index, text in enumerate(texts)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index, piece = waiting.pop(task), task.result()
                yield index, piece
                if piece.finish is None:
                    waiting[asyncio.ensure_future(texts[index].news())] = index
            await asyncio.sleep(PAUSE + PAUSE_FOR_EACH * others())
    finally:
        for task in waiting:
            task.cancel()


def described(name: str, model: Model, created: int, max_length: int) -> dict[str, object]:
    """A model; beside OpenAI's fields what it is, and which characters it knows.

    Args:
        name: what it is served as.
        model: it.
        created: when the server began, in seconds since 1970.
        max_length: the most characters that the server reads or writes for one text.
    """
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "charrnn",
        "unit": model.tokenizer.unit,
        "cell": model.config.cell,
        "num_layers": model.config.num_layers,
        "hidden_size": model.config.hidden_size,
        "corpus": model.facts.get("corpus"),
        "characters": list(getattr(model.tokenizer, "characters", "")) or None,
        "records": model.records_kind,
        "end": model.tokenizer.end,
        "max_length": max_length,
    }


def score_body(model: str, characters: Iterable[tuple[str, float]], total: Score) -> bytes:
    """What each character of a text cost.

    Args:
        model: its name.
        characters: each with its nats.
        total: of those that were predicted, if only in part.
    """
    shown = list(characters)
    found = {
        "object": "score",
        "model": model,
        "characters": [character for character, _ in shown],
        "nats": [nats for _, nats in shown],
        "nats_per_char": total.nats_per_char,
        "bits_per_char": total.bits_per_char,
        "perplexity": total.perplexity,
    }
    return msgspec.json.encode(found)
