"""The network in PyTorch and the model in NumPy are one function, and survive their folder."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import CharRNN, CharRNNError, Mixture, Model, evaluate, inside, load
from charrnn.cells.heads import shapes_of
from charrnn.config import CellName
from charrnn.folder.reading import read_model
from charrnn.models.loading import from_folder
from charrnn.sampling.language_model import TIME_CHUNK
from charrnn.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.conftest import VERSE, B, H, L, T, V, changed, random_model, small_config
from tests.models.small import IDS, TOKENIZER, VARIANTS, make


def test_a_record_to_score_does_not_hold_the_end_of_one() -> None:
    tokenizer = ByteTokenizer("\n")
    model = random_model("gru", tokenizer)
    with pytest.raises(CharRNNError, match="the text has a line end, where records of this model"):
        model.log_probs("ab\ncd")
    np.testing.assert_array_equal(model.log_probs("ab\ncd", "skip"), model.log_probs("abcd"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_numpy_and_torch_give_the_same_logits(cell: CellName, variant: dict[str, object]) -> None:
    network, model = make(small_config(cell, **variant))
    with torch.inference_mode():
        expected, expected_state = network(torch.from_numpy(IDS))
    logits, state = model(IDS)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert logits.dtype == np.float32


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sequence_is_the_same_as_steps(cell: CellName, variant: dict[str, object]) -> None:
    _, model = make(small_config(cell, **variant))
    whole, end = model(IDS)
    state = model.start(B)
    for t in range(T):
        logits, state = model.step(IDS[:, t], state)
        np.testing.assert_allclose(logits, whole[:, t], atol=1e-5)
    for one, other in zip(state, end, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_no_call_changes_the_state_it_is_given(cell: CellName) -> None:
    _, model = make(small_config(cell))
    _, state = model(IDS)
    copy = tuple(part.copy() for part in state)
    model(IDS, state)
    model.step(IDS[:, 0], state)
    model.read(IDS, state)
    for one, other in zip(state, copy, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_long_prompt_is_read_in_chunks(cell: CellName) -> None:
    _, model = make(small_config(cell))
    ids = np.resize(IDS, (2, 2 * TIME_CHUNK + 3))
    logits, state = model.read(ids, model.start(2))
    whole, end = model(ids)
    np.testing.assert_allclose(logits, whole[:, -1], atol=1e-5)
    for one, other in zip(state, end, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_log_probs_are_those_of_the_characters_that_came(cell: CellName) -> None:
    _, model = make(small_config(cell))
    text = TOKENIZER.decode(np.resize(IDS, TIME_CHUNK + 40))
    ids = TOKENIZER.encode(text)
    logits = torch.from_numpy(model(ids[None])[0][0])
    expected = logits.log_softmax(-1)[torch.arange(len(ids) - 1), torch.from_numpy(ids[1:]).long()]
    scores = model.log_probs(text)
    assert scores.shape == (len(text) - 1,)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert model.log_probs("a").shape == (0,)
    with pytest.raises(CharRNNError, match="no text"):
        model.log_probs("")


def test_save_and_load_keep_the_logits(cell: CellName, tmp_path: Path) -> None:
    network, model = make(small_config(cell, skip=True))
    network.save_pretrained(tmp_path / "model", TOKENIZER)
    again = CharRNN.from_pretrained(tmp_path / "model")
    assert again.config == network.config
    assert not again.training
    with torch.inference_mode():
        one, other = again(torch.from_numpy(IDS)), network(torch.from_numpy(IDS))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    loaded = load(tmp_path / "model")
    assert loaded.tokenizer == TOKENIZER
    np.testing.assert_array_equal(loaded(IDS)[0], model(IDS)[0])


def test_the_listed_weights_are_the_networks(cell: CellName) -> None:
    config = small_config(cell)
    shapes = {name: weight.shape for name, weight in CharRNN(config).weights().items()}
    assert shapes == shapes_of(config)


def test_a_language_model_refuses_to_read_backwards(cell: CellName) -> None:
    with pytest.raises(CharRNNError, match="has read the characters it should predict"):
        CharRNN(small_config(cell, bidirectional=True))


def test_shapes_of_the_network(cell: CellName) -> None:
    network = CharRNN(small_config(cell))
    logits, state = network(torch.from_numpy(IDS))
    assert logits.shape == (B, T, V)
    assert [part.shape for part in state] == [(L, B, H)] * len(network.rnn.cell.state)
    assert network.num_parameters == sum(w.size for w in network.weights().values())


def test_a_model_never_changes(cell: CellName, tmp_path: Path) -> None:
    """Neither by what it gives, nor by the arrays it was made of, nor by views of these."""
    network, _ = make(small_config(cell))
    block = {name: np.stack([weight, weight]) for name, weight in network.weights().items()}
    views = {name: weight[0] for name, weight in block.items()}
    for view in views.values():
        view.flags.writeable = False  # what it is a view of is not
    own = network.weights()
    network.save_pretrained(tmp_path / "model", TOKENIZER)
    for model in (
        Model(network.config, TOKENIZER, own),
        Model(network.config, TOKENIZER, views),
        load(tmp_path / "model"),
    ):
        pickled = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
        for again in (model, copy.deepcopy(model), pickled):
            before = again(IDS)[0]
            again.stepper(again.start(1))  # what it arranges once stays right
            again.weights["head.bias"] = own["head.bias"]  # of the caller's own dictionary
            assert again.weights["head.bias"] is not own["head.bias"]
            arrays = [*again.weights.values(), again.table, again.embedding, again.head_weight]
            for array in [*arrays, again.head_bias, *again.layers[0][:4]]:
                with pytest.raises(ValueError, match="read-only"):
                    array[:] = 0
            for array in [*own.values(), *block.values()]:
                array[:] = 0
            np.testing.assert_array_equal(again(IDS)[0], before)
            assert again.facts == model.facts


def test_a_model_that_is_loaded_holds_its_weights_once(tmp_path: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "model", TOKENIZER)
    found = read_model(tmp_path / "model")
    model = from_folder(found, "model")
    assert all(weight is found.weights[name] for name, weight in model.weights.items())
    again = Model(model.config, model.tokenizer, model.weights)
    assert all(weight is model.weights[name] for name, weight in again.weights.items())


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.dtype(">f4")])
def test_weights_of_other_floats_are_read_in_float32(cell: CellName, dtype: np.dtype[Any]) -> None:
    network, model = make(small_config(cell))
    given = {name: weight.astype(dtype) for name, weight in network.weights().items()}
    found = Model(network.config, TOKENIZER, given)
    assert {weight.dtype for weight in found.weights.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found(IDS)[0], model(IDS)[0], atol=0.02)
    assert found.generate(max_new_tokens=3, seed=1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda w: w | {"head.bias": None}, "weight head.bias is NoneType; it must be an array"),
        (lambda w: w | {"head.bias": torch.zeros(V)}, "is torch.float32 of shape (11,); it"),
        (lambda w: w | {"head.bias": np.zeros(V, np.int64)}, "is int64 of shape (11,); it"),
        (lambda w: w | {"head.bias": np.zeros(V + 1)}, "(12,); it must be an array of NumPy"),
        (lambda w: w | {"rnn.bias_hh_l2": w["head.bias"]}, "there is a weight rnn.bias_hh_l2"),
        (lambda w: list(w), "weights is ["),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: Callable[[Any], Any], message: str) -> None:
    config = small_config("lstm")
    with pytest.raises(CharRNNError) as error:
        Model(config, TOKENIZER, weights(CharRNN(config).weights()))
    assert message in str(error.value)


def test_a_vocabulary_of_another_size_is_refused() -> None:
    config = small_config("gru")
    with pytest.raises(CharRNNError, match="the tokenizer has 3 tokens; the network has 11"):
        Model(config, CharTokenizer("abc"), CharRNN(config).weights())


USES: list[Callable[[Any], object]] = [
    lambda model: model.log_probs(VERSE),
    lambda model: list(model.score_lines(VERSE.splitlines())),
    lambda model: model.run_with_cache(VERSE),
    lambda model: model.step(np.zeros(2, np.int32), model.start(2)),
    lambda model: model.generate("the", temperature=1e-5, seed=1, max_new_tokens=90),
    lambda model: model.generate("the", typical_p=0.9, top_p=0.8, seed=1, max_new_tokens=90),
    lambda model: list(model.stream("the", seed=1, max_new_tokens=90)),
    lambda model: model.generate_batch(2, seed=1, max_new_tokens=90),
    lambda model: model.generate(clamp={"0.1": 1, "0.2": -1}, seed=1, max_new_tokens=90),
    lambda model: model.beam_search(2, "the", max_new_tokens=90),
    lambda model: Mixture([model, model]).log_probs(VERSE),
    lambda model: evaluate([model, model], VERSE),
    lambda model: inside.saliency(model, VERSE),
    lambda model: inside.units(model, VERSE * 2),
]


@pytest.mark.parametrize("use", USES)
def test_a_program_may_have_numpy_raise_errors(
    use: Callable[[Any], object], cell: CellName
) -> None:
    """With numbers that become 0, which np.seterr(all="raise") takes for mistakes."""
    drawn = random_model(cell, CharTokenizer.from_text(VERSE))
    model = changed(drawn, {name: 40 * weight for name, weight in drawn.weights.items()})
    with np.errstate(all="raise"):
        found = use(Model(model.config, model.tokenizer, model.weights))
    assert str(found) == str(use(model))
