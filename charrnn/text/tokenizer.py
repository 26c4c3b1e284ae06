"""Text to token ids and back.

    text ──encode──▶ ids (N,) int32 ──decode──▶ text

A tokenizer is a small value that is stored as JSON in the model folder. That of a model of records
has one token more, the last: `end`, which stands before and after every record.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from charrnn.array_checks import checked_ids
from charrnn.arrays import Ids, code_points
from charrnn.config import Unknown
from charrnn.decoding.cleaning import has_surrogate
from charrnn.errors import BadDataError, UsageError, warn
from charrnn.words import leave_out

__all__ = [
    "ByteTokenizer",
    "CharTokenizer",
    "Form",
    "StreamDecoder",
    "Tokenizer",
    "check_text",
    "in_form",
    "known_form",
    "make_tokenizer",
]

StreamDecoder = Callable[[Sequence[int], bool], str]  # (the next ids, whether they are the last)

# Tried in this order as the stand-in for a character the vocabulary lacks.
STAND_INS = "\N{REPLACEMENT CHARACTER}? "
LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte
Form = Literal["", "NFC", "NFD"]  # of Unicode, in which texts are kept; "" for whatever one has
FORMS: tuple[Form, ...] = ("NFC", "NFD")


class CharTokenizer(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="char",
    dict=True,
):
    """One id for each code point of `characters`, in their sorted order.

    Args:
        characters: the vocabulary: distinct code points, sorted.
        end: how the end of a record reads; None if the text has no records.

    Raises:
        UsageError: if `characters` is empty, unsorted, repeats itself or holds a lone surrogate.
    """

    characters: str
    end: Annotated[str, Meta(min_length=1)] | None = None
    unit: ClassVar[str] = "character"  # what a token is, for people
    loss_per: ClassVar[str] = "character"  # and what its loss is a loss per; an end counts as one

    def __post_init__(self) -> None:
        check_text(self.characters)
        advice = "use CharTokenizer.from_text"
        if not self.characters:
            raise UsageError("a vocabulary needs at least one character", advice)
        if any(a >= b for a, b in zip(self.characters, self.characters[1:], strict=False)):
            raise UsageError("the characters of a vocabulary are not distinct and sorted", advice)
        if has_surrogate(self.characters):
            raise UsageError("a lone surrogate is not a character", advice)

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """The tokenizer that knows exactly the characters of `text`.

        Raises:
            BadDataError: if the text is empty or holds a lone surrogate.
        """
        check_text(text)
        if not text:
            raise BadDataError("a vocabulary needs at least one character", "use a longer text")
        if has_surrogate(text):
            advice = "use --tokenizer byte, or --errors replace (in Python tokenizer='byte')"
            raise BadDataError("the text has bytes that are not text", advice)
        return cls("".join(sorted(set(text))))

    @property
    def vocab_size(self) -> int:
        """V, the number of different ids."""
        return len(self.characters) + (self.end is not None)

    @property
    def end_id(self) -> int | None:
        """The id of a record's end; None if there are no records."""
        return None if self.end is None else len(self.characters)

    @cached_property
    def _codes(self) -> NDArray[np.uint32]:
        return code_points(self.characters)  # (V,), sorted

    @cached_property
    def _ids(self) -> Ids:
        """The id of each code point, up to one past the last known; -1 for the unknown."""
        table = np.full(int(self._codes[-1]) + 2, -1, np.int32)
        table[self._codes] = np.arange(len(self.characters))
        return table

    @cached_property
    def _stand_in(self) -> int:
        return next((self.characters.index(c) for c in STAND_INS if c in self.characters), 0)

    def encode(self, text: str, unknown: Unknown = "error") -> Ids:
        """The ids of `text`, one for each character.

        Where that leaves fewer characters unknown, the text is taken in another normal form of
        Unicode, with a warning: "é" may be one character or two, and looks the same.

        Args:
            text: any text.
            unknown: what to do with characters outside the vocabulary: refuse the text,
                `skip` them, or `replace` each with the first of these that the vocabulary
                has: U+FFFD, "?", a space, its own first character.

        Returns:
            ids: (N,), where N is the length of `text` without the skipped characters, in the form
                in which it is taken.

        Raises:
            UsageError: if `unknown` is "error" and there are such characters; names them.
        """
        _check_arguments(text, unknown)
        ids = self._look_up(text)
        if (ids < 0).any():
            return self.encode_as_is(self.in_known_form([text])[0], unknown)
        return ids

    def encode_as_is(self, text: str, unknown: Unknown = "error") -> Ids:
        """As `encode`, but the text is taken in the form of Unicode that it has."""
        ids = self._look_up(text)
        known = ids >= 0  # (N,)
        if known.all():
            return ids
        if unknown == "error":
            raise _unknown_characters(sorted(set(text).difference(self.characters)))
        return ids[known] if unknown == "skip" else np.where(known, ids, self._stand_in)

    def _look_up(self, text: str) -> Ids:
        """The id of each character of `text` (N,); -1 for the unknown."""
        ids: Ids = self._ids.take(code_points(text), mode="clip")
        return ids

    def count_unknown(self, texts: Sequence[str]) -> tuple[int, int]:
        """How many characters of `texts` are outside the vocabulary, and how many there are.

        Each text is taken in the form of Unicode in which `encode` takes it.
        """
        taken = "".join(self.in_known_form(texts))
        return int((self._look_up(taken) < 0).sum()), len(taken)

    def ids_of(self, text: str, stand_in: str) -> Ids:
        """The ids of `text` (N,), that of `stand_in` for characters outside the vocabulary.

        Character n of the text is id n, whatever it is.
        """
        ids = self._look_up(text)
        return np.where(ids < 0, self._ids[ord(stand_in)], ids)

    def in_known_form(self, texts: Sequence[str]) -> list[str]:
        """Each of `texts` in the form of Unicode that leaves fewest of its characters unknown.

        A text keeps its form unless another one leaves fewer of its characters unknown, and no new
        ones.

        Warns:
            UserWarning: once for all that are changed.
        """
        if (self._look_up("".join(texts)) >= 0).all():
            return list(texts)
        characters = frozenset(self.characters)
        forms = {text: _form_of(text, characters) for text in set(texts)}
        if named := " or ".join(sorted({*forms.values()} - {""})):
            # The same words, whatever the text: Python says them once for a line of a program.
            why = f"the model knows its characters only in the normal form {named} of Unicode"
            warn(f"the text is read in another form, since {why}")
        return [in_form(forms[text], text) for text in texts]

    def decode(self, ids: NDArray[np.integer]) -> str:
        """The text of `ids` (N,)."""
        found = checked_ids(ids, self.vocab_size, 1)
        if self.end is not None:
            return self.decoder()(found.tolist(), True)
        return str(self._codes[found].tobytes(), "utf-32-le")

    def decoder(self) -> StreamDecoder:
        """A fresh decoder of ids that arrive piece by piece."""
        # A few ids at a time: quicker than `decode`.
        texts = self.characters if self.end is None else [*self.characters, self.end]
        return lambda ids, _final: "".join([texts[k] for k in ids])


