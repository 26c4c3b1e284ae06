"""What trained tasks answer: one value for each text, which is also a line of JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

__all__ = ["Answer", "Forecast", "Label", "MarkedText", "Span", "Translation"]


LINE_END = re.compile("\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")


class Answer(msgspec.Struct, frozen=True):
    """What a task says of one input."""

    @property
    def plain(self) -> str:
        """The answer as a person would write it, on one line."""
        return LINE_END.sub(" ", self._written)

    @property
    def _written(self) -> str:
        """The same, on as many lines as what it holds has."""
        raise NotImplementedError


class Label(Answer, frozen=True):
    """What a text is.

    Attributes:
        label: the likeliest class.
        probability: of that class.
        probabilities: of each class, the likeliest first.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]

    def __hash__(self) -> int:
        return hash((self.label, self.probability))

    @property
    def _written(self) -> str:
        """The class."""
        return self.label


class Span(msgspec.Struct, frozen=True):
    """A part of a text that is something.

    Attributes:
        start, end: its characters, the last not included.
        label: what it is.
        text: how it reads.
    """

    start: int
    end: int
    label: str
    text: str


class MarkedText(Answer, frozen=True):
    """A text and what was found in it.

    Attributes:
        text: as it was given.
        spans: in their order; none overlaps another.
    """

    text: str
    spans: tuple[Span, ...]

    @property
    def _written(self) -> str:
        """The text with each span in brackets: [Ann Lee](person) went home."""
        parts, before = [], 0
        for span in self.spans:
            parts += [self.text[before : span.start], f"[{span.text}]({span.label})"]
            before = span.end
        return "".join([*parts, self.text[before:]])


class Translation(Answer, frozen=True):
    """What a text becomes.

    Attributes:
        text: the translation.
        log_prob: nats, of all of it under the model, and of its end unless it was cut off before.
    """

    text: str
    log_prob: float

    @property
    def _written(self) -> str:
        """The translation."""
        return self.text


class Forecast(Answer, frozen=True, omit_defaults=True):
    """How a series goes on.

    Attributes:
        forecast: the values to come, the likely middle.
        lower, upper: a band around them that is meant to hold four of five values.
        series: its name, where it has one.
        ds: the times of these values, where those before are evenly spaced, but for one gap long
            ago, and are written as 1960, 1960-12 or 1960-12-31, with or without a time of day.
    """

    forecast: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    series: str = ""
    ds: tuple[str, ...] = ()

    @property
    def _written(self) -> str:
        """The values to come, after the name of the series."""
        numbers = " ".join(f"{value:.6g}" for value in self.forecast)
        return f"{self.series}: {numbers}" if self.series else numbers
