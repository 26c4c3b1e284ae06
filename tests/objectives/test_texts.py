"""Classification and tagging on the common loop, on sets whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import charrnn
from charrnn.cells.rules import CELLS
from charrnn.checkpoints import LABELS
from charrnn.config import Budget, CellName, ModelConfig, Reading, TaskName, TaskSettings
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.folder import card
from charrnn.folder.reading import read_folder
from charrnn.learning.learner import Learner
from charrnn.learning.task import Scoring
from charrnn.network.encoder import Encoder
from charrnn.objectives import classify, tag
from charrnn.objectives.batches.examples import start_capitals
from charrnn.objectives.plans.plan import EXAMPLE_RULES, schedule
from charrnn.objectives.request import Request
from charrnn.objectives.table import OBJECTIVES
from charrnn.tasks.classify import Classifier
from charrnn.tasks.nets import encoder
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.tag import Tagger
from charrnn.tasks.texts import ENDS, as_ids
from charrnn.text.tokenizer import CharTokenizer
from tests.conftest import small_training
from tests.training.watching import weights

SMALL: dict[str, Any] = {"hidden_size": 8, "embed_size": 6, "steps": 3, "device": "cpu"}
LEARNING: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 32,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "device": "cpu",
}


def parity(bits: str) -> str:
    return "odd" if bits.count("1") % 2 else "even"


def write_bits(count: int = 190) -> None:
    """Bit strings of up to 7 bits, with their parity: for training, and others for a test."""
    strings = ["".join(bits) for size in range(1, 8) for bits in product("01", repeat=size)]
    shuffled = np.random.default_rng(0).permutation(strings).tolist()
    for name, part in (("bits.csv", shuffled[:count]), ("test.csv", shuffled[190:])):
        lines = "".join(f"{bits},{parity(bits)}\n" for bits in part)
        Path(name).write_text(f"text,label\n{lines}")


def test_of_a_long_text_the_beginning_is_read() -> None:
    """In training, for its validation, and when it answers."""
    write_bits()
    run = charrnn.train("bits.csv", task="classify", out="m", seq_length=4, **SMALL)
    model = run.finish(progress=False)
    assert model.longest == 4
    texts = ["01101" + "0" * 9, "01101" + "1" * 7, "0110"]
    with pytest.warns(UserWarning, match="2 texts are longer than 4 characters: their beginnings"):
        long, other, shorter = model.probabilities(texts)
    assert np.allclose(long, other, atol=1e-6)
    assert not np.allclose(long, shorter, atol=1e-6)
    with pytest.warns(UserWarning, match="2 texts are longer") as told:
        assert model.predict(texts)[0].label == model.labels[long.argmax()]
    assert len(told) == 1
    Path("long.csv").write_text("text,label\n011010101,odd\n0110,even\n")
    note = "1 text is longer than 4 characters: its beginning is read"
    assert model.evaluate("long.csv").notes == (note,)
    record = read_folder(Path("m")).record
    assert record.training is not None
    data = classify.read(Request(["bits.csv"], Reading(), TaskSettings(task="classify")))
    task = data.task(record.training)
    assert max(map(len, task.rows_of(task.val))) == 6


def test_a_text_longer_than_all_in_training_is_read_to_its_end() -> None:
    write_bits(60)
    model = charrnn.train("bits.csv", task="classify", out="m", **SMALL).finish(progress=False)
    assert model.longest == 2000
    one, other = model.probabilities(["01" * 20 + "0" * 9, "01" * 20 + "1" * 9])
    assert not np.allclose(one, other, atol=1e-6)


def write_brackets(name: str, count: int, seed: int) -> None:
    """Brackets, each tagged with how deep it is."""
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        depth, lines = 0, ""
        for _ in range(random.integers(2, 14)):
            if depth == 0 or (depth < 3 and random.random() < 0.5):
                depth += 1
                lines += f"(\tB-{depth}\n"
            else:
                lines += f")\tB-{depth}\n"
                depth -= 1
        texts.append(lines)
    Path(name).write_text("\n".join(texts))


def test_parity_is_learnt_and_found_in_new_strings() -> None:
    write_bits()
    # In bf16, a processor that rounds otherwise might miss one.
    limits: dict[str, Any] = {"steps": 350, "precision": "fp32"}
    run = charrnn.train(["bits.csv"], task="classify", out="m", **limits, **LEARNING)
    model = run.finish(progress=False)
    assert isinstance(model, Classifier)
    report = model.evaluate(["test.csv"])
    assert report.count == 64
    assert report.score >= 0.99
    (always,) = report.baselines.values()
    assert always["accuracy"] < 0.7
    (answer,) = model.predict(["0110100"])
    assert answer.label == "odd"
    assert list(answer.probabilities) == ["odd", "even"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.probability == answer.probabilities["odd"] > 0.9


@pytest.mark.parametrize(("count", "side_by_side"), [(100, 32), (8_000, 64)])
def test_few_texts_are_tagged_in_small_updates(count: int, side_by_side: int) -> None:
    write_brackets("texts.conll", count, 0)
    run = charrnn.train("texts.conll", task="tag", epochs=1)
    assert f", {side_by_side} texts side by side" in str(run)
    assert "two stacks of 1×192" in str(run), "few texts allow a large network, too"


def test_the_depth_of_brackets_is_learnt() -> None:
    write_brackets("brackets.conll", 300, seed=1)
    write_brackets("test.conll", 100, seed=2)
    run = charrnn.train(["brackets.conll"], task="tag", out="m", steps=200, **LEARNING)
    model = run.finish(progress=False)
    assert isinstance(model, Tagger)
    report = model.evaluate(["test.conll"])
    assert report.score >= 0.99
    assert report.baselines["each word's most frequent tag"]["F1"] < 0.6
    (answer,) = model.predict(["( ( )"])
    assert [(span.start, span.end, span.label) for span in answer.spans] == (
        [(0, 1, "1"), (2, 3, "2"), (4, 5, "2")]
    )


def task_of(name: str, seed: int = 0) -> Any:
    """A task, its data and the shape of its network."""
    source = {"classify": "bits.csv", "tag": "brackets.conll"}[name]
    if name == "classify":
        write_bits(60)
    else:
        write_brackets(source, 60, seed=1)
    objective = OBJECTIVES[name]  # type: ignore[index]
    data = objective.read(request_of(name, [source]))
    return data, data.task(small_training(seed=seed))


def request_of(task: Any, sources: Sequence[str] = (), **given: Any) -> Request:
    """To do something in a minute."""
    task_settings, minute = TaskSettings(task=task), Budget(minutes=1)
    return Request(sources, Reading(), task_settings, budget=minute, settings=given)


def weights_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def model_of(data: Any, cell: CellName) -> Any:
    name = data.task_record.name
    request = request_of(name, cell=cell, hidden_size=8, embed_size=6)
    return OBJECTIVES[name].plan(data, request, lambda _: 1e9).model


def network_of(task: Any, model: ModelConfig) -> Any:
    """A network that has learnt nothing, in which n-grams say something nevertheless."""
    generator = torch.Generator().manual_seed(1)
    network = task.network(model, generator).eval()
    torch.nn.init.normal_(network.grams.weight, generator=generator)
    return network


def report_of(pieces: Generator[int, None, Report]) -> tuple[list[int], Report]:
    """How many examples were answered after each piece, and the report."""
    counts = []
    while True:
        try:
            counts.append(next(pieces))
        except StopIteration as over:
            return counts, over.value


@pytest.mark.parametrize("name", ["classify", "tag"])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_numpy_answers_as_pytorch_does(name: str, cell: CellName) -> None:
    data, task = task_of(name)
    model = model_of(data, cell)
    network = network_of(task, model)
    scoring = Scoring(task, network)
    for _ in scoring:
        pass
    found = task.folder(model, weights_of(network))
    _, report = report_of(task.report(found, lambda: False))
    assert scoring.result.score == pytest.approx(report.score)
    texts = [one.text for one in task.val]
    read = [as_ids(text, task.tokenizer) for text in texts]
    with torch.inference_mode():
        if name == "classify":
            wanted = network(read).softmax(-1).numpy()
            own = Classifier(found).probabilities(texts)
        else:
            words = [task.words_of(one) for one in task.val]
            edges, _ = tag.side_by_side(words)
            wanted = network(read, edges).log_softmax(-1).numpy()
            tagger = Tagger(found)
            own = np.concatenate([tagger.scores([one.text], [one.words])[0] for one in task.val])
    np.testing.assert_allclose(own, wanted, atol=3e-6)


def test_a_report_that_has_to_end_early_is_on_examples_from_all_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file may be in the order of its labels."""
    monkeypatch.setattr(Classifier, "answered_at_once", 5)
    data, task = task_of("classify")
    network = network_of(task, model_of(data, "gru"))
    found = task.folder(model_of(data, "gru"), weights_of(network))
    seen, judged = [], Classifier.judged

    def watched(model: Classifier, examples: Any, answers: Any) -> Report:
        seen.append(examples)
        return judged(model, examples, answers)

    monkeypatch.setattr(Classifier, "judged", watched)
    assert report_of(task.report(found, lambda: False))[0] == [4, 8, 12]
    counts, part = report_of(task.report(found, lambda: True))
    assert counts == [part.count] == [4]
    assert seen == [list(task.val), list(task.val[::3])]


