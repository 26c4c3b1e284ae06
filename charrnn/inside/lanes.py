"""What a network computes over a long text, in pieces that fit in memory.

for block in activity(model, ids, ["layers.0.hook_h"]): ...    # (N,) → (n, H) at a time
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.array_checks import checked_ids
from charrnn.arrays import Floats, Ids
from charrnn.cells.rules import State
from charrnn.config import Unknown
from charrnn.errors import UsageError
from charrnn.models.hooks import Cache, NamesFilter, Recorder, chosen_places
from charrnn.models.predictor import Predictor
from charrnn.scoring.lanes import chunks
from charrnn.text.prepared import as_trained, refuse_file_names

__all__ = ["Block", "activity", "refuse_records_and_backwards", "shares", "story_ids"]


class Block(NamedTuple):
    """Some places of a text, in no particular order.

    Attributes:
        at: (n,), which tokens of the text these are; the network has just read them.
        values: by place of the network, (n, H).
        logits: (n, V), of the token after each.
    """

    at: NDArray[np.intp]
    values: Cache
    logits: Floats


def shares(progress: Callable[[float], object] | None, total: float) -> Callable[[float], object]:
    """What takes how much of a total was done, and tells `progress` which share that is."""
    return lambda done: progress and progress(done / total)


def refuse_records_and_backwards(model: Predictor) -> None:
    """Refuse what does not know a running text, or not from its beginning.

    Raises:
        UsageError: for a model of records, which begins each with an empty state, and for one that
            reads backwards.
    """
    if model.tokenizer.end is not None:
        found = "inspect needs a model of one story, and this is one of records"
        raise UsageError(found, "train one with --records none")
    if model.reads_backwards:
        found = "inspect needs a model that reads forwards, and this one reads backwards"
        raise UsageError(found, "train one without --reverse")


def story_ids(model: Predictor, text: str, unknown: Unknown, least: int = 0) -> Ids:
    """The ids (N,) of a text that is read from its beginning to its end, as in training.

    Raises:
        UsageError: as `refuse_records_and_backwards` and `refuse_file_names`, for unknown
            characters if these are errors, and for fewer than `least` tokens.
    """
    refuse_records_and_backwards(model)
    refuse_file_names(text=text)
    ids = model.tokenizer.encode(as_trained(text, model.tokenizer), unknown)
    if len(ids) < least:
        found = f"the text has {len(ids)} of the {least} {model.tokenizer.unit}s it needs"
        raise UsageError(found, "use a longer one")
    return ids


@checked
def activity(
    model: Predictor, ids: Ids | Sequence[int], names: NamesFilter = None
) -> Iterator[Block]:
    """What a network computes at every token of a text; each token comes once.

    A text of fewer tokens than `scoring.lanes.SPLIT_FROM` is read from its first to its last, as
    `run_with_cache` reads it. A longer one is read in up to 64 lanes side by side; each begins 512
    tokens before its part, with an empty state, so that its values are nearly those of a single
    pass. (The first lane's are those, but for rounding.)

    Args:
        model: what reads.
        ids: (N,), at least one.
        names: which of `model.places` to keep; all by default.

    Raises:
        UsageError: for a place that is none, and for ids that are none.
    """
    found = checked_ids(ids, model.tokenizer.vocab_size, 1)
    if not len(found):
        raise UsageError("there is no text to read", "give at least one token")
    return _blocks(model, found, chosen_places(model.places, names))


def _blocks(model: Predictor, ids: Ids, wanted: list[str]) -> Iterator[Block]:
    state: State | None = None
    for at, own, keep in chunks(len(ids)):
        if keep is not None and state is not None:
            state = tuple(part * keep for part in state)
        recorder = Recorder(() if own is None else wanted, *at.shape)
        logits, state = model(ids[at], state, recorder)  # (B, T, V)
        if own is not None:
            values = {name: value[own] for name, value in recorder.values.items()}
            yield Block(at[own], values, logits[own])
