"""How long work has taken, however often its process was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from charrnn.learning.hardware import clock
from charrnn.learning.hardware.clock import Stopwatch


@pytest.mark.parametrize(
    ("readings", "counted"),
    [
        # Each: what passes, and for how much of it the thread has a processor.
        ([(70, 60), (0.1, 0.1), (70, 60), (0.1, 0.1)], 140.2),  # long updates, short evaluations
        ([(70, 20), (3600, 3)], 70),  # beside other programs, then asleep
        ([(90, 0), (90, 0), (0.1, 0), (90, 0)], 180.1),  # a GPU works, as far as anyone knows
        ([(0.1, 0.1), (90, 3), (0.1, 0.1), (90, 3)], 0.2),  # naps
    ],
)
def test_long_work_counts_and_sleep_does_not(
    readings: list[tuple[float, float]], counted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, worked = 100.0, 5.0
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr("time.thread_time", lambda: worked)
    watch = Stopwatch()
    for passed, own in readings:
        now, worked = now + passed, worked + own
        seconds = watch.read()
    assert seconds == pytest.approx(counted)


CODE = """
import os, signal
from charrnn.learning.hardware import clock
clock.PAUSE = 0.5
begin, watch = clock.now(), clock.Stopwatch()
watch.read()
os.kill(os.getpid(), signal.SIGSTOP)
print(clock.now() - begin - watch.read())
"""


def test_a_process_that_is_stopped_for_long_seems_asleep() -> None:
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate()
    assert float(out) > 1, "none of the two seconds counts"
