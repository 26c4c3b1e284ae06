"""Translation on the common loop: rules that must be found, and held beyond what was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import sacrebleu
import torch

import charrnn
from charrnn.cells.rules import CELLS
from charrnn.config import Budget, CellName, Reading, TaskSettings
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.pairs import Pair
from charrnn.folder import card
from charrnn.folder.reading import read_folder
from charrnn.learning.task import Scoring
from charrnn.objectives import translate
from charrnn.objectives.batches import rows
from charrnn.objectives.plans.plan import EXAMPLE_RULES, schedule
from charrnn.objectives.request import Request
from charrnn.objectives.translate import Batch, Translating, TranslatorNetwork
from charrnn.task_config import Translate
from charrnn.tasks.answers import Translation
from charrnn.tasks.nets.decoder import Decoder
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.scores.edits import character_error_rate
from charrnn.tasks.translate import Translator, report_of
from charrnn.text.origin import Origin
from charrnn.text.tokenizer import CharTokenizer
from charrnn.training.events import Progress
from tests.conftest import evaluation, small_training
from tests.training.watching import weights

SMALL: dict[str, Any] = {"hidden_size": 8, "embed_size": 6, "steps": 3, "device": "cpu"}
LEARNING: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 48,
    "embed_size": 16,
    "batch_size": 32,
    "learning_rate": 0.015,
    "dropout": 0.1,
    "weight_dropout": 0.0,
    "steps": 300,
    "eval_every": 300,
    "device": "cpu",
}


def strings(count: int, shortest: int, longest: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    sizes = random.integers(shortest, longest + 1, count)
    return ["".join(random.choice(list("abcdef"), size)) for size in sizes]


def write_pairs(name: str, sources: list[str], rule: Callable[[str], str]) -> None:
    Path(name).write_text("".join(f"{source}\t{rule(source)}\n" for source in sources))


def copied_or_turned(text: str) -> str:
    """What comes after a mark, which says whether it is to be copied or to be reversed."""
    return text[1:] if text[0] == "<" else text[:0:-1]


def marked(texts: list[str]) -> list[str]:
    return ["<>"[k % 2] + text for k, text in enumerate(texts)]


def test_strings_longer_than_any_in_training() -> None:
    write_pairs("pairs.tsv", marked(strings(2000, 1, 12, seed=1)), copied_or_turned)
    write_pairs("longer.tsv", marked(strings(200, 13, 24, seed=2)), copied_or_turned)
    run = charrnn.train(["pairs.tsv"], task="translate", out="m", **LEARNING)
    model = run.finish(progress=False)
    assert isinstance(model, Translator)
    report = model.evaluate(["longer.tsv"])
    assert report.count == 200
    assert report.scores["exact match"] >= 0.99
    assert report.baselines["nearest source"]["exact match"] == 0
    assert report.beaten_by is None


def test_muon_changes_hidden_matrices_while_a_network_is_small_for_its_pairs() -> None:
    """Where the time is enough to read them again and again, AdamW learns as much."""
    data = data_of()

    def chosen(budget: Budget, speed: float, **given: Any) -> dict[str, Any]:
        request = request_of(hidden_size=64, **given)._replace(budget=budget)
        plan = translate.plan(data, request, lambda _: speed)
        assert (" with Muon" in plan.reasons) == (plan.settings["optimizer"] == "muon")
        return plan.settings

    slow, fast = (chosen(Budget(minutes=1), speed) for speed in (1e6, 1e12))
    assert [found["optimizer"] for found in (slow, fast)] == ["muon", "adamw"]
    assert slow["learning_rate"] > 2 * fast["learning_rate"]
    assert chosen(Budget(epochs=0.2), 1e12)["optimizer"] == "muon"
    assert chosen(Budget(epochs=0.2), 1e12, learning_rate=0.01)["learning_rate"] == 0.01


settings = partial(small_training, rules=EXAMPLE_RULES)


def request_of(**given: Any) -> Request:
    """To learn from pairs.tsv in a minute."""
    task_settings, minute = TaskSettings(task="translate"), Budget(minutes=1)
    return Request(["pairs.tsv"], Reading(), task_settings, budget=minute, settings=given)


def data_of(count: int = 40) -> translate.TranslateData:
    write_pairs("pairs.tsv", strings(count, 1, 9, seed=1), lambda text: text.upper() + "!")
    return translate.read(request_of())


def network_of(
    task: Translating, data: translate.TranslateData, cell: CellName = "gru", layers: int = 1
) -> TranslatorNetwork:
    """A network whose weights are large enough for answers that differ."""
    request = request_of(cell=cell, hidden_size=8, embed_size=6, num_layers=layers)
    model = translate.plan(data, request, lambda _: 1e9).model
    network = task.network(model, torch.Generator().manual_seed(1)).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.5)
    return network


def translator_of(task: Translating, network: TranslatorNetwork) -> Translator:
    return Translator(task.folder(network.config, network.weights()))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", sorted(CELLS))
@torch.inference_mode()
def test_numpy_writes_as_pytorch_does(cell: CellName, layers: int) -> None:
    data = data_of()
    task = data.task(settings())
    network = network_of(task, data, cell, layers)
    examples = task.rows_of(task.val)
    sources, lengths = rows.padded([source for source, _ in examples], torch.device("cpu"))
    targets, _ = rows.padded([target for _, target in examples], torch.device("cpu"))
    wanted = network(sources, lengths, targets).numpy()  # (S, B, V)
    encoder = Encoder(network.config, network.weights())
    decoder = Decoder(network.config, network.weights())
    output = encoder.read(sources.numpy().T.astype(np.int32), lengths.numpy())
    written = decoder.start(output, lengths.numpy())
    for ids, logits in zip(targets.numpy().astype(np.int32), wanted, strict=True):
        own, written = decoder.step(ids, written)
        np.testing.assert_allclose(own, logits, atol=2e-4)


@torch.inference_mode()
def log_probs_of(network: TranslatorNetwork, source: Any, ids: np.ndarray) -> np.ndarray:
    """Of every sequence (S, N) after one source, step by step: (S, N, V)."""
    sources, lengths = rows.padded([source] * ids.shape[1], torch.device("cpu"))
    logits = network(sources, lengths, torch.from_numpy(ids.astype(np.int64)))
    found: np.ndarray = logits.double().log_softmax(-1).numpy()
    return found


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_wide_search_finds_the_best_of_all(length_penalty: float) -> None:
    write_pairs("pairs.tsv", [f"{'a' * k}b{'b' * j}" for k in range(4) for j in range(4)], str)
    data = translate.read(request_of())
    kind = data.task_record.__class__(longest_source=8, longest_target=4)
    task = replace(data.task(settings()), task_record=kind)
    network = network_of(task, data)
    size, end = task.tokenizer.vocab_size, task.tokenizer.end_id
    assert size == 4  # a, b, the unknown, the end
    all_of_them = np.array(np.meshgrid(*[range(size)] * 4, indexing="ij")).reshape(4, -1)
    best: list[tuple[float, float]] = []
    texts = ["ab", "b", "aab", "aaa", "bbba", "aabbb"]
    for text in texts:
        source = task.rows_of([Pair(text, text)])[0][0]
        first = np.full((1, all_of_them.shape[1]), end)
        log_probs = log_probs_of(network, source, np.concatenate([first, all_of_them[:-1]]))
        each = np.take_along_axis(log_probs, all_of_them[..., None], -1)[..., 0].cumsum(0)
        found = []
        for column, ids in enumerate(all_of_them.T):
            if end in ids:
                tokens = int(np.argmax(ids == end)) + 1
                total = float(each[tokens - 1, column])
                found.append((total / tokens**length_penalty, total))
        best.append(max(found))
    answers = translator_of(task, network).predict(
        texts, num_beams=256, length_penalty=length_penalty
    )
    assert [answer.log_prob for answer in answers] == pytest.approx(
        [total for _, total in best], abs=1e-4
    )
    greedy = translator_of(task, network).predict(texts, num_beams=1)
    assert any(one != other for one, other in zip(greedy, answers, strict=True))


def test_texts_are_translated_alone_as_side_by_side() -> None:
    data = data_of()
    task = data.task(settings())
    translator = translator_of(task, network_of(task, data, "lstm"))
    texts = [pair.source for pair in data.examples] + ["", "fedcba" * 5]
    together = translator.predict(texts)
    assert len({answer.text for answer in together}) > 5
    for text, answer in zip(texts, together, strict=True):
        (alone,) = translator.predict([text])
        assert alone.text == answer.text
        assert alone.log_prob == pytest.approx(answer.log_prob, abs=1e-3)
    assert translator.predict([]) == []


def test_padding_never_changes_the_cost() -> None:
    data = data_of()
    task = data.task(settings())
    network, generator = network_of(task, data), torch.Generator()
    batch = task.batches(settings(batch_size=6)).batch(3)
    together = task.cost(network, batch, None, generator)
    alone = [
        task.cost(network, Batch([source], [target]), None, generator)
        for source, target in zip(*batch, strict=True)
    ]
    total = sum(float(cost.total.detach()) for cost in alone)
    assert float(together.total.detach()) == pytest.approx(total, rel=1e-5)
    assert together.number == sum(len(target) - 1 for target in batch.targets)
    assert together.number == sum(cost.number for cost in alone)


@pytest.mark.parametrize(("rules", "smoothing"), [(EXAMPLE_RULES, translate.SMOOTHING), (1, 0.0)])
def test_validation_is_the_cost_of_all_and_greedy_answers(rules: int, smoothing: float) -> None:
    """The cost that training makes small: by another, half-trained networks were kept."""
    data = data_of()
    task = data.task(settings(rules=rules))
    network = network_of(task, data).train()
    scoring = Scoring(task, network)
    for _ in scoring:
        pass
    assert network.training
    network.eval()
    own = task.rows_of(task.val)
    batch = Batch([source for source, _ in own], [target for _, target in own])
    with torch.inference_mode():
        cost = translate.cost_of(network, batch, smoothing)
    assert scoring.result.nats == pytest.approx(float(cost.total) / int(cost.number), rel=1e-5)
    answers = translator_of(task, network).predict([p.source for p in task.val], num_beams=1)
    rate = character_error_rate([a.text for a in answers], [p.target for p in task.val])
    assert scoring.result.score == rate


def test_of_some_pairs_the_same_share_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that an evaluation translates, scaled up with the pairs, was said to take hours."""
    data = data_of()
    few = data.task(settings())
    pairs = list(few.val)[:3]
    many, few = replace(few, val=pairs * 400), replace(few, val=pairs)
    network, read = network_of(many, data), list[int]()

    def predict(_: Translator, texts: Sequence[str], **_given: Any) -> list[Translation]:
        read.append(len(texts))
        return [Translation(text, 0.0) for text in texts]

    monkeypatch.setattr(Translator, "predict", predict)
    for task in (many, many.beginning(many.val_tokens // 4), few, few.beginning(few.val_tokens)):
        for _ in Scoring(task, network):
            pass
    assert read == [300, 75, 3, 3]


def test_what_the_score_of_an_evaluation_is_of_is_said() -> None:
    """It stood under the name of the report's, which is of wider searches and more pairs."""
    some = data_of().task(settings())
    assert some.metric == "character error rate (greedy)"
    many = replace(some, val=list(some.val) * 301)
    assert many.metric == "character error rate (greedy, first 300)"
    network = network_of(some, data_of())
    folder = some.folder(network.config, network.weights())
    losses = evaluation(step=5, score=0.25)
    shown = card.facts(replace(folder, step=5, metrics=(losses,)))["validation score"]
    assert shown == "0.25, character error rate of greedy translations of at most 300 pairs"


def test_a_batch_is_a_function_of_its_number_and_the_seed() -> None:
    task = data_of().task(settings())
    first, again = task.batches(settings(seed=5)), task.batches(settings(seed=5))
    for step in (31, 2, 17):
        for one, same in zip(first.batch(step), again.batch(step), strict=True):
            assert list(map(list, one)) == list(map(list, same))
    other = task.batches(settings(seed=6))
    assert list(map(list, first.batch(3).targets)) != list(map(list, other.batch(3).targets))


@pytest.mark.parametrize(
    ("count", "length", "at_once"),
    [
        (400, 6, 32),  # an eighth of them
        (1_000, 6, 64),
        (1_000, 30, 32),
        (1_000, 50, 16),
        (1_000, 300, 16),
        (6_000, 100, 64),  # over a million tokens
    ],
)
def test_long_pairs_are_read_few_at_a_time_if_there_are_few(
    count: int, length: int, at_once: int
) -> None:
    write_pairs("pairs.tsv", strings(count, length, length, seed=1), str.upper)
    plan = translate.plan(translate.read(request_of()), request_of(), lambda _: 1e9)
    assert plan.settings["batch_size"] == at_once
    assert f", {at_once} pairs side by side, " in plan.reasons


def test_pairs_of_one_source_are_on_one_side() -> None:
    sources = strings(30, 3, 9, seed=1)
    lines = "".join(f"{source}\t{n}\n" for source in sources for n in range(3))
    Path("pairs.tsv").write_text(lines)
    data = translate.read(request_of())
    task = data.task(settings())
    train, val = ({pair.source for pair in part} for part in (task.train, task.val))
    assert train.isdisjoint(val)
    assert len(task.train) + len(task.val) == 90
    assert data.corpus.record_count == 90


def test_long_pairs_are_left_out_and_that_is_told() -> None:
    write_pairs("pairs.tsv", strings(40, 1, 9, seed=1), str)
    run = charrnn.train(["pairs.tsv"], task="translate", out="m", seq_length=5, **SMALL)
    (note,) = run.notes
    assert note.endswith("pairs with a text of over 5 characters")
    run.finish(progress=False)
    data = data_of()
    plan = translate.plan(data, request_of(seq_length=5), lambda _: 1e9)
    read = data.task(schedule(plan, steps=3)).train
    assert max(len(pair.target) for pair in read) == 5  # the ends counted: it was 3
    found = "seq_length is 1, and the longer text of a pair has 2 to 10 characters; choose 10 to"
    with pytest.raises(UsageError, match=found):
        translate.plan(data, request_of(seq_length=1), lambda _: 1e9)
    translate.plan(data, request_of(seq_length=10), lambda _: 1e9)


def test_too_few_pairs() -> None:
    write_pairs("pairs.tsv", ["a", "b", "c"] * 10, str)
    with pytest.raises(BadDataError, match="3 different examples"):
        charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL)
    assert not Path("m").exists()


def test_a_model_in_use() -> None:
    Path("train.en").write_text("".join(f"{text}\n" for text in strings(40, 1, 9, seed=1)))
    Path("train.de").write_text("".join(f"{text}\n" for text in strings(40, 1, 9, seed=3)))
    run = charrnn.train(["train.en", "train.de"], task="translate", out="m", **SMALL)
    model = run.finish(progress=False)
    one, other = model.predict(["abé", "abß"])
    assert one == other  # what is unknown is the unknown character
    with pytest.warns(UserWarning, match="CRLF became LF"):
        (windows,) = model.predict(["ab\r\nc"])
    assert [windows] == model.predict(["ab\nc"])  # as pairs are read in training
    assert isinstance(one, Translation)
    assert one.plain == one.text
    assert one.log_prob < 0
    for wrong in ("abc", b"abc", [b"abc"], 5):
        with pytest.raises(UsageError, match=r"texts is .*; it must be a list"):
            model.predict(wrong)
    report = model.evaluate(["train.en", "train.de"])
    assert report.baselines["nearest source"]["exact match"] == 1
    assert report.beaten_by == "nearest source"
    assert report.verdict.startswith("character error rate")
    assert set(report.scores) >= {"character error rate", "exact match"}
    Path("train.de").unlink()
    Path("test.jsonl").write_text(json.dumps({"source": "ab", "target": "cd"}))
    report = model.evaluate("test.jsonl")
    assert list(report.baselines) == ["copy"]
    assert "is no longer there" in report.notes[0]


def test_columns_are_remembered() -> None:
    pairs = strings(30, 1, 9, seed=1)
    Path("a.csv").write_text("de,en\n" + "".join(f"{text.upper()},{text}\n" for text in pairs))
    reading = Reading(text_column="en")
    run = charrnn.train(
        ["a.csv"], task="translate", label_column="de", reading=reading, out="m", **SMALL
    )
    model = run.finish(progress=False)
    assert model.evaluate("a.csv").baselines["nearest source"]["exact match"] == 1


def test_a_model_of_named_columns_is_measured_on_two_files_line_by_line() -> None:
    pairs = strings(30, 1, 9, seed=1)
    for name, some in (("a.txt", pairs[:20]), ("b.txt", pairs[20:])):
        rows = "".join(f"{text},{text.upper()}\n" for text in some)
        Path(name).write_text(f"en,de\n{rows}")
    files, reading = ["a.txt", "b.txt"], Reading(text_column="en")
    run = charrnn.train(
        files, task="translate", label_column="de", reading=reading, out="m", **SMALL
    )
    model = run.finish(progress=False)
    assert model.evaluate(files).baselines["nearest source"]["exact match"] == 1
    Path("x.en").write_text("".join(f"{text}\n" for text in pairs))
    Path("x.de").write_text("".join(f"{text.upper()}\n" for text in pairs))
    report = model.evaluate(["x.en", "x.de"])
    assert (report.count, report.baselines["nearest source"]["exact match"]) == (30, 1)


def test_two_files_of_lines_validate_what_is_learnt_from_named_columns() -> None:
    """Their first lines should have named these. Numbers are of tables without a header."""
    Path("pairs.tsv").write_text("en,de\none,eins\ntwo,zwei\n")
    for name, some in (("v.en", ("a, b", "c, d")), ("v.de", ("A, B", "C, D"))):
        Path(name).write_text("".join(f"{text}\n" for text in some))

    def validation(text: str, label: str) -> Sequence[Pair]:
        task_settings = TaskSettings(task="translate", label_column=label)
        asked = request_of()._replace(
            reading=Reading(text_column=text), task_settings=task_settings
        )
        return translate.read(asked._replace(validation=["v.en", "v.de"])).validation

    assert validation("en", "de") == [Pair("a, b", "A, B"), Pair("c, d", "C, D")]
    assert validation("1", "2")[0] == Pair("a", " b")


def test_of_several_targets_any_is_right() -> None:
    """A second transcription was an error, even for what copies or looks up the first."""
    pairs = [Pair("tear", "tɪə"), Pair("tear", "tɛə"), Pair("tide", "taɪd"), Pair("tide", "taɪd")]
    told = "1 source has several targets; an answer is compared with the nearest"
    for text, right in (("tɪə", 0.5), ("tɛə", 0.5), ("tɛ", 0)):
        answers = [Translation(one, 0.0) for one in (text, text, "ta", "ta")]
        report = report_of(pairs, answers, pairs)
        assert report.scores["exact match"] == right
        assert report.scores["character error rate"] == (4 + 2 * (not right)) / 14
        assert report.baselines["nearest source"]["exact match"] == 1
        assert told in report.notes
    assert told not in report_of(pairs[1:], answers[1:]).notes
    some = report_of(pairs[:1], [Translation("tɛə", 0.0)], right=pairs)  # of many
    assert some.scores["exact match"] == 1
    assert told in some.notes


@pytest.mark.parametrize(
    ("target", "answer", "by_character"),
    [
        ("我在北京学习", "我在北京工作", True),
        ("ผมไปโรงเรียน", "ผมไปโรงแรม", True),
        ("I am here", "I am so", False),
    ],
)
def test_bleu_is_of_characters_where_there_are_no_spaces(
    target: str, answer: str, by_character: bool
) -> None:
    """A sentence was one word, and right or wrong as a whole."""
    report = report_of([Pair("a", target)], [Translation(answer, 0.0)])
    words = "char" if by_character else "13a"
    bleu = sacrebleu.BLEU(effective_order=True, force=True, tokenize=words)
    assert report.scores["BLEU"] == bleu.corpus_score([answer], [[target]]).score > 0
    note = "BLEU is of characters, as the targets have no spaces between words"
    assert report.notes.count(note) == by_character


def test_a_column_of_the_targets_alone_is_remembered() -> None:
    """It was not, if that of the sources had not been named."""
    pairs = strings(30, 1, 9, seed=1)
    Path("a.csv").write_text("de,source\n" + "".join(f"{one.upper()},{one}\n" for one in pairs))
    run = charrnn.train(["a.csv"], task="translate", label_column="de", out="m", **SMALL)
    model = run.finish(progress=False)
    assert model.evaluate("a.csv").baselines["nearest source"]["exact match"] == 1


def test_numbered_columns_are_remembered() -> None:
    pairs = strings(30, 1, 9, seed=1)
    Path("swapped.tsv").write_text("".join(f"{text.upper()}\t{text}\n" for text in pairs))
    Path("third.tsv").write_text("".join(f"{text.upper()}\t#\t{text}\n" for text in pairs))
    for name, column in (("swapped.tsv", "2"), ("third.tsv", "3")):
        run = charrnn.train(
            [name],
            task="translate",
            label_column="1",
            reading=Reading(text_column=column),
            out=name.removesuffix(".tsv"),
            **SMALL,
        )
        model = run.finish(progress=False)
        report = model.evaluate(name)
        assert report.baselines["nearest source"]["exact match"] == 1
        assert not [note for note in report.notes if "looked up" in note]
        lower = [Pair(text, text.upper()) for text in pairs]
        assert report.baselines["copy"] == report_of(lower, model.predict(pairs)).baselines["copy"]
        Path("named.csv").write_text("in,target\nab,AB\ncd,CD\n")  # has no numbers
        assert model.evaluate("named.csv", Reading(text_column="in")).count == 2
        Path("other.csv").write_text("source,out\nab,AB\ncd,CD\nef,EF\n")
        assert model.evaluate("other.csv", label_column="out").count == 3


def test_a_model_of_a_table_without_a_header_is_measured_on_one_with_a_header() -> None:
    """Also an older one, whose folder holds the numbers that no one had named."""
    data_of()
    run = charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL)
    run.finish(progress=False)
    found = read_folder(Path("m"))
    assert isinstance(found.record.task, Translate)
    numbered = msgspec.structs.replace(found.record.task, text_column="1", label_column="2")
    older = replace(found, record=msgspec.structs.replace(found.record, task=numbered))
    Path("named.csv").write_text("target,source\nAB,ab\nCD,cd\nEF,ef\n")
    for model in (Translator(found), Translator(older)):
        report = model.evaluate("named.csv")
        assert report.count == 3
        assert report.baselines["copy"]["exact match"] == 0
        assert report.baselines["nearest source"]["exact match"] < 1


