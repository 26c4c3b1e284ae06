"""A validation set of the user's own: all of the text is trained on, and all of the set scored."""

from __future__ import annotations

import json
import random
import shutil
import signal
import unicodedata
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import Corpus, Reading, load, resume, train
from charrnn.config import Budget, TaskName, TaskSettings
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.folder.reading import read_folder, read_record
from charrnn.learning.task import Task
from charrnn.objectives.plans.plan import schedule
from charrnn.objectives.request import Request
from charrnn.text.records import Records, holds
from charrnn.training.beginning.preparing import prepare
from charrnn.training.events import Started
from tests.commands import Copy, refused, run, run_here
from tests.conftest import VERSE
from tests.kills import kill_at_update
from tests.training.watching import consume, content, losses

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "num_layers": 1,
    "batch_size": 4,
    "steps": 30,
    "eval_every": 10,
    "patience": 50,
    "device": "cpu",
    "precision": "fp32",
}
TASKS: tuple[TaskName, ...] = ("classify", "tag", "translate")
SUFFIXES = {"classify": "csv", "tag": "conll", "translate": "tsv"}
pytestmark = pytest.mark.usefixtures("report_each_update")


def _text(kind: str, words: Iterable[str]) -> str:
    """Examples of a task, or a story or a list, made of some words."""
    if kind == "classify":
        return "text,label\n" + "".join(f"{word},{'ab'['a' in word]}\n" for word in words)
    if kind == "tag":
        return "\n".join(f"in\tO\n{word}\tB-{'ab'['a' in word]}\n" for word in words)
    if kind == "translate":
        return "".join(f"{word}\t{word[::-1]}\n" for word in words)
    return (" " if kind == "story" else "\n").join(words) + "\n"


def _words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)  # noqa: S311
    return ["".join(draw.choices("abcdef", k=draw.randint(3, 7))) for _ in range(count)]


def _write(kind: str) -> tuple[str, str]:
    """A text or examples, and a validation set that shares nothing with it."""
    known = dict.fromkeys(_words(120, 1))
    names = [f"{part}.{SUFFIXES.get(kind, 'txt')}" for part in ("train", "valid")]
    others = [word for word in dict.fromkeys(_words(25, 2)) if word not in known]
    for name, words in zip(names, (known, others), strict=True):
        Path(name).write_text(_text(kind, words))
    return names[0], names[1]


def _task(source: str, task: TaskName | None = None, validation: str | None = None) -> Task:
    held = None if validation is None else [validation]
    settings = {k: v for k, v in SMALL.items() if k not in ("steps", "eval_every")}
    task_settings, budget = TaskSettings(task=task), Budget(steps=30)
    data, plan = prepare(
        Request([source], Reading(), task_settings, (), budget, settings, validation=held)
    )
    return data.task(schedule(plan, 30))


@pytest.mark.parametrize(
    ("kind", "reading", "tokenizer"),
    [
        ("story", Reading(), "char"),
        ("story", Reading(reverse=True), "char"),
        ("story", Reading(), "byte"),
        ("list", Reading(), "char"),
        ("list", Reading(reverse=True), "byte"),
    ],
)
def test_the_loss_is_what_the_model_scores_on_the_whole_set(
    kind: str, reading: Reading, tokenizer: Any
) -> None:
    source, held = _write(kind)
    made = train(source, validation=held, reading=reading, tokenizer=tokenizer, out="m", **SMALL)
    found = losses(made)
    best = read_folder(Path("m")).evaluation
    assert best is not None
    assert best.val_nats == min(found)
    score = charrnn.evaluate("m", Path(held).read_text())
    assert score.nats_per_char == pytest.approx(best.val_nats, abs=1e-5)
    validation = read_record(Path("m")).validation
    assert validation is not None
    assert validation.characters == len(Path(held).read_text())


