"""How the text of a language model is divided, and how much of it is read at once.

tokens, given ──story_shares──▶ Shares ◀──record_shares── records, given
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import BadDataError, UsageError
from charrnn.learning.records import batches_per_epoch
from charrnn.text.records import Records
from charrnn.words import counted

__all__ = ["MAX_VAL", "Shares", "in_words", "record_shares", "story_shares"]

MIN_STEP = 16  # tokens of the smallest batch worth an update
USUAL_VAL = 0.1  # the share for validation, unless the user wants another
MIN_VAL = 8  # tokens of the smallest text worth a validation
MIN_RECORDS = 10  # distinct ones; fewer leave nothing to validate
MAX_VAL = 500_000  # tokens; more say nothing new, and are missed in training
MAX_STEPS = 128  # that a record is read at once, if it is as long

# For training texts shorter than so many tokens: lanes of a story, and about how many tokens of
# records are read in an update. Short ones are learnt better in more, smaller updates.
UPDATES = ((50_000, 4, 512), (200_000, 16, 1_024), (math.inf, 32, 2_048))


class Shares(NamedTuple):
    """How a corpus is divided and read.

    Attributes:
        train, val: tokens.
        val_frac: the share that is for validation: of the tokens, or of the distinct records.
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


def story_shares(
    tokens: int,
    given: Mapping[str, Any],
    notes: list[str],
    unit: str,
    validation: int | None = None,
) -> Shares:
    """How to divide and read a story.

    Args:
        tokens: N.
        given: settings the user made.
        notes: gets what shrank to fit the text.
        unit: what a token is, for people.
        validation: tokens of a text of the user's own that validates, if there is one.

    Raises:
        BadDataError: if it is too short.
        UsageError: for batches, or a share for validation, that need more.
    """
    if validation is None:
        train, val = _divide(tokens, given.get("val_frac"), unit)
    else:
        train, val = _enough(tokens, MIN_STEP, "corpus", unit), validation
        _enough(validation, MIN_VAL, "validation text", unit)
    batch_size, seq_length = _batch(train, given, notes, unit)
    size = batch_size * seq_length
    updates = train // batch_size // seq_length
    return Shares(train, val, val / (train + val), batch_size, seq_length, updates, size)


def _divide(tokens: int, val_frac: float | None, unit: str) -> tuple[int, int]:
    """The sizes of the training and the validation text: the last tenth by default."""
    fraction = val_frac or USUAL_VAL
    if tokens < (needed := _needed_tokens(fraction)):
        if tokens >= _needed_tokens(USUAL_VAL):
            raise _unusual_share(fraction, f"{needed} {unit}s", f"{tokens}")
        found = f"the corpus has {tokens} {unit}s; training and validation need {needed}"
        raise BadDataError(found, "give a longer text")
    val = round(tokens * fraction)
    if val_frac is None:
        val = min(val, MAX_VAL)
    return tokens - val, val


def _enough(tokens: int, needed: int, what: str, unit: str) -> int:
    """Check that a text is long enough; returns its length."""
    if tokens < needed:
        found = f"the {what} has {counted(tokens, unit)}; {needed} are needed"
        raise BadDataError(found, "give a longer text")
    return tokens


def _needed_tokens(fraction: float) -> int:
    """The least number that can be divided."""
    return max(round(MIN_STEP / (1 - fraction)), round(MIN_VAL / fraction)) + 1


def _unusual_share(fraction: float, needed: str, there: str) -> UsageError:
    """The error where the usual share for validation would have left enough of both parts."""
    return UsageError(
        f"val_frac is {fraction:g}, which needs {needed}, and there are {there}",
        f"choose one nearer to the usual {USUAL_VAL}, or leave it out",
        "val_frac",
    )


def _batch(train: int, given: Mapping[str, Any], notes: list[str], unit: str) -> tuple[int, int]:
    """Lanes and steps, fewer where the text would be read in a few batches an epoch.

    With twice as many lanes the text is read up to 1.4 times as fast, but less is learnt of it,
    since there are fewer updates; with half as many, longer ones are not seen to be learnt better.
    See benchmarks/NOTES.md.
    """
    usual = next(count for length, count, _ in UPDATES if train < length)
    batch_size, seq_length = given.get("batch_size", usual), given.get("seq_length", 64)
    settings = {"batch_size": batch_size, "seq_length": seq_length}
    while batch_size * seq_length * 8 > train:
        if "batch_size" not in given and batch_size > 1:
            batch_size //= 2
        elif "seq_length" not in given and seq_length > 8:
            seq_length //= 2
        else:
            break
    tokens = batch_size * seq_length
    if tokens > train:
        raise UsageError(
            f"batches of {in_words(batch_size, seq_length)} need {tokens} {unit}s, "
            f"the training text has {train}",
            "choose a smaller --batch-size or --seq-length",
        )
    if (batch_size, seq_length) != tuple(settings.values()):
        notes.append(
            f"the text is short, so it is read in {in_words(batch_size, seq_length)} instead of "
            f"{settings['batch_size']} of {settings['seq_length']}"
        )
    return batch_size, seq_length


