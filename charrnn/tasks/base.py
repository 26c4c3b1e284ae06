"""What the trained models of all tasks share, and those that read texts.

sources ──read──▶ examples ──report──▶ Report
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from charrnn.arguments import checked
from charrnn.config import Reading
from charrnn.folder import card, notebook
from charrnn.folder.record import ModelFolder
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.texts import tokenizer_of
from charrnn.text.corpus import listed

__all__ = ["TaskModel", "TextModel"]

Example = TypeVar("Example")


class TaskModel(ABC, Generic[Example]):
    """A trained model that answers. Get one from `charrnn.load`.

    Args:
        found: its folder.

    Attributes:
        facts: what there is to know about it: label to value, for people.
    """

    def __init__(self, found: ModelFolder) -> None:
        self._encoder = Encoder(found.record.model, found.weights)
        self.facts = {"model": str(found.path)} | card.facts(found)

    def __repr__(self) -> str:
        return notebook.lines("charrnn model", self.facts)

    def _repr_html_(self) -> str:
        return notebook.table("charrnn model", self.facts)

    @checked
    def evaluate(
        self, sources: str | Path | Sequence[str | Path], reading: Reading | None = None
    ) -> Report:
        """Scores on examples whose answers are known, beside those of trivial answers.

        Args:
            sources: files as it was trained on; their columns have the same names by default.
            reading: encoding and text column.

        Raises:
            CharRNNError: for files that can't be read as examples of its task.
        """
        notes: list[str] = []
        report = self.report(self._read(listed(sources), reading or Reading(), notes))
        return msgspec.structs.replace(report, notes=(*notes, *report.notes))

    @abstractmethod
    def _read(
        self, sources: Sequence[str | Path], reading: Reading, notes: list[str]
    ) -> Sequence[Example]:
        """The examples in some files; `notes` gets what the user should know of them."""

    @abstractmethod
    def report(self, examples: Sequence[Example]) -> Report:
        """Scores on examples, beside those of trivial answers."""


class TextModel(TaskModel[Example]):
    """One that reads texts.

    Raises:
        BadDataError: if its vocabulary is not that of a task.

    Attributes:
        tokenizer: the vocabulary.
    """

    def __init__(self, found: ModelFolder) -> None:
        self.tokenizer = tokenizer_of(found)
        super().__init__(found)
