"""Machine code that writes: a NumPy twin with the same bytes, and the promises of every sampler."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from charrnn import CharRNN, CharTokenizer, Corpus, Model, load, train
from charrnn.arrays import Ids, log_softmax, target_log_probs
from charrnn.cells.rules import State
from charrnn.config import CellName, SampleConfig
from charrnn.native import machine
from charrnn.native import threads as native_threads
from charrnn.native.processor import Target
from charrnn.sampling import generation
from tests.conftest import HERE, PROCESSORS, VERSE, Processor, processor_name, small_config

if TYPE_CHECKING:
    from charrnn.native import intrinsics, writer, writing_code
else:
    pytest.importorskip("llvmlite")
    from charrnn.native import intrinsics, writer, writing_code
pytestmark = pytest.mark.skipif(
    not HERE or not HERE.int8,
    reason="the processor does not multiply bytes",
)

# Widths that fill panels and that don't; a vocabulary within one register and beyond it.
SHAPES = [
    {"hidden_size": 48, "num_layers": 3, "vocab_size": 37},
    {"hidden_size": 64, "num_layers": 2, "vocab_size": 11, "skip": True},
    {"hidden_size": 16, "num_layers": 4, "vocab_size": 16, "skip": True},
    {"hidden_size": 80, "num_layers": 1, "vocab_size": 50},
    {"hidden_size": 32, "num_layers": 2, "vocab_size": 21, "skip": True, "embed_size": 32},
]


def make(cell: CellName, shape: dict[str, Any]) -> Model:
    """A model with biases, and an embedding within the reach of bytes."""
    network = CharRNN(small_config(cell, **shape))
    weights, random = network.weights(), np.random.default_rng(0)
    for name, values in weights.items():
        if "bias" in name:
            weights[name] = random.normal(0, 0.5, values.shape).astype(np.float32)
    weights["embedding.weight"] = np.clip(weights["embedding.weight"], -2, 2)
    characters = "".join(chr(ord("\n") + k) for k in range(network.config.vocab_size))
    return Model(network.config, CharTokenizer(characters), weights)


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape['num_layers']}x{shape['hidden_size']}")
def model(cell: CellName, request: pytest.FixtureRequest) -> Model:
    return make(cell, request.param)


def random_state(model: Model, batch: int) -> State:
    random, shape = np.random.default_rng(1), model.start(batch)[0].shape
    return tuple(random.uniform(-1, 1, shape).astype(np.float32) for _ in model.cell.state)


def write(model: Model, state: State, count: int, **changes: Any) -> tuple[Ids, np.ndarray]:
    """Some tokens at temperature 0.8, with the numbers of a fixed seed."""
    batch, vocab = state[0].shape[1], model.config.vocab_size
    arguments = {
        "ids": np.arange(batch, dtype=np.int32) % vocab,
        "numbers": np.random.default_rng(2).random((count, batch)),
        "heat": np.full(count, 1.25),
        "mask": np.zeros(vocab),
    } | changes
    made = model.writer(state)
    assert made is not None
    ids, log_probs = made.write(**arguments)
    return ids, log_probs


def distribution(model: Model, state: State, ids: Ids) -> np.ndarray:
    """The log-probabilities (B, V) after one more token: each in turn is all that may be drawn."""
    masks = np.where(np.eye(model.config.vocab_size, dtype=bool), 0.0, -np.inf)
    drawn = [write(model, state, 1, ids=ids, mask=mask) for mask in masks]
    assert all((found == token).all() for token, (found, _) in enumerate(drawn))
    return np.stack([log_probs[0] for _, log_probs in drawn], -1)


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


@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
def test_it_computes_what_the_cells_say_of_rounded_numbers(
    model: Model, target: Target, processor: Processor
) -> None:
    processor(target)
    batch = 7  # four together, and three alone
    state = random_state(model, batch)
    read = np.arange(batch, dtype=np.int32) % model.config.vocab_size
    expected = log_softmax(twin(model, read, state)[0])
    np.testing.assert_allclose(distribution(model, state, read), expected, atol=1e-4)
    ids, log_probs = write(model, state, 12)
    distances = []
    for drawn, found in zip(ids, log_probs, strict=True):
        logits, state = twin(model, read, state)
        distances.append(np.abs(found - target_log_probs(logits, drawn)).max())
        read = drawn
    assert distances[0] < 1e-4
    # Later a number that lies between two bytes may have fallen the other way.
    assert np.median(distances) < 0.02
    assert max(distances) < 0.3


@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
def test_products_of_bytes_are_exact(target: Target, processor: Processor) -> None:
    """Whatever the bytes, 128 below zero among them, which stands for what is not a number."""
    processor(target)
    code = machine.Code("dots", ["x", "weights", "sums", "count"])
    with code.loop(0, code["count"]) as k:
        total = machine.Vector(code, code.weights(code["sums"] + k * (4 * code.lanes)))
        weights = code.weights(code["weights"] + k * (4 * code.lanes))
        total = intrinsics.dot(code, total, code.everywhere(code["x"] + k * 4), weights)
        code.store(code["sums"] + k * (4 * code.lanes), total, "fp32")  # as they are
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.compile())
    extremes = np.array(list(itertools.product([-128, -127, -1, 0, 127], repeat=4)), np.int8)
    random = np.random.default_rng(0)
    for weight in (-127, 127, None):
        shape = (len(extremes), target.lanes, 4)
        weights = random.integers(-127, 128, shape) if weight is None else np.full(shape, weight)
        x = (extremes.astype(np.int16) + target.centre).astype(np.uint8)
        sums = random.integers(-(2**30), 2**30, shape[:2], np.int32)
        expected = sums + (weights * extremes[:, None]).sum(-1)
        expected += (target.centre * weights).sum(-1)
        weights = weights.astype(np.int8)
        given = (ctypes.c_int64 * 4)(*(a.ctypes.data for a in (x, weights, sums)), len(x))
        run(ctypes.addressof(given))
        np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_every_processor_writes_the_same(
    cell: CellName, shape: dict[str, Any], processor: Processor
) -> None:
    found = []
    for target in PROCESSORS:
        processor(target)
        torch.manual_seed(1)  # the same model each time, but one that knows this processor
        model = make(cell, shape)
        found.append(write(model, random_state(model, 5), 40))
    for ids, log_probs in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_allclose(log_probs, found[0][1], atol=1e-5)


# So few that threads share the units, and so many that they share the sequences.
BATCHES = [3, 19]


@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
@pytest.mark.parametrize("batch", BATCHES)
def test_a_text_is_the_same_alone_beside_others_and_with_any_threads(
    model: Model,
    batch: int,
    target: Target,
    processor: Processor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(target)
    state = random_state(model, batch)
    monkeypatch.setattr(native_threads, "usable_processors", lambda: 1)
    ids, log_probs = write(model, state, 9)
    numbers = np.random.default_rng(2).random((9, batch))
    for row in range(batch):
        alone = write(
            model,
            tuple(part[:, [row]] for part in state),
            9,
            ids=np.array([row % model.config.vocab_size], np.int32),
            numbers=numbers[:, [row]],
        )
        np.testing.assert_array_equal(alone[0][:, 0], ids[:, row])
        np.testing.assert_array_equal(alone[1][:, 0], log_probs[:, row])
    monkeypatch.setattr(writer, "THREAD_BYTES", 0)
    for threads in (2, 3):
        monkeypatch.setattr(native_threads, "usable_processors", partial(int, threads))
        made: Any = model.writer(state)
        assert len(made._parts(batch)) == (2 if batch == 3 else threads)
        together = write(model, state, 9)
        np.testing.assert_array_equal(together[0], ids)
        np.testing.assert_array_equal(together[1], log_probs)


@pytest.mark.parametrize("split", [4, 5])
def test_it_goes_on_where_it_was_with_the_rows_that_are_kept(model: Model, split: int) -> None:
    state, vocab = random_state(model, 5), model.config.vocab_size
    numbers = np.random.default_rng(3).random((9, 5))
    ids, log_probs = write(model, state, 9, numbers=numbers)
    parts = model.writer(state)
    assert parts is not None
    heat, mask = np.full(9, 1.25), np.zeros(vocab)
    begin = np.arange(5, dtype=np.int32) % vocab
    first, _ = parts.write(begin, numbers[:split], heat[:split], mask)
    rows = np.array([3, 1])
    parts.keep(rows)
    then, scores = parts.write(first[-1][rows], numbers[split:][:, rows], heat[split:], mask)
    np.testing.assert_array_equal(then, ids[split:][:, rows])
    np.testing.assert_array_equal(scores, log_probs[split:][:, rows])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("length", [0, 1, 7])
def test_what_is_read_counts_like_what_was_drawn(
    model: Model, length: int, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "THREAD_BYTES", 0)
    monkeypatch.setattr(native_threads, "usable_processors", lambda: threads)
    state, vocab = random_state(model, batch), model.config.vocab_size
    ids = np.random.default_rng(4).integers(0, vocab, (length + 1, batch)).astype(np.int32)
    one, other = model.writer(state), model.writer(state)
    assert one is not None
    assert other is not None
    for first in range(0, length, 3):
        one.read(ids[:-1][first : first + 3])
    for some in ids[:-1]:
        other.write(some, np.zeros((1, batch)), np.ones(1), np.zeros(vocab))
    arguments = (ids[-1], np.full((5, batch), 0.7), np.ones(5), np.zeros(vocab))
    for found, expected in zip(one.write(*arguments), other.write(*arguments), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_draws_have_the_distribution_of_the_logits(model: Model, temperature: float) -> None:
    """Numbers at equal distances hit each token as often as it is likely, to one."""
    rows, vocab, one = 3000, model.config.vocab_size, random_state(model, 1)
    mask = np.where(np.arange(vocab) % 3 == 1, -np.inf, 0.0)
    ids, _ = write(
        model,
        tuple(np.repeat(part, rows, 1) for part in one),
        1,
        ids=np.zeros(rows, np.int32),
        numbers=(np.arange(rows)[None] + 0.5) / rows,
        heat=np.array([1 / temperature]),
        mask=mask,
    )
    log_probs = distribution(model, one, np.zeros(1, np.int32))[0]
    weights = np.exp((log_probs + mask) / temperature)
    expected = weights / weights.sum() * rows
    np.testing.assert_allclose(np.bincount(ids[0], minlength=vocab), expected, atol=1.01)


def test_no_heat_is_too_large_and_no_number_too_close_to_one(model: Model) -> None:
    state, vocab = random_state(model, 4), model.config.vocab_size
    begin = np.arange(4, dtype=np.int32) % vocab
    greedy, _ = write(model, state, 1, heat=np.full(1, 1e30), numbers=np.zeros((1, 4)))
    np.testing.assert_array_equal(greedy[0], distribution(model, state, begin).argmax(-1))
    mask = np.where(np.arange(vocab) < vocab - 2, 0.0, -np.inf)
    ids, _ = write(model, state, 6, numbers=np.full((6, 4), np.nextafter(1, 0)), mask=mask)
    assert ids.max() == vocab - 3


@pytest.mark.parametrize("heat", [1e-31, 1e-50])
def test_however_hot_what_is_banned_is_never_drawn(model: Model, heat: float) -> None:
    state, vocab = random_state(model, 500), model.config.vocab_size
    mask = np.where((np.arange(vocab) == 0) | (np.arange(vocab) == vocab - 1), -np.inf, 0.0)
    ids, _ = write(model, state, 2, heat=np.full(2, heat), mask=mask)
    assert set(ids.ravel().tolist()) == set(range(1, vocab - 1))


def test_nothing_leads_out_of_the_vocabulary(cell: CellName) -> None:
    """A diverged model writes nonsense, but reads no memory that is not its own."""
    model = make(cell, SHAPES[0])
    model.head_bias[:] = np.nan
    ids, _ = write(model, random_state(model, 3), 5)
    assert ((ids >= 0) & (ids < model.config.vocab_size)).all()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every text is drawn in machine code; how many tokens, each time."""
    counts: list[int] = []
    original = writer.Writer.write

    def spy(self: Any, ids: Ids, numbers: np.ndarray, *rest: Any) -> Any:
        counts.append(numbers.size)
        return original(self, ids, numbers, *rest)

    monkeypatch.setattr(writer.Writer, "write", spy)
    monkeypatch.setattr(generation, "WORTH", 0)
    return counts


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.0},
        {"temperature": (0.2, 1.0, 3.0)},
        {"ban": "\n\x0b", "temperature": 1.5},
        {"allow": "\n\x0b\x0c"},
        {"stop_strings": ("\x0c", "\x0e\x0f")},
        {"stop_strings": ("\x0c",), "include_stop": True},
        {"max_lines": 2},
        {"max_new_tokens": 0},
        {"max_new_tokens": 1},
    ],
    ids=str,
)
def test_a_stream_a_batch_and_a_text_are_one(
    cell: CellName, settings: dict[str, Any], written: list[int]
) -> None:
    model = make(cell, SHAPES[1])
    options: dict[str, Any] = {"max_new_tokens": 200} | settings
    batch = model.generate_batch(9, "\x0b\x0c", seed=7, **options)
    assert written or options["max_new_tokens"] == 0
    if not {"stop_strings", "max_lines"} & set(settings):
        assert len(written) < 2, "texts that end together are drawn at once"
    for number, sample in enumerate(batch):
        alone = model.generate("\x0b\x0c", seed=7 + number, **options)
        assert sample.text == alone
        assert sample == model.generate_batch(1, "\x0b\x0c", seed=7 + number, **options)[0]
        assert sample.tokens <= options["max_new_tokens"]
        assert set(settings.get("ban", "")).isdisjoint(alone)
        if not settings:
            assert len(alone) == sample.tokens == 200
            scores = model.log_probs("\x0b\x0c" + alone)[1:]
            assert sample.mean_log_prob == pytest.approx(scores.mean(), abs=0.01)


