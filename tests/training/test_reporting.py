"""The report at the end of a run: it keeps to the minutes, is seen, and can be left."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from charrnn import Finished, Reporting, resume, train
from charrnn.examples.pairs import Pair
from charrnn.folder.reading import read_folder
from charrnn.tasks.translate import Translator
from charrnn.terminal.progress import Interrupted, show
from tests.training.machines import Machine

SMALL: dict[str, Any] = {
    "task": "translate",
    "hidden_size": 7,
    "embed_size": 6,
    "batch_size": 5,
    "device": "cpu",
    "patience": 1000,
}
PAIRS, AT_ONCE = 90, 4  # of the pairs 30 validate
MINUTES = 0.3


@pytest.fixture(autouse=True)
def _small_pieces(report_each_update: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Translator, "answered_at_once", AT_ONCE)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    draw = random.Random(4)  # noqa: S311
    texts = {"".join(draw.choices("abcd", k=draw.randint(3, 9))) for _ in range(2 * PAIRS)}
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{text}\t{text[::-1]}\n" for text in sorted(texts)[:PAIRS]))
    return path


@pytest.mark.parametrize(("seconds", "whole"), [(0.001, True), (0.02, False), (0.06, False)])
def test_a_report_keeps_to_the_minutes(
    seconds: float,
    whole: bool,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It once came after them, however long it took: on as many pairs as there is time for."""
    machine, predict = Machine(monkeypatch), Translator.predict

    def slow(model: Translator, texts: Sequence[str], num_beams: int = 4) -> Any:
        machine.work(seconds * len(texts) * num_beams)
        return predict(model, texts, num_beams=num_beams)

    monkeypatch.setattr(Translator, "predict", slow)
    settings = SMALL | {"batch_size": 2, "val_frac": 1 / 3}
    *_, finished = train(pairs, out=tmp_path / "model", minutes=MINUTES, **settings)
    assert isinstance(finished, Finished)
    assert finished.report
    assert finished.report.count >= AT_ONCE
    assert (finished.report.count == 30) == whole
    left = 30 - finished.report.count
    late = (f"there was no time for {left} more validation examples",)
    assert finished.report.notes == (() if whole else late)
    assert finished.seconds == machine.seconds
    piece = seconds * 4 * AT_ONCE
    assert machine.seconds <= 1.04 * 60 * MINUTES + piece


def test_a_run_for_minutes_that_is_over_reports_on_all(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is waited for, and there are no minutes left to keep to."""
    machine, predict = Machine(monkeypatch), Translator.predict

    def slow(model: Translator, texts: Sequence[str], num_beams: int = 4) -> Any:
        machine.work(0.06 * len(texts) * num_beams)
        return predict(model, texts, num_beams=num_beams)

    monkeypatch.setattr(Translator, "predict", slow)
    path, settings = tmp_path / "model", SMALL | {"batch_size": 2, "val_frac": 1 / 3}
    show(train(pairs, out=path, minutes=MINUTES, **settings))
    said = capsys.readouterr().err
    assert "there was no time for" in said
    show(resume(path))
    said = capsys.readouterr().err
    assert "on 30 validation examples: " in said
    assert "no time" not in said


def test_a_run_of_updates_reports_on_all_and_tells_how_far_it_is(
    pairs: Path, tmp_path: Path
) -> None:
    events = list(train(pairs, out=tmp_path / "model", steps=3, val_frac=1 / 3, **SMALL))
    told = [event.count for event in events if isinstance(event, Reporting)]
    assert told == sorted(told)
    assert len(told) == 8
    assert told[-1] == 30
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.report
    assert finished.report.count == 30


def test_ctrl_c_ends_the_report_and_what_was_learnt_is_there(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, path = Translator.answers, tmp_path / "model"
    pieces = []

    def interrupted(model: Translator, some: Sequence[Pair]) -> Any:
        pieces.append(len(some))
        if len(pieces) == 2:
            signal.raise_signal(signal.SIGINT)
        return answers(model, some)

    with monkeypatch.context() as patch:
        patch.setattr(Translator, "answers", interrupted)
        with pytest.raises(Interrupted) as stopped:
            show(train(pairs, out=path, steps=3, val_frac=1 / 3, **SMALL))
    assert stopped.value.number == signal.SIGINT
    assert pieces == [4, 4], "the others are left out"
    said = capsys.readouterr().err
    assert "validation examples are answered" in said
    assert f"stopped; continue with: charrnn train --resume {path}" in said
    assert read_folder(path).metrics[-1].step == 3
    finished = show(resume(path))
    assert finished.report
    assert finished.report.count == 30
    assert "nothing was trained" in finished.advice


def test_finish_goes_on_with_a_report_that_was_left(pairs: Path, tmp_path: Path) -> None:
    run = train(pairs, out=tmp_path / "model", steps=3, val_frac=1 / 3, **SMALL)
    for event in run:
        if isinstance(event, Reporting):
            break
    assert run.finished is None
    run.finish(progress=False)
    assert run.finished
    assert run.finished.report
