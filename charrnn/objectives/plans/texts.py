"""Every size and setting of a network that reads whole texts, with its reason.

texts, Needs, Request ──plan_of──▶ Plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from charrnn.cells.heads import encoder_shapes
from charrnn.config import ModelConfig
from charrnn.objectives.batches.examples import batch_size_of, check_enough, divide, shape_of
from charrnn.objectives.plans.plan import (
    UNSTOPPED,
    Plan,
    dropout_in_words,
    learning_rate_in_words,
    model_settings,
    training_settings,
    with_ends,
)
from charrnn.objectives.plans.sizes import FINE_TUNING, Sizes
from charrnn.objectives.request import Request, Speed
from charrnn.tasks.texts import ENDS, cut_note
from charrnn.words import counted

__all__ = ["Needs", "longest_in", "plan_of"]

SIDE_BY_SIDE = (8, 64)  # texts at least and at most
LONGEST = 2_000  # characters of a text that are read, unless the user wants more
MAX_VALIDATION = 1_000  # texts; more say little that is new, and are missed in training

SIZES = (32, 64, 128, 192, 256, 384)
MIN_EPOCHS = 6
OPERATIONS = 6 / 0.9  # nine tenths of the time are spent in updates
RATES = {"lstm": 1.0, "gru": 1.0, "rnn": 0.3}  # of an LSTM's learning rate

# What of the shape does not depend on the texts.
SHAPE = {"cell": "gru", "embed_size": 64, "num_layers": 1, "skip": True, "bidirectional": True}


@dataclass(frozen=True)
class Needs:
    """What a task needs of its plan.

    Attributes:
        limits: of the network's size, see `Sizes`.
        dropout: where the user chose none.
        grams: rows of the table of n-grams.
        tokens: of an update, about.
        fine_tuning: share of the learning rate of runs that start from language models.
        validated_whole: whether in validation, unlike in training, long texts are read to their
            end.
    """

    limits: Sequence[tuple[float, int]]
    dropout: float
    grams: int
    tokens: int = 2048
    fine_tuning: float = FINE_TUNING
    validated_whole: bool = False

    @property
    def sizes(self) -> Sizes:
        """Networks to choose from."""
        return Sizes(SIZES, self.limits, MIN_EPOCHS, OPERATIONS, encoder_shapes)


def longest_in(given: Mapping[str, Any]) -> int:
    """How many steps of a text are read, with its ends, by these settings of a user."""
    return with_ends(given.get("seq_length", LONGEST))


def plan_of(
    texts: Sequence[str],
    vocab_size: int,
    needs: Needs,
    request: Request,
    speed: Speed,
    labels: Sequence[str] | None = None,
    validation: Sequence[str] = (),
) -> Plan:
    """Choose all that is left open.

    Args:
        texts: all of the corpus.
        vocab_size: V.
        needs: what the task needs.
        request: what the user asks for; models that are started from have the same shape.
        speed: of training on this machine.
        labels: of the texts, each of which keeps a text to train on.
        validation: texts of the user's own that validate; none where a part of the others does.

    Raises:
        BadDataError: if there are too few texts.
        UsageError: for values too large for the texts, or another shape than the models have.
    """
    given = request.settings
    if validation:
        check_enough(len(set(texts)), "to learn")
        val_frac = len(validation) / (len(texts) + len(validation))
        parts = _parts(texts, validation, val_frac, given, needs)
    else:
        parts = _divided(texts, labels, given, needs)
    chosen = shape_of(request.bases, model_settings(given))
    shape = {**SHAPE, "dropout": needs.dropout, "vocab_size": vocab_size, **chosen}
    model = needs.sizes.largest(shape, parts.train, request.budget, speed)
    batch_size = batch_size_of(given.get("batch_size"), parts.usual_batch, parts.texts, "texts")
    settings = {
        "batch_size": batch_size,
        "learning_rate": _learning_rate(model, needs.fine_tuning if request.bases else 1.0),
        "weight_decay": 0.05,
        "val_frac": parts.val_frac,
        "patience": UNSTOPPED,
        "keep_classes": labels is not None,
    }
    settings |= training_settings(given)
    settings["seq_length"] = parts.longest  # a user's is of characters
    steps_per_epoch = math.ceil(parts.texts / batch_size)
    return Plan(
        model=model,
        settings=settings,
        val_tokens=parts.val,
        reasons=_reasons(model, settings, needs.grams, parts),
        notes=parts.notes + needs.sizes.note(model, parts.train, request, speed),
        tokens_per_step=parts.train / steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
    )


class _Parts(NamedTuple):
    """How texts are divided, and how much of them is read.

    Attributes:
        train, val: tokens.
        val_frac: the share of the texts that is for validation.
        texts: that are trained on.
        longest: steps of a text that are read, with its ends.
        usual_batch: how many texts an update reads, unless the user wants others.
        notes: what the user should know.
    """

    train: int
    val: int
    val_frac: float
    texts: int
    longest: int
    usual_batch: int
    notes: tuple[str, ...]


def _divided(
    texts: Sequence[str],
    labels: Sequence[str] | None,
    given: Mapping[str, Any],
    needs: Needs,
) -> _Parts:
    """The texts of a corpus, of which some validate; see `plan_of`."""
    val_frac = given.get("val_frac", min(0.1, MAX_VALIDATION / len(texts)))
    train, val = divide(texts, val_frac, given.get("seed", 0), labels)
    train_texts, val_texts = ([texts[row] for row in rows] for rows in (train, val))
    return _parts(train_texts, val_texts, val_frac, given, needs)


def _parts(
    train: Sequence[str],
    val: Sequence[str],
    val_frac: float,
    given: Mapping[str, Any],
    needs: Needs,
) -> _Parts:
    """How much is read of texts for training and for validation."""
    longest = longest_in(given)
    lengths, val_lengths = ([len(text) + ENDS for text in texts] for texts in (train, val))
    read, val_read = ([min(n, longest) for n in each] for each in (lengths, val_lengths))
    cut = sum(length > longest for length in (*lengths, *val_lengths))
    return _Parts(
        train=sum(read),
        val=sum(val_lengths if needs.validated_whole else val_read),
        val_frac=val_frac,
        texts=len(train),
        longest=longest,
        usual_batch=_usual_batch(read, needs.tokens),
        notes=(cut_note(cut, longest - ENDS),) if cut else (),
    )


def _usual_batch(lengths: Sequence[int], tokens: int) -> int:
    """How many texts, of which so much is read, have about so many tokens."""
    mean = sum(lengths) / len(lengths)
    low, high = SIDE_BY_SIDE
    chosen: int = min(max(2 ** round(math.log2(tokens / mean)), low), high)
    return chosen


def _learning_rate(model: ModelConfig, share: float) -> float:
    """Larger steps for smaller networks."""
    rate = 3e-3 * (192 / max(model.hidden_size, 64)) ** 0.5
    return float(f"{share * rate * RATES[model.cell]:.2g}")


def _reasons(model: ModelConfig, settings: Mapping[str, Any], grams: int, parts: _Parts) -> str:
    """What was chosen and why, in one line."""
    stacks = "two stacks of " if model.bidirectional else ""
    characters = parts.train - ENDS * parts.texts
    table = f"a table of {grams:,} rows for n-grams, " if grams else ""
    return (
        f"{stacks}{model.num_layers}×{model.hidden_size} {model.cell}, embedding "
        f"{model.embed_size}, {table}{counted(settings['batch_size'], 'text')} side by side, "
        f"{learning_rate_in_words(settings)}, {dropout_in_words(model)}, "
        f"chosen for {counted(parts.texts, 'training text')} of {characters:,} characters"
    )
