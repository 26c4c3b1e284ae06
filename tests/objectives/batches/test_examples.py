"""Examples divided: equal ones on one side, and something to learn of each label."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.objectives.batches.examples import divide

# Many labels of two texts or three, some texts twice, and some with several labels.
TEXTS = [f"text {number // 7 if number % 7 == 0 else number}" for number in range(90)]
LABELS = [f"label {number % 40}" for number in range(90)]


@pytest.mark.parametrize("val_frac", [0.1, 0.5])
def test_each_label_keeps_an_example_and_equal_ones_are_on_one_side(val_frac: float) -> None:
    lost = 0
    for seed in range(20):
        train, val = divide(TEXTS, val_frac, seed, LABELS)
        assert sorted([*train, *val]) == list(range(90))
        assert {TEXTS[k] for k in train}.isdisjoint(TEXTS[k] for k in val)
        assert {LABELS[k] for k in train} == set(LABELS)
        assert len(val) > 0
        again, whole = divide(TEXTS, val_frac, seed, LABELS), divide(TEXTS, val_frac, seed)
        assert np.array_equal(again[0], train)
        if {LABELS[k] for k in whole[0]} == set(LABELS):
            assert np.array_equal(train, whole[0]), "no label is lost: it is as without labels"
        else:
            lost += 1
    assert lost > 0


def test_something_validates_even_if_no_label_can_spare_an_example() -> None:
    train, val = divide(TEXTS[1:7] * 2 + TEXTS[8:14] * 2, 0.1, 3, [*"abcdef"] * 2 + [*"ghijkl"] * 2)
    assert len(train) == 22
    assert len(val) == 2
