"""What a user asks for: read what there is to learn from, and choose all that is left open.

Request ──read──▶ Data;  Data, Request ──plan──▶ Plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from charrnn.config import Budget, CellName, Reading, TaskSettings
from charrnn.errors import UsageError
from charrnn.folder.record import ModelFolder
from charrnn.task_config import TaskRecord
from charrnn.text.corpus import Corpus, Sources

__all__ = ["Request", "Speed"]

# How many operations per second training a cell reaches on this machine; measured when asked for.
Speed = Callable[[CellName], float]


class Request(NamedTuple):
    """What a user asks for.

    Attributes:
        sources, reading: what to read, and how.
        work: the task and its settings.
        bases: the models whose weights the run starts from; their vocabulary grows.
        budget: how long to train.
        settings: that the user made, by the names of `ModelConfig` and `TrainConfig`; each of them
            in its bounds.
        tokenizer: whether a token is a character or a byte.
        earlier: what the folder of a run that is to go on says of its task; None for a new run.
        validation: what validates, read as the sources are; None for a part of these.
    """

    sources: Sources
    reading: Reading
    work: TaskSettings
    bases: Sequence[ModelFolder] = ()
    budget: Budget = Budget()
    settings: Mapping[str, Any] = MappingProxyType({})
    tokenizer: Literal["char", "byte"] = "char"
    earlier: TaskRecord | None = None
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
