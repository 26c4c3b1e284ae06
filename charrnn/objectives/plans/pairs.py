"""Every size and setting of a translator, with its reason.

pairs, Request ──plan_of──▶ Plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.examples.pairs import Pair
from charrnn.objectives.batches.examples import batch_size_of, check_enough, divide, shape_of
from charrnn.objectives.plans.plan import (
    Plan,
    dropout_in_words,
    learning_rate_in_words,
    model_settings,
    training_settings,
    with_ends,
)
from charrnn.objectives.plans.recipes import load_of, recipe_of
from charrnn.objectives.plans.sizes import FINE_TUNING, Sizes
from charrnn.objectives.request import Request, Speed
from charrnn.task_config import Translate
from charrnn.tasks.texts import ENDS
from charrnn.words import counted

__all__ = ["MAX_EPOCHS", "longest_of", "plan_of", "tokens_of"]

# Pairs side by side: fewer where all would be read in a few batches, and where they are long and
# few, which are learnt better in many updates; see benchmarks/NOTES.md.
MOST_PAIRS, FEWEST_PAIRS = 64, 16
FEW_TOKENS = 1_000_000  # in all; nothing was measured on more
TOKENS_AT_ONCE = 2_048  # where they are few
MAX_VALIDATION = 2_000  # sources; more say little that is new, and are missed in training

MAX_EPOCHS = 60
WEIGHT_DECAY = 0.05  # with Muon, too: what language models take was worse

SIZES = (64, 128, 192, 256, 384, 512)
LIMITS = ((100_000, 192), (1_000_000, 256), (math.inf, 512))
MIN_EPOCHS = ((100_000, 20), (math.inf, 12))  # few characters are read in few updates an epoch
OPERATIONS = 3  # half of the weights are read with each character: of the source, or of the target
RATES = {"lstm": 1.0, "gru": 0.8, "rnn": 0.3}  # of an LSTM's learning rate

# What of the shape does not depend on the pairs. Dropout of outputs and of recurrent weights.
SHAPE = {"cell": "lstm", "embed_size": 64, "num_layers": 1, "skip": True, "bidirectional": True}
DROPOUTS = {"dropout": 0.3, "weight_dropout": 0.2}


def tokens_of(pair: Pair) -> int:
    """How many tokens are read with a pair, the ends of its texts included."""
    return len(pair.source) + len(pair.target) + 2 * ENDS


def longest_of(pair: Pair) -> int:
    """Steps in which both texts of a pair are read, with their ends."""
    return max(len(pair.source), len(pair.target)) + ENDS


def plan_of(
    pairs: Sequence[Pair],
    task_record: Translate,
    vocab_size: int,
    request: Request,
    speed: Speed,
    validation: Sequence[Pair] = (),
) -> Plan:
    """Choose all that is left open.

    Args:
        pairs: all of the corpus.
        task_record: how they are translated.
        vocab_size: V.
        request: what the user asks for; models that are started from have the same shape.
        speed: of training on this machine.
        validation: pairs of the user's own that validate; none where a part of the others does.

    Raises:
        BadDataError: if there are too few pairs.
        UsageError: for another shape than the models have, or pairs that are all too long.
    """
    given = request.settings
    parts = _divided(pairs, validation, given)
    wanted = given.get("seq_length")  # characters; a run's own counts the ends, too
    longest = with_ends(wanted) if wanted else max(map(longest_of, pairs))
    train = [pair for pair in parts.train if longest_of(pair) <= longest]
    if not train:
        raise _too_long(pairs, longest)
    tokens = sum(map(tokens_of, train))
    chosen = shape_of(request.bases, model_settings(given))
    shape = {**SHAPE, **DROPOUTS, "vocab_size": vocab_size, **chosen}
    min_epochs = next(count for limit, count in MIN_EPOCHS if tokens < limit)
    sizes = Sizes(
        SIZES, LIMITS, min_epochs, OPERATIONS, lambda model: shapes_of(model, task_record)
    )
    model = sizes.largest(shape, tokens, request.budget, speed)
    usual = _pairs_at_once(len(train), tokens)
    batch_size = batch_size_of(given.get("batch_size"), usual, len(train), "pairs")
    expected = _expected_epochs(sizes, model, tokens, request, speed)
    load = load_of(expected, parameter_count(shapes_of(model, task_record)), tokens)
    recipe = recipe_of(model, load, fine_tuning=bool(request.bases))
    settings = {
        "batch_size": batch_size,
        "val_frac": parts.val_frac,
        **recipe.settings(_learning_rate(model, FINE_TUNING if request.bases else 1.0)),
        "weight_decay": WEIGHT_DECAY,
        **training_settings(given),
        "seq_length": longest,
    }
    steps = math.ceil(len(train) / batch_size)
    return Plan(
        model=model,
        settings=settings,
        val_tokens=sum(map(tokens_of, parts.val)),
        reasons=_reasons(model, settings, tokens - 2 * ENDS * len(train), len(train)),
        notes=_notes(len(parts.train) - len(train), longest)
        + sizes.note(model, tokens, request, speed),
        tokens_per_step=tokens / steps,
        steps_per_epoch=steps,
    )


class _Parts(NamedTuple):
    """How pairs are divided, and the share of the sources that validates."""

    train: Sequence[Pair]
    val: Sequence[Pair]
    val_frac: float


def _divided(pairs: Sequence[Pair], validation: Sequence[Pair], given: Mapping[str, Any]) -> _Parts:
    """See `plan_of`."""
    sources = [pair.source for pair in pairs]
    distinct = len(set(sources))
    if validation:
        check_enough(distinct, "to learn")
        own = len({pair.source for pair in validation})
        return _Parts(pairs, validation, own / (distinct + own))
    val_frac = given.get("val_frac") or min(0.1, MAX_VALIDATION / distinct)
    train, val = divide(sources, val_frac, given.get("seed", 0))
    return _Parts([pairs[k] for k in train], [pairs[k] for k in val], val_frac)


def _expected_epochs(
    sizes: Sizes, model: ModelConfig, tokens: int, request: Request, speed: Speed
) -> float:
    """About how often the pairs will be read."""
    if request.budget.epochs is not None:
        return request.budget.epochs
    return min(sizes.epochs_of(model, tokens, request.budget, speed(model.cell)), MAX_EPOCHS)


def _pairs_at_once(pairs: int, tokens: int) -> int:
    """How many pairs are read in an update, a power of two."""
    fitting = TOKENS_AT_ONCE * pairs / tokens if tokens < FEW_TOKENS else MOST_PAIRS
    most = min(MOST_PAIRS, max(FEWEST_PAIRS, fitting), max(pairs / 8, 1))
    return 1 << int(math.log2(most))


def _too_long(pairs: Sequence[Pair], longest: int) -> UsageError:
    """The error where no pair is short enough."""
    lengths = [longest_of(pair) - ENDS for pair in pairs]
    found = f"seq_length is {longest - ENDS}, and the longer text of a pair has "
    found += f"{min(lengths):,} to {counted(max(lengths), 'character')}"
    return UsageError(found, f"choose {max(lengths)} to read all of them", "seq_length")


def _learning_rate(model: ModelConfig, share: float) -> float:
    """Larger steps for smaller networks."""
    rate = 3e-3 * (256 / max(model.hidden_size, 64)) ** 0.5 * RATES[model.cell]
    return float(f"{share * rate:.1g}")


def _notes(left_out: int, longest: int) -> tuple[str, ...]:
    """What the user should know."""
    if not left_out:
        return ()
    return (
        f"left out {counted(left_out, 'pair')} with a text of over {longest - ENDS:,} characters",
    )


def _reasons(model: ModelConfig, settings: Mapping[str, Any], characters: int, pairs: int) -> str:
    """What was chosen and why, in one line."""
    return (
        f"3 stacks of {model.num_layers}×{model.hidden_size} {model.cell}, "
        f"embedding {model.embed_size}, {counted(settings['batch_size'], 'pair')} side by side, "
        f"{learning_rate_in_words(settings)}, {dropout_in_words(model)}, "
        f"chosen for {counted(pairs, 'training pair')} of {characters:,} characters"
    )
