"""In how many threads a run goes on, so that other programs have their part of the processors.

    neighbours = Neighbours(available, threads, usage())
    if neighbours.adapt(usage()):
        recorder.change_threads(learner, neighbours.threads)

The threads of an update wait for each other. Where one shares its processor, all go at its pace: an
update in fewer threads, each with a processor of its own, takes less time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

from charrnn.threads.quota import busy_seconds, processors, waiting_seconds

__all__ = ["Neighbours", "Usage", "usage"]

FIRST_LOOK = 1.0  # seconds; each change doubles the time until the next, since each is saved
# By how many processors the number that is free must differ from that of the threads before the
# latter changes.
CLEARLY = 0.6
# The share of the time for which the threads must wait for a processor before there are fewer.
WAITING = 0.2


class Usage(NamedTuple):
    """What has been used of the processors up to a moment.

    Attributes:
        moment: in seconds.
        own: processor seconds of this process.
        busy: processor seconds of all processes; None where the system does not tell.
        waited: seconds in which each thread of this process that is alive had no processor, by its
            number; empty where the system does not tell.
        processors: how many there are for this process.
    """

    moment: float
    own: float
    busy: float | None
    waited: Mapping[str, float]
    processors: int


def usage() -> Usage:
    """What has been used of the processors up to now."""
    return Usage(
        moment=time.perf_counter(),  # the processor seconds below are real, whatever `clock` says
        own=time.process_time(),
        busy=busy_seconds(),
        waited=waiting_seconds(),
        processors=len(processors()),
    )


class Neighbours:
    """How many threads leave others the processors that they use.

    Programs of lower priority, which only take what is left over, are no reason to change anything.

    Args:
        available: how many there are where nobody else works.
        threads: how many there are now.
        now: what has been used so far.

    Attributes:
        threads: how many there should be.
    """

    def __init__(self, available: int, threads: int, now: Usage) -> None:
        self.available, self.threads = available, threads
        self._last = now
        self._pause = FIRST_LOOK

    def adapt(self, now: Usage) -> bool:
        """Adapt `threads` to what was used since the last look, if that was long ago.

        Returns:
            whether it changed.
        """
        last, seconds = self._last, now.moment - self._last.moment
        if seconds < self._pause or now.busy is None or last.busy is None:
            return False
        self._last = now
        others = (now.busy - last.busy - (now.own - last.own)) / seconds
        free = now.processors - max(others, 0.0)
        wanted = min(max(round(free), 1), self.available)
        if wanted == self.threads or abs(free - self.threads) < CLEARLY:
            return False
        if wanted < self.threads and _waited(last, now) < WAITING * seconds:
            return False
        self.threads = wanted
        self._pause *= 2
        return True


def _waited(last: Usage, now: Usage) -> float:
    """How long the threads waited for processors in between; for ever where nobody knows.

    Of one that ended meanwhile, as that of each save does, nobody knows how long that was.
    """
    if not now.waited:
        return math.inf
    before = last.waited
    # The number of one that ended may be given again, to one that has waited less.
    return sum(max(waited - before.get(number, 0.0), 0.0) for number, waited in now.waited.items())
