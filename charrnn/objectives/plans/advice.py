"""What would make a model better, judging by the evaluations of its run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from charrnn.errors import printable
from charrnn.folder.record import Evaluation
from charrnn.words import first_few

__all__ = ["for_language", "for_task"]

WIDE_GAP = 0.25  # nats between the training and the validation loss
CLEAR = 0.01  # nats; smaller differences say nothing
PERFECT = 0.005  # nats; what follows is as good as certain
TRIED_UPDATES = 100  # after which a network has learnt at least how often each character comes

# In fewer updates, and less than such a share of the epochs that help, a loss that stands still
# tells nothing yet.
FEW_UPDATES, FEW_EPOCHS = 2000, 0.5
LATE = 0.75  # of the updates; what falls after these still falls
SPENT = 0.02  # of the highest learning rate, with which a loss stands still in any case


def for_language(metrics: Sequence[Evaluation], max_epochs: int, chance: float, longer: str) -> str:
    """What would make the model better, judging by its losses.

    Args:
        metrics: all evaluations of the run; at least one.
        max_epochs: after so many epochs there is nothing more to learn from the text.
        chance: nats that it costs to know no more than how often each token comes.
        longer: the option that makes a run longer.
    """
    last = metrics[-1]
    best = min(metrics, key=lambda evaluation: evaluation.val_nats)
    early = [one for one in metrics if one.step <= LATE * last.step]
    before = min((one.val_nats for one in early), default=math.inf)
    is_falling = best is last and best.val_nats < before - CLEAR
    is_short = _is_short(last, max_epochs)
    if best.val_nats < PERFECT:
        return "it predicts the validation text without a mistake: nothing is left to learn from it"
    # A text that is known by heart costs less than chance, if only in training.
    above = min(best.val_nats, best.train_nats) - chance
    if not is_falling and last.step >= TRIED_UPDATES and above > -CLEAR:
        why = "the text looks like noise, of which a longer run learns no more"
        if above > CLEAR:
            why = (
                "another --learning-rate, most likely a lower one, would help unless the text is "
                "noise"
            )
        return (
            f"it predicts no better than by chance ({chance:.2f} nats, a guess by frequency): {why}"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats < best.train_nats:
        return (
            f"it overfits: validation rose from {best.val_nats:.2f} to {last.val_nats:.2f} nats "
            "while training fell; more text, a smaller --rnn-size or a higher --dropout would help"
        )
    if last.val_nats > best.val_nats + CLEAR and last.train_nats > best.train_nats + CLEAR:
        return f"both losses rose after update {best.step:,}: a lower --learning-rate would help"
    if best.val_nats - best.train_nats > WIDE_GAP and not is_short:
        return (
            f"validation is {best.val_nats - best.train_nats:.2f} nats above training: "
            "more text or a higher --dropout will help more than a longer run"
        )
    if best.epoch > max_epochs - 1:
        return f"it has read the text {best.epoch:.0f} times: more text will help, longer will not"
    if is_falling:
        return f"the loss was still falling: train longer ({longer}) for a better model"
    if is_short or _is_spent((early or metrics)[-1], metrics):
        return _too_short(longer)
    return "the loss no longer falls: more text or a larger --rnn-size may help"


def for_task(
    metrics: Sequence[Evaluation],
    rank: Callable[[Evaluation], tuple[float, ...]],
    longer: str,
    perfect: float,
    max_epochs: int,
    unseen: Sequence[str] = (),
) -> str:
    """The same for work that is judged by its answers.

    Args:
        metrics: all evaluations of the run; at least one.
        rank: what they are compared by; lower is better.
        longer: the option that makes a run longer.
        perfect: the score that can't be bettered.
        max_epochs: after so many epochs a run for minutes ends.
        unseen: labels that no validation example has, of which the score says nothing.
    """
    best = min(metrics, key=rank)
    if best.score == perfect and unseen:
        return f"its answers are all right, but {_none_has(unseen)}: more examples would tell more"
    found = _for_score(best, metrics, longer, perfect, max_epochs)
    return f"{found}; {_none_has(unseen)}" if unseen else found


def _for_score(
    best: Evaluation, metrics: Sequence[Evaluation], longer: str, perfect: float, max_epochs: int
) -> str:
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
    if _is_short(metrics[-1], max_epochs):
        return _too_short(longer)
    return "it stopped improving: more examples or a larger --rnn-size may help"


def _none_has(labels: Sequence[str]) -> str:
    named = printable(first_few(labels))
    return f"no validation example has the label{'s' * (len(labels) > 1)} {named}"


def _is_short(last: Evaluation, max_epochs: int) -> bool:
    return last.step < FEW_UPDATES and last.epoch < FEW_EPOCHS * max_epochs


def _is_spent(before: Evaluation, metrics: Sequence[Evaluation]) -> bool:
    return before.learning_rate < SPENT * max(one.learning_rate for one in metrics)


def _too_short(longer: str) -> str:
    return f"it was too short to tell what would help: train longer ({longer}) for a better model"
