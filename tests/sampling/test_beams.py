"""Beam search finds what an exhaustive search finds, where that can be made."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from charrnn import CharRNNError, CharTokenizer, Model
from tests.conftest import changed, random_model


@pytest.fixture
def model(cell: str) -> Model:
    drawn = random_model(cell, CharTokenizer("\nabc"))
    return changed(drawn, {name: 3 * values for name, values in drawn.weights.items()})


def _all_texts(model: Model, length: int) -> dict[str, float]:
    texts = map("".join, itertools.product("\nabc", repeat=length))
    return {text: float(model.log_probs("a" + text).sum()) for text in texts}


def test_with_enough_beams_the_likeliest_texts_are_found(model: Model) -> None:
    scores = _all_texts(model, 4)
    expected = sorted(scores, key=lambda text: -scores[text])[:5]
    found = model.beam_search(64, "a", max_new_tokens=4)
    assert [beam.text for beam in found[:5]] == expected
    for beam in found:
        assert beam.log_prob == pytest.approx(scores[beam.text], abs=1e-4)
        assert beam.score == pytest.approx(beam.log_prob / 4)


def test_one_beam_is_greedy(model: Model) -> None:
    (beam,) = model.beam_search(1, "ab", max_new_tokens=12)
    assert beam.text == model.generate("ab", max_new_tokens=12, temperature=0)


def test_more_beams_are_never_worse_here(model: Model) -> None:
    scores = [model.beam_search(k, "a", max_new_tokens=6)[0].log_prob for k in (1, 200)]
    assert scores[1] >= scores[0] - 1e-6


def test_texts_end_at_stops_and_the_length_penalty_ranks_them(model: Model) -> None:
    short = model.beam_search(20, "a", max_new_tokens=6, stop_strings=("b",), length_penalty=0.0)
    long = model.beam_search(20, "a", max_new_tokens=6, stop_strings=("b",), length_penalty=3.0)
    assert all("b" not in beam.text for beam in short + long)
    assert [beam.score for beam in short] == sorted((b.log_prob for b in short), reverse=True)
    assert np.mean([b.tokens for b in long]) >= np.mean([b.tokens for b in short])


def test_banned_characters_are_not_searched(model: Model) -> None:
    assert all(set(beam.text) <= {"a", "c"} for beam in model.beam_search(9, ban="b\n"))


def test_impossible_searches_are_refused(model: Model) -> None:
    with pytest.raises(CharRNNError, match="num_beams is 0"):
        model.beam_search(0)
    with pytest.raises(CharRNNError, match="needs an end"):
        model.beam_search(2, max_new_tokens=None)
    assert model.beam_search(3, max_new_tokens=0)[0].text == ""


@pytest.mark.parametrize("end", [None, "\n"])
def test_a_search_without_stops_finds_what_one_whose_stop_never_comes_finds(
    end: str | None, cell: str
) -> None:
    """Such a search need not read each path again to see whether it has ended."""
    model = random_model(cell, CharTokenizer("abc" if end else "\nabc", end))
    found = model.beam_search(5, "a", max_new_tokens=13)
    assert found == model.beam_search(5, "a", max_new_tokens=13, stop_strings=("a" * 14,))
    assert {len(beam.text) for beam in found} == {13} if end is None else found
