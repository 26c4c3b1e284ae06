"""Records to batches: B records of about equal length side by side, each from its beginning.

A group of records is read some steps at a time, with the state carried over in between. Records
come in a new order each epoch, with others beside them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charrnn.learning.lanes import ALL, Batch
from charrnn.text.records import PAD, Records

__all__ = ["RecordLanes", "batches_per_epoch"]

CLASSES = 8  # of lengths within the T steps of an update; records of one class may be exchanged


class RecordLanes:
    """Batches of B records, at most T steps at a time, epoch after epoch.

    Records are sorted into classes by their length, and shuffled within each; groups of B then
    follow each other in random order. The groups of all epochs have the same classes, so that
    epochs have equally many batches, and a batch is a function of its number alone.

    Args:
        records: to be read; at least one.
        batch_size: B.
        seq_length: T.
        seed: of the order in each epoch.
    """

    def __init__(self, records: Records, batch_size: int, seq_length: int, seed: int) -> None:
        self.records = records
        self.batch_size = batch_size
        self.seq_length = seq_length
        self.seed = seed
        # The class of each record (K,), and how many batches each group takes.
        self.classes, self.batches = _groups(records, batch_size, seq_length)
        self.steps_per_epoch = int(self.batches.sum())
        self.tokens_per_step = records.size / self.steps_per_epoch
        self._epoch = -1

    def size(self, step: int) -> int:  # noqa: ARG002
        """How many records a batch has: always B, some of which may be missing."""
        return self.batch_size

    def batch(self, step: int, rows: slice = ALL) -> Batch:
        """The batch of update number `step`, counted from 0 over all epochs, or some rows of it."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._shuffle(epoch)
        place = int(np.searchsorted(self._ends, position, "right"))
        group = int(self._order[place])
        count = int(self.batches[group])
        part = position - int(self._ends[place]) + count
        own = self._rows[group * self.batch_size : (group + 1) * self.batch_size]
        # All parts but the last are T wide, so that no state is carried past the end of one.
        first = part * self.seq_length
        width = min(self.seq_length, int(self.records.lengths[own].max()) - first)
        window = self.records.windows(own, first, width)
        missing = ((0, self.batch_size - len(own)), (0, 0))
        padded = np.pad(window, missing, constant_values=PAD)
        return Batch(padded[rows], fresh=part == 0)

    def _shuffle(self, epoch: int) -> None:
        random = np.random.default_rng((self.seed, epoch))
        rows = random.permutation(self.records.count)
        self._rows = rows[np.argsort(-self.classes[rows], kind="stable")]  # (K,), the longest first
        self._order = random.permutation(len(self.batches))
        self._ends = np.cumsum(self.batches[self._order])
        self._epoch = epoch


def batches_per_epoch(records: Records, batch_size: int, seq_length: int) -> int:
    """In how many batches all records are read once."""
    return int(_groups(records, batch_size, seq_length)[1].sum())


def _groups(
    records: Records, batch_size: int, seq_length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The class of each record (K,), and the number of batches of each group."""
    # A class must not straddle a multiple of T, where one batch more is needed.
    width = max(w for w in range(1, seq_length // CLASSES + 2) if seq_length % w == 0)
    classes = -(-records.lengths // width)
    longest = np.sort(classes)[::-1][::batch_size]
    return classes, -(-longest * width // seq_length)
