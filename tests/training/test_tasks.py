"""Every task on the one loop: what holds for a language model's run holds for theirs."""

from __future__ import annotations

import json
import random
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn import CharRNNError, Reading, load, resume, train
from charrnn.config import TaskName
from charrnn.errors import UsageError
from charrnn.folder import card
from charrnn.folder.reading import read_folder
from charrnn.objectives.table import OBJECTIVES
from charrnn.task_config import Classify, Tag, TaskRecord
from charrnn.text.bundled import BUNDLED
from charrnn.training.events import Evaluated, Finished, Started
from tests.commands import Copy, refused, run, run_here
from tests.conftest import VERSE
from tests.kills import kill_at_update
from tests.modes import default_dtype
from tests.training.task_examples import WRITERS, texts
from tests.training.watching import consume, content, weights

pytestmark = pytest.mark.usefixtures("report_each_update")

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "batch_size": 5,
    "dropout": 0.3,
    "weight_dropout": 0.1,
    "steps": 24,
    "eval_every": 7,
    "patience": 50,
    "device": "cpu",
}

OLDER_TAGS: dict[str, Any] = {"in_parts": False, "grams": 0, "rules": 1}


@pytest.fixture(params=sorted(OBJECTIVES))
def task(request: pytest.FixtureRequest) -> TaskName:
    name: TaskName = request.param
    return name


@pytest.fixture
def examples(task: TaskName, _alone: None) -> str:
    return WRITERS[task]()


def test_every_task_has_a_row() -> None:
    assert set(OBJECTIVES) == set(WRITERS)


def test_the_callers_number_type_changes_no_bit(task: TaskName, examples: str) -> None:
    if task == "tag":  # what it draws is for capitals
        Path(examples).write_text(Path(examples).read_text().title())
    consume(train(examples, out="plain", task=task, **SMALL))
    with default_dtype():
        consume(train(examples, out="float64", task=task, **SMALL))
    assert content("float64") == content("plain")


def test_answers_are_asked_for_with_lists_and_scores_with_files(
    task: TaskName, examples: str
) -> None:
    run = train(examples, out="m", task=task, **SMALL | {"steps": 2})
    model = run.finish(progress=False)
    for part in ("m\n", f"task: {task}", "corpus: examples", "2 updates"):
        assert part in repr(model)
    for part in (re.findall("parameters: .*", repr(model))[0], "corpus: examples", "validation"):
        assert part in repr(run)
    for one in (run, model):
        assert "<table>" in one._repr_html_()
    assert ("nats" in repr(resume("m"))) is (task != "forecast")
    assert model.evaluate(examples if task != "forecast" else "more.csv").count > 0
    assert model.predict([]) == []
    no_texts: list[Any] = ["abc", b"abc", 5, [5], {"a": 1}]
    for wrong in no_texts:
        with pytest.raises(CharRNNError, match=" is "):
            model.predict(wrong)
    no_files: list[Any] = [None, 5, b"x", [1]]
    for wrong in no_files:
        with pytest.raises(CharRNNError, match="sources"):
            model.evaluate(wrong)


FOREIGN: dict[TaskName, list[tuple[dict[str, Any], str]]] = {
    "classify": [
        ({"horizon": 3}, "horizon is 3, which has no meaning for the task classify"),
        ({"reading": Reading(records="lines")}, "records is 'lines', which has no meaning for"),
        (
            {"reading": Reading(errors="surrogateescape")},
            "bytes, and a task reads characters",
        ),
    ],
    "tag": [({"label_column": "x"}, "label_column is 'x', which has no meaning for the task tag")],
    "forecast": [
        ({"reading": Reading(text_column="x")}, "text_column is 'x', which has no meaning for the"),
        ({"hiden_size": 9}, "unknown setting hiden_size"),
        ({"batch_size": 999}, "batch_size is 999, but there are 25 windows to train on"),
    ],
    "translate": [
        (
            {"reading": Reading(reverse=True)},
            "reverse is True, which has no meaning for the task tr",
        ),
        ({"bidirectional": True}, "unknown setting bidirectional"),
        ({"batch_size": 999}, "batch_size is 999, but there are 63 pairs to train on"),
    ],
}


