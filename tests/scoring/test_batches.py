"""Texts side by side: each once, and little of what is read is padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharRNN, CharTokenizer
from charrnn.evaluation.surprisals import surprisals
from charrnn.scoring.batches import BLOCK, ROWS, SHORT, alike, blocks, groups
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


@pytest.mark.parametrize("tokens", [12, 40, 1_000])
def test_texts_side_by_side_are_of_like_length(tokens: int) -> None:
    lengths = [3, 300, 17, 5, 90, 31, 2, 200, 64, 8]
    rows = [np.full(length, length, np.int32) for length in lengths * 3]
    seen = list[int]()
    for places, ids, found in groups(rows, tokens):
        assert ids.size <= tokens or len(places) == 1
        assert ids.shape[1] <= max(2 * found.min(), 64)
        for place, row, length in zip(places, ids, found, strict=True):
            assert (row[:length] == rows[place]).all()
            assert not row[length:].any()
        seen += places.tolist()
    assert sorted(seen) == list(range(len(rows)))
    assert groups([], tokens) == []
