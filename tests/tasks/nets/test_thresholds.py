"""How sure a tagger must be: what offsets do to the spans that are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.arrays import Floats, Logits
from charrnn.examples.tags import Tagged, in_bio
from charrnn.tasks.nets import thresholds as module
from charrnn.tasks.nets.thresholds import thresholds
from charrnn.tasks.nets.viterbi import best_tags, parts_of, tags_of_types
from charrnn.tasks.tag import scores_of

TAGS = tags_of_types(["person", "place"])
PARTS = parts_of(TAGS)  # O, B, I, person, place
Tags = list[NDArray[np.int64]]


def texts_with_tags(count: int, seed: int = 0) -> Tags:
    """Of texts of up to nine words, one of which has none."""
    random = np.random.default_rng(seed)
    found = []
    for size in [0, *random.integers(1, 10, count - 1)]:
        drawn = [TAGS[k] for k in random.choice(5, size, p=[0.7, 0.12, 0.06, 0.08, 0.04])]
        found.append(np.array([TAGS.index(tag) for tag in in_bio(drawn)], np.int64))
    return found


def scored(right: Tags, noise: float, seed: int = 1) -> list[Logits]:
    """Log-probabilities that favour the right tags, as surely as the noise lets them."""
    random = np.random.default_rng(seed)
    found = []
    for own in right:
        logits = 2 * np.eye(5)[own] + random.normal(0, noise, (len(own), 5))
        found.append((logits - np.logaddexp.reduce(logits, -1, keepdims=True)).astype(np.float32))
    return found


def f1(scores: Sequence[Logits], right: Tags, offsets: Floats) -> float:
    """Of the best legal tags, as a tagger's report counts it."""
    examples, answers = [], []
    for own, tags in zip(scores, right, strict=True):
        words = [(3 * k, 3 * k + 2) for k in range(len(tags))]
        names = [TAGS[k] for k in tags]
        examples.append(Tagged("", words, names, ""))
        best = best_tags(own - offsets @ PARTS)
        answers.append([TAGS[k] for k in best])
    return scores_of(examples, answers)["F1"]


def chosen(scores: Sequence[Logits], right: Tags, tags: Sequence[str]) -> Floats:
    """The thresholds, without pauses."""
    work = thresholds(scores, right, tags)
    while True:
        try:
            next(work)
        except StopIteration as end:
            offsets: Floats = end.value
            return offsets


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_is_too_sure_of_o_finds_as_much_as_before(seed: int) -> None:
    """And one that is too sure of a type: what was added to the scores is taken off again."""
    right = texts_with_tags(400, seed)
    fair = scored(right, 0.7, seed + 10)
    added = np.array([2.5, 0, 0, 0, 1.5], np.float32)
    skewed = [own + added @ PARTS for own in fair]
    none = np.zeros(5, np.float32)
    offsets = chosen(skewed, right, TAGS)
    assert f1(skewed, right, none) < f1(fair, right, none) - 0.2
    assert f1(skewed, right, offsets) > f1(fair, right, none) - 0.02


def test_new_texts_gain_as_well() -> None:
    right, new = texts_with_tags(400), texts_with_tags(400, 5)
    added = np.array([2, 0, 0, 0, 0], np.float32) @ PARTS
    offsets = chosen([own + added for own in scored(right, 0.7)], right, TAGS)
    unseen = [own + added for own in scored(new, 0.7, 6)]
    assert f1(unseen, new, offsets) > f1(unseen, new, 0 * offsets) + 0.1


def test_only_o_and_types_have_thresholds() -> None:
    """Where a span ends and the next one begins stays as it was learnt."""
    right = texts_with_tags(300)
    offsets = chosen(scored(right, 3.0), right, TAGS)
    assert offsets.shape == (5,)
    assert offsets.any()
    assert not offsets[1:3].any()


def test_a_few_spans_change_nothing() -> None:
    """What few texts seem to gain may be chance."""
    right = texts_with_tags(6)
    assert sum(int((own % 2).sum()) for own in right) < 10
    assert not chosen(scored(right, 1.5), right, TAGS).any()


def test_where_all_is_right_nothing_is_changed() -> None:
    right = texts_with_tags(100)
    assert not chosen(scored(right, 0.01), right, TAGS).any()


def test_a_span_at_the_end_of_a_text_is_not_one_with_the_next() -> None:
    """The order of texts does not matter."""
    right = texts_with_tags(200)
    scores = scored(right, 2.0)
    order = np.random.default_rng(0).permutation(len(right))
    shuffled = chosen([scores[k] for k in order], [right[k] for k in order], TAGS)
    assert (shuffled == chosen(scores, right, TAGS)).all()


def test_no_words_at_all() -> None:
    nothing: Tags = [np.zeros(0, np.int64)]
    assert not chosen([np.zeros((0, 5), np.float32)], nothing, TAGS).any()


def test_there_is_a_pause_after_each_offset() -> None:
    """Of hundreds of types nothing was heard for minutes."""
    types = [f"type {number}" for number in range(30)]
    tags = tags_of_types(types)
    right = [np.array([2 * number + 1, 0], np.int64) for number in range(30)]
    scores = [np.eye(len(tags), dtype=np.float32)[own] for own in right]
    assert sum(1 for _ in thresholds(scores, right, tags)) == 1 + len(types)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_that_trying_all_tags_finds(seed: int) -> None:
    """Of equal scores, of which there are many here, the first tag's counts."""
    right = texts_with_tags(120, seed)
    scores = [np.round(4 * own) / 4 for own in scored(right, 1.5, seed + 5)]
    together, firsts = (
        np.concatenate(scores),
        np.concatenate([np.arange(len(o)) == 0 for o in right]),
    )
    there = module._spans(np.concatenate(right), firsts)
    expected = np.zeros(5, np.float32)

    def worth(part: int, value: float) -> tuple[float, float]:
        tried = expected.copy()
        tried[part] = value
        said = (together - tried @ PARTS).argmax(-1)
        spans = module._f1(module._spans(said, firsts), there) * there.number
        return spans - module.PRICE * float(np.abs(tried).sum()), -abs(value)

    for part in 3 * (0, 3, 4):
        expected[part] = max(module.VALUES, key=lambda value: worth(part, value))
    assert expected.any()
    assert (chosen(scores, right, TAGS) == expected).all()
