"""What writing needs of a language model, and how a prompt is read.

logits, state = read_prompt(model, encode_prompt(model.tokenizer, "Once"))
stepper = model.stepper(state)    # token by token, in NumPy
sampler = model.sampler(state, max_tokens=None)    # many tokens a call, in machine code
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Logits
from charrnn.cells.rules import State
from charrnn.config import Unknown
from charrnn.errors import UsageError
from charrnn.text.prepared import as_trained
from charrnn.text.tokenizer import Tokenizer

__all__ = [
    "TIME_CHUNK",
    "LanguageModel",
    "Stepper",
    "Stop",
    "TokenSampler",
    "after_start",
    "encode_prompt",
    "never",
    "own_ids",
    "read_prompt",
    "start_ids",
]

# T, time steps read at once, so that long texts take little memory. Everything that reads goes by
# these chunks, so that a text has the same logits to the bit however it arrives.
TIME_CHUNK = 256

# The end of records that may hold blank lines: documents, and those known by how they open.
BLANK_LINE = "\n\n"
NO_CHARACTER = "\ud800"  # half of one, which no tokenizer knows

Stop = Callable[[], object]  # asked now and then; a true answer means that work should end here


class Stepper(Protocol):
    """B sequences that are read token by token."""

    @property
    def state(self) -> State:
        """The state now: arrays (L, B, H)."""

    def step(self, ids: Ids) -> Logits:
        """Read one id of each sequence (B,); returns the logits (B, V) of the next."""


class TokenSampler(Protocol):
    """B sequences to which many tokens are added at a time."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of each to read or draw in one call, so that it returns soon."""

    def read(self, ids: Ids) -> None:
        """Read ids (T, B)."""

    def draw(
        self,
        ids: Ids,
        uniforms: NDArray[np.floating],
        inverse_temperatures: NDArray[np.floating],
        mask: Logits,
    ) -> tuple[Ids, Logits]:
        """Read a token of each sequence, draw the next, and so on.

        Args:
            ids: (B,), the tokens to read first.
            uniforms: (N, B), in [0, 1): where in its distribution each token is drawn; 0 is the
                first of the likeliest if the inverse temperature is large.
            inverse_temperatures: (N,), above 0, what logits are multiplied with.
            mask: (V,), what is added to them before: 0, or minus infinity.

        Returns:
            ids: (N, B), the tokens drawn.
            log_probs: (N, B), nats, under the model itself: no temperature and no mask.
        """

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these sequences; one that is named twice is there twice."""

    def join(self, other: Self) -> None:
        """Go on with the sequences of another sampler of the same model, too."""


class LanguageModel(ABC):
    """A model that predicts the next token from all before it.

    Attributes:
        tokenizer: its vocabulary.
    """

    tokenizer: Tokenizer

    @abstractmethod
    def start(self, batch_size: int = 1) -> State:
        """The state before any text: arrays (L, B, H)."""

    @abstractmethod
    def __call__(self, ids: Ids, state: State | None = None) -> tuple[Floats, State]:
        """Read tokens (B, T): the logits (B, T, V) of the token after each, and the state."""

    @abstractmethod
    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """As `__call__`, but the logits (B, V) after the last token only."""

    @abstractmethod
    def stepper(self, state: State) -> Stepper:
        """Sequences that go on from `state`, token by token."""

    def sampler(self, state: State, max_tokens: int | None) -> TokenSampler | None:
        """Sequences that go on from `state`, many tokens a call, if there is machine code for it.

        Args:
            state: arrays (L, B, H); copied.
            max_tokens: how many each sequence will read and draw; None for no end.

        Returns:
            sampler: None if there is no such code, or making it would take longer than it saves.
        """
        del state, max_tokens
        return None

    def clamped(self, clamp: Mapping[str, float] | None) -> LanguageModel:
        """This model with units held at values, if it has units of its own.

        Args:
            clamp: by layer and unit, such as "1.37"; None or empty for none.

        Raises:
            UsageError: for a unit that it does not have.
        """
        if clamp:
            found = "clamp names units of one model, and this is a mixture of several"
            raise UsageError(found, "name one model", "clamp")
        return self


def never() -> bool:
    """The `Stop` of work that is done to its end."""
    return False


def encode_prompt(tokenizer: Tokenizer, prompt: str, unknown: Unknown = "error") -> Ids:
    """The ids (N,) of a prompt and of what it is read after; see `own_ids` and `after_start`."""
    return after_start(tokenizer, own_ids(tokenizer, prompt, unknown))


def own_ids(tokenizer: Tokenizer, prompt: str, unknown: Unknown) -> Ids:
    """The ids (N,) of a prompt alone, read as `as_trained`; none if all of it is left out.

    For a model of records, the prompt begins one, and the end of one is an unknown character.

    Raises:
        UsageError: for unknown characters, if these are errors.
    """
    prompt = as_trained(prompt, tokenizer)
    end = tokenizer.end
    if end is not None and end != BLANK_LINE and end in prompt:
        if unknown == "error":
            what = "a line end" if end == "\n" else repr(end)
            found = f"the text has {what}, where records of this model end"
            raise UsageError(found, "give one record, or the beginning of one")
        prompt = prompt.replace(end, NO_CHARACTER)
    return tokenizer.encode(prompt, unknown)


def after_start(tokenizer: Tokenizer, ids: Ids) -> Ids:
    """The ids (N,) to read for a prompt.

    In a model of records, an end stands before it; in others it is read as it is, or `start_ids` if
    it is empty.
    """
    if tokenizer.end is not None:
        return np.concatenate([start_ids(tokenizer), ids])
    return ids if len(ids) else start_ids(tokenizer)


def start_ids(tokenizer: Tokenizer) -> Ids:
    """The ids (1,) that a text without a prompt is read after.

    In a model of records, the end of one; else a line end, a space, or the vocabulary's first.
    """
    if tokenizer.end_id is not None:
        return np.array([tokenizer.end_id], np.int32)
    for character in "\n ":
        if len(ids := tokenizer.encode(character, "skip")):
            return ids
    return np.zeros(1, np.int32)


def read_prompt(model: LanguageModel, prompt: Ids, stop: Stop = never) -> tuple[Floats, State]:
    """Read ids (N,) from the start, or fewer of them once `stop` answers yes.

    Returns:
        logits: (1, V), of the next id.
        state: arrays (L, 1, H).
    """
    logits, state = model.read(prompt[None, :TIME_CHUNK], model.start())
    for first in range(TIME_CHUNK, len(prompt), TIME_CHUNK):
        if stop():
            break
        logits, state = model.read(prompt[None, first : first + TIME_CHUNK], state)
    return logits, state