@pytest.mark.parametrize(("rules", "smoothing"), [(EXAMPLE_RULES, classify.SMOOTHING), (1, 0.0)])
def test_a_classifier_is_validated_by_the_cost_that_its_training_makes_small(
    rules: int, smoothing: float
) -> None:
    """But in runs begun before, whose evaluations stay alike."""
    data, _ = task_of("classify")
    task = data.task(small_training(rules=rules))
    network = network_of(task, model_of(data, "gru"))
    scoring = Scoring(task, network)
    for _ in scoring:
        pass
    with torch.inference_mode():
        wanted = torch.nn.functional.cross_entropy(
            network(task.rows_of(task.val)),
            torch.from_numpy(task.classes_of(task.val)),
            label_smoothing=smoothing,
        )
    assert scoring.result.nats == pytest.approx(float(wanted), rel=1e-5)


def test_validation_texts_none_of_whose_classes_can_be_learnt_cost_nothing() -> None:
    """To time an evaluation, the first few of a validation set are read, which may be such."""
    data, task = task_of("classify")
    task = replace(task, val=[one._replace(label="unheard") for one in task.val])
    scoring = Scoring(task, network_of(task, model_of(data, "gru")))
    for _ in scoring:
        pass
    assert (scoring.result.nats, scoring.result.score) == (0.0, 0.0)


