"""One update: what it reads, what it changes, and that it depends on nothing else."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import Optimizer, learning_rate
from charrnn.learning.seeds import generator, seed_of
from charrnn.objectives.language import RESET_SHARE, reset_some_lanes
from tests.commands import run_code
from tests.conftest import small_config, small_training
from tests.learners import language_learner


def learner(hidden_size: int = 8, **changes: Any) -> Learner:
    usual: dict[str, Any] = {"batch_size": 3, "seq_length": 7, "steps": 100}
    usual |= {"warmup_steps": 10, "weight_decay": 0.1}
    ids = np.random.default_rng(0).integers(0, 11, 400).astype(np.int32)
    model = small_config("lstm", hidden_size=hidden_size, dropout=0.5)
    return language_learner(model, small_training(**usual | changes), ids)


def test_a_device_is_made_to_keep_its_bits_before_it_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr("charrnn.learning.learner.keep_bits", asked.append)
    learner(device="cpu")
    assert asked == [torch.device("cpu")]


def test_all_that_slows_a_learner_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.learning.learner.candidates", lambda *_, **__: ["torch", "loops"])
    made = learner(device="cpu", engine="kernels")
    (lacking,) = made.notes
    assert "(kernels) is not available here" in lacking
    made.device, made.ranks = torch.device("cuda"), SimpleNamespace(count=2)  # type: ignore[assignment]
    made.prepare()
    assert made.notes[0] == lacking
    assert "several processes" in made.notes[1]


def test_the_rate_rises_in_a_line_and_falls_in_another() -> None:
    config = learner().config
    rates = [learning_rate(step, config) for step in range(config.steps)]
    np.testing.assert_allclose(rates[:10], np.linspace(0.001, 0.01, 10))
    assert max(rates) == rates[9] == rates[10]
    assert rates[55] == pytest.approx(0.01 * 0.5025)
    assert 0 < rates[-1] < 0.02 * 0.01
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_lanes_now_and_then_go_on_with_an_empty_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a model knows how to begin; all others go on with theirs."""
    monkeypatch.setattr("charrnn.objectives.language.RESET_SHARE", 0.3)
    one = learner(batch_size=8, seq_length=5)
    forward = one.network.forward
    seen: list[Any] = []
    one.network.forward = lambda ids, state, *_: seen.append(state) or forward(ids, state)  # type: ignore
    forgot: list[bool] = []
    for _ in range(60):
        before = one.updates.state
        one.update()
        if seen[-1] is not None:
            for lane in range(8):
                parts = [
                    (part[:, lane], old[:, lane])
                    for part, old in zip(seen[-1], before or (), strict=True)
                ]
                forgot.append(not any(part.any() for part, _ in parts))
                assert forgot[-1] or all(torch.equal(*pair) for pair in parts)
    assert 0.2 < np.mean(forgot) < 0.4


def test_updates_carry_the_state_and_start_each_epoch_afresh() -> None:
    one = learner()
    seen = []
    forward = one.network.forward
    one.network.forward = lambda ids, state, *_: seen.append(state) or forward(ids, state)  # type: ignore
    for _ in range(one.batches.steps_per_epoch + 1):
        one.update()
    assert [state is None for state in seen] == [
        step % one.batches.steps_per_epoch == 0 for step in range(len(seen))
    ]
    assert not any(part.requires_grad for state in seen if state for part in state)


def test_which_lanes_begin_anew_does_not_depend_on_the_numbers_of_the_state() -> None:
    """PyTorch draws others for bfloat16, and some of its layers leave such a state."""
    state = (torch.ones(2, 500, 3), torch.ones(2, 500, 3))
    rounded = tuple(part.bfloat16() for part in state)
    emptied = reset_some_lanes(state, 0.3, generator(4))
    again = reset_some_lanes(rounded, 0.3, generator(4))
    assert 100 < int((emptied[0][0, :, 0] == 0).sum()) < 200
    assert all(torch.equal(a, b.float()) for a, b in zip(emptied, again, strict=True))