@pytest.mark.parametrize("task", TASKS)
def test_the_score_is_what_the_model_reaches_on_the_whole_set(task: TaskName) -> None:
    source, held = _write(task)
    finished = train(source, validation=held, task=task, out="m", **SMALL)
    model = finished.finish(progress=False)
    report = model.evaluate(held)
    assert finished.finished is not None
    assert finished.finished.report is not None
    assert (
        finished.finished.report.scores["F1" if task == "tag" else report.metric]
        == (report.scores[report.metric])
    )
    assert report.count == finished.finished.report.count
    best = read_folder(Path("m")).evaluation
    assert best is not None
    if task != "translate":  # whose evaluations search greedily
        assert best.score == pytest.approx(report.score)


def test_all_of_a_story_is_trained_on_in_the_batches_of_a_run_on_it() -> None:
    source, held = _write("story")
    own: Any = _task(source, validation=held)
    vocabulary = "".join(sorted(set(Path(source).read_text())))
    assert own.tokenizer.decode(own.train) == Path(source).read_text()
    assert own.tokenizer.characters == vocabulary
    assert own.tokenizer.decode(own.val) == Path(held).read_text()


def test_all_records_of_a_list_are_trained_on() -> None:
    source, held = _write("list")
    own: Any = _task(source, validation=held)
    for part, name in ((own.train, source), (own.val, held)):
        assert isinstance(part, Records)
        assert own.tokenizer.decode(part.targets()) == Path(name).read_text()


@pytest.mark.parametrize("task", TASKS)
def test_all_examples_are_trained_on(task: TaskName) -> None:
    source, held = _write(task)
    own: Any = _task(source, task, held)
    part: Any = _task(source, task)
    assert sorted(map(str, own.train)) == sorted(map(str, [*part.train, *part.val]))
    assert not {str(one) for one in own.val} & {str(one) for one in own.train}
    assert len(own.val) == len(_task(held, task).val) + len(_task(held, task).train)  # type: ignore[attr-defined]


def test_the_share_that_validates_is_of_both_together() -> None:
    source, held = _write("story")
    train(source, validation=held, out="m", **SMALL).finish(progress=False)
    record = read_record(Path("m"))
    sizes = [len(Path(name).read_text()) for name in (source, held)]
    assert record.training is not None
    assert record.training.val_frac == pytest.approx(sizes[1] / sum(sizes))
    assert record.training_tokens(sizes[0]) == sizes[0]


@pytest.mark.parametrize("kind", ["story", "list", *TASKS])
def test_a_run_goes_on_in_the_same_bits_and_is_made_again(kind: str, tmp_path: Path) -> None:
    """After it was stopped, after its files were moved, and with --repeat."""
    source, held = _write(kind)
    task: dict[str, Any] = {"task": kind} if kind in SUFFIXES else {}
    consume(train(source, validation=held, out="whole", **task, **SMALL))
    assert losses(train(source, out="without", **task, **SMALL))
    assert content("whole") != content("without")
    if kind == "story":  # tasks go on after they were killed, too: see test_tasks.py
        kill = partial(kill_at_update, 17)
        process = Copy(tmp_path, "train", "--repeat", "whole", "--out", "stopped", prepare=kill)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        shutil.copytree("stopped", "left")
        assert run(tmp_path, "train", "--resume", "stopped").returncode == 0
    else:
        consume(train(repeat="whole", out="stopped"), 17)
        shutil.copytree("stopped", "left")
        consume(resume("stopped"))
    assert content("stopped") == content("whole")
    Path("texts").mkdir()
    for name in (source, held):
        Path(name).rename(Path("texts") / name)
    with pytest.raises(MissingInputError, match=r"train TEXT --resume left --validation TEXT "):
        resume("left")
    consume(resume("left", Path("texts") / source, validation=Path("texts") / held), 25)
    consume(resume("left"))  # which knows now where they are
    assert content("left") == content("whole")
    consume(train(f"texts/{source}", validation=f"texts/{held}", repeat="whole", out="again"))
    assert content("again") == content("whole")


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("kind", ["story", "list", *TASKS])
def test_a_set_in_another_normal_form_is_taken_in_that_of_the_text(
    kind: str, form: Any, other: Any
) -> None:
    """Its characters could not be learnt, and were in the vocabulary; ☃ is in neither text's."""
    source, own = _write(kind)
    for name, more in ((source, ""), (own, "☃")):
        text = Path(name).read_text().replace("cd", f"cd{more}").replace("c", "ç")
        Path(name).write_text(unicodedata.normalize(form, text))
    Path(f"other-{own}").write_text(unicodedata.normalize(other, Path(own).read_text()))
    task: dict[str, Any] = {"task": kind} if kind in SUFFIXES else {}
    consume(train(source, validation=own, out="own", **task, **SMALL))
    found = consume(train(source, validation=f"other-{own}", out="other", **task, **SMALL), 12)
    assert isinstance(found[0], Started)
    note = f"validation: taken in the normal form {form} of Unicode, as what is trained on"
    assert note in found[0].notes
    consume(resume("other"))
    assert content("other") == content("own")
    assert read_folder(Path("other")).tokenizer == read_folder(Path("own")).tokenizer


