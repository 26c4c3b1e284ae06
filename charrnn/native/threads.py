"""Threads for machine code: how many there may be, and how work is divided among them.

A writer brings threads of its own. The code of training runs in PyTorch's, whose numbers it asks
for by the names of OpenMP's functions; `network.openmp` tells where these are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.native.machine import Code, Int

__all__ = ["OPENMP_NAMES", "Part", "run_side_by_side", "thread", "threads", "usable_processors"]

OPENMP_NAMES = THREAD, THREADS = "omp_get_thread_num", "omp_get_num_threads"


def thread(code: Code) -> Int:
    """The number of the OpenMP thread that runs the code, from 0."""
    return code.function(THREAD)


def threads(code: Code) -> Int:
    """How many OpenMP threads run it."""
    return code.function(THREADS)


class Part(NamedTuple):
    """What one thread does of the code's work: some sequences, or a share of all units."""

    first: int
    last: int
    share: int = 0
    shares: int = 1


def usable_processors() -> int:
    """How many may be used."""
    found = getattr(os, "sched_getaffinity", None)
    count = len(found(0)) if found else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(count, max(int(limit), 1)) if limit.isdecimal() else count


_HELPERS = threading.Lock()  # those of one writer are enough for all


def run_side_by_side(
    code: Callable[[Part], None], parts: Sequence[Part], sync: NDArray[np.int64]
) -> bool:
    """Run code in threads, if others than this one can be had.

    Args:
        code: is given each of the parts.
        parts: of the work, the largest last.
        sync: where those wait for each other that share units; see `intrinsics.barrier`.

    Returns:
        done: whether it was run.
    """
    if len(parts) < 2 or not _HELPERS.acquire(blocking=False):
        return False
    helpers: list[threading.Thread] = []
    failed: list[BaseException] = []

    def helped(part: Part) -> None:
        try:
            code(part)
        except BaseException as error:
            sync[1] = 1  # nobody shall wait for who does not come
            failed.append(error)

    try:
        try:
            for part in parts[:-1]:
                helper = threading.Thread(target=helped, args=(part,), daemon=True)
                helper.start()
                helpers.append(helper)
        except RuntimeError:  # no more threads: the system's limit, or Python is about to end
            if not helpers:
                return False
        for part in parts[len(helpers) :]:  # this thread's own, and what found no helper
            code(part)
    except BaseException:
        sync[1] = 1
        raise
    finally:
        try:
            for helper in helpers:
                helper.join()
        finally:
            _HELPERS.release()
    if failed:
        raise failed[0]
    return True
