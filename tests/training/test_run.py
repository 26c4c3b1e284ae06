"""The front door: a run is prepared, followed, left, finished, and says what it is."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from charrnn import (
    CharRNN,
    CharRNNError,
    Corpus,
    Finished,
    Mixture,
    Model,
    Progress,
    Started,
    load,
    resume,
    train,
)
from charrnn.errors import CannotCreateError, LockedError, ReadWriteError
from charrnn.folder import card
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_folder, read_record
from charrnn.folder.resuming import read_run
from charrnn.learning.learner import Learner
from tests.conftest import VERSE
from tests.training.watching import consume, weights

CORPUS = Corpus("verse", VERSE * 12)
SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "num_layers": 2,
    "batch_size": 3,
    "seq_length": 5,
    "dropout": 0.3,
    "steps": 40,
    "eval_every": 13,
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hiden_size": 5}, "unknown setting hiden_size"),
        ({"vocab_size": 5}, "unknown setting vocab_size"),
        ({"bidirectional": True}, "unknown setting bidirectional"),
        ({"rnn_size": 8}, "unknown setting rnn_size; rnn_size is hidden_size in Python"),
        ({"model": "gru", "lr": 0.1}, "lr is learning_rate in Python, model is cell in Python"),
        ({"lr": 0.1, "hiden_size": 5}, "lr is learning_rate in Python; choose from cell, "),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"cell": "lsmt"}, "choose from rnn, lstm, gru"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seq_length": -1}, "seq_length is -1"),
        ({"val_frac": 1.0}, "val_frac is 1.0"),
        ({"val_frac": 0.0}, "val_frac is 0.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CharRNNError, match=message) as error:
        train(CORPUS, **settings)
    assert error.value.exit_code == 2


def test_a_misspelt_setting_is_named_before_anything_is_read() -> None:
    """And among those to choose from are those of tasks."""
    with pytest.raises(CharRNNError, match=r"unknown setting horizn; choose from .*\bhorizon\b"):
        train("no-such.csv", task="forecast", horizn=3, init_from="no-such-model")


def test_a_run_that_is_not_followed_leaves_nothing_on_the_disk() -> None:
    """In a notebook, `charrnn.train("book.txt")` once left an empty folder and trained nothing."""
    names: list[dict[str, Any]] = [{}, {"name": "novel"}, {"out": "elsewhere/model"}]
    for given in names:
        run = train(CORPUS, **SMALL, **given)
        assert not list(Path().iterdir())
        assert "not started yet" in repr(run)
        assert "run.finish()" in repr(run)
        assert str(given.get("out", given.get("name", "checkpoints"))) in repr(run)


def test_finish_trains_to_the_end_and_returns_the_model() -> None:
    run = train(CORPUS, **SMALL, name="novel")
    model = run.finish(progress=False)
    assert isinstance(model, Model)
    assert isinstance(run.finished, Finished)
    assert run.folder == Path("checkpoints/novel")
    assert model.generate(max_new_tokens=20, seed=1) == load("novel").generate(
        max_new_tokens=20, seed=1
    )
    for _ in train(CORPUS, **SMALL, name="followed"):
        pass
    assert weights("checkpoints/followed") == weights("checkpoints/novel")


def test_all_that_a_model_has_learnt_from_is_told() -> None:
    """Of those before it only a SHA-256 of the weights was kept: the last text alone was named."""
    texts = {name: Corpus(name, VERSE * count) for name, count in (("a", 12), ("b", 13), ("c", 14))}
    few = SMALL | {"steps": 1}
    train(texts["a"], **few, out="one").finish(progress=False)
    for text, name, base in (("b", "two", "one"), ("b", "more", "two"), ("c", "three", "more")):
        made: dict[str, Any] = {"batch_size": 3, "steps": 1, "out": name, "init_from": base}
        train(texts[text], **made).finish(progress=False)
    record = read_record(Path("three"))
    assert record.corpus is not None
    assert [text.name for text in record.corpus.bases] == ["b", "a"]
    sizes = {name: f"{name}, {len(text.text):,} characters" for name, text in texts.items()}
    told = f"{sizes['c']}; before that {sizes['b']} and {sizes['a']}"
    assert card.facts(read_folder(Path("three")))["corpus"] == load("three").facts["corpus"] == told
    assert f"| corpus | {told} |" in Path("three/README.md").read_text()
    once = f"{sizes['b']}; before that {sizes['a']}"
    assert load("more").facts["corpus"] == load("two").facts["corpus"] == once
    assert "bases" not in Path("one/config.json").read_text()
    CharRNN.from_pretrained("three").save_pretrained("copy", load("three").tokenizer)
    assert load("copy").facts["corpus"] == told


def test_what_an_older_model_does_not_tell_is_known_to_be_unknown_of_those_after_it() -> None:
    """The texts from there on were named as if they were all."""
    made: dict[str, Any] = {}
    for name in ("one", "two"):
        train(CORPUS, **{**SMALL, "steps": 1}, **made, out=name).finish(progress=False)
        made = {"init_from": name}
    content = json.loads(Path("two/config.json").read_text())
    del content["corpus"]["bases"]  # as in older folders
    write_files(Path("two"), {"config.json": json.dumps(content).encode()})
    CharRNN.from_pretrained("two").save_pretrained("copy", load("two").tokenizer)
    for base in ("two", "copy"):
        made = {"batch_size": 3, "steps": 1, "init_from": base}
        train(CORPUS, **made, out=f"after-{base}").finish(progress=False)
    made["init_from"] = "after-copy"
    train(CORPUS, **made, out="last").finish(progress=False)
    found = {name: read_record(Path(name)).lacks_bases for name in ("one", "two", "copy", "last")}
    assert found == {"one": False, "two": True, "copy": True, "last": True}
    assert read_record(Path("after-two")).lacks_bases
    assert '"bases_unknown"' not in Path("one/config.json").read_text()


def test_a_link_to_nothing_is_no_free_place() -> None:
    """Such as a run that was moved to a disk that isn't there: it once ended the recursion."""
    Path("checkpoints").mkdir()
    Path("checkpoints/verse").symlink_to("nowhere")
    run = train(CORPUS, **SMALL)
    run.finish(progress=False)
    assert run.folder == Path("checkpoints/verse-2")