def test_tables_with_and_without_a_header_are_read_again_together() -> None:
    write_pairs("one.tsv", strings(20, 1, 9, seed=1), str.upper)
    Path("two.tsv").write_text("n\ttarget\tsource\n1\tAB\tab\n2\tCDE\tcde\n")
    Path("three.jsonl").write_text(json.dumps({"source": "fa", "target": "FA"}))
    several = ["one.tsv", "two.tsv", "three.jsonl"]
    for name, files in (("m", several), ("w", several[::-1])):
        charrnn.train(files, task="translate", out=name, **SMALL).finish(progress=False)
        charrnn.train(repeat=name, out=f"{name}-again").finish(progress=False)
        assert weights(name) == weights(f"{name}-again")
        model = charrnn.resume(name).finish(progress=False)
        for file in files:
            assert model.evaluate(file).baselines["nearest source"]["exact match"] == 1


def test_a_translator_begun_when_folders_held_numbers_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def numbered(**given: Any) -> Translate:
        return Translate(**given | {"text_column": "1", "label_column": "2"})

    data_of()
    with monkeypatch.context() as before:
        before.setattr("charrnn.objectives.translate.Translate", numbered)
        for event in charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL):
            if isinstance(event, Progress):
                break
    charrnn.resume("m").finish(progress=False)
    charrnn.train(repeat="m", out="again").finish(progress=False)
    charrnn.train(["pairs.tsv"], task="translate", out="new", **SMALL).finish(progress=False)
    found = [read_folder(Path(name)) for name in ("m", "again", "new")]
    columns = [one.record.task and one.record.task.text_column for one in found]
    assert columns == ["1", "1", None]
    assert len({one.fingerprint for one in found}) == 1


