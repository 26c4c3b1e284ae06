"""What training reports while it runs; see `run.train`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from charrnn.config import ModelConfig, ProductPrecision, TaskName, Threads, TrainConfig
from charrnn.folder.record import Evaluation
from charrnn.tasks.scores.reports import Report

__all__ = [
    "Corrected",
    "Evaluated",
    "Event",
    "Finished",
    "Progress",
    "Reporting",
    "Started",
    "loss_unit",
]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is settled and training begins.

    Attributes:
        folder: where the model will be.
        path: the same, from any working directory.
        notes: what was changed in the text or the settings, for the user to know.
        summary: what was chosen, and why, in one line.
        model, training: the resolved settings.
        parameters: how many numbers will be learnt.
        unit: what a token is: a character, a byte or, where some are several bytes, a token.
        device, precision: what computes, and in which precision.
        processes: how many share each update.
        epochs: passes over the training examples that the updates make.
        step: updates made before, by a run that goes on.
        resumed_by: the command that goes on with it after a stop.
    """

    folder: Path
    path: Path
    notes: tuple[str, ...]
    summary: str
    model: ModelConfig
    training: TrainConfig
    parameters: int
    unit: str
    device: str
    precision: ProductPrecision
    processes: int = 1
    epochs: float
    step: int = 0
    resumed_by: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Some updates were made; sent a few times per second.

    Attributes:
        step: updates made so far.
        train_nats: loss of the last update, in nats per token.
        tokens_per_second: in training alone, so far.
    """

    step: int
    train_nats: float
    tokens_per_second: float


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """The number of updates was changed, so that the run keeps to its minutes.

    Attributes:
        step: updates made so far.
        planned: updates in all, as it was planned before.
        steps: updates in all from then on.
        seconds: of the run that had passed.
    """

    step: int
    planned: int
    steps: int
    seconds: float


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """The network was evaluated.

    It is saved while training goes on: the folder may still hold the previous evaluation's model.
    After the first evaluation, and at the end of the run, training waits until the save is
    complete.

    Attributes:
        evaluation: the losses.
        best: whether the task ranks it before all others so far; see `Task.rank`.
        sample: some text of the network as it is now, or an example with its answer.
        metric: what `evaluation.score` measures; empty for a language model.
    """

    evaluation: Evaluation
    best: bool
    sample: str
    metric: str = ""


class Reporting(msgspec.Struct, frozen=True, kw_only=True):
    """All updates are made and saved, and a task's model answers examples for `Finished.report`.

    Sent a few times per second. Whoever leaves the loop loses the report alone.

    Attributes:
        count: validation examples answered so far.
    """

    count: int


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Training is over. Losses are those of the weights that were kept.

    Attributes:
        model: the model folder.
        val_nats: validation loss in nats per token; for a task its loss.
        val_bits_per_char: the same in bits per character; for a task as `Task.bits` has it.
        train_nats: training loss, as `val_nats`, of the updates before the best evaluation, with
            dropout.
        steps, epochs: how long the run was.
        parameters: how many numbers were learnt.
        unit: what a token is: a character, a byte or, where some are several bytes, a token.
        characters_per_second: in training alone; bytes for a byte tokenizer.
        seconds: of the whole run.
        stopped_early: whether validation had not improved for long.
        skipped: updates that were left out because a gradient was not finite.
        advice: what to do next for a better model.
        corrections: how the number of updates was corrected, to keep to the minutes.
        threads: how the number of threads was changed, to share the processors with others.
        task: what was learnt; None for a language model.
        report: scores on the validation examples, beside those of trivial answers, for a task. On
            a part of them, from all over, where all would take a run past its minutes.
    """

    model: Path
    val_nats: float
    val_bits_per_char: float
    train_nats: float
    steps: int
    epochs: float
    parameters: int
    unit: str
    characters_per_second: float
    seconds: float
    stopped_early: bool
    skipped: int
    advice: str
    corrections: tuple[Corrected, ...] = ()
    threads: tuple[Threads, ...] = ()
    task: TaskName | None = None
    report: Report | None = None


Event = Started | Progress | Corrected | Evaluated | Reporting | Finished


def loss_unit(unit: str) -> str:
    """What stands behind a loss of tokens of this unit; nothing for values.

    A series' losses are errors, in units of its own.
    """
    return "" if unit == "value" else " nats"
