"""Every kind of work besides language modelling: one row each.

OBJECTIVES["classify"].read(sources, reading, settings, bases) ──▶ Data ──plan──▶ Plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from charrnn.config import Budget, Reading, TaskName, TaskSettings
from charrnn.folder.record import ModelFolder
from charrnn.objectives import classify, forecast, tag, translate
from charrnn.objectives.data import Data
from charrnn.objectives.plans.plan import Plan
from charrnn.text.tokenizer import Tokenizer

__all__ = ["OBJECTIVES", "Objective"]


class Reader(Protocol):
    """Reads examples."""

    def __call__(
        self,
        sources: Sequence[str | Path],
        reading: Reading,
        settings: TaskSettings,
        *,
        bases: Sequence[ModelFolder] = (),
        tokenizer: Tokenizer | None = None,
    ) -> Data:
        """Read examples.

        Args:
            sources: files, names of data sets on the hub, or "-" for standard input.
            reading: encoding and text column.
            settings: of the task.
            bases: the models whose weights the run starts from; their vocabulary grows.
            tokenizer: of a run that goes on; the vocabulary stays as it is.

        Raises:
            CharRNNError: for examples that nothing can be learnt from.
        """


class Objective(NamedTuple):
    """How one kind of work is learnt.

    Attributes:
        takes: what of `TaskSettings` and of `Reading` means something to it, besides how files
            become text.
        read: sources to examples.
        plan: (examples, budget, settings that the user gave, operations per second, models that
            the run starts from) to what is settled before the first update.
    """

    takes: frozenset[str]
    read: Reader
    plan: Callable[[Any, Budget, Mapping[str, Any], float, Sequence[ModelFolder]], Plan]


COLUMNS = frozenset({"text_column", "label_column"})
SERIES = frozenset({"label_column", "horizon", "season"})
OBJECTIVES: dict[TaskName, Objective] = {
    "classify": Objective(COLUMNS, classify.read, classify.plan),
    "tag": Objective(frozenset({"text_column"}), tag.read, tag.plan),
    "forecast": Objective(SERIES, forecast.read, forecast.plan),
    "translate": Objective(COLUMNS, translate.read, translate.plan),
}
