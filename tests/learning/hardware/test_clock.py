"""How long work has taken, however often its process was stopped."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from charrnn.learning.hardware import clock
from charrnn.learning.hardware.clock import Stopwatch, seeing_stops


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        (50, 0, 3),  # as long as the work before, at most
        (50, 9, 12),
        (2, 9, 11),
        (3600, 2, 5),
    ],
)
def test_work_on_both_sides_of_a_stop_counts(
    before: float, after: float, counted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [100.0]
    monkeypatch.setattr(clock, "now", lambda: seconds[0])
    monkeypatch.setattr(clock, "continued", -math.inf)  # whatever other tests did, and they after
    watch = Stopwatch()
    with seeing_stops():
        seconds[0] += 3
        assert watch.read() == 3
        seconds[0] += before
        signal.raise_signal(signal.SIGCONT)
        seconds[0] += after
        assert watch.read() == 3 + counted
        seconds[0] += 4
        assert watch.read() == 7 + counted


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
    monkeypatch.setattr(clock, "continued", -math.inf)
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr("time.thread_time", lambda: worked)
    watch = Stopwatch()
    for passed, own in readings:
        now, worked = now + passed, worked + own
        seconds = watch.read()
    assert seconds == pytest.approx(counted)


CODE = """
import sys, threading
from charrnn.learning.hardware import clock
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(1), ended.set())).start()
with clock.seeing_stops():
    begin, watch = clock.now(), clock.Stopwatch()
    print("begun", flush=True)
    while not ended.wait(0.01):
        watch.read()
    print(clock.now() - begin - watch.read())
"""


def test_a_process_that_is_stopped_and_goes_on_knows_it() -> None:
    command, pipe = [sys.executable, "-c", CODE], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate("\n")
    assert float(out) > 0.5, "of the two seconds none counts, or as many as passed before"


def test_what_was_told_of_signals_before_still_is() -> None:
    """Also where loops that train end in another order than they began."""
    heard, usual = list[int](), signal.getsignal(signal.SIGCONT)

    def loop() -> Iterator[None]:
        with seeing_stops():
            yield

    signal.signal(signal.SIGCONT, lambda number, _: heard.append(number))
    own = signal.getsignal(signal.SIGCONT)
    try:
        with closing(loop()) as loop_here:  # type: ignore[type-var]
            next(loop_here)
            signal.raise_signal(signal.SIGCONT)
        assert heard == [signal.SIGCONT]
        assert signal.getsignal(signal.SIGCONT) is own
        first, second = loop(), loop()
        next(first)
        next(second)
        assert next(first, None) is None
        signal.raise_signal(signal.SIGCONT)
        assert next(second, None) is None
        signal.raise_signal(signal.SIGCONT)
        assert heard == 3 * [signal.SIGCONT]
    finally:
        signal.signal(signal.SIGCONT, usual)
