"""Scores of texts: every token once, by every protocol, in PyTorch and in NumPy alike."""

from __future__ import annotations

import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding

import charrnn
from charrnn import ByteTokenizer, CharRNN, CharRNNError, CharTokenizer, EvalConfig, Mixture, Model
from charrnn.arrays import Ids
from charrnn.cells.rules import State
from charrnn.errors import UsageError
from charrnn.evaluation.dynamic import Adapting, typical_gradients
from charrnn.evaluation.losses import load_networks, mixed_surprisals
from charrnn.evaluation.surprisals import surprisals, targets
from charrnn.learning.hardware import devices
from charrnn.network.stack.recurrent import Recurrent
from charrnn.scoring.heatmap import page
from charrnn.scoring.lanes import CHUNK
from charrnn.scoring.score import Score, score_of
from charrnn.text.records import Records
from tests.conftest import H, V, small_config

TOKENIZER = CharTokenizer("\nabcdefghij")
LOSSES = "charrnn.evaluation.losses"


def _make(cell: str, **changes: object) -> tuple[CharRNN, Model]:
    network = CharRNN(small_config(cell, **changes))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2)  # so that losses differ from token to token
    return network, Model(network.config, TOKENIZER, network.weights())


def _ids(length: int) -> Ids:
    return np.random.default_rng(length).integers(0, V, length).astype(np.int32)


def test_lanes_are_one_reader_of_the_whole_text(cell: str) -> None:
    """To 1e-4 nats a token, the promise of WARM_UP; lanes that started cold would miss it."""
    network, model = _make(cell, hidden_size=H)
    ids = _ids(9001)
    whole = -model.log_probs(TOKENIZER.decode(ids))
    np.testing.assert_allclose(surprisals(network, ids), whole, atol=1e-4)


@pytest.mark.parametrize("length", [2, 3, 63, 64, 65, 66, 2048, 2049, 4097])
def test_every_token_but_the_first_is_scored_once(length: int) -> None:
    network, model = _make("gru")
    ids = _ids(length)
    expected = -model.log_probs(TOKENIZER.decode(ids))
    np.testing.assert_allclose(surprisals(network, ids), expected, atol=1e-4)


def test_a_long_record_among_short_ones_is_read_in_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, step after step, it took most of the time of an evaluation."""
    network = CharRNN(small_config("gru", vocab_size=V + 1)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2)
    each = [np.concatenate([[V], _ids(length), [V]]) for length in (7, 3, 25_000, 12)]
    expected = []
    for record in map(torch.from_numpy, each):
        with torch.no_grad():
            logits, _ = network(record[None, :-1])
        expected.append(cross_entropy(logits[0], record[1:].long(), reduction="none").numpy())
    calls, forward = list[int](), network.forward

    def counted(*given: Any) -> Any:
        calls.append(len(given[0]))
        return forward(*given)

    monkeypatch.setattr(network, "forward", counted)
    ids = np.concatenate([each[0], *(record[1:] for record in each[1:])]).astype(np.uint8)
    found = surprisals(network, Records.of(ids, V))
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-4)
    assert len(calls) < 25_000 / 64 / 8


@pytest.mark.parametrize(("length", "window"), [(1000, 7), (1001, 100), (50, 64), (2, 1)])
def test_windows_start_empty_and_cover_the_text(cell: str, length: int, window: int) -> None:
    network, model = _make(cell)
    ids, config = _ids(length), EvalConfig(protocol="windows", window=window)
    expected = [
        -model.log_probs(TOKENIZER.decode(ids[start : start + window + 1]))
        for start in range(0, length - 1, window)
    ]
    found = surprisals(network, ids, config)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-4)
    np.testing.assert_array_equal(targets(ids, config), ids[1:])


def test_long_windows_are_read_in_chunks(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of all characters of 64 whole windows at once took gigabytes."""
    network, _ = _make(cell)
    ids, config = _ids(700), EvalConfig(protocol="windows", window=300)
    expected = []
    for first in (0, 300, 600):
        part = torch.from_numpy(ids[first : first + 301])
        with torch.no_grad():
            logits, _ = network.eval()(part[None, :-1])
        expected.append(cross_entropy(logits[0], part[1:].long(), reduction="none").numpy())
    widths, forward = list[int](), network.forward

    def noted(read: torch.Tensor, *given: Any) -> Any:
        widths.append(read.shape[1])
        return forward(read, *given)

    monkeypatch.setattr(network, "forward", noted)
    found = surprisals(network, ids, config)
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5, atol=1e-6)
    assert max(widths) == CHUNK


