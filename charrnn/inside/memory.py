"""How far back a model remembers: what it loses when it may read the last few characters only.

    horizon(model, text, training_text).horizon    # characters

The state is emptied k tokens before those that are predicted. For comparison, the model also reads
what stood before these k, but in a shuffled order; and n-gram models, which know nothing but the
last n-1 tokens, predict the same.
Khandelwal, He, Qi and Jurafsky, "Sharp nearby, fuzzy far away: how neural language models use
context", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Ids, Places, target_log_probs
from charrnn.config import Unknown
from charrnn.errors import warn
from charrnn.inside.lanes import shares, story_ids
from charrnn.inside.ngrams import ORDERS, NGrams
from charrnn.models.predictor import Predictor
from charrnn.scoring.score import characters_in
from charrnn.text.prepared import as_trained, refuse_file_names
from charrnn.words import counted

__all__ = ["LEAST", "Horizon", "costs_after", "horizon"]

CONTEXTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
DISTANT = 64  # tokens before the context that are read in a shuffled order
LEFT = 0.01  # the share of the gain that is left at the horizon
LEAST_GAIN = 0.01  # bits per character; less is chance

# Tokens are predicted in runs. Where the context is long, one reading serves several neighbours in
# a run, whose contexts are then a little longer than k: by an eighth at most.
RUN, EIGHTH = 32, 8
LEAST = 2 * (CONTEXTS[1] + DISTANT + RUN)  # tokens of a text, for two contexts
MIN_RUNS, MAX_RUNS = 8, 96
SHUFFLED = 4  # of so many runs, one is also read with the distant part shuffled
WORK = 3e12  # multiplications and additions that reading may take: about a minute
BATCH = 256  # sequences read side by side

Costs = NDArray[np.float32]


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's predictions cost with so much context.

    Attributes:
        contexts: how many tokens are read before those that are predicted, at least.
        bits_per_char: what these then cost, in bits per character.
        shuffled: the same if what stands before the context is read in a shuffled order.
        ngrams: the same for n-gram models of orders 1, 2, 3, …, which know 0, 1, 2, … tokens;
            empty without a training text.
        horizon: the context beyond which 1% is left of what the longest gains over the shortest;
            None if it gains nothing.
        characters: how many were predicted.
        unit: what a token is: a character or a byte.
    """

    contexts: tuple[int, ...]
    bits_per_char: tuple[float, ...]
    shuffled: tuple[float, ...]
    ngrams: tuple[float, ...]
    horizon: float | None
    characters: int
    unit: str

    def sentence(self, seq_length: int | None = None) -> str:
        """The result in words.

        Args:
            seq_length: of the training, to say whether it was too short; None if unknown.
        """
        if self.horizon is None:
            return f"the model predicts no better with more context than with one {self.unit}"
        length, longest = math.ceil(self.horizon), self.contexts[-1]
        gain = self.bits_per_char[0] - self.bits_per_char[-1]
        words = (
            f"reading {longest} {self.unit}s instead of one saves {gain:.2f} bits per character, "
            f"and 1% of that is left beyond the last {counted(length, self.unit)}"
        )
        if seq_length is None:
            return words
        enough = "was too short for" if length > seq_length else "was long enough for"
        return f"{words}: --seq-length {seq_length} {enough} this memory"


@checked
def horizon(
    model: Predictor,
    text: str,
    training_text: str | None = None,
    *,
    unknown: Unknown = "error",
    progress: Callable[[float], object] | None = None,
) -> Horizon:
    """How far back a model remembers.

    Args:
        model: one model or a mixture.
        text: some hundreds of characters or more, best such as were not trained on.
        training_text: what n-gram models are counted in; None for no such models. It should not
            hold `text`, which they would know by heart.
        unknown: what to do with characters that the model does not know.
        progress: called with which share of the work was done since the last call.

    Warns:
        UserWarning: if `training_text` holds `text`.

    Raises:
        UsageError: for a model of records or one that reads backwards, a text too short, or unknown
            characters if these are errors.
        BadDataError: if the model's predictions are not numbers.
    """
    refuse_file_names(training_text=training_text)
    ids = story_ids(model, text, unknown, LEAST)
    if training_text is not None and text in training_text:
        warn("n-grams are counted in a text that holds the one they predict: they know it by heart")
    contexts = [k for k in CONTEXTS if 2 * (k + DISTANT + RUN) <= len(ids)]  # it has room for
    targets = _targets(model, len(ids), contexts)  # (R, RUN)
    # Nats of a token to bits of a character, which may be several bytes.
    characters = characters_in(model.tokenizer, ids[targets.ravel()])
    scale = targets.size / max(characters, 1) / math.log(2)
    bits, shuffled = [], []
    done = shares(progress, sum(map(_steps, contexts)))
    for k in contexts:
        costs = costs_after(model, ids, targets, k)  # (R, RUN)
        # Read in a shuffled order for some runs: what that changes there is added for all.
        change = costs_after(model, ids, targets[::SHUFFLED], k, DISTANT) - costs[::SHUFFLED]
        bits.append(float(costs.mean(dtype=np.float64)) * scale)
        shuffled.append(bits[-1] + float(change.mean(dtype=np.float64)) * scale)
        done(_steps(k))
    refuse_diverged(np.array(bits))
    return Horizon(
        contexts=tuple(contexts),
        bits_per_char=tuple(bits),
        shuffled=tuple(shuffled),
        ngrams=tuple(nats * scale for nats in _ngrams(model, training_text, ids, targets)),
        horizon=_horizon(contexts, bits),
        characters=characters,
        unit=model.tokenizer.unit,
    )


