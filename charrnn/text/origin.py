"""Where a corpus and its validation set were read, and how, so that a run can find them again."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from charrnn.config import HUB, STANDARD_INPUT, Reading
from charrnn.errors import MissingInputError, UsageError
from charrnn.text.bundled import BUNDLED
from charrnn.text.corpus import Corpus, Sources
from charrnn.words import as_argument

__all__ = [
    "Origin",
    "Where",
    "is_read_once",
    "origin_of",
    "place_of",
    "reading_for_validation",
    "working_folder",
]


Where = tuple[tuple[str, ...], Reading]  # the first two of an `Origin`


class Origin(NamedTuple):
    """Where a corpus and its validation set were read, and how.

    Attributes:
        sources: absolute paths of files, absolute globs, and names of bundled corpora and data
            sets; "-" for what is read once, or a text that was given as a `Corpus`.
        reading: encoding and columns.
        validation: where the user's own validation set was, as `sources`; empty without one.
        before: where the models that the run started from had read their texts: by fingerprint.
    """

    sources: tuple[str, ...]
    reading: Reading
    validation: tuple[str, ...] = ()
    before: Mapping[str, Where] = MappingProxyType({})

    @property
    def is_gone(self) -> bool:
        """Whether a part of the corpus can't be read again."""
        return STANDARD_INPUT in self.sources

    @property
    def validation_is_gone(self) -> bool:
        """Whether a part of the validation set can't be read again."""
        return STANDARD_INPUT in self.validation

    @property
    def words(self) -> str:
        """The sources in a command; where several are gone, standard input can't be all of them."""
        return " ".join(map(self._word, self.sources))

    @property
    def validation_words(self) -> str:
        """The options that name the validation set in a command; see `words`."""
        return " ".join(f"--validation {self._word(one)}" for one in self.validation)

    def _word(self, source: str) -> str:
        if source != STANDARD_INPUT:
            return as_argument(source)
        return source if (self.sources + self.validation).count(source) == 1 else "FILE"


def origin_of(sources: Sources, reading: Reading, validation: Sources | None = None) -> Origin:
    """Where sources can be found again, from any working directory.

    Args:
        sources, reading: of the corpus.
        validation: the user's own validation set, if there is one.

    Raises:
        UsageError: for a name that is not UTF-8, which no JSON file can hold.
    """
    held = () if validation is None else _places(validation)
    return Origin(_places(sources), reading, held)


def reading_for_validation(validation: Sources, reading: Reading) -> Reading:
    """How a validation set is read: as its corpus, but data sets from their split `validation`."""
    is_hub = not isinstance(validation, Corpus) and any(str(s).startswith(HUB) for s in validation)
    split = "validation" if is_hub else Reading().split
    return msgspec.structs.replace(reading, split=split)


def _places(sources: Sources) -> tuple[str, ...]:
    """See `origin_of`."""
    if isinstance(sources, Corpus):
        return (STANDARD_INPUT,)
    for source in sources:
        try:
            str(source).encode()
        except UnicodeEncodeError:
            found = f"{source}: its name is not UTF-8, so a run could not find it again"
            advice = "rename it, or give it as standard input"
            with suppress(UnicodeError):  # half a character is in no name of any encoding
                name = os.fsencode(source).decode()
                found = f"{name}: Python takes names for {sys.getfilesystemencoding()} here"
                advice = "set PYTHONUTF8=1, or give it as standard input"
            raise UsageError(found, advice) from None
    return tuple(map(place_of, sources))


def working_folder() -> Path:
    """The working folder; to be asked for before PyTorch is loaded, which ends without one.

    Raises:
        MissingInputError: if it was deleted.
    """
    try:
        return Path.cwd()
    except OSError:
        raise MissingInputError("the working folder was deleted", "go to another") from None


def is_read_once(source: str | Path) -> bool:
    """Whether a source is gone once it is read: standard input, a pipe or a device."""
    if str(source) == STANDARD_INPUT:
        return True
    # Unlike Path's methods, these find nothing where a name is empty, too long or out of reach.
    lasts = os.path.isfile(source) or os.path.isdir(source)  # noqa: PTH112, PTH113
    return os.path.exists(source) and not lasts  # noqa: PTH110


def place_of(source: str | Path) -> str:
    """Where a source can be found again, as in `Origin.sources`."""
    if is_read_once(source):
        return STANDARD_INPUT
    source = str(source)
    if os.path.exists(source):  # noqa: PTH110
        place = os.path.abspath(source)  # noqa: PTH100
        is_shared = not place.startswith(("/dev/", "/proc/"))  # as /dev/stdin is not
        return place if is_shared else os.path.realpath(place)
    if source.startswith(HUB) or source in BUNDLED or os.path.isabs(source):  # noqa: PTH117
        return source
    return os.path.join(glob.escape(str(working_folder())), source)  # noqa: PTH118 - a glob