def test_settings_of_another_task_are_refused(task: TaskName, examples: str) -> None:
    for settings, message in FOREIGN[task]:
        with pytest.raises(UsageError, match=message):
            train(examples, out="m", task=task, **settings)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_stopped_again_and_again_ends_in_the_same_bits(
    precision: str, task: TaskName, examples: str
) -> None:
    settings = SMALL | {"task": task, "precision": precision}
    consume(train(examples, out="whole", **settings))
    consume(train(examples, out="stopped", **settings), 2)
    for updates in (6, 7, 15, 23):
        consume(resume("stopped"), updates)
        assert load("stopped")
    consume(resume("stopped"))
    assert content("stopped") == content("whole")
    assert read_folder(Path("stopped")).extra == read_folder(Path("whole")).extra


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize(
    ("name", "before", "kind"),
    [
        ("tag.Tag", lambda **given: Tag(**given | OLDER_TAGS), Tag(tags=3)),
        ("classify.rows_for", lambda _: 0, Classify(classes=2)),
    ],
)
def test_a_run_begun_before_tags_had_parts_or_n_grams_counted_goes_on_as_it_was(
    monkeypatch: pytest.MonkeyPatch, name: str, before: Callable[..., Any], kind: TaskRecord
) -> None:
    settings: dict[str, Any] = SMALL | {"task": kind.name, "seed": 3}
    examples = WRITERS[kind.name]()
    with monkeypatch.context() as earlier:
        earlier.setattr(f"charrnn.objectives.{name}", before)
        consume(train(examples, out="never-stopped", **settings))
        consume(train(examples, out="stopped", **settings), 9)
    consume(resume("stopped"))
    assert content("stopped") == content("never-stopped")
    assert load("stopped").task == kind
    consume(train(repeat="stopped", out="again"))
    assert content("again")[0] == content("stopped")[0]


def _noted(asked: list[Any], _: Any, words: Any) -> list[Any]:
    """What stands for the scores of texts, and notes their words."""
    asked += words
    return [np.zeros((len(own), 3)) for own in words]


