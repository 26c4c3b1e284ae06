"""The words of a text, a tag for each, and the spans that these mark.

    Empire    B-location
    State     I-location
    Building  I-location    ──spans_of──▶  Span(0, 21, "location")
    ends      O

Tags become BIO, whichever way they were written: B- begins a span, I- goes on, O is outside.
Ramshaw and Marcus, "Text chunking using transformation-based learning", 1995.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = [
    "OUTSIDE",
    "WORD_RULES",
    "Span",
    "Tagged",
    "in_bio",
    "is_tag",
    "joined",
    "spans_of",
    "tags_of",
    "words_of",
]

OUTSIDE = "O"
TAG = re.compile(r"([BIESLUM])[-_](\S.*)")  # those of BIO, BIOES and BILOU
# A word is what stands between spaces, without the marks that open and close it, which are words
# of their own; in writing without spaces each character is one, with the marks of its sound.
HAN_AND_KANA = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{HAN_AND_KANA}][\u3099\u309a]*|[^\s{HAN_AND_KANA}]+")
# Between two of these there is no space: of that writing, of its punctuation, and of marks that
# other writing has as well, which are of the writing that stands before or behind them.
OF_UNSPACED = re.compile(rf"[{HAN_AND_KANA}\u3000-\u303f\uff00-\uffef]")
OF_ANY = "·‘’“”—…"
# By which new runs divide and join texts. By the first, OPENING and CLOSING alone stood apart;
# before the third, there was a space between any two words.
WORD_RULES = 3
OLDER_WORD = re.compile(rf"[{HAN_AND_KANA}]|[^\s{HAN_AND_KANA}]+")
OF_WORDS = "@#%&*/\\_-'"  # punctuation to Unicode, and yet part of @ann, 5% and 's
OPENING, CLOSING = '([{"“„«‘', '.,;:!?…)]}"”»’'


class Span(NamedTuple):
    """Characters `start` to `end` (not included) of a text, and what they are."""

    start: int
    end: int
    label: str


class Tagged(NamedTuple):
    """A text, its words, and a tag for each.

    Attributes:
        text: the words of CoNLL or of a list, see `joined`; else as it was.
        words: (start, end) of each in the text, in order.
        tags: of each word, legal BIO.
        place: where it stands, as errors begin: "news.conll: line 7".
    """

    text: str
    words: list[tuple[int, int]]
    tags: list[str]
    place: str

    @property
    def spans(self) -> list[Span]:
        """What is marked in the text."""
        return spans_of(self.words, self.tags)


def is_tag(word: str) -> bool:
    """Whether a word is a tag of BIO, BIOES or BILOU."""
    return word == OUTSIDE or TAG.fullmatch(word) is not None


def joined(
    words: Sequence[str], tags: Sequence[str], place: str, rules: int = WORD_RULES
) -> Tagged:
    """Words with a space between them, but where their writing has none; see `Tag.rules`."""
    text, places = "", list[tuple[int, int]]()
    for word in words:
        if text and (rules < 3 or not _touch(text, word)):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return Tagged(text, places, in_bio(tags), place)


def _touch(text: str, word: str) -> bool:
    """Whether a word follows a text without a space."""
    if not all(one in OF_ANY or OF_UNSPACED.match(one) for one in (text[-1], word[0])):
        return False
    return OF_UNSPACED.search(text.rstrip(OF_ANY)[-1:] + word[0]) is not None


def in_bio(tags: Sequence[str]) -> list[str]:
    """Tags of IOB1, BIO, BIOES or BILOU as legal BIO.

    A span begins with B, S, U, and with whatever does not go on with a span of its type; it ends
    after E, L, S and U, and before O and before another type.
    """
    found, before, ended = list[str](), "", True
    for tag in tags:
        match = TAG.fullmatch(tag)
        if match is None:
            found.append(OUTSIDE)
            before, ended = "", True
            continue
        prefix, kind = match.groups()
        goes_on = prefix in "IELM" and kind == before and not ended
        found.append(f"{'I' if goes_on else 'B'}-{kind}")
        before, ended = kind, prefix in "ELSU"
    return found


def spans_of(words: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Span]:
    """The spans that legal BIO tags of words mark."""
    found: list[Span] = []
    for (start, end), tag in zip(words, tags, strict=True):
        if tag.startswith("B-"):
            found.append(Span(start, end, tag[2:]))
        elif tag.startswith("I-"):
            found[-1] = found[-1]._replace(end=end)
    return found


def words_of(text: str, rules: int = WORD_RULES) -> list[tuple[int, int]]:
    """The words of a text that is not divided yet: (start, end) of each; see `Tag.rules`."""
    found: list[tuple[int, int]] = []
    opens: Callable[[str], bool] = _is_punctuation if rules > 1 else OPENING.__contains__
    closes: Callable[[str], bool] = _is_punctuation if rules > 1 else CLOSING.__contains__
    for match in (WORD if rules > 1 else OLDER_WORD).finditer(text):
        start, end = match.span()
        if not any(c.isalnum() for c in match[0]):  # an emoticon, an ellipsis
            found.append((start, end))
            continue
        # .NET, .5 and ’tis are whole words.
        while opens(text[start]) and not (text[start] in ".’" and text[start + 1].isalnum()):
            found.append((start, start + 1))
            start += 1
        last = end
        while closes(text[end - 1]):
            end -= 1
        found.append((start, end))
        found += [(place, place + 1) for place in range(end, last)]
    return found


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") and character not in OF_WORDS


def tags_of(words: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[str]:
    """The tags of words, of which a span takes all that it touches and no other took before."""
    tags, waiting = [], 0
    begun = False
    for start, end in words:
        while waiting < len(spans) and spans[waiting].end <= start:
            waiting, begun = waiting + 1, False
        inside = waiting < len(spans) and spans[waiting].start < end
        tags.append(f"{'I' if begun else 'B'}-{spans[waiting].label}" if inside else OUTSIDE)
        begun = inside
    return tags
