"""Rows of different lengths in batches of like length, each a function of the seed and its number.

groups.chosen(step)    # (B,), which rows update number `step` reads
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Groups"]

CLASSES = 16  # of lengths, about; rows of one class may be exchanged


class Groups:
    """B rows side by side, epoch after epoch.

    Rows are sorted into classes by their length and shuffled within each; groups of B then follow
    each other in random order, other ones in each epoch.

    Args:
        lengths: (N,), of the rows; at least one.
        batch_size: B; one group may have fewer.
        seed: equal seeds group alike.
        mixed: whether that one is of rows of any length. Otherwise it is of the longest in every
            epoch, and what is learnt from these counts for more, as they share an update with few.
    """

    def __init__(
        self, lengths: NDArray[np.integer], batch_size: int, seed: int, *, mixed: bool
    ) -> None:
        self.batch_size = batch_size
        self._apart = len(lengths) % batch_size if mixed else 0
        self.seed = seed
        width = max(1, int(np.quantile(lengths, 0.95)) // CLASSES)
        self._classes = -(-lengths // width)  # (N,)
        self.steps_per_epoch = -(-len(lengths) // batch_size)
        self.tokens_per_step = float(lengths.sum()) / self.steps_per_epoch
        self._epoch = -1

    def size(self, step: int) -> int:
        """How many rows update number `step` reads."""
        return len(self.chosen(step))

    def chosen(self, step: int) -> NDArray[np.int64]:
        """Which rows update number `step` reads, counted from 0 over all epochs: (B,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            random = np.random.default_rng((self.seed, epoch))
            apart, rows = np.split(random.permutation(len(self._classes)), [self._apart])
            alike = rows[np.argsort(self._classes[rows], kind="stable")]
            self._rows = np.concatenate([alike, apart])
            self._order = random.permutation(self.steps_per_epoch)
            self._epoch = epoch
        group = int(self._order[position])
        return self._rows[group * self.batch_size : (group + 1) * self.batch_size]