def in_words(batch_size: int, seq_length: int, noun: str = "lane") -> str:
    """How a text is read, in words."""
    return f"{counted(batch_size, noun)} of {counted(seq_length, 'step')}"


def record_shares(
    records: Records,
    given: Mapping[str, Any],
    notes: list[str],
    unit: str = "character",
    validation: Records | None = None,
) -> Shares:
    """How to divide and read a list of records.

    Args:
        records: all of the corpus.
        given: settings the user made.
        notes: gets what the user should know.
        unit: what a token is, for people.
        validation: a list of the user's own that validates, if there is one.

    Raises:
        BadDataError: if there are too few.
        UsageError: if there are fewer than are to be read side by side, or than the share for
            validation needs.
    """
    if validation is None:
        val = _held_back(records, given.get("val_frac"))
        distinct = records.distinct
        train, validation = records.split(distinct - val, given.get("seed", 0))
    else:
        if records.distinct < MIN_RECORDS:
            raise _too_few(records.distinct, MIN_RECORDS)
        train = records
        val = validation.distinct
        distinct = records.distinct + val
    batch_size, seq_length = _side_by_side(train, given, notes, unit)
    updates = batches_per_epoch(train, batch_size, seq_length)
    lengths = np.sort(train.lengths)
    few, nearly_alone = _nearly_alone(lengths, batch_size, seq_length)
    if 2 * nearly_alone > updates:
        size = counted(int(lengths[-1]) - 1, unit)
        notes.append(
            f"the longest record has {size}, and {nearly_alone:,} of the {updates:,} updates of an "
            f"epoch read at most {counted(few, 'record')}; cut long ones to learn sooner"
        )
    return Shares(
        train.size,
        validation.size,
        val / distinct,
        batch_size,
        seq_length,
        updates,
        train.size / updates,
        train.count,
    )


def _held_back(records: Records, val_frac: float | None) -> int:
    """How many of the distinct records validate: a tenth by default."""
    distinct = records.distinct
    fraction = val_frac or USUAL_VAL
    if not _is_enough(distinct, fraction):
        needed = _needed(fraction)
        if _is_enough(distinct, USUAL_VAL):
            raise _unusual_share(fraction, f"{needed} different records", f"{distinct}")
        raise _too_few(distinct, needed)
    val = round(distinct * fraction)
    if val_frac is None:
        val = max(1, min(val, round(MAX_VAL * distinct / records.size)))
    return val


def _too_few(distinct: int, needed: int) -> BadDataError:
    return BadDataError(
        f"the corpus has {counted(distinct, 'different record')}; {needed} are needed",
        "give a longer list, or read it as one story with --records none",
    )


def _side_by_side(
    train: Records, given: Mapping[str, Any], notes: list[str], unit: str
) -> tuple[int, int]:
    """Records side by side and steps, unless the user has chosen them: so that few steps are empty.

    There are no more steps than the longest record fills, since a GPU computes empty ones, too.

    Raises:
        UsageError: if there are fewer records than the user wants.
    """
    usual = int(np.sort(train.lengths)[int(0.98 * (train.count - 1))])  # nearly all are as short
    parts = -(-usual // MAX_STEPS)  # of about equal width
    wanted = given.get("seq_length") or -(-usual // (8 * parts)) * 8
    longest = int(train.lengths.max())
    seq_length = min(wanted, -(-longest // 8) * 8)
    if seq_length < wanted:
        notes.append(
            f"the longest record has {counted(longest - 1, unit)}, so records are read "
            f"{seq_length:,} steps at a time instead of {wanted:,}"
        )
    mean = min(train.size / train.count, seq_length)
    tokens = next(count for length, _, count in UPDATES if train.size < length)
    side_by_side = 2 ** max(0, round(np.log2(tokens / mean)))
    while side_by_side > 1 and side_by_side * 8 > train.count:
        side_by_side //= 2
    batch_size = given.get("batch_size") or side_by_side
    if batch_size > train.count:
        raise UsageError(
            f"{batch_size} records can't be read side by side, "
            f"there are {train.count} for training",
            "choose a smaller --batch-size",
        )
    return batch_size, seq_length


def _nearly_alone(lengths: NDArray[np.int64], batch_size: int, seq_length: int) -> tuple[int, int]:
    """A few records, and in how many updates of an epoch no more than these are read.

    The longest are read side by side, and go on when those beside them have ended.

    Args:
        lengths: (K,), sorted.
        batch_size, seq_length: B and T.
    """
    few = max(1, batch_size // 4)
    if batch_size == 1 or len(lengths) <= few:
        return few, 0
    longest, next_one = -(-lengths[[-1, -1 - few]] // seq_length)
    return few, int(longest - next_one)


def _is_enough(distinct: int, fraction: float) -> bool:
    """Whether so many distinct records leave some to train on and some to validate."""
    return distinct >= MIN_RECORDS and 0 < round(distinct * fraction) < distinct


def _needed(fraction: float) -> int:
    """The least number that is enough."""
    smaller = max(min(fraction, 1 - fraction), 1e-15)  # no list is so long that it mattered
    about = int(0.5 / smaller)  # half a record is rounded to none or to one
    counts = (max(MIN_RECORDS, about + more) for more in range(3))
    return next((count for count in counts if _is_enough(count, fraction)), about)