def test_a_tagger_is_validated_by_the_cost_that_its_training_makes_small() -> None:
    """Words outside of spans count for a fifth in both; training looked twice as bad."""
    data, task = task_of("tag")
    task = replace(task, val=[one._replace(tags=["O", *one.tags[1:]]) for one in task.val])
    network = network_of(task, model_of(data, "gru"))
    scoring = Scoring(task, network)
    for _ in scoring:
        pass
    edges, tags = tag.side_by_side([task.words_of(one) for one in task.val])
    with torch.inference_mode():
        costs = -network(task.rows_of(task.val), edges).log_softmax(-1).numpy()
    weights = np.where(tags == 0, 0.2, 1.0)
    wanted = np.average(costs[np.arange(len(tags)), tags], weights=weights)
    assert 0 < (tags == 0).sum() < len(tags)
    assert scoring.result.nats == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_the_training_loss_is_the_mean_over_all_that_was_predicted(name: str) -> None:
    """A batch of a few words once weighed as much as one of many."""
    data, task = task_of(name)
    learner = Learner(task, model_of(data, "gru"), small_training(batch_size=7))
    losses, numbers = list[float](), list[float]()
    for step in range(learner.batches.steps_per_epoch):
        batch = learner.batches.batch(step)
        cost = task.cost(learner.network, batch, None, torch.Generator())
        numbers.append(float(cost.number))
        learner.update()
        losses.append(float(learner.updates.loss))
    assert len(set(numbers)) > 1
    assert learner.updates.loss_count == pytest.approx(sum(numbers))
    assert learner.take_mean_loss() == pytest.approx(np.average(losses, weights=numbers), rel=1e-5)


