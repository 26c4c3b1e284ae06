"""Updates with every buffer in its place are the same updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.arrays import Weights
from charrnn.config import CellName
from charrnn.learning.eager import EagerUpdates
from charrnn.learning.graph import CHECK_EVERY, GraphUpdates
from charrnn.learning.learner import Learner
from charrnn.training.loop import MAX_SKIPPED
from tests.conftest import V, small_config, small_training
from tests.learners import language_learner, progress_of

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Where there is no GPU, nothing is recorded, but the same code runs."""
    name: str = request.param
    return name


def learner(cell: CellName, device: str, *, dropout: float = 0.0, **changes: Any) -> Learner:
    usual: dict[str, Any] = {"batch_size": 3, "seq_length": 7, "steps": 100}
    usual |= {"learning_rate": 0.02, "warmup_steps": 4, "weight_decay": 0.1}
    usual |= {"precision": "fp32", "device": device}
    usual["optimizer"] = "adamw" if cell == "gru" else "muon"
    size = 8 if cell == "gru" else 64
    ids = np.random.default_rng(0).integers(0, V, 200).astype(np.int32)
    model = small_config(cell, hidden_size=size, dropout=dropout, weight_dropout=dropout)
    return language_learner(model, small_training(**usual | changes), ids)


def record(one: Learner) -> None:
    assert isinstance(one.updates, EagerUpdates)
    one.updates = GraphUpdates(one.updates, one.task.reset_share or 0.0)


def resumed(one: Learner, cell: CellName, device: str) -> Learner:
    """Another learner that goes on from what is saved of this one."""
    other = learner(cell, device, dropout=0.4)
    other.restore(one.tensors(), progress_of(one))
    return other


def assert_same(found: Weights, expected: Weights, leave_out: str = "") -> None:
    assert found.keys() == expected.keys()
    for name in expected.keys() - {leave_out}:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("after", [0, 3])
