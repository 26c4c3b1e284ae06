"""Saves go on while training does, and none of them is lost, torn or believed too early."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest

from charrnn import Evaluated, Finished, Progress, load, resume, train
from charrnn.cli.verify import verify
from charrnn.errors import ReadWriteError
from charrnn.folder.files import write_files
from charrnn.folder.resuming import read_run, state_file
from charrnn.learning.learner import Learner
from charrnn.training.events import Event
from charrnn.training.pace.deadline import Deadline
from tests.commands import Copy, run, wait_until
from tests.kills import kill_at_save
from tests.training.watching import content, waits_for_a_save

SECONDS = 600.0  # after which a test that hangs ends
SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 6,
    "batch_size": 3,
    "seq_length": 5,
    "dropout": 0.3,
    "steps": 60,
    "eval_every": 13,
    "patience": 50,
    "device": "cpu",
}
# Saves of such a run: one before the first update, then one for each evaluation.
SAVES = {0: 1, 13: 2, 26: 3, 39: 4, 52: 5, 60: 6}


# The disk hangs in the save of the second evaluation. Once somebody waits for it, Ctrl-C comes.
HANGING = """
import os, signal, sys, threading, time, traceback
from charrnn import Evaluated, train
from charrnn.training import recorder
main, write, count = threading.main_thread().ident, recorder.write_files, 0
def hang(path, files):
    global count
    count += 1  # the first save is that of the beginning
    if count == 3:
        while not waits_for_a_save(main):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)
    write(path, files)
recorder.write_files = hang
signal.signal(signal.SIGINT, signal.default_int_handler)
sizes = {"hidden_size": 7, "embed_size": 5, "batch_size": 3, "seq_length": 4}
run = train("verse.txt", out="m", steps=20, eval_every=10, **sizes)
events = iter(run)
try:
    for event in events:
        if isinstance(event, Evaluated) and event.evaluation.step == int(sys.argv[1]):
            events.close()
except KeyboardInterrupt:
    print("left")
"""


@pytest.mark.parametrize("closed_at", [20, 1000])
def test_ctrl_c_ends_a_run_whose_disk_hangs_whatever_it_waits_for(
    closed_at: int, text: Path, tmp_path: Path
) -> None:
    """A caller who leaves where nothing is left to save, and the end of the run."""
    done = subprocess.run(
        [sys.executable, "-c", getsource(waits_for_a_save) + HANGING, str(closed_at)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert text.exists()
    assert done.stdout == "left\n"
    verify(str(tmp_path / "m"))


class Disk:
    """The disk of a run.

    Attributes:
        count: saves that have come to it so far.
        full_at: the save that finds it full; from which on it is, if there are more.
        before: called before anything of a save is done, with its number.
        after: likewise when it is over, however it went.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.full_at = 0, 1000
        self.before: Callable[[int], object] = bool
        self.after: Callable[[int], object] = bool

        def full(_: int) -> None:
            raise OSError(28, os.strerror(28))

        def write(path: Path, files: dict[str, bytes]) -> None:
            self.count += 1
            number = self.count
            try:
                with pytest.MonkeyPatch.context() as patch:
                    if number >= self.full_at:
                        patch.setattr(os, "fsync", full)
                    write_files(path, files)
            finally:
                self.after(number)

        def state(*given: Any) -> bytes:
            self.before(self.count + 1)
            return state_file(*given)

        monkeypatch.setattr("charrnn.training.recorder.write_files", write)
        monkeypatch.setattr("charrnn.training.recorder.state_file", state)


