"""Rows of like length are read together, each once in an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.objectives.batches.groups import Groups


def test_groups_read_each_row_once_in_an_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 53)
    groups = Groups(lengths, batch_size=8, seed=1, mixed=False)
    for epoch in range(3):
        steps = range(epoch * groups.steps_per_epoch, (epoch + 1) * groups.steps_per_epoch)
        seen = np.concatenate([groups.chosen(step) for step in steps])
        assert sorted(seen.tolist()) == list(range(53))
    spread = [np.ptp(lengths[groups.chosen(step)]) for step in range(groups.steps_per_epoch)]
    assert np.mean(spread) < 25  # of 99
    assert groups.tokens_per_step * groups.steps_per_epoch == lengths.sum()


@pytest.mark.parametrize("mixed", [True, False])
def test_the_smaller_group_is_of_rows_of_any_length(mixed: bool) -> None:
    """It was of the longest in every epoch, which then counted for more than others."""
    lengths = np.arange(1, 54)
    groups = Groups(lengths, batch_size=8, seed=1, mixed=mixed)
    means = []
    for epoch in range(40):
        chosen = [groups.chosen(epoch * 7 + step) for step in range(7)]
        assert sorted(np.concatenate(chosen).tolist()) == list(range(53))
        (smaller,) = [lengths[rows] for rows in chosen if len(rows) < 8]
        means.append(smaller.mean())
        spread = [np.ptp(lengths[rows]) for rows in chosen if len(rows) == 8]
        assert max(spread) < 14
    assert np.mean(means) == (pytest.approx(27, abs=4) if mixed else pytest.approx(51))
