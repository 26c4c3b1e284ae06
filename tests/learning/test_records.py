"""Records are read whole, each from an empty state, and what is beside them changes nothing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.arrays import Ids
from charrnn.config import CellName
from charrnn.evaluation.surprisals import surprisals
from charrnn.folder.resuming import RunProgress
from charrnn.learning.graph import GraphUpdates
from charrnn.learning.learner import Learner
from charrnn.learning.records import RecordLanes, batches_per_epoch
from charrnn.network.char_rnn import CharRNN
from charrnn.text.records import PAD, Records
from tests.conftest import V, small_config, small_training
from tests.learners import language_learner, progress_of

END = V - 1


def records_of(lengths: list[int]) -> Records:
    """Records of random tokens, END apart."""
    random = np.random.default_rng(len(lengths))
    parts = [np.append(random.integers(END, size=length), END) for length in lengths]
    return Records.of(np.concatenate([[END], *parts]).astype(np.uint8), END)


@st.composite
def lanes(draw: st.DrawFn) -> RecordLanes:
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    batch, steps = draw(st.integers(1, 5)), draw(st.integers(1, 17))
    return RecordLanes(records_of(lengths), batch, steps, draw(st.integers(0, 2**63 - 1)))


def read(made: RecordLanes, epoch: int) -> list[list[int]]:
    """What each lane reads from one fresh start to the next, in an epoch."""
    found: list[list[int]] = []
    first = epoch * made.steps_per_epoch
    for step in range(first, first + made.steps_per_epoch):
        batch = made.batch(step)
        if batch.fresh:
            found += [[] for _ in range(made.batch_size)]
        for row, lane in zip(batch.window, found[-made.batch_size :], strict=True):
            there = row[row != PAD].tolist()
            assert not lane or not there or lane[-1] == there[0] or lane[-1] == END
            lane += there[1:] if lane else there
    return found


@given(lanes(), st.integers(0, 3))
def test_each_record_is_read_once_an_epoch_from_its_beginning_to_its_end(
    made: RecordLanes, epoch: int
) -> None:
    given_ = made.records
    wanted = [
        given_.ids[begin : begin + length + 1].tolist()
        for begin, length in zip(given_.begins, given_.lengths, strict=True)
    ]
    assert sorted(filter(None, read(made, epoch))) == sorted(wanted)
    assert made.steps_per_epoch == batches_per_epoch(given_, made.batch_size, made.seq_length)


@given(lanes(), st.integers(0, 50))
def test_a_batch_has_something_to_learn_and_is_no_wider_than_it_may(
    made: RecordLanes, step: int
) -> None:
    batch = made.batch(step)
    assert (batch.targets >= 0).any()
    assert batch.inputs.min() >= 0
    assert batch.inputs.shape == batch.targets.shape
    assert len(batch.inputs) == made.batch_size
    assert batch.inputs.shape[1] <= made.seq_length


@given(lanes(), st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_a_batch_is_a_function_of_its_number(made: RecordLanes, steps: list[int]) -> None:
    in_order = {step: made.batch(step) for step in steps}
    for step in reversed(steps):
        again = RecordLanes(made.records, made.batch_size, made.seq_length, made.seed).batch(step)
        for batch in (made.batch(step), in_order[step]):
            np.testing.assert_array_equal(batch.window, again.window)
            assert batch.fresh == again.fresh


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    made = [RecordLanes(records_of([3] * 200), 5, 8, seed) for seed in range(3)]
    orders = {one.batch(epoch * 40).window.tobytes() for one in made for epoch in range(3)}
    assert len(orders) == 9


def test_records_of_like_length_are_read_together() -> None:
    """So that little is read in vain."""
    random = np.random.default_rng(0)
    made = RecordLanes(records_of(random.integers(1, 120, 2000).tolist()), 16, 32, 1)
    cells = sum(made.batch(step).targets.size for step in range(made.steps_per_epoch))
    assert made.records.size > 0.9 * cells


def learner(cell: CellName, records: Records, batch_size: int) -> Learner:
    exact = {"precision": "fp32", "grad_clip": 1e9, "device": "cpu"}
    config = small_training(batch_size=batch_size, seq_length=8, warmup_steps=0, **exact)
    return language_learner(small_config(cell), config, records)


def test_padding_changes_no_loss_and_no_gradient(cell: CellName) -> None:
    """An update of records side by side is that of each alone, weighted by its tokens."""
    records = records_of([2, 5, 7])
    together = learner(cell, records, 3)
    alone = [learner(cell, records.chosen(np.array([row])), 1) for row in range(3)]
    for one in (together, *alone):
        one.update()
    shares = records.lengths / records.size
    losses = [float(one.updates.loss) for one in alone]
    assert float(together.updates.loss) == pytest.approx(float(shares @ losses), rel=1e-5)
    for parts in zip(*(one.network.parameters() for one in (together, *alone)), strict=True):
        grads = [part.grad for part in parts]
        mean = sum(share * grad for share, grad in zip(shares, grads[1:], strict=True))
        torch.testing.assert_close(grads[0], mean, rtol=1e-4, atol=1e-6)


def test_a_recorded_update_takes_batches_of_any_width(cell: CellName) -> None:
    """As `GraphUpdates` sees them: all of one width, what is missing left out of the loss."""
    records = records_of([1, 2, 5, 7, 13, 20])
    eager, graph = learner(cell, records, 2), learner(cell, records, 2)
    graph.updates = GraphUpdates(graph.updates, 0.0)  # type: ignore[arg-type]
    for _ in range(6):
        eager.update()
        graph.update()
        assert float(graph.updates.loss) == pytest.approx(float(eager.updates.loss), rel=1e-4)


def test_a_record_costs_the_same_alone_and_beside_others(cell: CellName) -> None:
    network = CharRNN(small_config(cell))
    records = records_of([3, 90, 1, 64, 7, 65])
    together = surprisals(network, records)
    alone = [surprisals(network, records.chosen(np.array([row]))) for row in range(6)]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-5)
    assert len(together) == records.size
    story: Ids = records.ids[records.begins[1] : records.begins[2] + 1].astype(np.int32)
    np.testing.assert_allclose(alone[1], surprisals(network, story), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recorded", [False, True])
def test_the_mean_loss_is_that_of_all_tokens_however_full_their_batches(recorded: bool) -> None:
    """One long record once weighed as much per update as a batch full of short ones."""
    one = learner("gru", records_of([60, *range(1, 8), *[5] * 9]), 4)
    if recorded:
        one.updates = GraphUpdates(one.updates, 0.0)  # type: ignore[arg-type]
    losses, numbers = list[float](), list[int]()
    for step in range(one.batches.steps_per_epoch):
        numbers.append(int((one.batches.batch(step).targets != PAD).sum()))
        one.update()
        losses.append(float(one.updates.loss))
    assert one.updates.loss_count == pytest.approx(len(losses)), "of usual size"
    truth = np.average(losses, weights=numbers)
    assert abs(np.mean(losses) / truth - 1) > 1e-4
    assert one.take_mean_loss() == pytest.approx(truth, rel=1e-5)
    assert one.updates.loss_count == 0


def test_losses_added_up_before_a_stop_count_as_they_did() -> None:
    """Also those of an older run, each of whose updates counts as one."""
    whole, other = (learner("rnn", records_of([60, 2, 3, 5]), 2) for _ in range(2))
    for _ in range(5):
        whole.update()
    progress = progress_of(whole)
    other.restore(
        whole.tensors(), msgspec.json.decode(msgspec.json.encode(progress), type=RunProgress)
    )
    for one in (whole, other):
        one.update()
    assert whole.updates.loss_count not in (6, 0)
    assert other.take_mean_loss() == whole.take_mean_loss()
    old = msgspec.structs.replace(progress, loss_count=5)
    again = msgspec.json.decode(msgspec.json.encode(old), type=RunProgress)
    assert (again.loss_count, type(again.loss_count)) == (5, float)
