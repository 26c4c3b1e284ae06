"""What is kept of a run: evaluations, the best weights, and all that a resumed run needs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from charrnn.arrays import Ids, Surprisals, Weights
from charrnn.errors import CharRNNError
from charrnn.evaluation.losses import reading, surprisals
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
from charrnn.folder.resuming import STATE, RunProgress, RunState, state_file
from charrnn.models.model import Model
from charrnn.text.decoding import Reading
from charrnn.text.tokenizer import Tokenizer
from charrnn.training import planning
from charrnn.training.events import Evaluated, Finished
from charrnn.training.learner import Learner, learning_rate

__all__ = ["Keeper"]

SAMPLE_LENGTH = 160  # tokens shown at each evaluation
PATIENCE_AT_END = 4  # seconds for which who stops a run will wait to have its last weights
MOST_SKIPPED = 5  # updates in a row whose gradients are not finite


@dataclass
class Keeper:
    """Evaluates a learner, writes its folder, and remembers which weights were best.

    Attributes:
        path: the model folder.
        record: its `config.json`.
        tokenizer: of the model.
        val_ids: the validation text (N,).
        sources, reading: where the corpus was read.
        begin: when training was asked for, by `time.perf_counter`.
        metrics: the evaluations so far.
        best: the one with the lowest validation loss.
        best_weights: the weights then.
        stale: how many evaluations have passed since.
        kept_step: after which update the weights in the folder were saved.
    """

    path: Path
    record: ModelRecord
    tokenizer: Tokenizer
    val_ids: Ids
    sources: tuple[str, ...]
    reading: Reading
    begin: float
    metrics: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    best_weights: Weights | None = None
    stale: int = 0
    kept_step: int | None = None

    def restore(self, run: RunState) -> None:
        """Go on from where a run stood."""
        progress = run.progress
        self.metrics, self.best, self.stale = list(progress.metrics), progress.best, progress.stale
        self.best_weights, self.kept_step = run.best_weights, run.kept_step
        self.begin = time.perf_counter() - progress.seconds

    def due(self, learner: Learner) -> bool:
        """Whether this is the time for an evaluation that has not been made."""
        last = self.metrics[-1].step if self.metrics else 0
        config = learner.config
        here = learner.step % config.eval_every == 0 or learner.step == config.steps
        return here and learner.step != last

    def evaluate_and_save(self, learner: Learner) -> Generator[None, None, Evaluated]:
        """Score the validation text, and write the state and, if better, the weights.

        It pauses while it scores; nothing has changed if it does not go on.

        Raises:
            CharRNNError: if the loss is not a number; what was saved before stays.
            ReadWriteError: if writing fails; what was saved before stays.
        """
        nats = yield from reading(learner.network, self.val_ids)
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
        train_nats = learner.mean_loss()
        val_nats = float(nats.mean(dtype=np.float64))
        if not math.isfinite(val_nats + train_nats):
            raise self._diverged(learner)
        return Evaluation(
            step=learner.step,
            epoch=learner.epoch,
            seconds=time.perf_counter() - self.begin,
            train_nats=train_nats,
            val_nats=val_nats,
            learning_rate=learning_rate(learner.step - 1, learner.config),
            grad_norm=float(learner.grad_norm) if math.isfinite(learner.grad_norm) else 0.0,
            tokens_per_second=learner.tokens_per_second,
        )

    def check(self, learner: Learner) -> None:
        """Stop a run that goes nowhere, with what it had learnt before saved.

        Raises:
            CharRNNError: if several updates in a row could not be made.
        """
        if learner.skipped_in_row >= MOST_SKIPPED:
            self.save(learner)
            raise self._diverged(learner)

    def _diverged(self, learner: Learner) -> CharRNNError:
        rate = learning_rate(learner.step - 1, learner.config)
        return CharRNNError(
            f"the loss is not a number after {learner.step} updates (learning rate {rate:g}, "
            f"gradient norm {float(learner.grad_norm):g})",
            "try again with a lower --learning-rate; what was saved before is still there",
        )

    def save(self, learner: Learner) -> None:
        """Write the state of the run and, unless they are there, the best weights.

        Raises:
            CharRNNError: if the state is not all numbers; what was saved before stays.
            ReadWriteError: if writing fails; likewise.
        """
        tensors = learner.tensors()
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise self._diverged(learner)
        if not (self.path / CONFIG).exists():  # somebody has deleted it
            self.kept_step = None
        progress = RunProgress(
            step=learner.step,
            skipped=(learner.skipped, learner.skipped_in_row),
            loss_count=learner.loss_count,
            training_seconds=learner.seconds,
            seconds=time.perf_counter() - self.begin,
            stale=self.stale,
            best=self.best,
            metrics=tuple(self.metrics),
            sources=self.sources,
            reading=self.reading,
        )
        files: dict[str, bytes] = {}
        if self.best is None:
            files |= description_files(self.record, self.tokenizer)
        else:
            files[METRICS] = _lines(self.metrics)
            if self.best.step != self.kept_step:
                assert self.best_weights is not None, "the best evaluation was of some weights"
                files |= self._model_files(self.best_weights, self.best, self.metrics)
        files[STATE] = state_file(tensors, self.best_weights, progress)
        write_files(self.path, files)
        if self.best is not None:
            self.kept_step = self.best.step

    def _model_files(
        self, weights: Weights, evaluation: Evaluation, metrics: Sequence[Evaluation]
    ) -> dict[str, bytes]:
        found = ModelFolder(
            self.path, self.record, self.tokenizer, weights, evaluation.step, tuple(metrics)
        )
        files = model_files(self.record, self.tokenizer, weights, evaluation.step)
        return files | {CARD: card.markdown(found).encode()}

    def close(self, learner: Learner) -> None:
        """A run that stops in between: save its state as it is, and what was learnt if better.

        The evaluation that tells is no part of the run, which can go on as if there had been none.
        It is left out if it would take long.
        """
        if learner.step == (self.metrics[-1].step if self.metrics else 0):
            return
        self.save(learner)
        seconds = len(self.val_ids) * planning.SCORING / learner.tokens_per_second
        if seconds > PATIENCE_AT_END:
            return
        evaluation = self._evaluation(learner, surprisals(learner.network, self.val_ids))
        if self.best is None or evaluation.val_nats < self.best.val_nats:
            metrics = [*self.metrics, evaluation]
            files = self._model_files(learner.network.weights(), evaluation, metrics)
            write_files(self.path, files | {METRICS: _lines(metrics)})

    def finish(self, learner: Learner) -> Finished:
        """The summary of the run."""
        assert self.best is not None, "the last update is always evaluated"
        if self.best.step != self.kept_step:
            self.save(learner)
        tokens_per_char = len(self.val_ids) / len(self.tokenizer.decode(self.val_ids))
        return Finished(
            model=self.path,
            val_nats=self.best.val_nats,
            val_bits_per_char=self.best.val_nats * tokens_per_char / math.log(2),
            train_nats=self.best.train_nats,
            steps=learner.step,
            epochs=learner.epoch,
            parameters=learner.network.num_parameters,
            characters_per_second=learner.tokens_per_second,
            seconds=time.perf_counter() - self.begin,
            stopped_early=learner.step < learner.config.steps,
            skipped=learner.skipped,
            advice=_advice(self.metrics, planning.max_epochs(len(learner.lanes.ids))),
        )


def _lines(metrics: Sequence[Evaluation]) -> bytes:
    return b"".join(msgspec.json.encode(evaluation) + b"\n" for evaluation in metrics)


def _advice(metrics: Sequence[Evaluation], max_epochs: int) -> str:
    """What would make the model better, read off its losses."""
    best = min(metrics, key=lambda m: m.val_nats)
    gap = best.val_nats - best.train_nats
    if best.step < metrics[-1].step:
        return "it overfits: more text, a smaller --rnn-size or more --dropout would help"
    if gap > 0.25 or best.epoch > max_epochs - 1:
        return "it begins to overfit: more text or more --dropout will help more than more minutes"
    return "the loss was still falling: more --minutes will make it better"
