"""A corpus as a task reads it: examples, before they are divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from charrnn.config import TrainConfig
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.learning.task import Task
from charrnn.task_config import TaskRecord

__all__ = ["Data"]


class Data(Protocol):
    """Examples to learn from."""

    @property
    def kind(self) -> TaskRecord | None:
        """The task, as the model folder says it; None for a language model."""

    @property
    def corpus(self) -> CorpusRecord:
        """What the model folder says of them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of them."""

    def divided(self, config: TrainConfig) -> Task:
        """What is for training and what for validation: equal examples are on one side."""

    def start_from(self, network: Any, bases: Sequence[ModelFolder]) -> str:
        """Put other models' weights into a new network; returns what was done, in a line."""