def test_why_nothing_is_looked_up_is_told() -> None:
    data_of()
    Path("test.tsv").write_text("ab\tAB!\n")
    model = charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL).finish(progress=False)
    Path("pairs.tsv").write_text("ab\tAB!\ncd\t\n")
    report = model.evaluate("test.tsv")
    assert list(report.baselines) == ["copy"]
    assert report.notes[0] == (
        f"{Path('pairs.tsv').resolve()}: line 2: the target is empty, so nothing is looked up in "
        "what it was trained on"
    )
    Path("pairs.tsv").unlink()
    assert "is no longer there" in model.evaluate("test.tsv").notes[0]


def test_nothing_is_looked_up_in_pairs_that_were_not_trained_on() -> None:
    """Those that are tested were added to the file, and then found there."""
    data_of()
    Path("test.tsv").write_text("ab\tAB!\n")
    model = charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL).finish(progress=False)
    before = Path("pairs.tsv").read_text()
    for changed in (f"{before}ab\tAB!\n", before.replace("A", "B")):
        Path("pairs.tsv").write_text(changed)
        report = model.evaluate("test.tsv")
        assert list(report.baselines) == ["copy"]
        assert report.notes[0] == (
            "what it was trained on has changed since, so nothing is looked up in it"
        )
    Path("pairs.tsv").write_text(before)
    assert "nearest source" in model.evaluate("test.tsv").baselines


