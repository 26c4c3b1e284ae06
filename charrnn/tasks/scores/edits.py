"""How far answers are from what they should be, counted in characters."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["character_error_rate", "edit_distance", "exact_match"]


def edit_distance(one: str, other: str) -> int:
    """How many characters to insert, delete or replace to turn one text into another.

    A column of the table of distances is two whole numbers, a bit for each row. Myers, "A fast
    bit-vector algorithm for approximate string matching based on dynamic programming", 1999, whose
    names these are, in the form for whole texts of Hyyrö, "A bit-vector algorithm for computing
    Levenshtein and Damerau edit distances", 2003.
    """
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for k, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << k
    every, last = (1 << len(one)) - 1, 1 << len(one) - 1
    pv, mv, distance = every, 0, len(one)  # where a row is 1 more, or 1 less, than that above it
    for character in other:
        eq = places.get(character, 0)
        xv = eq | mv
        xh = (((eq & pv) + pv) ^ pv) | eq
        ph = mv | (~(xh | pv) & every)  # where a row is 1 more than in the column before
        mh = pv & xh  # where it is 1 less
        distance += bool(ph & last) - bool(mh & last)
        ph = (ph << 1 | 1) & every  # the row above all is 1 more in each column
        mh = (mh << 1) & every
        pv = mh | (~(xv | ph) & every)
        mv = ph & xv
    return distance


def character_error_rate(answers: Sequence[str], targets: Sequence[str]) -> float:
    """Edits that would put all answers right, for each character of the targets."""
    edits = sum(map(edit_distance, targets, answers))
    return edits / max(sum(map(len, targets)), 1)


def exact_match(answers: Sequence[str], targets: Sequence[str]) -> float:
    """The share of the answers that are right to the character."""
    right = sum(answer == target for answer, target in zip(answers, targets, strict=True))
    return right / max(len(targets), 1)
