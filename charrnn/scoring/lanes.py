"""A long text in lanes that are read side by side, as if it were read once from its beginning.

for chunk in chunks(len(ids)): ...    # ids[chunk.at] (B, T), and which of them count
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK", "MAX_LANES", "SPLIT_FROM", "WARM_UP", "chunks"]

MAX_LANES = 64
WARM_UP = 512  # tokens; what came before changes the loss by less than 1e-4 nats per token
CHUNK = 64  # time steps per call; divides WARM_UP
SHORTEST = 4 * WARM_UP  # tokens of a lane
SPLIT_FROM = 2 * SHORTEST  # tokens from which on a text is read in several lanes


class Chunk(NamedTuple):
    """What all lanes read in one call.

    Attributes:
        at: (B, T), which tokens of the text are read.
        own: (B, T), which of these count: each token of the text once. None while lanes warm up.
        keep: (B, 1), the lanes whose state is kept before the chunk: the first has had nothing to
            warm up on, for the text begins here. None for all.
    """

    at: NDArray[np.intp]
    own: NDArray[np.bool_] | None
    keep: NDArray[np.bool_] | None


def chunks(count: int) -> Iterator[Chunk]:
    """A text of so many tokens, in up to `MAX_LANES` lanes.

    Each begins `WARM_UP` tokens before its own part, with an empty state, which brings its state to
    where a single pass over the whole text would have it. A text of fewer tokens than `SPLIT_FROM`
    is one lane.
    """
    lanes = min(MAX_LANES, max(1, count // SHORTEST))
    warm_up = WARM_UP if lanes > 1 else 0
    stride = math.ceil(count / lanes)  # tokens of a lane's own part
    starts = np.arange(lanes) * stride - warm_up  # (B,), where each lane begins to read
    for time in range(0, warm_up + stride, CHUNK):
        at = starts[:, None] + np.arange(time, min(time + CHUNK, warm_up + stride))  # (B, T)
        own = at < count if time >= warm_up else None  # the last lane may be shorter
        keep = np.arange(lanes)[:, None] > 0 if time == warm_up > 0 else None
        yield Chunk(at.clip(0, count - 1), own, keep)
