"""A run that was stopped, however rudely, goes on as if it had not been."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from charrnn import CharRNN, CharRNNError, Corpus, Reading, load, resume, train
from charrnn.checkpoints import MANIFEST, STATE, WEIGHTS
from charrnn.cli.verify import verify
from charrnn.errors import BadDataError, CannotCreateError
from charrnn.folder.resuming import read_run
from charrnn.terminal import progress
from charrnn.training.events import Evaluated, Finished, Progress, Started
from tests.commands import Copy, refused, run, run_here, wait_until
from tests.conftest import VERSE
from tests.kills import interrupt_at_update, kill_at_update
from tests.training.conftest import TEXT
from tests.training.machines import Machine
from tests.training.watching import consume, content

pytestmark = pytest.mark.usefixtures("report_each_update")

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "num_layers": 2,
    "batch_size": 3,
    "seq_length": 5,
    "dropout": 0.3,
    "weight_dropout": 0.1,
    "steps": 60,
    "eval_every": 13,
    "patience": 50,
}


def test_your_own_words_in_the_card_stay_when_a_run_goes_on(text: Path, tmp_path: Path) -> None:
    """The card was written anew with all better weights."""
    path = tmp_path / "m"
    consume(train(text, out=path, **SMALL), 14)
    begun, card = load(path), path / "README.md"
    written = card.read_text()
    card.write_text(f"{written}\nIt writes of the sea.\n")
    consume(resume(path), 30)
    assert load(path).weights["head.bias"].tolist() != begun.weights["head.bias"].tolist()
    assert card.read_text() == f"{written}\nIt writes of the sea.\n"
    verify(str(path))
    card.unlink()
    consume(resume(path))
    assert card.read_text() != written, "it is written where there is none, as of the best weights"
    verify(str(path))


def test_a_folder_without_its_manifest_loads_after_its_run_went_on(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the next save did not write counted as damaged, and the card was written anew."""
    monkeypatch.setattr("charrnn.training.recorder.CLOSING_SECONDS", -1.0)  # no better weights
    path = tmp_path / "m"
    consume(train(text, out=path, **SMALL), 14)
    card = path / "README.md"
    card.write_text(f"{card.read_text()}\nIt writes of the sea.\n")
    written, weights = card.read_text(), (path / WEIGHTS).read_bytes()
    (path / MANIFEST).unlink()
    consume(resume(path), 14)
    assert (path / WEIGHTS).read_bytes() == weights
    load(path)
    verify(str(path))
    consume(resume(path), 40)
    assert (path / WEIGHTS).read_bytes() != weights
    load(path)
    verify(str(path))
    assert card.read_text() == written


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_stopped_again_and_again_ends_in_the_same_bits(
    cell: str, precision: str, text: Path, tmp_path: Path
) -> None:
    settings = SMALL | {"cell": cell, "precision": precision}
    consume(train(text, out=tmp_path / "whole", **settings))
    path = tmp_path / "stopped"
    consume(train(text, out=path, **settings), 4)
    for updates in (5, 13, 14, 40, 59):
        consume(resume(path), updates)
        assert load(path).generate(max_new_tokens=5, seed=0), "it can be used in between"
    consume(resume(path))
    assert content(path) == content(tmp_path / "whole")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_kernels_go_on_in_the_same_bits_in_several_threads(
    cell: str, precision: str, text: Path, tmp_path: Path
) -> None:
    """At a width that has kernels, with lanes for two threads, and ids that are read as a table.

    Hidden matrices are changed by machine code, too, but for those of a GRU.
    """
    wide = {"hidden_size": 64, "batch_size": 10, "seq_length": 16, "steps": 20, "eval_every": 7}
    short = {"minutes": 1e-5}  # for which sizes and settings are chosen
    settings = SMALL | wide | short | {"cell": cell, "precision": precision, "device": "cpu"}
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        consume(train(text, out=tmp_path / "whole", **settings))
        path = tmp_path / "stopped"
        consume(train(text, out=path, **settings), 3)
        for updates in (7, 8, 19):
            consume(resume(path), updates)
        consume(resume(path))
    finally:
        torch.set_num_threads(before)
    assert content(path) == content(tmp_path / "whole")
    assert read_run(path).config.optimizer == "muon"


