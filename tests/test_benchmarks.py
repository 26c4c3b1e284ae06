"""What the benchmarks keep of what they measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.config import Budget
from charrnn.objectives.plans.language import plan_of

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_figures_of_quality_stay_with_the_machine_that_they_were_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were called those of the last one."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    quality = importlib.import_module("quality")
    monkeypatch.setattr(quality, "RESULTS", tmp_path)

    def stored(processor: str, seed: int, carried: float) -> dict[str, list[Any]]:
        monkeypatch.setattr(quality, "machine", lambda: {"processor": processor})
        quality.store([{"text": "verse", "cell": "gru", "seed": seed, "carried": carried}])
        kept = json.loads((tmp_path / "quality.json").read_text())
        return {
            one["machine"]["processor"]: [row["carried"] for row in one["rows"]] for one in kept
        }

    assert stored("old", 0, 1.5) == {"old": [1.5]}
    assert stored("old", 1, 1.6) == {"old": [1.5, 1.6]}
    assert stored("new", 0, 1.4) == {"old": [1.5, 1.6], "new": [1.4]}
    assert stored("old", 0, 1.3) == {"old": [1.6, 1.3], "new": [1.4]}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_runs_in_two_precisions_have_the_same_plan(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is faster was given a larger learning rate, as it would read more in three minutes."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    precision = importlib.import_module("precision")
    asked: dict[str, Any] = {}

    def train(_: str, **given: Any) -> list[SimpleNamespace]:
        asked.update(given)
        return [SimpleNamespace(val_nats=1.5, train_nats=1.4, characters_per_second=1e5)]

    monkeypatch.setattr(precision, "Finished", SimpleNamespace)
    monkeypatch.setattr(precision, "train", train)
    precision.run("verse", cell, "bf16", 2)
    budget = Budget(**{name: asked.pop(name) for name in ("steps", "epochs") if name in asked})
    given = {name: value for name, value in asked.items() if name not in ("out", "precision")}
    slow, fast = (plan_of(1_000_000, 65, budget, given, speed) for speed in (2e10, 2e12))
    assert (slow.model, slow.settings) == (fast.model, fast.settings)
