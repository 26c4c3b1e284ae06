"""A run on a list: what validates, what is resumed, what is kept, and what is refused."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import CharRNNError, Corpus, Reading, load, resume, train
from charrnn.config import Budget, TaskSettings
from charrnn.errors import UsageError
from charrnn.folder.reading import read_model, read_record, read_tokenizer
from charrnn.learning.hardware.clock import Stopwatch
from charrnn.learning.learner import Learner
from charrnn.objectives import language
from charrnn.objectives.language import LanguageData, LanguageModelling, split
from charrnn.objectives.plans.plan import SCORING_COST, schedule
from charrnn.objectives.plans.shares import record_shares
from charrnn.objectives.request import Request
from charrnn.text.records import EncodedText, Records
from charrnn.text.spool import Spool
from charrnn.training.beginning import starting
from charrnn.training.beginning.preparing import prepare
from charrnn.training.events import Evaluated, Started
from charrnn.words import counted
from tests.conftest import VERSE
from tests.text.writer import Writer
from tests.training.watching import consume, losses, weights

pytestmark = pytest.mark.usefixtures("report_each_update")

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "num_layers": 1,
    "dropout": 0.3,
    "batch_size": 5,
    "seq_length": 7,
    "steps": 60,
    "eval_every": 13,
    "patience": 50,
}


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """A list of names, in order."""
    writer = Writer()
    path = tmp_path / "names.txt"
    path.write_text("\n".join(sorted({writer.name() for _ in range(200)})) + "\n")
    return path


def test_a_run_stopped_again_and_again_ends_in_the_same_bits(
    cell: str, names: Path, tmp_path: Path
) -> None:
    settings = SMALL | {"cell": cell}
    whole = losses(train(names, out=tmp_path / "whole", **settings))
    path = tmp_path / "stopped"
    parts = losses(consume(train(names, out=path, **settings), 4))
    for updates in (5, 13, 14, 40, 59):
        parts += losses(consume(resume(path), updates))
    parts += losses(resume(path))
    assert parts == whole
    assert weights(path) == weights(tmp_path / "whole")


def test_the_same_records_validate_whenever_they_are_asked_for(names: Path, tmp_path: Path) -> None:
    """In the run, in one that goes on with it, and in `evaluate` on records that were not read."""
    seen: list[str] = []
    budget = Budget(steps=SMALL["steps"])
    settings = {name: value for name, value in SMALL.items() if name != "steps"}
    data, plan = prepare(Request([names], Reading(), TaskSettings(), (), budget, settings))
    assert isinstance(data, LanguageData)
    training, validation = split(data.text, schedule(plan, 1))
    for part in (training, validation):
        assert isinstance(part, Records)
        seen.append(data.tokenizer.decode(part.targets()))
    found = losses(train(names, out=tmp_path / "model", **SMALL))
    listed = [part.removesuffix("\n").split("\n") for part in seen]
    assert sorted(listed[0] + listed[1]) == names.read_text().split()
    assert len(listed[1]) == round(0.1 * len(listed[0] + listed[1]))
    best = read_model(tmp_path / "model").evaluation
    assert best is not None
    assert best.val_nats == min(found)
    score = charrnn.evaluate(tmp_path / "model", seen[1])
    assert score.nats_per_char == pytest.approx(best.val_nats, abs=1e-4)
    by_line = load(tmp_path / "model").score_lines(listed[1])
    assert sum(one.nats for one in by_line) == pytest.approx(score.nats, rel=1e-4)


def test_what_the_records_are_is_kept(names: Path, tmp_path: Path) -> None:
    consume(train(names, out=tmp_path / "model", **SMALL | {"steps": 3}))
    found = read_model(tmp_path / "model")
    assert found.record.corpus is not None
    assert found.record.corpus.records == "lines"
    assert found.record.corpus.record_count == len(names.read_text().split())
    assert found.tokenizer.end == "\n"
    card = (tmp_path / "model" / "README.md").read_text()
    assert "one a line" in card
    assert "records from all over the corpus" in card
    assert "records" in load(tmp_path / "model").facts


def test_a_story_is_kept_as_before(tmp_path: Path) -> None:
    """Not a word about records, so that older versions read it too."""
    corpus = Corpus("verse", VERSE * 12)
    *_, _finished = train(corpus, out=tmp_path / "model", **SMALL | {"steps": 3})
    folder = tmp_path / "model"
    assert "record" not in (folder / "config.json").read_text()
    assert set(json.loads((folder / "tokenizer.json").read_text())) == {"kind", "characters"}


def test_a_run_from_before_records_goes_on_with_its_story(names: Path, tmp_path: Path) -> None:
    """Its text may look like a list, which nobody asked at that time."""
    story = Reading(records="none")
    whole = losses(train(names, out=tmp_path / "whole", reading=story, **SMALL))
    path = tmp_path / "model"
    parts = losses(consume(train(names, out=path, reading=story, **SMALL), 20))
    state = path / "resume" / "state.safetensors"
    data = state.read_bytes()
    assert data.count(b'\\"records\\":\\"none\\"') == 1
    # As an older version wrote it: with spaces in its place, the header has the same length.
    field = b',\\"records\\":\\"none\\"'
    state.write_bytes(data.replace(field, b" " * len(field)))
    (path / "manifest.json").unlink()
    parts += losses(resume(path))
    assert parts == whole


def test_seeds_choose_the_records_that_validate(names: Path, tmp_path: Path) -> None:
    found = set()
    for seed in range(3):
        started = next(iter(train(names, out=tmp_path / f"{seed}", seed=seed, **SMALL)))
        assert isinstance(started, Started)
        _, validation = split(text_of(names, started.folder), started.training)
        assert isinstance(validation, Records)
        found.add(validation.targets().tobytes())
    assert len(found) == 3


def text_of(path: Path, folder: Path) -> EncodedText:
    """The text of a model, read again."""
    tokenizer = read_tokenizer(folder, read_record(folder))
    with closing(Spool([path], Reading())) as spool:
        return spool.encoded(tokenizer)


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    corpus = Corpus("few", "\n".join(["a", "b", "c"] * 30))
    with pytest.raises(CharRNNError, match="3 different records; 10 are needed"):
        train(corpus, out=tmp_path / "model", reading=Reading(records="lines"), **SMALL)
    corpus = Corpus("some", "\n".join(f"{k}" for k in range(20)))
    with pytest.raises(CharRNNError, match="50 records can't be read side by side"):
        train(corpus, reading=Reading(records="lines"), batch_size=50, steps=1)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ("paragraphs", "'paragraphs', but that does not divide the text"),
        ("Lines", "'Lines', but that does not divide the text"),
        ("^Title:", "'^Title:', but no other line opens so"),
        ("blocks", "'blocks', but no blank line divides the text"),
        ("documents", "'documents', but there is one document"),
        ("^", "'^', which names no opening"),
    ],
)
def test_a_list_that_nothing_divides_is_refused_with_what_may(
    records: str, found: str, tmp_path: Path
) -> None:
    corpus = Corpus("list", "".join(f"name {k}\n" for k in range(60)))
    with pytest.raises(UsageError) as caught:
        train(corpus, out=tmp_path / "model", reading=Reading(records=records), **SMALL)
    assert str(caught.value).startswith(f"records is {found}; ")
    assert "lines" in str(caught.value)


def test_a_text_of_one_character_is_refused_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(CharRNNError, match="only one distinct character; give a text of several"):
        train(Corpus("same", "a" * 5000), out=tmp_path / "model", **SMALL)


@pytest.mark.parametrize(
    ("val_frac", "needed"), [(0.1, 10), (0.05, 11), (0.04, 13), (0.001, 501), (0.97, 17)]
)
def test_the_least_number_of_records_that_suffices_is_told(val_frac: float, needed: int) -> None:
    """Twice as many were asked for, or about so."""
    ids = np.array([0] + [k for one in range(1, needed + 1) for k in (one, 0)])
    few, enough = Records.of(ids[:-2], 0), Records.of(ids, 0)
    with pytest.raises(CharRNNError, match=f" {needed} (are needed|different records)"):
        record_shares(few, {"val_frac": val_frac}, [])
    shares = record_shares(enough, {"val_frac": val_frac}, [])
    assert shares.train > 0
    assert shares.val > 0
    for hardly_any in (1e-310, 1e-20, 1 - 1e-16):
        with pytest.raises(CharRNNError, match=r"\d{15} (are needed|different records)"):
            record_shares(enough, {"val_frac": hardly_any}, [])


def test_a_list_that_is_long_enough_for_the_usual_share_gets_that_advice() -> None:
    """They were asked for a longer list, hundreds of times as long."""
    ids = np.array([0] + [k for one in range(1, 21) for k in (one, 0)])
    with pytest.raises(UsageError, match=r"nearer to the usual 0\.1, or leave it out") as caught:
        record_shares(Records.of(ids, 0), {"val_frac": 0.001}, [])
    assert caught.value.setting == "val_frac"
    few = Records.of(ids[:9], 0)
    with pytest.raises(CharRNNError, match="give a longer list"):
        record_shares(few, {"val_frac": 0.001}, [])


@pytest.mark.parametrize(
    ("count", "batch_size", "told"), [(0, 5, 0), (1, 5, 1), (2, 5, 0), (2, 8, 1), (3, 8, 0)]
)
def test_records_that_take_most_updates_of_an_epoch_are_told(
    count: int, batch_size: int, told: int, tmp_path: Path
) -> None:
    """Of two giants nothing was said, though hardly any lane was read in most updates."""
    short = [f"{first}{last}" for first in "abcdefghij" for last in "klmnopqrst"]
    long = ["xy" * 400, "yx" * 400, "xx" * 400][:count]
    settings = SMALL | {"val_frac": 0.02, "seed": 3, "seq_length": 8, "batch_size": batch_size}
    corpus = Corpus("list", "\n".join(long + short))
    run = train(corpus, out=tmp_path / "model", reading=Reading(records="lines"), **settings)
    notes = [note for note in run.notes if "the longest record has 800 characters" in note]
    assert len(notes) == told
    assert all("100 of the" in note for note in notes)
    assert all(f"read at most {counted(count, 'record')};" in note for note in notes)


def test_weights_go_from_stories_to_records_and_back(names: Path, tmp_path: Path) -> None:
    story, lines = tmp_path / "story", tmp_path / "lines"
    settings = SMALL | {"steps": 3}
    consume(train(names, out=story, reading=Reading(records="none"), **settings))
    consume(train(names, out=lines, init_from=story, **settings))
    assert load(lines).tokenizer.end == "\n"
    back = tmp_path / "back"
    consume(train(names, out=back, init_from=lines, reading=Reading(records="none"), **settings))
    assert load(back).tokenizer.end is None
    old, new = load(story), load(lines)
    settings["steps"] = 1
    consume(train(names, out=tmp_path / "on", init_from=story, learning_rate=1e-9, **settings))
    ends = load(tmp_path / "on")
    assert ends.tokenizer.end_id is not None
    line_end = old.tokenizer.encode("\n")[0]
    # The end of a record begins as the end of a line.
    assert ends.embedding[ends.tokenizer.end_id] == pytest.approx(old.embedding[line_end], abs=1e-4)
    assert new.config.vocab_size == len(new.tokenizer.decode(np.arange(new.config.vocab_size)))


def test_samples_on_the_way_are_records(names: Path, tmp_path: Path) -> None:
    samples = [
        event.sample
        for event in train(names, out=tmp_path / "model", **SMALL)
        if isinstance(event, Evaluated)
    ]
    assert samples
    assert all("\n" not in sample for sample in samples)
    assert all(len(sample) <= language.SAMPLE_LENGTH for sample in samples)


def test_dynamic_evaluation_and_other_protocols_are_refused(names: Path, tmp_path: Path) -> None:
    consume(train(names, out=tmp_path / "model", **SMALL | {"steps": 2}))
    text = random.Random(1).choice(names.read_text().split())  # noqa: S311
    for settings, message in (
        ({"protocol": "carried"}, "each by itself"),
        ({"protocol": "windows"}, "each by itself"),
        ({"adapt_from": text}, "nothing from one to the next"),
    ):
        with pytest.raises(CharRNNError, match=message):
            charrnn.evaluate(tmp_path / "model", text, **settings)  # type: ignore[arg-type]
    score = charrnn.evaluate(tmp_path / "model", text)
    assert score.tokens == len(text) + 1


def test_records_as_long_as_the_steps_are_read_at_least_one_at_a_time() -> None:
    long = [np.insert(np.zeros(4000, np.int32), k, 2) for k in range(30)]
    ids = np.concatenate([[1], *[np.append(one, 1) for one in long]])
    assert record_shares(Records.of(ids, 1), {"seq_length": 5000}, []).batch_size == 1


@pytest.mark.parametrize(("wanted", "steps"), [(10**9, 32), (32, 32), (5, 5)])
def test_no_more_steps_are_read_than_the_longest_record_has(
    wanted: int, steps: int, tmp_path: Path
) -> None:
    """The rest was padded, and read on a GPU; and the plan took seconds for a billion."""
    corpus = Corpus("list", "\n".join("a" * 2 + "b" * k for k in range(30)))

    settings = SMALL | {"steps": 1, "val_frac": 0.04, "seq_length": wanted}
    run = train(corpus, out=tmp_path / "model", reading=Reading(records="lines"), **settings)
    notes = [note for note in run.notes if "steps at a time instead of" in note]
    assert len(notes) == (wanted > steps)
    consume(run)
    training = read_record(tmp_path / "model").training
    assert training is not None
    assert training.seq_length == steps


def test_a_resumed_run_knows_what_an_evaluation_takes(names: Path, tmp_path: Path) -> None:
    """As many updates as an epoch has, by how much shorter the validation text is."""
    settings = SMALL | {"steps": 1}
    consume(train(names, out=tmp_path / "model", **settings))
    with closing(Spool([names], Reading())) as spool:
        record = read_record(tmp_path / "model")
        assert record.training is not None
        tokenizer = read_tokenizer(tmp_path / "model", record)
        train_text, val_text = split(spool.encoded(tokenizer), record.training)
    task = LanguageModelling(train_text, val_text, tokenizer)
    learner = Learner(task, record.model, record.training)
    shown: Any = SimpleNamespace(minutes=3.0, watch=Stopwatch())
    deadline = starting.deadline_of(learner, shown)
    assert deadline is not None
    epochs = val_text.size / train_text.size
    expected = SCORING_COST * epochs * learner.batches.steps_per_epoch
    assert deadline.evaluation_in_updates == pytest.approx(expected)
