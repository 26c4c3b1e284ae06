"""A long text in lanes: each token counts once."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.scoring.lanes import MAX_LANES, SPLIT_FROM, WARM_UP, chunks

EDGES = (SPLIT_FROM // 2, SPLIT_FROM, MAX_LANES * SPLIT_FROM // 2)


@pytest.mark.parametrize("count", [1, 63, *(edge + k for edge in EDGES for k in (-1, 0, 1))])
def test_each_token_counts_once_and_follows_what_its_lane_has_read(count: int) -> None:
    seen = np.zeros(count, np.intp)
    before = None
    for chunk in chunks(count):
        if chunk.own is not None:
            np.add.at(seen, chunk.at[chunk.own], 1)
        if before is not None and chunk.keep is None:
            inside = (chunk.at[:, 0] > 0) & (before[:, -1] < count - 1)
            assert (chunk.at[:, 0] - before[:, -1] == 1)[inside].all()
        before = chunk.at
    assert (seen == 1).all()


def test_the_first_lane_begins_with_the_text_and_the_others_are_warm() -> None:
    count, read = SPLIT_FROM + 7, 0
    for chunk in chunks(count):
        if chunk.keep is not None:
            assert read == WARM_UP
            assert chunk.keep[:, 0].tolist() == [False, True]
            assert chunk.at[0, 0] == 0
        read += chunk.at.shape[1]