def test_an_update_is_adamw_with_a_clipped_gradient() -> None:
    """Fused and scaled while it reads, beside the plain one and PyTorch's clipping."""
    one, norms = learner(grad_clip=0.05, learning_rate=0.1, precision="fp32"), list[float]()
    network = copy.deepcopy(one.network)
    weights = list(network.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": 0.1},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    plain = torch.optim.AdamW(groups, betas=(0.9, 0.98), foreach=False, fused=False)
    for step in range(4):
        batch, state = one.batches.batch(step), one.updates.state
        dice = torch.Generator(one.device).manual_seed(seed_of(one.config.seed, step + 1))
        if state is not None:
            state = reset_some_lanes(state, RESET_SHARE, dice)
        elif one.device.type != "cpu":  # a recorded update draws for every batch
            reset_some_lanes(network.rnn.start(len(batch.inputs)), RESET_SHARE, dice)
        logits, _ = network(torch.from_numpy(batch.inputs).to(one.device), state, dice)
        plain.zero_grad()
        targets = torch.from_numpy(batch.targets).to(one.device).flatten()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        norms.append(float(torch.nn.utils.clip_grad_norm_(network.parameters(), 0.05)))
        for group in plain.param_groups:
            group["lr"] = learning_rate(step, one.config)
        plain.step()
        one.update()
        assert float(one.updates.grad_norm) == pytest.approx(norms[-1], rel=1e-4)
        for ours, theirs in zip(one.network.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
    assert min(norms) > 0.05


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_decay_shrinks_matrices_and_spares_biases(optimizer: str) -> None:
    one = learner(hidden_size=64, optimizer=optimizer)
    network = one.network
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    Optimizer(network, one.config).update(0.5, torch.ones((), device=weight.device))
    for name, weight in network.named_parameters():
        shrunk = before[name] * (0.95 if weight.ndim > 1 else 1.0)
        torch.testing.assert_close(weight.detach(), shrunk)


def test_weights_in_parts_are_changed_as_whole_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit; a GPU gets those of small networks so."""
    one, other = learner(), learner()
    for _ in range(3):
        one.update()
    monkeypatch.setattr("charrnn.learning.optimizer.part_size", lambda _: 8)
    for _ in range(3):
        other.update()
    for name, values in one.tensors().items():
        np.testing.assert_array_equal(values, other.tensors()[name])


def test_training_loads_no_compiler() -> None:
    """PyTorch's takes a second, its class of optimizers loads it, and so does the device "meta"."""
    code = (
        "import sys, charrnn\n"
        "charrnn.train('t.txt', out='m', steps=2, hidden_size=8).finish(progress=False)\n"
        "assert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules"
    )
    Path("t.txt").write_text("a text to train on, " * 50)
    run_code(code)


def test_averages_that_count_for_nothing_become_zero_at_fixed_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a resumed run does it at the same ones."""
    one = learner()
    one.update()
    bias, own = one.network.head.bias, one.optimizer
    own.means[bias][:4] = torch.tensor([1e-32, -1e-38, 0.0, -(2.0**-9)])
    own.squares[bias][:4] = torch.tensor([1e-42, 2.0**-60, 1.0, 1e-31])
    own.flush_tiny_averages()
    assert own.means[bias][:4].tolist() == [0.0, 0.0, 0.0, -(2.0**-9)]
    assert own.squares[bias][:4].tolist() == [0.0, 2.0**-60, 1.0, 0.0]
    monkeypatch.setattr("charrnn.learning.learner.FLUSH_EVERY", 3)
    flushed: list[int] = []
    monkeypatch.setattr(Optimizer, "flush_tiny_averages", lambda _: flushed.append(one.step))
    for _ in range(6):
        one.update()
    assert flushed == [3, 6]


def test_seeded_numbers_depend_on_every_part_of_the_key() -> None:
    def draw(*key: int) -> float:
        return float(torch.rand((), generator=generator(*key)))

    assert draw(1, 2) == draw(1, 2)
    assert len({draw(1, 2), draw(2, 1), draw(1), draw(1, 3)}) == 4
