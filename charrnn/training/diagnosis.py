"""A run that has diverged."""

from __future__ import annotations

from charrnn.errors import CharRNNError
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate

__all__ = ["diverged", "is_stuck"]

MAX_SKIPPED = 5  # updates in a row whose gradients are not finite


def is_stuck(learner: Learner) -> bool:
    """Whether so many updates in a row were skipped that no further one will succeed."""
    return learner.seen_in_row >= MAX_SKIPPED


def diverged(learner: Learner) -> CharRNNError:
    """The error for a run whose loss is not a number any more."""
    rate = learning_rate(learner.step - 1, learner.config)
    return CharRNNError(
        f"the loss is not a number after {learner.step} updates (learning rate {rate:g}, "
        f"gradient norm {float(learner.grad_norm):g})",
        "try again with a lower --learning-rate; what was saved before is still there",
    )
