"""Settings are checked for sense: extremes have their limits, and an end must be able to come."""

from __future__ import annotations

import itertools
import math
import unicodedata
import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from charrnn import ByteTokenizer, CharRNNError, CharTokenizer, Model, SampleConfig
from charrnn.cells.heads import shapes_of
from charrnn.config import ModelConfig
from charrnn.sampling.beams import beam_search
from charrnn.sampling.drawing.distribution import allowed_ids, probabilities
from charrnn.sampling.drawing.draws import Draws
from charrnn.sampling.token_source import request_for
from tests.conftest import small_config

TINY, HUGE = 5e-324, 1.7e308
FILTERS: list[dict[str, Any]] = [
    {},
    {"top_k": 3},
    {"top_p": TINY},
    {"min_p": TINY},
    {"min_p": 1.0},
    {"typical_p": TINY},
    {"top_p": 0.9, "min_p": 0.1, "typical_p": 0.9},
    {"ban": "ab"},
]


def model(tokenizer: Any, scale: float = 3.0, **shape: Any) -> Model:
    random = np.random.default_rng(2)
    config: ModelConfig = small_config("gru", vocab_size=tokenizer.vocab_size, **shape)
    weights = {
        name: (scale * random.normal(size=size)).astype(np.float32)
        for name, size in shapes_of(config).items()
    }
    return Model(config, tokenizer, weights)


LETTERS = CharTokenizer("\n abcdefgh")
NO_LINES = CharTokenizer(" abcdefgh")


@pytest.mark.parametrize("options", FILTERS, ids=str)
@pytest.mark.parametrize("penalty", [TINY, 1e-300, 1e-38, 1.0, 1e38, 1e300, HUGE])
@pytest.mark.parametrize("temperature", [TINY, 1e-308, 1e-38, 1.0, 1e38, HUGE])
def test_any_positive_number_draws(
    temperature: float, penalty: float, options: dict[str, Any]
) -> None:
    """Without an overflow on the way, which NumPy would warn of."""
    config = SampleConfig(temperature=temperature, repetition_penalty=penalty, **options)
    logits = np.random.default_rng(0).normal(0, 9, (5, 10)).astype(np.float32)
    logits[1] = 0.0
    logits[2] = -5.0
    logits[3, 4] = np.finfo(np.float32).max
    draws = Draws(LETTERS, config, np.array([1, 3, 5], np.int32), range(5))
    for _ in range(4):
        ids, _close = draws.next(logits)
        assert ((ids >= 0) & (ids < 10)).all()


def test_towards_zero_temperature_is_greedy_and_towards_infinity_fair() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 9)).astype(np.float32)
    for temperature in (TINY, 1e-308, 1e-30, 1e-9):
        found = probabilities(logits, SampleConfig(), temperature)
        np.testing.assert_array_equal(found, probabilities(logits, SampleConfig(), 0))
    np.testing.assert_allclose(probabilities(logits, SampleConfig(), HUGE), 1 / 9, rtol=1e-6)


def test_a_penalty_goes_to_its_limits() -> None:
    """Towards 0 what was just written comes again, towards infinity it does not."""
    logits = np.array([[3.0, 2.0, 1.0, 0.5, 0.1] + [-9.0] * 5], np.float32)
    recent = np.array([1, 2], np.int32)
    for penalty, wanted in ((TINY, {1}), (1e-300, {1}), (1e300, {0}), (HUGE, {0})):
        config = SampleConfig(repetition_penalty=penalty, temperature=0)
        ids, _ = Draws(LETTERS, config, recent, [1]).next(logits)
        assert set(ids.tolist()) == wanted
    below = -np.arange(1, 11, dtype=np.float32)[None]  # all negative, and all written before
    everything = np.arange(10, dtype=np.int32)
    for penalty in (1e300, HUGE):
        config = SampleConfig(repetition_penalty=penalty, temperature=1.0)
        ids, _ = Draws(LETTERS, config, everything, [1]).next(below)
        assert ids.tolist() == [0]


@pytest.mark.parametrize("long", [False, True], ids=["numpy", "machine code"])
def test_a_text_at_the_lowest_temperature_is_the_greedy_one(long: bool) -> None:
    """In NumPy and, for a long text, in machine code; among others, and in a search."""
    wide = model(LETTERS, scale=0.3, hidden_size=64, embed_size=16)
    count = 25_000 if long else 60
    greedy = wide.generate("ab", temperature=0, max_new_tokens=count, seed=1)
    for temperature in (TINY, 1e-308):
        found = wide.generate("ab", temperature=temperature, max_new_tokens=count, seed=1)
        assert found == greedy
    several = wide.generate_batch(3, "ab", temperature=1e-308, max_new_tokens=count, seed=1)
    assert {sample.text for sample in several} == {greedy}
    for beam in beam_search(
        request_for(wide, "ab", SampleConfig(temperature=TINY, max_new_tokens=5)), 4, 1.0
    ):
        assert math.isfinite(beam.score)


