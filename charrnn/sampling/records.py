"""Whole records, one after the other, of which none may be known or come twice.

seeds ──generation──▶ samples ──whole, new──▶ records
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import msgspec

from charrnn.errors import CharRNNError, UsageError
from charrnn.sampling.drawing.distribution import temperature_schedule
from charrnn.sampling.generation import Sample, generate_batch, new_seed, seeds_from
from charrnn.sampling.language_model import Stop, never
from charrnn.sampling.token_source import LONGEST_RECORD, GenerationRequest
from charrnn.words import counted

__all__ = ["Wanted", "draw_records"]

AT_ONCE = 256  # records drawn side by side, once so many were drawn
# Draws in a row of which none will do, after which none is expected to any more. Of those without
# an end, fewer are enough where each takes long: so many tokens together.
IN_VAIN, ENDLESS, ENDLESS_TOKENS = 5_000, 256, 1 << 17


class Wanted:
    """Which records are wanted, and how many.

    Args:
        count: how many.
        unique: whether none may come twice.
        known: records that may not come, in whatever normal form of Unicode, and whatever blanks
            stand around them. Their hashes are kept, a million in some 60 MB.

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
    return hash(unicodedata.normalize("NFC", record.strip()))  # what looks the same is the same


def _checked(record: object) -> str:
    if not isinstance(record, str):
        raise UsageError(f"a known record is of type {type(record).__name__}", "give strings")
    return record


def draw_records(
    request: GenerationRequest, wanted: Wanted, stop: Stop = never
) -> Iterator[Sample]:
    """Draw records until there are as many as are wanted; see `generation.generate_batch`.

    Each has the seed after that of the one drawn before, so that equal seeds draw equal records.

    Raises:
        UsageError: for a model without records.
        CharRNNError: when hardly any that will do is found any more, or none ends.
    """
    if request.model.tokenizer.end is None:
        raise UsageError(
            "the model was not trained on records",
            "train one on a list of them, or have this one write plain text",
        )
    return _drawn(request, wanted, stop)


def _drawn(request: GenerationRequest, wanted: Wanted, stop: Stop) -> Iterator[Sample]:
    seed = new_seed() if request.config.seed is None else request.config.seed
    longest = request.config.max_new_tokens
    longest = LONGEST_RECORD if longest is None else longest
    config = msgspec.structs.replace(request.config, max_new_tokens=longest)
    request = request._replace(config=config)
    begun = request.model.tokenizer.decode(request.prompt[1:])  # without the end before it
    found = in_vain = endless = 0  # the latter two in a row
    at_once = 1
    while found < wanted.count and not stop():
        # A few more than are missing: some may not do.
        number = min(at_once, wanted.count - found + in_vain)
        at_once = min(2 * at_once, AT_ONCE)
        drawn = generate_batch(request, seeds_from(seed, number), stop)
        (seed,) = seeds_from(seed + number, 1)
        for sample in drawn:
            if stop() and not sample.whole:
                return  # it may have been cut: those after it are not the next ones
            in_vain += 1
            endless = 0 if sample.whole else endless + 1
            if found < wanted.count and sample.whole and wanted.takes(begun + sample.text):
                found, in_vain = found + 1, 0
                yield sample
        if found < wanted.count and not stop():
            so_far = f"{found:,} of {wanted.count:,} records found"
            _refuse_vain(request, longest, so_far, in_vain, endless)


def _refuse_vain(
    request: GenerationRequest, longest: int, so_far: str, in_vain: int, endless: int
) -> None:
    """Give up if no record that will do is to be expected.

    Args:
        request: what is drawn.
        longest: the tokens that a record may have.
        so_far: how many were found.
        in_vain: how many draws in a row gave none that will do.
        endless: how many in a row had no end.
    """
    most, most_endless = IN_VAIN, min(ENDLESS, max(1, ENDLESS_TOKENS // max(1, longest)))
    if not any(temperature_schedule(request.config)):  # all draws are the same
        most = most_endless = 1
    advice = "draw at a higher temperature"
    if endless >= most_endless:
        found = f"the last {counted(endless, 'draw')} had no end"
        found += f" within {counted(longest, request.model.tokenizer.unit)}"
        if longest < LONGEST_RECORD:
            advice = f"give a greater length, or {advice}"
        raise CharRNNError(f"{so_far}; {found}", advice)
    if in_vain >= most:
        found = f"the last {counted(in_vain, 'draw')} had no end, or gave what is empty, known"
        raise CharRNNError(f"{so_far}; {found} or there already", f"ask for fewer, or {advice}")
