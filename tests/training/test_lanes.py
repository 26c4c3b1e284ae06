"""Lanes read the text on and on, each character once an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charrnn.training.lanes import Lanes


@st.composite
def lanes(draw: st.DrawFn) -> Lanes:
    batch, steps = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    length = draw(st.integers(batch * steps, 200))
    # Ids that tell their position.
    return Lanes(np.arange(length, dtype=np.int32), batch, steps, draw(st.integers(0, 2**63 - 1)))


@given(lanes(), st.integers(0, 50))
def test_targets_are_the_tokens_that_follow_on_the_ring(made: Lanes, step: int) -> None:
    batch = made.batch(step)
    assert batch.inputs.shape == batch.targets.shape == (made.batch_size, made.seq_length)
    assert batch.inputs.dtype == batch.targets.dtype == np.int64
    np.testing.assert_array_equal(batch.targets, (batch.inputs + 1) % len(made.ids))


@given(lanes(), st.integers(0, 50))
def test_each_lane_goes_on_where_it_ended_unless_it_is_fresh(made: Lanes, step: int) -> None:
    one, two = made.batch(step), made.batch(step + 1)
    if two.fresh:
        assert (step + 1) % made.steps_per_epoch == 0
    else:
        np.testing.assert_array_equal(two.inputs[:, 0], one.targets[:, -1])


@given(lanes(), st.integers(0, 3))
def test_no_position_is_read_twice_in_an_epoch(made: Lanes, epoch: int) -> None:
    first = epoch * made.steps_per_epoch
    steps = range(first, first + made.steps_per_epoch)
    read = np.concatenate([made.batch(step).inputs.ravel() for step in steps])
    assert len(np.unique(read)) == len(read)
    # What is left over would not make one more step of every lane.
    assert len(made.ids) - len(read) < made.batch_size * made.seq_length


@given(lanes(), st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_a_batch_is_a_function_of_its_number(made: Lanes, steps: list[int]) -> None:
    """One that drew from a generator it keeps would differ out of order, and after a resume."""
    in_order = {step: made.batch(step) for step in steps}
    for step in reversed(steps):
        again = Lanes(made.ids, made.batch_size, made.seq_length, made.seed).batch(step)
        for batch in (made.batch(step), in_order[step]):
            np.testing.assert_array_equal(batch.inputs, again.inputs)
            np.testing.assert_array_equal(batch.targets, again.targets)
            assert batch.fresh == again.fresh == (step % made.steps_per_epoch == 0)


def test_epochs_and_seeds_start_the_lanes_elsewhere() -> None:
    ids = np.arange(10_000, dtype=np.int32)
    first = {
        int(Lanes(ids, 4, 10, seed).batch(epoch * 250).inputs[0, 0])
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(first) == 25


def test_ids_on_disk_are_read_where_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(100, dtype=np.int32))
    ids = np.load(tmp_path / "ids.npy", mmap_mode="r")
    assert Lanes(ids, 3, 5, 0).ids is ids  # not a copy in memory
    assert not ids.flags.writeable
    np.testing.assert_array_equal(
        Lanes(ids, 3, 5, 0).batch(2).inputs, Lanes(np.array(ids), 3, 5, 0).batch(2).inputs
    )