def test_a_word_at_which_a_text_is_cut_is_scored_as_it_is_alone() -> None:
    """Its n-grams reached into the next text."""
    data, task = task_of("tag")
    network = network_of(task, model_of(data, "gru"))
    words = [task.words_of(one)[:3] for one in task.train[:2]]
    cut = [row[: own[-1, 1]] for row, own in zip(task.rows_of(task.train), words, strict=False)]
    with torch.no_grad():
        together = network(cut, tag.side_by_side(words)[0])
        alone = [
            network([row], tag.side_by_side([own])[0]) for row, own in zip(cut, words, strict=True)
        ]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_padding_never_changes_the_cost(name: str) -> None:
    data, task = task_of(name)
    network = network_of(task, model_of(data, "gru"))
    batches = task.batches(small_training(batch_size=6))
    generator = torch.Generator()
    together = task.cost(network, batches.batch(3), None, generator)
    alone = []
    for k in range(6):
        batch: Any = batches.batch(3)
        one: Any
        if name == "classify":
            one = classify.Batch([batch.rows[k]], batch.classes[k : k + 1])
        else:
            own = batch.edges[:, 0] == k
            one = tag.Batch([batch.rows[k]], batch.edges[own] * [0, 1, 1], batch.tags[own])
        alone.append(task.cost(network, one, None, generator))
    assert float(together.total.detach()) == pytest.approx(
        sum(float(cost.total.detach()) for cost in alone), rel=1e-5
    )
    assert float(together.number) == pytest.approx(sum(float(cost.number) for cost in alone))


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_a_batch_is_a_function_of_its_number_and_the_seed(name: str) -> None:
    _, task = task_of(name)
    first, again = task.batches(small_training(seed=5)), task.batches(small_training(seed=5))
    other = task.batches(small_training(seed=6))
    for step in (31, 2, 17):
        for one, same in zip(first.batch(step).rows, again.batch(step).rows, strict=True):
            assert np.array_equal(one, same)
    assert any(
        len(one) != len(two) or not np.array_equal(one, two)
        for one, two in zip(first.batch(3).rows, other.batch(3).rows, strict=True)
    )


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_equal_texts_are_on_one_side(name: str) -> None:
    data, task = task_of(name)
    train, val = ({one.text for one in part} for part in (task.train, task.val))
    assert train.isdisjoint(val)
    assert len(task.train) + len(task.val) == len(data.examples)


@pytest.mark.parametrize(
    ("name", "labels"), [("classify", ["even", "odd"]), ("tag", ["1", "2", "3"])]
)
def test_labels_that_no_validation_example_has_are_known(name: str, labels: list[str]) -> None:
    data, task = task_of(name)
    assert list(replace(task, val=data.examples).unseen) == []
    assert list(replace(task, val=[]).unseen) == labels


def test_each_class_has_a_text_to_train_on() -> None:
    """But in runs begun before this was seen to, whose division stays as it was."""
    rows = "".join(f"text {k} of {k % 30},c{k % 30}\n" for k in range(60))
    Path("pairs.csv").write_text(f"text,label\n{rows}")
    run = charrnn.train("pairs.csv", task="classify", out="m", val_frac=0.4, **SMALL)
    run.finish(progress=False)
    record = read_folder(Path("m")).record
    assert record.training is not None
    data = classify.read(request_of("classify", ["pairs.csv"]))
    for keeps, count in ((True, 30), (False, 25)):
        task = data.task(msgspec.structs.replace(record.training, keep_classes=keeps))
        assert len({one.label for one in task.train}) == count
        assert len(task.val) == 24
    assert record.training.keep_classes


def test_what_the_order_of_words_says_is_learnt() -> None:
    """Although in training some texts have their words in another order."""
    random = np.random.default_rng(3)

    def row() -> str:
        words = random.choice(["u", "v", "w"], 9).astype("<U5").tolist()
        first, second = sorted(random.choice(9, 2, replace=False))
        label = random.integers(2)
        words[first], words[second] = ("up", "down")[::-1] if label else ("up", "down")
        return f"{' '.join(words)},{'fell' if label else 'rose'}\n"

    for name, count in (("a.csv", 600), ("test.csv", 200)):
        Path(name).write_text("text,label\n" + "".join(row() for _ in range(count)))
    run = charrnn.train("a.csv", task="classify", out="m", steps=300, batch_size=32, **LEARNING)
    model = run.finish(progress=False)
    assert model.evaluate("test.csv").scores["accuracy"] >= 0.95


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_all_batches_of_a_run_are_made_of_the_same_rows(name: str) -> None:
    """Preparing a million texts takes longer than many an update."""
    _, task = task_of(name)
    one, other = (task.batches(small_training(seed=seed)) for seed in (1, 2))
    for row, same, example in zip(one.rows, other.rows, task.train, strict=True):
        assert np.shares_memory(row, same)
        assert np.array_equal(row, task.rows_of([example])[0][: len(row)])


