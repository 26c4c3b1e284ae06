"""The clock of a run, read in one place, so that a test can set it.

watch = Stopwatch()
watch.read()    # seconds that the work has taken, without its pauses
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager

from charrnn.signals import heard

__all__ = ["Stopwatch", "now", "seeing_stops"]

PAUSE = 60.0  # seconds between two readings, from which on the machine may have been asleep
WORKED = 0.25  # of that time, with a processor: then it was not, only busy
continued = -math.inf  # when the process last went on after it was stopped, if that was seen


def now() -> float:
    """Seconds since some moment; they never go back, whatever is done to the date."""
    return time.perf_counter()


def seeing_stops() -> AbstractContextManager[None]:
    """Let stopwatches know when the process goes on, as after Ctrl-Z and `fg`."""
    return heard("SIGCONT", _note_continued)


def _note_continued() -> None:
    global continued
    continued = now()


class Stopwatch:
    """Adds up the seconds of a piece of work that reads it again and again.

    A machine that sleeps is seen as a long time between two readings in which this thread hardly
    had a processor. Work of others that it waits for, as of a GPU, looks alike, so what is usual
    counts, too. Some clocks stand still in a sleep, others don't; none of it counts.

    When a process that was stopped goes on, its system says so, but not when it was stopped: of the
    time between the reading before and that moment, as much counts as between the two readings
    before.

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
        if self._last < continued <= time_now:
            passed = min(before, continued - self._last) + time_now - continued
        has_worked = worked - self._worked >= WORKED * passed
        self._last, self._worked, self._passed = time_now, worked, passed
        # What is usual is no pause, however long.
        if has_worked or passed < max(PAUSE, 10 * before, 2 * self._longest):
            self._seconds += passed
            self._longest = max(self._longest, passed)
        return self._seconds
