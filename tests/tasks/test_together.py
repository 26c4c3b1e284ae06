"""Several models for one task answer with the mean of what each of them says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import CharRNNError, train
from charrnn.arrays import softmax
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_folder
from charrnn.tasks.answers import Forecast
from charrnn.tasks.nets.decoder import Decoder
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.texts import as_ids
from tests import commands
from tests.conftest import unchanged
from tests.tasks.shelf import SMALL, write_examples

EXAMPLES = {
    "classify": "reviews.csv",
    "tag": "places.conll",
    "translate": "words.tsv",
    "forecast": "airline.csv",
}
TEXTS = ["A fine film in New Film.", "", "dull Ω"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two models for each task, of other sizes and weights: classify-0, classify-1, tag-0, …"""
    folder = tmp_path_factory.mktemp("desk")
    write_examples(folder)
    for task, examples in EXAMPLES.items():
        more: dict[str, Any] = {"horizon": 5, "season": 12} if task == "forecast" else {}
        for seed, size in enumerate((12, 16)):
            settings = SMALL | more | {"hidden_size": size, "embed_size": size, "seed": seed}
            run = train(folder / examples, task=task, out=folder / f"{task}-{seed}", **settings)
            run.finish(progress=False)
    with unchanged(folder):
        yield folder


def both(desk: Path, task: str) -> tuple[Any, Any, Any]:
    """Two models, and the two together."""
    paths = [desk / f"{task}-{seed}" for seed in range(2)]
    return (*map(charrnn.load, paths), charrnn.load(paths))


def test_a_class_has_the_mean_of_the_probabilities(desk: Path) -> None:
    first, second, together = both(desk, "classify")
    means = (first.probabilities(TEXTS) + second.probabilities(TEXTS)) / 2
    np.testing.assert_allclose(together.probabilities(TEXTS), means, rtol=1e-6)
    assert np.abs(first.probabilities(TEXTS) - means).max() > 1e-3
    for answer, row in zip(together.predict(TEXTS), means, strict=True):
        assert answer.label == together.labels[row.argmax()]


def test_a_tag_has_the_mean_of_the_probabilities(desk: Path) -> None:
    first, second, together = both(desk, "tag")
    words = [[(0, 1), (2, 6), (7, 11)], [], [(0, 4), (5, 6)]]
    each = [[np.exp(row) for row in model.scores(TEXTS, words)] for model in (first, second)]
    for found, one, other in zip(together.scores(TEXTS, words), *each, strict=True):
        assert found.shape == one.shape
        np.testing.assert_allclose(np.exp(found), (one + other) / 2, rtol=1e-5)


@pytest.mark.parametrize("horizon", [5, 13])
def test_a_forecast_is_the_mean_of_the_forecasts(horizon: int, desk: Path) -> None:
    """Of values that are read in logarithms, and beyond the horizon of training, too."""
    models = both(desk, "forecast")
    wide = [10.0 ** (k * k % 7) for k in range(40)]
    level = [9 + k % 12 + k * k % 7 for k in range(28)]
    found = [model.predict([wide, level], horizon) for model in models]
    for one, other, mean in zip(*found, strict=True):
        _check_mean(one, other, mean)


def _check_mean(one: Forecast, other: Forecast, mean: Forecast) -> None:
    for name in ("forecast", "lower", "upper"):
        expected = (np.array(getattr(one, name)) + np.array(getattr(other, name))) / 2
        np.testing.assert_allclose(getattr(mean, name), expected, rtol=1e-6)
    assert one.lower != mean.lower != other.lower


def test_a_translation_is_written_with_the_mean_of_the_probabilities(desk: Path) -> None:
    _, _, together = both(desk, "translate")
    folders = [read_folder(desk / f"translate-{seed}") for seed in range(2)]
    tokenizer = folders[0].tokenizer
    (answer,) = together.predict(["fine"], num_beams=1)
    source = as_ids("fine", tokenizer)[None]  # type: ignore[arg-type]
    lengths = np.array([source.shape[1]])
    decoders = [Decoder(found.record.model, found.weights) for found in folders]
    encoders = [Encoder(found.record.model, found.weights) for found in folders]
    written = [
        decoder.start(encoder.read(source, lengths), lengths)
        for decoder, encoder in zip(decoders, encoders, strict=True)
    ]
    ids = np.array([tokenizer.end_id, *tokenizer.encode(answer.text), tokenizer.end_id], np.int32)
    totals = [0.0]  # after each token
    for token, following in pairwise(ids):
        steps = [d.step(token[None], w) for d, w in zip(decoders, written, strict=True)]
        written = [after for _, after in steps]
        mean = np.mean([softmax(logits[0]) for logits, _ in steps], axis=0)
        assert following in (mean.argmax(), tokenizer.end_id)
        totals.append(totals[-1] + float(np.log(mean[following])))
    ended = mean.argmax() == tokenizer.end_id  # and was not cut
    assert answer.log_prob == pytest.approx(totals[-1 if ended else -2], abs=1e-4)


