"""Errors that users see."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn import CharRNN, CharTokenizer, Model, evaluate, inside, load
from charrnn.errors import (
    BadDataError,
    CannotCreateError,
    CharRNNError,
    LockedError,
    MissingInputError,
    ReadWriteError,
    UsageError,
    printable,
)
from tests.conftest import VERSE, small_config

KINDS = (
    *(BadDataError, CannotCreateError, CharRNNError, LockedError, MissingInputError),
    *(ReadWriteError, UsageError),
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_arrives_whole_from_another_process(kind: type[CharRNNError]) -> None:
    """One that could not be read there broke the pool, or hung it."""
    error = kind("the text is empty", "give another")
    if isinstance(error, UsageError):
        error.setting = "seed"
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(again) is kind
        assert str(again) == "the text is empty; give another"
        assert again.__dict__ == error.__dict__


@pytest.fixture
def model() -> Model:
    """One that is in the working folder, too, without a manifest; it knows "é" as one character."""
    tokenizer = CharTokenizer.from_text(f"{VERSE}é")
    network = CharRNN(small_config("gru", vocab_size=tokenizer.vocab_size))
    network.save_pretrained("model", tokenizer)
    Path("model", "manifest.json").unlink()
    return Model(network.config, tokenizer, network.weights())


BY_TYPEWRITER = VERSE.replace("\n", "\r\n")
DIVIDED = "the clerk is ne\u0301"


@pytest.mark.parametrize(
    "work",
    [
        lambda _: load("model"),
        lambda _: load(["model", "model"]),
        lambda _: evaluate("model", VERSE),
        lambda model: evaluate(model, BY_TYPEWRITER),
        lambda _: CharRNN.from_pretrained("model"),
        lambda model: inside.units(model, BY_TYPEWRITER * 2),
        lambda model: model.log_probs(BY_TYPEWRITER),
        lambda model: list(model.score_lines([BY_TYPEWRITER])),
        lambda model: model.run_with_cache(DIVIDED),
        lambda model: model.tokenizer.encode(DIVIDED),
        lambda model: model.generate(DIVIDED, max_new_tokens=2),
        lambda model: model.generate(stop_strings=("?",), max_new_tokens=2),
        lambda model: list(model.stream(BY_TYPEWRITER, max_new_tokens=2)),
        lambda model: model.generate_batch(2, stop_strings=(DIVIDED,), max_new_tokens=2),
        lambda model: model.beam_search(2, BY_TYPEWRITER, max_new_tokens=2),
    ],
)
def test_a_warning_shows_the_line_of_the_program_that_led_to_it(
    work: Callable[[Model], object], model: Model
) -> None:
    """Each of them showed a line of charrnn's, of no use to who reads it."""
    with pytest.warns(UserWarning, match=r".") as said:
        work(model)
    assert {one.filename for one in said} == {__file__}


def test_what_nobody_would_see_is_escaped_but_joiners_stay_in_words() -> None:
    for word in ("می\u200cخواهم", "क्‍ष", "👩\u200d💻"):
        assert printable(word) == word
    assert printable("\u200d") == r"\u200d"
    assert printable("a\n\x1b\u202e\xa0\ud800b") == r"a\n\x1b\u202e\xa0\ud800b"
