"""A unit that is held has its value after every step, however the model is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from charrnn import CharRNNError, CharTokenizer, Mixture, Model
from charrnn.config import CellName
from tests.conftest import B, H, V, changed, random_model
from tests.models.small import IDS

TOKENIZER = CharTokenizer("\nabcdefghij")
CLAMP = {"0.3": 0.9, "1.0": -1.0, "1.4": 0.25}


def large(cell: CellName, tokenizer: CharTokenizer, **changes: object) -> Model:
    """A model whose weights are large enough for units that matter."""
    drawn = random_model(cell, tokenizer, **changes)
    return changed(drawn, {name: 3 * values for name, values in drawn.weights.items()})


@pytest.fixture(params=[{}, {"skip": True, "embed_size": H}], ids=str)
def model(cell: CellName, request: pytest.FixtureRequest) -> Model:
    return large(cell, TOKENIZER, **request.param)


def hold(value: Any, *, hook: Any) -> Any:
    """The same as `CLAMP`, by hooks."""
    for name, number in CLAMP.items():
        layer, unit = map(int, name.split("."))
        if hook.layer == layer:
            value[..., unit] = number
    return value


def test_reading_is_that_with_a_hook_and_steps_are_the_same(model: Model) -> None:
    clamped: Any = model.clamped(CLAMP)
    hooks = [(lambda name: name.endswith("hook_h"), hold)]
    expected = model.run_with_hooks(IDS, hooks)
    logits, state = clamped(IDS)
    assert_array_equal(logits, expected)
    assert np.abs(logits - model(IDS)[0]).max() > 0.1
    last, after = clamped.read(IDS, clamped.start(B))
    assert_array_equal(last, logits[:, -1])
    for name, number in CLAMP.items():
        layer, unit = map(int, name.split("."))
        assert_array_equal(state[0][layer, :, unit], np.float32(number))
    stepper = clamped.stepper(clamped.start(B))
    for t in range(IDS.shape[1]):
        assert_allclose(stepper.step(IDS[:, t]), logits[:, t], atol=1e-5)
    for one, other, third in zip(stepper.state, state, after, strict=True):
        assert_allclose(one, other, atol=1e-5)
        assert_array_equal(other, third)


def test_a_held_model_writes_by_the_distribution_that_reading_shows(model: Model) -> None:
    """Greedily, each character is the likeliest after those before it, with the units held."""
    text = model.generate("ab", max_new_tokens=20, temperature=0, clamp=CLAMP)
    hooks = [(lambda name: name.endswith("hook_h"), hold)]
    logits = model.run_with_hooks("ab" + text, hooks)
    assert model.tokenizer.decode(logits[1:-1].argmax(-1)) == text
    (beam,) = model.beam_search(1, "ab", max_new_tokens=20, clamp=CLAMP)
    assert beam.text == text


@pytest.mark.parametrize("more", [{}, {"top_p": 0.9}], ids=str)
def test_a_seed_writes_the_same_text_streamed_alone_and_in_a_batch(
    model: Model, more: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"max_new_tokens": 40, "clamp": CLAMP, **more}
    texts = [sample.text for sample in model.generate_batch(4, "a", seed=5, **settings)]
    for k, text in enumerate(texts):
        assert model.generate("a", seed=5 + k, **settings) == text
        assert "".join(model.stream("a", seed=5 + k, **settings)) == text
    assert texts != [s.text for s in model.generate_batch(4, "a", seed=5, max_new_tokens=40)]
    free = model.generate("a", seed=5, max_new_tokens=40)
    assert model.generate("a", seed=5, max_new_tokens=40, clamp={}) == free


def test_records_are_written_with_units_held(cell: CellName) -> None:
    records = large(cell, CharTokenizer("abcdefghij", end="\n"))
    settings: dict[str, Any] = {"clamp": CLAMP, "max_new_tokens": 200}
    found = list(records.records(6, seed=2, **settings))
    for record in found:
        assert record.text == records.generate(seed=record.seed, **settings)
    free = [records.generate(seed=record.seed, max_new_tokens=200) for record in found]
    assert [record.text for record in found] != free
    hooks = [(lambda name: name.endswith("hook_h"), hold)]
    (beam,) = records.beam_search(1, clamp=CLAMP, max_new_tokens=20)
    ids = records.tokenizer.encode(beam.text)
    end = [records.tokenizer.end_id]
    logits = records.run_with_hooks(np.concatenate([end, ids]).astype(np.int32), hooks)
    expected = [*ids, *end][: beam.tokens]
    assert_array_equal(logits.argmax(-1)[: beam.tokens], expected)


def test_a_long_text_is_written_with_its_units_held() -> None:
    """One that machine code would write; that code holds no unit."""
    model = random_model("lstm", TOKENIZER, hidden_size=32, embed_size=4, num_layers=1)
    clamped = model.clamped({"0.5": 1.0})
    assert clamped.sampler(clamped.start(), None) is None
    assert len(next(model.stream("a", max_new_tokens=None, clamp={"0.5": 1.0}))) == 1


@pytest.mark.parametrize(
    ("clamp", "message"),
    [
        ({"2.0": 1.0}, "clamp names layer 2, in 2.0; the model's layers are 0 to 1"),
        ({"1.5": 1.0}, "clamp names unit 5, in 1.5; the model's units are 0 to 4"),
        ({"5": 1.0}, "clamp names the unit '5'; write LAYER.UNIT"),
        ({"1.05": 1.0}, "clamp names the unit '1.05'"),
        ({"-1.5": 1.0}, "clamp names the unit '-1.5'"),
        ({"1.3": float("nan")}, "it must be a finite number"),
        ({"1.3": -1.5}, "clamp holds 1.3 at -1.5; choose a value from -1 to 1"),
        ({"1.3": "high"}, "it must be a number for each name"),
        ({1.3: 1.0}, "it must be a number for each name"),
    ],
    ids=str,
)
def test_a_unit_that_is_not_there_is_named(clamp: Any, message: str) -> None:
    model = random_model("gru", TOKENIZER)
    for write in (model.generate, model.stream, lambda **more: model.beam_search(2, **more)):
        with pytest.raises(CharRNNError, match=message):
            write(clamp=clamp)
    mixture = Mixture([model, model])
    with pytest.raises(CharRNNError, match="mixture of several"):
        mixture.generate(clamp={"0.1": 1.0})
    assert len(mixture.generate(max_new_tokens=3, clamp={})) == 3
    with pytest.raises(CharRNNError, match=r"clamp holds 1\.3 at nan"):
        model.clamped({"1.3": float("nan")})
    assert model.config.vocab_size == V
