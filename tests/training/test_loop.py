"""Training: what a run learns, repeats, keeps and says."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import (
    CharRNN,
    CharRNNError,
    Corpus,
    Evaluated,
    Finished,
    Progress,
    Started,
    load,
    resume,
    train,
)
from charrnn.config import CellName
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_model
from charrnn.folder.resuming import read_run
from tests.conftest import VERSE
from tests.training.watching import weights

CORPUS = Corpus("verse", VERSE * 20)
SMALL: dict[str, Any] = {
    "embed_size": 6,
    "hidden_size": 10,
    "num_layers": 2,
    "batch_size": 3,
    "seq_length": 8,
    "dropout": 0.2,
    "skip": True,
}


def run(path: Path, corpus: Corpus = CORPUS, **settings: Any) -> Finished:
    *_, last = train(corpus, out=path, **(SMALL | {"steps": 25} | settings))
    assert isinstance(last, Finished)
    return last


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_a_model_learns_one_sentence_by_heart(
    cell: CellName, tokenizer: Any, tmp_path: Path
) -> None:
    """To under 0.05 nats a token: whatever the cell, the gradients reach everything."""
    sentence = "The tide was late; I came with it.\n"
    path = tmp_path / "model"
    settings = {
        "hidden_size": 48,
        "embed_size": 16,
        "num_layers": 1,
        "batch_size": 4,
        "seq_length": 35,
        "learning_rate": 0.02,
        "dropout": 0.0,
        "steps": 250,
    }
    run(path, Corpus("sentence", sentence * 30), cell=cell, tokenizer=tokenizer, **settings)
    model = load(path)
    scores = model.log_probs(sentence * 3)[len(sentence) :]
    assert -scores.mean() < 0.05
    assert model.generate(sentence + "The", temperature=0, max_new_tokens=31) == sentence[3:-1]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_repeated_with_the_same_seed_ends_in_the_same_bytes(
    cell: CellName, precision: str, tmp_path: Path
) -> None:
    for name in ("one", "two", "other"):
        # What the caller draws in between is not the run's business.
        torch.rand(3)
        seed = 5 if name == "other" else 4
        run(tmp_path / name, cell=cell, seed=seed, precision=precision)
    one, two, other = (weights(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_a_run_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(tmp_path / "model")
    assert torch.equal(before, torch.get_rng_state())


def test_evaluating_more_often_does_not_change_the_training(tmp_path: Path) -> None:
    """In a well-known ancestor evaluation reset the hidden state of the training lanes."""
    run(tmp_path / "often", eval_every=3, patience=1000)
    run(tmp_path / "once", eval_every=25)
    often, once = (read_run(tmp_path / name).tensors for name in ("often", "once"))
    assert often.keys() == once.keys()
    for name in often.keys() - {"loss_sum"}:
        np.testing.assert_array_equal(often[name], once[name], err_msg=name)


def test_the_best_and_the_latest_weights_are_kept(tmp_path: Path) -> None:
    """A rate that only rises, to far too high, ends in worse weights than it began with."""
    rising: dict[str, Any] = {"learning_rate": 3.0, "warmup_steps": 39, "steps": 40}
    finished = run(tmp_path / "model", **rising, eval_every=2, patience=100)
    found = read_model(tmp_path / "model")
    best = min(found.metrics, key=lambda m: m.val_nats)
    assert found.step == best.step < found.metrics[-1].step == 40
    assert found.evaluation == best
    assert finished.val_nats == best.val_nats
    text = CORPUS.text[-round(len(CORPUS.text) * 0.1) :]
    assert -load(found.path).log_probs(text).mean() == pytest.approx(best.val_nats, abs=1e-3)
    state = read_run(found.path)
    assert state.progress.step == 40
    assert state.best_weights is not None
    for name, values in found.weights.items():
        np.testing.assert_array_equal(state.best_weights[name], values)
        assert (state.tensors[f"network.{name}"] != values).any()


def test_training_stops_when_validation_has_not_improved_for_long(tmp_path: Path) -> None:
    finished = run(
        tmp_path / "model", learning_rate=0.5, steps=4000, eval_every=2, patience=5, device="cpu"
    )
    found = read_model(tmp_path / "model")
    assert finished.stopped_early
    assert finished.steps == found.metrics[-1].step == found.step + 5 * 2
    assert "--learning-rate" in finished.advice


def test_events_come_in_order_and_agree_with_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    events = list(train(CORPUS, out=path, **SMALL, epochs=2, eval_every=40))
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert all(isinstance(event, (Evaluated, Progress)) for event in events[1:-1])
    steps_per_epoch = (len(CORPUS.text) - round(len(CORPUS.text) / 10)) // 3 // 8
    assert started.training.steps == finished.steps == 2 * steps_per_epoch
    assert finished.epochs == 2
    lines = (path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [e.evaluation.step for e in evaluated]
    assert json.loads(lines[-1])["val_nats"] == evaluated[-1].evaluation.val_nats
    assert all(len(event.sample) > 50 for event in evaluated)
    assert finished.val_bits_per_char == pytest.approx(finished.val_nats / math.log(2))
    record = json.loads((path / "config.json").read_text())
    assert record["corpus"]["sha256"] == CORPUS.sha256
    assert record["training"]["steps"] == finished.steps


def test_breaking_out_of_the_loop_saves_what_was_learnt(tmp_path: Path) -> None:
    path = tmp_path / "model"
    events = iter(train(CORPUS, out=path, **SMALL, steps=100_000, eval_every=100_000))
    for event in events:
        if isinstance(event, Progress):
            break
    _close(events)
    found = read_model(path)
    assert isinstance(event, Progress)
    assert found.step == event.step
    assert load(path).generate(max_new_tokens=5, seed=0)


def test_breaking_out_before_the_first_update_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    run(tmp_path / "whole", steps=9)
    path = tmp_path / "model"
    events = iter(train(CORPUS, out=path, **SMALL, steps=9))
    assert isinstance(next(events), Started)
    _close(events)
    (tmp_path / "text").write_text(CORPUS.text)
    for _ in resume(path, tmp_path / "text"):
        pass
    names = [folder / "model.safetensors" for folder in (path, tmp_path / "whole")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_a_mistake_found_late_leaves_no_folder(tmp_path: Path) -> None:
    """Which devices there are is known only once PyTorch is asked."""
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device that should be missing")
    with pytest.raises(CharRNNError, match="no device mps"):
        run(tmp_path / "model", device="mps")
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_ends_training_and_keeps_the_last_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, forward = tmp_path / "model", CharRNN.forward

    def broken(self: CharRNN, *inputs: Any) -> Any:
        logits, state = forward(self, *inputs)
        return logits * math.nan, state

    events = iter(train(CORPUS, out=path, **SMALL, steps=20, eval_every=5))
    while not isinstance(next(events), Evaluated):
        pass
    monkeypatch.setattr(CharRNN, "forward", broken)
    with pytest.raises(CharRNNError, match="not a number") as error:
        list(events)
    assert error.value.advice.endswith("--learning-rate; what was saved before is still there")
    found = read_model(path)
    assert found.step == 5
    assert all(np.isfinite(weight).all() for weight in found.weights.values())


def test_updates_that_cannot_be_made_end_a_run_with_what_was_learnt_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are still good, and so is what is saved of them.

    On a CPU: a graph that is recorded does not call what takes the place of `forward`.
    """
    path, forward = tmp_path / "model", CharRNN.forward
    events = iter(train(CORPUS, out=path, **SMALL, steps=40, eval_every=10, device="cpu"))
    while not isinstance(next(events), Evaluated):
        pass
    made = 0

    def broken(self: CharRNN, *given: Any) -> Any:
        nonlocal made
        logits, state = forward(self, *given)
        made += 1
        return (logits * float("nan") if made > 3 else logits), state

    monkeypatch.setattr(CharRNN, "forward", broken)
    with pytest.raises(CharRNNError, match="not a number"):
        list(events)
    run_state = read_run(path)
    assert run_state.progress.step == 10 + 3 + 5
    assert all(np.isfinite(values).all() for values in run_state.tensors.values())


