"""Words for people: how many there are of something, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

__all__ = ["NAMED", "counted", "first_few", "listing"]

FEW = 5  # names in a note
NAMED, LONGEST = 20, 60  # names to choose from in an error, and characters of each


def counted(number: int, noun: str) -> str:
    """So many: "0 pairs", "1 pair", "2,000 pairs", "2 processes"."""
    plural = "" if number == 1 else "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{number:,} {noun}{plural}"


def first_few(names: Sequence[str]) -> str:
    """The first of some names as they are, for a note: "a, b, c, d, e, …"."""
    return ", ".join(names[:FEW]) + ", …" * (len(names) > FEW)


def listing(names: Iterable[str]) -> str:
    """The names of columns as a part of one line; of many or long ones, the beginning."""
    first = list(islice((" ".join(name.split()) for name in names), NAMED + 1))
    cut = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in first[:NAMED]]
    return ", ".join(cut) + ", …" * (len(first) > NAMED)
