"""A long text is seen as a short one is, in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from charrnn import CharRNNError
from charrnn.config import CellName
from charrnn.inside.lanes import activity
from charrnn.scoring.lanes import SPLIT_FROM
from tests.conftest import H, V, small_config
from tests.models.small import make


@pytest.mark.parametrize(
    "count", [1, 63, 64, 65, 700, SPLIT_FROM - 1, SPLIT_FROM, SPLIT_FROM + 1, 3 * SPLIT_FROM + 11]
)
def test_each_character_comes_once_with_what_was_computed_there(cell: CellName, count: int) -> None:
    _, model = make(small_config(cell, hidden_size=H - 1, num_layers=1))
    ids = np.random.default_rng(count).integers(0, V, count).astype(np.int32)
    expected_logits, expected = model.run_with_cache(ids, "layers.0.hook_h")
    logits = np.full((count, V), np.nan, np.float32)
    h = np.full((count, H - 1), np.nan, np.float32)
    seen = np.zeros(count, int)
    for block in activity(model, ids, "layers.0.hook_h"):
        assert list(block.values) == ["layers.0.hook_h"]
        seen[block.at] += 1
        h[block.at], logits[block.at] = block.values["layers.0.hook_h"], block.logits
    assert_array_equal(seen, 1)
    assert_allclose(h, expected["layers.0.hook_h"], atol=1e-5)
    assert_allclose(logits, expected_logits, atol=1e-4)


def test_a_place_that_is_none_is_a_mistake() -> None:
    _, model = make(small_config("rnn"))
    with pytest.raises(CharRNNError, match="no place 'h'"):
        next(activity(model, np.zeros(3, np.int32), "h"))
