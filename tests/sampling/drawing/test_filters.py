"""Each filter does what the processor of its name does in transformers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharTokenizer, SampleConfig
from charrnn.arrays import log_softmax, softmax
from charrnn.sampling.drawing import filters
from charrnn.sampling.drawing.distribution import probabilities
from charrnn.sampling.drawing.draws import Draws
from tests.conftest import V

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers.generation import logits_process as theirs

LOGITS = np.random.default_rng(0).normal(0, 3, (40, 13))  # (B, V)
RECENT = np.random.default_rng(1).integers(0, 13, (40, 6))  # (B, W)

PAIRS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "top_k 1": (lambda x: filters.top_k(x, 1), theirs.TopKLogitsWarper(1)),
    "top_k 5": (lambda x: filters.top_k(x, 5), theirs.TopKLogitsWarper(5)),
    "top_k 99": (lambda x: filters.top_k(x, 99), theirs.TopKLogitsWarper(99)),
    "top_p 0.9": (lambda x: filters.top_p(x, 0.9), theirs.TopPLogitsWarper(0.9)),
    "top_p 0.1": (lambda x: filters.top_p(x, 0.1), theirs.TopPLogitsWarper(0.1)),
    "min_p 0.05": (lambda x: filters.min_p(x, 0.05), theirs.MinPLogitsWarper(0.05)),
    "min_p 0.7": (lambda x: filters.min_p(x, 0.7), theirs.MinPLogitsWarper(0.7)),
    "typical_p 0.9": (lambda x: filters.typical_p(x, 0.9), theirs.TypicalLogitsWarper(0.9)),
    "typical_p 0.2": (lambda x: filters.typical_p(x, 0.2), theirs.TypicalLogitsWarper(0.2)),
    "repetition_penalty 1.3": (
        lambda x: filters.repetition_penalty(x, RECENT, 1.3),
        theirs.RepetitionPenaltyLogitsProcessor(1.3),
    ),
    "repetition_penalty 0.8": (
        lambda x: filters.repetition_penalty(x, RECENT, 0.8),
        theirs.RepetitionPenaltyLogitsProcessor(0.8),
    ),
    "ban": (
        lambda x: filters.only(x, ~np.isin(np.arange(13), [2, 7])),
        theirs.SuppressTokensLogitsProcessor([2, 7]),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_filter_is_the_one_of_transformers(name: str) -> None:
    ours, processor = PAIRS[name]
    before = LOGITS.copy()
    expected = processor(torch.from_numpy(RECENT), torch.from_numpy(LOGITS.copy()))
    np.testing.assert_allclose(ours(LOGITS), expected.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(LOGITS, before)


def test_all_together_in_their_order() -> None:
    processors = theirs.LogitsProcessorList(
        [
            theirs.TemperatureLogitsWarper(0.7),
            theirs.TopKLogitsWarper(9),
            theirs.TopPLogitsWarper(0.95),
            theirs.MinPLogitsWarper(0.02),
            theirs.TypicalLogitsWarper(0.9),
        ]
    )
    expected: Any = processors(torch.from_numpy(RECENT), torch.from_numpy(LOGITS.copy()))
    config = SampleConfig(top_k=9, top_p=0.95, min_p=0.02, typical_p=0.9)
    found = probabilities(LOGITS, config, temperature=0.7)
    np.testing.assert_allclose(found, expected.softmax(-1).numpy(), rtol=1e-9, atol=1e-15)


def test_all_together_after_a_penalty_and_a_list() -> None:
    """All steps of a draw, in Hugging Face's order."""
    processors = theirs.LogitsProcessorList(
        [
            theirs.RepetitionPenaltyLogitsProcessor(1.3),
            theirs.SuppressTokensLogitsProcessor([2, 7]),
            theirs.TemperatureLogitsWarper(1.7),
            theirs.TopKLogitsWarper(8),
            theirs.TopPLogitsWarper(0.97),
            theirs.MinPLogitsWarper(0.01),
            theirs.TypicalLogitsWarper(0.95),
        ]
    )
    expected: Any = processors(torch.from_numpy(RECENT), torch.from_numpy(LOGITS.copy()))
    config = SampleConfig(
        top_k=8, top_p=0.97, min_p=0.01, typical_p=0.95, ban="ch", repetition_penalty=1.3
    )
    tokenizer = CharTokenizer("abcdefghijklm")
    for recent, logits, wanted in zip(RECENT, LOGITS, expected.softmax(-1), strict=True):
        draws = Draws(tokenizer, config, recent.astype(np.int32), [0])
        found = probabilities(draws.permitted(logits[None]), config, temperature=1.7)
        np.testing.assert_allclose(found[0], wanted.numpy(), rtol=1e-9, atol=1e-15)


def test_rows_are_filtered_each_for_itself() -> None:
    for name, (ours, _) in PAIRS.items():
        if "repetition" not in name:
            alone = np.vstack([ours(row[None]) for row in LOGITS])
            np.testing.assert_array_equal(ours(LOGITS), alone, err_msg=name)
            np.testing.assert_array_equal(ours(LOGITS[0]), alone[0], err_msg=name)


@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=30),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.integers(1, 40),
    st.floats(0.01, 10),
)
def test_filters_always_leave_a_distribution(
    logits: list[float], p: float, low: float, typical: float, k: int, temperature: float
) -> None:
    config = SampleConfig(top_p=p, top_k=k, min_p=low, typical_p=typical)
    chances = probabilities(np.array(logits, np.float32), config, temperature)
    assert chances.sum() == pytest.approx(1)
    assert (chances >= 0).all()


def test_softmax_and_its_logarithm_agree() -> None:
    logits = np.append(
        np.random.default_rng(2).normal(0, 30, (4, V)), [[1e4] + [-1e4] * (V - 1)], 0
    )
    np.testing.assert_allclose(softmax(logits).sum(-1), 1)
    np.testing.assert_allclose(np.exp(log_softmax(logits)), softmax(logits))
