"""A budget in minutes becomes a number of updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charrnn import Corpus, folder, pacing, train
from tests.conftest import VERSE

SMALL: dict[str, Any] = {"hidden_size": 10, "embed_size": 6, "batch_size": 3, "seq_length": 8}


def test_minutes_become_a_number_of_steps_that_repeats_the_run(tmp_path: Path) -> None:
    def run(name: str, **budget: Any) -> None:
        for _ in train(Corpus("verse", VERSE * 20), out=tmp_path / name, **SMALL, **budget):
            pass

    run("timed", minutes=0.02)
    steps = folder.read(tmp_path / "timed").metrics[-1].step
    run("counted", steps=steps, minutes=0.02)
    one, two = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("timed", "counted")
    )
    assert one == two


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([9.0, 2.0, 2.0], 2.0),  # the first call does not count
        ([9.0, 2.0, 3.0], 2.5),  # the mean of what is usual
        ([9.0, 1.0, 1.0, 50.0], 1.0),  # not what was disturbed
    ],
)
def test_the_usual_time_of_a_call(
    durations: list[float], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, left = 0.0, list(durations)

    def work() -> None:
        nonlocal now
        now += left.pop(0)

    monkeypatch.setattr("time.perf_counter", lambda: now)
    assert pacing._usual_seconds(work, enough=sum(durations[1:])) == expected
    assert not left
