"""What all tasks share that learn from examples."""

from __future__ import annotations

from typing import Any

import pytest

from charrnn import Evaluation
from charrnn.objectives.base import ExampleTask
from charrnn.objectives.classify import Classifying
from charrnn.objectives.forecast import Forecasting
from charrnn.objectives.tag import Tagging
from charrnn.task_config import Classify, Forecast, Tag
from charrnn.text.tokenizer import CharTokenizer

TEXTS: dict[str, Any] = {"train": [], "val": [], "tokenizer": CharTokenizer("ab"), "extra": {}}
CLASSIFYING = Classifying(
    **TEXTS,
    kind=Classify(classes=1),
    labels=["a"],
    longest=9,
    counted=0,
    reordered=0.0,
    smoothing=0.0,
)
TAGGING = Tagging(**TEXTS, kind=Tag(tags=1), tags=["O"])
FORECASTING = Forecasting(
    tokenizer=None, kind=Forecast(horizon=1, window=2), extra={}, series=[], held=[], places=[]
)


def evaluation(score: float | None, nats: float) -> Evaluation:
    return Evaluation(
        step=1,
        epoch=1.0,
        seconds=1.0,
        train_nats=1.0,
        val_nats=nats,
        learning_rate=0.1,
        grad_norm=1.0,
        tokens_per_second=1.0,
        score=score,
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
    found = sorted((evaluation(*one) for one in reversed(ranked)), key=task.rank)
    assert [(one.score, one.val_nats) for one in found] == ranked
