"""A program that ends while something still holds a loop over a run."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn import Run, resume, train
from charrnn.folder.resuming import read_run
from tests.training.watching import weights

BEGINNING = """
import itertools, os, sys
from charrnn import Progress, train
from charrnn.training import loop
loop.REPORT_SECONDS = 0.0
sizes = {"hidden_size": 8, "embed_size": 6, "batch_size": 3, "seq_length": 5, "device": "cpu"}
run = train("verse.txt", out="m", steps=20, eval_every=8, **sizes)
"""
# What holds the iterator is a name of a module, as all of these are.
NEXT = """
events = iter(run)
for _ in range(8):
    event = next(events)
print(event.step)
"""
EXIT = """
events = iter(run)
for event in events:
    if isinstance(event, Progress) and event.step == 11:
        print(event.step)
        sys.exit()
"""
EXPRESSION = """
steps = (event.step for event in run if isinstance(event, Progress))
print(list(itertools.islice(steps, 5))[-1])
"""
COPY = """
events = iter(run)
for event in itertools.islice(events, 8):
    pass
if os.fork() == 0:
    sys.exit()
os.wait()
assert os.path.exists("m/.lock")
print(next(events).step)
"""


def said(code: str, cwd: Path) -> str:
    """What a program says, on both streams."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=600,
    )
    return done.stdout


@pytest.fixture
def begun(verse: Path, report_each_update: None) -> Callable[[str], Run]:
    """Prepares the run of these programs, here."""
    sizes: dict[str, Any] = {"hidden_size": 8, "embed_size": 6, "batch_size": 3, "seq_length": 5}
    return lambda out: train(verse.name, out=out, steps=20, eval_every=8, device="cpu", **sizes)


@pytest.mark.parametrize(
    "program", [NEXT, EXIT, EXPRESSION, COPY], ids=["next", "exit", "expression", "copy"]
)
def test_the_end_of_a_program_saves_the_run_whose_loop_it_holds(
    program: str, begun: Callable[[str], Run], tmp_path: Path
) -> None:
    """Once it ended in a traceback, and all was lost that was learnt since the last evaluation."""
    step = int(said(BEGINNING + program, tmp_path))
    assert read_run(Path("m")).progress.step == step
    assert not list(Path("m").glob(".lock*"))
    resume("m").finish(progress=False)
    begun("whole").finish(progress=False)
    assert weights("m") == weights("whole")


def test_a_loop_that_another_thread_computes_in_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import threading\n"
        "from charrnn.training.at_exit import closed_at_exit\n"
        "runs = threading.Event()\n"
        "def steps():\n"
        "    runs.set()\n"
        "    threading.Event().wait()\n"
        "    yield\n"
        "loop = closed_at_exit(steps())\n"
        "threading.Thread(target=next, args=(loop,), daemon=True).start()\n"
        "runs.wait()\n"
    )
    assert said(code, tmp_path) == ""


def test_a_loop_that_is_over_or_was_left_is_not_known_any_more(
    begun: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[object] = []
    monkeypatch.setattr(atexit, "register", known.append)
    monkeypatch.setattr(atexit, "unregister", known.remove)
    run = begun("m")
    events = iter(run)
    assert not known
    next(events)
    assert known
    del events
    assert not known
    events = iter(run)
    for _ in events:
        assert known
    assert not known
