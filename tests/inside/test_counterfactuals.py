"""What a prediction owes to each character is what replacing that character shows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from charrnn import ByteTokenizer, CharRNNError, Mixture, inside
from charrnn.arrays import log_softmax
from charrnn.config import CellName
from charrnn.inside.counterfactuals import changes, read
from tests.conftest import random_model, small_config
from tests.models.small import TOKENIZER, make

TEXT = "bad cab\nhead fig"


def brute_force(model: Any, text: str, at: int, target: str, j: int) -> tuple[str, float]:
    """Replace character j, read everything from the start, and compare."""

    def log_probs(given: str) -> Any:
        ids = model.tokenizer.encode(given)[None]
        return log_softmax(model(ids)[0][0, -1].astype(np.float64))

    order = np.argsort(-log_probs(text[:j] or "\n"))
    likeliest = [model.tokenizer.decode(order[k : k + 1]) for k in range(2)]
    stand_in = likeliest[likeliest[0] == text[j]]
    (place,) = model.tokenizer.encode(target)
    changed = text[:j] + stand_in + text[j + 1 : at]
    return stand_in, log_probs(changed)[place] - log_probs(text[:at])[place]


def models(cell: CellName) -> list[Any]:
    one, other = (make(small_config(c, skip=True, embed_size=5))[1] for c in (cell, "rnn"))
    return [one, Mixture([one, other])]


@pytest.mark.parametrize("at", [1, 2, 9, len(TEXT) - 1, len(TEXT)])
def test_saliency_is_brute_force(cell: CellName, at: int) -> None:
    for model in models(cell):
        found = inside.saliency(model, TEXT, at)
        assert found.at == at
        if at < len(TEXT):
            assert found.target == TEXT[at]
        logits, _ = model.run_with_cache(TEXT[:at])
        expected = log_softmax(logits[-1])
        (place,) = TOKENIZER.encode(found.target)
        assert at < len(TEXT) or place == expected.argmax()
        assert found.log_prob == pytest.approx(expected[place], abs=1e-5)
        assert "".join(found.tokens) == TEXT[:at]
        for j in range(at):
            stand_in, change = brute_force(model, TEXT, at, found.target, j)
            assert found.stand_ins[j] == stand_in != TEXT[j]
            assert found.changes[j] == pytest.approx(change, abs=1e-4)


def test_all_predictions_at_once_are_each_alone(cell: CellName) -> None:
    window = 4
    text = TEXT * 20  # more rows than are read side by side
    for model in models(cell):
        ids = TOKENIZER.encode(text)
        found, stand_ins = changes(read(model, ids), window)
        assert found.shape == (len(text), window)
        assert_array_equal(found[0], 0)
        for at in (1, 2, 3, 4, 5, 255, 256, 257, len(text) - 1):
            alone = inside.saliency(model, text, at, window=window)
            assert_allclose(found[at, : len(alone.changes)], alone.changes[::-1], atol=1e-4)
            assert not found[at, len(alone.changes) :].any()
            assert TOKENIZER.decode(stand_ins[max(0, at - window) : at]) == "".join(alone.stand_ins)


def test_a_window_is_the_end_of_a_longer_one() -> None:
    _, model = make(small_config("gru"))
    whole = inside.saliency(model, TEXT, 12)
    part = inside.saliency(model, TEXT, 12, window=5)
    assert part.tokens == whole.tokens[-5:]
    assert_allclose(part.changes, whole.changes[-5:], atol=1e-5)


def test_a_byte_model_is_asked_about_bytes() -> None:
    model = random_model("lstm", ByteTokenizer())
    found = inside.saliency(model, "é–", 3)  # a third of the dash has been read
    assert len(found.changes) == 3
    assert np.isfinite(found.changes).all()
    assert (found.tokens, found.target) == (["c3", "é", "e2"], "80")
    found = inside.saliency(model, "é–", 4, window=3)  # it begins in the middle of the é
    assert (found.tokens, found.target) == (["é", "e2", "80"], "–")
    assert all(re.fullmatch("[89a-f][0-9a-f]|[\0-\x7f]", one) for one in found.stand_ins)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "no text to read"),
        ("aΩ", {}, "does not know"),
        (TEXT, {"at": 0}, "at is 0, and the text has 16 characters; it must be from 1 to 16"),
        (TEXT, {"at": 17}, "at is 17"),
        (TEXT, {"window": 0}, "window is 0"),
    ],
)
def test_mistakes_end_in_a_line(text: str, options: dict[str, Any], message: str) -> None:
    _, model = make(small_config("rnn"))
    with pytest.raises(CharRNNError, match=message):
        inside.saliency(model, text, **options)
    assert len(inside.saliency(model, "a").changes) == 1
