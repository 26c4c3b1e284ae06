"""Every size and setting of forecasts, with its reason.

lengths, Forecast, given ──plan_of──▶ Plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.objectives.batches.examples import batch_size_of
from charrnn.objectives.batches.windows import count_of, held_back
from charrnn.objectives.plans.plan import UNSTOPPED, Plan, model_settings, training_settings
from charrnn.settings import settings_from
from charrnn.task_config import Forecast
from charrnn.words import counted

__all__ = ["plan_of"]

# The largest size for fewer values to train on.
SIZES = ((2_000, 32), (20_000, 64), (100_000, 128), (math.inf, 256))
SIDE_BY_SIDE = (16, 256)  # windows at least and at most
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.5  # towards weights of zero, with which the smoothed season goes on
VALIDATED = 100  # values that are enough to tell weights apart
MOST_VALIDATED = 0.2  # of a series


def plan_of(lengths: Sequence[int], task: Forecast, given: Mapping[str, Any]) -> Plan:
    """Choose everything that `given` leaves open.

    Args:
        lengths: of the series.
        task: what is to be predicted.
        given: settings the user made; names of `ModelConfig` and `TrainConfig`.

    Raises:
        UsageError: for a window that holds no season.
    """
    notes: list[str] = []
    if "seq_length" in given:
        task = _whole_seasons(task, given["seq_length"], notes)
    val_frac = given.get("val_frac") or _val_frac(lengths, task.horizon)
    held = held_back(lengths, val_frac, task)
    count, train = count_of(lengths, held, task), sum(lengths) - sum(held)
    model = _model(train, given)
    low, high = SIDE_BY_SIDE
    usual = int(np.clip(2 ** round(math.log2(max(count / 4, 1))), low, high))
    batch_size = batch_size_of(given.get("batch_size"), usual, count, "windows")
    settings = {
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "patience": UNSTOPPED,
        **training_settings(given),
        "batch_size": batch_size,
        "seq_length": task.window,
        "val_frac": val_frac,
    }
    return Plan(
        model=model,
        settings=settings,
        val_tokens=max(1, sum(held)),
        reasons=_reasons(model, settings, task, lengths, count),
        notes=tuple(notes),
        tokens_per_step=float(batch_size * task.window),
        steps_per_epoch=math.ceil(count / batch_size),
    )


def _val_frac(lengths: Sequence[int], horizon: int) -> float:
    """Of the longest series: one horizon, or more where few series leave too little to judge by."""
    longest = max(lengths)
    enough = longest * min(VALIDATED / sum(lengths), MOST_VALIDATED)
    return min(horizon * max(1, int(enough / horizon)) / longest, 0.5)


def _whole_seasons(task: Forecast, wanted: int, notes: list[str]) -> Forecast:
    """The same task with a window of about `wanted` values."""
    window = wanted // task.season * task.season
    if not window:
        found = f"seq_length {wanted} is less than a season of {task.season}"
        raise UsageError(found, "make it longer", "seq_length")
    if window != wanted:
        notes.append(f"reading {window:,} values, whole seasons of {task.season:,}")
    return msgspec.structs.replace(task, window=window)


def _model(train: int, given: Mapping[str, Any]) -> ModelConfig:
    """A network that so many values are enough for."""
    size = next(size for limit, size in SIZES if train < limit)
    shape = {"cell": "gru", "hidden_size": size, "num_layers": 1} | model_settings(given)
    shape.setdefault("embed_size", shape["hidden_size"])
    return settings_from(ModelConfig, shape | {"vocab_size": 1})  # which it does not read


def _reasons(
    model: ModelConfig,
    settings: Mapping[str, Any],
    task: Forecast,
    lengths: Sequence[int],
    windows: int,
) -> str:
    """What was chosen and why, in one line."""
    read = f"{counted(task.window, 'value')} at a time"
    if task.season > 1:
        read += f" in steps of a season of {task.season:,}"
    if task.features:
        read += f", each with its {' and '.join(task.features)},"
    return (
        f"{model.num_layers}×{model.hidden_size} {model.cell}, which reads {read} and predicts "
        f"{task.horizon:,}, as differences from {_going_on(task)}; "
        f"{counted(settings['batch_size'], 'window')} side by side, learning rate "
        f"{settings['learning_rate']:g}, chosen for {len(lengths):,} series of "
        f"{counted(sum(lengths), 'value')}, {counted(windows, 'window')}"
    )


def _going_on(task: Forecast) -> str:
    """What the outputs are differences from, in words."""
    one = "season" if task.season > 1 else "value"
    found = f"a {one} smoothed by {task.smoothing:g}"
    if task.smoothing in (0, 1):
        found = f"the {'last' if task.smoothing else 'mean'} {one}"
    return f"{found} and its drift" if task.drift else found
