"""A corpus as it is trained on: what is for training, what for validation, and in which batches.

text ──divided──▶ training text, validation text
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config import TrainConfig
from charrnn.errors import BadDataError, UsageError
from charrnn.learning.records import steps_of
from charrnn.text.records import Records, Text
from charrnn.words import counted

__all__ = ["MAX_VAL", "Shares", "divided", "record_shares"]

MIN_RECORDS = 10  # different ones; fewer leave nothing to validate
MAX_VAL = 500_000  # tokens; more say nothing new, and are missed in training
TOKENS = 2048  # of an update, about
MAX_STEPS = 128  # that a record is read at once, if it is as long


class Shares(NamedTuple):
    """How a corpus is divided and read.

    Attributes:
        train, val: tokens.
        val_frac: the share that is for validation: of the tokens, or of the different records.
        batch_size, seq_length: lanes or records side by side, and steps between two updates.
        steps_per_epoch: updates in which all of the training text is read.
        tokens_per_step: that an update reads; of records, on average.
        records: that are trained on; 0 of a story.
    """

    train: int
    val: int
    val_frac: float
    batch_size: int
    seq_length: int
    steps_per_epoch: int
    tokens_per_step: float
    records: int = 0


def divided(text: Text, config: TrainConfig) -> tuple[Text, Text]:
    """The part of a corpus for training, which may be mapped from a file, and for validation.

    Of a story, the last part validates; of a list, records from all over it.
    """
    if isinstance(text, Records):
        return text.divided(config.training_tokens(text.different), config.seed)
    train = config.training_tokens(len(text))
    return text[:train], text[train:].astype(np.int32)


def record_shares(
    records: Records, given: Mapping[str, Any], notes: list[str], unit: str = "character"
) -> Shares:
    """How to divide and read a list of records.

    Args:
        records: all of the corpus.
        given: settings the user made.
        notes: gets what the user should know.
        unit: what a token is, for people.

    Raises:
        BadDataError: if there are too few.
        UsageError: if there are fewer than are to be read side by side.
    """
    different = records.different
    fraction = given.get("val_frac") or 0.1
    if not _is_enough(different, fraction):
        needed = _needed(fraction)
        raise BadDataError(
            f"the corpus has {counted(different, 'different record')}; {needed} are needed",
            "give a longer list, or read it as one story with --records none",
        )
    val = round(different * fraction)
    if given.get("val_frac") is None:
        val = max(1, min(val, round(MAX_VAL * different / records.size)))
    train, validation = records.divided(different - val, given.get("seed", 0))
    lengths = np.sort(train.lengths)
    usual = int(lengths[int(0.98 * (train.count - 1))])  # nearly all are at most so long
    parts = -(-usual // MAX_STEPS)  # of about equal width
    steps = given.get("seq_length") or -(-usual // (8 * parts)) * 8
    mean = min(train.size / train.count, steps)
    side_by_side = 2 ** max(0, round(np.log2(TOKENS / mean)))
    while side_by_side > 1 and side_by_side * 8 > train.count:
        side_by_side //= 2
    batch = given.get("batch_size") or side_by_side
    if batch > train.count:
        raise UsageError(
            f"{batch} records can't be read side by side, there are {train.count} for training",
            "choose a smaller --batch-size",
        )
    updates = steps_of(train, batch, steps)
    alone = _alone(lengths, batch, steps)
    if 2 * alone > updates:
        notes.append(
            f"one record has {counted(int(lengths[-1]) - 1, unit)}, and {alone:,} of the "
            f"{updates:,} updates of an epoch read it alone; cut it into several to learn sooner"
        )
    return Shares(
        train.size,
        validation.size,
        val / different,
        batch,
        steps,
        updates,
        train.size / updates,
        train.count,
    )


def _alone(lengths: NDArray[np.int64], batch: int, steps: int) -> int:
    """In how many updates of an epoch the longest record is read when those beside it have ended.

    Args:
        lengths: (K,), sorted.
        batch, steps: B and T.
    """
    if batch == 1 or len(lengths) == 1:
        return 0
    second, first = -(-lengths[-2:] // steps)
    return int(first - second)


def _is_enough(different: int, fraction: float) -> bool:
    """Whether so many different records leave some to train on and some to validate."""
    return different >= MIN_RECORDS and 0 < round(different * fraction) < different


def _needed(fraction: float) -> int:
    """The least number that is enough."""
    smaller = max(min(fraction, 1 - fraction), 1e-15)  # no list is so long that it mattered
    about = int(0.5 / smaller)  # half a record is rounded to none or to one
    counts = (max(MIN_RECORDS, about + more) for more in range(3))
    return next((count for count in counts if _is_enough(count, fraction)), about)