def _targets(model: Predictor, count: int, contexts: list[int]) -> Places:
    """Which tokens of a text are predicted: (R, RUN), as many as the model's size allows."""
    first, last = contexts[-1] + DISTANT, count - RUN
    weights = sum(4 * len(part) * part.shape[-1] ** 2 for part in model.start())  # about
    affordable = int(WORK / (2 * weights * RUN * sum(map(_steps, contexts))))
    runs = min(MAX_RUNS, max(MIN_RUNS, affordable), max(1, (last - first) // RUN))
    begins = np.linspace(first, last, runs).astype(np.intp)
    return begins[:, None] + np.arange(RUN)


def _steps(context: int) -> float:
    """How many tokens are read for each that is predicted after so much context."""
    shared = _shared(context)
    return (context + shared + (DISTANT + context + shared) / SHUFFLED) / shared


def _shared(context: int) -> int:
    """How many neighbours one reading serves: a power of two."""
    return min(RUN, 1 << (max(1, context // EIGHTH).bit_length() - 1))


def costs_after(
    model: Predictor, ids: Ids, targets: Places, context: int, distant: int = 0
) -> Costs:
    """What targets (R, RUN) cost in nats, after an empty state and so many tokens.

    Args:
        model, ids: the model and the text (N,).
        targets: places in the text.
        context: k, tokens read before the first target of a reading.
        distant: tokens before the context that are read, too, in a shuffled order.
    """
    shared = _shared(context)
    firsts = targets[:, ::shared].ravel()  # (W,)
    windows = ids[firsts[:, None] + np.arange(-distant - context, shared)]  # (W, S+1)
    if distant:
        windows[:, :distant] = np.random.default_rng(0).permuted(windows[:, :distant], axis=1)
    costs = np.empty((len(firsts), shared), np.float32)
    for start in range(0, len(firsts), BATCH):
        rows = windows[start : start + BATCH]
        stepper = model.stepper(model.start(len(rows)))
        for t in range(rows.shape[1] - 1):
            logits = stepper.step(rows[:, t])  # (B, V)
            scored = t + 1 - distant - context
            if scored >= 0:
                nats = -target_log_probs(logits, rows[:, t + 1])
                costs[start : start + BATCH, scored] = nats
    return costs.reshape(targets.shape)


def _ngrams(model: Predictor, training_text: str | None, ids: Ids, targets: Places) -> list[float]:
    """What n-gram models of a text pay for the targets, in nats per token."""
    known = model.tokenizer.encode(as_trained(training_text or "", model.tokenizer), "skip")
    if not len(known):
        return []
    assert targets.min() >= ORDERS - 1, "the first target has a whole context before it"
    found = NGrams(known, model.tokenizer.vocab_size).log_probs(ids, targets.ravel())
    return [-float(log_probs) for log_probs in found.mean(1)]


def _horizon(contexts: list[int], bits: list[float]) -> float | None:
    """Where 1% of the gain is left, between two contexts on a scale of their logarithms."""
    left = [each - bits[-1] for each in bits]
    if left[0] < LEAST_GAIN:
        return None
    limit = LEFT * left[0]
    k = max(k for k, more in enumerate(left) if more > limit)
    share = (left[k] - limit) / (left[k] - left[k + 1])
    return float(contexts[k] * (contexts[k + 1] / contexts[k]) ** share)
