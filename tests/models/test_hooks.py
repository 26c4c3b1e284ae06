"""What a model shows of itself is what PyTorch computes, and looking changes nothing."""

from __future__ import annotations

import inspect
import re
from functools import partial, wraps
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from charrnn import CharRNN, CharRNNError, CharTokenizer, Mixture, Model
from charrnn.arrays import log_softmax
from charrnn.config import CellName
from charrnn.models.hooks import Hook
from charrnn.sampling.language_model import TIME_CHUNK
from tests.conftest import B, E, H, L, T, V, changed, small_config
from tests.models.small import IDS, TOKENIZER, VARIANTS, make

TEXT = TOKENIZER.decode(IDS[0])
LONG = TOKENIZER.decode(np.resize(IDS, TIME_CHUNK + 9))


@pytest.fixture(params=VARIANTS, ids=str)
def both(cell: CellName, request: pytest.FixtureRequest) -> tuple[CharRNN, Model]:
    return make(small_config(cell, **request.param))


def test_values_stand_under_the_character_that_was_read(both: tuple[CharRNN, Model]) -> None:
    """Row t is PyTorch's state after characters 0 to t: neither one earlier nor one later."""
    network, model = both
    logits, cache = model.run_with_cache(TEXT)
    for t in range(T):
        with torch.inference_mode():
            expected, state = network(torch.from_numpy(IDS[:1, : t + 1]))
        assert_allclose(logits[t], expected[0, -1], atol=1e-5)
        for name, part in zip(model.cell.state, state, strict=True):
            for layer in range(model.config.num_layers):
                assert_allclose(cache[f"layers.{layer}.hook_{name}"][t], part[layer, 0], atol=1e-5)
        assert_array_equal(cache["hook_embed"][t], model.embedding[IDS[0, t]])


def test_sequences_may_be_lists_and_lists_of_lists(cell: CellName) -> None:
    model: Any = make(small_config(cell))[1]
    for ids in (IDS[0], IDS):
        logits, cache = model.run_with_cache(ids)
        for given in (ids.tolist(), [*ids], torch.from_numpy(ids)):
            again, same = model.run_with_cache(given)
            assert_array_equal(again, logits)
            assert all(np.array_equal(same[name], cache[name]) for name in cache)
            assert_array_equal(model.run_with_hooks(given, []), logits)
    for wrong in ([[1, 2], [3]], [[[1]]], 1, [["a"]]):
        with pytest.raises(CharRNNError, match=r"whole numbers from 0 to 10, \(N,\) or \(B, T\)"):
            model.run_with_cache(wrong)


def test_a_batch_is_its_sequences_and_both_are_steps(both: tuple[CharRNN, Model]) -> None:
    _, model = both
    logits, cache = model.run_with_cache(IDS)
    state, seen = model.start(B), dict[str, Any]()
    for t in range(T):

        def watch(name: str, _t: int, value: Any) -> Any:
            seen[name] = value
            return value

        stepped, state = model.step(IDS[:, t], state, watch)
        assert_allclose(logits[:, t], stepped, atol=1e-5)
        assert seen.keys() == cache.keys() == set(model.places)
        for name, value in seen.items():
            assert_allclose(cache[name][:, t], value, atol=1e-5, err_msg=name)
    for row in range(B):
        alone, values = model.run_with_cache(IDS[row])
        assert_allclose(alone, logits[row], atol=1e-5)
        for name, value in values.items():
            assert_allclose(value, cache[name][row], atol=1e-5)


def test_gates_are_those_of_the_equations(both: tuple[CharRNN, Model]) -> None:
    """The values of one step follow from each other as the cell says."""
    _, model = both
    _, cache = model.run_with_cache(TEXT)
    for layer in range(model.config.num_layers):
        now = {name: cache[f"layers.{layer}.hook_{name}"] for name in model.cell.quantities}
        before = {name: np.vstack([0 * now[name][:1], now[name][:-1]]) for name in now}
        if model.config.cell == "lstm":
            assert_allclose(now["c"], now["f"] * before["c"] + now["i"] * now["g"], atol=1e-6)
            assert_allclose(now["h"], now["o"] * np.tanh(now["c"]), atol=1e-6)
        elif model.config.cell == "gru":
            mixed = (1 - now["z"]) * now["n"] + now["z"] * before["h"]
            assert_allclose(now["h"], mixed, atol=1e-6)
        for name in set(now) - {"c"}:
            assert (np.abs(now[name]) <= 1).all()
            assert name not in "ifoz" or (now[name] >= 0).all()


def test_what_a_layer_hands_on_is_what_the_next_one_reads(both: tuple[CharRNN, Model]) -> None:
    _, model = both
    logits, cache = model.run_with_cache(TEXT)
    x = cache["hook_embed"]
    for k, layer in enumerate(model.layers):
        h = cache[f"layers.{k}.hook_h"]
        x = x + h if layer.skip else h
        assert_allclose(cache[f"layers.{k}.hook_out"], x, atol=1e-6)
    assert_allclose(logits, x @ model.head_weight + model.head_bias, atol=1e-5)


