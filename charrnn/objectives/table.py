"""Every kind of work besides language modelling: one row each.

OBJECTIVES["classify"].read(request) ──▶ Data ──plan──▶ Plan
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from charrnn.config import TaskName
from charrnn.objectives import classify, forecast, tag, translate
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.request import Data, Request, Speed

__all__ = ["OBJECTIVES", "Objective"]


class Objective(NamedTuple):
    """How one kind of work is learnt.

    Attributes:
        takes: what of `TaskSettings` and of `Reading` means something to it, besides how files
            become text.
        read: reads the examples of a request. Raises a CharRNNError for those that nothing can be
            learnt from.
        plan: what is settled before the first update.
    """

    takes: frozenset[str]
    read: Callable[[Request], Data]
    plan: Callable[[Any, Request, Speed], Plan]


COLUMNS = frozenset({"text_column", "label_column"})
SERIES = frozenset({"label_column", "horizon", "season"})
OBJECTIVES: dict[TaskName, Objective] = {
    "classify": Objective(COLUMNS, classify.read, classify.plan),
    "tag": Objective(frozenset({"text_column"}), tag.read, tag.plan),
    "forecast": Objective(SERIES, forecast.read, forecast.plan),
    "translate": Objective(COLUMNS, translate.read, translate.plan),
}