def test_a_run_for_minutes_has_its_steps_when_it_is_resumed(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are fixed once measured, as long as the machine stays as fast as it was."""
    Machine(monkeypatch)
    chosen = ("steps", "eval_every")
    settings = {k: v for k, v in SMALL.items() if k not in chosen} | {"val_frac": 0.02}
    settings |= {"device": "cpu"}  # a GPU is timed by itself, and for this clock takes no time
    events = iter(train(text, out=tmp_path / "model", minutes=0.2, **settings))
    started = next(events)
    assert isinstance(started, Started)
    consume(events, 3)
    del events
    *_, finished = resume(tmp_path / "model")
    assert isinstance(finished, Finished)
    assert finished.steps == started.training.steps
    again = settings | {"steps": started.training.steps}
    consume(train(text, out=tmp_path / "again", minutes=0.2, **again))
    assert content(tmp_path / "model") == content(tmp_path / "again")


def test_a_run_can_be_left_in_the_middle_of_an_evaluation(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation of a long text takes longer than who presses Ctrl-C will wait."""
    monkeypatch.setattr("charrnn.evaluation.surprisals.CHUNK", 16)
    consume(train(text, out=tmp_path / "whole", **SMALL))
    path = tmp_path / "left"
    events = iter(train(text, out=path, **SMALL))
    signs = 0
    for event in events:
        assert not isinstance(event, Evaluated)
        signs += isinstance(event, Progress) and event.step == 13
        if signs == 3:  # one after the update, then one for each part of the text
            break
    events.close()
    assert not (path / "metrics.jsonl").exists() or len(content(path)[1]) == 1
    consume(resume(path))
    assert content(path) == content(tmp_path / "whole")


def test_what_a_stopped_run_had_learnt_is_not_what_the_whole_run_keeps(
    text: Path, tmp_path: Path
) -> None:
    """The best weights may be those of the stop; a run that goes on forgets them."""
    settings = SMALL | {"learning_rate": 0.3, "warmup_steps": 0, "seed": 3}
    consume(train(text, out=tmp_path / "whole", **settings))
    for updates in range(1, 60, 9):
        path = tmp_path / str(updates)
        consume(train(text, out=path, **settings), updates)
        consume(resume(path))
        assert content(path) == content(tmp_path / "whole")


def test_a_finished_run_has_nothing_left_to_do(text: Path, tmp_path: Path) -> None:
    path = tmp_path / "two words"
    consume(train(text, out=path, **SMALL))
    before = content(path)
    started, finished = resume(path)
    assert isinstance(started, Started)
    assert started.summary == "resumed after 60 of 60 updates"
    assert isinstance(finished, Finished)
    assert finished.advice == (
        "this run was over before, so nothing was trained; for a better model train anew for "
        f"longer, or start from its weights with --init-from '{path}'"
    )
    assert content(path) == before


def test_a_finished_run_for_a_task_is_not_to_be_started_from(tmp_path: Path) -> None:
    rows = "".join(f"a{n},yes\nb{n},no\n" for n in range(30))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}")
    shape: dict[str, Any] = {"task": "classify", "hidden_size": 8, "embed_size": 6, "steps": 3}
    consume(train(tmp_path / "rows.csv", out=tmp_path / "m", **shape))
    *_, finished = resume(tmp_path / "m")
    assert isinstance(finished, Finished)
    assert finished.advice.endswith("for a better model train anew for longer")
    (tmp_path / "rows.csv").write_text(f"text,label\nc,yes\n{rows}")
    with pytest.raises(CharRNNError) as caught:
        resume(tmp_path / "m")
    assert caught.value.advice == "give the same text, or train anew under another --name"
    (tmp_path / "m" / STATE).unlink()
    with pytest.raises(CharRNNError) as caught:
        resume(tmp_path / "m")
    assert caught.value.advice == "start anew with another --name or --out"


