"""What changes a network's weights, by how much it learns about each.

epochs, model, tokens ──load_of──▶ load ──recipe_of──▶ Recipe
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from charrnn.config import MUON_ROWS, ModelConfig, OptimizerName

__all__ = ["Recipe", "load_of", "recipe_of"]

MUON_LOAD = 200  # from which on Muon learns no more than AdamW; see benchmarks/NOTES.md

# For loads below so much: what learning rate times weight decay may sum up to in a run, as if the
# rate did not fall. What decays faster forgets what it has read; see benchmarks/NOTES.md.
WHOLE_DECAY = ((4, 15.0), (math.inf, 25.0))
LEAST_DECAY = 0.05  # with less, a GRU grew unstable


class Recipe(NamedTuple):
    """An optimizer and what goes with it.

    Attributes:
        optimizer: its name.
        rate_factor: on AdamW's learning rate.
        weight_decay: of matrices, at most.
    """

    optimizer: OptimizerName
    rate_factor: float
    weight_decay: float

    def settings(self, adamw_rate: float) -> dict[str, Any]:
        """Those of `TrainConfig`, where AdamW's learning rate would be `adamw_rate`."""
        return {
            "learning_rate": float(f"{self.rate_factor * adamw_rate:.2g}"),
            "optimizer": self.optimizer,
        }

    def decay(self, learning_rate: float, load: float, updates: float) -> float:
        """The weight decay of a run: less where it has many updates.

        Args:
            learning_rate: with this optimizer.
            load: see `load_of`.
            updates: about how many there will be.
        """
        whole = next(most for limit, most in WHOLE_DECAY if load < limit)
        wanted = float(f"{whole / (learning_rate * updates):.2g}")
        return min(self.weight_decay, max(wanted, LEAST_DECAY))


ADAMW = Recipe("adamw", 1.0, 0.05)
MUON = Recipe("muon", 8 / 3, 0.15)


def load_of(epochs: float, parameters: int, tokens: int) -> float:
    """Epochs times parameters per training token: how easily a run learns its text by heart."""
    return epochs * parameters / tokens


def recipe_of(model: ModelConfig, load: float, *, fine_tuning: bool) -> Recipe:
    """Muon where it learns more than AdamW in as many updates.

    Args:
        model: the network.
        load: see `load_of`.
        fine_tuning: whether the weights have been trained before, and must not be shaken.
    """
    able = model.hidden_size % MUON_ROWS == 0 and not fine_tuning
    return MUON if able and load < MUON_LOAD else ADAMW
