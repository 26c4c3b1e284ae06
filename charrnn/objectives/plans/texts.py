"""Every size and setting of a network that reads whole texts, with its reason.

texts, Request ──plan_of──▶ Plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from charrnn.cells.heads import encoder_shapes
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.objectives.batches.examples import batch_size_of, divide, shape_of
from charrnn.objectives.plans.plan import UNSTOPPED, Plan, of_model, of_training
from charrnn.objectives.plans.sizes import FINE_TUNING, Sizes
from charrnn.objectives.request import Request, Speed
from charrnn.tasks.texts import ENDS, cut_note
from charrnn.words import counted

__all__ = ["longest_in", "plan_of"]

TOKENS = 2048  # of an update, about
SIDE_BY_SIDE = (8, 64)  # texts at least and at most
LONGEST = 2_000  # characters of a text that are read, unless the user wants more
MAX_VALIDATION = 1_000  # texts; more say little that is new, and are missed in training

SIZES = Sizes(
    sizes=(32, 64, 128, 192, 256, 384),
    limits=((20_000, 64), (60_000, 128), (3_000_000, 192), (math.inf, 384)),
    passes=6,
    operations=6 / 0.9,  # nine tenths of the time are spent in updates
    shapes=encoder_shapes,
)
RATES = {"lstm": 1.0, "gru": 1.0, "rnn": 0.3}  # of an LSTM's learning rate

# What of the shape does not depend on the texts.
SHAPE = {"cell": "gru", "embed_size": 64, "num_layers": 1, "skip": True, "bidirectional": True}


def longest_in(given: Mapping[str, Any]) -> int:
    """How many steps of a text are read, with its ends, by these settings of a user.

    Raises:
        UsageError: if that leaves none of it.
    """
    longest: int = given.get("seq_length", LONGEST + ENDS)
    if longest <= ENDS:
        found = f"seq_length is {longest}, which leaves no character of a text between its two ends"
        raise UsageError(found, f"choose {ENDS + 1} or more", "seq_length")
    return longest


def plan_of(
    texts: Sequence[str],
    vocab_size: int,
    request: Request,
    speed: Speed,
    defaults: Mapping[str, Any],
    labels: Sequence[str] | None = None,
    *,
    grams: int,
    fine_tuning: float = FINE_TUNING,
    validated_whole: bool = False,
) -> Plan:
    """Choose all that is left open.

    Args:
        texts: all of them.
        vocab_size: V.
        request: what the user asks for; models that are started from have the same shape.
        speed: of training on this machine.
        defaults: settings of the task where the user made none.
        labels: of the texts, each of which keeps a text to train on.
        grams: rows of the table of n-grams.
        fine_tuning: share of the learning rate of runs that start from language models.
        validated_whole: whether in validation, unlike in training, long texts are read to their
            end.

    Raises:
        BadDataError: if there are too few texts.
        UsageError: for values too large for the texts, or another shape than the models have.
    """
    given = request.settings
    val_frac = given.get("val_frac", min(0.1, MAX_VALIDATION / len(texts)))
    train_rows, val_rows = divide(texts, val_frac, given.get("seed", 0), labels)
    lengths = [len(text) + ENDS for text in texts]
    longest = longest_in(given)
    read = [min(length, longest) for length in lengths]
    train = sum(read[row] for row in train_rows)
    val = sum((lengths if validated_whole else read)[row] for row in val_rows)
    chosen = shape_of(request.bases, of_model(given))
    shape = {**SHAPE, **defaults, "vocab_size": vocab_size, **chosen}
    model = SIZES.largest(shape, train, request.budget, speed)
    batch_size = batch_size_of(
        given.get("batch_size"), _usual_batch(read), len(train_rows), "texts"
    )
    settings = {
        "batch_size": batch_size,
        "seq_length": longest,
        "learning_rate": _learning_rate(model, fine_tuning if request.bases else 1.0),
        "weight_decay": 0.05,
        "val_frac": val_frac,
        "patience": UNSTOPPED,
        "keep_classes": labels is not None,
    } | of_training(given)
    steps_per_epoch = math.ceil(len(train_rows) / batch_size)
    return Plan(
        model,
        settings,
        train,
        val,
        _reasons(model, settings, grams, train - ENDS * len(train_rows), len(train_rows)),
        _notes(lengths, longest) + SIZES.note(model, train, request, speed),
        tokens_per_step=train / steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
    )


def _usual_batch(lengths: Sequence[int]) -> int:
    """How many texts, of which so much is read, have about `TOKENS`."""
    mean = sum(lengths) / len(lengths)
    low, high = SIDE_BY_SIDE
    chosen: int = min(max(2 ** round(math.log2(TOKENS / mean)), low), high)
    return chosen


def _learning_rate(model: ModelConfig, share: float) -> float:
    """Larger steps for smaller networks."""
    rate = 3e-3 * (192 / max(model.hidden_size, 64)) ** 0.5
    return float(f"{share * rate * RATES[model.cell]:.2g}")


def _notes(lengths: Sequence[int], longest: int) -> tuple[str, ...]:
    """What the user should know."""
    cut = sum(length > longest for length in lengths)
    return (cut_note(cut, longest - ENDS),) if cut else ()


def _reasons(
    model: ModelConfig, settings: Mapping[str, Any], grams: int, characters: int, texts: int
) -> str:
    """What was chosen and why, in one line."""
    stacks = "two stacks of " if model.bidirectional else ""
    table = f"a table of {grams:,} rows for n-grams, " if grams else ""
    of_weights = f" (weights {model.weight_dropout:g})" if model.weight_dropout else ""
    return (
        f"{stacks}{model.num_layers}×{model.hidden_size} {model.cell}, embedding "
        f"{model.embed_size}, {table}{counted(settings['batch_size'], 'text')} side by side, "
        f"learning rate {settings['learning_rate']:g}, dropout {model.dropout:g}{of_weights}, "
        f"chosen for {counted(texts, 'training text')} of {characters:,} characters"
    )
