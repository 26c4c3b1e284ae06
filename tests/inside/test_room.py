"""What the functions of the room have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from charrnn import CharRNN, CharRNNError, CharTokenizer, Model, inside
from charrnn.config import CellName
from charrnn.inside.pages.page import page
from tests.conftest import VERSE, small_config

WAYS: dict[str, Callable[..., object]] = {
    "units": inside.units,
    "horizon": inside.horizon,
    "gradients": lambda model, text, **more: inside.gradients([model, model], text, **more),
    "saliency": inside.saliency,
    "page": lambda model, text, **more: page(
        model, model.tokenizer.encode(text), "title", [], **more
    ),
}


def a_model(cell: CellName, end: str | None = None) -> Model:
    tokenizer = CharTokenizer(CharTokenizer.from_text(VERSE).characters, end=end)
    config = small_config(cell, vocab_size=tokenizer.vocab_size)
    return Model(config, tokenizer, CharRNN(config).weights())


@pytest.mark.parametrize("way", ["units", "horizon", "gradients", "saliency"])
def test_a_model_of_records_is_refused(way: str) -> None:
    with pytest.raises(CharRNNError, match="of one story, and this is one of records"):
        WAYS[way](a_model("gru", end="|"), VERSE)


@pytest.mark.parametrize("way", ["units", "horizon", "gradients", "page"])
def test_who_waits_hears_how_far_it_is(way: str, cell: CellName) -> None:
    shares = list[float]()
    WAYS[way](a_model(cell), VERSE * 20, progress=shares.append)
    assert len(shares) > 1
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=0.02)