def test_a_run_that_goes_on_gets_advice_on_what_it_learnt(text: Path, tmp_path: Path) -> None:
    consume(train(text, out=tmp_path / "m", **SMALL), 14)
    *_, finished = resume(tmp_path / "m")
    assert isinstance(finished, Finished)
    assert "over before" not in finished.advice


def test_another_corpus_is_refused_and_a_moved_one_is_not(text: Path, tmp_path: Path) -> None:
    path = tmp_path / "model"
    consume(train(text, out=path, **SMALL), 20)
    (tmp_path / "moved.txt").write_text(TEXT)
    text.write_text(TEXT + "!")
    with pytest.raises(
        CharRNNError, match=f"{len(TEXT) + 1:,} characters.*the earlier one has {len(TEXT):,}"
    ):
        resume(path)
    text.unlink()
    consume(resume(path, tmp_path / "moved.txt"), 30)
    consume(resume(path))


def test_a_text_that_was_moved_is_to_be_named_where_it_is_now(text: Path, tmp_path: Path) -> None:
    """The error named a path that nobody had typed, and advised to check it."""
    text.rename(tmp_path / "old one.txt")
    (tmp_path / "more.txt").write_text(VERSE)
    sources = ("old one.txt", "more.txt")
    settings = ("--steps", "4", "--rnn-size", "8", "--out", "m", "--eval-every", "2")
    assert run(tmp_path, "train", *sources, *settings).returncode == 0
    (tmp_path / "old one.txt").rename(tmp_path / "new.txt")
    gone, there = tmp_path / "old one.txt", tmp_path / "more.txt"
    for way, python in (("resume", "resume('m', …)"), ("repeat", "train(…, repeat='m')")):
        done = run_here(tmp_path, "train", f"--{way}", "m")
        said = (
            f"m was trained on {gone}, which is not there; name the text where it is now: charrnn "
        )
        refused(done, 66, f"charrnn: {said}train TEXT {there} --{way} m (in Python {python})\n")
        moved = run(tmp_path, "train", "new.txt", there, f"--{way}", "m")
        assert moved.returncode == 0, moved.stderr


def test_a_run_without_weights_is_not_to_be_started_from(text: Path, tmp_path: Path) -> None:
    """--resume sent the user to --init-from, and that to --resume."""
    events = iter(train(text, out=tmp_path / "m", **SMALL))
    next(events)  # it has begun; a copy is as if it were killed
    shutil.copytree(tmp_path / "m", tmp_path / "killed")
    text.write_text(TEXT + "!")
    with pytest.raises(CharRNNError) as caught:
        resume(tmp_path / "killed")
    assert caught.value.advice == "give the same text, or train anew under another --name"
    done = run_here(tmp_path, "train", "--resume", "killed", "--rnn-size", "9")
    refused(done, 2, "; leave it out, or train anew under another --name\n")


def test_what_cannot_be_resumed_says_why(text: Path, tmp_path: Path) -> None:
    with pytest.raises(CharRNNError, match="no model folder"):
        resume(tmp_path / "nothing")
    path = tmp_path / "model"
    consume(train(Corpus("verse", TEXT), out=path, **SMALL), 20)
    with pytest.raises(CharRNNError, match="standard input"):
        resume(path)
    state = path / STATE
    whole = state.read_bytes()
    for broken in (whole[:-1], whole[:20], b"", whole[:-40] + b"x" + whole[-39:]):
        state.write_bytes(broken)
        with pytest.raises(CharRNNError, match=r"state\.safetensors") as error:
            resume(path, text)
        assert error.value.exit_code == 65
    state.unlink()
    with pytest.raises(CharRNNError, match="no state to resume from"):
        resume(path, text)


