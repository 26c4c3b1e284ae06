"""What would make a model better, judging by the evaluations of its run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from charrnn.folder.record import Evaluation

__all__ = ["for_language", "for_task"]

WIDE_GAP = 0.25  # nats between the training and the validation loss
CLEAR = 0.01  # nats; smaller differences say nothing
TRIED_UPDATES = 100  # after which a network has learnt at least how often each character comes

# Over the text, and updates, in which a loss that stands still tells nothing yet.
FEW_PASSES, FEW_UPDATES = 3, 2000
SPENT = 0.02  # of the highest learning rate, with which a loss stands still in any case


def for_language(
    metrics: Sequence[Evaluation], max_epochs: int, vocab_size: int, longer: str
) -> str:
    """What would make the model better, judging by its losses.

    Args:
        metrics: all evaluations of the run; at least one.
        max_epochs: after so many passes there is nothing more to learn from the text.
        vocab_size: V; to guess among as many costs ln V nats.
        longer: the option that makes a run longer.
    """
    last = metrics[-1]
    best = min(metrics, key=lambda evaluation: evaluation.val_nats)
    chance = math.log(vocab_size)
    if best.val_nats > chance - CLEAR and last.step >= TRIED_UPDATES:
        return (
            f"it predicts no better than by chance ({chance:.2f} nats, a guess among "
            f"{vocab_size}): the text looks like noise, of which a longer run learns no more"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats < best.train_nats:
        return (
            f"it overfits: validation rose from {best.val_nats:.2f} to {last.val_nats:.2f} nats "
            "while training fell; more text, a smaller --rnn-size or a higher --dropout would help"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats > best.train_nats + CLEAR:
        return f"both losses rose after update {best.step:,}: a lower --learning-rate would help"
    if best.val_nats - best.train_nats > WIDE_GAP and not _is_short(last):
        return (
            f"validation is {best.val_nats - best.train_nats:.2f} nats above training: "
            "more text or a higher --dropout will help more than a longer run"
        )
    if best.epoch > max_epochs - 1:
        return f"it has read the text {best.epoch:.0f} times: more text will help, longer will not"
    before = metrics[-1 - math.ceil(len(metrics) / 4)] if len(metrics) > 1 else None
    if before is not None and before.val_nats - best.val_nats < CLEAR:
        is_spent = before.learning_rate < SPENT * max(one.learning_rate for one in metrics)
        if _is_short(last) or is_spent:
            return _too_short(longer)
        return "the loss no longer falls: more text or a larger --rnn-size may help"
    return f"the loss was still falling: train longer ({longer}) for a better model"


def for_task(
    metrics: Sequence[Evaluation],
    rank: Callable[[Evaluation], tuple[float, ...]],
    longer: str,
    perfect: float,
    max_epochs: int,
) -> str:
    """The same for work that is judged by its answers.

    Args:
        metrics: all evaluations of the run; at least one.
        rank: what they are compared by; lower is better.
        longer: the option that makes a run longer.
        perfect: the score that can't be bettered.
        max_epochs: after so many passes a run for minutes ends.
    """
    best = min(metrics, key=rank)
    if best.score == perfect:
        return "its score can't get better: only other examples can tell what is still wrong"
    if best is metrics[-1] and best.epoch > max_epochs - 1:
        times = f"{best.epoch:.0f} times"
        return f"it has read the examples {times}: more examples will help, longer will not"
    if best is metrics[-1]:
        return f"it was best at the end: train longer ({longer}) for a better model"
    if best.step < metrics[-1].step / 2 and metrics[-1].train_nats < best.train_nats:
        return (
            f"it was best after {best.step:,} of {metrics[-1].step:,} updates, then "
            "overfitted; more examples or a higher --dropout would help"
        )
    if _is_short(metrics[-1]):
        return _too_short(longer)
    return "it stopped improving: more examples or a larger --rnn-size may help"


def _is_short(last: Evaluation) -> bool:
    return last.epoch < FEW_PASSES and last.step < FEW_UPDATES


def _too_short(longer: str) -> str:
    return f"it was too short to tell what would help: train longer ({longer}) for a better model"
