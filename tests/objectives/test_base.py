"""What all tasks share that learn from examples."""

from __future__ import annotations

from typing import Any

import pytest

from charrnn.objectives.base import ExampleTask
from charrnn.objectives.batches.windows import Places
from charrnn.objectives.classify import Classifying
from charrnn.objectives.forecast import Forecasting
from charrnn.objectives.tag import Tagging
from charrnn.task_config import Classify, Forecast, Tag
from charrnn.text.tokenizer import CharTokenizer
from tests.conftest import evaluation

TEXTS: dict[str, Any] = {"train": [], "val": [], "tokenizer": CharTokenizer("ab"), "extra": {}}
CLASSIFYING = Classifying(
    **TEXTS,
    task_record=Classify(classes=1),
    labels=["a"],
    longest=9,
    counted=0,
    reordered=0.0,
    smoothing=0.0,
)
TAGGING = Tagging(**TEXTS, task_record=Tag(tags=1), tags=["O"])
FORECASTING = Forecasting(
    tokenizer=None,
    task_record=Forecast(horizon=1, window=2),
    extra={},
    series=[],
    held=[],
    places=Places([], [], Forecast(horizon=1, window=2)),
)


@pytest.mark.parametrize(
    ("task", "ranked"),
    [
        (CLASSIFYING, [(1.0, 0.4), (1.0, 0.9), (0.2, 0.3), (0.0, 0.2), (None, 0.1)]),
        (TAGGING, [(0.5, 0.4), (0.0, 0.2), (None, 0.1)]),
        (FORECASTING, [(0.0, 0.9), (0.5, 0.4), (0.5, 0.9), (2.0, 0.2), (None, 0.1)]),
    ],
)
def test_the_best_score_is_first_and_a_missing_one_last(
    task: ExampleTask[Any], ranked: list[tuple[float | None, float]]
) -> None:
    made = (evaluation(score=score, val_nats=nats) for score, nats in reversed(ranked))
    found = sorted(made, key=task.rank)
    assert [(one.score, one.val_nats) for one in found] == ranked
