"""Whole records, one after the other, of which none may be known or come twice.

seeds ──generation──▶ samples ──whole, new──▶ records
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from charrnn.config import Unknown
from charrnn.errors import CharRNNError, UsageError
from charrnn.sampling.generation import generate_batch, new_seed, seeds_from
from charrnn.sampling.growing import Sample
from charrnn.sampling.language_model import LanguageModel, Stop, never, own_ids
from charrnn.settings import settings_from
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

__all__ = ["Wanted", "beginning_as_read", "draw_records", "sampling_config"]

LONGEST_RECORD = 10_000  # tokens; one that has not ended by then never will
AT_ONCE = 256  # records drawn side by side
# Draws without a record that will do, after which none is expected any more.
IN_VAIN = 5_000


def sampling_config(tokenizer: Tokenizer, settings: dict[str, Any]) -> SampleConfig:
    """The settings of a text to draw; a record may be as long as it likes."""
    longest = {} if tokenizer.end is None else {"max_new_tokens": LONGEST_RECORD}
    return settings_from(SampleConfig, longest | settings)


class Wanted:
    """Which records are wanted, and how many.

    Args:
        count: how many.
        unique: whether none may come twice.
        known: records that may not come, in whatever normal form of Unicode. Their hashes are
            kept, a million in some 60 MB.

    Raises:
        UsageError: for what is known and no string.
    """

    def __init__(self, count: int, *, unique: bool = False, known: Iterable[str] = ()) -> None:
        self.count = count
        self.unique = unique
        self._out = {_content(_checked(record)) for record in known}

    def takes(self, record: str) -> bool:
        """Whether a record will do; if none may come twice, it will not do again."""
        content = _content(record)
        if content in self._out or not record.strip():  # an empty one is none
            return False
        if self.unique:
            self._out.add(content)
        return True


def _content(record: str) -> int:
    return hash(unicodedata.normalize("NFC", record))  # what looks the same is the same


def _checked(record: object) -> str:
    if not isinstance(record, str):
        raise UsageError(f"a known record is of type {type(record).__name__}", "give strings")
    return record


def beginning_as_read(tokenizer: Tokenizer, prompt: str, unknown: Unknown) -> str:
    """The beginning of a record as the model reads it: what it does not know may be left out."""
    return tokenizer.decode(own_ids(tokenizer, prompt, unknown))


def draw_records(
    model: LanguageModel,
    prompt: str,
    config: SampleConfig,
    unknown: Unknown,
    wanted: Wanted,
    *,
    stop: Stop = never,
) -> Iterator[Sample]:
    """Draw records until there are as many as are wanted; see `generation.generate_batch`.

    Each has the seed after that of the one drawn before, so that equal seeds draw equal records.

    Raises:
        UsageError: for a model without records.
        CharRNNError: when hardly any that will do is found any more.
    """
    if model.tokenizer.end is None:
        raise UsageError(
            "the model was not trained on records",
            "train one on a list of them, or have this one write plain text",
        )
    return _drawn(model, prompt, config, unknown, wanted, stop)


def _drawn(
    model: LanguageModel,
    prompt: str,
    config: SampleConfig,
    unknown: Unknown,
    wanted: Wanted,
    stop: Stop,
) -> Iterator[Sample]:
    seed = new_seed() if config.seed is None else config.seed
    longest = config.max_new_tokens or LONGEST_RECORD
    config = msgspec.structs.replace(config, seed=None, max_new_tokens=longest)
    begun = beginning_as_read(model.tokenizer, prompt, unknown)
    found = in_vain = 0
    while found < wanted.count and not stop():
        # A few more than are missing: some may not do.
        number = min(AT_ONCE, wanted.count - found + in_vain)
        drawn = generate_batch(
            model, prompt, config, unknown, seeds=seeds_from(seed, number), stop=stop
        )
        (seed,) = seeds_from(seed + number, 1)
        for sample in drawn:
            in_vain += 1
            if found < wanted.count and sample.whole and wanted.takes(begun + sample.text):
                found, in_vain = found + 1, 0
                yield sample
        if in_vain >= IN_VAIN:
            raise CharRNNError(
                f"{found:,} of {wanted.count:,} records found; the last {in_vain:,} drawn were "
                "known, or had no end",
                "ask for fewer, or draw at a higher temperature",
            )
