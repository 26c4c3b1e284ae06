"""The size of a network for examples.

Sizes(…).largest(shape, train, budget, speed) ──▶ ModelConfig
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.cells.heads import Shapes
from charrnn.cells.layout import parameter_count
from charrnn.config import Budget, ModelConfig
from charrnn.objectives.request import Request, Speed
from charrnn.settings import settings_from

__all__ = ["FINE_TUNING", "Sizes"]

FINE_TUNING = 0.4  # of the learning rate, so that what was learnt before is not shaken
ENOUGH_EPOCHS = 10  # with fewer, smaller language models were the better start


@dataclass(frozen=True)
class Sizes:
    """What there is to choose from, and what makes a network too large.

    Attributes:
        sizes: of a stack, the smallest first.
        limits: pairs (characters, size): of texts with fewer characters in all, the largest size.
        min_epochs: for which a size must leave time to be chosen.
        operations: that a character costs in training, for each weight.
        shapes: of the weights of a network, by name.
    """

    sizes: Sequence[int]
    limits: Sequence[tuple[float, int]]
    min_epochs: int
    operations: float
    shapes: Callable[[ModelConfig], Shapes]

    def largest(
        self, shape: Mapping[str, Any], train: int, budget: Budget, speed: Speed
    ) -> ModelConfig:
        """The largest network that examples are enough for, and that reads them often enough.

        Args:
            shape: what of it is settled; its size is kept.
            train: characters to train on.
            budget: how long.
            speed: of training on this machine.
        """
        if "hidden_size" in shape:
            return settings_from(ModelConfig, shape)
        largest = next(size for limit, size in self.limits if train < limit)
        models = [
            settings_from(ModelConfig, {**shape, "hidden_size": size})
            for size in self.sizes
            if size <= largest
        ]
        rate = speed(models[0].cell)
        able = [m for m in models if self.epochs_of(m, train, budget, rate) >= self.min_epochs]
        return able[-1] if able else models[0]

    def epochs_of(self, model: ModelConfig, train: int, budget: Budget, rate: float) -> float:
        """About how often a network reads the examples, at so many operations per second."""
        if budget.minutes is None:
            return math.inf
        weights = parameter_count(self.shapes(model))
        return 60 * budget.minutes * rate / (self.operations * weights * train)

    def note(
        self, model: ModelConfig, train: int, request: Request, speed: Speed
    ) -> tuple[str, ...]:
        """What to say where the models that a run starts from are too large for its minutes."""
        minutes = request.budget.kept_minutes
        if not request.bases or minutes is None:
            return ()
        epochs = self.epochs_of(model, train, request.budget, speed(model.cell))
        if epochs >= ENOUGH_EPOCHS:
            return ()
        names = " and ".join(str(base.path) for base in request.bases)
        return (
            f"a network of the size of {names}, {model.num_layers}×{model.hidden_size}, reads the "
            f"examples fewer than {max(2, int(epochs) + 1)} times in {minutes:g} minutes; "
            f"{ENOUGH_EPOCHS} times or more are better: give more --minutes, or start from a "
            "smaller model",
        )