def _form_of(text: str, known: frozenset[str]) -> Form:
    return known_form(lambda form: set(in_form(form, text)), known)


def known_form(characters_in: Callable[[Form], set[str]], known: frozenset[str]) -> Form:
    """The form of Unicode that leaves fewest characters unknown, and no new ones.

    Args:
        characters_in: gives those of some text in a form.
        known: those of a vocabulary.
    """
    found: Form = ""
    unknown = characters_in("") - known
    for form in FORMS if unknown else ():
        if (fewer := characters_in(form) - known) < unknown:
            found, unknown = form, fewer
    return found


def in_form(form: Form, text: str) -> str:
    """`text` in a form of Unicode."""
    return unicodedata.normalize(form, text) if form else text


class ByteTokenizer(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="byte",
):
    """One id for each of the 256 values of a byte of UTF-8: no character is ever unknown.

    Bytes that are not UTF-8 come to `encode` as Python's surrogate escapes and keep their values.

    Args:
        end: how the end of a record reads; None if the text has no records.
    """

    end: Annotated[str, Meta(min_length=1)] | None = None
    unit: ClassVar[str] = "byte"  # what a token is, for people

    @property
    def loss_per(self) -> str:
        """What the loss of a token is a loss per, for people; an end may be several bytes."""
        end = (self.end or "\n").encode("utf-8", "surrogatepass")
        return "byte" if len(end) == 1 else "token"

    @property
    def vocab_size(self) -> int:
        """V, the number of different ids: 256, and one for a record's end."""
        return 256 + (self.end is not None)

    @property
    def end_id(self) -> int | None:
        """The id of a record's end; None if there are no records."""
        return None if self.end is None else 256

    def encode(self, text: str, unknown: Unknown = "error") -> Ids:
        """The bytes of `text` as ids (N,).

        Args:
            text: any text.
            unknown: what to do with lone surrogates that stand for no byte, as in
                `CharTokenizer.encode`; `replace` puts "?" in their place.

        Raises:
            UsageError: if `unknown` is "error" and there are any.
        """
        _check_arguments(text, unknown)
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            if unknown == "error":
                raise _unknown_characters(sorted(set(LONE.findall(text)))) from None
            cleaned = LONE.sub("?" if unknown == "replace" else "", text)
            data = cleaned.encode("utf-8", "surrogateescape")
        return np.frombuffer(data, np.uint8).astype(np.int32)

    encode_as_is = encode

    def count_unknown(self, texts: Sequence[str]) -> tuple[int, int]:
        """How many characters of `texts` no bytes stand for, and how many there are."""
        taken = "".join(texts)
        return len(LONE.findall(taken)), len(taken)

    def in_known_form(self, texts: Sequence[str]) -> list[str]:
        """`texts`: bytes can write every form of Unicode."""
        return list(texts)

    def decode(self, ids: NDArray[np.integer]) -> str:
        """The text of `ids` (N,); bytes that are not UTF-8 become U+FFFD."""
        found = checked_ids(ids, self.vocab_size, 1)
        if self.end is not None:
            return self.decoder()(found.tolist(), True)
        return found.astype(np.uint8).tobytes().decode("utf-8", "replace")

    def decoder(self) -> StreamDecoder:
        """A fresh decoder of ids that arrive piece by piece; it waits for whole characters."""
        utf8, end = codecs.getincrementaldecoder("utf-8")("replace"), self.end
        if end is None:
            return lambda ids, final: utf8.decode(bytes(ids), final)

        def decode(ids: Sequence[int], final: bool) -> str:
            *whole, rest = _between(ids, 256)
            records = [utf8.decode(bytes(part), True) + end for part in whole]
            return "".join(records) + utf8.decode(bytes(rest), final)

        return decode


