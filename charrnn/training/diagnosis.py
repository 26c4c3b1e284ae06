"""What the losses of a run tell: that it has diverged, or what would make the model better."""

from __future__ import annotations

from collections.abc import Sequence

from charrnn.errors import CharRNNError
from charrnn.folder.record import Evaluation
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate

__all__ = ["advice", "diverged", "is_stuck"]

MAX_SKIPPED = 5  # updates in a row whose gradients are not finite
WIDE_GAP = 0.25  # nats between the training and the validation loss


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


def advice(metrics: Sequence[Evaluation], max_epochs: int) -> str:
    """What would make the model better, judging by its losses.

    Args:
        metrics: all evaluations of the run; at least one.
        max_epochs: after so many passes there is nothing more to learn from the text.
    """
    best = min(metrics, key=lambda evaluation: evaluation.val_nats)
    gap = best.val_nats - best.train_nats
    if best.step < metrics[-1].step:
        return "it overfits: more text, a smaller --rnn-size or a higher --dropout would help"
    if gap > WIDE_GAP or best.epoch > max_epochs - 1:
        return (
            "it is starting to overfit: "
            "more text or a higher --dropout will help more than a longer run"
        )
    return "the loss was still falling: train longer (--minutes) for a better model"