def test_pairs_on_the_hub_are_not_fetched_to_look_things_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data_of()
    model = charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL).finish(progress=False)
    on_hub = Origin(("hf://someone/pairs",), Reading())
    monkeypatch.setattr("charrnn.tasks.translate.origin_of_run", lambda _: on_hub)
    report = model.evaluate("pairs.tsv")
    assert list(report.baselines) == ["copy"]
    assert report.notes[0] == "what it was trained on is on the hub, so nothing is looked up in it"


def test_a_damaged_folder_is_told() -> None:
    data_of()
    charrnn.train(["pairs.tsv"], task="translate", out="m", **SMALL).finish(progress=False)
    other = replace(read_folder(Path("m")), tokenizer=CharTokenizer("01"))
    with pytest.raises(BadDataError, match="the vocabulary is not that of its task"):
        Translator(other)


def test_the_size_of_a_corpus_of_pairs_is_that_of_both_texts() -> None:
    Path("pairs.tsv").write_text("".join(f"{k:02}\t{k:05}\n" for k in range(30)))
    assert translate.read(request_of()).corpus.characters == 30 * (2 + 5)


def test_of_a_long_pair_the_beginnings_are_shown() -> None:
    write_pairs("pairs.tsv", [f"{'ab' * 200}{k}" for k in range(20)], str.upper)
    data = translate.read(request_of())
    task = data.task(settings(seq_length=500))
    network = network_of(task, data)
    source, answer, wanted = task.sample(network.config, network.weights(), 3).split("\n")
    assert source == f"{'ab' * 150}…"
    assert wanted == f"it should be: {'AB' * 150}…"
    assert len(answer) <= len("→ …") + 300


def test_a_trial_with_few_time_steps_reads_no_more_of_either_side() -> None:
    data = data_of()
    batch = data.task(settings()).batches(settings(seq_length=5)).batch(2)
    assert max(map(len, batch.sources)) == max(map(len, batch.targets)) == 5


def test_at_the_end_of_a_run_some_of_many_pairs_are_looked_up_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look up all of them took a run far past its minutes."""
    data = data_of()
    task = data.task(settings())
    model, pairs = translator_of(task, network_of(task, data)), task.train
    answers = [Translation(pair.target, 0.0) for pair in pairs]
    whole = task.judged(model, pairs, answers)
    assert whole.baselines["nearest source"]["exact match"] == 1
    monkeypatch.setattr(translate, "LOOKED_UP", 10)
    some = task.judged(model, pairs, answers)
    assert some.baselines["nearest source"]["exact match"] == 10 / len(pairs)
    told = f"the nearest source is one of 10 of {len(pairs)} that were trained on; charrnn eval"
    assert some.notes == (f"{told} looks at all", *whole.notes)
