"""Long texts, which machine code draws: streams, batches, stops, and where there is none."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import regex

from charrnn import ByteTokenizer, CharRNN, CharTokenizer, Model
from charrnn.arrays import Ids
from charrnn.cells.rules import State
from charrnn.config import CellName
from charrnn.native.processor import Target
from charrnn.native.writing.sampler import NativeSampler
from charrnn.sampling.generation import generate_batch
from charrnn.sampling.language_model import TokenSampler
from charrnn.sampling.token_source import request_for
from charrnn.use_config import SampleConfig
from tests.conftest import Processor, small_config
from tests.native.writing.examples import SHAPES, make, needs_products_of_bytes

pytestmark = needs_products_of_bytes

CLUSTERS = "".join(sorted("\nabe\u0301\u0302\u200d👩🚀🇩🇪"))


class Watched(Model):
    """A model that takes machine code for short texts too, and notes what it does.

    Attributes:
        expected: how many tokens were said to come, each time a sampler was asked for.
        read_tokens: how many tokens were read by each call.
        drawn: how many tokens were drawn by each call, those of all sequences counted.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.expected: list[int | None] = []
        self.read_tokens: list[int] = []
        self.drawn: list[int] = []

    def sampler(self, state: State, max_tokens: int | None) -> TokenSampler | None:
        self.expected.append(max_tokens)
        made = super().sampler(state, None)
        assert isinstance(made, NativeSampler)
        return WatchedSampler(made, self)


class WatchedSampler:
    def __init__(self, sampler: NativeSampler, model: Watched) -> None:
        self.sampler, self.model = sampler, model
        self.keep = sampler.keep

    @property
    def max_tokens(self) -> int:
        return self.sampler.max_tokens

    def read(self, ids: Ids) -> None:
        self.model.read_tokens.append(len(ids))
        self.sampler.read(ids)

    def draw(self, ids: Ids, uniforms: np.ndarray, *rest: Any) -> tuple[Ids, np.ndarray]:
        self.model.drawn.append(uniforms.size)
        return self.sampler.draw(ids, uniforms, *rest)

    def join(self, other: WatchedSampler) -> None:
        self.sampler.join(other.sampler)


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
def test_a_stream_a_batch_and_a_text_are_one(cell: CellName, settings: dict[str, Any]) -> None:
    model = make(cell, SHAPES[1], Watched)
    options: dict[str, Any] = {"max_new_tokens": 200} | settings
    batch = model.generate_batch(9, "\x0b\x0c", seed=7, **options)
    assert model.drawn or options["max_new_tokens"] == 0
    if not {"stop_strings", "max_lines"} & set(settings):
        drawn = [size for size in model.drawn if size > len(batch)]  # one more each may end a \r\n
        assert len(drawn) < 2, "texts that end together are drawn at once"
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
    cell: CellName,
) -> None:
    model, config = make(cell, SHAPES[1], Watched), SampleConfig(max_new_tokens=6000)
    whole = generate_batch(request_for(model, "\x0b", config), range(5))
    asked = iter([False, False, True, True])
    some = generate_batch(request_for(model, "\x0b", config), range(5), stop=lambda: next(asked))
    assert model.drawn
    for one, other in zip(some, whole, strict=True):
        assert 0 < one.tokens < other.tokens == 6000
        assert other.text.startswith(one.text)
        assert one.mean_log_prob < 0


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_machine_code_too_ends_with_whole_characters(cell: CellName, kind: str) -> None:
    """A stream, a batch and a text alone, wherever the length falls."""
    size = 256 if kind == "byte" else 11
    made = make(cell, SHAPES[1] | {"vocab_size": size}, Model)
    tokenizer: Any = ByteTokenizer() if kind == "byte" else CharTokenizer(CLUSTERS)
    weights = CharRNN(made.config).weights()
    weights["embedding.weight"] = np.clip(weights["embedding.weight"], -2, 2)
    if kind == "byte":  # of many bytes that begin a character or go on with it
        weights["head.bias"][[0x65, 0xCC, 0x81]] += 7
    model = Watched(made.config, tokenizer, weights)
    longest = model.generate("e", seed=3, max_new_tokens=120)
    ends = list(itertools.accumulate(map(len, regex.findall(r"\X", "e" + longest))))
    joined = 0
    for length in range(20, 40):
        batch = model.generate_batch(5, "e", seed=1, max_new_tokens=length)
        text = model.generate("e", seed=3, max_new_tokens=length)
        assert batch[2].text == text == "".join(model.stream("e", seed=3, max_new_tokens=length))
        assert longest.startswith(text)
        assert 1 + len(text) in ends
        assert batch[2].tokens == len(tokenizer.encode(text)) or "\ufffd" in text
        joined += batch[2].tokens > length
    assert joined > 2
    assert model.drawn


def test_whoever_stops_reads_no_long_prompt_to_its_end(cell: CellName) -> None:
    model, config = make(cell, SHAPES[1], Watched), SampleConfig(max_new_tokens=9)
    prompt = "\x0b\x0c" * 10_000
    found = generate_batch(
        request_for(model, prompt, config), range(3), stop=lambda: len(model.read_tokens) > 2
    )
    assert len(model.read_tokens) == 3
    assert sum(model.read_tokens) < len(prompt) / 2
    assert {text.tokens for text in found} == {0}
    model.read_tokens.clear()
    generate_batch(request_for(model, prompt, config), range(3))
    assert sum(model.read_tokens) == len(prompt) - 1, "the last one is read by the first draw"


def test_filters_that_look_at_the_distribution_are_left_to_numpy() -> None:
    model = make("gru", SHAPES[1], Watched)
    for settings in ({"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.1}, {"typical_p": 0.5}):
        model.generate(seed=1, max_new_tokens=50, **settings)
    model.generate(seed=1, max_new_tokens=50, repetition_penalty=1.2)
    assert not model.expected
    assert not model.drawn


def test_the_model_is_told_how_many_tokens_are_to_come() -> None:
    model = make("gru", SHAPES[1], Watched)
    for length, prompt in ((99, ""), (40, "\x0b" * 60)):  # without a prompt, a line end is read
        model.generate(prompt, seed=1, max_new_tokens=length)
    model.generate("\x0b" * 60, seed=1, max_new_tokens=None, max_lines=1)  # nobody knows how many
    next(model.stream(seed=1, max_new_tokens=None))
    assert model.expected == [100, 100, 60, None]


def test_short_texts_are_left_to_numpy(cell: CellName) -> None:
    model = make(cell, SHAPES[1], Model)
    state = model.start()
    assert model.sampler(state, 1000) is None
    assert model.sampler(state, 1_000_000) is not None
    assert model.sampler(state, None) is not None


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
    changes: dict[str, Any], processor: Processor
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
    assert model.sampler(model.start(), max_tokens=None) is None
    endless = model.stream("ab", seed=1, max_new_tokens=None)
    assert len("".join(itertools.islice(endless, 40))) == 40