@pytest.mark.parametrize("task", EXAMPLES)
def test_a_model_together_with_itself_is_itself(task: str, desk: Path) -> None:
    path = desk / f"{task}-1"
    inputs: Any = None if task == "forecast" else TEXTS
    alone, twice = charrnn.load(path).predict(inputs), charrnn.load([path, path]).predict(inputs)
    for one, other in zip(alone, twice, strict=True):
        assert one.plain == other.plain
    new = desk / ("longer.csv" if task == "forecast" else EXAMPLES[task])
    scores = charrnn.load(path).evaluate(new).scores
    assert charrnn.load([path, path]).evaluate(new).scores == pytest.approx(scores)


@pytest.mark.parametrize("task", EXAMPLES)
def test_the_order_of_the_models_changes_no_answer(task: str, desk: Path) -> None:
    paths = [desk / f"{task}-{seed}" for seed in range(2)]
    inputs: Any = None if task == "forecast" else TEXTS
    each = [charrnn.load(order).predict(inputs) for order in (paths, paths[::-1])]
    assert [one.plain for one in each[0]] == [other.plain for other in each[1]]


def test_what_they_have_in_common_is_shown(desk: Path) -> None:
    _, _, together = both(desk, "classify")
    assert str(desk / "classify-1") == together.facts["model 1"]
    assert together.facts["task"] == "classify"
    assert "parameters" not in together.facts
    assert "model 0" in repr(together)


def test_the_command_answers_and_scores_with_several(desk: Path) -> None:
    done = commands.run(desk, "predict", "classify-0", "classify-1", "A fine film.", "dull")
    _, _, together = both(desk, "classify")
    expected = [answer.probability for answer in together.predict(["A fine film.", "dull"])]
    found = [json.loads(line)["probability"] for line in done.stdout.splitlines()]
    assert found == pytest.approx(expected)
    assert done.stderr == "classify-0, classify-1 answer together\n"
    done = commands.run(desk, "eval", "tag-0", "tag-1", "test-places.conll", "--json")
    shown = json.loads(done.stdout)
    assert shown["models"] == ["tag-0", "tag-1"]
    report = both(desk, "tag")[2].evaluate(desk / "test-places.conll")
    assert shown["scores"] == pytest.approx(report.scores)
    done = commands.run(desk, "predict", "forecast-1", "forecast-0", "--plain")
    assert len(done.stdout.split()) == 5


def test_a_folder_of_texts_is_an_input_whatever_model_has_its_name(
    desk: Path, tmp_path: Path
) -> None:
    for name in ("tag-0", "tag-1"):
        shutil.copytree(desk / name, tmp_path / "checkpoints" / name)
    texts = tmp_path / "tag-1"
    texts.mkdir()
    (texts / "one.txt").write_text("a film in New Film\n")
    done = commands.run(tmp_path, "predict", "tag-0", "tag-1", "--plain")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_models_that_do_not_go_together_are_refused(desk: Path, tmp_path: Path) -> None:
    desk = Path(shutil.copytree(desk, tmp_path / "desk"))
    reviews = (desk / "reviews.csv").read_text()
    (desk / "moods.csv").write_text(reviews.replace(",good", ",glad").replace(",bad", ",sad"))
    others: dict[str, tuple[str, dict[str, Any]]] = {
        "moods": ("moods.csv", {"task": "classify"}),
        "sooner": ("airline.csv", {"task": "forecast", "horizon": 3, "season": 12}),
        "later": ("longer.csv", {"task": "forecast", "horizon": 5, "season": 12}),
        "verse": ("reviews.txt", {}),
    }
    for name, (examples, more) in others.items():
        train(desk / examples, out=desk / name, **SMALL | more).finish(progress=False)
    for names, what in (
        (("classify-0", "moods"), "different labels"),
        (("forecast-0", "sooner"), "different horizons, seasons, windows or columns"),
        (("forecast-0", "later"), "different series"),
        (("tag-1", "classify-1"), "different tasks"),
        (("classify-0", "verse"), "different tasks"),
    ):
        with pytest.raises(CharRNNError, match=what):
            charrnn.load([desk / name for name in names])
        commands.refused(commands.run_here(desk, "predict", *names, "text"), 2, what)
    with pytest.raises(CharRNNError, match="no model to load"):
        charrnn.load([])


def test_a_forecaster_of_an_older_version_which_kept_two_times_joins_in(
    desk: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(desk / "forecast-1", tmp_path / "older"))
    pasts = json.loads((older / "series.json").read_text())
    for past in pasts["series"]:
        past["times"] = past["times"][-2:]
    write_files(older, {"series.json": json.dumps(pasts).encode()})
    expected = charrnn.load([desk / "forecast-0", desk / "forecast-1"]).predict()
    assert charrnn.load([desk / "forecast-0", older]).predict() == expected
