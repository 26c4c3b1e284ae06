"""From a corpus, a budget and the user's wishes to every size and setting, each with its reason.

corpus, budget, given ──plan_of──▶ Plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.config import Budget, CellName, ModelConfig
from charrnn.objectives.plans.plan import (
    Plan,
    dropout_in_words,
    learning_rate_in_words,
    model_settings,
    training_settings,
)
from charrnn.objectives.plans.recipes import Recipe, load_of, recipe_of
from charrnn.objectives.plans.shares import Shares, in_words, record_shares, story_shares
from charrnn.settings import settings_from
from charrnn.text.records import Records
from charrnn.words import counted

__all__ = ["max_epochs", "plan_of"]

# Of an LSTM's learning rate. At all of it a GRU has ended at 1.79 nats instead of below 1.5.
RATES: dict[CellName, float] = {"lstm": 1.0, "gru": 0.65, "rnn": 0.3}
FINE_TUNING = 0.3  # of the learning rate, so that what was learnt before is not shaken

SIZES = (96, 128, 192, 256, 320, 384, 512, 640, 768, 1024)
OVERHEAD = 512  # tokens, whose time an update takes besides that of its own
MEASURED = 2048  # tokens of the updates whose speed is measured
MIN_EPOCHS = 8  # that a size must be able to make to be chosen, or
CHARACTERS_PER_PARAMETER = 5  # read in training; longer texts need not be read so often

# For training texts shorter than so many characters: the largest size, and the largest if they are
# read many times, as a GPU can; see benchmarks/NOTES.md.
MAX_SIZES = (
    (5_000, 128, 128),
    (200_000, 192, 192),
    (600_000, 384, 384),
    (1_500_000, 512, 768),
    (3_000_000, 512, 1024),
    (math.inf, 1024, 1024),
)
MANY_EPOCHS = 50

# For training texts shorter than so many characters: after so many epochs further ones do not help.
MAX_EPOCHS = ((20_000, 30), (600_000, 60), (math.inf, 100))

# With AdamW, for loads (see `load_of`) below the first number: (dropout, weight_dropout) of an
# LSTM, of a GRU, which bears less weight dropout, and of a plain RNN.
DROPOUTS = (
    (4, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    (6, (0.1, 0.0), (0.1, 0.0), (0.05, 0.0)),
    (12, (0.2, 0.0), (0.2, 0.0), (0.1, 0.0)),
    (60, (0.3, 0.2), (0.3, 0.2), (0.15, 0.1)),
    (300, (0.4, 0.3), (0.4, 0.3), (0.2, 0.15)),
    (400, (0.5, 0.3), (0.5, 0.3), (0.25, 0.25)),
    (1_000, (0.5, 0.5), (0.5, 0.3), (0.25, 0.25)),
    (math.inf, (0.6, 0.5), (0.5, 0.3), (0.3, 0.25)),
)
CELLS = ("lstm", "gru", "rnn")  # the columns of `DROPOUTS`
# And with Muon, of an LSTM or a GRU.
WITH_MUON = (
    (8, (0.0, 0.0)),
    (12, (0.1, 0.0)),
    (60, (0.2, 0.1)),
    (180, (0.3, 0.2)),
    (math.inf, (0.4, 0.3)),
)

# What of the shape does not depend on the text.
SHAPE = {"cell": "lstm", "embed_size": 64, "num_layers": 2, "skip": True}


def plan_of(
    corpus: int | Records,
    vocab_size: int,
    budget: Budget,
    given: Mapping[str, Any],
    speed: float,
    *,
    unit: str = "character",
    fine_tuning: bool = False,
    validation: int | Records | None = None,
) -> Plan:
    """Choose everything that `given` leaves open.

    Args:
        corpus: N, how many tokens a story has; or the records of a list.
        vocab_size: V.
        budget: how long to train.
        given: settings the user made, of `ModelConfig` and `TrainConfig`, within their bounds.
        speed: operations per second that training reaches on this machine in usual updates.
        unit: what a token is, for people.
        fine_tuning: whether the weights have been trained before, and must not be shaken.
        validation: of the same kind as `corpus`, if a text of the user's own validates.

    Raises:
        BadDataError: if the corpus is too small to train on; says how much is needed.
        UsageError: for values too large for the corpus.
    """
    notes = list[str]()
    shares = _shares(corpus, given, notes, unit, validation)
    shape: dict[str, Any] = {"vocab_size": vocab_size} | SHAPE
    shape |= model_settings(given)
    speed *= _efficiency(shares.tokens_per_step)
    model = _network(shares.train, shape, budget, speed)
    epochs = _expected_epochs(shares.train, model, budget, speed)
    load = load_of(epochs, parameter_count(shapes_of(model)), shares.train)
    recipe = recipe_of(model, load, fine_tuning=fine_tuning)
    dropouts = _dropouts(model.cell, load, recipe)
    # The user's own dropouts win.
    model = settings_from(ModelConfig, msgspec.structs.asdict(model) | dropouts | shape)
    chosen = recipe.settings(_learning_rate(model, FINE_TUNING if fine_tuning else 1.0))
    chosen |= training_settings(given)
    updates = epochs * shares.steps_per_epoch
    settings = {
        "weight_decay": recipe.decay(chosen["learning_rate"], load, updates),
        **chosen,
        "batch_size": shares.batch_size,
        "seq_length": shares.seq_length,
        "val_frac": shares.val_frac,
    }
    return Plan(
        model=model,
        settings=settings,
        val_tokens=shares.val,
        reasons=_reasons(model, settings, shares, unit),
        notes=tuple(notes),
        tokens_per_step=shares.tokens_per_step,
        steps_per_epoch=shares.steps_per_epoch,
    )


def _shares(
    corpus: int | Records,
    given: Mapping[str, Any],
    notes: list[str],
    unit: str,
    validation: int | Records | None,
) -> Shares:
    """How a story or a list is divided and read."""
    if isinstance(corpus, Records):
        assert not isinstance(validation, int), "both are lists"
        return record_shares(corpus, given, notes, unit, validation)
    assert not isinstance(validation, Records), "both are stories"
    return story_shares(corpus, given, notes, unit, validation)


def _efficiency(tokens: float) -> float:
    """The share of the measured speed that updates of so many tokens reach."""
    return tokens / (tokens + OVERHEAD) * (MEASURED + OVERHEAD) / MEASURED


def max_epochs(train_tokens: int) -> int:
    """Epochs after which further ones do not help: the text is known by heart."""
    return next(epochs for length, epochs in MAX_EPOCHS if train_tokens < length)


def _network(train: int, shape: dict[str, Any], budget: Budget, speed: float) -> ModelConfig:
    """The network that learns most.

    It is the largest that can read the text `MIN_EPOCHS` times, or `CHARACTERS_PER_PARAMETER`
    characters for each of its parameters, if the text is long enough to fill it. One that is too
    large for the text is chosen where it can read the text `MANY_EPOCHS` times.
    """
    usual, largest = next((size, large) for length, size, large in MAX_SIZES if train < length)
    sizes = [size for size in SIZES if size <= largest]
    sizes = [shape["hidden_size"]] if "hidden_size" in shape else sizes
    models = [settings_from(ModelConfig, shape | {"hidden_size": size}) for size in sizes]
    model = models[0]
    for larger in models[1:]:
        epochs = _expected_epochs(train, larger, budget, speed)
        parameters = parameter_count(shapes_of(larger))
        needed = min(MIN_EPOCHS, CHARACTERS_PER_PARAMETER * parameters / train)
        if epochs >= (needed if larger.hidden_size <= usual else MANY_EPOCHS):
            model = larger
    return model


def _expected_epochs(train: int, model: ModelConfig, budget: Budget, speed: float) -> float:
    """About how often the training text will be read."""
    if budget.epochs is not None:
        return budget.epochs
    assert budget.minutes is not None, "a Budget has minutes or epochs"
    operations = 6 * parameter_count(shapes_of(model))  # per character
    characters = 0.9 * 60 * budget.minutes * speed / operations
    return min(characters / train, max_epochs(train))


def _dropouts(cell: CellName, load: float, recipe: Recipe) -> dict[str, float]:
    """Higher the more often the text is read, the shorter it is, and the larger the network.

    Args:
        cell: of the network.
        load: see `load_of`.
        recipe: what changes the weights.
    """
    shares = next(shares for limit, *shares in DROPOUTS if load < limit)
    units, weights = shares[CELLS.index(cell)]
    if recipe.optimizer == "muon" and cell != "rnn":
        units, weights = next(both for limit, both in WITH_MUON if load < limit)
    return {"dropout": units, "weight_dropout": weights}


def _learning_rate(model: ModelConfig, share: float) -> float:
    """AdamW's: larger for smaller networks, and for cells with more gates."""
    rate = 9e-3 * (256 / max(model.hidden_size, 64)) ** 0.5
    return float(f"{share * rate * RATES[model.cell]:.1g}")


def _reasons(model: ModelConfig, settings: Mapping[str, Any], shares: Shares, unit: str) -> str:
    """What was chosen and why, in one line."""
    noun = "record" if shares.records else "lane"
    read = in_words(settings["batch_size"], settings["seq_length"], noun)
    records = f" of {counted(shares.records, 'record')}" if shares.records else ""
    return (
        f"{model.num_layers}×{model.hidden_size} {model.cell}, embedding {model.embed_size}, "
        f"{read}, {learning_rate_in_words(settings)}, weight decay {settings['weight_decay']:g}, "
        f"{dropout_in_words(model)}, "
        f"chosen for {counted(shares.train, f'training {unit}')}{records}"
    )
