"""The fast step is the readable one: `NumPyStepper` beside `Model.step`."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn import CharRNN, CharTokenizer, Model
from tests.conftest import B, L, V, small_config


@pytest.fixture(params=[{}, {"skip": True, "embed_size": 5}, {"num_layers": 1}, {"num_layers": 4}])
def model(cell: str, request: pytest.FixtureRequest) -> Model:
    network = CharRNN(small_config(cell, **request.param))
    weights = network.weights()
    random = np.random.default_rng(0)
    for name, values in weights.items():  # biases too, and large enough to saturate some gates
        weights[name] = values + random.normal(0, 0.5, values.shape).astype(np.float32)
    return Model(network.config, CharTokenizer("\nabcdefghij"), weights)


def test_many_steps_are_the_cells(model: Model) -> None:
    random = np.random.default_rng(1)
    layers = model.config.num_layers
    state = tuple(
        random.normal(0, 1, (layers, B, model.config.hidden_size)).astype(np.float32)
        for _ in model.cell.state
    )
    given, start = state, tuple(part.copy() for part in state)
    stepper = model.stepper(state)
    for ids in random.integers(0, V, (50, B)).astype(np.int32):
        expected, state = model.step(ids, state)
        np.testing.assert_allclose(stepper.step(ids), expected, atol=1e-5)
    for ours, theirs in zip(stepper.state, state, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for now, before in zip(given, start, strict=True):
        np.testing.assert_array_equal(now, before, "a state is a value")


def test_a_state_goes_on_in_another_stepper(model: Model) -> None:
    ids = np.random.default_rng(2).integers(0, V, (20, B)).astype(np.int32)
    one = model.stepper(model.start(B))
    for row in ids[:10]:
        one.step(row)
    rows = np.array([2, 0])
    other = model.stepper(tuple(part[:, rows] for part in one.state))
    for row in ids[10:]:
        both = one.step(row)[rows].copy(), other.step(row[rows])
        np.testing.assert_allclose(*both, atol=1e-5)


def test_steppers_do_not_share_their_states(model: Model) -> None:
    start = model.start(1)
    one, two = model.stepper(start), model.stepper(start)
    first = one.step(np.array([3], np.int32)).copy()
    one.step(np.array([4], np.int32))
    np.testing.assert_array_equal(two.step(np.array([3], np.int32)), first)
    assert not any(part.any() for part in start)
    assert start[0].shape[0] in (1, L, 4)