@pytest.mark.usefixtures("_alone")
def test_a_run_of_a_tagger_goes_on_with_its_words_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By other rules its texts would be another corpus; what it is asked is divided likewise."""
    lines = (
        {"text": f"¿{text}؟ so", "spans": [{"start": 1, "end": 1 + len(text), "label": "A"}]}
        for text in texts(40)
    )
    Path("a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    settings: dict[str, Any] = SMALL | {"task": "tag"}
    with monkeypatch.context() as earlier:
        earlier.setattr("charrnn.objectives.tag.WORD_RULES", 1)
        consume(train("a.jsonl", out="whole", **settings))
        consume(train("a.jsonl", out="stopped", **settings), 9)
    consume(resume("stopped"))
    assert content("stopped") == content("whole")
    older: Any = load("stopped")
    assert older.task.rules == 1
    assert any("within a word" in note for note in older.evaluate("a.jsonl").notes)
    consume(train("a.jsonl", out="new", **settings))
    newer: Any = load("new")
    assert newer.task.rules == 3
    assert not any("within a word" in note for note in newer.evaluate("a.jsonl").notes)
    asked: list[Any] = []
    for name in ("stopped", "new"):
        model: Any = load(name)
        monkeypatch.setattr(model, "scores", partial(_noted, asked))
        assert model.predict(["¿a؟"])
    assert asked == [[(0, 3)], [(0, 1), (1, 2), (2, 3)]]
    with pytest.raises(UsageError, match="different rules of words"):
        load(["stopped", "new"])
    monkeypatch.setattr("charrnn.objectives.tag.WORD_RULES", 2)  # that divide as the newest
    consume(train("a.jsonl", out="second", **settings))
    both: Any = load(["second", "new"])
    assert both.predict(["¿a؟"])


def test_a_killed_process_goes_on_from_its_last_save(
    task: TaskName, examples: str, tmp_path: Path
) -> None:
    settings = SMALL | {"steps": 150, "eval_every": 25, "task": task, "patience": 99}
    consume(train(examples, out="whole", **settings))
    moment = random.Random(task)  # noqa: S311
    kill = partial(kill_at_update, moment.randrange(51, 151), moment.randrange(300))
    process = Copy(tmp_path, "train", "--repeat", "whole", "--out", "killed", prepare=kill)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert content("killed")[1], "the second evaluation waits for the save of the first"
    done = run(tmp_path, "train", "--resume", "killed")
    assert done.returncode == 0, done.stderr
    assert content("killed") == content("whole")


def test_what_a_run_tells(task: TaskName, examples: str) -> None:
    events = consume(train(examples, out="model", task=task, **SMALL))
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert finished.task == task
    assert finished.report is not None
    assert finished.report.baselines
    assert finished.report.metric in finished.report.scores
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert all(
        event.sample and event.metric.startswith(finished.report.metric) for event in evaluated
    )
    assert evaluated[0].best
    found = read_folder(Path("model"))
    assert found.evaluation is not None
    card = Path("model/README.md").read_text()
    assert f"| task | {task} |" in card
    assert "charrnn predict model" in card
    score = f"{found.evaluation.score:.4g}, {finished.report.metric}"
    assert f"| validation score | {score}" in card
    shown = run(Path.cwd(), "info", "model").stdout
    assert f"task             {task}" in shown
    assert f"validation score {score}" in shown


def test_an_update_whose_gradient_is_not_finite_is_left_out(
    task: TaskName, examples: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charrnn.learning.eager import EagerUpdates

    once = EagerUpdates.run
    calls = 0

    def broken(updates: EagerUpdates, *given: Any) -> None:
        nonlocal calls
        calls += 1
        head = updates.network.head.weight
        if calls == 5:
            with torch.no_grad():
                kept = head.clone()
                head.fill_(torch.inf)
        once(updates, *given)
        if calls == 5:
            with torch.no_grad():
                head.copy_(kept)

    monkeypatch.setattr(EagerUpdates, "run", broken)
    finished = consume(train(examples, out="model", task=task, **SMALL))[-1]
    assert isinstance(finished, Finished)
    assert finished.skipped == 1


def test_language_models_start_the_stacks(task: TaskName, examples: str) -> None:
    """One that reads forwards, and one that reads backwards."""
    Path("verse.txt").write_text(VERSE)
    shape: dict[str, Any] = {
        "hidden_size": 8,
        "embed_size": 6,
        "num_layers": 1,
        "steps": 3,
        "device": "cpu",
    }
    consume(train("verse.txt", out="forwards", **shape))
    if task == "forecast":
        with pytest.raises(CharRNNError, match="numbers"):
            train(examples, out="model", task=task, init_from="forwards", **SMALL)
        return
    backwards = Reading(records="none", reverse=True)
    consume(train("verse.txt", out="backwards", reading=backwards, **shape))
    settings = {k: v for k, v in SMALL.items() if k != "learning_rate"}
    bases = ["forwards", "backwards"]
    begun = train(
        examples, out="model", task=task, init_from=bases, learning_rate=1e-12, **settings
    )
    events = consume(begun)
    assert isinstance(events[0], Started)
    assert "forwards from forwards" in events[0].notes[-1]
    found = read_folder(Path("model"))
    assert found.record.corpus is not None
    assert [text.name for text in found.record.corpus.bases] == ["verse"]
    told = f"; before that verse, {len(VERSE):,} characters"
    assert card.facts(found)["corpus"].endswith(told)
    for base, stack in zip(bases, ("rnn.", "back."), strict=True):
        weights = read_folder(Path(base)).weights
        for name in weights:
            if name.startswith("rnn."):
                own = found.weights[name.replace("rnn.", stack, 1)]
                np.testing.assert_allclose(own, weights[name], atol=1e-6)
    for out, order in (("again", bases), ("turned", bases[::-1])):
        consume(train(repeat="model", out=out, init_from=order))
        assert content(out) == content("model")
        assert read_folder(Path(out)).record.training == found.record.training
    for wrong in (bases[:1], [*bases, "forwards"], ["model"]):
        with pytest.raises(CharRNNError, match=r"that it started from|not a language model"):
            train(repeat="model", out="x", init_from=wrong)
    for others in ([], ["forwards"]):
        twice = [*others, "backwards", "backwards"]
        with pytest.raises(CharRNNError, match="backwards and backwards read back"):
            train(examples, out="x", task=task, init_from=twice, **settings)


def test_a_model_for_a_task_is_refused_where_a_language_model_is_needed(
    task: TaskName, examples: str, tmp_path: Path
) -> None:
    consume(train(examples, out="model", task=task, **SMALL | {"steps": 2}))
    for command in (["sample", "model"], ["export", "model", "--html", "page.html"]):
        refused(run_here(tmp_path, *command), 2, f"it was trained to {task}")
    with pytest.raises(CharRNNError, match="not a language model"):
        charrnn.evaluate("model", VERSE)


def test_a_language_model_has_no_answers(home: Path) -> None:
    done = run_here(home, "predict", "verse", data=b"the sea\n")
    refused(done, 2, "charrnn sample verse")


@pytest.mark.parametrize("given", [{"horizon": 3}, {"label_column": "x"}, {"season": 2}])
def test_settings_of_tasks_without_a_task(given: dict[str, Any]) -> None:
    Path("verse.txt").write_text(VERSE)
    with pytest.raises(CharRNNError, match="is given without a task"):
        train("verse.txt", **given)


def test_a_model_that_is_called_like_its_bundled_examples_goes_on_with_them() -> None:
    """Of models no examples are read, and so they hide none."""
    settings: dict[str, Any] = {"hidden_size": 5, "embed_size": 6, "steps": 4, "device": "cpu"}
    for event in train("peoples", task="classify", out="peoples", eval_every=2, **settings):
        if isinstance(event, Evaluated):
            break
    for further in (resume("peoples"), train(repeat="peoples", out="again")):
        consume(further)
    assert weights("peoples") == weights("again")


# What is enough to do better than a trivial answer.
LEARNING: dict[TaskName, dict[str, Any]] = {
    "classify": {"hidden_size": 24, "embed_size": 16, "batch_size": 32, "steps": 40},
    "tag": {
        "hidden_size": 32,
        "embed_size": 20,
        "batch_size": 24,
        "steps": 200,
        "learning_rate": 0.01,
    },
    "forecast": {"hidden_size": 24, "steps": 60, "horizon": 12, "season": 12},
    "translate": {"hidden_size": 32, "embed_size": 20, "batch_size": 30, "steps": 130},
}


@pytest.mark.parametrize("name", [name for name, one in BUNDLED.items() if one.task is not None])
def test_bundled_examples_teach_more_than_a_trivial_answer_knows(name: str, tmp_path: Path) -> None:
    task = BUNDLED[name].task
    assert task is not None
    begun = train(name, task=task, seed=1, device="cpu", precision="fp32", **LEARNING[task])
    finished = consume(begun)[-1]
    assert isinstance(finished, Finished)
    report = finished.report
    assert report is not None
    assert report.baselines
    assert report.shortfall == ""
    assert begun.folder == Path("checkpoints") / name
    assert resume(begun.folder).notes == begun.notes  # it reads them again
