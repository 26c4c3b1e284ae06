"""What is recorded of a run: its evaluations, the best weights, and all that resuming needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from charrnn.arrays import Surprisals, Weights
from charrnn.config import Correction, TrainConfig
from charrnn.evaluation.surprisals import Scoring, surprisals
from charrnn.folder import card
from charrnn.folder.files import write_files
from charrnn.folder.record import (
    CARD,
    CONFIG,
    METRICS,
    Evaluation,
    ModelFolder,
    ModelRecord,
    description_files,
    model_files,
)
from charrnn.folder.resuming import STATE, ReadingRecord, RunProgress, RunState, state_file
from charrnn.learning.clock import Stopwatch
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate
from charrnn.models.model import Model
from charrnn.scoring.score import score_of
from charrnn.text.origin import Origin
from charrnn.text.records import Records, Text
from charrnn.text.tokenizer import Tokenizer
from charrnn.training import planning
from charrnn.training.diagnosis import advice, diverged
from charrnn.training.events import Corrected, Evaluated, Finished

__all__ = ["Recorder"]

SAMPLE_LENGTH = 160  # tokens shown at each evaluation
CLOSING_SECONDS = 4  # that the last evaluation of a stopped run may take


@dataclass
class Recorder:
    """Evaluates a learner, writes its folder, and remembers which weights were best.

    Attributes:
        path: the model folder.
        record: its `config.json`.
        tokenizer: of the model.
        val_text: the validation text: the last part of a story (N,), or records.
        origin: where the corpus was read.
        watch: how long it has taken, since training was asked for.
        minutes: those that it keeps to; None if its number of updates was given.
        longer: the option that makes such a run longer.
        metrics: the evaluations so far.
        best: the one with the lowest validation loss.
        best_weights: the weights then.
        stale: how many evaluations have passed since.
        saved_step: after which update the weights in the folder were saved.
    """

    path: Path
    record: ModelRecord
    tokenizer: Tokenizer
    val_text: Text
    origin: Origin
    watch: Stopwatch = field(default_factory=Stopwatch)
    minutes: float | None = None
    longer: str = "--minutes, --epochs or --steps"
    metrics: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    best_weights: Weights | None = None
    stale: int = 0
    saved_step: int | None = None

    def restore(self, run: RunState) -> None:
        """Go on from where a run stood."""
        progress = run.progress
        self.metrics, self.best, self.stale = list(progress.metrics), progress.best, progress.stale
        self.best_weights, self.saved_step = run.best_weights, run.kept_step
        self.watch, self.minutes = Stopwatch(progress.seconds), progress.minutes

    def is_due(self, learner: Learner) -> bool:
        """Whether an evaluation is due that has not been made yet."""
        config = learner.config
        scheduled = learner.step % config.eval_every == 0 or learner.step == config.steps
        return scheduled and learner.step != self._last_step

    @property
    def _last_step(self) -> int:
        return self.metrics[-1].step if self.metrics else 0

    def scoring(self, learner: Learner) -> Scoring:
        """The validation text, to be read chunk by chunk."""
        return Scoring(learner.network, self.val_text)

    def add(self, learner: Learner, nats: Surprisals) -> Evaluated:
        """Record an evaluation; write the state of the run and, if they are better, the weights.

        Args:
            learner: as it was evaluated.
            nats: what its `scoring` found.

        Raises:
            CharRNNError: if the loss is not a number; what was saved before stays.
            ReadWriteError: if writing fails; what was saved before stays.
        """
        evaluation = self._evaluation(learner, nats)
        self.metrics.append(evaluation)
        weights = learner.network.weights()
        better = self.best is None or evaluation.val_nats < self.best.val_nats
        if better:
            self.best, self.best_weights = evaluation, weights
        self.stale = 0 if better else self.stale + 1
        self.save(learner)
        model = Model(self.record.model, self.tokenizer, weights)
        sample = model.generate(max_new_tokens=SAMPLE_LENGTH, seed=learner.step)
        return Evaluated(evaluation=evaluation, best=better, sample=sample)

    def _evaluation(self, learner: Learner, nats: Surprisals) -> Evaluation:
        if not learner.loss_count and not self.metrics:
            raise diverged(learner)  # no update could be made
        train_nats = learner.mean_loss() if learner.loss_count else self.metrics[-1].train_nats
        val_nats = float(nats.mean(dtype=np.float64))
        if not math.isfinite(val_nats + train_nats):
            raise diverged(learner)
        return Evaluation(
            step=learner.step,
            epoch=learner.epoch,
            seconds=self.watch.read(),
            train_nats=train_nats,
            val_nats=val_nats,
            learning_rate=learning_rate(learner.step - 1, learner.config),
            grad_norm=float(learner.grad_norm) if math.isfinite(learner.grad_norm) else 0.0,
            tokens_per_second=learner.tokens_per_second,
        )

    def correct(self, learner: Learner, steps: int) -> Corrected:
        """Change how many updates there will be, and save that before the next of them is made.

        So a run goes on with the same corrections whenever it is killed, and can be made again.

        Raises:
            CharRNNError: as `save`.
        """
        before, seconds = learner.config, self.watch.read()
        correction = Correction(step=learner.step, planned=before.steps, seconds=seconds)
        corrections = (*before.corrections, correction)
        learner.config = msgspec.structs.replace(before, steps=steps, corrections=corrections)
        self.record = msgspec.structs.replace(self.record, training=learner.config)
        self.save(learner, description_files(self.record, self.tokenizer))
        return _corrected(learner.config)[-1]

    def save(self, learner: Learner, more: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write the state of the run and, unless they are there, the best weights.

        Args:
            learner: what to save.
            more: files to write with it.

        Raises:
            CharRNNError: if the state is not all numbers; what was saved before stays.
            ReadWriteError: if writing fails; likewise.
        """
        tensors = learner.tensors()
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise diverged(learner)
        if not (self.path / CONFIG).exists():  # it was deleted meanwhile
            self.saved_step = None
        files = dict(more)
        if self.best is None:
            files |= description_files(self.record, self.tokenizer)
        else:
            files[METRICS] = _lines(self.metrics)
            if self.best.step != self.saved_step:
                assert self.best_weights is not None, "the best evaluation was of some weights"
                files |= self._model_files(self.best_weights, self.best, self.metrics)
        files[STATE] = state_file(tensors, self.best_weights, self._progress(learner))
        write_files(self.path, files)
        if self.best is not None:
            self.saved_step = self.best.step

    def _progress(self, learner: Learner) -> RunProgress:
        return RunProgress(
            step=learner.step,
            skipped=(learner.skipped, learner.skipped_in_row),
            loss_count=learner.loss_count,
            training_seconds=learner.seconds,
            seconds=self.watch.read(),
            stale=self.stale,
            best=self.best,
            metrics=tuple(self.metrics),
            sources=self.origin.sources,
            reading=ReadingRecord(**msgspec.structs.asdict(self.origin.reading)),
            minutes=self.minutes,
        )

    def _model_files(
        self, weights: Weights, evaluation: Evaluation, metrics: Sequence[Evaluation]
    ) -> dict[str, bytes]:
        found = ModelFolder(
            self.path, self.record, self.tokenizer, weights, evaluation.step, tuple(metrics)
        )
        files = model_files(self.record, self.tokenizer, weights, evaluation.step)
        return files | {CARD: card.markdown(found).encode()}

    def close(self, learner: Learner) -> None:
        """Save a run that is stopped: its state as it is, and its weights if they are the best.

        The evaluation that decides this is no part of the run, which can be resumed as if it had
        not been made. It is left out if it would take long.
        """
        if learner.step == self._last_step:
            return
        self.save(learner)
        seconds = self.val_text.size * planning.SCORING_COST / learner.tokens_per_second
        if seconds > CLOSING_SECONDS:
            return
        evaluation = self._evaluation(learner, surprisals(learner.network, self.val_text))
        if self.best is None or evaluation.val_nats < self.best.val_nats:
            metrics = [*self.metrics, evaluation]
            files = self._model_files(learner.network.weights(), evaluation, metrics)
            write_files(self.path, files | {METRICS: _lines(metrics)})

    def finish(self, learner: Learner) -> Finished:
        """The summary of a run that is over."""
        assert self.best is not None, "the last update is always evaluated"
        if self.best.step != self.saved_step:
            self.save(learner)
        text = self.val_text
        ids = text.targets() if isinstance(text, Records) else text
        scored = score_of(0.0, self.tokenizer, ids)
        tokens_per_char = scored.tokens / max(scored.characters, 1)
        return Finished(
            model=self.path,
            val_nats=self.best.val_nats,
            val_bits_per_char=self.best.val_nats * tokens_per_char / math.log(2),
            train_nats=self.best.train_nats,
            steps=learner.step,
            epochs=learner.epoch,
            parameters=learner.network.num_parameters,
            unit=self.tokenizer.unit,
            characters_per_second=learner.tokens_per_second,
            seconds=self.watch.read(),
            stopped_early=learner.step < learner.config.steps,
            skipped=learner.skipped,
            advice=advice(
                self.metrics,
                planning.max_epochs(learner.text.size),
                self.tokenizer.vocab_size,
                self.longer,
            ),
            corrections=_corrected(learner.config),
        )


def _corrected(config: TrainConfig) -> tuple[Corrected, ...]:
    """The corrections of a run."""
    totals = [*(one.planned for one in config.corrections[1:]), config.steps]
    return tuple(
        Corrected(step=one.step, planned=one.planned, steps=steps, seconds=one.seconds)
        for one, steps in zip(config.corrections, totals, strict=False)
    )


def _lines(metrics: Sequence[Evaluation]) -> bytes:
    return b"".join(msgspec.json.encode(evaluation) + b"\n" for evaluation in metrics)