def test_a_run_on_a_glob_is_named_after_its_folder_wherever_that_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a working folder with brackets in its name it was named after the folder above."""
    desk = tmp_path / "my [x]"
    (desk / "book").mkdir(parents=True)
    (desk / "book" / "one.txt").write_text(VERSE * 12)
    monkeypatch.chdir(desk)
    run = train("book/*.txt", **SMALL)
    run.finish(progress=False)
    assert run.folder == Path("checkpoints/book")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Mu\u0308ller", "M\u00fcller"),  # as a Mac's file manager writes it
        ("हिन्दी", "हिन्दी"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x² (2nd), b", "x²-2nd-b"),
    ],
)
def test_a_run_is_named_in_any_script(name: str, folder: str) -> None:
    """Umlauts of two characters and vowel signs were taken for spaces."""
    run = train(Corpus(name, VERSE * 12), **SMALL)
    run.finish(progress=False)
    assert run.folder == Path("checkpoints", folder)


def test_losses_of_a_text_are_nats_and_those_of_a_series_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A forecaster's were once shown as nats in a notebook."""
    rows = "".join(f"{k % 7}\n" for k in range(60))
    Path("week.csv").write_text(f"y\n{rows}")
    shape: dict[str, Any] = {"hidden_size": 8, "steps": 4}
    text = train(CORPUS, **SMALL, name="text")
    text.finish()
    assert re.search("validation loss: .* nats", repr(text))
    assert " nats" in capsys.readouterr().err
    series = train("week.csv", task="forecast", horizon=3, name="series", **shape)
    series.finish()
    assert "validation loss: " in repr(series)
    assert "nats" not in repr(series) + capsys.readouterr().err


def test_a_finished_run_is_not_trained_again() -> None:
    run = train(CORPUS, **SMALL, name="novel")
    run.finish(progress=False)
    before = weights("checkpoints/novel")
    assert list(run) == []
    assert isinstance(run.finish(progress=False), Model)
    assert weights("checkpoints/novel") == before


@pytest.mark.usefixtures("report_each_update")
def test_a_run_that_is_left_goes_on_exactly_where_it_stopped() -> None:
    train(CORPUS, **SMALL, name="whole").finish(progress=False)
    run = train(CORPUS, **SMALL, name="left")
    for updates in (1, 13, 14, 30):
        consume(run, updates)
        assert run.finished is None
        assert Path("checkpoints/left/resume/state.safetensors").exists(), "leaving saves"
    run.finish(progress=False)
    assert weights("checkpoints/left") == weights("checkpoints/whole")


