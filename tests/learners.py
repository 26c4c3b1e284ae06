"""Learners of language models for tests, without a corpus behind them."""

from __future__ import annotations

import numpy as np

from charrnn.config import ModelConfig, TrainConfig
from charrnn.folder.resuming import ReadingRecord, RunProgress
from charrnn.learning.learner import Learner
from charrnn.objectives.language import LanguageModelling
from charrnn.text.records import EncodedText, Records
from charrnn.text.tokenizer import CharTokenizer

__all__ = ["language_learner", "language_task", "progress_of"]


def language_task(train: EncodedText, vocab_size: int = 11) -> LanguageModelling:
    """Language modelling of these ids or records, whose beginning validates, too."""
    val = train if isinstance(train, Records) else np.asarray(train[:40], np.int32)
    has_end = isinstance(train, Records)
    characters = "".join(map(chr, range(97, 97 + vocab_size - has_end)))
    return LanguageModelling(train, val, CharTokenizer(characters, "\n" if has_end else None))


def language_learner(model: ModelConfig, config: TrainConfig, train: EncodedText) -> Learner:
    """A learner of a language model."""
    return Learner(language_task(train, model.vocab_size), model, config)


def progress_of(learner: Learner) -> RunProgress:
    """What is saved of a learner beside its tensors."""
    return RunProgress(
        step=learner.step,
        skipped=(learner.updates.skipped, learner.updates.skipped_in_row),
        loss_count=learner.updates.loss_count,
        training_seconds=learner.seconds,
        seconds=0.0,
        stale=0,
        best=None,
        metrics=(),
        sources=(),
        reading=ReadingRecord(),
    )