def test_they_are_those_of_single_operations(
    cell: CellName, device: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the start, and from where others stopped; over the end of an epoch, and clipped."""
    monkeypatch.setattr("charrnn.objectives.language.RESET_SHARE", 0.0)
    eager, graph = (learner(cell, device, grad_clip=0.05) for _ in range(2))
    for one in (eager, graph):
        for _ in range(after):
            one.update()
    record(graph)
    for _ in range(12):
        eager.update()
        graph.update()
        found, expected = graph.updates, eager.updates
        torch.testing.assert_close(found.loss, expected.loss, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.grad_norm, expected.grad_norm, rtol=1e-4, atol=1e-6)
    assert graph.updates.loss_count == eager.updates.loss_count == 12 + after
    arrays = graph.tensors()
    for name, values in eager.tensors().items():
        np.testing.assert_allclose(arrays[name], values, rtol=2e-4, atol=2e-5, err_msg=name)
    assert graph.take_mean_loss() == pytest.approx(eager.take_mean_loss(), rel=1e-5)
    assert graph.updates.loss_count == 0


def test_they_drop_and_empty_what_single_operations_do(cell: CellName, device: str) -> None:
    """So a run in which recording fails goes on with the same random numbers."""
    eager, graph = (learner(cell, device, dropout=0.4) for _ in range(2))
    for one in (eager, graph):
        one.update()
    record(graph)
    # A processor, where nothing is recorded outside of tests, draws for no batch that begins anew.
    updates = eager.batches.steps_per_epoch - 1 + (9 if device == "cuda" else 0)
    for _ in range(updates):
        eager.update()
        graph.update()
        torch.testing.assert_close(graph.updates.loss, eager.updates.loss, rtol=1e-4, atol=1e-5)


def test_they_repeat_with_dropout_and_from_where_they_stopped(cell: CellName, device: str) -> None:
    """Random numbers are a function of the seed and the number of the update alone."""
    ends = []
    for stops in ((), (5,), (2, 9)):
        one = learner(cell, device, dropout=0.4)
        record(one)
        for step in range(14):
            if step in stops:
                one = resumed(one, cell, device)
                record(one)
                torch.rand(3, device=device)  # what the caller draws is not the run's business
            one.update()
        ends.append(one.tensors())
    assert_same(ends[1], ends[0])
    assert_same(ends[2], ends[0])


def test_an_update_that_is_not_finite_changes_nothing_but_the_state(
    cell: CellName, device: str
) -> None:
    one = learner(cell, device)
    record(one)
    for _ in range(3):
        one.update()
    before = one.tensors()
    good = one.network.head.bias.detach().clone()
    with torch.no_grad():
        one.network.head.bias[2] = float("nan")
    one.update()
    one.update()
    with torch.no_grad():
        one.network.head.bias.copy_(good)
    assert (one.updates.skipped, one.updates.loss_count) == (2, 3)
    after = one.tensors()
    for part in one.network.rnn.cell.state:
        assert not after[f"state.{part}"].any()
        after[f"state.{part}"] = before[f"state.{part}"]
    assert_same(after, before, leave_out="grad_norm")
    one.update()
    assert (one.updates.skipped, one.updates.loss_count) == (2, 4)
    assert all(np.isfinite(values).all() for values in one.tensors().values())


@pytest.mark.parametrize("updates", [0, 3])
def test_recording_leaves_weights_and_optimizer_as_they_were(
    cell: CellName, device: str, updates: int
) -> None:
    one = learner(cell, device, dropout=0.3)
    for _ in range(updates):
        one.update()
    before = one.tensors()
    record(one)
    assert_same(one.tensors(), before)


def test_updates_that_all_fail_are_noticed_in_time(cell: CellName, device: str) -> None:
    """The host asks the device only now and then; a run is stopped all the same."""
    one = learner(cell, device)
    record(one)
    with torch.no_grad():
        one.network.head.bias[2] = float("nan")
    for _ in range(2 * CHECK_EVERY):  # what it is told the second time is of the first
        assert one.updates.seen_in_row < MAX_SKIPPED
        one.update()
    assert one.updates.seen_in_row == CHECK_EVERY >= MAX_SKIPPED
    assert one.updates.skipped_in_row == 2 * CHECK_EVERY


def test_a_run_that_has_recovered_is_not_ended_for_what_was_before_it_was_resumed(
    cell: CellName, device: str
) -> None:
    one = learner(cell, device)
    assert isinstance(one.updates, EagerUpdates)
    one.updates.skipped = one.updates.skipped_in_row = 6
    record(one)
    for _ in range(2 * CHECK_EVERY):
        one.update()
        assert one.updates.seen_in_row < MAX_SKIPPED
        assert one.updates.skipped_in_row == 0
    assert one.updates.skipped == 6


def test_a_recording_that_fails_leaves_the_optimizer_as_it_was(
    cell: CellName, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an update leaves on it would keep the next ones from changing anything."""
    one, other = (learner(cell, device) for _ in range(2))

    def fails(self: GraphUpdates) -> None:
        self.optimizer.updates += 5
        raise RuntimeError("no graph today")

    monkeypatch.setattr(GraphUpdates, "capture", fails)
    updates = GraphUpdates.__new__(GraphUpdates)
    updates.network, updates.optimizer = one.network, one.optimizer
    with pytest.raises(RuntimeError, match="no graph today"):
        updates.record()
    for _ in range(3):
        one.update()
        other.update()
    assert_same(one.tensors(), other.tensors())


@pytest.mark.gpu
def test_after_a_recording_that_fails_updates_are_made_one_operation_at_a_time(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (learner(cell, "cuda", dropout=0.4) for _ in range(2))
    norm = torch.nn.utils.get_total_norm

    def fails(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("no graph today")
        return norm(gradients)

    stream = torch.cuda.current_stream()
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "get_total_norm", fails)
        one.prepare()
    assert torch.cuda.current_stream() == stream
    assert [note for note in one.notes if "no graph today" in note]
    for _ in range(3):
        one.update()
        other.update()
    assert_same(one.tensors(), other.tensors())