def test_updates_with_gradients_that_are_not_finite_are_left_out(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = CharRNN.forward, 0

    def sometimes_infinite(self: CharRNN, ids: Any, state: Any = None, *generator: Any) -> Any:
        nonlocal calls
        logits, state = forward(self, ids, state, *generator)
        if self.training:
            calls += 1
            if calls in (7, 8, 30):
                logits = logits * torch.tensor(float("inf"))
        return logits, state

    monkeypatch.setattr(CharRNN, "forward", sometimes_infinite)
    path = tmp_path / "model"
    settings = SMALL | {"device": "cpu"}  # a recorded graph would not call it
    *_, finished = train(text, out=path, **settings)
    assert isinstance(finished, Finished)
    assert finished.skipped == 3
    assert all(np.isfinite(w).all() for w in CharRNN.from_pretrained(path).weights().values())
    calls, stopped = 0, tmp_path / "stopped"
    consume(train(text, out=stopped, **settings), 8)  # when an update has just been left out
    consume(resume(stopped))
    assert content(stopped) == content(path)


def test_a_killed_process_goes_on_from_its_last_save(text: Path, tmp_path: Path) -> None:
    _kill_and_resume(text, tmp_path, kills=2)


@pytest.mark.slow
def test_a_process_killed_many_times_ends_in_the_same_bits(text: Path, tmp_path: Path) -> None:
    _kill_and_resume(text, tmp_path, kills=25)


def _kill_and_resume(text: Path, tmp_path: Path, kills: int) -> None:
    part, every = 300, 50  # updates: one kill in so many, and an evaluation
    shape = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)
    length = ("--steps", part * kills, "--eval-every", every, "--patience", 10_000)
    options = (*shape, *length, "--dropout", 0.2, "--seed", 1)
    whole = run(tmp_path, "train", text, *options, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    moments = random.Random(5)  # noqa: S311
    # A trial of its own might choose another way to compute.
    command: tuple[object, ...] = ("train", text, "--repeat", "whole", "--out", "killed")
    for number in range(kills):
        step = part * number + moments.randint(2 * every + 1, part)
        kill = partial(kill_at_update, step, moments.randrange(300))
        process = Copy(tmp_path, *command, prepare=kill)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        saved = read_run(tmp_path / "killed").progress.step
        assert step - 2 * every <= saved <= step, "one of the last two evaluations is saved"
        command = ("train", "--resume", "killed")
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_signals_mean_to_a_program_what_they_did_before(text: Path, tmp_path: Path) -> None:
    """Who shows a run in a program of their own gets their handlers back."""
    before = [signal.signal(number, lambda *_: None) for number in SIGNALS]
    own = [signal.getsignal(number) for number in SIGNALS]
    try:
        progress.show(train(text, out=tmp_path / "model", **SMALL))
        assert [signal.getsignal(number) for number in SIGNALS] == own
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_saves_and_says_how_to_go_on(
    number: signal.Signals, text: Path, tmp_path: Path
) -> None:
    shape = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)
    options = (*shape, "--steps", 40, "--eval-every", 5, "--out", "model")
    stop = partial(interrupt_at_update, 3, number)
    process = Copy(tmp_path, "train", text, *options, prepare=stop)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; continue with: charrnn train --resume model"
    assert read_run(tmp_path / "model").progress.step in {3, 4, 5}, "at the next sign of life"
    assert load(tmp_path / "model").generate(max_new_tokens=5, seed=0)


def test_a_second_run_in_a_folder_is_refused_and_a_killed_ones_lock_is_no_lock(
    text: Path, tmp_path: Path
) -> None:
    shape = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)
    process = Copy(tmp_path, "train", text, *shape, "--steps", 300_000, "--out", "model")
    wait_until((tmp_path / "model" / STATE).exists, process)
    second = run(tmp_path, "train", "--resume", "model")
    assert second.returncode == 75
    assert f"trained in model by process {process.pid}" in second.stderr
    process.kill()
    process.communicate()
    consume(resume(tmp_path / "model"), 1)
    assert not [path.name for path in (tmp_path / "model").glob(".*")], "no litter"


