"""Training curves of one or several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config import TaskName
from charrnn.errors import UsageError
from charrnn.folder.hub import folder_name
from charrnn.folder.record import ModelFolder
from charrnn.plots.style import looks, named, picture

__all__ = ["Curve", "curve_of", "draw_curves"]


class Curve(NamedTuple):
    """The losses of a run.

    Attributes:
        name: of its folder.
        unit: what the loss is per; empty for a task, whose examples differ in length.
        task: which one; None for a language model.
        read: what had been read at each evaluation, in all.
        read_in: in what: tokens; characters of a list, whose tokens are padded side by side;
            updates of a task, and where the run does not say more.
        training, validation: bits per token; for a task its loss.
        dropout: whether the training losses are those with dropout.
        kept: which evaluation is that of the weights in the folder; None if none is.
    """

    name: str
    unit: str
    task: TaskName | None
    read: tuple[float, ...]
    read_in: str
    training: tuple[float, ...]
    validation: tuple[float, ...]
    dropout: bool
    kept: int | None


def curve_of(model: ModelFolder) -> Curve:
    """The losses of the run that made a model."""
    steps, task = [one.step for one in model.metrics], model.record.task
    unit, nats = ("", 1.0) if task is not None else (model.tokenizer.loss_per, math.log(2))
    read, read_in = _read(model)
    return Curve(
        name=folder_name(model.path),
        unit=unit,
        task=None if task is None else task.name,
        read=read,
        read_in=read_in,
        training=tuple(one.train_nats / nats for one in model.metrics),
        validation=tuple(one.val_nats / nats for one in model.metrics),
        dropout=model.record.model.dropout > 0 or model.record.model.weight_dropout > 0,
        kept=steps.index(model.step) if model.step in steps else None,
    )


def _read(model: ModelFolder) -> tuple[tuple[float, ...], str]:
    """See `Curve`."""
    config, corpus = model.record.training, model.record.corpus
    steps = tuple(one.step for one in model.metrics)
    if config is None or model.record.task is not None:
        return steps, "updates"
    if corpus is not None and corpus.records != "none":  # padded side by side
        tokens = model.record.training_tokens(corpus.characters)
        return tuple(one.epoch * tokens for one in model.metrics), "characters"
    each = config.batch_size * config.seq_length
    return tuple(step * each for step in steps), f"{model.tokenizer.unit}s"


def draw_curves(path: Path, curves: Sequence[Curve]) -> None:
    """Draw the losses of runs against what they have read.

    Args:
        path: of the picture.
        curves: at least one, each with an evaluation.

    Raises:
        UsageError: if some are of language models and some of tasks, or of different tasks,
            which share no axis.
    """
    if len(tasks := {curve.task for curve in curves}) > 1:
        two = (
            "a task's loss and a language model's" if None in tasks else "losses of different tasks"
        )
        raise UsageError(f"{two} are not comparable", "draw them in pictures of their own")
    units = {curve.unit for curve in curves}
    unit = units.pop() if len(units) == 1 else "token"
    counted = {curve.read_in for curve in curves}
    read_in = counted.pop() if len(counted) == 1 else "tokens"
    with picture(path) as axes:
        shown: list[tuple[Any, str]] = []  # as labels, none could begin with _
        for curve, look in zip(curves, looks(), strict=False):
            label = named(curve.name)
            if curve.kept is not None:
                x, y = curve.read[curve.kept], curve.validation[curve.kept]
                axes.plot(x, y, "o", markersize=11, color=look["color"], fillstyle="none")
                label = f"{label} ({y:.3f})"
            every = max(1, len(curve.read) // 8)
            (line,) = axes.plot(curve.read, curve.validation, **look, markevery=every)
            shown.append((line, label))
            small = {"linewidth": 0.8, "linestyle": ":", "markersize": 2.5, "markevery": every}
            axes.plot(curve.read, curve.training, **look | small)
        black = {"color": "black", "fillstyle": "none"}
        (kept,) = axes.plot([], [], "o", markersize=11, **black)
        (training,) = axes.plot([], [], ":", linewidth=0.8, **black)
        dropout = " (with dropout)" if any(curve.dropout for curve in curves) else ""
        shown += [(kept, "the weights that were kept"), (training, f"training loss{dropout}")]
        axes.set(xlabel=read_in if read_in == "updates" else f"{read_in} read")
        axes.set(ylabel=f"bits per {unit}" if unit else "loss", title="Validation loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.legend(*zip(*shown, strict=True))