def test_looking_changes_nothing_to_the_bit(both: tuple[CharRNN, Model]) -> None:
    _, model = both
    seen = []

    def scribble(value: Any, *, hook: Hook) -> None:
        seen.append(hook)
        value[:] = 9  # a copy, so that only what is returned counts

    hooked = model.run_with_hooks(LONG, [(lambda _: True, scribble)])
    logits, _ = model.run_with_cache(LONG)
    assert_array_equal(hooked, logits)
    assert len(seen) == len(LONG) * len(model.places)
    assert {hook.layer for hook in seen} == {None, *range(model.config.num_layers)}
    ids = TOKENIZER.encode(LONG)[None]
    assert_array_equal(model(ids[:, :TIME_CHUNK])[0][0], logits[:TIME_CHUNK])
    scores = logits[:-1] - np.log(np.exp(logits[:-1]).sum(-1, keepdims=True))
    expected = np.take_along_axis(scores, ids[0, 1:, None], 1)[:, 0]
    assert_allclose(model.log_probs(LONG), expected, atol=1e-5)


def test_what_a_hook_returns_is_what_the_network_goes_on_with(both: tuple[CharRNN, Model]) -> None:
    """Every place can be replaced; nothing before the replaced step changes, all after it may."""
    _, model = both
    plain = model.run_with_hooks(TEXT, [])
    for place in model.places:

        def push(value: Any, *, hook: Hook) -> Any:
            return value + 0.5 if hook.position == 3 else None

        changed = model.run_with_hooks(TEXT, [(place, push)])
        assert_array_equal(changed[:3], plain[:3])
        assert np.abs(changed[3] - plain[3]).max() > 1e-4, place


def test_the_memory_of_an_lstm_can_be_emptied() -> None:
    _, model = make(small_config("lstm"))
    layer = "layers.0."
    after = dict[str, Any]()

    def empty(value: Any, *, hook: Hook) -> Any:
        return np.zeros_like(value)

    def note(value: Any, *, hook: Hook) -> None:
        after[f"{hook.name}.{hook.position}"] = value

    hooks = [(f"{layer}hook_c", empty), (f"{layer}hook_h", note), (f"{layer}hook_c", note)]
    model.run_with_hooks(TEXT, hooks)
    assert len(after) == 2 * T
    assert not any(value.any() for value in after.values()), "h is o · tanh(c)"


def test_hooks_on_one_place_act_in_turn_and_see_a_batch_where_there_is_one() -> None:
    _, model = make(small_config("gru"))
    place = f"layers.{L - 1}.hook_out"
    shapes = []

    def same(value: Any, *, hook: Hook) -> Any:
        shapes.append(value.shape)
        return 2 * value

    logits = model.run_with_hooks(IDS, [(place, same), (place, same)])
    _, cache = model.run_with_cache(IDS)
    assert_allclose(logits, 4 * cache[place] @ model.head_weight + model.head_bias, atol=1e-5)
    assert set(shapes) == {(B, H)}


def test_places_are_chosen_by_name_names_or_predicate() -> None:
    _, model = make(small_config("lstm"))
    for wanted in (
        "layers.1.hook_c",
        ["layers.1.hook_c"],
        (f"layers.{k}.hook_c" for k in (1,)),
        lambda name: name.startswith("layers.1") and name.endswith("_c"),
    ):
        _, cache = model.run_with_cache(TEXT, wanted)
        assert {name: value.shape for name, value in cache.items()} == {"layers.1.hook_c": (T, H)}
    assert model.run_with_cache(TEXT)[1]["hook_embed"].shape == (T, E)
    assert model.run_with_cache("a")[0].shape == (1, V)


def test_hooks_may_come_from_a_generator() -> None:
    _, model = make(small_config("lstm"))
    seen: list[str] = []
    places = ("layers.0.hook_h", "layers.1.hook_h")
    model.run_with_hooks(
        "a", ((place, lambda _, *, hook: seen.append(hook.name)) for place in places)
    )
    assert seen == list(places)


