"""The errors that users can see, each kind with its exit code, and warnings.

Each message is one line: what was found, then what to do about it.
"""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Any

__all__ = [
    "BadDataError",
    "CannotCreateError",
    "CharRNNError",
    "LockedError",
    "MissingInputError",
    "ReadWriteError",
    "UsageError",
    "first_line",
    "is_of_disk",
    "not_written",
    "printable",
    "warn",
]


# Not printable by themselves, but part of words in Persian or Hindi, and of emoji.
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
LONGEST = 300  # characters that are shown of what a library says, which may be a whole file


def printable(text: str) -> str:
    """`text` on one line: what nobody would see, or would break it, as escapes."""
    text = str(text)
    shown = JOINERS if text.strip(JOINERS) else ""  # with nothing to join, they would be hidden
    return "".join(c if c.isprintable() or c in shown else repr(c)[1:-1] for c in text)


def first_line(error: Exception) -> str:
    """What an error of a library says first, for the middle of a line; else what kind it is."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    found = (lines[0] if lines else type(error).__name__).rstrip(".")
    return found if len(found) <= LONGEST else found[:LONGEST] + "…"


class CharRNNError(Exception):
    """Something that went wrong and that the user can do something about.

    Args:
        found: what was found, as the first half of a sentence.
        advice: what to do now, as the second half.
    """

    exit_code = 1

    def __init__(self, found: str, advice: str) -> None:
        self.found = printable(found)
        self.advice = printable(advice)
        super().__init__(f"{self.found}; {self.advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        """So that one raised in a worker process arrives in the one that waits for it."""
        return type(self), (self.found, self.advice), self.__dict__


class UsageError(CharRNNError):
    """A setting or argument that can't be used.

    Args:
        found, advice: see `CharRNNError`.
        setting: the name of the setting that `found` begins with, if it does.
    """

    exit_code = 2

    def __init__(self, found: str, advice: str, setting: str = "") -> None:
        super().__init__(found, advice)
        self.setting = setting


class BadDataError(CharRNNError):
    """A text or a model that is not what it should be."""

    exit_code = 65


class MissingInputError(CharRNNError):
    """An input that does not exist."""

    exit_code = 66


class CannotCreateError(CharRNNError):
    """An output that can't be created."""

    exit_code = 73


class ReadWriteError(CharRNNError):
    """A read or a write that failed midway."""

    exit_code = 74


def is_of_disk(error: OSError) -> bool:
    """Whether an error is about the disk, and not about what was asked of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def not_written(path: object, error: OSError, option: str) -> CharRNNError:
    """The error for an output, chosen with `option`, that can't be created or written."""
    if is_of_disk(error):
        return ReadWriteError(f"{path}: {error.strerror}", "make room or check the disk")
    return CannotCreateError(f"{path}: {error.strerror}", f"choose another {option}")


class LockedError(CharRNNError):
    """A folder that another process is working on."""

    exit_code = 75


def warn(message: str) -> None:
    """Warn at the line outside of charrnn that has led here, so that its author finds it."""
    level, frame = 2, sys._getframe(1)  # where `warn` was called
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "charrnn":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
