"""What the tasks that read texts have in common.

TextData ──divided──▶ TextTask
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import charrnn
from charrnn.arrays import Weights
from charrnn.config import ModelConfig, TrainConfig
from charrnn.folder.record import CorpusRecord, Evaluation, ModelFolder, ModelRecord
from charrnn.network.base import Network
from charrnn.network.encoder import Encoder
from charrnn.objectives.batches.examples import start_encoder
from charrnn.objectives.plans import advice
from charrnn.task_config import TaskRecord
from charrnn.text.tokenizer import CharTokenizer

__all__ = ["TextData", "TextTask"]

Example = TypeVar("Example")


@dataclass(frozen=True)
class TextData(Generic[Example]):
    """Texts with what is to be learnt of them; see `objectives.data.Data`.

    Attributes:
        examples: all of them.
        tokenizer: their vocabulary.
        kind: what the model folder says.
        corpus, notes: as `Data` has them.
    """

    examples: Sequence[Example]
    tokenizer: CharTokenizer
    kind: TaskRecord
    corpus: CorpusRecord
    notes: tuple[str, ...]

    def start_from(self, network: Encoder, bases: Sequence[ModelFolder]) -> str:
        """Put language models' weights into the stacks that read the texts."""
        return start_encoder(network, bases, self.tokenizer)


@dataclass(frozen=True)
class TextTask(ABC, Generic[Example]):
    """See `learning.task.Task`; what is not here, each task says for itself.

    Args:
        train, val: examples.
        tokenizer: the vocabulary.
        kind, extra: for the model folder.
    """

    train: Sequence[Example]
    val: Sequence[Example]
    tokenizer: CharTokenizer
    kind: TaskRecord
    extra: Mapping[str, bytes]
    unit: ClassVar[str] = "character"
    reset_share: ClassVar[None] = None

    @staticmethod
    @abstractmethod
    def tokens_of(example: Example) -> int:
        """How many tokens are read with an example, the ends of its texts included."""

    @cached_property
    def train_tokens(self) -> int:
        """Tokens that are trained on."""
        return sum(map(self.tokens_of, self.train))

    @cached_property
    def val_tokens(self) -> int:
        """Tokens that are validated on."""
        return sum(map(self.tokens_of, self.val))

    def start(self, network: Network, config: TrainConfig) -> None:
        """Nothing is carried from batch to batch."""

    def beginning(self, tokens: int) -> Self:
        """See `Task`."""
        count = math.ceil(tokens * len(self.val) / max(self.val_tokens, 1))
        return replace(self, val=self.val[:count])

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The score, of which more is better, then the cost."""
        return (-(evaluation.score or 0.0), evaluation.val_nats)

    def bits(self, nats: float) -> float:
        """A cost in bits per answer."""
        return nats / math.log(2)

    def advice(self, metrics: Sequence[Evaluation], longer: str) -> str:
        """See `Task`."""
        return advice.for_task(metrics, self.rank, longer)

    def folder(self, model: ModelConfig, weights: Weights) -> ModelFolder:
        """A model that is still learning, as if it had been read from a folder."""
        record = ModelRecord(charrnn_version=charrnn.__version__, model=model, task=self.kind)
        return ModelFolder(Path(), record, self.tokenizer, weights, 0, (), self.extra)
