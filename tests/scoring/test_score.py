"""Texts side by side: each once, and little of what is read is padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNN, CharTokenizer
from charrnn.evaluation.surprisals import surprisals
from charrnn.scoring.score import BLOCK, ROWS, SHORT, alike, blocks, score_of
from charrnn.text.prepared import encode_records
from charrnn.text.spool import records_of
from tests.conftest import small_config

LENGTHS = st.lists(st.integers(1, 40) | st.integers(1, 3000), max_size=300)


@given(LENGTHS, st.integers(1, 50))
def test_what_is_read_side_by_side_is_at_most_half_padding(lengths: list[int], most: int) -> None:
    """One long line among short ones made all of them as long, and took the memory of that."""
    found = list(alike(np.array(lengths, np.int64), most))
    assert sorted(row for rows in found for row in rows.tolist()) == list(range(len(lengths)))
    for rows in found:
        own = [lengths[row] for row in rows]
        assert len(own) <= most
        assert own == sorted(own)
        assert own[-1] <= max(2 * own[0], SHORT)


def test_lines_are_batches_of_what_they_hold() -> None:
    random = np.random.default_rng(4)
    lengths = [*random.integers(1, 90, BLOCK), 5000, *random.integers(1, 90, ROWS)]
    lines = [random.integers(1, 9, length).astype(np.int32) for length in lengths]
    found = list[list[int]]()
    for block in blocks(lines):
        begin, texts = len(found), dict[int, list[int]]()
        for rows, padded, own in block:
            for row, ids, length in zip(rows, padded, own, strict=True):
                texts[int(row)] = ids[:length].tolist()
                assert not ids[length:].any()
        found += [texts[row] for row in range(len(texts))]
        assert len(found) - begin in (BLOCK, 1 + ROWS)
    assert found == [line.tolist() for line in lines]


def test_a_long_record_makes_no_work_for_short_ones() -> None:
    network = CharRNN(small_config("gru", vocab_size=4))
    tokenizer = CharTokenizer("abc", "\n")
    records = records_of("\n".join([*["ab", "c"] * 50, "abc" * 500, "ba" * 7]), tokenizer)
    read = list[int]()
    network.register_forward_hook(lambda _network, given, _found: read.append(given[0].numel()))
    assert len(surprisals(network, records)) == records.size
    assert records.size <= sum(read) <= 2 * records.size + SHORT * records.count


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
