"""The clock of a run, read in one place, so that a test can set it.

watch = Stopwatch()
watch.read()    # seconds that the work has taken, without its pauses
"""

from __future__ import annotations

import time

__all__ = ["Stopwatch", "now"]

PAUSE = 60.0  # seconds between two readings, from which on the machine was asleep


def now() -> float:
    """Seconds since some moment; they never go back, whatever is done to the date."""
    return time.perf_counter()


class Stopwatch:
    """Adds up the seconds of a piece of work that reads it again and again.

    A machine that sleeps, or a process that is stopped and goes on, is seen as a long time between
    two readings. Some clocks stand still while a machine sleeps, others don't; none of it counts.

    Args:
        seconds: that have passed before.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._last = now()
        self._passed = 0.0  # between the last two readings

    def read(self) -> float:
        """The seconds so far."""
        time_now = now()
        passed, before = time_now - self._last, self._passed
        self._last, self._passed = time_now, passed
        if passed < max(PAUSE, 10 * before):  # what is usual is no pause, however long
            self._seconds += passed
        return self._seconds
