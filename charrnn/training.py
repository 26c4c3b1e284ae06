"""Training: one visible loop that yields events.

    for event in train("corpus.txt", minutes=3): ...

Breaking out of the loop stops training and saves what has been learnt.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch

import charrnn
from charrnn import card, folder, planning
from charrnn.config import TrainConfig, check
from charrnn.corpus import Corpus, Reading, read_corpus
from charrnn.errors import CharRNNError, UsageError
from charrnn.evaluation import surprisals
from charrnn.events import Evaluated, Evaluation, Event, Finished, Progress, Started
from charrnn.folder import CorpusRecord, ModelFolder, ModelRecord
from charrnn.learner import Learner, choose_device, choose_precision, learning_rate, speed
from charrnn.planning import Budget, Plan
from charrnn.runtime import Model
from charrnn.tokenizer import Ids, Tokenizer, make_tokenizer

__all__ = ["train"]

REPORT_SECONDS = 0.25  # between two Progress events
SAMPLE_LENGTH = 160  # tokens shown at each evaluation


def train(
    sources: str | Path | Sequence[str | Path] | Corpus,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    tokenizer: Literal["char", "byte"] = "char",
    reading: Reading | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Train a language model of a text and write it to a model folder.

    Args:
        sources: what `corpus.read_corpus` takes, or a corpus already read.
        out: the model folder to make; by default one in `checkpoints/`.
        name: the name of that one; by default the corpus's, made unique.
        minutes, epochs, steps: the budget; see `planning.Budget`.
        tokenizer: whether a token is a character or a byte of UTF-8.
        reading: encoding and columns of the sources.
        settings: any of `ModelConfig` and `TrainConfig`; what is left open is chosen from the
            corpus and the budget.

    Yields:
        events: `Started`, then `Progress` and `Evaluated`, at the end `Finished`.

    Raises:
        CharRNNError: at once, of a kind for each mistake (see `read_corpus`, `planning.plan`,
            `folder.create`); while training, if the loss is no longer a number.
    """
    begin = time.perf_counter()
    budget = Budget(minutes, epochs, steps)
    if isinstance(sources, (str, Path)):
        sources = [sources]
    corpus = sources if isinstance(sources, Corpus) else read_corpus(sources, reading)
    tokens = make_tokenizer(tokenizer, corpus.text)
    ids = tokens.encode(corpus.text)
    if len(set(corpus.text)) < 2:
        raise planning.too_small("only one distinct character")
    settings = {name: value for name, value in settings.items() if value is not None}
    check(TrainConfig, settings)
    device = choose_device(settings.get("device", "auto"))
    rate = speed(device, choose_precision(settings.get("precision", "auto"), device))
    plan = planning.plan(len(ids), tokens.vocab_size, budget, settings, rate)
    path = _folder_for(corpus, out, name)
    folder.create(path)
    return _leave_no_empty_folder(path, _run(corpus, tokens, ids, plan, budget, path, begin))


def _leave_no_empty_folder(path: Path, events: Iterator[Event]) -> Iterator[Event]:
    """`events`; if they end, in whatever way, before anything is saved, the folder goes too."""
    try:
        yield from events
    finally:
        with suppress(OSError):
            path.rmdir()  # fails if there is anything in it


def _folder_for(corpus: Corpus, out: str | Path | None, name: str | None) -> Path:
    if out is not None and name is not None:
        raise UsageError("both a name and a folder are given", "give --name or --out")
    if out is not None:
        return Path(out)
    if name is not None:
        if Path(name).name != name or name in ("", ".."):
            raise UsageError(f"{name!r} is not a plain name", "use --out for a folder elsewhere")
        return folder.CHECKPOINTS / name
    stem = re.sub(r"[^\w.-]+", "-", corpus.name).strip("-.") or "model"
    path, number = folder.CHECKPOINTS / stem, 1
    while path.exists():
        number += 1
        path = folder.CHECKPOINTS / f"{stem}-{number}"
    return path


def _run(
    corpus: Corpus,
    tokenizer: Tokenizer,
    ids: Ids,
    plan: Plan,
    budget: Budget,
    path: Path,
    begin: float,
) -> Iterator[Event]:
    """Set up, loop, finish. See `train`."""
    train_ids, val_ids = ids[: plan.train_tokens], ids[plan.train_tokens :]
    config = planning.schedule(plan, _count_steps(plan, budget, train_ids, val_ids, begin))
    learner = Learner(plan.model, config, train_ids)
    record = ModelRecord(
        charrnn_version=charrnn.__version__,
        torch_version=str(torch.__version__),
        model=plan.model,
        training=config,
        corpus=CorpusRecord(name=corpus.name, characters=len(corpus.text), sha256=corpus.sha256),
    )
    keeper = Keeper(path, record, tokenizer, val_ids, begin)
    try:
        yield Started(
            folder=path,
            notes=(*corpus.notes, *plan.notes),
            plan=plan.reasons,
            model=plan.model,
            training=config,
            parameters=learner.network.num_parameters,
            device=learner.device.type,
            precision=learner.precision,
        )
        reported = 0.0
        while learner.step < config.steps and keeper.stale < config.patience:
            learner.update()
            if learner.seconds - reported >= REPORT_SECONDS:
                reported = learner.seconds
                yield Progress(
                    step=learner.step,
                    train_nats=float(learner.loss),
                    tokens_per_second=learner.tokens_per_second,
                )
            if learner.step % config.eval_every == 0 or learner.step == config.steps:
                yield keeper.evaluate_and_save(learner)
    except GeneratorExit:  # the caller broke out of the loop
        keeper.close(learner)
        raise
    yield keeper.finish(learner)


