"""Language modelling as one task of several: its losses are those from before there were others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charrnn import train
from charrnn.config import CellName
from charrnn.training.events import Evaluated
from tests.conftest import VERSE

SETTINGS: dict[str, Any] = {
    "hidden_size": 32,
    "embed_size": 9,
    "num_layers": 2,
    "batch_size": 4,
    "seq_length": 11,
    "dropout": 0.2,
    "weight_dropout": 0.1,
    "learning_rate": 0.01,
    "steps": 12,
    "eval_every": 4,
    "seed": 5,
    "device": "cpu",
}
# Training and validation losses of `SETTINGS` before the loop knew of other tasks; the training
# losses of names since they are means of tokens. The bits of a sum differ from processor to
# processor.
GOLDEN: dict[tuple[str, str], list[float]] = {
    ("story", "rnn"): [3.34373, 2.80354, 2.92916, 2.67469, 2.72307, 2.63098],
    ("story", "lstm"): [3.23477, 3.11658, 2.99558, 3.05257, 2.90417, 3.03044],
    ("story", "gru"): [3.31746, 3.13488, 3.00646, 3.02608, 2.94965, 2.97356],
    ("names", "rnn"): [2.81929, 2.45031, 2.51055, 2.18285, 2.15871, 2.04735],
    ("names", "lstm"): [2.79863, 2.67263, 2.62044, 2.52338, 2.45942, 2.46021],
    ("names", "gru"): [2.85058, 2.68262, 2.61094, 2.50075, 2.40207, 2.42602],
}
NAMES = [first + last for first in "abcdefgh" for last in ("ona", "li", "rtu", "ess")]


@pytest.mark.parametrize(
    ("kind", "cell"), [(k, c) for k in ("story", "names") for c in ("rnn", "lstm", "gru")]
)
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 2e-2)])
def test_losses_are_golden(kind: str, cell: CellName, precision: str, within: float) -> None:
    Path("text").write_text(VERSE * 2 if kind == "story" else "\n".join(NAMES))
    events = train("text", out="model", cell=cell, precision=precision, **SETTINGS)
    losses = [e.evaluation for e in events if isinstance(e, Evaluated)]
    found = [number for one in losses for number in (one.train_nats, one.val_nats)]
    assert found == pytest.approx(GOLDEN[kind, cell], rel=within)