def _between(ids: Sequence[int], mark: int) -> Iterator[Sequence[int]]:
    """The parts of `ids` between those that are `mark`."""
    begin = 0
    for place, token in enumerate(ids):
        if token == mark:
            yield ids[begin:place]
            begin = place + 1
    yield ids[begin:]


Tokenizer = CharTokenizer | ByteTokenizer


def make_tokenizer(kind: Literal["char", "byte"], text: str, end: str | None = None) -> Tokenizer:
    """A new tokenizer of this kind, for `text`; `end` is how a record's end reads, if there are."""
    if kind == "byte":
        return ByteTokenizer(end)
    return CharTokenizer(CharTokenizer.from_text(text).characters, end)


def check_text(text: str) -> None:
    """Check that a text is one.

    Raises:
        UsageError: if it is anything else.
    """
    if not isinstance(text, str):
        raise UsageError(f"the text is of type {type(text).__name__}", "it must be a string")


def _check_arguments(text: str, unknown: Unknown) -> None:
    check_text(text)
    if not isinstance(unknown, str) or unknown not in get_args(Unknown):
        raise UsageError(f"unknown is {unknown!r}", f"choose from {', '.join(get_args(Unknown))}")


def _unknown_characters(characters: list[str]) -> UsageError:
    names = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:20])
    more = f" and {len(characters) - 20} more" if len(characters) > 20 else ""
    noun = "a character" if len(characters) == 1 else f"{len(characters)} characters"
    return UsageError(
        f"the model does not know {noun} of the text: {names}{more}",
        f"{leave_out(characters)}, or choose --unknown skip or --unknown replace "
        "(in Python unknown='skip')",
    )
