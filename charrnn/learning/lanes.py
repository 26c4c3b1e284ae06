"""Token ids to batches: B contiguous lanes, read T steps at a time.

A lane is a reader that starts somewhere in the text and goes on from where the last batch ended, so
that the hidden state carried over from it is the right one (truncated back-propagation through
time). Where the lanes start is drawn anew each epoch, so that no character is always first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL", "Batch", "Lanes"]

ALL = slice(None)  # rows of a batch


class Batch(NamedTuple):
    """One step of every lane.

    Attributes:
        window: (B, T+1) int64, what each lane reads, and one id more; negative where there is
            nothing to read or to predict.
        fresh: whether the lanes have just been put somewhere else, so that no state carries over.
    """

    window: NDArray[np.int64]
    fresh: bool

    @property
    def inputs(self) -> NDArray[np.int64]:
        """(B, T); where there is nothing to read, any id."""
        return np.maximum(self.window[:, :-1], 0)

    @property
    def targets(self) -> NDArray[np.int64]:
        """(B, T), the ids that follow the inputs."""
        return self.window[:, 1:]


class Lanes:
    """B contiguous lanes of T steps over `ids`, epoch after epoch.

    The text is a ring: the lane that reaches its end goes on at its beginning, as a reader does
    who starts again. A batch is a function of its number alone, so that number is all there is to
    save of where training stands.

    Args:
        ids: (N,), N at least B·T.
        batch_size: B.
        seq_length: T.
        seed: of where the lanes start in each epoch.
    """

    def __init__(
        self, ids: NDArray[np.integer], batch_size: int, seq_length: int, seed: int
    ) -> None:
        self.ids = ids
        self.batch_size = batch_size
        self.seq_length = seq_length
        self.seed = seed
        self.stride = len(ids) // batch_size  # from the start of one lane to that of the next
        self.steps_per_epoch = self.stride // seq_length
        self.tokens_per_step = float(batch_size * seq_length)
        assert self.steps_per_epoch >= 1, "planning sees to it that lanes have a step to read"

    def size(self, step: int) -> int:  # noqa: ARG002
        """How many lanes a batch has: always B."""
        return self.batch_size

    def batch(self, step: int, rows: slice = ALL) -> Batch:
        """The batch of update number `step`, counted from 0 over all epochs, or some lanes of it.

        Many processes may share many lanes, so no more are read than are wanted.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        start = _start(self.seed, epoch, len(self.ids))
        lanes = start + np.arange(self.batch_size)[rows] * self.stride  # (B,)
        times = position * self.seq_length + np.arange(self.seq_length + 1)  # (T+1,)
        window = self.ids.take(lanes[:, None] + times, mode="wrap").astype(np.int64)  # (B, T+1)
        return Batch(window, fresh=position == 0)


@lru_cache(maxsize=8)  # each batch asks, and making a generator takes longer than the rest of one
def _start(seed: int, epoch: int, length: int) -> int:
    """Where the first lane of an epoch starts; for each of its batches the same."""
    return int(np.random.default_rng((seed, epoch)).integers(length))