@pytest.fixture
def disk(report_each_update: None, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


class Updates:
    """Watches the updates of a run.

    Attributes:
        step: the last one begun.
        before: called before each, with its number.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step = 0
        self.before: Callable[[int], object] = bool
        update = Learner.update

        def watched(learner: Learner) -> None:
            self.step = learner.step + 1
            self.before(self.step)
            update(learner)

        monkeypatch.setattr(Learner, "update", watched)


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> Updates:
    return Updates(monkeypatch)


@pytest.fixture
def whole(text: Path, tmp_path: Path) -> Path:
    """The same run, with nothing in its way."""
    for _ in train(text, out=tmp_path / "whole", **SMALL):
        pass
    return tmp_path / "whole"


def _goes_on(path: Path, step: int, whole: Path, litter: Collection[str] = ()) -> None:
    """A folder is whole, its run stands at an update, and ends as if nothing had been."""
    verify(str(path))
    assert read_run(path).progress.step == step
    assert {file.name for file in path.rglob(".*")} <= {*litter}
    for _ in resume(path):
        pass
    assert content(path) == content(whole)


def test_updates_are_made_while_a_save_is_written_and_do_not_change_it(
    disk: Disk, updates: Updates, whole: Path, text: Path, tmp_path: Path
) -> None:
    """Each save but the first two is written when eleven more updates have been made."""
    path, saves = tmp_path / "model", {number: step for step, number in SAVES.items()}
    disk.count = 0

    def late(number: int) -> None:
        if 2 < number < 6:
            wait_until(lambda: updates.step > saves[number] + 11 or updates.step == 60)

    def killed(number: int) -> None:
        if number > 2:
            shutil.copytree(path, tmp_path / str(number), ignore=shutil.ignore_patterns(".lock*"))

    disk.before, disk.after = late, killed
    for _ in train(text, out=path, **SMALL):
        pass
    assert content(path) == content(whole)
    disk.before = disk.after = bool
    for number in (3, 4, 5, 6):
        _goes_on(tmp_path / str(number), saves[number], whole)


def test_from_the_first_evaluation_on_there_is_a_model_at_most_one_evaluation_old(
    disk: Disk, text: Path, tmp_path: Path
) -> None:
    path, steps = tmp_path / "model", [0]
    disk.before = lambda number: time.sleep(0.02 if number > 1 else 0)
    for event in train(text, out=path, **SMALL):
        if isinstance(event, Evaluated):
            steps.append(event.evaluation.step)
            assert load(path).generate(max_new_tokens=2, seed=1)
            saved = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])["step"]
            assert saved in steps[-2:]
        if isinstance(event, Finished):
            assert read_run(path).progress.step == 60, "the last save is over"
    assert steps == list(SAVES)


def test_a_disk_that_is_full_for_the_last_save_ends_the_run_with_an_error(
    disk: Disk, whole: Path, text: Path, tmp_path: Path
) -> None:
    disk.count, disk.full_at = 0, SAVES[60]
    events: list[Event] = []
    with pytest.raises(ReadWriteError, match=r"model: No space left.*; make room"):
        events.extend(train(text, out=tmp_path / "model", **SMALL))
    disk.full_at = 1000
    assert not any(isinstance(event, Finished) for event in events)
    _goes_on(tmp_path / "model", 52, whole)


def test_a_disk_that_is_full_for_a_save_ends_the_run_at_the_next_sign_of_life(
    disk: Disk, updates: Updates, whole: Path, text: Path, tmp_path: Path
) -> None:
    """It is not noticed by the next save alone, which may be an hour away."""
    disk.count, disk.full_at = 0, SAVES[26]

    def over(step: int) -> None:
        if step == 28:
            wait_until(lambda: all(thread.name != "save" for thread in threading.enumerate()))

    updates.before = over
    with pytest.raises(ReadWriteError, match=r"model: No space left.*; make room"):
        for _ in train(text, out=tmp_path / "model", **SMALL):
            pass
    assert updates.step <= 29
    assert disk.count == SAVES[26], "no other is tried"
    disk.full_at = 1000
    _goes_on(tmp_path / "model", 13, whole)


def test_a_run_for_minutes_is_told_how_long_its_saves_take(
    disk: Disk, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, note = [], Deadline.note_evaluation

    def watched(deadline: Deadline, seconds: float, closing: float, waited: float) -> None:
        told.append(closing)
        note(deadline, seconds, closing, waited)

    monkeypatch.setattr(Deadline, "note_evaluation", watched)
    disk.before = lambda number: time.sleep(0.05 if number > 1 else 0)
    settings = {name: value for name, value in SMALL.items() if name != "steps"}
    for _ in train(text, out=tmp_path / "model", minutes=0.02, **settings):
        pass
    assert told
    assert min(told) >= 0.05


@pytest.mark.parametrize("updates_later", [0, 1])
@pytest.mark.parametrize("how", ["close", "throw", "throw what ends a program"])
def test_whoever_leaves_waits_for_the_save_and_is_told_if_it_failed(
    how: str, updates_later: int, disk: Disk, whole: Path, text: Path, tmp_path: Path
) -> None:
    """At an evaluation, or after the next update."""
    for name, full_at in (("fails", SAVES[26]), ("is written", 1000)):
        path = tmp_path / name
        disk.count, disk.full_at = 0, full_at
        held = threading.Event()
        disk.before = partial(_wait_at, SAVES[26], held)
        events = iter(train(text, out=path, **SMALL))
        for event in events:
            if isinstance(event, Evaluated) and event.evaluation.step == 26:
                break
        if updates_later:
            assert isinstance(next(events), Progress)
        threading.Timer(0.05, held.set).start()
        if name == "fails":
            with pytest.raises(ReadWriteError, match="No space left") as found:
                _leave(events, how)
            told = [type(error) for error in _chain(found.value)]
            assert (Oops in told or SystemExit in told) == (how != "close"), "both are told"
            step = 13
        else:
            _leave(events, how)
            step = 26 + updates_later
        disk.full_at = 1000
        _goes_on(path, step, whole)


def _wait_at(save: int, event: threading.Event, number: int) -> None:
    if number == save:
        event.wait(SECONDS)


def test_after_a_break_python_prints_what_a_save_failed_with(
    disk: Disk, whole: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever uses `contextlib.closing` has it raised; see the test before."""
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: printed.append(hook.exc_type))
    disk.count, disk.full_at = 0, SAVES[26]
    for event in train(text, out=tmp_path / "model", **SMALL):
        if isinstance(event, Evaluated) and event.evaluation.step == 26:
            break
    wait_until(lambda: bool(printed))
    assert printed == [ReadWriteError]
    disk.full_at = 1000
    _goes_on(tmp_path / "model", 13, whole)