def test_a_classifier_begun_by_older_rules_goes_on_by_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped or not, and made again: to the bit, and unlike a run of today."""
    rows = "".join(f"text {k} of {k % 3},{'xy'[k % 2]}\n" for k in range(60))
    Path("a.csv").write_text(f"text,label\n{rows}")
    settings = SMALL | {"steps": 9, "eval_every": 4, "batch_size": 5}
    with monkeypatch.context() as patch:
        patch.setattr("charrnn.objectives.plans.plan.EXAMPLE_RULES", 1)
        charrnn.train("a.csv", task="classify", out="whole", **settings).finish(progress=False)
        for event in charrnn.train("a.csv", task="classify", out="stopped", **settings):
            if isinstance(event, charrnn.Evaluated):
                break
    charrnn.resume("stopped").finish(progress=False)
    charrnn.train("a.csv", repeat="whole", out="again").finish(progress=False)
    charrnn.train("a.csv", task="classify", out="new", **settings).finish(progress=False)
    names = ("whole", "stopped", "again", "new")
    whole, *others, new = map(weights, names)
    assert others == [whole, whole]
    assert new != whole


@pytest.mark.parametrize(("given", "read"), [(1, 1), (6, 6), (10**9, 10**9 - ENDS)])
def test_the_length_that_a_user_gives_is_of_characters(given: int, read: int) -> None:
    """The two ends counted: of a text of six characters four were read."""
    write_bits()
    request = request_of("classify", ["bits.csv"], seq_length=given)
    data = classify.read(request)
    config = schedule(classify.plan(data, request, lambda _: 1e9), steps=3)
    assert config.seq_length == read + ENDS
    longest = max(map(len, data.task(config).train_rows)) - ENDS
    assert longest == min(read, max(len(one.text) for one in data.examples))


def test_long_texts_are_cut_and_that_is_told() -> None:
    texts = "".join(f"{'ab' * 50}{k},x\n{'ba' * 3}{k},y\n" for k in range(10))
    Path("a.csv").write_text(f"text,label\n{texts}")
    run = charrnn.train(["a.csv"], task="classify", out="m", seq_length=18, **SMALL)
    assert "10 texts are longer than 18 characters: their beginnings are read" in run.notes
    run.finish(progress=False)


@pytest.mark.parametrize("name", ["classify", "tag"])
def test_the_card_says_what_of_the_parameters_is_a_table_of_n_grams(name: str) -> None:
    """A small network was said to have a million parameters, without a word why."""
    data, task = task_of(name)
    model = model_of(data, "gru")
    weights = weights_of(task.network(model, torch.Generator()))
    found = card.facts(task.folder(model, weights))
    assert found["vocabulary"].endswith("characters, and an end mark")
    rows, outputs = weights["grams.weight"].shape
    assert found["n-grams"] == f"a table of {rows:,} rows, {rows * outputs:,} of the parameters"
    older = replace(task, task_record=msgspec.structs.replace(task.task_record, grams=0))
    del weights["grams.weight"]
    assert "n-grams" not in card.facts(older.folder(model, weights))


def write_long(name: str, length: int) -> None:
    """Texts for the last characters of which nothing is learnt, and a short one."""
    rows = "".join(f"{'ab' * (length // 2 - 1)}{k:02},{'xy'[k % 2]}\n" for k in range(40))
    Path(name).write_text(f"text,label\nab,y\n{rows}")


@pytest.mark.parametrize("given", [{}, {"seq_length": 500}])
def test_what_is_never_read_does_not_count_for_the_plan(given: dict[str, int]) -> None:
    """For sizes, dropout, passes and what an evaluation takes; texts that are cut are the same."""
    longest = given.get("seq_length", 2000)
    found = []
    for name, length in (("cut.csv", longest), ("long.csv", 20_000)):
        write_long(name, length)
        request = request_of("classify", [name], **given)
        data = classify.read(request)
        plan = classify.plan(data, request, lambda _: 1e9)
        task = data.task(schedule(plan, steps=9))
        tokens = (sum(map(task.tokens_of, task.train)), task.val_tokens)
        trained_on = plan.tokens_per_step * plan.steps_per_epoch
        assert tokens == (round(trained_on), plan.val_tokens)
        found.append((plan.model, plan.settings, plan.reasons, plan.tokens_per_step, tokens))
        assert task.max_epochs == 16
    assert found[0] == found[1]


def test_passes_are_as_before_in_runs_begun_when_all_characters_counted() -> None:
    write_long("long.csv", 20_000)
    data = classify.read(request_of("classify", ["long.csv"]))
    for rules, epochs in ((EXAMPLE_RULES, 16), (1, 20)):
        config = small_training(rules=rules)
        assert data.task(config).max_epochs == epochs


def test_a_tagger_is_trained_on_beginnings_and_validated_whole() -> None:
    Path("a.conll").write_text("\n".join(f"a{k} B-x\n" + "b O\n" * 1_500 for k in range(20)))
    request = request_of("tag", ["a.conll"], val_frac=0.25)
    plan = tag.plan(tag.read(request), request, lambda _: 1e9)
    assert plan.tokens_per_step * plan.steps_per_epoch == pytest.approx(15 * 2002)
    assert plan.val_tokens > 5 * 3000


def sample_of(data: Any, task: Any) -> str:
    """What an untrained network says of a validation example."""
    model = model_of(data, "gru")
    network = task.network(model, torch.Generator().manual_seed(1))
    text: str = task.sample(model, weights_of(network), 3)
    return text


def test_a_sample_of_a_long_text_is_read_as_in_training_and_its_beginning_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Texts of 300,000 characters once took nearly all the time of a run, and filled the screen."""
    write_long("long.csv", 3_000)
    data = classify.read(request_of("classify", ["long.csv"]))
    widths, read = [], encoder.Encoder.read

    def noted(own: encoder.Encoder, ids: Any, lengths: Any) -> Any:
        widths.append(ids.shape[1])
        return read(own, ids, lengths)

    monkeypatch.setattr(encoder.Encoder, "read", noted)
    sample = sample_of(data, data.task(small_training()))
    assert widths == [64]
    assert sample.startswith(f"{'ab' * 150}…\n→ ")


