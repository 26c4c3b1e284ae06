"""Machine code that samples, beside a NumPy twin with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import Corpus, Model, load, train
from charrnn.arrays import Ids, log_softmax, target_log_probs
from charrnn.cells.rules import State
from charrnn.config import CellName
from charrnn.native.processor import Target
from tests.conftest import PROCESSORS, VERSE, Processor, changed
from tests.native.writing.examples import (
    BATCHES,
    SHAPES,
    distribution,
    draw,
    each_code,
    in_threads,
    make,
    native_sampler,
    needs_products_of_bytes,
    random_state,
)

pytestmark = needs_products_of_bytes


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape['num_layers']}x{shape['hidden_size']}")
def model(cell: CellName, request: pytest.FixtureRequest) -> Model:
    return make(cell, request.param, Model)


def twin(model: Model, ids: Ids, state: State) -> tuple[np.ndarray, State]:
    """A step with weights and inputs rounded to bytes, by the readable rules."""

    def rounded(weights: np.ndarray) -> np.ndarray:
        scale = np.abs(weights).max(0) / 127
        return np.asarray(np.rint(weights / scale) * scale)

    def in_bytes(x: np.ndarray, bound: float) -> np.ndarray:
        return np.floor(x / bound * 127 + 0.5) * bound / 127

    x, after = model.embedding[ids], []
    bound = np.abs(model.embedding).max()
    for k, layer in enumerate(model.layers):
        gx = model.table[ids]
        if k:
            gx = in_bytes(x, bound) @ rounded(layer.w_ih) + layer.b_ih
        gh = in_bytes(state[0][k], 1.0) @ rounded(layer.w_hh) + layer.b_hh
        output, now = model.cell.combine(gx, gh, tuple(part[k] for part in state))
        x = x + output if layer.skip else output
        bound = 1 + bound * layer.skip
        after.append(now)
    logits = x @ model.head_weight + model.head_bias
    return logits, tuple(np.stack(parts) for parts in zip(*after, strict=True))


@each_code
def test_it_computes_what_the_cells_say_of_rounded_numbers(
    cell: CellName, shape: dict[str, Any], target: Target, processor: Processor
) -> None:
    processor(target)
    model = make(cell, shape, Model)
    batch = 7  # four together, and three alone
    state = random_state(model, batch)
    read = np.arange(batch, dtype=np.int32) % model.config.vocab_size
    expected = log_softmax(twin(model, read, state)[0])
    np.testing.assert_allclose(distribution(model, state, read), expected, atol=1e-4)
    ids, log_probs = draw(model, state, 12)
    distances = []
    for drawn, found in zip(ids, log_probs, strict=True):
        logits, state = twin(model, read, state)
        distances.append(np.abs(found - target_log_probs(logits, drawn)).max())
        read = drawn
    assert distances[0] < 1e-4
    # Later a number that lies between two bytes may have fallen the other way.
    assert np.median(distances) < 0.02
    assert max(distances) < 0.3


@pytest.mark.parametrize("shape", SHAPES[::4])
def test_every_processor_writes_the_same(
    cell: CellName, shape: dict[str, Any], processor: Processor
) -> None:
    found = []
    for target in PROCESSORS:
        processor(target)
        torch.manual_seed(1)  # the same model each time, but one that knows this processor
        model = make(cell, shape, Model)
        found.append(draw(model, random_state(model, 5), 40))
    for ids, log_probs in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_allclose(log_probs, found[0][1], atol=1e-5)


@pytest.mark.parametrize("split", [4, 5])
def test_it_goes_on_where_it_was_with_the_rows_that_are_kept(model: Model, split: int) -> None:
    state, vocab = random_state(model, 5), model.config.vocab_size
    uniforms = np.random.default_rng(3).random((9, 5))
    ids, log_probs = draw(model, state, 9, uniforms=uniforms)
    sampler = native_sampler(model, state)
    inverse, mask = np.full(9, 1.25), np.zeros(vocab)
    begin = np.arange(5, dtype=np.int32) % vocab
    first, _ = sampler.draw(begin, uniforms[:split], inverse[:split], mask)
    rows = np.array([3, 1])
    sampler.keep(rows)
    then, scores = sampler.draw(first[-1][rows], uniforms[split:][:, rows], inverse[split:], mask)
    np.testing.assert_array_equal(then, ids[split:][:, rows])
    np.testing.assert_array_equal(scores, log_probs[split:][:, rows])


@pytest.mark.parametrize("steps", [(4, 6), (4, 3)], ids=["in step", "out of step"])
def test_sequences_that_join_go_on_as_they_would_alone(
    model: Model, steps: tuple[int, int]
) -> None:
    state, vocab, random = random_state(model, 5), model.config.vocab_size, np.random.default_rng(3)
    uniforms, inverse, mask = random.random((9, 5)), np.full(9, 1.25), np.zeros(vocab)
    begin = np.arange(5, dtype=np.int32) % vocab
    alone, samplers = [], []
    for rows, count in zip((np.arange(3), np.arange(3, 5)), steps, strict=True):
        one, other = (native_sampler(model, tuple(p[:, rows] for p in state)) for _ in range(2))
        for sampler in (one, other):
            sampler.read(np.full((count, len(rows)), 1, np.int32))
        alone.append(one.draw(begin[rows], uniforms[:, rows], inverse, mask)[0])
        samplers.append(other)
    samplers[0].join(samplers[1])
    ids, _ = samplers[0].draw(begin, uniforms, inverse, mask)
    np.testing.assert_array_equal(ids, np.hstack(alone))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("length", "batch"), [(0, BATCHES[0]), (1, BATCHES[1]), *((7, batch) for batch in BATCHES)]
)
def test_what_is_read_counts_like_what_was_drawn(
    model: Model, length: int, batch: int, threads: int
) -> None:
    state, vocab = random_state(model, batch), model.config.vocab_size
    ids = np.random.default_rng(4).integers(0, vocab, (length + 1, batch)).astype(np.int32)
    one, other = (native_sampler(model, state) for _ in range(2))
    arguments = (ids[-1], np.full((5, batch), 0.7), np.ones(5), np.zeros(vocab))
    with in_threads(threads):
        for first in range(0, length, 3):
            one.read(ids[:-1][first : first + 3])
        for some in ids[:-1]:
            other.draw(some, np.zeros((1, batch)), np.ones(1), np.zeros(vocab))
        for found, expected in zip(one.draw(*arguments), other.draw(*arguments), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_draws_have_the_distribution_of_the_logits(model: Model, temperature: float) -> None:
    """Random numbers at equal distances hit each token as often as is likely, give or take one."""
    rows, vocab, one = 3000, model.config.vocab_size, random_state(model, 1)
    mask = np.where(np.arange(vocab) % 3 == 1, -np.inf, 0.0)
    ids, _ = draw(
        model,
        tuple(np.repeat(part, rows, 1) for part in one),
        1,
        ids=np.zeros(rows, np.int32),
        uniforms=(np.arange(rows)[None] + 0.5) / rows,
        inverse_temperatures=np.array([1 / temperature]),
        mask=mask,
    )
    log_probs = distribution(model, one, np.zeros(1, np.int32))[0]
    weights = np.exp((log_probs + mask) / temperature)
    expected = weights / weights.sum() * rows
    np.testing.assert_allclose(np.bincount(ids[0], minlength=vocab), expected, atol=1.01)


def test_no_temperature_is_too_low_and_no_number_too_close_to_one(model: Model) -> None:
    state, vocab = random_state(model, 4), model.config.vocab_size
    begin = np.arange(4, dtype=np.int32) % vocab
    greedy, _ = draw(
        model, state, 1, inverse_temperatures=np.full(1, 1e30), uniforms=np.zeros((1, 4))
    )
    np.testing.assert_array_equal(greedy[0], distribution(model, state, begin).argmax(-1))
    mask = np.where(np.arange(vocab) < vocab - 2, 0.0, -np.inf)
    ids, _ = draw(model, state, 6, uniforms=np.full((6, 4), np.nextafter(1, 0)), mask=mask)
    assert ids.max() == vocab - 3


@pytest.mark.parametrize("inverse", [1e-31, 1e-50])
def test_however_hot_what_is_banned_is_never_drawn(model: Model, inverse: float) -> None:
    state, vocab = random_state(model, 500), model.config.vocab_size
    mask = np.where((np.arange(vocab) == 0) | (np.arange(vocab) == vocab - 1), -np.inf, 0.0)
    ids, _ = draw(model, state, 2, inverse_temperatures=np.full(2, inverse), mask=mask)
    assert set(ids.ravel().tolist()) == set(range(1, vocab - 1))


def test_nothing_leads_out_of_the_vocabulary(cell: CellName) -> None:
    """A diverged model writes nonsense, but reads no memory that is not its own."""
    model = changed(make(cell, SHAPES[0], Model), {"head.bias": np.nan})
    ids, _ = draw(model, random_state(model, 3), 5)
    assert ((ids >= 0) & (ids < model.config.vocab_size)).all()


def test_a_weight_that_stands_out_a_little_does_no_harm(cell: CellName) -> None:
    """One of fifty times the mean of its row has been seen, in an LSTM trained for an hour."""
    model = make(cell, SHAPES[1], Model)
    state, ids = random_state(model, 2), np.zeros(2, np.int32)
    weights = model.weights["rnn.weight_hh_l1"].copy()  # (G·H, H)
    weights[5, 3] = 50 * np.abs(weights[5]).mean()
    model = changed(model, {"rnn.weight_hh_l1": weights})
    expected = log_softmax(model.step(ids, state)[0])
    np.testing.assert_allclose(distribution(model, state, ids), expected, atol=0.1)


def test_an_output_may_lose_a_quarter_of_its_weights(cell: CellName) -> None:
    """Weights that round to zero beside its largest one count; those that are zero do not."""
    model = make(cell, SHAPES[1], Model)
    for lost, suits in ((0.2, True), (0.3, False)):
        weights = model.weights["rnn.weight_hh_l1"].copy()  # (G·H, H)
        row = weights[5]
        row[:] = np.sign(row)
        row[: round(lost * len(row))] *= 1 / 300
        row[-len(row) // 2 :] = 0
        other = changed(model, {"rnn.weight_hh_l1": weights})
        assert (other.sampler(other.start(), max_tokens=None) is not None) == suits


def test_bytes_move_log_probabilities_little(cell: CellName, tmp_path: Path) -> None:
    """By less than 0.01 nats a character on average, of a model that has learnt something."""
    corpus = Corpus("verse", VERSE * 20)
    settings: dict[str, Any] = {"hidden_size": 48, "steps": 150, "learning_rate": 0.01}
    for _ in train(corpus, out=tmp_path / "model", cell=cell, **settings):
        pass
    model = load(tmp_path / "model")
    ids = model.tokenizer.encode(VERSE)
    sampler = native_sampler(model, model.start())
    masks = np.where(np.eye(model.config.vocab_size, dtype=bool), 0.0, -np.inf)
    still = (np.zeros((1, 1)), np.ones(1))
    scores = np.concatenate(
        [sampler.draw(ids[k : k + 1], *still, masks[ids[k + 1]])[1][0] for k in range(len(ids) - 1)]
    )
    exact = model.log_probs(VERSE)
    assert exact.mean() > -2.5, "it has learnt something"
    assert np.abs(scores - exact).mean() < 0.01


@each_code
def test_banned_characters_may_be_the_likeliest_by_far(
    shape: dict[str, Any], target: Target, processor: Processor
) -> None:
    """Sums of what was banned overflowed, relative to what was permitted."""
    processor(target)
    model = make("gru", shape, Model)
    banned = np.array([1, 4, 7, 8])
    bias = model.weights["head.bias"].copy()
    bias[banned] += 100.0
    model = changed(model, {"head.bias": bias})
    mask = np.zeros(shape["vocab_size"])
    mask[banned] = -np.inf
    state = random_state(model, 3)
    ids, log_probs = draw(model, state, 5, mask=mask)
    assert not np.isin(ids, banned).any()
    read = np.arange(3, dtype=np.int32)
    for token, found in zip(ids, log_probs, strict=True):
        logits, state = model(read[:, None], state)
        np.testing.assert_allclose(found, log_softmax(logits[:, 0])[range(3), token], atol=0.3)
        read = token


def test_a_state_that_bytes_cannot_hold_is_left_to_numpy(cell: CellName) -> None:
    """Of an LSTM and a SimpleRNN, too, it was cut to ±1, and the next token was another."""
    model = make(cell, SHAPES[0], Model)
    state = model.start()
    state[0][0, 0, 4:6] = 1.0, -1.0
    assert model.sampler(state, None) is not None
    state[0][0, 0, 5] = -1.5
    assert model.sampler(state, None) is None
