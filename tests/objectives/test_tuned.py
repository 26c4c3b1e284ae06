"""A tagger whose validation texts are the user's own has thresholds that suit these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.cells.layout import HEAD_BIAS
from charrnn.config import Budget, Reading, TaskSettings
from charrnn.learning.learner import Learner
from charrnn.learning.task import Scored, Scoring
from charrnn.objectives import tag
from charrnn.objectives.plans.plan import schedule
from charrnn.objectives.request import Request

NAMES = [f"{first}{rest}" for first in "ABDEGHKLMNPRST" for rest in ("ana", "elo", "ilu", "orin")]
WORDS = ["the", "road", "went", "home", "again", "with", "some", "bread", "before", "rain"]


def write(path: str, count: int, share: float, seed: int) -> None:
    """Sentences of up to eight words in columns, of which that share is names."""
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        for _ in range(random.integers(3, 9)):
            marked = random.random() < share
            word = str(random.choice(NAMES if marked else WORDS))
            # Some words look like names and are none, and the other way round.
            word = word.swapcase()[0] + word[1:] if random.random() < 0.3 else word
            kind = "place" if word[1] in "ae" else "person"
            lines.append(f"{word}\t{f'B-{kind}' if marked else 'O'}")
        lines.append("")
    Path(path).write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def files() -> None:
    """To learn from, sentences with few names; to validate and to test, others with many."""
    write("few.conll", 150, 0.06, seed=1)
    write("many.conll", 150, 0.5, seed=2)
    write("test.conll", 150, 0.5, seed=3)


SHAPE: dict[str, Any] = {
    "hidden_size": 24,
    "embed_size": 8,
    "device": "cpu",
    "precision": "fp32",
    "seed": 5,
}


def trained() -> Learner:
    """A tagger after three passes, validated on sentences with many names."""
    task_settings, budget = TaskSettings(task="tag"), Budget(epochs=3)
    sources = {"sources": ["few.conll"], "validation": ["many.conll"]}
    how = {"task_settings": task_settings, "budget": budget, "settings": SHAPE}
    request = Request(**sources, reading=Reading(), **how)  # type: ignore[arg-type]
    data = tag.read(request)
    plan = tag.plan(data, request, lambda _: 1e11)
    config = schedule(plan, round(3 * plan.steps_per_epoch))
    learner = Learner(data.task(config), plan.model, config)
    for _ in range(config.steps):
        learner.update()
    return learner


def scored(task: tag.Tagging, learner: Learner) -> Scored:
    scoring = Scoring(task, learner.network)
    for _ in scoring:
        pass
    return scoring.result


def test_more_is_found_with_thresholds_also_in_other_texts_of_the_kind() -> None:
    learner = trained()
    task = learner.task
    assert isinstance(task, tag.Tagging)
    assert len(task.train) == len(task.val) == 150
    plain, tuned = scored(replace(task, tuned=False), learner), scored(task, learner)
    assert plain.score is not None
    assert tuned.score is not None
    assert tuned.score > plain.score + 0.1
    assert tuned.nats == plain.nats
    assert not plain.weights
    assert list(tuned.weights) == [HEAD_BIAS]
    weights = learner.network.weights()
    models = [
        task.model(task.folder(learner.network.config, {**weights, **own.weights}))
        for own in (plain, tuned)
    ]
    before, after = (model.evaluate("test.conll").score for model in models)
    assert after > before + 0.1


def test_the_model_in_the_folder_answers_as_well_as_it_was_scored() -> None:
    run = charrnn.train(
        "few.conll", task="tag", validation="many.conll", out="model", epochs=3, **SHAPE
    )
    model = run.finish(progress=False)
    lines = Path("model/metrics.jsonl").read_text().splitlines()
    best = max(json.loads(line)["score"] for line in lines)
    assert model.evaluate("many.conll").score == pytest.approx(best)
    assert run.finished is not None
    assert run.finished.report is not None
    assert run.finished.report.score == pytest.approx(best)
    assert "thresholds were chosen for these very texts" in " ".join(run.finished.report.notes)


def test_texts_that_are_held_out_of_training_choose_no_thresholds() -> None:
    """They tell nothing that training has not told."""
    run = charrnn.train("few.conll", task="tag", out="model", epochs=1, **SHAPE)
    run.finish(progress=False)
    assert run.finished is not None
    assert run.finished.report is not None
    assert "thresholds" not in " ".join(run.finished.report.notes)