@pytest.mark.parametrize("wanted", [3, object()])
def test_what_chooses_no_places_is_refused(wanted: Any) -> None:
    _, model = make(small_config("rnn"))
    with pytest.raises(CharRNNError, match="places are chosen by"):
        model.run_with_cache(TEXT, wanted)
    with pytest.raises(CharRNNError, match="hooks are not pairs"):
        model.run_with_hooks(TEXT, wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        ("", None, "no text to read"),
        ([], None, "no text to read"),
        ("aΩ", None, "does not know"),
        (TEXT, "layers.0.hook_H", "no place 'layers.0.hook_H'; choose from layers.0.hook_h"),
        (TEXT, ["layers.7.hook_h"], "no place 'layers.7.hook_h'"),
        (TEXT, lambda _: False, "chooses no place"),
        (np.array([V]), None, "ids are whole numbers"),
        (np.array([0.5]), None, "ids are whole numbers"),
        (np.zeros((1, 1, 1), int), None, "ids are whole numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_mistakes_end_in_a_line(text: Any, wanted: Any, message: str) -> None:
    _, model = make(small_config("rnn"))
    with pytest.raises(CharRNNError, match=message):
        model.run_with_cache(text, wanted)


@pytest.mark.parametrize(
    "function",
    [
        lambda value: value,
        lambda value, _hook: value,
        lambda hook, value: (hook, value),
        lambda value, hook, more: (value, hook, more),
        partial(lambda first, value: first * value, 1),
    ],
)
def test_a_hook_that_cannot_be_called_is_refused_before_the_text_is_read(function: Any) -> None:
    _, model = make(small_config("rnn"))
    given = re.escape(str(inspect.signature(function)))
    with pytest.raises(CharRNNError, match=f"hook on layers.0.hook_h takes {given}; it must take"):
        model.run_with_hooks(TEXT, [("layers.0.hook_h", function)])


def test_a_hook_may_be_anything_that_takes_a_value_and_where_it_is() -> None:
    _, model = make(small_config("rnn"))

    class Untold:
        __signature__ = "none that Python can read"

        def __call__(self, value: Any, *, hook: Hook) -> Any:
            return value if hook else None

    def same(value: Any) -> Any:
        return value

    @wraps(same)
    def decorated(value: Any, *, hook: Hook) -> Any:
        return same(value) if hook else None

    for function in (
        lambda value, hook: value if hook else None,
        lambda value, **more: value * len(more),
        lambda *given, **more: given[0] * len(more),
        partial(lambda first, value, hook: first * value if hook else None, 1),
        partial(lambda value, hook: value if hook else None, hook=None),
        Untold(),
        decorated,
    ):
        hooked = model.run_with_hooks(TEXT, [("layers.0.hook_h", function)])
        assert_array_equal(hooked, model.run_with_cache(TEXT)[0])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("text", "str"),
        ([[1], [1, 2]], "list"),
        ([None] * H, "list"),
        ({}, "dict"),
        (torch.ones(H, requires_grad=True), "Tensor"),
        (np.ones(H, np.complex64), "complex64"),
        (np.ones(H, "m8[s]"), r"timedelta64\[s\]"),
        (np.full(H, "1"), "<U1"),
    ],
    ids=repr,
)
def test_a_hook_that_returns_no_real_numbers_is_named(answer: Any, kind: str) -> None:
    _, model = make(small_config("rnn"))

    def replace(_value: Any, *, hook: Hook) -> Any:
        return answer

    with pytest.raises(CharRNNError, match=f"hook on layers.0.hook_h returned {kind}; return real"):
        model.run_with_hooks(TEXT, [("layers.0.hook_h", replace)])


def test_a_record_is_read_after_the_end_before_it(both: tuple[CharRNN, Model]) -> None:
    """It was read without, from a state that no training knows."""
    _, model = both
    end = V - 1
    model = Model(model.config, CharTokenizer("abcdefghij", end="\n"), model.weights)
    ids = np.array([end, 2, 0, 1, end], np.int32)
    for one in (model, Mixture([model, model])):
        logits, cache = one.run_with_cache("cab")
        costs = log_softmax(logits)[np.arange(3), ids[2:]]
        assert_allclose(costs, one.log_probs("cab")[1:], atol=1e-6)
        assert_array_equal(one.run_with_hooks("cab", []), logits)
        whole, values = one.run_with_cache(ids[:-1])
        assert_allclose(logits, whole[1:], atol=1e-6)
        for name, value in cache.items():
            assert_allclose(value, values[name][1:], atol=1e-6)


def test_a_hook_that_returns_another_shape_is_named() -> None:
    _, model = make(small_config("rnn"))
    with pytest.raises(CharRNNError, match=r"hook on layers.0.hook_h returned the shape \(\)"):
        model.run_with_hooks(TEXT, [("layers.0.hook_h", lambda value, **_: value.mean())])
    with pytest.raises(CharRNNError, match="no place"):
        model.run_with_hooks(TEXT, [("hook_h", lambda value, **_: value)])


def test_a_mixture_shows_the_places_of_all_its_models() -> None:
    models = [make(small_config(cell))[1] for cell in ("lstm", "gru")]
    mixture = Mixture(models)
    logits, cache = mixture.run_with_cache(TEXT)
    assert_array_equal(logits, mixture(IDS[:1])[0][0])
    for k, model in enumerate(models):
        _, own = model.run_with_cache(TEXT)
        assert own.keys() == {name.removeprefix(f"models.{k}.") for name in cache} & own.keys()
        for name, value in own.items():
            assert_array_equal(cache[f"models.{k}.{name}"], value)
    assert set(cache) == set(mixture.places)
    silent = [("models.1.layers.0.hook_h", lambda value, **_: 0 * value)]
    changed = mixture.run_with_hooks(TEXT, silent)
    assert np.abs(changed - logits).max() > 1e-4


def test_a_network_that_has_diverged_shows_it() -> None:
    model = changed(make(small_config("gru"))[1], {"rnn.bias_hh_l0": np.nan})
    _, cache = model.run_with_cache(TEXT)
    assert np.isnan(cache["layers.0.hook_h"]).all()