def test_a_run_in_memory_goes_on_with_its_set(monkeypatch: pytest.MonkeyPatch) -> None:
    source, held = (Path(name).read_text() for name in _write("story"))
    text, own = Corpus("text", source), Corpus("own", held)
    prepared = train(text, validation=own, out="m", **SMALL)
    assert "own" in prepared.facts["validated on"]
    assert "validated on own" in prepared.facts["settings"]
    consume(prepared, 12)
    consume(prepared)
    consume(train(text, validation=own, out="whole", **SMALL))
    assert content("m") == content("whole")
    with pytest.raises(UsageError, match="read its text from standard input"):
        resume("m")
    with pytest.raises(UsageError, match=r"validation set from standard .* --validation FILE"):
        resume("m", text)


def test_another_set_or_one_for_a_run_without_is_refused() -> None:
    source, held = _write("story")
    Path("other.txt").write_text(VERSE)
    consume(train(source, validation=held, out="m", **SMALL), 12)
    with pytest.raises(UsageError, match="the validation set is not the one that m was validated"):
        resume("m", validation="other.txt")
    with pytest.raises(UsageError, match="the corpus is not the one that m was trained on"):
        resume("m", "other.txt")
    shutil.rmtree("m/resume")
    with pytest.raises(MissingInputError, match="name that as well, with --validation"):
        train(source, repeat="m")
    assert train(source, validation=held, repeat="m").facts["validated on"]
    consume(train(source, out="plain", **SMALL), 12)
    with pytest.raises(UsageError, match="plain was begun without a validation set"):
        resume("plain", validation=held)
    with pytest.raises(UsageError, match="plain was begun without a validation set"):
        train(repeat="plain", validation=held)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--val-frac", 0.2), 2, "--validation and --val-frac are both given; give only one"),
        (("--task", "forecast"), 2, "--validation is given, and to forecast each series"),
        (("--validation", "nowhere.txt"), 66, "there is no file or corpus nowhere.txt"),
        (("--validation", "-"), 2, "standard input can't be both"),
    ],
)
def test_what_means_nothing_or_is_not_there_ends_in_a_line(
    tmp_path: Path, arguments: tuple[object, ...], code: int, words: str
) -> None:
    source, held = _write("story")
    text = "-" if "-" in arguments else source
    done = run_here(tmp_path, "train", text, "--validation", held, *arguments)
    refused(done, code, f"charrnn: {words}")
    assert not Path("checkpoints").exists()


