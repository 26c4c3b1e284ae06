"""What a user asks for, and what is read for it: examples, before they are divided.

Request ──read──▶ Data;  Data, Request ──plan──▶ Plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from charrnn.config import Budget, CellName, Reading, TaskSettings, TrainConfig
from charrnn.errors import UsageError
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.learning.task import Task
from charrnn.task_config import TaskRecord
from charrnn.text.corpus import Corpus, Sources
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Data", "Request", "Speed"]

# How many operations per second training a cell reaches on this machine; measured when asked for.
Speed = Callable[[CellName], float]


class Request(NamedTuple):
    """What a user asks for.

    Attributes:
        sources, reading: what to read, and how.
        task_settings: the task and its settings.
        bases: the models whose weights the run starts from; their vocabulary grows.
        budget: how long to train.
        settings: that the user made, by the names of `ModelConfig` and `TrainConfig`; each of them
            in its bounds.
        tokenizer: whether a token is a character or a byte.
        earlier_task, earlier_tokenizer: what the folder of a run that is to go on says of its
            task, and its vocabulary; None for a new run.
        validation: what validates, read as the sources are; None for a part of these.
    """

    sources: Sources
    reading: Reading
    task_settings: TaskSettings
    bases: Sequence[ModelFolder] = ()
    budget: Budget = Budget()
    settings: Mapping[str, Any] = MappingProxyType({})
    tokenizer: Literal["char", "byte"] = "char"
    earlier_task: TaskRecord | None = None
    earlier_tokenizer: Tokenizer | None = None
    validation: Sources | None = None

    @property
    def files(self) -> Sequence[str | Path]:
        """The sources of a task: files, names of data sets on the hub, or "-".

        Raises:
            UsageError: for a corpus.
        """
        return _files(self.sources)

    @property
    def validation_files(self) -> Sequence[str | Path]:
        """The same of its validation set; none without one."""
        return () if self.validation is None else _files(self.validation)


def _files(sources: Sources) -> Sequence[str | Path]:
    if isinstance(sources, Corpus):
        raise UsageError("a corpus has no examples in it", "name files with examples")
    return sources


class Data(Protocol):
    """Examples to learn from."""

    @property
    def task_record(self) -> TaskRecord | None:
        """The task, as the model folder says it; None for a language model."""

    @property
    def corpus(self) -> CorpusRecord:
        """What the model folder says of them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of them."""

    def task(self, config: TrainConfig) -> Task:
        """These examples, divided for training and validation: equal ones are on one side."""

    def start_from(self, network: Any, bases: Sequence[ModelFolder]) -> str:
        """Put other models' weights into a new network; returns what was done, in a line."""
