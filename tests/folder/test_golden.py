"""Folders of every format there has been load for ever, and mean what they meant."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from charrnn import CharRNN, load
from charrnn.cli.verify import verify
from charrnn.config import TaskName
from charrnn.folder.record import FORMAT_VERSION, TASK_FORMAT_VERSION
from charrnn.folder.resuming import read_run

DATA = Path(__file__).parent / "data"
# Taggers once had a score for each tag; now they have one for each part of a tag. Classifiers and
# taggers have a table of n-grams besides; here it has as few rows as there can be.
TASKS = (*get_args(TaskName), "tag-whole", "classify-grams", "tag-grams")

# What its writer printed. Log-probabilities in nats, of each character but the first.
# Format 2 is that of other tasks.
GREEDY = {
    "format-1": ("The ", "of the cf the of the cf the of the cf th"),
    "format-1-muon": ("The ", "clerk the the tides is the the the tides"),
}
LOG_PROBS = {
    "format-1": ("The tide", [-1.79815, -0.24521, -0.15717, -3.16740, -1.43783]),
    "format-1-muon": ("The tide", [-2.39516, -1.59396, -0.24143, -2.02254, -0.93312]),
}
PARAMETERS = {"format-1": 1940, "format-1-muon": 6853}


def test_there_is_a_folder_of_each_format() -> None:
    formats = {f"format-{version}" for version in range(1, TASK_FORMAT_VERSION + 1)}
    assert {path.name for path in DATA.iterdir()} == formats | set(GREEDY)
    assert set(GREEDY) == set(LOG_PROBS) == set(PARAMETERS)
    assert f"format-{FORMAT_VERSION}" in GREEDY
    assert {path.name for path in (DATA / "format-2").iterdir()} == set(TASKS)


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_it_writes_and_scores_what_it_did(name: str) -> None:
    model = load(DATA / name)
    prompt, text = GREEDY[name]
    assert model.generate(prompt, temperature=0, max_new_tokens=40) == text
    prompt, scores = LOG_PROBS[name]
    assert np.allclose(model.log_probs(prompt)[:5], scores, atol=1e-3)
    assert CharRNN.from_pretrained(DATA / name).num_parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_it_is_whole_and_can_be_resumed(name: str, tmp_path: Path) -> None:
    path = shutil.copytree(DATA / name, tmp_path / name)
    verify(str(path))
    run = read_run(path)
    assert run.progress.step == 150
    assert run.progress.best == min(run.progress.metrics, key=lambda m: m.val_nats)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("classify", "aba", 0.52383), ("classify-grams", "ca ab e\u030ad 2-d", 0.70125)],
)
def test_a_classifier_answers_what_it_did(name: str, text: str, expected: float) -> None:
    (answer,) = load(DATA / "format-2" / name).predict([text])
    assert (answer.label, answer.probability) == ("many", pytest.approx(expected, abs=1e-4))


@pytest.mark.parametrize(
    ("name", "expected", "labels"),
    [
        ("tag-whole", [-1.70850, -0.20730, -5.10114], {"ab": "A"}),
        ("tag", [-4.28807, -4.16183, -6.07665, -0.16959, -2.08441], {"ab": "B", "cd": "A"}),
        ("tag-grams", [-4.14729, -5.30051, -10.84082, -0.02495, -5.56526], {"ab": "B", "cd": "A"}),
    ],
)
def test_a_tagger_answers_what_it_did(
    name: str, expected: list[float], labels: dict[str, str]
) -> None:
    tagger = load(DATA / "format-2" / name)
    (scores,) = tagger.scores(["ab cd"], [[(0, 2), (3, 5)]])
    assert scores[0] == pytest.approx(expected, abs=1e-4)
    (answer,) = tagger.predict(["ab cd"])
    assert {span.text: span.label for span in answer.spans} == labels


def test_a_forecaster_answers_what_it_did() -> None:
    (answer,) = load(DATA / "format-2" / "forecast").predict()
    assert answer.forecast == pytest.approx([26.66570, 31.10711, 31.21892], abs=1e-3)
    assert answer.lower == pytest.approx([26.66105, 31.10205, 31.21884], abs=1e-3)


def test_a_translator_answers_what_it_did() -> None:
    (answer,) = load(DATA / "format-2" / "translate").predict(["abc"])
    assert (answer.text, answer.log_prob) == ("aac", pytest.approx(-6.11599, abs=1e-3))


@pytest.mark.parametrize("task", TASKS)
def test_a_run_of_a_task_is_whole_and_can_be_resumed(task: str, tmp_path: Path) -> None:
    path = shutil.copytree(DATA / "format-2" / task, tmp_path / task)
    verify(str(path))
    assert read_run(path).progress.step == 60