def test_a_library_names_both_settings() -> None:
    with pytest.raises(UsageError, match="validation and val_frac are both given"):
        train("scenes", validation="places", val_frac=0.1)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("story", "", "valid.txt: no text in it"),
        ("story", "short", "the validation text has 5 characters; 8 are needed"),
        ("list", "\n\n", "valid: all records are empty"),
        ("classify", "", "valid.csv: no text with a label in it"),
        ("classify", "text,label\nabc,c\n", "no text has a label of those that are trained on"),
        ("tag", "a\tO\n", "valid.conll: line 1: nothing is marked"),
        ("tag", "a\tB-c\n", "no span has a label of those that are trained on, but c"),
        ("translate", "", "valid.tsv: there are no pairs in it"),
    ],
)
def test_a_set_without_anything_to_score_is_refused(kind: str, content: str, words: str) -> None:
    source, held = _write(kind)
    Path(held).write_text(content)
    task: dict[str, Any] = {"task": kind} if kind in SUFFIXES else {}
    with pytest.raises(BadDataError) as error:
        train(source, validation=held, steps=1, **task)
    assert words in str(error.value)


def test_a_set_with_other_columns_is_refused_with_advice_that_helps() -> None:
    source, held = _write("classify")
    Path(held).write_text("text,kind\nabc,a\n")
    with pytest.raises(UsageError, match=r"valid.csv: .*no column label") as error:
        train(source, validation=held, task="classify")
    # Nor to number the columns, which an option would do, for both.
    wanted = "name its columns as those of the examples that are trained on are named"
    assert error.value.advice == wanted


@pytest.mark.parametrize(
    ("kind", "name", "content", "words"),
    [
        (
            "classify",
            "v.jsonl",
            '{"text": "abc", "label": 1.0}\n',
            "; write whole numbers or names",
        ),
        ("translate", "v.tsv", "src\ttgt\none\teins\n", "; delete the line"),
    ],
)
def test_what_helps_a_set_without_an_option_is_said(
    kind: str, name: str, content: str, words: str
) -> None:
    source, _ = _write(kind)
    Path(name).write_text(content)
    with pytest.raises(BadDataError) as error:
        train(source, validation=name, task=kind)
    assert f"{words}, or name its columns as those of the examples" in str(error.value)


def test_a_task_takes_no_corpus() -> None:
    source, _ = _write("classify")
    with pytest.raises(UsageError, match="a corpus has no examples in it"):
        train(source, validation=Corpus("own", "text"), task="classify")


def test_labels_that_only_the_set_has_count_as_wrong() -> None:
    for kind in ("classify", "tag"):
        source, held = _write(kind)
        words = ["aba", "bcb", "dad"]
        other = _text(kind, ["new"]).replace(",a", ",c").replace("B-a", "B-c")
        other = other.removeprefix("text,label\n")
        Path(held).write_text(_text(kind, words) + ("\n" if kind == "tag" else "") + other)
        made = train(source, validation=held, task=kind, out=kind, **SMALL)
        noun = {"classify": "1 text has a label", "tag": "1 span has a label"}[kind]
        note = f"validation: {noun} that the model does not know: c (they count as wrong)"
        assert note in made.notes
        model = made.finish(progress=False)
        best = read_folder(Path(kind)).evaluation
        assert best is not None
        assert np.isfinite(best.val_nats)
        assert best.score == pytest.approx(model.evaluate(held).score)
        assert model.evaluate(held).score < 1


def test_a_class_may_have_one_text_where_none_validates() -> None:
    source, held = _write("classify")
    with Path(source).open("a") as file:
        file.write("zzz,alone\n")
    with pytest.raises(BadDataError, match="the only text with the label 'alone'"):
        train(source, task="classify", steps=1)
    assert train(source, validation=held, task="classify", steps=1).facts["examples"]


