"""Simple features of a text that a unit may follow: for each character, a number or yes or no.

    FEATURES["inside quotes"]("so: “I am.” He")    # (N,) bool

Each value stands at the character that has just been read, as a unit's does: at an opening quote it
is already on, at the closing one off again. A new feature is one function with `@feature`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import code_points

__all__ = ["FEATURES", "Feature"]

Values = NDArray[np.float64] | NDArray[np.bool_]  # graded, or on and off
Feature = Callable[[str], Values]
Codes = NDArray[np.uint32]

FEATURES: dict[str, Feature] = {}

# A counter of more characters than these has no more to tell: one line may be a whole paragraph.
LONGEST_COUNT = 200
OPENING, CLOSING = "([{", ")]}"
SPEAKER = re.compile(r"^[^\W\d_a-z][\w .'’-]{0,39}:(?=\s)", re.MULTILINE)
SPEECH = re.compile(rf"(?:{SPEAKER.pattern})\s*[^\n]*", re.MULTILINE)
COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//)[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL | re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?。！？｡؟۔।॥][^\w]*")


def feature(name: str) -> Callable[[Feature], Feature]:
    """Enter a function into `FEATURES`."""

    def enter(function: Feature) -> Feature:
        FEATURES[name] = function
        return function

    return enter


@feature("characters since newline")
def since_newline(text: str) -> Values:
    """0 at a newline, then 1, 2, 3, …, at most `LONGEST_COUNT`."""
    return _since(code_points(text) == ord("\n"))


@feature("position in the line")
def line_position(text: str) -> Values:
    """From 0 at a newline to 1 at the line's last character."""
    newlines = code_points(text) == ord("\n")
    begins = np.flatnonzero(np.append(True, newlines))  # the text begins a line
    lengths = np.diff(np.append(begins, len(text) + 1))  # each with the newline before it
    passed = np.arange(1, len(text) + 1) - np.repeat(begins, lengths)[1:]
    longest: NDArray[np.float64] = np.maximum(np.repeat(lengths, lengths)[1:] - 1, 1)
    return passed / longest


@feature("indentation")
def indentation(text: str) -> Values:
    """How many spaces the line begins with, as far as it has been read; a tab counts as 4."""
    values = np.zeros(len(text))
    for line in re.finditer(r"^[ \t]+", text, re.MULTILINE):
        begin, end = line.span()
        widths = np.cumsum([4 if c == "\t" else 1 for c in line[0]])
        values[begin:end] = widths
        stop = text.find("\n", end)
        values[end : len(text) if stop < 0 else stop] = widths[-1]
    return values


@feature("bracket depth")
def bracket_depth(text: str) -> Values:
    """How many brackets are open; an empty line closes all, since a text may forget one."""
    depths, depth, last = np.zeros(len(text)), 0, ""
    for place, character in enumerate(text):
        if character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth = max(depth - 1, 0)
        elif character == last == "\n":
            depth = 0
        depths[place], last = depth, character
    return depths


@feature("inside brackets")
def inside_brackets(text: str) -> Values:
    """Whether a bracket is open."""
    return bracket_depth(text) > 0


@feature("inside quotes")
def inside_quotes(text: str) -> Values:
    """Whether a double quotation mark is open; an empty line closes it, since a text may forget."""
    inside, last = np.zeros(len(text), bool), ""
    on = False
    for place, character in enumerate(text):
        if character == '"':
            on = not on
        elif character in "“„«":
            on = True
        elif character in "”»" or character == last == "\n":
            on = False
        inside[place], last = on, character
    return inside


@feature("position in the word")
def word_position(text: str) -> Values:
    """0 outside words, then 1, 2, 3, …: how many letters of the word have been read."""
    return _since(~_letters(text))


@feature("inside a word")
def inside_word(text: str) -> Values:
    """Whether the character is a letter, or a mark on one."""
    return _letters(text)


@feature("upper case")
def upper_case(text: str) -> Values:
    """Whether the character is a capital letter."""
    return _each(text, str.isupper)


@feature("digits")
def digits(text: str) -> Values:
    """Whether the character is a digit."""
    return _each(text, str.isdigit)


@feature("vowels")
def vowels(text: str) -> Values:
    """Whether the character is a, e, i, o or u."""
    return _each(text, lambda c: c in "aeiouAEIOU")


@feature("space")
def space(text: str) -> Values:
    """Whether the character is a space or a tab."""
    return _each(text, lambda c: c in " \t")


@feature("newline")
def newline(text: str) -> Values:
    """Whether the character is a newline."""
    return _each(text, lambda c: c == "\n")


@feature("punctuation")
def punctuation(text: str) -> Values:
    """Whether the character is no letter, mark on one, digit or white space."""
    return _each(text, lambda c: not (c.isalnum() or c.isspace() or _is_mark(c)))


@feature("end of a sentence")
def sentence_end(text: str) -> Values:
    """From a full stop, an exclamation mark or a question mark to the next letter."""
    return _spans(text, SENTENCE_END)


@feature("speaker's name")
def speaker(text: str) -> Values:
    """In a name at the beginning of a line, as in a play, or at the colon after it."""
    return _spans(text, SPEAKER)


@feature("after a speaker's name")
def after_speaker(text: str) -> Values:
    """After the colon of a speaker's name, to the end of what is the speaker's first line."""
    return _spans(text, SPEECH) & ~_spans(text, SPEAKER)


@feature("comment")
def comment(text: str) -> Values:
    """In a comment of a program: after `#` or `//`, or between `/*` and `*/`."""
    return _spans(text, COMMENT)


def _each(text: str, is_so: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Whether it is so of each character; asked once for each that is different."""
    codes = code_points(text)
    there, which = np.unique(codes, return_inverse=True)
    return np.array([is_so(chr(code)) for code in there], bool)[which]


def _letters(text: str) -> NDArray[np.bool_]:
    return _each(text, lambda c: c.isalpha() or _is_mark(c))


def _is_mark(character: str) -> bool:
    """Whether it is a part of a letter, such as a vowel of Hindi or Thai, or an accent."""
    return unicodedata.category(character).startswith("M")


def _spans(text: str, pattern: re.Pattern[str]) -> NDArray[np.bool_]:
    """Whether each character is in a match of the pattern."""
    inside = np.zeros(len(text), bool)
    for match in pattern.finditer(text):
        inside[slice(*match.span())] = True
    return inside


def _since(zero: NDArray[np.bool_]) -> NDArray[np.float64]:
    """0 where it is said to be, then 1, 2, 3, …, at most `LONGEST_COUNT`."""
    places = np.arange(len(zero))
    last = np.maximum.accumulate(np.where(zero, places, -1))
    return np.minimum(places - last, LONGEST_COUNT).astype(np.float64)
