"""What tasks that learn from examples have in common, and those that read texts.

TextData ──task──▶ TextTask, an ExampleTask
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec
import torch

import charrnn
from charrnn.arrays import Weights
from charrnn.cells.rules import State
from charrnn.config import ModelConfig, TrainConfig
from charrnn.folder.record import NO_TEXT, CorpusRecord, Evaluation, ModelFolder, ModelRecord
from charrnn.learning.task import Cost
from charrnn.network.base import Network
from charrnn.network.encoder import Encoder
from charrnn.objectives.batches.examples import divide, start_encoder
from charrnn.objectives.plans import advice
from charrnn.task_config import TaskRecord
from charrnn.tasks.base import TaskModel
from charrnn.tasks.scores.reports import Report
from charrnn.text.tokenizer import CharTokenizer, Tokenizer
from charrnn.words import counted

__all__ = ["ExampleTask", "TextData", "TextTask", "shown"]

SHOWN = 300  # characters of a text in a sample

Example = TypeVar("Example")
Batch = TypeVar("Batch")


def shown(text: str) -> str:
    """As much of a text as there is room for in a sample."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


@dataclass(frozen=True)
class TextData(Generic[Example]):
    """Texts with what is to be learnt of them; see `objectives.request.Data`.

    Attributes:
        examples: all of the corpus.
        validation: those of the user's own validation set; none where a part of `examples` is.
        tokenizer: the vocabulary of both.
        task_record: what the model folder says.
        corpus, notes: as `Data` has them.
    """

    examples: Sequence[Example]
    validation: Sequence[Example]
    tokenizer: CharTokenizer
    task_record: TaskRecord
    corpus: CorpusRecord
    notes: tuple[str, ...]

    def parts(
        self, keys: Sequence[str], config: TrainConfig, labels: Sequence[str] | None = None
    ) -> tuple[Sequence[Example], Sequence[Example]]:
        """The examples for training, and those for validation: the user's own, or from all over.

        Args:
            keys, labels: of `examples`; see `divide`.
            config: the settings of the run.
        """
        if self.validation:
            return self.examples, self.validation
        train, val = divide(keys, config.val_frac, config.seed, labels)
        return [self.examples[k] for k in train], [self.examples[k] for k in val]

    def start_from(self, network: Encoder, bases: Sequence[ModelFolder]) -> str:
        """Put language models' weights into the stacks that read the texts."""
        return start_encoder(network, bases, self.tokenizer)


@dataclass(frozen=True)
class ExampleTask(ABC, Generic[Batch]):
    """See `learning.task.Task`; what is not here, each task says for itself.

    Nothing is carried from batch to batch.

    Args:
        tokenizer: the vocabulary; None for numbers.
        task_record, extra: for the model folder.
    """

    tokenizer: Tokenizer | None
    task_record: TaskRecord
    extra: Mapping[str, bytes]
    reset_share: ClassVar[None] = None
    higher_is_better: ClassVar[bool] = True  # of the scores

    @property
    @abstractmethod
    def max_epochs(self) -> int:
        """See `Task`."""

    @property
    def reporting(self) -> float:
        """See `Task`; all examples are answered once more."""
        return 1.0

    def start(self, network: Network, config: TrainConfig) -> None:
        """See `Task`."""

    def cost(
        self, network: Any, batch: Batch, state: State | None, generator: torch.Generator
    ) -> Cost:
        """See `Task`."""
        assert state is None, "nothing is carried from batch to batch"
        return self.loss(network, batch, generator)

    @abstractmethod
    def loss(self, network: Any, batch: Batch, generator: torch.Generator) -> Cost:
        """What a batch costs, whatever came before it.

        Args:
            network, batch, generator: see `Task.cost`.
        """

    @property
    def unseen(self) -> Sequence[str]:
        """Labels that no validation example has."""
        return ()

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The score, then the cost; without a score an evaluation is the worst."""
        score = evaluation.score
        if score is None:
            return (math.inf, evaluation.val_nats)
        return (-score if self.higher_is_better else score, evaluation.val_nats)

    def advice(self, metrics: Sequence[Evaluation], longer: str) -> str:
        """See `Task`."""
        perfect = float(self.higher_is_better)
        return advice.for_task(metrics, self.rank, longer, perfect, self.max_epochs, self.unseen)

    @abstractmethod
    def model(self, folder: ModelFolder) -> TaskModel[Any]:
        """The model in a folder, which answers."""

    @property
    @abstractmethod
    def reported(self) -> Sequence[Any]:
        """The validation examples that it answers at the end."""

    def report(
        self, folder: ModelFolder, is_late: Callable[[], bool]
    ) -> Generator[int, None, Report]:
        """See `Task`; each piece is from all over the examples, which may be in some order."""
        model, examples, answers = self.model(folder), self.reported, dict[int, Any]()
        pieces = math.ceil(len(examples) / model.answered_at_once)
        for first in range(pieces):
            places = range(first, len(examples), pieces)
            some = model.answers([examples[k] for k in places])
            answers.update(zip(places, some, strict=True))
            yield len(answers)
            if is_late():
                break
        chosen = sorted(answers)
        report = self.judged(model, [examples[k] for k in chosen], [answers[k] for k in chosen])
        if left := len(examples) - len(chosen):
            note = f"there was no time for {counted(left, 'more validation example')}"
            report = msgspec.structs.replace(report, notes=(note, *report.notes))
        return report

    def judged(self, model: Any, examples: Sequence[Any], answers: Sequence[Any]) -> Report:
        """How good a model's answers are."""
        report: Report = model.judged(examples, answers)
        return report

    def folder(self, model: ModelConfig, weights: Weights) -> ModelFolder:
        """A model that is still learning, as if it had been read from a folder."""
        record = ModelRecord(
            charrnn_version=charrnn.__version__, model=model, task=self.task_record
        )
        return ModelFolder(Path(), record, self.tokenizer or NO_TEXT, weights, 0, (), self.extra)


@dataclass(frozen=True)
class TextTask(ExampleTask[Batch], Generic[Example, Batch]):
    """A task that reads texts.

    Args:
        train, val: examples.
    """

    tokenizer: CharTokenizer
    train: Sequence[Example]
    val: Sequence[Example]
    unit: ClassVar[str] = "character"

    @property
    def reported(self) -> Sequence[Example]:
        """See `ExampleTask`."""
        return self.val

    @abstractmethod
    def tokens_of(self, example: Example) -> int:
        """How many tokens are read with an example, the ends of its texts included."""

    @abstractmethod
    def rows_of(self, examples: Sequence[Example]) -> list[Any]:
        """The ids of their texts."""

    @cached_property
    def train_rows(self) -> list[Any]:
        """Those that are trained on: made once, though a run makes several batches of them."""
        return self.rows_of(self.train)

    @cached_property
    def val_tokens(self) -> int:
        """Tokens that are validated on."""
        return sum(map(self.tokens_of, self.val))

    def beginning(self, tokens: int) -> Self:
        """See `Task`."""
        count = math.ceil(tokens * len(self.val) / max(self.val_tokens, 1))
        return replace(self, val=self.val[:count])

    def bits(self, nats: float) -> float:
        """A cost in bits per answer."""
        return nats / math.log(2)
