"""The draw follows the distribution that was asked for, and text ends where it should."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNNError, CharTokenizer, Model, SampleConfig
from charrnn.cells import State
from charrnn.sampling import draw, probabilities, stream, top_k, top_p, until_stop
from charrnn.tokenizer import Ids, Tokenizer
from tests.conftest import small_config

LOGITS = np.log(np.array([0.05, 0.4, 0.2, 0.1, 0.25]))


class Echo:
    """A model that is sure of what comes next: the next id, round and round."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.steps = 0

    def start(self, batch_size: int = 1) -> State:
        return (np.zeros((1, batch_size, 1)),)

    def read(self, ids: Ids, state: State) -> tuple[np.ndarray, State]:
        return self._after(ids[:, -1]), state

    def step(self, ids: Ids, state: State) -> tuple[np.ndarray, State]:
        self.steps += 1
        return self._after(ids), state

    def _after(self, ids: Ids) -> np.ndarray:
        size = self.tokenizer.vocab_size
        return np.where(np.arange(size) == (ids[:, None] + 1) % size, 100.0, 0.0)


def test_probabilities_are_the_softmax_of_logits_over_temperature() -> None:
    np.testing.assert_allclose(
        probabilities(LOGITS, SampleConfig(temperature=1)), [0.05, 0.4, 0.2, 0.1, 0.25]
    )
    cold = np.array([0.05, 0.4, 0.2, 0.1, 0.25]) ** 2
    np.testing.assert_allclose(
        probabilities(LOGITS, SampleConfig(temperature=0.5)), cold / cold.sum()
    )


def test_temperature_zero_takes_the_likeliest() -> None:
    np.testing.assert_array_equal(
        probabilities(LOGITS, SampleConfig(temperature=0)), [0, 1, 0, 0, 0]
    )


def test_top_k_keeps_the_k_likeliest_and_ties() -> None:
    assert np.isfinite(top_k(LOGITS, 2)).tolist() == [False, True, False, False, True]
    assert np.isfinite(top_k(LOGITS, 99)).all()
    assert np.isfinite(top_k(np.array([1.0, 2.0, 1.0, 0.0]), 2)).tolist() == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("p", "kept"),
    [(0.3, [1]), (0.41, [1, 4]), (0.64, [1, 4]), (0.66, [1, 2, 4]), (1e-9, [1]), (1.0, range(5))],
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(p: float, kept: list[int]) -> None:
    assert np.flatnonzero(np.isfinite(top_p(LOGITS, p))).tolist() == list(kept)


@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=30),
    st.floats(0.01, 1),
    st.integers(1, 40),
    st.floats(0.01, 10),
)
def test_filters_always_leave_a_distribution(
    logits: list[float], p: float, k: int, temperature: float
) -> None:
    config = SampleConfig(top_p=p, top_k=k, temperature=temperature)
    chances = probabilities(np.array(logits, np.float32), config)
    assert chances.sum() == pytest.approx(1)
    assert chances.max() == chances[np.array(logits, np.float32) == np.float32(max(logits))].max()


def test_draws_follow_the_distribution() -> None:
    """Chi-squared with 4 degrees of freedom: 18.5 is exceeded once in a thousand seeds."""
    random, config = np.random.default_rng(0), SampleConfig(temperature=1)
    counts = np.bincount([draw(LOGITS, config, random) for _ in range(20_000)], minlength=5)
    expected = 20_000 * np.exp(LOGITS)
    assert ((counts - expected) ** 2 / expected).sum() < 18.5


def test_a_draw_never_takes_what_was_filtered_out() -> None:
    random, config = np.random.default_rng(0), SampleConfig(top_k=2, temperature=3)
    assert {draw(LOGITS, config, random) for _ in range(500)} == {1, 4}


def test_length_counts_new_tokens_and_no_step_is_wasted() -> None:
    model = Echo(CharTokenizer("abcde"))
    text = "".join(stream(model, "ab", SampleConfig(max_new_tokens=7)))
    assert text == "cdeabcd"
    assert model.steps == 6
    assert list(stream(model, "ab", SampleConfig(max_new_tokens=0))) == []


def test_without_a_prompt_text_starts_as_lines_do() -> None:
    config = SampleConfig(max_new_tokens=3)
    assert "".join(stream(Echo(CharTokenizer("\nABC")), "", config)) == "ABC"
    assert "".join(stream(Echo(CharTokenizer(" ABC")), "", config)) == "ABC"
    assert "".join(stream(Echo(CharTokenizer("ABC")), "", config)) == "BCA"
    assert "".join(stream(Echo(ByteTokenizer()), "", config)) == "\v\f\r"


def test_unknown_characters_of_the_prompt_are_the_callers_choice() -> None:
    model, config = Echo(CharTokenizer("abc")), SampleConfig(max_new_tokens=1)
    with pytest.raises(CharRNNError, match=r"'é' \(U\+00E9\)"):
        stream(model, "aé", config)
    assert "".join(stream(model, "bé", config, unknown="skip")) == "c"


def test_a_byte_model_streams_whole_characters() -> None:
    pieces = list(stream(Echo(ByteTokenizer()), "\x7f", SampleConfig(max_new_tokens=200)))
    assert "".join(pieces).encode("utf-8", "replace")
    whole = bytes(range(128, 256)) + bytes(range(72))
    assert "".join(pieces) == whole.decode("utf-8", "replace")


def test_the_text_ends_before_the_first_stop_string() -> None:
    model = Echo(CharTokenizer("abcdefgh"))
    config = SampleConfig(max_new_tokens=50, stop_strings=("gh", "e"))
    assert "".join(stream(model, "a", config)) == "bcd"


@given(
    st.text("ab", max_size=30),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    st.randoms(use_true_random=False),
)
def test_stopping_does_not_depend_on_how_the_text_arrives(
    text: str, stops: list[str], random: object
) -> None:
    """The twin searches the whole text; the stream must not leak half a stop string."""
    cuts = sorted(random.sample(range(len(text) + 1), min(3, len(text))))  # type: ignore[attr-defined]
    edges = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    expected = text[: min(found)] if found else text
    # Where one stop string ends before another that began earlier, the stream has already ended.
    first_end = min((text.find(s) + len(s) for s in stops if s in text), default=len(text))
    streamed = "".join(until_stop(iter(pieces), tuple(stops)))
    assert expected.startswith(streamed) or streamed.startswith(expected)
    assert all(stop not in streamed for stop in stops)
    assert len(streamed) <= first_end


def test_equal_seeds_draw_equal_texts() -> None:
    network_weights = _weights()
    model = Model(small_config("gru"), CharTokenizer("\nabcdefghij"), network_weights)
    one = model.generate("ab", max_new_tokens=60, seed=3)
    assert one == model.generate("ab", max_new_tokens=60, seed=3)
    assert one == "".join(model.stream("ab", max_new_tokens=60, seed=3))
    assert one != model.generate("ab", max_new_tokens=60, seed=4)
    assert model.generate(seed=None) != model.generate(seed=None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_k", 0),
        ("max_new_tokens", -1),
        ("seed", -1),
        ("stop_strings", ("",)),
        ("temprature", 1.0),
    ],
)
def test_impossible_settings_are_named(setting: str, value: Any) -> None:
    model = Model(small_config("rnn"), CharTokenizer("\nabcdefghij"), _weights("rnn"))
    with pytest.raises(CharRNNError, match=setting) as error:
        model.generate(**{setting: value})
    assert error.value.exit_code == 2


def _weights(cell: str = "gru") -> dict[str, np.ndarray]:
    from charrnn import CharRNN

    return CharRNN(small_config(cell)).weights()
