"""What is settled before the first update.

Plan ──schedule──▶ TrainConfig
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config import MAX_STEPS, ModelConfig, TrainConfig
from charrnn.settings import settings_from, settings_of
from charrnn.tasks.texts import ENDS

__all__ = [
    "EVALUATION_SHARE",
    "EXAMPLE_RULES",
    "SCORING_COST",
    "UNSTOPPED",
    "Plan",
    "dropout_in_words",
    "learning_rate_in_words",
    "model_settings",
    "schedule",
    "training_settings",
    "with_ends",
]

SCORING_COST = 0.8  # of the time of learning from a token; 0.65 to 0.9 were measured
EVALUATION_SHARE = 0.03  # of a run's time, for all evaluations together
# Evaluations without progress after which none stops early: for tasks whose answers become best at
# the end, where the learning rate falls to zero.
UNSTOPPED = MAX_STEPS

EXAMPLE_RULES = 4  # those of new runs, see `TrainConfig.rules`
MODEL_FIELDS = {setting.name for setting in settings_of(ModelConfig)}
TRAIN_FIELDS = {setting.name for setting in settings_of(TrainConfig)}


@dataclass(frozen=True)
class Plan:
    """What is settled before the first update, all but the number of updates.

    Attributes:
        model: the shape of the network.
        settings: those of `TrainConfig` that don't depend on the number of updates.
        val_tokens: how much there is to validate on.
        reasons: one line that says what was chosen, and why.
        notes: what the user should know: settings that shrank to fit.
        tokens_per_step: that an update reads; of records, on average.
        steps_per_epoch: updates in which all of the training text is read.
    """

    model: ModelConfig
    settings: dict[str, Any]
    val_tokens: int
    reasons: str
    notes: tuple[str, ...]
    tokens_per_step: float
    steps_per_epoch: int


def schedule(plan: Plan, steps: int) -> TrainConfig:
    """The complete settings of a run of `plan` with `steps` updates."""
    affordable = steps * plan.tokens_per_step * EVALUATION_SHARE / (plan.val_tokens * SCORING_COST)
    evaluations = min(max(int(affordable), 2), 40, steps)
    eval_every = plan.settings.get("eval_every", math.ceil(steps / evaluations))
    return settings_from(
        TrainConfig,
        {
            "steps": steps,
            "warmup_steps": min(200, steps // 10),
            "eval_every": eval_every,
            "patience": max(3, round(math.ceil(steps / eval_every) / 4)),
            "rules": EXAMPLE_RULES,
        }
        | plan.settings,
    )


def model_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in `given` that are of `ModelConfig`."""
    return {name: value for name, value in given.items() if name in MODEL_FIELDS}


def training_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in `given` that are of `TrainConfig`."""
    return {name: value for name, value in given.items() if name in TRAIN_FIELDS}


def with_ends(characters: int) -> int:
    """Steps in which so many characters of a text are read, with its ends."""
    return min(characters + ENDS, MAX_STEPS)  # which no setting exceeds


def learning_rate_in_words(settings: Mapping[str, Any]) -> str:
    """The learning rate, and what takes it where that is not AdamW, in words."""
    by = " with Muon" if settings.get("optimizer") == "muon" else ""
    return f"learning rate {settings['learning_rate']:g}{by}"


def dropout_in_words(model: ModelConfig) -> str:
    """What is dropped in training, in words."""
    of_weights = f" (weights {model.weight_dropout:g})" if model.weight_dropout else ""
    return f"dropout {model.dropout:g}{of_weights}"