def test_random_windows_are_windows_and_repeat_with_their_seed() -> None:
    network, model = _make("lstm")
    ids = _ids(500)
    config = EvalConfig(protocol="windows", window=20, random_windows=9, seed=4)
    found, wanted = surprisals(network, ids, config), targets(ids, config)
    assert found.shape == wanted.shape == (180,)
    text = TOKENIZER.decode(ids)
    for costs_of, own in zip(found.reshape(9, 20), wanted.reshape(9, 20), strict=True):
        at = text.index(TOKENIZER.decode(own)) - 1
        expected = -model.log_probs(text[at : at + 21])
        np.testing.assert_allclose(costs_of, expected, atol=1e-4)
    np.testing.assert_array_equal(surprisals(network, ids, config), found)
    other = EvalConfig(protocol="windows", window=20, random_windows=9, seed=5)
    assert not np.array_equal(targets(ids, other), wanted)


def test_evaluation_changes_nothing(cell: str) -> None:
    network, _ = _make(cell, dropout=0.5)
    network.train()
    before, random = network.weights(), torch.get_rng_state()
    ids = _ids(3000)
    one = surprisals(network, ids)
    typical = typical_gradients(network, ids[:500], 16)
    list(Adapting(network, typical, EvalConfig(segment=16, rate=1.0)).score(ids[:200]))
    np.testing.assert_array_equal(surprisals(network, ids), one)
    assert network.training
    assert torch.equal(random, torch.get_rng_state())
    for name, weight in network.weights().items():
        np.testing.assert_array_equal(weight, before[name])


@pytest.mark.parametrize(
    "config",
    [
        EvalConfig(),
        EvalConfig(protocol="windows", window=30),
        EvalConfig(protocol="windows", window=20, random_windows=70),
    ],
)
def test_what_is_scored_is_told_piece_by_piece(config: EvalConfig) -> None:
    """The bar of a long text stood at 0 until it was over."""
    networks = [_make("gru")[0], _make("gru", hidden_size=6)[0]]
    ids, done = _ids(9001), list[int]()
    mixed_surprisals(networks, ids, config, progress=done.append)
    assert sum(done) == len(networks) * len(targets(ids, config))
    assert len(done) > len(networks)


def test_what_is_scored_of_a_list_is_told_piece_by_piece() -> None:
    network = CharRNN(small_config("gru", vocab_size=V + 1))
    ids = np.concatenate([np.append(V, _ids(length)) for length in (7, 300, 9_000, 12)] + [[V]])
    records, done = Records.of(ids.astype(np.uint8), V), list[int]()
    mixed_surprisals([network], records, EvalConfig(), progress=done.append)
    assert sum(done) == records.size
    assert len(done) > 2


def test_a_mixture_is_the_mean_of_probabilities(cell: str) -> None:
    networks, models = zip(*(_make(cell, hidden_size=size) for size in (5, 6, 8)), strict=True)
    ids = _ids(300)
    text = TOKENIZER.decode(ids)
    expected = np.mean([np.exp(model.log_probs(text)) for model in models], 0)
    found = mixed_surprisals(networks, ids, EvalConfig())
    np.testing.assert_allclose(np.exp(-found), expected, rtol=1e-3)
    mixture = Mixture(models)
    np.testing.assert_allclose(np.exp(mixture.log_probs(text)), expected, rtol=1e-3)
    sample = mixture.generate("ab", max_new_tokens=30, seed=1)
    assert len(sample) == 30
    assert mixture.generate_batch(3, "ab", max_new_tokens=30, seed=1)[0].text == sample
    assert len(mixture.beam_search(3, "ab", max_new_tokens=5)) == 3


def test_a_mixture_with_itself_is_the_model() -> None:
    _, model = _make("gru")
    text = TOKENIZER.decode(_ids(200))
    twice = Mixture([model, model])
    np.testing.assert_allclose(twice.log_probs(text), model.log_probs(text), atol=1e-5)
    assert twice.generate("a", seed=3) == model.generate("a", seed=3)


def test_mixtures_need_one_vocabulary() -> None:
    network, model = _make("rnn")
    other = Model(network.config, CharTokenizer("\nZabcdefghi"), network.weights())
    with pytest.raises(CharRNNError, match="differ in 'Zj'"):
        Mixture([model, other])
    byte = CharRNN(small_config("rnn", vocab_size=256))
    with pytest.raises(CharRNNError, match="reads characters, another bytes"):
        Mixture([model, Model(byte.config, ByteTokenizer(), byte.weights())])


