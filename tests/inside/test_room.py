"""What the functions of the room have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import CharRNNError, CharTokenizer, Model, inside, load
from charrnn.config import CellName
from charrnn.inside.pages.page import page
from tests.conftest import VERSE, random_model

WAYS: dict[str, Callable[..., object]] = {
    "units": inside.units,
    "horizon": inside.horizon,
    "gradients": lambda model, text, **more: inside.gradients([model, model], text, **more),
    "saliency": inside.saliency,
    "page": lambda model, text, **more: page(
        model, model.tokenizer.encode(text), "title", [], **more
    ),
}


anything: Any = inside  # of which type checkers believe anything
A_MODEL = "model is 'big'; it must be a Model or a Mixture, as charrnn.load returns"


def a_model(cell: CellName, end: str | None = None) -> Model:
    tokenizer = CharTokenizer(CharTokenizer.from_text(VERSE).characters, end=end)
    return random_model(cell, tokenizer)


@pytest.mark.parametrize("way", ["units", "horizon", "gradients", "saliency"])
def test_a_model_of_records_is_refused(way: str) -> None:
    with pytest.raises(CharRNNError, match="of one story, and this is one of records"):
        WAYS[way](a_model("gru", end="|"), VERSE)


@pytest.mark.parametrize("way", ["units", "horizon", "gradients", "page", "saliency"])
def test_who_waits_hears_how_far_it_is(way: str, cell: CellName) -> None:
    shares = list[float]()
    WAYS[way](a_model(cell), VERSE * 8, progress=shares.append)
    assert len(shares) > 1
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: anything.gradients(m, VERSE), "it must be a list"),
        (lambda _: anything.gradients([], VERSE), "there is no model; give a list"),
        (
            lambda _: anything.gradients(["big"], VERSE),
            "models is ['big']; it must be a list of Models or Mixtures, as charrnn.load returns",
        ),
        (lambda _: anything.saliency("big", VERSE), A_MODEL),
        (lambda _: anything.horizon("big", VERSE), A_MODEL),
        (lambda _: anything.units("big", VERSE), A_MODEL),
        (lambda m: anything.saliency(m, VERSE, at=2.0), "at is 2.0; it must be a whole number or"),
        (lambda m: anything.saliency(m, VERSE, at="2"), "at is '2'; it must be a whole number or"),
        (lambda m: anything.saliency(m, VERSE, window=2.5), "window is 2.5; it must be a whole"),
        (lambda m: anything.activity(m, "text"), "ids is 'text'; it must be"),
        (lambda m: anything.activity(m, [1, 99]), "ids from 1 to 99 can't be read"),
        (lambda m: anything.activity(m, []), "there is no text to read"),
        (lambda m: anything.activity(m, np.zeros(0, np.int32)), "there is no text to read"),
        (lambda m: anything.activity(m, np.zeros(0, str)), "<U1 of shape (0,) can't be read"),
        (lambda m: anything.activity(m, np.zeros(0, "i4,i4")), "of shape (0,) can't be read"),
        (lambda m: anything.activity(m, [1], "hook_h"), "the model has no place 'hook_h'"),
    ],
)
def test_mistakes_end_in_one_line_at_the_call(wrong: Callable[[Any], object], message: str) -> None:
    with pytest.raises(CharRNNError) as error:
        wrong(a_model("gru"))
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_model_for_a_task_is_told_by_its_kind(trained_tasks: Path) -> None:
    """`charrnn.load` returned it, too, and the first and last letters of its facts tell nothing."""
    classifier = load(trained_tasks / "reviews")
    with pytest.raises(CharRNNError, match=r"^model is a Classifier; it must be a Model"):
        anything.units(classifier, VERSE)
    with pytest.raises(CharRNNError, match=r"^models is \[a Classifier\]; it must be a list of"):
        anything.gradients([classifier], VERSE)


def test_the_name_of_a_file_is_not_taken_for_its_text(tmp_path: Path) -> None:
    file, model = tmp_path / "book.txt", a_model("gru")
    file.write_text(VERSE)
    said = re.escape(f"text is {str(file)!r}, the name of a file; give what is in it: ")
    for way in ("units", "horizon", "gradients", "saliency"):
        with pytest.raises(CharRNNError, match=f"^{said}"):
            WAYS[way](model, str(file))
    with pytest.raises(CharRNNError, match=f"^training_{said}"):
        inside.horizon(model, VERSE * 20, str(file))


def test_a_list_of_ids_is_read_like_an_array() -> None:
    model = a_model("gru")
    ids = model.tokenizer.encode(VERSE)
    blocks = zip(inside.activity(model, ids), inside.activity(model, ids.tolist()), strict=True)
    for one, other in blocks:
        np.testing.assert_array_equal(one.logits, other.logits)


@pytest.mark.parametrize("way", ["units", "horizon", "gradients", "saliency"])
def test_a_text_is_read_as_in_training(way: str, cell: CellName) -> None:
    """With LF for CRLF, as it is scored, and a warning that says so."""
    model, text = a_model(cell), VERSE * 3
    with pytest.warns(UserWarning, match="CRLF became LF"):
        found = WAYS[way](model, text.replace("\n", "\r\n"))
    assert str(found) == str(WAYS[way](model, text))
