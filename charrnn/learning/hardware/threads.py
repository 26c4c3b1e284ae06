"""In how many threads an update is computed: it decides the last digits, so a run keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from charrnn.config import TrainConfig
from charrnn.network.stack.cpu import team
from charrnn.threads.quota import processor_quota

__all__ = ["each_in_threads", "in_threads", "max_threads", "threads_at"]


def threads_at(step: int, config: TrainConfig) -> int:
    """How many threads compute the update after `step` others; never more than there can be."""
    available = max_threads()
    counts = [change.count for change in config.threads if change.step <= step]
    return min(counts[-1], available) if counts else available


def max_threads() -> int:
    """PyTorch's threads, as far as OpenMP lends them and a quota of processor time allows.

    PyTorch counts cores, though a container may have less time than they do. Where OpenMP lends
    fewer threads than it counts on (`OMP_THREAD_LIMIT`, `OMP_DYNAMIC`), its products of bfloat16
    have been seen to be wrong (2.13), silently.
    """
    count, runtime = torch.get_num_threads(), team.openmp()
    count = max(1, int(min(count, processor_quota())))
    if runtime is None:
        return count
    runtime.omp_set_dynamic(0)
    return min(count, int(runtime.omp_get_thread_limit()))


@contextmanager
def in_threads(count: int) -> Iterator[None]:
    """Inside, PyTorch computes in so many threads; after, in as many as before."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each_in_threads(count: int, pieces: Iterable[None]) -> Iterator[None]:
    """Work in pieces, each computed in so many threads; between them, the caller has its own."""
    work = iter(pieces)
    while True:
        with in_threads(count):
            try:
                next(work)
            except StopIteration:
                return
        yield
