"""Models that machine code can sample from, and a draw from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pytest

from charrnn import CharRNN, CharTokenizer, Model
from charrnn.arrays import Ids
from charrnn.cells.rules import State
from charrnn.config import CellName
from charrnn.native.writing import sampler as sampling
from charrnn.native.writing.sampler import NativeSampler
from tests.conftest import HERE, PROCESSORS, processor_name, small_config

needs_products_of_bytes = pytest.mark.skipif(
    not HERE or not HERE.int8, reason="the processor does not multiply bytes"
)

# Widths that fill panels and that don't; a vocabulary within one register and beyond it.
SHAPES: list[dict[str, Any]] = [
    {"hidden_size": 48, "num_layers": 3, "vocab_size": 37},
    {"hidden_size": 64, "num_layers": 2, "vocab_size": 11, "skip": True},
    {"hidden_size": 16, "num_layers": 4, "vocab_size": 16, "skip": True},
    {"hidden_size": 80, "num_layers": 1, "vocab_size": 50},
    {"hidden_size": 32, "num_layers": 2, "vocab_size": 21, "skip": True, "embed_size": 32},
]
# All shapes for this processor, and as for others two; the rest takes a minute to compile.
each_code = pytest.mark.parametrize(
    ("shape", "target"),
    [
        pytest.param(
            shape,
            target,
            id=f"{shape['num_layers']}x{shape['hidden_size']}-{processor_name(target)}",
            marks=() if target == HERE or shape in SHAPES[::4] else pytest.mark.slow,
        )
        for shape in SHAPES
        for target in PROCESSORS
    ],
)
# So few sequences that threads share the units, and so many that they share the sequences.
BATCHES = [3, 19]

AnyModel = TypeVar("AnyModel", bound=Model)


def make(cell: CellName, shape: dict[str, Any], kind: type[AnyModel]) -> AnyModel:
    """A model with biases, and an embedding that bytes resolve."""
    network = CharRNN(small_config(cell, **shape))
    weights, random = network.weights(), np.random.default_rng(0)
    for name, values in weights.items():
        if "bias" in name:
            weights[name] = random.normal(0, 0.5, values.shape).astype(np.float32)
    weights["embedding.weight"] = np.clip(weights["embedding.weight"], -2, 2)
    characters = "".join(chr(ord("\n") + k) for k in range(network.config.vocab_size))
    return kind(network.config, CharTokenizer(characters), weights)


def random_state(model: Model, batch: int) -> State:
    random, shape = np.random.default_rng(1), model.start(batch)[0].shape
    return tuple(random.uniform(-1, 1, shape).astype(np.float32) for _ in model.cell.state)


def native_sampler(model: Model, state: State) -> NativeSampler:
    sampler = model.sampler(state, max_tokens=None)
    assert isinstance(sampler, NativeSampler)
    return sampler


@contextmanager
def in_threads(count: int) -> Iterator[None]:
    """Inside, draws have so many threads, on any machine, and they share the smallest layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "usable_processors", lambda: count)
        patch.setattr(sampling, "SHARED_LAYER_BYTES", 0)
        yield


def draw(model: Model, state: State, count: int, **changes: Any) -> tuple[Ids, np.ndarray]:
    """Some tokens at temperature 0.8, with the random numbers of a fixed seed."""
    batch, vocab = state[0].shape[1], model.config.vocab_size
    arguments = {
        "ids": np.arange(batch, dtype=np.int32) % vocab,
        "uniforms": np.random.default_rng(2).random((count, batch)),
        "inverse_temperatures": np.full(count, 1.25),
        "mask": np.zeros(vocab),
    } | changes
    return native_sampler(model, state).draw(**arguments)


def distribution(model: Model, state: State, ids: Ids) -> np.ndarray:
    """The log-probabilities (B, V) after one more token: each in turn is all that may be drawn."""
    masks = np.where(np.eye(model.config.vocab_size, dtype=bool), 0.0, -np.inf)
    drawn = [draw(model, state, 1, ids=ids, mask=mask) for mask in masks]
    assert all((found == token).all() for token, (found, _) in enumerate(drawn))
    return np.stack([log_probs[0] for _, log_probs in drawn], -1)