def test_dynamic_evaluation_scores_before_it_learns() -> None:
    """With a rate of 0 it is plain evaluation; with one, the first segment still is."""
    network, _ = _make("lstm")
    ids = np.resize(_ids(40), 400)
    typical = typical_gradients(network, _ids(2000), 16)
    plain = surprisals(network, ids)

    def run(rate: float, decay: float = 0.0) -> np.ndarray:
        config = EvalConfig(segment=16, rate=rate, decay=decay)
        return np.concatenate(list(Adapting(network, typical, config).score(ids)))

    np.testing.assert_allclose(run(0.0), plain, atol=1e-4)
    adapted = run(5e-3)
    np.testing.assert_allclose(adapted[:16], plain[:16], atol=1e-5)
    # The text repeats itself every 40 tokens, which a network that learns finds out.
    assert adapted[200:].mean() < plain[200:].mean() - 0.1
    pulled = run(5e-3, 0.5)
    assert plain[200:].mean() > pulled[200:].mean() > adapted[200:].mean()


def test_an_adaptation_is_the_rule_of_the_paper() -> None:
    network, _ = _make("gru")
    typical = [torch.rand_like(weight) + 0.5 for weight in network.parameters()]
    config = EvalConfig(segment=4, rate=0.01, decay=0.2)
    adapting = Adapting(network, typical, config)
    before = [weight.detach().clone() for weight in adapting.weights]
    gradients = tuple(torch.randn_like(weight) for weight in before)
    adapting.adapt(gradients)
    mean = float(torch.cat([part.flatten() for part in typical]).mean())
    for weight, start, part, gradient in zip(
        adapting.weights, before, typical, gradients, strict=True
    ):
        moved = start - 0.01 * gradient / (part + 0.1 * mean)
        pull = (0.2 * part / mean).clamp(max=1)
        torch.testing.assert_close(weight.detach(), moved + pull * (start - moved))


def test_typical_gradients_are_root_mean_squares() -> None:
    network, _ = _make("rnn")
    ids = _ids(2 * 8 * 10 + 1)
    found = typical_gradients(network, ids, 10)
    squares = [torch.zeros_like(weight) for weight in network.parameters()]
    read = torch.from_numpy(ids.astype(np.int64))
    for start in (0, 80):  # two runs of eight segments each
        state = None
        for first in range(start, start + 80, 10):
            logits, state = network(read[None, first : first + 10], state)
            loss = torch.nn.functional.cross_entropy(logits[0], read[first + 1 : first + 11])
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            squares = [s + g**2 / 16 for s, g in zip(squares, gradients, strict=True)]
            state = tuple(part.detach() for part in state)
    for part, square in zip(found, squares, strict=True):
        torch.testing.assert_close(part, square.sqrt(), rtol=1e-4, atol=1e-7)
    assert len(typical_gradients(network, ids[:5], 10)) == len(found)


@given(st.text(min_size=1), st.floats(0, 1e4))
def test_units_of_a_score(text: str, nats: float) -> None:
    tokenizers = [ByteTokenizer()]
    if not any("\ud800" <= c <= "\udfff" for c in text):
        tokenizers.append(CharTokenizer.from_text(text))  # type: ignore[arg-type]
    data = text.encode("utf-8", "replace")
    for tokenizer in tokenizers:
        score = score_of(nats, tokenizer, tokenizer.encode(text, "replace"))
        assert score.characters == len(text)
        assert score.bytes == len(data)
        assert score.bits_per_byte * len(data) == pytest.approx(nats / math.log(2))
        assert score.bits_per_char == pytest.approx(nats / math.log(2) / len(text))
        assert math.log(score.perplexity) == pytest.approx(min(score.nats_per_char, 700))


def test_lines_are_scored_each_for_itself_in_their_order(cell: str) -> None:
    _, model = _make(cell)
    random = np.random.default_rng(3)
    lines = [
        "".join(random.choice(list("abcdefghij"), size)) for size in random.integers(0, 40, 300)
    ]
    scores = list(model.score_lines(lines))
    assert [score.characters for score in scores] == [len(line) for line in lines]
    for line, score in zip(lines, scores, strict=True):
        expected = -model.log_probs("\n" + line).sum() if line else 0.0
        assert score.nats == pytest.approx(expected, abs=1e-4 * max(len(line), 1))
    with pytest.raises(CharRNNError, match=r"line 2: .*'Ω'"):
        list(model.score_lines(["ab", "aΩ"]))


