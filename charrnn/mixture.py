"""Several models as one: the mean of their probabilities.

p(next) = (p₁(next) + p₂(next) + ...) / K
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from charrnn import runtime
from charrnn.cells import State
from charrnn.errors import UsageError
from charrnn.filters import log_softmax
from charrnn.predictor import Predictor
from charrnn.sampling import Steps
from charrnn.stepper import Floats
from charrnn.tokenizer import Ids, Tokenizer

__all__ = ["Mixture", "load", "mean_log_probs", "same_vocabulary"]


class Mixture(Predictor):
    """Models that read the same text and are asked together.

    Its state is the parts of all their states, one model after the other.

    Args:
        models: at least one; all with the same vocabulary.

    Raises:
        UsageError: if their vocabularies differ.
    """

    def __init__(self, models: Sequence[Predictor]) -> None:
        self.tokenizer = same_vocabulary([model.tokenizer for model in models])
        self.models = models
        self.counts = [len(model.start()) for model in models]

    def start(self, batch_size: int = 1) -> State:
        """The states of all before any text."""
        return tuple(part for model in self.models for part in model.start(batch_size))

    def __call__(self, ids: Ids, state: State | None = None) -> tuple[Floats, State]:
        """Read tokens (B, T): log-probabilities (B, T, V) of the token after each."""
        state = self.start(len(ids)) if state is None else state
        return _together(
            [m(ids, part) for m, part in zip(self.models, self._parts(state), strict=True)]
        )

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """As `__call__`, but after the last token only (B, V)."""
        parts = self._parts(state)
        return _together([m.read(ids, part) for m, part in zip(self.models, parts, strict=True)])

    def stepper(self, state: State) -> Steps:
        """Sequences that go on from `state`."""
        parts = self._parts(state)
        return _MixtureSteps([m.stepper(part) for m, part in zip(self.models, parts, strict=True)])

    def _parts(self, state: State) -> Iterator[State]:
        begin = 0
        for count in self.counts:
            yield state[begin : begin + count]
            begin += count


def load(models: Sequence[str | Path | None]) -> Predictor:
    """The model in a folder, or a mixture of those in several; see `runtime.load`."""
    found = [runtime.load(model) for model in models]
    return found[0] if len(found) == 1 else Mixture(found)


class _MixtureSteps:
    """Steps of several models together."""

    def __init__(self, steps: list[Steps]) -> None:
        self.steps = steps

    def step(self, ids: Ids) -> Floats:
        return mean_log_probs([one.step(ids) for one in self.steps])

    @property
    def state(self) -> State:
        return tuple(part for one in self.steps for part in one.state)


def _together(results: list[tuple[Floats, State]]) -> tuple[Floats, State]:
    logits = mean_log_probs([logits for logits, _ in results])
    return logits, tuple(part for _, state in results for part in state)


def mean_log_probs(logits: Sequence[Floats]) -> Floats:
    """The logarithm of the mean of the probabilities that several logits (..., V) stand for."""
    total = log_softmax(logits[0])
    for other in logits[1:]:
        total = np.logaddexp(total, log_softmax(other))
    return total - np.float32(np.log(len(logits)))


def same_vocabulary(tokenizers: Sequence[Tokenizer]) -> Tokenizer:
    """The tokenizer that several models share.

    Raises:
        UsageError: if they don't; says what differs.
    """
    first = tokenizers[0]
    for other in tokenizers[1:]:
        if other == first:
            continue
        if type(other) is not type(first):
            found = f"one model reads {first.unit}s, another {other.unit}s"
        else:
            sets = [set(t.characters) for t in (first, other) if hasattr(t, "characters")]
            found = f"the models differ in {''.join(sorted(sets[0] ^ sets[1]))!r}"
        raise UsageError(found, "mix models of one vocabulary")
    return first
