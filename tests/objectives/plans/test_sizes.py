"""Sizes of networks for examples: as large as these and the minutes allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from charrnn.cells.heads import encoder_shapes, shapes_of
from charrnn.config import Budget, ModelConfig, Reading, TaskSettings
from charrnn.examples.pairs import Pair
from charrnn.folder.record import ModelFolder, ModelRecord
from charrnn.objectives.plans import pairs, texts
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.plans.sizes import Sizes
from charrnn.objectives.request import Request
from charrnn.task_config import Translate
from charrnn.text.tokenizer import CharTokenizer

WORDS = [f"{'abcdefgh' * 5}{number}" for number in range(500)]
NEEDS = texts.Needs(limits=((20_000, 64), (math.inf, 192)), dropout=0.3, grams=4096)
KIND = Translate(longest_source=50, longest_target=50)
BASE = ModelConfig(cell="gru", vocab_size=9, embed_size=10, hidden_size=24, num_layers=1, skip=True)


def request_of(bases: Sequence[ModelFolder], **budget: Any) -> Request:
    return Request([], Reading(), TaskSettings(), bases, Budget(**budget))


def base(name: str) -> ModelFolder:
    """A language model, of which a plan needs the shape alone."""
    record = ModelRecord(charrnn_version="0", model=BASE)
    return ModelFolder(Path(name), record, CharTokenizer("abcdefgh"), {}, 0, (), {})


def of_texts(request: Request, rate: float) -> Plan:
    return texts.plan_of(WORDS, 20, NEEDS, request, lambda _: rate)


def of_pairs(request: Request, rate: float, times: int = 1) -> Plan:
    both = [Pair(f"{word}{k}", word[::-1]) for word in WORDS for k in range(times)]
    return pairs.plan_of(both, KIND, 20, request, lambda _: rate)


PLANNERS: dict[str, Callable[[Request, float], Plan]] = {
    "texts": of_texts,
    "pairs": of_pairs,
    "many pairs": partial(of_pairs, times=3),
}


def rate_for(passes: float, plan: Plan, kind: str) -> float:
    """Operations per second with which a network reads its examples so often in five minutes."""
    shapes, operations = encoder_shapes(plan.model), 6 / 0.9
    if "pairs" in kind:
        shapes, operations = shapes_of(plan.model, KIND), 3
    weights = sum(math.prod(shape) for shape in shapes.values())
    return passes * operations * weights * plan.tokens_per_step * plan.steps_per_epoch / 300


@pytest.mark.parametrize("kind", PLANNERS)
def test_a_language_model_that_leaves_few_passes_is_told(kind: str) -> None:
    plan_of = PLANNERS[kind]
    few, minutes = request_of([base("lm")], minutes=5), "times in 5 minutes"
    model = plan_of(few, 1e9)
    assert (model.model.hidden_size, model.model.cell) == (24, "gru")
    for passes, words in ((0.1, "fewer than 2"), (5.5, "fewer than 6"), (9.9, "fewer than 10")):
        (note,) = plan_of(few, rate_for(passes, model, kind)).notes
        assert note.startswith(f"a network of the size of lm, 1×24, reads the examples {words} ")
        assert minutes in note
    rate = rate_for(5.5, model, kind)
    assert plan_of(few, rate_for(10.1, model, kind)).notes == ()
    assert plan_of(request_of([base("lm")], steps=9, minutes=5), rate).notes == ()
    assert plan_of(request_of([base("lm")], epochs=3), rate).notes == ()
    assert plan_of(request_of([], minutes=5), rate).notes == ()


@pytest.mark.parametrize("kind", PLANNERS)
def test_the_largest_size_is_chosen_that_reads_the_examples_often_enough(kind: str) -> None:
    plan_of = PLANNERS[kind]
    request = request_of([], minutes=5)
    smallest, largest = (plan_of(request, rate) for rate in (1.0, 1e15))
    assert smallest.model.hidden_size < largest.model.hidden_size
    passes = {"texts": 6, "pairs": 20, "many pairs": 12}[kind]
    enough, short = (rate_for(passes * x, largest, kind) for x in (1.01, 0.99))
    assert plan_of(request, enough).model == largest.model
    assert plan_of(request, short).model.hidden_size < largest.model.hidden_size
    assert plan_of(request_of([], epochs=3), 1.0).model == largest.model


def test_more_examples_allow_larger_networks() -> None:
    sizes = Sizes((8, 16, 32), ((100, 8), (1_000, 16), (math.inf, 32)), 5, 6, encoder_shapes)
    shape = {"cell": "gru", "vocab_size": 9, "embed_size": 4, "num_layers": 1}
    found = [
        sizes.largest(shape, n, Budget(epochs=1), lambda _: 1.0) for n in (99, 100, 999, 10**6)
    ]
    assert [model.hidden_size for model in found] == [8, 16, 16, 32]
    given = sizes.largest(shape | {"hidden_size": 77}, 99, Budget(minutes=1), lambda _: 1.0)
    assert given.hidden_size == 77


def test_the_plan_counts_the_characters_of_its_examples_and_no_ends() -> None:
    """400 texts of two letters had 1,440 characters in 360 for training."""
    words = [f"{k:03}" for k in range(100)]
    request = request_of([], steps=2)
    of_words = texts.plan_of(words, 12, NEEDS, request, lambda _: 1.0)
    assert "90 training texts of 270 characters" in of_words.reasons
    assert "a table of 4,096 rows for n-grams" in of_words.reasons
    both = [Pair(word, word[:1]) for word in words]
    of_both = pairs.plan_of(both, KIND, 12, request, lambda _: 1.0)
    assert "90 training pairs of 360 characters" in of_both.reasons
