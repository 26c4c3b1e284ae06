"""What the trained models of all tasks share.

sources ──read──▶ examples ──answers──▶ answers ──judged──▶ Report
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from charrnn.arguments import checked
from charrnn.config import Reading
from charrnn.errors import UsageError
from charrnn.folder import card, notebook
from charrnn.folder.record import ModelFolder
from charrnn.tasks.scores.reports import Report
from charrnn.text.corpus import listed

__all__ = ["TaskModel", "shared"]

Example = TypeVar("Example")
Value = TypeVar("Value")


class TaskModel(ABC, Generic[Example]):
    """A trained model that answers, or several that answer together. Get one from `charrnn.load`.

    Several networks differ in what they get wrong, and their mean is better than most of them
    (Hansen and Salamon, "Neural network ensembles", 1990).

    Args:
        folders: at least one.

    Attributes:
        facts: what there is to know: label to value, for people; of several what they share.
        answered_at_once: how many examples are, in an evaluation and in a report of training.
    """

    answered_at_once: ClassVar[int] = 512

    def __init__(self, *folders: ModelFolder) -> None:
        (first, *others), paths = [card.facts(one) for one in folders], [f.path for f in folders]
        names = {f"model {k}": str(path) for k, path in enumerate(paths)}
        common = {k: fact for k, fact in first.items() if all(o.get(k) == fact for o in others)}
        self.facts = (names if others else {"model": str(paths[0])}) | common

    def __repr__(self) -> str:
        return notebook.lines("charrnn model", self.facts)

    def _repr_html_(self) -> str:
        return notebook.table("charrnn model", self.facts)

    @abstractmethod
    def predict(self, inputs: Any) -> list[Any]:
        """An answer for each input."""

    @checked
    def evaluate(
        self,
        sources: str | Path | Sequence[str | Path],
        reading: Reading | None = None,
        *,
        label_column: str | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Report:
        """Scores on examples whose answers are known, beside those of trivial answers.

        Args:
            sources: files as it was trained on; their columns have the same names by default.
            reading: encoding and text column.
            label_column: that of the labels, the translations or the values to forecast.
            progress: told which share of the examples was answered since the last call.

        Raises:
            CharRNNError: for files that can't be read as examples of its task.
        """
        notes: list[str] = []
        examples = self._read(listed(sources), reading or Reading(), label_column, notes)
        answers = list[Any]()
        for first in range(0, len(examples), self.answered_at_once):
            some = self.answers(examples[first : first + self.answered_at_once])
            answers += some
            if progress is not None:
                progress(len(some) / len(examples))
        report = self.judged(examples, answers)
        return msgspec.structs.replace(report, notes=(*notes, *report.notes))

    @abstractmethod
    def _read(
        self,
        sources: Sequence[str | Path],
        reading: Reading,
        label_column: str | None,
        notes: list[str],
    ) -> Sequence[Example]:
        """The examples in some files; `notes` gets what the user should know of them.

        Columns that are not named are those of the training.
        """

    @abstractmethod
    def answers(self, examples: Sequence[Example]) -> Sequence[Any]:
        """What it says of each example."""

    @abstractmethod
    def judged(self, examples: Sequence[Example], answers: Sequence[Any]) -> Report:
        """How good answers are, beside trivial ones."""


def shared(what: str, folders: Sequence[ModelFolder], values: Sequence[Value]) -> Value:
    """What several models have in common.

    Args:
        what: in words, in the plural.
        folders: of the models.
        values: of each.

    Raises:
        UsageError: if they differ.
    """
    for folder, value in zip(folders, values, strict=True):
        if value != values[0]:
            differ = f"{folders[0].path} and {folder.path} have different {what}"
            raise UsageError(differ, "name models that answer alike, or one")
    return values[0]