class Oops(Exception):
    pass


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that were being handled when it came."""
    while error is not None:
        yield error
        error = error.__context__


def _leave(events: Iterator[Any], how: str) -> None:
    if how == "close":
        events.close()  # type: ignore[attr-defined]
        return
    error = Oops if how == "throw" else SystemExit
    with pytest.raises(error):
        events.throw(error)  # type: ignore[attr-defined]


OPTIONS = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)


def test_a_process_killed_while_it_saves_goes_on_to_the_same_bits(
    text: Path, tmp_path: Path
) -> None:
    _kill_while_saving(text, tmp_path, kills=2)


@pytest.mark.slow
def test_a_process_killed_often_while_it_saves_goes_on_to_the_same_bits(
    text: Path, tmp_path: Path
) -> None:
    _kill_while_saving(text, tmp_path, kills=40)


def _kill_while_saving(text: Path, tmp_path: Path, kills: int) -> None:
    length = ("--steps", 100 * (kills + 1), "--eval-every", 20, "--patience", 10_000)
    options = (*OPTIONS, *length, "--dropout", 0.2, "--seed", 1)
    done = run(tmp_path, "train", text, *options, "--out", "whole")
    assert done.returncode == 0, done.stderr
    moments = random.Random(7)  # noqa: S311
    command: tuple[object, ...] = ("train", text, "--repeat", "whole", "--out", "killed")
    for _ in range(kills):
        kill = partial(kill_at_save, moments.randrange(40))  # in one of five saves
        process = Copy(tmp_path, *command, prepare=kill)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert any((tmp_path / "killed").rglob(".*.charrnn-new")), "this save was not over"
        verify(str(tmp_path / "killed"))
        command = ("train", "--resume", "killed")
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


ENDS = """
import os, time
import charrnn
fsync, settings = os.fsync, eval(os.environ["SETTINGS"])
def slow(handle):
    time.sleep(0.1)
    fsync(handle)
events = iter(charrnn.train("verse.txt", out="model", **settings))
for event in events:
    if isinstance(event, charrnn.Evaluated):
        if event.evaluation.step == 26:
            break
        os.fsync = slow
"""


def test_a_program_that_ends_within_a_loop_still_ends_its_save(
    whole: Path, text: Path, tmp_path: Path
) -> None:
    """Python clears up then, and threads no longer run; nor is the loop itself always left."""
    assert text.parent == tmp_path
    done = subprocess.run(
        [sys.executable, "-c", ENDS],
        cwd=tmp_path,
        env=os.environ | {"SETTINGS": repr(SMALL), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0
    _goes_on(tmp_path / "model", 26, whole, litter={".lock", ".lock.holder"})
