"""Saves go on while training does, and none of them is lost, torn or believed too early."""

from __future__ import annotations

import itertools
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
from types import FrameType
from typing import Any

import pytest

from charrnn import Evaluated, Finished, Progress, load, resume, train
from charrnn.cli.verify import verify
from charrnn.errors import LockedError, ReadWriteError
from charrnn.folder.files import write_files
from charrnn.folder.locking import FolderLock, locked, refuse_locked
from charrnn.folder.resuming import read_run, state_file
from charrnn.learning.learner import Learner
from charrnn.training.events import Event
from charrnn.training.pace.deadline import Deadline
from charrnn.training.saver import Saver
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


def _free(folder: Path) -> bool:
    try:
        refuse_locked(folder)
    except LockedError:
        return False
    return True


def _again_and_again(call: Callable[[], None]) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        call()
        time.sleep(0.002)


def _fails_while_the_waiting_ends(folder: Path, moment: int) -> bool | None:
    """Whether `leave` raises what a save fails with; None if the save comes to fewer lines."""
    left, may_leave = iter(range(moment, 0, -1)), threading.Event()

    def trace(frame: FrameType, *_: object) -> Any:
        if frame.f_code.co_filename == Saver.begin.__code__.co_filename and next(left, 0) == 1:
            may_leave.set()
            time.sleep(0.01)  # in which the waiting ends, if nothing keeps it
        return trace

    def write() -> None:
        raise ReadWriteError("no space", "make room")

    with locked(folder) as lock:
        saver = Saver(lock)
        threading.settrace(trace)
        saver.begin(write)
        threading.settrace(None)
        threads = [thread for thread in threading.enumerate() if thread.name == "save"]
        wait_until(lambda: may_leave.is_set() or not any(one.is_alive() for one in threads))
        try:
            saver.leave(0)
            raised = False
        except ReadWriteError:
            raised = True
        for thread in threads:
            thread.join()
    return raised if may_leave.is_set() else None