def test_of_a_long_text_with_marks_the_beginning_is_shown() -> None:
    Path("a.conll").write_text("\n".join(f"a{k} B-x\n" + "b O\n" * 500 for k in range(20)))
    data = tag.read(request_of("tag", ["a.conll"]))
    sample = sample_of(data, data.task(small_training()))
    assert len(sample) == 301
    assert sample.endswith("…")


def test_labels_that_look_the_same_are_pointed_out() -> None:
    labels = ["caf\u00e9", "cafe\u0301"]
    Path("a.csv").write_text("text,label\n" + "".join(f"b{k},{labels[k % 2]}\n" for k in range(40)))
    Path("a.conll").write_text("".join(f"b{k} B-{labels[k % 2]}\n\n" for k in range(40)))
    cases: list[tuple[str, TaskName, str]] = [
        ("a.csv", "classify", "classes"),
        ("a.conll", "tag", "types of spans"),
    ]
    for name, task, kind in cases:
        data = OBJECTIVES[task].read(request_of(task, [name]))
        assert rf"'cafe\u0301' and 'caf\xe9' look the same, and are two {kind}" in data.notes


def test_a_model_of_named_columns_is_measured_on_files_without_columns() -> None:
    """Only columns that the user names beside such a file are refused."""
    reading = Reading(text_column="body")
    rows = "".join(f"{bits:b},{parity(f'{bits:b}')}\n" for bits in range(40))
    Path("a.csv").write_text(f"body,kind\n{rows}")
    run = charrnn.train(
        "a.csv", task="classify", reading=reading, label_column="kind", out="c", **SMALL
    )
    classifier = run.finish(progress=False)
    Path("lines.txt").write_text("__label__odd 1\n__label__even 11\n__label__even 101\n")
    assert classifier.evaluate("lines.txt").count == 3
    for text, label in (("body", None), (None, "kind")):
        with pytest.raises(UsageError, match="lines with __label__ have no columns"):
            classifier.evaluate("lines.txt", Reading(text_column=text), label_column=label)
    spans = [{"start": 3, "end": 6, "label": "who"}]
    records = [json.dumps({"body": f"to Ann {k}", "spans": spans}) for k in range(40)]
    Path("a.jsonl").write_text("\n".join(records))
    tagger = charrnn.train("a.jsonl", task="tag", reading=reading, out="t", **SMALL)
    model = tagger.finish(progress=False)
    Path("a.conll").write_text("to O\nAnn B-who\n\nBo B-who\n")
    assert model.evaluate("a.conll").count == 2
    with pytest.raises(UsageError, match="CoNLL's columns have no names"):
        model.evaluate("a.conll", reading)


