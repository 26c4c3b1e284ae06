"""Where a text ends: before a stop string, at a line's end, or not at all."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.errors import UsageError, warn
from charrnn.sampling.drawing.distribution import allowed_ids
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

__all__ = [
    "Ending",
    "has_stops",
    "is_endless",
    "refuse_endless",
    "with_checked_ends",
    "with_known_stops",
]


def has_stops(config: SampleConfig) -> bool:
    """Whether a text may end before it has its length."""
    return bool(config.stop_strings) or config.max_lines is not None


def is_endless(config: SampleConfig) -> bool:
    """Whether a text goes on for ever: it has no length, and nothing to stop at."""
    return config.max_new_tokens is None and not has_stops(config)


def refuse_endless(config: SampleConfig) -> None:
    """A text that is returned whole must be able to end.

    Raises:
        UsageError: if `config` has neither a length nor anything to stop at.
    """
    if is_endless(config):
        raise UsageError("the text has no end", "give a length or something to stop at")


def with_known_stops(config: SampleConfig, tokenizer: Tokenizer) -> SampleConfig:
    """Settings with their stop strings in the form of Unicode in which the model writes.

    Warns:
        UserWarning: if that changes one.
    """
    stops = tuple(tokenizer.in_known_form(config.stop_strings))
    return msgspec.structs.replace(config, stop_strings=stops)


def with_checked_ends(config: SampleConfig, tokenizer: Tokenizer) -> SampleConfig:
    """As `with_known_stops`; see that what a text is to stop at can come.

    As far as its characters tell.

    Warns:
        UserWarning: for each stop that can't.

    Raises:
        UsageError: if no end can come at all.
    """
    config = with_known_stops(config, tokenizer)
    stops = {repr(stop): stop for stop in config.stop_strings}
    if config.max_lines is not None:
        stops["the end of a line"] = "\n"
    if not stops:
        return config
    allowed = allowed_ids(tokenizer, config)
    missing = {name: _missing(stop, tokenizer, allowed) for name, stop in stops.items()}
    never = {name: reason for name, reason in missing.items() if reason}
    endless = config.max_new_tokens is None and tokenizer.end is None  # a record ends itself
    if len(never) == len(stops) and endless:
        name, reason = next(iter(never.items()))
        advice = "give a length, or something to stop at that can come"
        raise UsageError(f"the text would never end: {name} can't come, since {reason}", advice)
    for name, reason in never.items():
        warn(f"no text will end at {name}, since {reason}")
    return config


def _missing(stop: str, tokenizer: Tokenizer, allowed: NDArray[np.bool_] | None) -> str:
    """Why a stop string can't come; empty if it can."""
    for character in stop:
        ids = tokenizer.encode_as_is(character, "skip")
        if not len(ids):
            return f"the model does not know {character!r}"
        if allowed is not None and not allowed[ids].all():
            return f"{character!r} is not allowed"
    return ""


class Ending:
    """A text that arrives piece by piece, up to where it ends.

    A stop string may lie across several pieces. What could be the beginning of one is held back
    until it is known not to be.

    Args:
        config: stop_strings, include_stop and max_lines count.

    Attributes:
        ended: whether the end was reached.
        has_no_stops: whether there is nothing to stop at; a length is not counted here.
    """

    def __init__(self, config: SampleConfig) -> None:
        self.ended = False
        self.has_no_stops = not has_stops(config)
        self._stops = config.stop_strings
        # How much of each stop string what is held back may end with: never more than that and
        # the next piece, so that a long wait for one does not make each look for another long.
        self._begun = [0] * len(self._stops)
        self._include = config.include_stop
        self._lines = config.max_lines
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown now that `piece` has arrived; nothing after the end."""
        if self.ended:
            return ""
        if self.has_no_stops:
            return piece
        self._held += piece
        found = []
        for number, stop in enumerate(self._stops):
            most = self._begun[number] + len(piece)
            at = self._held.find(stop, len(self._held) - most)
            if at >= 0:
                found.append((at, stop))
            self._begun[number] = _overlap(self._held, stop, most)
        line_end = self._line_end(len(piece))
        if line_end is not None:
            found.append((line_end, "\n"))
        if found:
            at, stop = min(found)
            self.ended = True
            return self._release(at + len(stop) * self._include)
        return self._release(len(self._held) - max(self._begun, default=0))

    def rest(self) -> str:
        """What was held back, when nothing more will arrive."""
        return "" if self.ended else self._release(len(self._held))

    def _line_end(self, new: int) -> int | None:
        """Where the last line that is wanted ends, if it ends in the newest `new` characters."""
        if self._lines is None:
            return None
        start = len(self._held) - new
        for at in range(start, len(self._held)):
            self._lines -= self._held[at] == "\n"
            if not self._lines:
                return at
        return None

    def _release(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        return text


def _overlap(text: str, stop: str, most: int) -> int:
    """The length, up to `most`, of the longest suffix of `text` that begins `stop`, not whole."""
    length = min(most, len(stop) - 1)
    while not text.endswith(stop[:length]):
        length -= 1
    return length
