"""Many texts: each group is written when it is drawn, in order, in little memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from charrnn import ByteTokenizer, CharTokenizer, Model, SampleConfig
from charrnn.sampling import generation
from charrnn.sampling.token_source import request_for
from charrnn.scoring.novelty import Copies, Novelty
from charrnn.terminal.writing.sampler import Sampler
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import random_model


def make_sampler(characters: str, length: int, **options: Any) -> Sampler:
    return sampler_of(random_model("gru", CharTokenizer(characters)), length, **options)


def sampler_of(model: Model, length: int, **options: Any) -> Sampler:
    settings: dict[str, Any] = {
        "prompt": "",
        "unknown": "error",
        "out": io.StringIO(),
        "echo": True,
        "json": True,
        "copies": None,
    }
    config_of_texts = SampleConfig(max_new_tokens=length, seed=7)
    return Sampler(request=request_for(model, "", config_of_texts), **(settings | options))


def written(sampler: Sampler) -> list[Any]:
    assert isinstance(sampler.out, io.StringIO)
    return [json.loads(line) for line in sampler.out.getvalue().splitlines()]


def test_texts_are_written_as_they_end_and_are_those_of_their_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = make_sampler("\nabcdefghij", 9)
    draw, seen = generation.generate_batch, []
    expected = draw(sampler.request, range(7, 15))

    def watched(*given: Any, **options: Any) -> Any:
        seen.append(len(written(sampler)))
        return draw(*given, **options)

    monkeypatch.setattr(generation, "MAX_GROUP", 3)
    monkeypatch.setattr(generation, "generate_batch", watched)
    sampler.samples(8, None)
    assert seen == [0, 3, 6]
    assert [(one["seed"], one["text"]) for one in written(sampler)] == [
        (sample.seed, sample.text) for sample in expected
    ]


def test_the_best_of_many_is_the_best_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = make_sampler("\nabcdefghij", 9)
    texts = generation.generate_batch(sampler.request, range(7, 15))
    best = max(texts, key=lambda text: text.mean_log_prob)
    monkeypatch.setattr(generation, "MAX_GROUP", 3)
    sampler.best_of(8)
    (found,) = written(sampler)
    assert (found["seed"], found["text"]) == (best.seed, best.text)


@pytest.mark.parametrize(
    ("tokenizer", "unit"),
    [
        (CharTokenizer("\nabc"), "character"),
        (ByteTokenizer(), "byte"),
        (ByteTokenizer("\n"), "byte"),
        (ByteTokenizer("\n\n"), "token"),
    ],
)
def test_what_a_text_costs_is_said_per_token_by_its_name(
    tokenizer: Tokenizer, unit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model in bytes was said to have nats per character."""
    sampler = sampler_of(random_model("gru", tokenizer), 7, json=False)
    sampler.best_of(3)
    sampler.beams(2, 1.0)
    assert capsys.readouterr().err.count(f" nats per {unit}") == 3


def test_many_texts_take_hardly_more_memory_than_one() -> None:
    """Of a model with many characters, whose logits are large; all at once took ten times this."""
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))

    def peak(count: int) -> int:
        sampler = make_sampler(characters, 3)
        sampler.samples(1, None)  # what is made once
        tracemalloc.start()
        try:
            sampler.samples(count, None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(900) - peak(1) < 80e6


def test_each_text_that_is_drawn_is_compared_with_the_corpus_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = make_sampler("\nabcdefghij", 9, copies=Copies("abcdefghij" * 5))
    check, seen = Copies.check, list[str]()

    def watched(copies: Copies, text: str) -> Novelty:
        seen.append(text)
        return check(copies, text)

    monkeypatch.setattr(Copies, "check", watched)
    sampler.samples(5, 3)
    texts = [(one["text"], one["novelty"]["longest"]) for one in written(sampler)]
    assert texts == [(text, Copies("abcdefghij" * 5).check(text).longest) for text, _ in texts]
    drawn = seen[: -len(texts)]  # the rest are this test's
    assert len(drawn) == len(set(drawn))
    assert {text for text, _ in texts} <= set(drawn)
