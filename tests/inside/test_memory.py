"""How far back a model remembers, against sources whose memory is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import CharRNNError, Mixture
from charrnn.arrays import Floats, Ids
from charrnn.cells.rules import State
from charrnn.config import CellName
from charrnn.inside import horizon
from charrnn.inside.memory import CONTEXTS, Horizon, costs_after
from charrnn.models.hooks import Watch
from charrnn.models.predictor import Predictor
from charrnn.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.conftest import VERSE, changed, random_model

ORDER, V = 3, 4


class ThirdOrder(Predictor):
    """A source in which each character depends on the three before it, as a model of itself.

    Its state are these three; -1 stands for one that was not read, over which it takes the mean.
    """

    def __init__(self) -> None:
        self.tokenizer = CharTokenizer("abcd")
        self.rows = np.random.default_rng(0).dirichlet(np.full(V, 0.4), (V,) * ORDER)

    def text(self, length: int, seed: int) -> str:
        last, drawn = [0] * ORDER, []
        for dice in np.random.default_rng(seed).random(length):
            token = min(int(np.searchsorted(self.rows[tuple(last)].cumsum(), dice, "right")), V - 1)
            drawn.append(token)
            last = [*last[1:], token]
        return self.tokenizer.decode(np.array(drawn))

    def start(self, batch_size: int = 1) -> State:
        return (np.full((1, batch_size, ORDER), -1, np.float32),)

    @property
    def places(self) -> list[str]:
        return []

    @property
    def state_places(self) -> list[list[str]]:
        return []

    def __call__(
        self, ids: Ids, state: State | None = None, watch: Watch | None = None
    ) -> tuple[Floats, State]:
        raise NotImplementedError

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        raise NotImplementedError

    def stepper(self, state: State) -> Reader:
        return Reader(self.rows, state[0][0].astype(int))


class Reader:
    def __init__(self, rows: NDArray[np.float64], last: NDArray[np.integer]) -> None:
        self.rows, self.last = rows, last

    @property
    def state(self) -> State:
        return (self.last[None],)

    def step(self, ids: Ids) -> Floats:
        self.last = np.concatenate([self.last[:, 1:], ids[:, None]], 1)
        found = []
        for tokens in self.last:
            known = self.rows
            for token in tokens:
                known = known.mean(0) if token < 0 else known[token]
            found.append(known)
        return np.log(np.array(found)).astype(np.float32)


@pytest.fixture(scope="module")
def third_order() -> Horizon:
    source = ThirdOrder()
    found: Horizon = horizon(source, source.text(1500, seed=1), source.text(40_000, seed=2))
    return found


def test_a_source_of_order_three_is_flat_after_three(third_order: Horizon) -> None:
    one, two, three, *others = third_order.bits_per_char
    assert third_order.contexts[:3] == (1, 2, 3)
    assert one > two + 0.05 > three + 0.1
    np.testing.assert_allclose(others, three, atol=1e-6)
    assert third_order.horizon is not None
    assert 2 < third_order.horizon <= 3


def test_n_grams_need_the_order_of_the_source_too(third_order: Horizon) -> None:
    unigram, two, three, four, five, *_ = third_order.ngrams
    assert unigram > two > three > four
    assert four == pytest.approx(third_order.bits_per_char[2], abs=0.02)
    assert five > four - 0.01
    assert two == pytest.approx(third_order.bits_per_char[0], abs=0.05)


def test_shuffling_hurts_within_the_memory_alone(third_order: Horizon) -> None:
    one, two, *others = np.subtract(third_order.shuffled, third_order.bits_per_char)
    assert one > 0.02
    assert two > 0.02
    np.testing.assert_allclose(others, 0, atol=1e-6)


@pytest.mark.parametrize("context", [1, 3, 8, 16, 33])
def test_a_cost_is_that_of_the_token_after_its_context(cell: CellName, context: int) -> None:
    tokenizer = CharTokenizer.from_text(VERSE)
    model = random_model(cell, tokenizer)
    ids = tokenizer.encode(VERSE)
    targets = np.array([[40], [77]]) + np.arange(32)
    found = costs_after(model, ids, targets, context)
    for row, column in ((0, 0), (0, 1), (0, 7), (1, 3), (1, 31)):
        at = targets[row, column]
        # One reading may serve several neighbours, whose contexts are then a little longer.
        tried = [
            -model.token_log_probs(ids[None, at - context - more : at + 1])[0, -1]
            for more in range(max(1, context // 8))
        ]
        assert np.isclose(tried, found[row, column], atol=1e-5).any(), (row, column)


def test_the_distant_part_is_shuffled_and_nothing_else(cell: CellName) -> None:
    model = random_model(cell, CharTokenizer.from_text(VERSE))
    targets = np.array([[90]]) + np.arange(32)
    same = np.full(200, 3, np.int32)
    other = same.copy()
    other[90 - 2 - 6 : 90 - 2] = 4  # within the distant part: all of it, so that its order is one
    one, two = (costs_after(model, ids, targets, 2, 6)[0, 0] for ids in (same, other))
    assert one == pytest.approx(-model.token_log_probs(same[None, 82:91])[0, -1], abs=1e-5)
    assert two == pytest.approx(-model.token_log_probs(other[None, 82:91])[0, -1], abs=1e-5)
    assert one != two


def test_a_byte_model_counts_characters() -> None:
    text = VERSE.replace("e", "é") * 8
    model = random_model("gru", ByteTokenizer())
    found = horizon(model, text, text[:200])
    assert found.unit == "byte"
    # Eight bits are the cost of a byte that is not known at all; an é has two.
    assert 8.1 < found.bits_per_char[0] < 10
    assert found.ngrams[0] < 6


def test_a_training_text_that_holds_the_text_is_told() -> None:
    source = ThirdOrder()
    text = source.text(600, seed=1)
    with pytest.warns(UserWarning, match="know it by heart"):
        found = horizon(source, text[:300], text)
    assert found.ngrams[-1] < found.bits_per_char[-1], "counted, though it says little"
    horizon(source, text[300:], text[:300])  # which says nothing


def test_a_mixture_remembers_too() -> None:
    source = ThirdOrder()
    text = source.text(600, seed=1)
    one, both = horizon(source, text), horizon(Mixture([source, source]), text)
    np.testing.assert_allclose(both.bits_per_char, one.bits_per_char, atol=1e-5)
    assert one.ngrams == both.ngrams == ()


def test_what_is_said_of_it() -> None:
    found = Horizon(
        contexts=(1, 2),
        bits_per_char=(3.0, 2.5),
        shuffled=(3.0, 2.5),
        ngrams=(),
        horizon=40.2,
        characters=96,
        unit="character",
    )
    assert "saves 0.50 bits per character" in found.sentence()
    assert "beyond the last 41 characters" in found.sentence()
    assert "--seq-length" not in found.sentence()
    assert "--seq-length 40 was too short" in found.sentence(40)
    assert "--seq-length 41 was long enough" in found.sentence(41)
    nothing = msgspec.structs.replace(found, horizon=None)
    assert "no better" in nothing.sentence(40)


def test_without_a_gain_there_is_no_horizon() -> None:
    constant = changed(random_model("rnn", CharTokenizer("abc")), {"head.weight": 0})
    found = horizon(constant, "abcabbac" * 50)
    assert found.horizon is None
    np.testing.assert_allclose(found.bits_per_char, math.log2(3), atol=1e-5)


def test_contexts_are_those_that_the_text_has_room_for() -> None:
    source = ThirdOrder()
    found = horizon(source, source.text(250, seed=1))
    assert found.contexts == tuple(k for k in CONTEXTS if k < 30)
    with pytest.raises(CharRNNError, match="has 1 of the 196 characters"):
        horizon(source, "a")
    with pytest.raises(CharRNNError, match="'x'"):
        horizon(source, "x" * 400)
    diverged = changed(random_model("rnn", source.tokenizer), {"rnn.weight_hh_l0": np.nan})
    with pytest.raises(CharRNNError, match="predicts NaN or infinity"):
        horizon(diverged, source.text(400, seed=1))
