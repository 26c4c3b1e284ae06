"""What there is one of is singular, and all else is not."""

from __future__ import annotations

import pytest

from charrnn.words import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "record", "0 records"),
        (1, "training pair", "1 training pair"),
        (2_000, "pair", "2,000 pairs"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
    ],
)
def test_how_many_there_are(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words
