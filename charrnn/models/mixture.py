"""Several models as one: the mean of their probabilities.

p(next) = (p₁(next) + p₂(next) + … + p_M(next)) / M
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from charrnn.arguments import checked
from charrnn.array_checks import checked_ids
from charrnn.arrays import Floats, Ids, mean_logits
from charrnn.cells.rules import State
from charrnn.config import Count
from charrnn.errors import UsageError
from charrnn.folder import card
from charrnn.folder.record import ModelFolder
from charrnn.models.hooks import Watch, within
from charrnn.models.predictor import Predictor
from charrnn.sampling.language_model import Stepper
from charrnn.text.prepared import same_vocabulary

__all__ = ["Mixture", "same_direction"]


class Mixture(Predictor):
    """Models that read the same text, and whose predictions are averaged.

    The state is the parts of all their states, one model after the other.

    Args:
        models: at least one; all with the same vocabulary, and read in the same direction.

    Raises:
        UsageError: if their vocabularies or directions differ.
    """

    @checked
    def __init__(self, models: Sequence[Predictor]) -> None:
        if not models:
            raise UsageError("there is no model to mix", "name at least one")
        self.tokenizer = same_vocabulary([model.tokenizer for model in models])
        self.reads_backwards = same_direction(models)
        self.records_kind = models[0].records_kind
        self.models = tuple(models)
        self.facts = {f"model {k}": _name(model) for k, model in enumerate(models)}
        self.facts |= {"vocabulary": card.vocabulary(self.tokenizer)}
        self.counts = [len(model.start()) for model in models]

    @checked
    def start(self, batch_size: Count = 1) -> State:
        """The states of all models before any text."""
        return tuple(part for model in self.models for part in model.start(batch_size))

    @property
    def places(self) -> list[str]:
        """The places of all models: `models.0.layers.0.hook_h` and so on."""
        numbered = enumerate(self.models)
        return [f"models.{k}.{place}" for k, model in numbered for place in model.places]

    @property
    def state_places(self) -> list[list[str]]:
        """For each array of the state, the places of its layers."""
        return [
            [f"models.{k}.{place}" for place in part]
            for k, model in enumerate(self.models)
            for part in model.state_places
        ]

    def __call__(
        self, ids: Ids, state: State | None = None, watch: Watch | None = None
    ) -> tuple[Floats, State]:
        """Read tokens (B, T): the logits (B, T, V) of the token after each, and the state."""
        found = checked_ids(ids, self.tokenizer.vocab_size, 2)
        state = self.start(len(found)) if state is None else state
        parts = zip(self.models, self._parts(state), strict=True)
        return _together(
            [m(found, part, within(watch, f"models.{k}.")) for k, (m, part) in enumerate(parts)]
        )

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """As `__call__`, but after the last token only (B, V)."""
        parts = self._parts(state)
        return _together([m.read(ids, part) for m, part in zip(self.models, parts, strict=True)])

    def stepper(self, state: State) -> Stepper:
        """Sequences that go on from `state`."""
        parts = self._parts(state)
        return _MixtureStepper(
            [m.stepper(part) for m, part in zip(self.models, parts, strict=True)]
        )

    def _parts(self, state: State) -> Iterator[State]:
        if not isinstance(state, tuple) or len(state) != sum(self.counts):
            found = f"{len(state)} parts" if isinstance(state, tuple) else type(state).__name__
            advice = f"it has {sum(self.counts)}; begin with mixture.start(B)"
            raise UsageError(f"a state of {found} does not fit the mixture", advice)
        begin = 0
        for count in self.counts:
            yield state[begin : begin + count]
            begin += count


class _MixtureStepper:
    """The steppers of several models, which read the same tokens."""

    def __init__(self, steppers: list[Stepper]) -> None:
        self.steppers = steppers

    def step(self, ids: Ids) -> Floats:
        return mean_logits([stepper.step(ids) for stepper in self.steppers])

    @property
    def state(self) -> State:
        return tuple(part for stepper in self.steppers for part in stepper.state)


def same_direction(models: Sequence[Predictor | ModelFolder]) -> bool:
    """Whether all of several models read backwards, and not forwards.

    Raises:
        UsageError: if they differ.
    """
    if len({model.reads_backwards for model in models}) > 1:
        found = "one model reads backwards, another reads forwards"
        raise UsageError(found, "take models of one direction, or take them one by one")
    return models[0].reads_backwards


def _together(results: list[tuple[Floats, State]]) -> tuple[Floats, State]:
    logits = mean_logits([logits for logits, _ in results])
    return logits, tuple(part for _, state in results for part in state)


def _name(model: Predictor) -> str:
    """What a model is called among others, and what it is."""
    named = [model.facts[label] for label in ("model", "cell") if label in model.facts]
    return ": ".join(named) or type(model).__name__