def test_unknown_characters_are_read_as_unknown() -> None:
    write_bits(60)
    model = charrnn.train(["bits.csv"], task="classify", out="m", **SMALL).finish(progress=False)
    one, other, empty = model.predict(["01é", "01ß", ""])
    assert one == other
    assert empty.label in ("even", "odd")


def test_too_few_or_of_one_kind() -> None:
    Path("few.csv").write_text("text,label\na,x\nb,x\nc,y\nd,y\n")
    Path("one.csv").write_text("text,label\na,x\nb,x\n")
    for name, message in (
        ("few.csv", "has 4 different examples"),
        ("one.csv", "have the label 'x'"),
    ):
        with pytest.raises(BadDataError, match=message):
            charrnn.train([name], task="classify", out="m", **SMALL)
    assert not Path("m").exists()


def test_a_tagger_has_no_label_column() -> None:
    write_brackets("a.conll", 20, seed=1)
    with pytest.raises(
        UsageError, match="label_column is 'x', which has no meaning for the task tag"
    ):
        charrnn.train(["a.conll"], task="tag", label_column="x", out="m", **SMALL)


def test_a_damaged_folder_is_told() -> None:
    write_bits(60)
    charrnn.train(["bits.csv"], task="classify", out="m", **SMALL).finish(progress=False)
    found = read_folder(Path("m"))
    for labels in ('{"labels": ["even"]}', '{"labels": ["a", "b"], "usual": "c"}', "[", "{}"):
        damaged = replace(found, extra={LABELS: labels.encode()})
        with pytest.raises(CharRNNError, match=r"m: |labels\.json") as error:
            Classifier(damaged)
        assert error.value.exit_code == 65
    other = replace(found, tokenizer=CharTokenizer("01"))
    with pytest.raises(BadDataError, match="the vocabulary is not that of its task"):
        Classifier(other)


def test_schedules_of_small_sets_are_whole() -> None:
    data, _ = task_of("classify")
    plan = classify.plan(data, request_of("classify"), lambda _: 1e11)
    assert plan.steps_per_epoch == -(-54 // plan.settings["batch_size"])
    assert schedule(plan, 10).steps == 10
    assert plan.model.bidirectional


def test_capitals_start_as_their_small_letters_moved_by_one_vector() -> None:
    tokenizer = CharTokenizer("".join(sorted("AaBbÉéZz1ß")), "\n")
    config = ModelConfig(
        cell="gru",
        vocab_size=tokenizer.vocab_size,
        embed_size=6,
        hidden_size=8,
        num_layers=1,
        bidirectional=True,
    )
    drawn = Encoder(config, generator=torch.Generator().manual_seed(1))
    before, ids = drawn.weights(), {c: k for k, c in enumerate(tokenizer.characters)}
    start_capitals(drawn, tokenizer, torch.Generator().manual_seed(2))
    for name in ("embedding.weight", "embedding_back.weight"):
        now = drawn.weights()[name]
        moves = [now[ids[c]] - now[ids[c.lower()]] for c in "ABÉZ"]
        assert np.abs(moves[0]).min() > 0
        for move in moves:
            np.testing.assert_allclose(move, moves[0], atol=1e-6)
        others = [ids[c] for c in "abéz1ß"] + [tokenizer.vocab_size - 1]
        assert np.array_equal(now[others], before[name][others])