@pytest.mark.parametrize(
    "option",
    [
        *(("--rnn-size", "9"), ("--model", "gru"), ("--weight-decay", "0.1"), ("--out", "x")),
        *(
            ("--tokenizer", "byte"),
            ("--tokenizer", "char"),
            ("--encoding", "cp1252"),
            ("--errors", "replace"),
        ),
        *(("--text-column", "body"), ("--split", "test")),
    ],
    ids=lambda option: option[0],
)
def test_resuming_takes_no_settings(option: tuple[str, str], home: Path) -> None:
    """Each is refused by its name, with what the run has instead."""
    kept = {"--rnn-size": "(it has ", "--model": "(it has lstm)", "--weight-decay": "(it has 0.05)"}
    done = run_here(home, "train", "--resume", "verse", *option)
    refused(done, 2, option[0], "can't be given", kept.get(option[0], ""))


def test_training_takes_a_text(tmp_path: Path) -> None:
    refused(run_here(tmp_path, "train"), 2)


@pytest.mark.parametrize("there", [True, False])
def test_a_run_that_never_began_leaves_things_as_they_were(
    there: bool, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder that was there stays; one that was made for the run goes."""

    def fail(*_: object, **__: object) -> int:
        raise CharRNNError("a mishap", "try again")

    monkeypatch.setattr("charrnn.training.beginning.starting.count_steps", fail)
    path = tmp_path / "model"
    if there:
        path.mkdir()
    with pytest.raises(CharRNNError, match="a mishap"):
        consume(train(text, out=path, **SMALL))
    assert path.exists() is there


def test_a_folder_that_cannot_be_made_safely_is_not_left_behind(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CannotCreateError, match="model: Input/output error"):
            consume(train(text, out=tmp_path / "model", **SMALL))
    assert not (tmp_path / "model").exists()


def test_a_run_from_other_weights_starts_better_and_learns_new_characters(
    text: Path, tmp_path: Path
) -> None:
    quick: dict[str, Any] = {
        "steps": 150,
        "batch_size": 8,
        "seq_length": 16,
        "hidden_size": 24,
        "dropout": 0.0,
    }
    quick |= {"learning_rate": 0.02, "embed_size": 8}
    consume(train(text, out=tmp_path / "old", **quick))
    (tmp_path / "new.txt").write_text(VERSE.replace("clerk", "Büro") * 12)

    def first(name: str, **settings: Any) -> float:
        new = train(tmp_path / "new.txt", out=tmp_path / name, steps=12, eval_every=4, **settings)
        events = iter(new)
        notes = next(events)
        assert isinstance(notes, Started)
        if "init_from" in settings:
            assert "2 are new" in notes.notes[-1]
        return next(e.evaluation.val_nats for e in events if isinstance(e, Evaluated))

    scratch = first("scratch", hidden_size=24, embed_size=8)
    tuned = first("tuned", init_from=tmp_path / "old")
    assert tuned < scratch - 0.5
    model = load(tmp_path / "tuned")
    assert {"B", "ü"} <= set(model.tokenizer.characters)
    assert model.generate("Büro", max_new_tokens=5, seed=1)
    for settings, message in (
        ({"hidden_size": 25}, "hidden_size is 25"),
        ({"cell": "gru"}, "cell is gru"),
        ({"tokenizer": "byte"}, "reads characters"),
    ):
        with pytest.raises(CharRNNError, match=message):
            train(text, out=tmp_path / "x", init_from=tmp_path / "old", **settings)


def test_bytes_that_are_no_text_are_refused_with_advice_that_helps(tmp_path: Path) -> None:
    """A model of characters can't learn them; a new one could, as a model of bytes."""
    raw = tmp_path / "raw.txt"
    raw.write_bytes(b"caf\351 \377\n" * 300)
    settings: dict[str, Any] = SMALL | {"steps": 2, "reading": Reading(errors="surrogateescape")}
    consume(train(Corpus("verse", TEXT), out=tmp_path / "old", **SMALL | {"steps": 2}))
    shape = {name: settings.pop(name) for name in ("hidden_size", "embed_size", "num_layers")}
    with pytest.raises(BadDataError, match="reads characters; use --errors replace"):
        train(raw, init_from=tmp_path / "old", **settings)
    with pytest.raises(BadDataError, match="use --tokenizer byte, or --errors replace"):
        train(raw, **shape, **settings)
    replaced = settings | {"reading": Reading(errors="replace")}
    assert train(raw, init_from=tmp_path / "old", **replaced).finish(progress=False)


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_what_keeps_its_embedding_is_counted_without_the_end_of_a_record(
    tokenizer: Literal["char", "byte"], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"hidden_size": 8, "embed_size": 6, "steps": 1, "batch_size": 3}
    consume(train(Corpus("verse", TEXT), out=tmp_path / "old", tokenizer=tokenizer, **settings))
    for name in ("hidden_size", "embed_size"):
        del settings[name]
    lines = (f"{first}{second}" for first in "abcdefg" for second in "hiklmno")
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\nΩ\n")
    reading = Reading(records="lines")
    settings |= {"reading": reading, "init_from": tmp_path / "old", "tokenizer": tokenizer}
    run = train(tmp_path / "list.txt", out=tmp_path / "new", **settings)
    started = next(event for event in run if isinstance(event, Started))
    known = 256 if tokenizer == "byte" else len(set(TEXT) - {"\n"}) + 1
    new = 0 if tokenizer == "byte" else 1
    assert f"{known} {tokenizer}s keep" in " ".join(started.notes).replace("characters", "chars")
    assert f"embeddings, {new} are new" in " ".join(started.notes)


def test_a_text_from_standard_input_does_not_replace_the_file_that_a_run_knows(
    text: Path, tmp_path: Path
) -> None:
    # On a GPU, other processes multiply in other numbers than the tests' own.
    consume(train(text, out=tmp_path / "m", device="cpu", **SMALL), 14)
    done = run(tmp_path, "train", "--resume", "m", "-", data=text.read_bytes())
    assert done.returncode == 0
    again = train(repeat=tmp_path / "m", out=tmp_path / "again")
    consume(again)
    assert content(tmp_path / "again")[0] == content(tmp_path / "m")[0]


def test_a_model_without_its_state_is_repeated_with_the_encoding_of_its_text(
    tmp_path: Path,
) -> None:
    (tmp_path / "latin.txt").write_text(TEXT.replace("e", "é"), encoding="latin-1")
    consume(
        train(
            tmp_path / "latin.txt",
            out=tmp_path / "m",
            reading=Reading(encoding="latin-1"),
            device="cpu",
            **SMALL | {"steps": 3},
        )
    )
    latin = ("train", "latin.txt", "--repeat", "m", "--encoding", "latin-1", "--out")
    done = run_here(tmp_path, *latin, "kept")
    refused(done, 2, "--encoding can't be given with --repeat")
    with pytest.raises(CharRNNError, match="reading can't be given"):
        train(repeat=tmp_path / "m", out=tmp_path / "x", reading=Reading(encoding="latin-1"))
    (tmp_path / "m" / STATE).unlink()
    assert run(tmp_path, *latin, "again").returncode == 0
    assert content(tmp_path / "again")[0] == content(tmp_path / "m")[0]


def test_a_resumed_run_is_made_longer_by_what_it_was_given(text: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = SMALL | {"steps": 20, "eval_every": 5}
    consume(train(text, out=tmp_path / "m", **settings), 6)
    *_, finished = resume(tmp_path / "m")
    assert isinstance(finished, Finished)
    assert "train longer (--steps)" in finished.advice


def test_a_run_that_was_given_its_text_goes_on_with_it_as_often_as_it_stops(
    text: Path, tmp_path: Path
) -> None:
    consume(train(text, out=tmp_path / "m", **SMALL), 14)
    text.unlink()
    again = resume(tmp_path / "m", Corpus("verse", TEXT))
    consume(again, 30)
    consume(again)
    assert again.finished is not None