def test_a_page_shows_markup_and_does_not_obey_it() -> None:
    text = '<script>alert("&amp;")</script>\n\x00\u202etail\U0001f600</pre>'
    html = "".join(page("<b>&", ["<i>"], [(c, k % 13 * math.log(2)) for k, c in enumerate(text)]))

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.shown = ""

        def handle_starttag(self, tag: str, _attributes: object) -> None:
            self.tags.append(tag)

        def handle_data(self, data: str) -> None:
            if "pre" in self.tags:
                self.shown += data

    reader = Reader()
    reader.feed(html)
    assert set(reader.tags) == {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "p", "span", "pre",
    }  # fmt: skip
    assert reader.shown.strip("\n") == text.replace("\x00", "\\x00").replace("\u202e", "\\u202e")
    assert "http" not in html
    assert "src=" not in html


def test_the_public_function_reads_folders(tmp_path: Path) -> None:
    network, model = _make("lstm")
    network.save_pretrained(tmp_path / "one", TOKENIZER)
    text = TOKENIZER.decode(_ids(300))
    score = charrnn.evaluate(tmp_path / "one", text)
    assert isinstance(score, Score)
    assert score.characters == 299
    assert score.nats == pytest.approx(-float(model.log_probs(text).sum()), rel=1e-4)
    both = charrnn.evaluate([tmp_path / "one", tmp_path / "one"], text)
    assert both.nats == pytest.approx(score.nats, rel=1e-5)
    assert charrnn.evaluate(tmp_path / "one", text, adapt_from=text, rate=1e-3).nats < score.nats
    for settings_, message in (
        ({"protocol": "windows", "adapt_from": text}, "carries the state"),
        ({"adapt_from": "\N{SNOWMAN}"}, "has fewer than two tokens that the model knows"),
        ({"window": 0}, "window is 0"),
        ({"random_windows": 2}, "random_windows needs windows; add the protocol windows"),
        ({"window": 4, "protocol": "carried"}, "window needs windows"),
        ({"protocol": "windows", "seed": 5}, "seed needs random windows; add their number"),
        ({"segment": 4}, "segment needs dynamic evaluation; add --dynamic TEXT"),
        ({"rate": 0.1}, "rate needs dynamic evaluation"),
        ({"decay": 0.1}, "decay needs dynamic evaluation"),
        ({"rate": -1.0}, "rate is -1"),
        ({"windw": 1}, "unknown setting windw"),
    ):
        with pytest.raises(CharRNNError, match=re.escape(message)):
            charrnn.evaluate(tmp_path / "one", text, **settings_)
    with pytest.raises(CharRNNError, match="has 1 of the two tokens"):
        charrnn.evaluate(tmp_path / "one", "a")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """What training would choose: "meta" stands for a GPU; no tensor on it mixes with others.

    What comes back from it is zeros.
    """
    device = torch.device("meta")
    monkeypatch.setattr(f"{LOSSES}.choose_device", lambda name: {"auto": device}[name])
    monkeypatch.setattr(Tensor, "cpu", lambda found: torch.zeros(found.shape))
    monkeypatch.setattr(Tensor, "__float__", lambda _: 1.0)
    return device


