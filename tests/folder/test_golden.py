"""Folders of every format there has been load for ever, and mean what they meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from charrnn import CharRNN, load
from charrnn.cli.verify import verify
from charrnn.folder.record import FORMAT_VERSION
from charrnn.folder.resuming import read_run

DATA = Path(__file__).parent / "data"

# What its writer printed. Log-probabilities in nats, of each character but the first.
GREEDY = {"format-1": ("The ", "of the cf the of the cf the of the cf th")}
LOG_PROBS = {"format-1": ("The tide", [-1.79815, -0.24521, -0.15717, -3.16740, -1.43783])}


def test_there_is_a_folder_of_each_format() -> None:
    formats = {f"format-{version}" for version in range(1, FORMAT_VERSION + 1)}
    assert {path.name for path in DATA.iterdir()} == formats == set(GREEDY) == set(LOG_PROBS)


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_it_writes_and_scores_what_it_did(name: str) -> None:
    model = load(DATA / name)
    prompt, text = GREEDY[name]
    assert model.generate(prompt, temperature=0, max_new_tokens=40) == text
    prompt, scores = LOG_PROBS[name]
    assert np.allclose(model.log_probs(prompt)[:5], scores, atol=1e-3)
    assert CharRNN.from_pretrained(DATA / name).num_parameters == 1940


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_it_is_whole_and_can_be_resumed(name: str, tmp_path: Path) -> None:
    path = shutil.copytree(DATA / name, tmp_path / name)
    verify(str(path))
    run = read_run(path)
    assert run.progress.step == 150
    assert run.progress.best == min(run.progress.metrics, key=lambda m: m.val_nats)