def test_texts_that_are_stopped_are_beginnings_of_what_they_would_have_been(
    cell: CellName, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TOKENS", 60)
    model, config = make(cell, SHAPES[1]), SampleConfig(max_new_tokens=200)
    whole = generation.generate_batch(model, "\x0b", config, seeds=range(5))
    asked = iter([False, False, True, True])
    some = generation.generate_batch(
        model, "\x0b", config, seeds=range(5), stop=lambda: next(asked)
    )
    assert written
    for one, other in zip(some, whole, strict=True):
        assert 0 < one.tokens < other.tokens == 200
        assert other.text.startswith(one.text)
        assert one.mean_log_prob < 0


def test_whoever_is_stopped_reads_no_long_prompt_to_its_end(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "WORTH", 0)
    monkeypatch.setattr(writer, "TOKENS", 100)
    lengths, original = list[int](), writer.Writer.read

    def spy(self: Any, ids: Ids) -> None:
        lengths.append(len(ids))
        original(self, ids)

    monkeypatch.setattr(writer.Writer, "read", spy)
    model, config = make(cell, SHAPES[1]), SampleConfig(max_new_tokens=9)
    found = generation.generate_batch(
        model, "\x0b\x0c" * 500, config, seeds=range(3), stop=lambda: len(lengths) > 2
    )
    assert lengths == [100] * 3
    assert {text.tokens for text in found} == {0}
    generation.generate_batch(model, "\x0b\x0c" * 500, config, seeds=range(3))
    assert lengths[3:] == [100] * 9 + [99]


def test_filters_that_look_at_the_distribution_are_left_to_numpy(written: list[int]) -> None:
    model = make("gru", SHAPES[1])
    for settings in ({"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.1}, {"typical_p": 0.5}):
        model.generate(seed=1, max_new_tokens=50, **settings)
    model.generate(seed=1, max_new_tokens=50, repetition_penalty=1.2)
    assert not written


def test_short_texts_are_left_to_numpy(written: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("gru", SHAPES[1])
    monkeypatch.setattr(generation, "WORTH", 64 * 100)
    for length, prompt in ((99, ""), (40, "\x0b" * 60)):  # without a prompt, a line end is read
        model.generate(prompt, seed=1, max_new_tokens=length - 1)
        assert not written
        model.generate(prompt, seed=1, max_new_tokens=length)
        assert written
        written.clear()


@pytest.mark.parametrize(
    "changes",
    [
        {"target": None},
        {"target": Target(4, 32, False, None, "")},
        {"hidden_size": 33},
        {"skip": True, "embed_size": 48, "num_layers": 2},
        {"outlier": 5.0},
    ],
    ids=str,
)
def test_without_such_code_texts_are_drawn_all_the_same(
    changes: dict[str, Any], processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old processor, an odd width, a skip or a weight that bytes can't hold."""
    if "target" in changes:
        processor(changes["target"])
    shape = {k: v for k, v in changes.items() if k not in ("target", "outlier")}
    config = small_config("lstm", **({"hidden_size": 48, "vocab_size": 11} | shape))
    weights = CharRNN(config).weights()
    weights["embedding.weight"] *= 10
    weights["rnn.weight_hh_l1"] *= 0.1
    weights["rnn.weight_hh_l1"][7, 3] = changes.get("outlier", 0.1)
    model = Model(config, CharTokenizer("\nabcdefghij"), weights)
    monkeypatch.setattr(generation, "WORTH", 0)
    assert model.writer(model.start()) is None
    assert len(model.generate("ab", seed=1, max_new_tokens=40)) == 40


def test_a_weight_that_stands_out_a_little_does_no_harm(cell: CellName) -> None:
    """In an LSTM trained for an hour one has been seen, of fifty times the mean of its row."""
    model = make(cell, SHAPES[1])
    state, ids = random_state(model, 2), np.zeros(2, np.int32)
    row = model.layers[1].w_hh[:, 5]
    row[3] = 50 * np.abs(row).mean()
    expected = log_softmax(model.step(ids, state)[0])
    np.testing.assert_allclose(distribution(model, state, ids), expected, atol=0.1)


def test_bytes_move_log_probabilities_little(cell: CellName, tmp_path: Path) -> None:
    """By less than 0.01 nats a character on average, of a model that has learnt something."""
    corpus = Corpus("verse", VERSE * 20)
    settings: dict[str, Any] = {"hidden_size": 48, "steps": 150, "learning_rate": 0.01}
    for _ in train(corpus, out=tmp_path / "model", cell=cell, **settings):
        pass
    model = load(tmp_path / "model")
    ids = model.tokenizer.encode(VERSE)
    made = model.writer(model.start())
    assert made is not None
    masks = np.where(np.eye(model.config.vocab_size, dtype=bool), 0.0, -np.inf)
    still = (np.zeros((1, 1)), np.ones(1))
    scores = np.concatenate(
        [made.write(ids[k : k + 1], *still, masks[ids[k + 1]])[1][0] for k in range(len(ids) - 1)]
    )
    exact = model.log_probs(VERSE)
    assert exact.mean() > -2.5, "it has learnt something"
    assert np.abs(scores - exact).mean() < 0.01


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the model, and whatever the machine."""
    monkeypatch.setattr(native_threads, "usable_processors", lambda: 2)
    monkeypatch.setattr(writer, "THREAD_BYTES", 0)


@pytest.mark.usefixtures("two_threads")
def test_two_threads_that_need_code_make_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, original = make("rnn", {"hidden_size": 48, "vocab_size": 13}), machine.Code.compile
    made: list[str] = []

    def slowly(self: machine.Code) -> int:
        made.append(self.name)
        time.sleep(0.05)
        return original(self)

    monkeypatch.setattr(machine.Code, "compile", slowly)
    write(model, random_state(model, 2), 3)
    assert made == ["rnn_writer"]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.usefixtures("two_threads")
def test_who_is_interrupted_leaves_nobody_waiting(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C when the other thread has begun: it neither waits for ever nor reads nonsense."""
    model = make("lstm", SHAPES[0])
    state = random_state(model, batch)
    expected = write(model, state, 200)
    original, calls = writing_code.code_of, list[int]()

    def interrupted(*arguments: Any) -> int:
        calls.append(1)
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.05)
            raise KeyboardInterrupt
        return int(original(*arguments))

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(writer, "code_of", interrupted)
            with pytest.raises(KeyboardInterrupt):
                write(model, state, 200)
        assert len(calls) % 2 == 0
        np.testing.assert_array_equal(write(model, state, 200)[0], expected[0])


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.usefixtures("two_threads")
def test_what_fails_in_a_helper_is_told(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does this thread wait for ever, nor is half of a text taken for a whole one."""
    model, original = make("lstm", SHAPES[0]), writing_code.code_of

    def failing(*arguments: Any) -> int:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("not here")
        return int(original(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(writer, "code_of", failing)
        with pytest.raises(MemoryError, match="not here"):
            write(model, random_state(model, batch), 50)
    assert not native_threads._HELPERS.locked()
    write(model, random_state(model, batch), 50)


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_while_helpers_are_waited_for_leaves_them_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make("gru", SHAPES[0])

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(model, random_state(model, 19), 5)
    assert not native_threads._HELPERS.locked()


@pytest.mark.parametrize("processors", range(1, 12))
@pytest.mark.parametrize("batch", [1, 4, 5, 21, 64])
def test_every_sequence_has_one_thread(
    batch: int, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_threads, "usable_processors", lambda: processors)
    model = make("rnn", SHAPES[2])
    made: Any = model.writer(model.start(batch))
    parts = made._parts(batch)
    rows = [row for part in parts for row in range(part.first, part.last)]
    assert rows == list(range(batch))
    assert 1 <= len(parts) <= processors


@pytest.mark.parametrize(("batch", "allowed"), [(3, 0), (19, 0), (19, 1)])
def test_where_no_more_threads_can_be_started_fewer_are_enough(
    batch: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, original, started = make("gru", SHAPES[0]), threading.Thread.start, list[object]()
    monkeypatch.setattr(native_threads, "usable_processors", lambda: 3)
    monkeypatch.setattr(writer, "THREAD_BYTES", 0)
    expected = write(model, random_state(model, batch), 20)

    def refuse(self: threading.Thread) -> None:
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(self)
        original(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    np.testing.assert_array_equal(write(model, random_state(model, batch), 20)[0], expected[0])
    assert len(started) == allowed


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.usefixtures("two_threads")
def test_several_write_at_the_same_time(batch: int) -> None:
    model = make("gru", SHAPES[0])
    expected = write(model, random_state(model, batch), 100)[0]
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(write, model, random_state(model, batch), 100) for _ in range(12)]
        for future in found:
            np.testing.assert_array_equal(future.result()[0], expected)


@pytest.mark.parametrize(
    ("limit", "count"), [("", 6), ("1", 1), ("4", 4), ("9", 6), ("0", 1), (" 2,1", 2), ("many", 6)]
)
def test_processors_are_those_that_may_be_used(
    limit: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert native_threads.usable_processors() == count


def test_a_thread_that_outlives_the_program_writes_to_its_end(tmp_path: Path) -> None:
    config = small_config("lstm", hidden_size=512)
    CharRNN(config).save_pretrained(tmp_path / "model", CharTokenizer("\nabcdefghij"))
    code = (
        "import charrnn, threading, time\n"
        "model = charrnn.load('model')\n"
        "def write():\n"
        "    time.sleep(0.2)\n"
        "    print(len(model.generate(max_new_tokens=3000, seed=1)))\n"
        "threading.Thread(target=write).start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "3000", done.stderr
