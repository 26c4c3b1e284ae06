"""What is counted of a text: characters and bytes, those of ends among them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from charrnn import ByteTokenizer, CharTokenizer
from charrnn.scoring.score import score_of
from charrnn.text.prepared import encode_records


def test_what_costs_nothing_costs_zero() -> None:
    """Not -0.0, which JSON would show."""
    score = score_of(-0.0, CharTokenizer("ab"), np.zeros(0, np.int32))
    assert {math.copysign(1, fact) for fact in score.facts().values()} == {1.0}


@pytest.mark.parametrize(
    ("text", "characters"), [("é", 1), ("éa", 2), ("—é🎭", 3), ("a", 0), ("aé", 1), ("ab", 1)]
)
def test_a_character_counts_if_some_of_its_bytes_are_scored(text: str, characters: int) -> None:
    """The first byte of a text is not predicted, the others of its character are."""
    tokenizer = ByteTokenizer()
    before, *ids = tokenizer.encode(text).tolist()
    score = score_of(1.0, tokenizer, np.array(ids, np.int32), before)
    assert (score.characters, score.bytes) == (characters, len(ids))
    backwards = [before, *ids][::-1]
    score = score_of(1.0, tokenizer, np.array(backwards[1:], np.int32), backwards[0])
    assert score.characters == len(text) - (len(text[-1].encode()) == 1)


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n — \n"])
def test_a_list_has_as_many_bytes_in_bytes_as_in_characters(end: str) -> None:
    """Each end was one byte, so bits per byte of the two models were not comparable."""
    records = ["éa", "—", "aa—é"]
    found = []
    for tokenizer in (ByteTokenizer(end), CharTokenizer("aé—", end)):
        score = score_of(1.0, tokenizer, encode_records(tokenizer, records))
        found.append((score.characters, score.bytes))
    text = "".join(record + end for record in records)
    assert found == [(len("".join(records)) + len(records), len(text.encode()))] * 2