@pytest.mark.usefixtures("report_each_update")
def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    """Left before an evaluation would have told, a diverged run keeps the state before."""
    path = tmp_path / "model"
    events = iter(train(CORPUS, out=path, **SMALL, steps=40, eval_every=40, learning_rate=1e39))
    for event in events:
        if isinstance(event, Progress) and event.step >= 2:
            break
    with pytest.raises(CharRNNError, match="not a number") as error:
        _close(events)
    assert error.value.advice == "train anew with a lower --learning-rate"  # there is no model
    assert read_run(path).progress.step == 0


def test_a_model_folder_deleted_while_training_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = tmp_path / "model", threading.Semaphore(0)

    def write(*given: Any) -> None:
        write_files(*given)
        written.release()

    monkeypatch.setattr("charrnn.training.recorder.write_files", write)
    rising: dict[str, Any] = {"learning_rate": 0.5, "warmup_steps": 0, "patience": 100}
    events = iter(train(CORPUS, out=path, **SMALL, steps=40, eval_every=2, **rising))
    best: list[Evaluated] = []
    for event in events:
        if isinstance(event, (Started, Evaluated)):
            assert written.acquire(timeout=60), "its save is over"
        if isinstance(event, Evaluated):
            best.append(event)
            if len(best) > 5 and not event.best:
                shutil.rmtree(path)
                break
    for event in events:
        if isinstance(event, Finished):
            assert load(path).generate(max_new_tokens=5, seed=1)
            return
    pytest.fail("it ends")


def test_a_byte_models_loss_is_counted_in_characters_too(tmp_path: Path) -> None:
    corpus = Corpus("greek", "τὰ πάντα ῥεῖ καὶ οὐδὲν μένει\n" * 40)
    finished = run(tmp_path / "model", corpus, tokenizer="byte")
    bits_per_byte = finished.val_nats / math.log(2)
    bytes_per_char = len(corpus.text.encode()) / len(corpus.text)
    assert finished.val_bits_per_char == pytest.approx(bits_per_byte * bytes_per_char, rel=0.05)


def test_a_skip_connection_is_part_of_what_is_saved(tmp_path: Path) -> None:
    run(tmp_path / "with", skip=True, hidden_size=6)
    assert read_model(tmp_path / "with").record.model.skip


def _close(events: Iterator[Any]) -> None:
    events.close()  # type: ignore[attr-defined]
