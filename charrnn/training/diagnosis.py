"""What the losses of a run tell: that it has diverged, or what would make the model better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from charrnn.errors import CharRNNError
from charrnn.folder.record import Evaluation
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate

__all__ = ["advice", "diverged", "is_stuck"]

MAX_SKIPPED = 5  # updates in a row whose gradients are not finite
WIDE_GAP = 0.25  # nats between the training and the validation loss
CLEAR = 0.01  # nats; smaller differences say nothing
TRIED_UPDATES = 100  # after which a network has learnt at least how often each character comes


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


def advice(
    metrics: Sequence[Evaluation], max_epochs: int, vocab_size: int, longer: str = "--minutes"
) -> str:
    """What would make the model better, judging by its losses.

    Args:
        metrics: all evaluations of the run; at least one.
        max_epochs: after so many passes there is nothing more to learn from the text.
        vocab_size: V; to guess among as many costs ln V nats.
        longer: the option that makes a run longer.
    """
    first, last = metrics[0], metrics[-1]
    best = min(metrics, key=lambda evaluation: evaluation.val_nats)
    chance = math.log(vocab_size)
    if best.val_nats > chance - CLEAR and last.step >= TRIED_UPDATES:
        return (
            f"it predicts no better than by chance ({chance:.2f} nats for {vocab_size} "
            "characters): the text looks like noise, of which a longer run learns no more"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats < best.train_nats:
        return (
            f"it overfits: validation rose from {best.val_nats:.2f} to {last.val_nats:.2f} nats "
            "while training fell; more text, a smaller --rnn-size or a higher --dropout would help"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats > best.train_nats + CLEAR:
        return f"both losses rose after update {best.step:,}: a lower --learning-rate would help"
    if best.val_nats - best.train_nats > WIDE_GAP:
        return (
            f"validation is {best.val_nats - best.train_nats:.2f} nats above training: "
            "more text or a higher --dropout will help more than a longer run"
        )
    if best.epoch > max_epochs - 1:
        return f"it has read the text {best.epoch:.0f} times: more text will help, longer will not"
    before = metrics[-1 - math.ceil(len(metrics) / 4)] if len(metrics) > 1 else first
    if len(metrics) > 1 and before.val_nats - best.val_nats < CLEAR:
        return "the loss no longer falls: more text or a larger --rnn-size may help"
    return f"the loss was still falling: train longer ({longer}) for a better model"