NEVER: list[tuple[Any, dict[str, Any], str]] = [
    (NO_LINES, {"max_lines": 1}, r"the end of a line can't come, .* does not know '\\n'"),
    (LETTERS, {"stop_strings": ("aß",)}, "'aß' can't come, since the model does not know 'ß'"),
    (LETTERS, {"stop_strings": ("ab",), "ban": "b"}, "'ab' can't come, since 'b' is not allowed"),
    (LETTERS, {"max_lines": 2, "allow": "abc"}, r"'\\n' is not allowed"),
    (ByteTokenizer(), {"max_lines": 2, "ban": "\n"}, r"'\\n' is not allowed"),
    (NO_LINES, {"max_lines": 1, "stop_strings": ("X",)}, "would never end"),
]


@pytest.mark.parametrize(("tokenizer", "options", "message"), NEVER)
def test_an_end_that_cannot_come_is_refused_without_a_length_and_said_with_one(
    tokenizer: Any, options: dict[str, Any], message: str
) -> None:
    one = model(tokenizer)
    for write in (one.generate, one.stream):
        with pytest.raises(CharRNNError, match=message):
            write("ab", max_new_tokens=None, **options)  # at once, not when it is drawn
    with pytest.raises(CharRNNError, match=message):
        one.generate_batch(2, max_new_tokens=None, **options)
    for finite in (
        lambda: one.generate(max_new_tokens=3, **options),
        lambda: one.generate_batch(1, max_new_tokens=3, **options),
        lambda: one.beam_search(2, max_new_tokens=3, **options),
    ):
        with pytest.warns(UserWarning, match="no text will end at"):
            finite()


def test_an_end_that_can_come_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends: list[dict[str, Any]] = [{"max_lines": 1}, {"stop_strings": ("a", "bc")}]
        ends.append({"max_lines": 1, "allow": "a\n"})
        for tokenizer, options in itertools.product((LETTERS, ByteTokenizer()), ends):
            model(tokenizer, scale=0.1).generate(seed=1, max_new_tokens=None, **options)
        model(ByteTokenizer()).generate(seed=1, max_new_tokens=9, stop_strings=("é\N{SNOWMAN}",))
    with pytest.warns(UserWarning, match="no text will end at 'X'"):  # but at the other
        model(LETTERS).generate(seed=1, max_new_tokens=None, stop_strings=("X", "a"))


ACCENTED = "\nabé"  # and \u0301 in the form NFD


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_text_ends_at_a_stop_in_another_normal_form(form: Any, other: Any) -> None:
    """It was said that the stop can come, and searched for in the form in which it can't."""
    one = model(CharTokenizer.from_text(unicodedata.normalize(form, ACCENTED)), scale=0.1)
    known, typed = (unicodedata.normalize(name, "é") for name in (form, other))
    settings: dict[str, Any] = {"seed": 1, "max_new_tokens": 99}
    (text,) = one.generate_batch(1, stop_strings=(known,), **settings)
    (beam,) = one.beam_search(1, "a", stop_strings=(known,), max_new_tokens=30, allow=known)
    assert text.whole
    with pytest.warns(UserWarning, match=f"normal form {form}"):
        assert one.generate_batch(1, stop_strings=(typed,), **settings) == [text]
    with pytest.warns(UserWarning, match=f"normal form {form}"):
        endless = one.generate(seed=1, max_new_tokens=None, stop_strings=(typed,))
    assert endless == text.text
    with pytest.warns(UserWarning, match=f"normal form {form}"):
        found = one.beam_search(1, "a", stop_strings=(typed,), max_new_tokens=30, allow=known)
    assert found == [beam]


def test_a_stop_half_of_which_is_known_in_another_form_cannot_come() -> None:
    mixed = CharTokenizer.from_text("é" + unicodedata.normalize("NFD", "ö"))
    with pytest.raises(CharRNNError, match="would never end: 'éö' can't come"):
        model(mixed).generate(max_new_tokens=None, stop_strings=("éö",))


def test_lists_take_characters_in_the_form_in_which_they_are_one() -> None:
    composed, divided = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    letters = CharTokenizer.from_text(f"abe{composed}")
    for banned in (composed, divided):
        with nullcontext() if banned == composed else pytest.warns(UserWarning, match="form NFC"):
            allowed = allowed_ids(letters, SampleConfig(ban=f"a{banned}"))
        assert allowed is not None
        assert letters.decode(np.flatnonzero(allowed)) == "be"
    marks = CharTokenizer.from_text(f"ab{divided}")
    with (
        pytest.warns(UserWarning, match="form NFD"),
        pytest.raises(CharRNNError, match="'é' is 2 characters for the model; allow and ban only"),
    ):
        allowed_ids(marks, SampleConfig(ban=composed))
    with pytest.raises(CharRNNError, match="'é' is 2 bytes for the model; allow and ban only"):
        allowed_ids(ByteTokenizer(), SampleConfig(allow=composed))


def test_every_seed_that_is_handed_out_is_accepted_later() -> None:
    one, largest = model(LETTERS), 2**63 - 1
    texts = one.generate_batch(4, seed=largest - 1, max_new_tokens=20)
    assert [text.seed for text in texts] == [largest - 1, largest, 0, 1]
    for text in texts:
        assert one.generate(seed=text.seed, max_new_tokens=20) == text.text
