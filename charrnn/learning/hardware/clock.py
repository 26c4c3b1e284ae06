"""The clock of a run, read in one place, so that a test can set it.

watch = Stopwatch()
watch.read()    # seconds that the work has taken, without its pauses
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Stopwatch", "now", "seconds_of"]

PAUSE = 60.0  # seconds between two readings, from which on the machine may have been asleep
WORKED = 0.25  # share of that time with a processor, from which on it was busy and not asleep


def now() -> float:
    """Seconds since some moment; they never go back, whatever is done to the date."""
    return time.perf_counter()


def seconds_of(work: Callable[[], object]) -> float:
    """How long a call takes."""
    begin = now()
    work()
    return now() - begin


class Stopwatch:
    """Adds up the seconds of a piece of work that reads it again and again.

    A machine that sleeps, or a process that is stopped, is seen as a long time between two readings
    in which this thread hardly had a processor. Work of others that it waits for, as of a GPU,
    looks alike, so what is usual counts, too. Some clocks stand still in a sleep, others don't;
    none of it counts.

    Args:
        seconds: that have passed before.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._last = now()
        self._worked = time.thread_time()  # of this thread: those of all would add up
        self._passed = self._longest = 0.0  # between the last two readings; of those that counted

    def read(self) -> float:
        """The seconds so far."""
        time_now, worked = now(), time.thread_time()
        passed, before = time_now - self._last, self._passed
        has_worked = worked - self._worked >= WORKED * passed
        self._last, self._worked, self._passed = time_now, worked, passed
        # What is usual is no pause, however long.
        if has_worked or passed < max(PAUSE, 10 * before, 2 * self._longest):
            self._seconds += passed
            self._longest = max(self._longest, passed)
        return self._seconds