class TestSaver:
    def test_writing_goes_on_while_the_caller_does(self, tmp_path: Path) -> None:
        may_end, written = threading.Event(), []
        with locked(tmp_path) as lock:
            saver = Saver(lock)

            def write() -> None:
                assert may_end.wait(SECONDS)
                written.append(1)

            saver.begin(write)
            saver.check()
            assert not written
            may_end.set()
            saver.wait()
            assert written == [1]
            assert saver.seconds > 0
            saver.begin(partial(written.append, 2))
            saver.wait()
        assert written == [1, 2]
        assert not list(tmp_path.iterdir()), "no lock is left"

    @pytest.mark.parametrize("how", ["check", "wait"])
    def test_what_a_save_failed_with_is_raised_once(self, how: str, tmp_path: Path) -> None:
        with locked(tmp_path) as lock:
            saver = Saver(lock)
            (tmp_path / "a file").write_bytes(b"")
            saver.begin(partial(write_files, tmp_path / "a file" / "folder", {"b": b"1"}))
            ask = saver.wait if how == "wait" else partial(_again_and_again, saver.check)
            with pytest.raises(ReadWriteError, match="a file"):
                ask()
            saver.check()
            saver.wait()

    def test_without_another_thread_it_writes_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with locked(tmp_path) as lock:
            saver = Saver(lock)
            saver.begin(partial(write_files, tmp_path, {"a": b"1"}))
            assert (tmp_path / "a").read_bytes() == b"1"
            saver.wait()
        assert _free(tmp_path)

    def test_ctrl_c_ends_the_waiting_but_the_save_goes_on_and_holds_the_lock(
        self, tmp_path: Path
    ) -> None:
        may_end, main = threading.Event(), threading.main_thread().ident
        assert main == threading.get_ident()

        def write() -> None:
            wait_until(lambda: waits_for_a_save(main))
            signal.pthread_kill(main, signal.SIGINT)
            assert may_end.wait(SECONDS)
            (tmp_path / "saved").touch()

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with locked(tmp_path) as lock:
                saver = Saver(lock)
                saver.begin(write)
                with pytest.raises(KeyboardInterrupt):
                    saver.wait()
        finally:
            signal.signal(signal.SIGINT, before)
        assert not _free(tmp_path)
        may_end.set()
        wait_until(lambda: _free(tmp_path))
        assert [file.name for file in tmp_path.iterdir()] == ["saved"]
        saver.wait()

    def test_a_wait_for_some_seconds_ends_and_the_save_goes_on(self, tmp_path: Path) -> None:
        may_end = threading.Event()
        with locked(tmp_path) as lock:
            saver = Saver(lock)
            saver.begin(lambda: may_end.wait(SECONDS))
            saver.leave(0.01)
            saver.wait()
        assert not _free(tmp_path)
        may_end.set()
        wait_until(lambda: _free(tmp_path))

    def test_what_fails_when_nobody_waits_any_more_is_reported_by_python(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        may_end, reported = threading.Event(), list[object]()
        monkeypatch.setattr(threading, "excepthook", lambda hook: reported.append(hook.exc_type))

        def write() -> None:
            assert may_end.wait(SECONDS)
            raise ReadWriteError("no space", "make room")

        with locked(tmp_path) as lock:
            saver = Saver(lock)
            saver.begin(write)
            saver.leave(0.01)
        may_end.set()
        wait_until(lambda: reported == [ReadWriteError])

    def test_what_fails_while_the_waiting_ends_is_raised_or_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The waiting ends at each line in turn of the thread that has found out."""
        reported, raised = list[object](), list[bool]()
        monkeypatch.setattr(threading, "excepthook", lambda hook: reported.append(hook.exc_type))
        for moment in itertools.count(1):
            found = _fails_while_the_waiting_ends(tmp_path, moment)
            if found is None:
                break
            raised.append(found)
            assert sum(raised) + len(reported) == moment
        assert any(raised)
        assert reported

    @pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
    def test_a_thread_that_does_not_start_is_not_waited_for(
        self, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise error

        with locked(tmp_path) as lock:
            saver = Saver(lock)
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                with pytest.raises(error):
                    saver.begin(bool)
            saver.wait()

    def test_a_lock_that_cannot_be_released_is_no_reason_to_wait_for_ever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(_: FolderLock) -> None:
            raise OSError(5, "Input/output error")

        with locked(tmp_path) as lock:
            saver = Saver(lock)
            with monkeypatch.context() as patch:
                patch.setattr(FolderLock, "let_go", fails)
                saver.begin(bool)
                with pytest.raises(OSError, match="Input/output"):
                    saver.wait()
            lock.let_go()  # as the save could not

    def test_a_copy_of_the_process_waits_for_no_save(self, tmp_path: Path) -> None:
        code = (
            "import os, sys, threading\n"
            "from pathlib import Path\n"
            "from charrnn.folder.locking import locked\n"
            "from charrnn.training.saver import Saver\n"
            "may_end = threading.Event()\n"
            "with locked(Path()) as lock:\n"
            "    saver = Saver(lock)\n"
            "    saver.begin(lambda: may_end.wait(600))\n"
            "    if child := os.fork():\n"
            "        _, status = os.waitpid(child, 0)\n"
            "        may_end.set()\n"
            "        saver.wait()\n"
            "        print(os.waitstatus_to_exitcode(status))\n"
            "    else:\n"
            "        sys.exit(7)\n"
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        assert done.stdout == "7\n"


# The disk hangs in the save of the second evaluation. Once somebody waits for it, Ctrl-C comes.
HANGING = getsource(waits_for_a_save) + """
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
        [sys.executable, "-c", HANGING, str(closed_at)],
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
    told, evaluated = [], Deadline.evaluated

    def watched(deadline: Deadline, seconds: float, saving: float, waited: float) -> None:
        told.append(saving)
        evaluated(deadline, seconds, saving, waited)

    monkeypatch.setattr(Deadline, "evaluated", watched)
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
