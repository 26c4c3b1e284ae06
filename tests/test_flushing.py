"""Numbers that are too small to count."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from charrnn import Corpus, Finished, train
from charrnn.training import _flushing
from tests.conftest import VERSE

SETTINGS: dict[str, Any] = {"hidden_size": 10, "embed_size": 6, "steps": 25, "eval_every": 9}


def test_what_is_too_small_for_a_float_is_zero_inside_a_run_and_not_outside(
    tmp_path: Path,
) -> None:
    """Averages of gradients that come no more would else stay at the edge of what is a number."""
    for event in train(Corpus("verse", VERSE * 20), out=tmp_path / "model", **SETTINGS):
        assert isinstance(event, Finished) or _product_of_small() == 0
    assert _product_of_small() > 0
    for inside in (False, True):
        weight = torch.nn.Parameter(torch.ones(3, 5))
        optimizer = torch.optim.AdamW([weight], fused=True)
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        optimizer.state[weight]["exp_avg"].fill_(1e-37)
        with _flushing() if inside else nullcontext():
            for _ in range(900):
                optimizer.step()
        mean = optimizer.state[weight]["exp_avg"].numpy()
        assert (mean == 0).all() == inside


def _product_of_small() -> float:
    return float(np.float32(1e-38) * np.float32(0.1))
