"""Trained models beside the true entropy of a source, the limit that nothing beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.training.events import Finished
from tests.sources import Markov

SOURCE = Markov("abcdefgh", seed=3)


def test_the_entropy_is_that_of_long_texts() -> None:
    costs = -SOURCE.log_probs(SOURCE.text(200_000, seed=1))
    error = costs.std() / len(costs) ** 0.5
    assert SOURCE.entropy == pytest.approx(costs.mean(), abs=4 * error)
    np.testing.assert_allclose(
        SOURCE.stationary @ SOURCE.transitions, SOURCE.stationary, atol=1e-12
    )


def test_a_trained_model_comes_near_the_entropy_and_not_below(tmp_path: Path, cell: str) -> None:
    (tmp_path / "text").write_text(SOURCE.text(60_000, seed=1))
    events = charrnn.train(
        tmp_path / "text",
        out=tmp_path / "model",
        steps=250,
        cell=cell,
        hidden_size=32,
        embed_size=16,
        num_layers=1,
        dropout=0.0,
        learning_rate=0.02,
    )
    *_, finished = events
    assert isinstance(finished, Finished)
    unseen = SOURCE.text(40_000, seed=2)
    truth = -float(SOURCE.log_probs(unseen).mean())
    for protocol in ("carried", "windows") if cell == "gru" else ("carried",):
        score = charrnn.evaluate(tmp_path / "model", unseen, protocol=protocol)
        assert truth - 1e-3 < score.nats_per_char < truth + 0.02, protocol
