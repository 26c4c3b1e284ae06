"""How far answers are from what they should be, counted in characters."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["character_error_rate", "edit_distance", "exact_match"]


def edit_distance(one: str, other: str) -> int:
    """How many characters to insert, delete or replace to turn one text into another.

    A column of the usual table is two whole numbers, a bit for each row. Myers, "A fast
    bit-vector algorithm for approximate string matching based on dynamic programming", 1999, in
    the form of Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit
    distances", 2003.
    """
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for k, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << k
    every, last = (1 << len(one)) - 1, 1 << len(one) - 1
    higher, lower, distance = every, 0, len(one)  # where a row is 1 more, or less, than above it
    for character in other:
        equal = places.get(character, 0)
        down = equal | lower
        across = (((equal & higher) + higher) ^ higher) | equal
        more = lower | (~(across | higher) & every)  # where a row is more than a column before
        less = higher & across
        distance += bool(more & last) - bool(less & last)
        more = (more << 1 | 1) & every
        less = (less << 1) & every
        higher = less | (~(down | more) & every)
        lower = more & down
    return distance


def character_error_rate(answers: Sequence[str], targets: Sequence[str]) -> float:
    """Edits that would put all answers right, for each character of the targets."""
    edits = sum(map(edit_distance, targets, answers))
    return edits / max(sum(map(len, targets)), 1)


def exact_match(answers: Sequence[str], targets: Sequence[str]) -> float:
    """The share of the answers that are right to the character."""
    right = sum(answer == target for answer, target in zip(answers, targets, strict=True))
    return right / max(len(targets), 1)
