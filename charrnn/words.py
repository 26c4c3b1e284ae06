"""Words for people: how many there are of something, and what they are called."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePath
from shlex import quote

__all__ = [
    "NAMED",
    "as_argument",
    "beginning",
    "by_number",
    "counted",
    "first_few",
    "is_path",
    "leave_out",
    "listing",
    "quoted",
    "together",
    "twins",
]

FEW = 5  # names in a note
NAMED, LONGEST = 20, 60  # names to choose from in an error, and characters of each
NUMBER = re.compile("[0-9]+")
PLAIN_ON_WINDOWS = re.compile(r"[\w%+=:./\\-]+")  # what its shells hand on as it is
NAME = 100  # characters of the longest name of a file or folder that anyone would give


def counted(number: int, noun: str) -> str:
    """So many: "0 pairs", "1 pair", "2,000 pairs", "2 processes"."""
    plural = "" if number == 1 else "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{number:,} {noun}{plural}"


def first_few(names: Sequence[str]) -> str:
    """The first of some names as they are, for a note: "a, b, c, d, e, …"."""
    return ", ".join(names[:FEW]) + ", …" * (len(names) > FEW)


def leave_out(names: Sequence[str]) -> str:
    """The advice on names that may not be given: "leave it out", "leave them out"."""
    return f"leave {'it' if len(names) == 1 else 'them'} out"


def listing(names: Iterable[str], longest: int = LONGEST) -> str:
    """The names of columns as a part of one line; of many or long ones, the beginning."""
    first = list(islice((" ".join(name.split()) for name in names), NAMED + 1))
    shown = [beginning(name, longest) for name in first[:NAMED]]
    return ", ".join(shown) + ", …" * (len(first) > NAMED)


def beginning(text: str, longest: int = LONGEST) -> str:
    """`text` as a part of one line; of one with more characters, the beginning."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def by_number(path: str) -> tuple[str, str]:
    """A key that sorts paths as people do: folder by folder, and numbers in names by their value.

    A number sorts where the digit 0 does; those of one value as they are written.
    """
    return NUMBER.sub(_by_length, "\0".join(PurePath(path).parts)), path


def _by_length(number: re.Match[str]) -> str:
    digits = number[0].lstrip("0")
    return f"0{chr(len(digits))}{digits}"


def as_argument(path: str | Path) -> str:
    """A path as an argument of a command to be typed, where it is no option."""
    path = str(path)
    return quoted(f"./{path}" if path.startswith("-") and path != "-" else path)


def quoted(word: str) -> str:
    """A word of a command to be typed."""
    if sys.platform != "win32":
        return quote(word)
    # Some of its shells hand on apostrophes, and a backslash before a quotation mark is lost.
    return word if PLAIN_ON_WINDOWS.fullmatch(word) else '"{}"'.format(word.rstrip("\\"))


def is_path(source: str) -> bool:
    """Whether something may well be a path, and not a text that was given in place of one."""
    return "\n" not in source and all(len(name) <= NAME for name in Path(source).parts)


def together(names: Sequence[str]) -> str:
    """What is wrong with names that exclude each other: "a, b and c are all given"."""
    return (
        f"{', '.join(names[:-1])} and {names[-1]} are {'both' if len(names) == 2 else 'all'} given"
    )


def twins(names: Iterable[str], kind: str) -> list[str]:
    """A note on names that look the same and are not, if there are any; in ASCII, to show both.

    Args:
        names: which may stand in two normal forms of Unicode, or have other spaces.
        kind: what they are, in the plural.
    """
    first: dict[str, str] = {}
    seen = [(first.setdefault(_look(name), name), name) for name in names]
    found = [(one, other) for one, other in seen if one != other]
    if not found:
        return []
    one, other = map(ascii, found[0])
    more = f"; {counted(len(found) - 1, 'more pair')} too" if len(found) > 1 else ""
    return [f"{one} and {other} look the same, and are two {kind}{more}"]


def _look(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())