@pytest.mark.usefixtures("report_each_update")
@pytest.mark.parametrize("settings", [{"name": "verse"}, {"out": "checkpoints/verse"}, {}])
def test_a_run_stays_in_its_folder_wherever_the_program_goes(settings: dict[str, Any]) -> None:
    """A run once went on in a folder of the same name below the new working directory."""
    for desk in ("mine", "other"):
        Path(desk).mkdir()
    other = Path("other").absolute()
    train(CORPUS, **SMALL, out=other / "checkpoints/verse", seed=7).finish(progress=False)
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    os.chdir("mine")
    mine = Path("checkpoints/verse").absolute()
    run = train(CORPUS, **SMALL, **settings)
    if settings:  # a folder without a name is chosen when training begins
        os.chdir(other)
    for event in run:
        os.chdir(other)
        if isinstance(event, Progress) and event.step >= 5:
            break
    assert run.folder == mine
    run.finish(progress=False)
    assert isinstance(run.finished, Finished)
    assert run.finished.model == mine
    assert weights(str(mine)) != before[other / "checkpoints/verse/model.safetensors"]
    assert before == {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    os.chdir(mine.parents[1])
    assert run.folder == Path("checkpoints/verse")


@pytest.mark.usefixtures("report_each_update")
def test_a_run_that_goes_on_stays_in_its_folder_with_its_text(tmp_path: Path) -> None:
    Path("verse.txt").write_text(CORPUS.text)
    train("verse.txt", **SMALL, name="whole").finish(progress=False)
    consume(train("verse.txt", **SMALL, name="left"), 5)
    Path("verse.txt").rename("moved.txt")
    run = resume("left", "moved.txt")
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    consume(run, 20)
    run.finish(progress=False)
    assert not list(Path().iterdir())
    found = [weights(str(tmp_path / "checkpoints" / name)) for name in ("left", "whole")]
    assert found[0] == found[1]


@pytest.mark.usefixtures("report_each_update")
def test_resume_is_the_same_front_door() -> None:
    Path("verse.txt").write_text(CORPUS.text)
    train("verse.txt", **SMALL, name="whole").finish(progress=False)
    consume(train("verse.txt", **SMALL, name="left"), 5)
    run = resume("left")
    for part in ("verse, ", "lstm, 2 × 8", "parameters", "5 of 40 updates made", "run.finish()"):
        assert part in repr(run)
    assert isinstance(next(iter(run)), Started)
    consume(run, 20)
    assert isinstance(run.finish(progress=False), Model)
    assert weights("checkpoints/left") == weights("checkpoints/whole")


def test_mistakes_are_found_before_the_run_begins() -> None:
    train(CORPUS, **SMALL, name="novel").finish(progress=False)
    with pytest.raises(CannotCreateError, match="not empty"):
        train(CORPUS, **SMALL, name="novel")
    names = ({"name": "a/b"}, {"name": "-x"})
    for wrong in ({"hiden_size": 3}, {"steps": 0}, {"cell": "lsmt"}, *names):
        with pytest.raises(CharRNNError):
            train(CORPUS, **(SMALL | wrong))
    with pytest.raises(CharRNNError):
        train("nowhere.txt")
    assert [path.name for path in Path("checkpoints").iterdir()] == ["novel"]


def test_a_folder_that_was_taken_meanwhile_is_refused() -> None:
    one, two = (train(CORPUS, **SMALL, name="novel") for _ in range(2))
    one.finish(progress=False)
    before = weights("checkpoints/novel")
    with pytest.raises(CannotCreateError, match="not empty"):
        two.finish(progress=False)
    assert weights("checkpoints/novel") == before


def test_runs_without_a_name_get_folders_of_their_own() -> None:
    one, two = (train(CORPUS, **SMALL) for _ in range(2))
    one.finish(progress=False)
    two.finish(progress=False)
    assert {one.folder, two.folder} == {Path("checkpoints/verse"), Path("checkpoints/verse-2")}


def test_the_bar_shows_what_is_going_on(capsys: pytest.CaptureFixture[str]) -> None:
    crlf = Path("verse.txt")
    crlf.write_bytes(CORPUS.text.replace("\n", "\r\n").encode())
    train(crlf, **SMALL, name="novel").finish()
    out, err = capsys.readouterr()
    assert "40/40" in err
    assert "validation" in err
    assert out == ""
    assert "CRLF became LF" in err
    train(crlf, **SMALL, name="quiet").finish(progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("report_each_update")
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ReadWriteError("the disk is full", "make room")], ids=repr
)
def test_after_ctrl_c_or_an_error_a_run_is_where_it_goes_on_from(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named updates that were lost, or read gigabytes to learn how many were not."""
    run = train(CORPUS, **SMALL, name="stopped")
    update = Learner.update

    def interrupted(self: Learner) -> None:
        update(self)
        if self.step == 19:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", interrupted)
        patch.setattr("charrnn.folder.resuming.read_tensors", Mock(side_effect=MemoryError))
        with pytest.raises(type(error)):
            consume(run)
    assert "13 of 40 updates made" in repr(run)
    assert [one.step for one in run.evaluations] == [13]
    started = next(iter(run))
    assert isinstance(started, Started)
    assert started.step == 13


@pytest.mark.usefixtures("report_each_update")
def test_ctrl_c_saves_and_finish_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    train(CORPUS, **SMALL, name="whole").finish(progress=False)
    run = train(CORPUS, **SMALL, name="stopped")
    update = Learner.update

    def interrupted(self: Learner) -> None:
        update(self)
        if self.step == 9:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.finish(progress=False)
    assert read_run(Path("checkpoints/stopped")).progress.step == 9
    run.finish(progress=False)
    assert weights("checkpoints/stopped") == weights("checkpoints/whole")


def test_a_run_can_be_finished_in_another_thread() -> None:
    """Only the main thread may handle signals."""
    models = []
    run = train(CORPUS, **SMALL, name="novel")
    thread = threading.Thread(target=lambda: models.append(run.finish(progress=False)))
    thread.start()
    thread.join()
    assert isinstance(models[0], Model)


def test_models_and_runs_show_themselves() -> None:
    run = train(Corpus("<b>verse</b>", CORPUS.text), **SMALL, name="novel")
    for part in ("<b>verse</b>", f"{len(CORPUS.text):,} characters", "2×8 lstm", "parameters"):
        assert part in repr(run)
    assert "<b>verse" not in run._repr_html_().replace("<b>charrnn", "")
    model = run.finish(progress=False)
    assert "finished: validation" in repr(run)
    assert "charrnn.load" in repr(run)
    losses = " → ".join(f"{one.val_nats:.3f}" for one in run.evaluations)
    assert losses.count("→") > 0
    again = resume("novel", CORPUS)
    for one in (run, again):
        assert f"validation loss: {losses} nats" in repr(one)
    assert re.findall("parameters: .*", repr(run)) == re.findall("parameters: .*", repr(model))
    both = Mixture([model, Mixture([model, model])])
    for part in ("model 0: checkpoints/novel: lstm", "model 1: Mixture", "vocabulary"):
        assert part in repr(both)
    assert "<pre>" in both._repr_html_()
    shown = repr(model)
    for part in ("lstm, 2 × 8", "characters", "parameters", "validation loss", "<b>verse</b>"):
        assert part in shown
    page = model._repr_html_()
    assert "&lt;b&gt;verse" in page
    assert "<b>verse" not in page
    assert page.count("<pre>") == 1


def test_a_file_where_the_folder_of_models_should_be_is_told() -> None:
    """It once made the search for a free name endless."""
    Path("checkpoints").write_text("not a folder")
    with pytest.raises(CannotCreateError, match="checkpoints is not a folder"):
        train(CORPUS, **SMALL).finish(progress=False)


@pytest.mark.usefixtures("report_each_update")
def test_a_save_that_fails_at_ctrl_c_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(CORPUS, **SMALL, name="novel")
    update = Learner.update

    def interrupted(self: Learner) -> None:
        update(self)
        if self.step == 9:
            signal.raise_signal(signal.SIGINT)

    def full(*_: object) -> None:
        raise ReadWriteError("checkpoints/novel: the disk is full", "make room")

    monkeypatch.setattr(Learner, "update", interrupted)
    monkeypatch.setattr("charrnn.training.recorder.Recorder.close", full)
    with pytest.raises(ReadWriteError, match="the disk is full"):
        run.finish(progress=False)


@pytest.mark.usefixtures("report_each_update")
def test_a_loop_inside_a_loop_of_the_same_run_is_told_and_changes_nothing() -> None:
    """The run was once said to be where its folder is, and lost evaluations that it had made."""
    run = train(CORPUS, **SMALL, name="novel")
    for event in run:
        if isinstance(event, Started) or run.evaluations:
            before, evaluations = repr(run), [*run.evaluations]
            with pytest.raises(LockedError, match="this program is already training a model in"):
                next(iter(run))
            with pytest.raises(LockedError, match="this program is already training a model in"):
                run.finish(progress=False)
            assert (repr(run), run.evaluations) == (before, evaluations)
        if isinstance(event, Progress) and event.step == 20:
            break
    assert "20 of 40 updates made" in repr(run)
    assert [one.step for one in run.evaluations] == [13]
    again = resume("novel", CORPUS)
    for _ in again:
        break
    assert "20 of 40 updates made" in repr(again)
    assert [one.step for one in again.evaluations] == [13]
    again.finish(progress=False)
    assert [one.step for one in again.evaluations] == [13, 26, 39, 40]


def test_a_warm_up_of_any_length_is_timed() -> None:
    """The schedule under which updates are timed once ended in a division by zero."""
    settings = {name: value for name, value in SMALL.items() if name not in ("steps", "eval_every")}
    run = train(CORPUS, **settings, minutes=0.01, warmup_steps=1000, name="warm")
    assert isinstance(run.finish(progress=False), Model)
