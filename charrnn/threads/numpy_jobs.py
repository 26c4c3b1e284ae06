"""Jobs of NumPy products, as many at once as there are processors."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from charrnn.threads.quota import usable_processors
from charrnn.threads.side_by_side import run_side_by_side

__all__ = ["results_of"]

MAX_THREADS = 8  # more take Python's lock from each other; see NOTES.md

Job = TypeVar("Job")
Result = TypeVar("Result")

_PRODUCTS_ARE_LIMITED = threading.Lock()  # held while they are: for the whole process


def results_of(work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """Do jobs that don't depend on each other, each in one thread.

    Threads of NumPy's own would share one product after another, and wait for each other at each,
    busily. So while jobs are done side by side, each product has one thread.

    Args:
        work: does one job; most of its time goes into NumPy.
        jobs: the longest ones last.

    Returns:
        results: in the order of the jobs.

    Raises:
        BaseException: what a job raised, after those that had begun have ended.
    """
    count = min(len(jobs), usable_processors(), MAX_THREADS)
    if count < 2:
        return [work(job) for job in jobs]
    # It takes 3 ms, which writing a text need not wait for.
    from threadpoolctl import threadpool_limits

    if not _PRODUCTS_ARE_LIMITED.acquire(blocking=False):
        return [work(job) for job in jobs]
    results, waiting = dict[int, Result](), deque(enumerate(jobs))

    def do_some(_share: int) -> None:
        while waiting:
            try:
                number, job = waiting.pop()
            except IndexError:  # another thread took the last one
                return
            results[number] = work(job)

    try:
        with threadpool_limits(1, "blas"):
            done = run_side_by_side(do_some, range(count), waiting.clear)
    finally:
        _PRODUCTS_ARE_LIMITED.release()
    if not done:
        return [work(job) for job in jobs]
    return [results[number] for number in range(len(jobs))]
