"""What the benchmarks keep of what they measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

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