def test_what_stands_in_both_is_counted_and_left_in() -> None:
    for kind, noun in (
        *(("list", "records"), ("classify", "texts"), ("tag", "texts"), ("translate", "sources")),
    ):
        source, held = _write(kind)
        Path(held).write_text(_text(kind, [*_words(3, 1), "new"]))
        task: dict[str, Any] = {"task": kind} if kind in SUFFIXES else {}
        made = train(source, validation=held, steps=1, **task)
        assert f"validation: 3 of the 4 {noun} are trained on, too" in made.notes
    source, held = _write("story")
    Path(held).write_text(Path(source).read_text()[10:70])
    made = train(source, validation=held, steps=1)
    assert "validation: all of it is trained on, too" in made.notes


def test_a_story_within_another_is_found_wherever_it_stands() -> None:
    for story in (np.arange(200, dtype=np.uint8), np.arange(200, dtype=np.uint16)):
        assert all(holds(story, story[k : k + 9]) for k in (0, 1, 77, 191))
        assert not holds(story, story[::-1].copy())
        assert not holds(story[:5], story)
    # Halves of ids are none.
    assert not holds(np.array([1, 256, 1], np.uint16), np.array([0, 1], np.uint16))


def test_a_long_story_is_looked_for_in_few_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it was copied, and looked for anew, with each chunk of the other."""
    monkeypatch.setattr("charrnn.text.records.CHUNK", 16)
    ids = np.random.default_rng(0).integers(0, 9, 4000).astype(np.uint8)
    copied = list[int]()

    class Story:
        def __len__(self) -> int:
            return len(ids)

        def __getitem__(self, place: slice) -> np.ndarray:
            copied.append(len(ids[place]))
            return ids[place]

    story: Any = Story()
    assert not holds(story, ids[1000:2000][::-1].copy())
    assert sum(copied) < 3 * len(ids)
    for first in (0, 1, 999, 1000, 1001, 2500, 3000):
        assert holds(story, ids[first : first + 1000])


def test_characters_that_only_the_set_has_are_said() -> None:
    source, held = _write("story")
    with Path(held).open("a") as file:
        file.write("ü!")
    made = train(source, validation=held, out="m", **SMALL)
    note = "validation: 2 characters that are not trained on can't be learnt: !, ü"
    assert note in made.notes
    made.finish(progress=False)
    grown = train(source, validation=held, init_from="m", steps=2)
    assert not any("can't be learnt" in note for note in grown.notes), "the other model knows them"


def test_the_folder_says_what_validated(tmp_path: Path) -> None:
    source, held = _write("list")
    train(source, validation=held, out="m", **SMALL).finish(progress=False)
    assert load("m").facts["validated on"].startswith("valid, ")
    assert "validation set of its own, valid." in Path("m/README.md").read_text()
    assert "validated on     valid, " in run(tmp_path, "info", "m").stdout
    done = run_here(tmp_path, "eval", "m", source, "--validation")
    assert done.returncode == 2
    assert "give that set as the text" in done.stderr


def test_a_folder_of_several_files_and_a_data_set_validate() -> None:
    source, _ = _write("story")
    Path("held").mkdir()
    for k in range(2):
        Path(f"held/{k}.txt").write_text(" ".join(_words(30, k + 5)))
    made = train(source, validation=["held", "held/0.txt"], steps=1)
    assert any("left out 1 source" in note for note in made.notes)
    Path("owner/name").mkdir(parents=True)
    for split, seed in (("train", 1), ("validation", 2)):
        words = (json.dumps({"text": " ".join(_words(40, seed))}) for _ in range(1))
        Path(f"owner/name/{split}.jsonl").write_text("\n".join(words))
    made = train(source, validation="hf://owner/name", steps=1)
    expected = len(" ".join(_words(40, 2)))
    assert f"name, {expected} characters" in made.facts["validated on"]


def test_a_set_is_validated_on_whole_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.objectives.plans.shares.MAX_VAL", 20)
    source, held = _write("story")
    part: Any = _task(source)
    own: Any = _task(source, validation=held)
    assert part.val_tokens == 20
    assert own.val_tokens == len(Path(held).read_text())
