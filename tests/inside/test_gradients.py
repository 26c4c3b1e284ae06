"""Gradients over time are those of finite differences, and those of a recurrence that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import CharRNNError, Mixture
from charrnn.arrays import target_log_probs
from charrnn.config import CellName
from charrnn.inside import gradients
from charrnn.inside.backwards import norms_back
from charrnn.text.tokenizer import CharTokenizer
from tests.conftest import VERSE, H, L, changed, random_model
from tests.modes import default_dtype, deterministic

TOKENIZER = CharTokenizer.from_text(VERSE)


@pytest.mark.parametrize("variant", [{}, {"skip": True, "embed_size": H}])
def test_norms_are_those_of_finite_differences(cell: CellName, variant: dict[str, object]) -> None:
    model = random_model(cell, TOKENIZER, **variant)
    ids = TOKENIZER.encode(VERSE[:12])
    found = norms_back(model, ids[None], 6)[0]

    def loss(layer: int, unit: int, at: int, change: float) -> float:
        def nudge(value: np.ndarray, *, hook: object) -> np.ndarray:
            if hook.position == at:  # type: ignore[attr-defined]
                value[unit] += change
            return value

        logits = model.run_with_hooks(ids[:-1], fwd_hooks=[(f"layers.{layer}.hook_h", nudge)])
        return -float(target_log_probs(logits[-1:].astype(np.float64), ids[-1:])[0])

    for back in (0, 1, 2, 5):
        at = len(ids) - 2 - back
        slopes = [
            (loss(layer, unit, at, 0.01) - loss(layer, unit, at, -0.01)) / 0.02
            for layer in range(L)
            for unit in range(H)
        ]
        assert found[back] == pytest.approx(np.linalg.norm(slopes), rel=5e-3, abs=2e-5)


@pytest.mark.parametrize("rho", [0.7, 1.0, 1.2])
def test_a_linear_recurrence_gives_powers_of_its_spectral_radius(rho: float) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(H, H)))
    # Nothing comes in, so that h stays at 0, where tanh is linear.
    linear = {"rnn.weight_hh_l0": rho * turn, "embedding.weight": 0}
    model = changed(random_model("rnn", TOKENIZER, num_layers=1), linear)
    (found,) = gradients([model], VERSE * 2)
    assert len(found.steps) > 60
    for values in (found.median, found.low, found.high):
        np.testing.assert_allclose(values, rho ** np.array(found.steps), rtol=1e-3)
    assert found.memory is None


def test_windows_in_parts_and_a_lead_change_nothing(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(cell, TOKENIZER)
    (whole,) = gradients([model], VERSE)
    monkeypatch.setattr("charrnn.inside.backwards.SPACE", 1)
    (parts,) = gradients([model], VERSE)
    np.testing.assert_allclose(parts.median, whole.median, rtol=1e-4)
    ids = TOKENIZER.encode(VERSE[:30])
    short, long = norms_back(model, ids[None], 4)[0], norms_back(model, ids[None], 29)[0]
    np.testing.assert_allclose(short, long[:4], rtol=1e-4)


def test_memory_is_the_time_that_a_gate_keeps_what_there_is() -> None:
    lstm, gru, rnn = (random_model(cell, TOKENIZER) for cell in ("lstm", "gru", "rnn"))
    found = gradients([lstm, gru, rnn], VERSE)
    for model, one, gate in ((lstm, found[0], "f"), (gru, found[1], "z")):
        _, cache = model.run_with_cache(VERSE)
        assert one.memory is not None
        assert [len(units) for units in one.memory] == [H] * L
        for layer, units in enumerate(one.memory):
            share = np.exp(np.log(cache[f"layers.{layer}.hook_{gate}"]).mean(0))
            np.testing.assert_allclose(share ** np.array(units), np.exp(-1), rtol=1e-4)
    assert found[2].memory is None
    assert [one.model for one in found] == [model.facts["cell"] for model in (lstm, gru, rnn)]


def test_what_has_no_gradient_is_said(cell: CellName) -> None:
    model = random_model(cell, TOKENIZER)
    with pytest.raises(CharRNNError, match="has 1 of the 4"):
        gradients([model], "t")
    assert gradients([model], "the ")[0].steps == (0, 1)
    with pytest.raises(CharRNNError, match="single models"):
        gradients([Mixture([model, model])], VERSE)
    stranger = random_model(cell, CharTokenizer("abc"))
    with pytest.raises(CharRNNError, match="same vocabulary"):
        gradients([model, stranger], VERSE)
    with pytest.raises(CharRNNError, match="are NaN or infinity"):
        gradients([changed(model, {"rnn.weight_hh_l0": np.nan})], VERSE)


MODES: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "device": lambda: torch.device("meta"),
    "float64": default_dtype,
    "deterministic": deterministic,
}


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_the_same_whatever_the_caller_has_set(mode: str, cell: CellName) -> None:
    model = random_model(cell, TOKENIZER)
    expected = gradients([model], VERSE)
    with MODES[mode]():
        assert gradients([model], VERSE) == expected
