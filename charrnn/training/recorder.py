"""What is recorded of a run: its evaluations, the best weights, and all that resuming needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import msgspec
import numpy as np
import torch

from charrnn.arrays import Weights
from charrnn.checkpoints import CARD, CONFIG, METRICS, STATE, WEIGHTS
from charrnn.config import BudgetName, Correction, DeviceName, Threads, TrainConfig
from charrnn.errors import BadDataError, CharRNNError
from charrnn.folder import card
from charrnn.folder.files import check_file, read_manifest, write_files
from charrnn.folder.place import Place
from charrnn.folder.record import (
    NO_TEXT,
    Evaluation,
    ModelFolder,
    ModelRecord,
    description_files,
    weights_file,
)
from charrnn.folder.resuming import READING_RULES, ReadingRecord, RunProgress, RunState, state_file
from charrnn.learning.hardware.clock import Stopwatch
from charrnn.learning.hardware.threads import max_threads
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate
from charrnn.learning.task import Scored, Task
from charrnn.objectives.plans.plan import SCORING_COST
from charrnn.tasks.scores.reports import Report
from charrnn.text.origin import Origin
from charrnn.training.events import Corrected, Evaluated, Finished
from charrnn.training.pace.deadline import evaluates_once
from charrnn.training.saver import Saver

__all__ = ["Recorder"]

CLOSING_SECONDS = 4  # that the last evaluation of a stopped run may take


@dataclass
class Recorder:
    """Records the evaluations of a run, saves it, and remembers which weights were best.

    Attributes:
        place: of the model folder.
        record: its `config.json`.
        task: what is learnt.
        origin: where the corpus was read.
        saver: writes what evaluations leave, while training goes on.
        watch: how long it has taken, since training was asked for.
        minutes: those that it keeps to; None if its number of updates was given.
        budget: what ends it; None if that is not known.
        metrics: the evaluations so far.
        best: the one that the task ranks first.
        best_weights: the weights then.
        stale: how many evaluations have passed since.
        moved: whether it has gone on where numbers are rounded otherwise than where it began.
        saved_step: after which update the weights in the folder were saved.
    """

    place: Place
    record: ModelRecord
    task: Task
    origin: Origin
    saver: Saver
    watch: Stopwatch = field(default_factory=Stopwatch)
    minutes: float | None = None
    budget: BudgetName | None = None
    metrics: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    best_weights: Weights | None = None
    stale: int = 0
    moved: bool = False
    saved_step: int | None = None

    def restore(self, run: RunState) -> None:
        """Go on from where a run stood."""
        progress = run.progress
        self.metrics, self.best, self.stale = list(progress.metrics), progress.best, progress.stale
        self.best_weights, self.saved_step = run.best_weights, run.saved_step
        self.watch = Stopwatch(progress.seconds)
        self.minutes, self.budget = progress.minutes, progress.budget
        self.moved = progress.moved

    def is_due(self, learner: Learner) -> bool:
        """Whether an evaluation is due that has not been made yet."""
        config = learner.config
        scheduled = learner.step % config.eval_every == 0 or learner.step == config.steps
        return scheduled and learner.step != self._last_step

    @property
    def _last_step(self) -> int:
        return self.metrics[-1].step if self.metrics else 0

    def add(self, learner: Learner, scored: Scored) -> Evaluated:
        """Record an evaluation, and begin to save the run and, if they are better, the weights.

        Args:
            learner: as it was evaluated.
            scored: what that found.

        Raises:
            CharRNNError: if the loss is not a number; what was saved before stays.
            ReadWriteError: if the save before failed; what was saved before that stays.
        """
        evaluation = self._evaluation(learner, scored)
        self.metrics.append(evaluation)
        weights = _scored_weights(learner, scored)
        better = self._is_better(evaluation)
        if better:
            self.best, self.best_weights = evaluation, weights
        self.stale = 0 if better else self.stale + 1
        self.begin_save(learner)
        sample = self.task.sample(self.record.model, weights, learner.step)
        metric = evaluation.measure or self.task.metric
        return Evaluated(evaluation=evaluation, best=better, sample=sample, metric=metric)

    def _is_better(self, evaluation: Evaluation) -> bool:
        """Whether it ranks before the best so far."""
        return self.best is None or self.task.rank(evaluation) < self.task.rank(self.best)

    def _evaluation(self, learner: Learner, scored: Scored) -> Evaluation:
        updates = learner.updates
        norm = float(updates.grad_norm)
        if updates.skipped == learner.step:
            raise self.diverged(learner)  # no update could be made
        is_known = updates.loss_count or not self.metrics  # nothing may count, as of equal values
        train_nats = learner.take_mean_loss() if is_known else self.metrics[-1].train_nats
        if not math.isfinite(scored.nats + train_nats):
            raise self.diverged(learner)
        return Evaluation(
            step=learner.step,
            epoch=learner.epoch,
            seconds=self.watch.read(),
            train_nats=train_nats,
            val_nats=scored.nats,
            score=scored.score,
            measure=scored.measure,
            learning_rate=learning_rate(learner.step - 1, learner.config),
            grad_norm=norm if math.isfinite(norm) else 0.0,
            tokens_per_second=learner.tokens_per_second,
        )

    def diverged(self, learner: Learner) -> CharRNNError:
        """The error for a run whose loss is not a number any more."""
        rate = learning_rate(learner.step - 1, learner.config)
        norm = learner.updates.grad_norm
        return CharRNNError(
            f"the loss is not a number after {learner.step} updates (learning rate {rate:g}, "
            f"gradient norm {float(norm):g})",
            "train anew with a lower --learning-rate"
            + "; what was saved before is still there" * (self.best is not None),
        )

    def change_steps(self, learner: Learner, steps: int) -> Corrected:
        """Change how many updates there will be, and save that before the next of them is made.

        So a run goes on with the same corrections whenever it is killed, and can be made again.

        Raises:
            CharRNNError: as `save`.
        """
        before = learner.config
        seconds = self.watch.read()
        correction = Correction(step=learner.step, planned=before.steps, seconds=seconds)
        corrections = (*before.corrections, correction)
        every = steps if evaluates_once(before) else before.eval_every
        self._change(learner, steps=steps, eval_every=every, corrections=corrections)
        return _corrected(learner.config)[-1]

    def change_threads(self, learner: Learner, threads: int) -> None:
        """Change in how many threads updates are computed; saved likewise.

        Raises:
            CharRNNError: as `save`.
        """
        change = Threads(step=learner.step, count=threads)
        self._change(learner, threads=(*learner.config.threads, change))

    def _change(self, learner: Learner, **changes: object) -> None:
        """Change the settings of a run that goes on."""
        learner.configure(msgspec.structs.replace(learner.config, **changes))
        self.keep_settings(learner)

    def keep_settings(self, learner: Learner) -> None:
        """Save the run with the settings and the PyTorch that it has now.

        Raises:
            CharRNNError: as `save`.
        """
        version = str(torch.__version__)
        self.record = msgspec.structs.replace(
            self.record, training=learner.config, torch_version=version
        )
        self.save(learner, self._description_files(self.record))

    def save(self, learner: Learner, more: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write the state of the run and, unless they are there, the best weights.

        Args:
            learner: what to save.
            more: files to write with it.

        Raises:
            CharRNNError: if the state is not all numbers; what was saved before stays.
            ReadWriteError: if writing fails, or the save before did; likewise.
        """
        self._snapshot(learner, more)()

    def begin_save(self, learner: Learner) -> None:
        """Begin to save the run as it is now, while training goes on.

        Raises:
            CharRNNError: as `save`.
        """
        self.saver.begin(self._snapshot(learner))

    def _snapshot(
        self, learner: Learner, more: Mapping[str, bytes] = MappingProxyType({})
    ) -> Callable[[], None]:
        """The run as it is now; returns the function that writes it.

        That may run while training goes on.
        """
        self.saver.wait()
        tensors = learner.tensors()
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise self.diverged(learner)
        record = self.record
        weights = self.best_weights
        folder = None
        progress = self.progress(learner)
        if self.best is not None:
            assert weights is not None, "the best evaluation was of some weights"
            folder = self._model_folder(weights, self.best.step, self.metrics)

        def write() -> None:
            files = dict(more)
            if folder is None:
                files |= self._description_files(record)
            else:
                files[METRICS] = _metrics_content(folder.metrics)
                deleted = not (self.place.path / CONFIG).exists()
                if deleted or folder.step != self.saved_step:
                    files |= self._model_files(folder)
            files[STATE] = state_file(tensors, weights, progress)
            write_files(self.place.path, files)
            if folder is not None:
                self.saved_step = folder.step

        return write

    def progress(self, learner: Learner) -> RunProgress:
        """How far the run has come."""
        return RunProgress(
            step=learner.step,
            skipped=(learner.updates.skipped, learner.updates.skipped_in_row),
            loss_count=learner.updates.loss_count,
            training_seconds=learner.seconds,
            seconds=self.watch.read(),
            stale=self.stale,
            best=self.best,
            metrics=tuple(self.metrics),
            sources=self.origin.sources,
            validation=self.origin.validation,
            before=dict(self.origin.before),
            reading=ReadingRecord(
                **msgspec.structs.asdict(self.origin.reading) | {"rules": READING_RULES}
            ),
            minutes=self.minutes,
            budget=self.budget,
            processes=learner.ranks.count,
            device=cast(DeviceName, learner.device.type),
            threads=max_threads(),
            moved=self.moved,
        )

    def _model_files(self, folder: ModelFolder) -> dict[str, bytes]:
        files = self._description_files(folder.record)
        files[WEIGHTS] = weights_file(folder.weights, folder.step)
        return files if self._card_is_changed() else files | {CARD: card.markdown(folder).encode()}

    def _card_is_changed(self) -> bool:
        """Whether people have written words of their own into the card, which are to stay.

        If the manifest is gone, or does not list the card, they may have.
        """
        manifest = read_manifest(self.place.path) or {}
        try:
            check_file(self.place.path, CARD, manifest)
        except FileNotFoundError:
            return False
        except BadDataError:
            return True
        return False

    def _description_files(self, record: ModelRecord) -> dict[str, bytes]:
        return description_files(record, self.task.tokenizer) | dict(self.task.extra)

    def _model_folder(
        self, weights: Weights, step: int, metrics: Sequence[Evaluation]
    ) -> ModelFolder:
        """The model folder as it will be read."""
        task = self.task
        return ModelFolder(
            self.place.path,
            self.record,
            task.tokenizer or NO_TEXT,
            weights,
            step,
            tuple(metrics),
            task.extra,
        )

    def close(self, learner: Learner) -> None:
        """Save a run that is stopped: its state as it is, and its weights if they are the best.

        The evaluation that decides this is no part of the run, which can be resumed as if it had
        not been made. It is left out if it would take long.
        """
        if learner.step == self._last_step:
            return
        self.save(learner)
        seconds = self.task.val_tokens * SCORING_COST / learner.tokens_per_second
        if seconds > CLOSING_SECONDS:
            return
        scoring = learner.scoring()
        for _ in scoring:
            pass
        evaluation = self._evaluation(learner, scoring.result)
        if self._is_better(evaluation):
            metrics = [*self.metrics, evaluation]
            weights = _scored_weights(learner, scoring.result)
            folder = self._model_folder(weights, evaluation.step, metrics)
            files = self._model_files(folder) | {METRICS: _metrics_content(metrics)}
            write_files(self.place.path, files)

    def report(
        self, learner: Learner, is_late: Callable[[], bool]
    ) -> Generator[int, None, Report | None]:
        """How good the best weights are, once these are saved; see `Task.report`."""
        assert self.best is not None, "the last update is always evaluated"
        if self.best.step != self.saved_step:
            self.save(learner)
        assert self.best_weights is not None, "the best evaluation was of some weights"
        folder = self._model_folder(self.best_weights, self.best.step, self.metrics)
        return (yield from self.task.report(folder, is_late))

    def finish(self, learner: Learner, report: Report | None, advice: str | None) -> Finished:
        """The summary of a run that is over; see `loop.report`."""
        assert self.best is not None, "the last update is always evaluated"
        stopped_early = learner.step < learner.config.steps
        ended_by = "patience" if stopped_early else self.budget
        longer = f"--{ended_by}" if ended_by else "--minutes, --epochs or --steps"
        return Finished(
            model=self.place.shown,
            val_nats=self.best.val_nats,
            val_bits_per_char=self.task.bits(self.best.val_nats),
            train_nats=self.best.train_nats,
            steps=learner.step,
            epochs=learner.epoch,
            parameters=learner.network.num_parameters,
            unit=self.task.unit,
            characters_per_second=learner.tokens_per_second,
            seconds=self.watch.read(),
            stopped_early=stopped_early,
            skipped=learner.updates.skipped,
            advice=advice or self.task.advice(self.metrics, longer),
            task=None if self.task.task_record is None else self.task.task_record.name,
            report=report,
            corrections=_corrected(learner.config),
            threads=learner.config.threads,
        )


def _scored_weights(learner: Learner, scored: Scored) -> Weights:
    """The weights of the model that was scored."""
    return {**learner.network.weights(), **scored.weights}


def _corrected(config: TrainConfig) -> tuple[Corrected, ...]:
    """The corrections of a run."""
    totals = [*(one.planned for one in config.corrections[1:]), config.steps]
    return tuple(
        Corrected(step=one.step, planned=one.planned, steps=steps, seconds=one.seconds)
        for one, steps in zip(config.corrections, totals, strict=False)
    )


def _metrics_content(metrics: Sequence[Evaluation]) -> bytes:
    return b"".join(msgspec.json.encode(evaluation) + b"\n" for evaluation in metrics)