@pytest.fixture
def quick_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that have a result and gradients where they should; "meta" takes minutes for steps."""

    def forward(
        self: Recurrent, table: Tensor, state: State | None, ids: Tensor, _: object
    ) -> tuple[Tensor, State]:
        state = self.start(ids.shape[1]) if state is None else state
        sums = embedding(ids, table).sum(-1) + sum(weight.sum() for weight in self.parameters())
        shift = sums[-1, :, None]  # (B, 1)
        return sums[..., None].expand(-1, -1, self.hidden_size), tuple(p + shift for p in state)

    monkeypatch.setattr(Recurrent, "forward", forward)


def test_models_are_evaluated_on_the_gpu_that_training_would_take(
    gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, model = _make("gru")
    network.save_pretrained(tmp_path / "one", TOKENIZER)
    kept = set[torch.device]()
    monkeypatch.setattr(f"{LOSSES}.keep_bits", kept.add)
    networks, *_ = load_networks([tmp_path / "one", model])
    (mixed,), *_ = load_networks([Mixture([model, model])])
    assert isinstance(mixed, list)
    assert len(mixed) == len(networks) == 2
    assert all(isinstance(one, CharRNN) and one.device == gpu for one in (*networks, *mixed))
    assert kept == {gpu}, "or nothing that is trained later has the same bits each time"


@pytest.mark.usefixtures("gpu", "quick_layers")
@pytest.mark.parametrize(
    ("asked", "length"),
    [
        ({}, 9001),  # in several lanes
        ({"protocol": "windows", "window": 30}, 300),
        ({"protocol": "windows", "window": 20, "random_windows": 7}, 300),
        ({"adapt_from": TOKENIZER.decode(_ids(500))}, 300),
    ],
    ids=["carried", "windows", "random", "dynamic"],
)
def test_a_gpu_computes_all_of_an_evaluation(asked: dict[str, Any], length: int) -> None:
    _, model = _make("lstm")
    score = charrnn.evaluate(model, TOKENIZER.decode(_ids(length)), **asked)
    assert score.nats == 0.0, "the processor would find others"


@pytest.mark.usefixtures("quick_layers")
def test_a_gpu_computes_all_of_an_evaluation_of_a_list(gpu: torch.device) -> None:
    network = CharRNN(small_config("gru", vocab_size=V + 1)).to(gpu)
    ids = np.concatenate([np.append(V, _ids(length)) for length in (7, 300, 9_000, 12)] + [[V]])
    records = Records.of(ids.astype(np.uint8), V)
    assert not mixed_surprisals([network], records, EvalConfig()).any()


def test_who_can_not_have_the_gpu_scores_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is refused in a copy of a process that has asked for it."""

    def refuse(_: str) -> torch.device:
        raise UsageError("this process was forked", "choose --device cpu")

    _, model = _make("gru")
    monkeypatch.setattr(f"{LOSSES}.choose_device", lambda _: torch.device("cpu"))
    before = charrnn.evaluate(model, "abba")
    monkeypatch.setattr(f"{LOSSES}.choose_device", refuse)
    assert charrnn.evaluate(model, "abba") == before


def _out_of_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize("step", ["surprisals", "_network"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_who_lacks_memory_to_evaluate_is_told(
    device: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may use the GPU, too."""
    _, model = _make("gru")
    monkeypatch.setattr(f"{LOSSES}.choose_device", lambda _: torch.device("cpu"))
    monkeypatch.setattr(CharRNN, "device", torch.device(device))
    monkeypatch.setattr(f"{LOSSES}.{step}", _out_of_memory)
    with pytest.raises(CharRNNError, match="there is not enough memory; free some") as error:
        charrnn.evaluate(model, "abba")
    gpu = "; to leave a GPU alone, set CUDA_VISIBLE_DEVICES= before Python starts"
    is_on_gpu = device == "cuda" and step == "surprisals"
    assert error.value.advice == "free some" + gpu * is_on_gpu


def test_where_another_program_fills_the_gpu_the_processor_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, model = _make("gru")
    monkeypatch.setattr(f"{LOSSES}.choose_device", lambda _: torch.device("cpu"))
    before = charrnn.evaluate(model, "abba")
    monkeypatch.setattr(f"{LOSSES}.choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(f"{LOSSES}.keep_bits", lambda _: None)

    def to(network: CharRNN, device: torch.device) -> CharRNN:
        if device.type == "cuda":
            _out_of_memory()
        return network

    monkeypatch.setattr(CharRNN, "to", to)
    devices.warn_of_gpu.cache_clear()
    with pytest.warns(UserWarning, match="computing on the processor, .* its memory is full"):
        assert charrnn.evaluate(model, "abba") == before
    assert charrnn.evaluate(model, "abba") == before, "it warns once"


def test_the_name_of_a_file_is_not_scored_for_its_text() -> None:
    """And a word that is meant was refused where a file happens to have its name."""
    Path("bad.txt").write_text("a\nfed\ncab\n")
    Path("bad").touch()
    Path("cab").mkdir()
    _, model = _make("gru")
    mistakes: tuple[dict[str, Any], ...] = (
        {"text": "bad.txt"},
        {"text": f".{os.sep}bad"},
        {"text": "abba", "adapt_from": "bad.txt"},
    )
    for given_ in mistakes:
        *_, argument = given_
        file = given_[argument]
        message = f"{argument} is {file!r}, the name of a file; give what is in it: "
        with pytest.raises(UsageError, match=re.escape(message)) as error:
            charrnn.evaluate(model, **given_)
        assert error.value.advice.endswith(f" charrnn.read_corpus({file!r}).text")
    text = charrnn.read_corpus("bad.txt").text
    for fine in (text, "bad", "cab", "bad\n"):  # a folder's name is a word, too
        assert charrnn.evaluate(model, fine, adapt_from=text).characters == len(fine) - 1
