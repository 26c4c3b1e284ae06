"""Settings of networks that read whole texts."""

from __future__ import annotations

import math

import pytest

from charrnn.config import Budget, Reading, TaskSettings
from charrnn.objectives.plans import texts
from charrnn.objectives.request import Request


def test_the_usual_batch_is_one_of_the_texts_that_are_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that validate counted, too, but for a validation set of the user's own."""
    short, long = [f"short {k:02}" for k in range(50)], ["long " * 200 + str(k) for k in range(10)]
    rows = list(range(50)), list(range(50, 60))
    monkeypatch.setattr(texts, "divide", lambda *_: rows)
    needs = texts.Needs(limits=[(math.inf, 64)], dropout=0.5, grams=0)
    request = Request([], Reading(), TaskSettings(task="tag"), budget=Budget(minutes=1))
    found = [
        texts.plan_of(some, 9, needs, request, lambda _: 1e9, validation=held)
        for some, held in (([*short, *long], []), (short, long))
    ]
    assert [plan.settings["batch_size"] for plan in found] == [50, 50]
