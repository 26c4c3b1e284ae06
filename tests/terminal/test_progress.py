"""What a terminal shows of a run, whatever the run is made of."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from charrnn import train
from charrnn.checkpoints import WEIGHTS
from charrnn.tasks.scores.reports import Report
from charrnn.terminal.progress import Interrupted, show
from charrnn.training.events import Event, Progress
from tests.terminal.showing import DONE, STARTED, Terminal

SOME: list[Event] = [Progress(step=k, train_nats=2.0, tokens_per_second=9.0) for k in (1, 2)]


class Run:
    """A run that is no iterator, but can be iterated."""

    def __iter__(self) -> Iterator[Event]:
        return iter([*SOME, DONE])


@pytest.mark.parametrize("events", [[*SOME, DONE], iter([*SOME, DONE]), Run()], ids=type)
def test_any_events_are_shown_to_their_end(
    events: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(events) is DONE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1.8034 bits per character" in shown.err
    assert "2 skipped because a gradient was not finite" in shown.err


def test_how_often_the_text_will_be_read_is_said_first(
    verse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(train(verse, out="model", epochs=2, hidden_size=8))
    first, *_, last = (line for line in capsys.readouterr().err.splitlines() if " epochs" in line)
    assert "updates (2.0 epochs) on " in first
    assert " 2.0 epochs in " in last
    show([msgspec.structs.replace(STARTED, epochs=0.04), DONE])
    assert "300 updates (less than 0.1 epochs) on cpu in fp32" in capsys.readouterr().err


@pytest.mark.parametrize("early", ["", " before there was a model"])
def test_a_signal_closes_the_run(
    early: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed, started = [], msgspec.structs.replace(STARTED, path=tmp_path)

    def events() -> Iterator[Event]:
        try:
            yield started
            os.kill(os.getpid(), signal.SIGTERM)
            yield SOME[0]
            yield SOME[1]
        finally:
            if not early:
                (tmp_path / WEIGHTS).touch()
            closed.append(True)

    with pytest.raises(Interrupted) as stopped:
        show(events())
    assert stopped.value.number == signal.SIGTERM
    assert closed == [True]
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == f"stopped{early}; continue with: {STARTED.resumed_by}"


def test_what_was_learnt_before_a_stop_tells_nothing_of_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It once counted as learnt in the first moment, so that no time seemed to be left."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("tqdm.std.time", partial(next, itertools.count(step=0.2)))
    last = msgspec.structs.replace(SOME[0], step=31)
    show([msgspec.structs.replace(STARTED, step=30), last, DONE])
    shown = re.findall(r"(\d+)/300 updates, ([\d:?]+) left", terminal.getvalue())
    assert shown[0] == ("30", "?"), "nothing was learnt yet"
    left = [int(time.replace(":", "")) for step, time in shown if step == "31"]
    assert left
    assert min(left) >= 53, "269 updates, of which none was faster than 0.2 s"


def test_a_command_to_go_on_names_a_folder_with_a_space_as_one_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([msgspec.structs.replace(DONE, model=Path("my models/verse"))])
    assert "write with it: charrnn sample 'my models/verse'\n" in capsys.readouterr().err


def test_how_good_a_task_is_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    """Notes came after it, and whether the model is better than none was lost among them."""
    scores, trivial = {"accuracy": 0.5}, {"always good": {"accuracy": 0.75}}
    notes = ("1 text is empty", "2 texts are cut")
    report = Report(metric="accuracy", count=8, scores=scores, baselines=trivial, notes=notes)
    show([msgspec.structs.replace(DONE, task="classify", report=report)])
    *_, how, first, second, last = capsys.readouterr().err.splitlines()
    assert how == "answer with it: charrnn predict checkpoints/verse"
    assert (first, second) == notes
    assert last == f"on 8 validation examples: {report.verdict}"
    assert "no better than always good" in last