def _count_steps(plan: Plan, budget: Budget, train_ids: Ids, val_ids: Ids, begin: float) -> int:
    """How many updates the budget allows; for minutes, the rate is measured first.

    A short text needs less than its minutes: see `Plan.max_epochs`.

    What is measured is thrown away, so that the run is the same as one with `steps` given.
    """
    if budget.steps is not None:
        return budget.steps
    if budget.epochs is not None:
        return max(1, round(budget.epochs * plan.steps_per_epoch))
    assert budget.minutes is not None, "a Budget has minutes or epochs"
    seconds = budget.minutes * 60
    learner = Learner(plan.model, planning.schedule(plan, 1000), train_ids)
    update = _typical_seconds(learner.update, enough=min(3.0, 0.03 * seconds))
    evaluation = _typical_seconds(lambda: surprisals(learner.network, val_ids), enough=0.0)
    left = seconds - (time.perf_counter() - begin)
    steps = left / update
    evaluations = steps / planning.schedule(plan, max(1, int(steps))).eval_every + 1
    affordable = int((left - evaluations * evaluation) / update)
    return max(1, min(affordable, plan.max_epochs * plan.steps_per_epoch))


def _typical_seconds(work: Callable[[], object], enough: float) -> float:
    """The median time that `work` takes, over `enough` seconds and at least two calls.

    The first call does not count: memory is fetched and kernels are made.
    """
    work()
    times: list[float] = []
    while len(times) < 2 or sum(times) < enough:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@dataclass
class Keeper:
    """Evaluates a learner, writes its folder, and remembers which weights were best.

    Attributes:
        path: the model folder.
        record: its `config.json`.
        tokenizer: of the model.
        val_ids: the validation text (N,).
        begin: when training was asked for, by `time.perf_counter`.
        metrics: the evaluations so far.
        best: the one with the lowest validation loss.
        stale: how many evaluations have passed since.
    """

    path: Path
    record: ModelRecord
    tokenizer: Tokenizer
    val_ids: Ids
    begin: float
    metrics: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    stale: int = 0

    def evaluate_and_save(self, learner: Learner) -> Evaluated:
        """Score the validation text, and write the latest weights and, if better, the best.

        Raises:
            CharRNNError: if the loss is not a number; what was saved before stays.
            ReadWriteError: if writing fails; what was saved before stays.
        """
        nats = surprisals(learner.network, self.val_ids)
        val_nats = float(nats.mean(dtype=np.float64))
        train_nats = learner.mean_loss()
        if not math.isfinite(val_nats + train_nats):
            raise CharRNNError(
                f"the loss is not a number after {learner.step} updates",
                "try again with a lower --learning-rate",
            )
        evaluation = Evaluation(
            step=learner.step,
            epoch=learner.epoch,
            seconds=time.perf_counter() - self.begin,
            train_nats=train_nats,
            val_nats=val_nats,
            learning_rate=learning_rate(learner.step - 1, learner.config),
            grad_norm=float(learner.grad_norm),
            tokens_per_second=learner.tokens_per_second,
        )
        self.metrics.append(evaluation)
        better = self.best is None or evaluation.val_nats < self.best.val_nats
        if better:
            self.best = evaluation
        self.stale = 0 if better else self.stale + 1
        weights = learner.network.weights()
        self._save(weights, evaluation, better)
        model = Model(self.record.model, self.tokenizer, weights)
        sample = model.generate(max_new_tokens=SAMPLE_LENGTH, seed=learner.step)
        return Evaluated(evaluation=evaluation, best=better, sample=sample)

    def _save(self, weights: folder.Weights, evaluation: Evaluation, better: bool) -> None:
        files = {
            "resume/model.safetensors": folder.weights_file(weights, evaluation.step),
            folder.METRICS: b"".join(msgspec.json.encode(m) + b"\n" for m in self.metrics),
        }
        if better:
            found = ModelFolder(
                self.path,
                self.record,
                self.tokenizer,
                weights,
                evaluation.step,
                tuple(self.metrics),
            )
            files |= folder.model_files(self.record, self.tokenizer, weights, evaluation.step)
            files[folder.CARD] = card.markdown(found).encode()
        folder.write(self.path, files)

    def close(self, learner: Learner) -> None:
        """Save what was learnt since the last save, if anything."""
        if learner.step != (self.metrics[-1].step if self.metrics else 0):
            self.evaluate_and_save(learner)

    def finish(self, learner: Learner) -> Finished:
        """The summary of the run."""
        assert self.best is not None, "the last update is always evaluated"
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
            advice=advice(self.metrics),
        )


def advice(metrics: Sequence[Evaluation]) -> str:
    """What would make the model better, read off its losses."""
    best = min(metrics, key=lambda m: m.val_nats)
    gap = best.val_nats - best.train_nats
    if best.step < metrics[-1].step:
        return "it overfits: more text, a smaller --rnn-size or more --dropout would help"
    if gap > 0.25 or best.epoch > planning.MAX_EPOCHS - 1:
        return "it begins to overfit: more text or more --dropout will help more than more minutes"
    return "the loss was still falling: more --minutes will make it better"
